//! A server in memory behind [`Transport`], and a way to run a command line against it.

mod changes;
mod connection;
mod run;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use futures_lite::future::block_on;
use haul_cli::{ListenOn, Listening, Remote, Scheme, ServeError, ServeOptions, Transport};
use haul_core::client::Failure;
use haul_core::message::{Greeting, Refusal};
use haul_core::{Entry, ErrorCode, FilePath, Timestamp, Timing};
use haul_transport::{ClientOptions, ConnectError, Event, Listener, Unreached};

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
    /// What clients are greeted with, if not as usual.
    pub(crate) greeting: Option<Greeting>,
    /// Whether the last client wanted its files on stable storage.
    pub(crate) durable: bool,
    /// How it was connected to last: how long that may take, and the session's bounds on time.
    pub(crate) timing: Option<(Duration, Timing)>,
    /// The signal that cancels requests.
    pub(crate) signal: Option<i32>,
    pub(crate) connected: Vec<String>,
    /// How many connections can be made, if not any number.
    pub(crate) most_connections: Option<usize>,
    /// How many connections are served, if not any number. Others are told that the server is busy.
    pub(crate) most_served: Option<usize>,
    /// Connections beyond this number are never made, but end if they are given up.
    pub(crate) hangs_after: Option<usize>,
    /// How many transfers have begun.
    pub(crate) transfers: usize,
    /// Transfers, by their numbers from 1 on, whose connections are lost.
    pub(crate) lost_transfers: Range<usize>,
    /// After this number of transfers, others wait until this number of connections was asked for.
    pub(crate) gathers: Option<(usize, usize)>,
    /// Pauses before another try.
    pub(crate) pauses: Vec<Duration>,
    /// Uploads that were refused because their names begin with a dot, if that is refused.
    pub(crate) refused_dots: Option<Vec<String>>,
    pub(crate) said_goodbye: usize,
    pub(crate) served: Option<ServeOptions>,
    pub(crate) cannot_listen: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    connecting: Arc<Condvar>,
}

impl Fake {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let fake = Self::default();
        for (name, content) in files {
            fake.state().files.insert((*name).to_owned(), content.as_bytes().to_vec());
        }
        fake
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn fails(self, path: &str, failure: Failure) -> Self {
        self.state().failures.insert(path.to_owned(), failure);
        self
    }

    /// A transfer begins, once as many connections were asked for as it waits for.
    fn begin_transfer(&self) -> Result<(), Failure> {
        let mut state = self.state();
        state.transfers += 1;
        let number = state.transfers;
        if state.lost_transfers.contains(&number) {
            return Err(Failure::Disconnected);
        }
        let Some((_, connections)) = state.gathers.filter(|(after, _)| number > *after) else {
            return Ok(());
        };
        let short = |state: &mut State| state.connected.len() < connections;
        let waited = self.connecting.wait_timeout_while(state, GATHERED_WITHIN, short);
        assert!(!waited.unwrap().1.timed_out(), "fewer than {connections} connections");
        Ok(())
    }

    pub(crate) fn run(&self, line: &[&str]) -> Outcome {
        Run::default().run(self, line)
    }
}

/// A test that waits longer for connections fails.
const GATHERED_WITHIN: Duration = Duration::from_mins(1);

pub(crate) fn greeting() -> Greeting {
    Greeting {
        banner: String::from("Welcome"),
        max_data: 1 << 20,
        pipeline: 64,
        auth_required: false,
        user: None,
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
        ready: &mut dyn FnMut(&[Listening]),
    ) -> Result<(), ServeError> {
        let mut state = self.state();
        state.served = Some(options.clone());
        if state.cannot_listen {
            return Err(ServeError::Listen(io::ErrorKind::AddrInUse.into()));
        }
        let listening = |ListenOn { host, layer, .. }: &ListenOn| Listening {
            scheme: if layer.is_some() { Scheme::Tls } else { Scheme::Plain },
            address: SocketAddr::new(host.parse().unwrap(), 4999),
        };
        ready(&options.listen_on.iter().map(listening).collect::<Vec<_>>());
        Ok(())
    }

    fn connect(
        &self,
        host: &str,
        port: u16,
        options: ClientOptions,
        abandoned: Option<&Event>,
    ) -> Result<Box<dyn Remote>, ConnectError> {
        let mut state = self.state();
        let ClientOptions { config, connect_timeout, .. } = options;
        state.durable = config.durable;
        state.timing = Some((connect_timeout, config.timing));
        state.connected.push(format!("{host} {port}"));
        self.connecting.notify_all();
        let number = state.connected.len();
        if state.hangs_after.is_some_and(|most| number > most) {
            drop(state);
            let mut listener = Listener::default();
            let abandoned = abandoned.expect("it can be given up");
            block_on(poll_fn(|cx| abandoned.poll_raised(cx, &mut listener)));
            return Err(Failure::Cancelled.into());
        }
        if state.most_served.is_some_and(|most| number > most) {
            return Err(refusal(ErrorCode::Busy).into());
        }
        let enough = state.most_connections.is_some_and(|most| number > most);
        if state.unreachable || enough {
            let error = io::Error::from_raw_os_error(111);
            let address = SocketAddr::new([127, 0, 0, 1].into(), port);
            return Err(ConnectError::Unreached(vec![Unreached { address, error }]));
        }
        if let Some(failure) = state.failures.remove("connect") {
            return Err(failure.into());
        }
        let greeting = state.greeting.clone().unwrap_or_else(greeting);
        drop(state);
        Ok(Box::new(Connection { server: self.clone(), greeting }))
    }

    fn signal(&self) -> Option<i32> {
        self.state().signal
    }

    fn pause(&self, duration: Duration) {
        self.state().pauses.push(duration);
    }
}
