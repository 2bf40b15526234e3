//! The program `haul-std`.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use haul_cli::{LastWords, Remote, Runtime, ServeError, ServeOptions, Watch};
use haul_core::client::{ClientConfig, Failure};
use haul_core::message::Greeting;
use haul_std::{Client, ClientOptions, Server, Wake};
use haul_transport::{Call, CancelOnSignals, ConnectError, drain_on_signals};

/// The log tells at most 4096 threads apart and panics in the next one, so clients beyond these are told `busy`.
const MOST_CLIENTS: usize = 4_000;

#[derive(Default)]
struct Std {
    cancel: CancelOnSignals<Wake>,
}

impl Runtime for Std {
    const PROGRAM: &'static str = "haul-std";

    fn serve(
        &self,
        options: &ServeOptions,
        ready: &mut dyn FnMut(&[SocketAddr]),
    ) -> Result<(), ServeError> {
        let store = Arc::new(options.store()?);
        let mut server = options.server.clone();
        if server.max_clients > MOST_CLIENTS {
            tracing::warn!("at most {MOST_CLIENTS} clients are served at once, each by a thread");
            server.max_clients = MOST_CLIENTS;
        }
        let server = Server::bind_all(options.addresses.iter().cloned(), store, server)
            .map_err(ServeError::Listen)?;
        drain_on_signals(server.handle())?;
        ready(server.local_addrs());
        server.run();
        Ok(())
    }

    fn connect(
        &self,
        host: &str,
        port: u16,
        config: ClientConfig,
        connect_timeout: Duration,
    ) -> Result<Box<dyn Remote>, ConnectError> {
        let cancel = Some(self.cancel.get()?);
        let options = ClientOptions { config, connect_timeout, cancel };
        let client = Client::connect((host.to_owned(), port), options)?;
        Ok(Box::new(Connected(client)))
    }

    fn listen_to_signals(&self, last_words: LastWords) -> io::Result<()> {
        self.cancel.get_with(last_words).map(drop)
    }

    fn signal(&self) -> Option<i32> {
        self.cancel.signal()
    }
}

struct Connected(Client);

impl Remote for Connected {
    fn greeting(&self) -> &Greeting {
        self.0.greeting()
    }

    fn run(&mut self, calls: &mut dyn Iterator<Item = Call<Watch<'_>>>) -> Result<(), Failure> {
        self.0.run(calls)
    }
}

fn main() -> ExitCode {
    haul_cli::main(Std::default())
}
