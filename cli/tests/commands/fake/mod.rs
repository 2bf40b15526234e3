//! A server in memory behind [`Transport`], and a way to run a command line against it.

mod changes;
mod connection;
mod run;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use haul_cli::{Remote, ServeError, ServeOptions, Transport};
use haul_core::client::{ClientConfig, Failure};
use haul_core::message::{Greeting, Refusal};
use haul_core::{Entry, ErrorCode, FilePath, Timestamp, Timing};
use haul_transport::{ConnectError, Unreached};

use connection::Connection;
pub(crate) use run::{Outcome, Run};

/// What is on the server, and what it shall do.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Directories that were made; those of files are there anyway.
    pub(crate) directories: BTreeSet<String>,
    /// What was deleted, in this order.
    pub(crate) deleted: Vec<String>,
    /// Listed in addition to the files, whatever was asked for.
    pub(crate) invented: Vec<Entry>,
    pub(crate) skipped: Option<u64>,
    /// Directories that are links, by their paths: a listing does not descend into them.
    pub(crate) links: Vec<String>,
    /// A directory here that gets what is stored, too.
    pub(crate) mirror: Option<PathBuf>,
    /// How many connections there were when stdin was read first.
    pub(crate) connected_before_input: Option<usize>,
    /// Failures of requests for a path, each once.
    pub(crate) failures: HashMap<String, Failure>,
    /// Bytes after which a download fails.
    pub(crate) corrupt_after: Option<usize>,
    /// How long each piece of a file takes.
    pub(crate) pace: Duration,
    /// Bytes of a transfer after which its connection is lost, once.
    pub(crate) lost_after: Option<u64>,
    /// What is stored, or changed, though the request for it fails: only the receipt is lost.
    pub(crate) lost_receipt: Option<&'static str>,
    pub(crate) unreachable: bool,
    /// Whether the last client wanted its files on stable storage.
    pub(crate) durable: bool,
    /// How it was connected to last: how long that may take, and the session's bounds on time.
    pub(crate) timing: Option<(Duration, Timing)>,
    /// The signal that cancels requests.
    pub(crate) signal: Option<i32>,
    pub(crate) connected: Vec<String>,
    /// How many connections can be made, if not any number.
    pub(crate) most_connections: Option<usize>,
    /// Pauses before another try.
    pub(crate) pauses: Vec<Duration>,
    /// Uploads that were refused because their names begin with a dot, if that is refused.
    pub(crate) refused_dots: Option<Vec<String>>,
    pub(crate) said_goodbye: usize,
    pub(crate) served: Option<ServeOptions>,
    pub(crate) cannot_listen: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

impl Fake {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let fake = Self::default();
        for (name, content) in files {
            fake.state().files.insert((*name).to_owned(), content.as_bytes().to_vec());
        }
        fake
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fails(self, path: &str, failure: Failure) -> Self {
        self.state().failures.insert(path.to_owned(), failure);
        self
    }

    pub(crate) fn run(&self, line: &[&str]) -> Outcome {
        Run::default().run(self, line)
    }
}

pub(crate) fn refusal(code: ErrorCode) -> Failure {
    Failure::Refused(Refusal::new(code, "no"))
}

pub(crate) fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

pub(crate) fn modified() -> Timestamp {
    Timestamp::parse("2026-11-22T08:31:25.5Z").unwrap()
}

impl Transport for Fake {
    const PROGRAM: &'static str = "haul-test";

    fn serve(
        &self,
        options: &ServeOptions,
        ready: &mut dyn FnMut(&[SocketAddr]),
    ) -> Result<(), ServeError> {
        let mut state = self.state();
        state.served = Some(options.clone());
        if state.cannot_listen {
            return Err(ServeError::Listen(io::ErrorKind::AddrInUse.into()));
        }
        let address = |(host, _): &(String, u16)| SocketAddr::new(host.parse().unwrap(), 4999);
        ready(&options.addresses.iter().map(address).collect::<Vec<_>>());
        Ok(())
    }

    fn connect(
        &self,
        host: &str,
        port: u16,
        config: ClientConfig,
        connect_timeout: Duration,
    ) -> Result<Box<dyn Remote>, ConnectError> {
        let mut state = self.state();
        state.durable = config.durable;
        state.timing = Some((connect_timeout, config.timing));
        state.connected.push(format!("{host} {port}"));
        let enough = state.most_connections.is_some_and(|most| state.connected.len() > most);
        if state.unreachable || enough {
            let error = io::Error::from_raw_os_error(111);
            let address = SocketAddr::new([127, 0, 0, 1].into(), port);
            return Err(ConnectError::Unreached(vec![Unreached { address, error }]));
        }
        if let Some(failure) = state.failures.remove("connect") {
            return Err(failure.into());
        }
        drop(state);
        let greeting = Greeting {
            banner: String::from("Welcome"),
            max_data: 1 << 20,
            pipeline: 64,
            auth_required: false,
            user: None,
        };
        Ok(Box::new(Connection { server: self.clone(), greeting }))
    }

    fn signal(&self) -> Option<i32> {
        self.state().signal
    }

    fn pause(&self, duration: Duration) {
        self.state().pauses.push(duration);
    }
}
