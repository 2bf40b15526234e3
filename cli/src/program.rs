//! The program on a given runtime.

use std::fmt;
use std::future::{pending, poll_fn};
use std::io;
use std::panic;
use std::process;
use std::sync::Arc;

use futures_lite::FutureExt as _;
use haul_core::client::Failure;
use haul_core::message::Greeting;
use haul_transport::{
    Call, CancelOnSignals, Client, ClientOptions, ConnectError, Event, Listener, Runtime, Server,
    Users, drain_on_signals,
};

use tracing::warn;

use crate::address::Scheme;
use crate::exit::Exit;
use crate::transport::{LastWords, Listening, Remote, ServeError, ServeOptions, Transport, Watch};

/// A runtime that a thread can wait on.
pub trait BlockOn: Send + Sync + 'static {
    /// The program's name, such as `haul-tokio`.
    const PROGRAM: &'static str;

    /// The most clients that it can serve at the same time.
    const MOST_CLIENTS: usize = usize::MAX;

    /// The runtime of server and client.
    type Runtime: Runtime;

    /// Runs a future on this thread, and waits for it. Its tasks may continue between two calls or in the next one.
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T;
}

/// Starts a runtime.
///
/// If the system refuses a thread, runtimes panic, and may then wait forever for the threads that exist. So a panic
/// here prints one line and ends the program.
pub fn start_runtime<T>(program: &'static str, start: impl FnOnce() -> T) -> T {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let reason = panic.payload_as_str().unwrap_or("its runtime panicked");
        eprintln!("{program}: cannot start: {reason}");
        process::exit(Exit::Unexpected.code().into());
    }));
    let started = start();
    panic::set_hook(hook);
    started
}

/// The program on a runtime.
pub struct Program<B> {
    executor: Arc<B>,
    cancel: CancelOnSignals,
}

impl<B> Program<B> {
    /// The program on `executor`.
    pub fn new(executor: B) -> Self {
        Self { executor: Arc::new(executor), cancel: CancelOnSignals::default() }
    }
}

impl<B: BlockOn> Transport for Program<B> {
    const PROGRAM: &'static str = B::PROGRAM;

    fn serve(
        &self,
        options: &ServeOptions,
        ready: &mut dyn FnMut(&[Listening]),
    ) -> Result<(), ServeError> {
        let users = Arc::new(options.users()?);
        let ServeOptions { listen_on, mut server, .. } = options.clone();
        server.users = Some(Arc::clone(&users) as Arc<dyn Users>);
        let names = listen_on.into_iter().map(|at| ((at.host, at.port), at.layer));
        if server.max_clients > B::MOST_CLIENTS {
            warn!("at most {} clients are served at once, each by a thread", B::MOST_CLIENTS);
            server.max_clients = B::MOST_CLIENTS;
        }
        self.executor.block_on(async {
            let server = Server::<B::Runtime, _>::bind_layered(names, users, server)
                .await
                .map_err(ServeError::Listen)?;
            drain_on_signals(server.handle())?;
            let listening = server.layered_addrs().map(|(address, layer)| Listening {
                scheme: if layer.is_some() { Scheme::Tls } else { Scheme::Plain },
                address,
            });
            ready(&listening.collect::<Vec<_>>());
            server.run().await;
            Ok(())
        })
    }

    fn connect(
        &self,
        host: &str,
        port: u16,
        options: ClientOptions,
        abandoned: Option<&Event>,
    ) -> Result<Box<dyn Remote>, ConnectError> {
        let cancel = Some(self.cancel.get()?);
        let options = ClientOptions { cancel, ..options };
        let connected = Client::connect((host.to_owned(), port), options);
        let client = self.executor.block_on(connected.or(cancelled::<B::Runtime, _>(abandoned)))?;
        Ok(Box::new(Connected { client, executor: Arc::clone(&self.executor) }))
    }

    fn listen_to_signals(&self, last_words: LastWords) -> io::Result<()> {
        self.cancel.get_with(last_words).map(drop)
    }

    fn signal(&self) -> Option<i32> {
        self.cancel.signal()
    }
}

/// Waits until `abandoned` is raised, if it ever is.
async fn cancelled<R: Runtime, C>(abandoned: Option<&Event>) -> Result<C, ConnectError> {
    match abandoned {
        Some(event) => {
            let mut listener = Listener::default();
            poll_fn(|cx| R::poll_raised(cx, event, &mut listener)).await;
        }
        None => pending().await,
    }
    Err(ConnectError::Failed(Failure::Cancelled))
}

struct Connected<B: BlockOn> {
    client: Client<B::Runtime>,
    executor: Arc<B>,
}

impl<B: BlockOn> Remote for Connected<B> {
    fn greeting(&self) -> Option<&Greeting> {
        self.client.greeting()
    }

    fn run(
        &mut self,
        calls: &mut dyn Iterator<Item = Call<Watch<'_>>>,
        most: usize,
    ) -> Result<(), Failure> {
        self.executor.block_on(self.client.run_at_most(most, calls))
    }

    fn leave(self: Box<Self>) -> Result<(), Failure> {
        self.executor.block_on(self.client.leave())
    }
}

impl<B: BlockOn> fmt::Debug for Program<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(B::PROGRAM).finish_non_exhaustive()
    }
}
