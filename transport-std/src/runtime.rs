//! This transport as the command line sees it.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use haul_cli::{ConnectError, Remote, Runtime, ServeError, ServeOptions};
use haul_core::client::{Failure, Progress};
use haul_core::message::{Greeting, Summary};
use haul_core::server::ServerConfig;
use haul_core::{Depth, Entry, FilePath, Limits, Mode, Timing};
use haul_store::{Directory, Source, Target};
use signal_hook::consts::SIGXFSZ;

use crate::client::{self, Cancel, Client, ClientOptions, DownloadOptions};
use crate::server::{Server, ServerOptions, drain_on_signals};

/// Blocking sockets and threads.
#[derive(Debug, Default)]
pub struct StdRuntime {
    /// What signals cancel. They are taken over once, for all connections of the process: they come one after another.
    cancel: OnceLock<Cancel>,
}

impl StdRuntime {
    fn cancel(&self) -> io::Result<Cancel> {
        if let Some(cancel) = self.cancel.get() {
            return Ok(cancel.clone());
        }
        outlive_file_size_limit()?;
        let cancel = Cancel::new()?;
        cancel.on_signals()?;
        Ok(self.cancel.get_or_init(|| cancel).clone())
    }
}

impl Runtime for StdRuntime {
    const PROGRAM: &'static str = "haul-std";

    fn serve(
        &self,
        options: &ServeOptions,
        ready: &mut dyn FnMut(SocketAddr),
    ) -> Result<(), ServeError> {
        outlive_file_size_limit()?;
        let store = open_directory(options)?;
        let server = Server::bind(
            (options.host.as_str(), options.port),
            Arc::new(store),
            server_options(options),
        )
        .map_err(|source| ServeError::Listen {
            address: format!("{}:{}", options.host, options.port),
            source,
        })?;
        drain_on_signals(server.handle())?;
        ready(server.local_addr()?);
        server.run();
        Ok(())
    }

    fn connect(&self, host: &str, port: u16) -> Result<Box<dyn Remote>, ConnectError> {
        let cancel = Some(self.cancel()?);
        match Client::connect((host, port), ClientOptions { cancel, ..ClientOptions::default() }) {
            Ok(client) => Ok(Box::new(StdRemote(client))),
            Err(client::ConnectError::Io(error)) => Err(ConnectError::Io(error)),
            Err(client::ConnectError::Failed(failure)) => Err(ConnectError::Failed(failure)),
        }
    }
}

/// Makes a write beyond the limit of `ulimit -f` an error of that write, where its signal would end the process.
fn outlive_file_size_limit() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

fn open_directory(options: &ServeOptions) -> Result<Directory, ServeError> {
    let ServeOptions { directory, hidden, .. } = options;
    Directory::open(directory, haul_store::Options { hidden: *hidden })
        .map_err(|source| ServeError::Directory { directory: directory.clone(), source })
}

fn server_options(options: &ServeOptions) -> ServerOptions {
    let &ServeOptions { max_clients, max_clients_per_address, grace, .. } = options;
    let config = ServerConfig {
        limits: Limits { max_file_size: options.max_file_size, ..Limits::default() },
        timing: Timing { idle: options.idle, ..Timing::default() },
        banner: options.banner.clone(),
        durable: options.durable,
        ..ServerConfig::default()
    };
    ServerOptions { config, max_clients, max_clients_per_address, grace }
}

struct StdRemote(Client);

impl Remote for StdRemote {
    fn greeting(&self) -> &Greeting {
        self.0.greeting()
    }

    fn list(
        &mut self,
        path: Option<&FilePath>,
        depth: Depth,
        on_entry: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.0.list(path, depth, on_entry)
    }

    fn download(
        &mut self,
        path: &FilePath,
        offset: u64,
        length: Option<u64>,
        mode: Mode,
        target: Box<dyn Target>,
        on_progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        let options = DownloadOptions { offset, length, mode };
        self.0.download(path, options, target, on_progress)
    }

    fn upload(
        &mut self,
        path: &FilePath,
        mode: Mode,
        source: Box<dyn Source>,
        on_progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        self.0.upload(path, mode, source, on_progress)
    }

    fn help(&mut self) -> Result<Vec<String>, Failure> {
        self.0.help()
    }

    fn exit(self: Box<Self>) -> Result<(), Failure> {
        self.0.exit()
    }
}
