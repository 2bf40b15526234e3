//! A client whose calls are futures.

use futures_lite::future::FutureExt;
use haul_core::client::{Client as Machine, ClientEvent, Failure, Request};
use haul_core::message::Greeting;
use haul_store::{FilesById, Waiting};
use std::fmt;
use std::future::poll_fn;
use std::net::ToSocketAddrs;
use std::ops::ControlFlow;
use std::task::{Poll, ready};
use std::time::Duration;

use crate::call::{Call, SingleCall, Watch};
use crate::cancel::{Cancel, settle};
use crate::client_handlers::{CallsHandler, GreetingHandler};
use crate::clock::Clock;
use crate::connect::connect;
use crate::connect_error::ConnectError;
use crate::drive::drive;
use crate::event::Event;
use crate::handshake::{HandshakeError, shake_hands};
use crate::offload::Offloadable;
use crate::options::ClientOptions;
use crate::runtime::{Runtime, raised};
use crate::step::{Connection, DriveError, Handler};
use crate::stream::{Security, StreamError};

/// A connection to a server.
///
/// Each call waits for its reply; [`run`](Self::run) makes many requests at the same time. A callback that breaks
/// cancels its request, and so does [`Cancel`]; the result is then [`Failure::Cancelled`]. Dropping a future cancels
/// its request too: its staged file is discarded at once, and the server learns of it from the next request. After a
/// failure of the connection every further request fails too. Dropping the client closes the connection.
pub struct Client<R: Runtime> {
    connection: Offloadable<R, Machine, FilesById>,
    security: Security,
    greeting: Option<Greeting>,
    cancel: Option<Cancel>,
    /// The timeout of the goodbye.
    goodbye: Duration,
}

impl<R: Runtime> Client<R> {
    /// Connects to the first address of the name that answers, completes the handshake of the layer within the
    /// [`greeting`](haul_core::Timing::greeting) time, and waits for the greeting, unless the client is
    /// [early](haul_core::client::ClientConfig::early).
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(
        address: impl ToSocketAddrs + Send + 'static,
        options: ClientOptions,
    ) -> Result<Self, ConnectError> {
        let cancel = options.cancel.clone();
        let _busy = cancel.as_ref().map(Cancel::busy);
        let outcome = Self::connect_unless_cancelled(address, options).await;
        if let Err(ConnectError::Failed(failure)) = &outcome {
            settle(cancel.as_ref(), failure);
        }
        outcome
    }

    async fn connect_unless_cancelled(
        address: impl ToSocketAddrs + Send + 'static,
        options: ClientOptions,
    ) -> Result<Self, ConnectError> {
        let ClientOptions { mut config, connect_timeout, cancel, layer } = options;
        // Only plain TCP can be spliced.
        config.pass_through &= layer.is_none();
        let wake = cancel.as_ref().map(Cancel::wake);
        let handshake_timeout = config.timing.greeting;
        let reached = async {
            let mut socket = connect::<R>(address, connect_timeout).await?;
            let mut stream = match &layer {
                Some(layer) => socket.layered_stream(layer)?,
                None => socket.plain_stream(),
            };
            let too_late = async {
                R::sleep(handshake_timeout).await;
                Err(HandshakeError::TimedOut)
            };
            shake_hands(&mut socket, &mut stream).or(too_late).await?;
            Ok((socket, stream))
        };
        let cancelled = async {
            match wake {
                Some(wake) => raised::<R>(wake).await,
                None => std::future::pending().await,
            }
            Err(ConnectError::Failed(Failure::Cancelled))
        };
        let (socket, stream) = cancelled.or(reached).await?;
        let (goodbye, early) = (config.timing.goodbye, config.early);
        let machine = Machine::new(config);
        let security = stream.security();
        let (files, clock) = (FilesById::default(), Clock::start());
        let connection = Connection { machine, files, stream, clock };
        let mut connection = Offloadable::new(connection, socket);
        let mut greeting = None;
        if !early {
            let mut handler = GreetingHandler::new(wake);
            drive(&mut connection, &mut handler).await.map_err(Failure::from)?;
            greeting = Some(handler.outcome()?);
        }
        Ok(Self { connection, security, greeting, cancel, goodbye })
    }

    /// The server's greeting. An [early](haul_core::client::ClientConfig::early) client has it once the first call has
    /// ended. If it has none then, the failure of that call says why there is no session.
    pub fn greeting(&self) -> Option<&Greeting> {
        self.greeting.as_ref()
    }

    /// What is known about the server and the channel.
    pub fn security(&self) -> Security {
        self.security
    }

    /// Makes a request and waits for its end.
    ///
    /// # Errors
    /// Why the request failed.
    pub async fn call<W: Watch>(&mut self, call: Call<W>) -> Result<W::Output, Failure> {
        let Call { request, files, watch } = call;
        let mut single = SingleCall::new(watch);
        let ran = self.run([Call { request, files, watch: single.watch() }]).await;
        single.outcome(ran)
    }

    /// Makes many requests as the protocol allows, without waiting for one to end before the next starts, so that many
    /// small files need few round trips.
    ///
    /// It takes calls as there is room, a few hundred ahead, and starts them in order. Each watcher gets the end of its
    /// request as [`ClientEvent::Finished`](haul_core::client::ClientEvent::Finished). `calls` is polled where
    /// the connection is driven, and should not block for long.
    ///
    /// # Errors
    /// Why no more calls were taken, or what ended those that were: the connection or a [`Cancel`].
    pub async fn run<W: Watch>(
        &mut self,
        calls: impl IntoIterator<Item = Call<W>>,
    ) -> Result<(), Failure> {
        self.run_at_most(usize::MAX, calls).await
    }

    /// As [`run`](Self::run), but with no more than `most` calls at a time, and one at least. It takes the next call
    /// when an earlier one has ended, so that several connections can share a few long calls, and few files are open.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub async fn run_at_most<W: Watch>(
        &mut self,
        most: usize,
        calls: impl IntoIterator<Item = Call<W>>,
    ) -> Result<(), Failure> {
        let _busy = self.cancel.as_ref().map(Cancel::busy);
        let wake = self.cancel.as_ref().map(Cancel::wake);
        let lent = LentConnection(&mut self.connection);
        let files = lent.0.reset().await.map_err(Failure::from)?;
        let mut handler = CallsHandler::new(calls.into_iter(), most, files, wake);
        let driven = drive(lent.0, &mut handler).await;
        drop(lent);
        self.greeting = self.greeting.take().or_else(|| handler.greeting());
        handler.outcome(driven).inspect_err(|failure| settle(self.cancel.as_ref(), failure))
    }
}

impl<R: Runtime> Client<R> {
    /// Ends the session: sends `EXIT` and closes the connection. It does not wait for the server's goodbye, which costs
    /// a round trip and adds nothing: every call has its reply. A [call](Self::call) of [`exit`](crate::call::exit)
    /// does wait.
    ///
    /// # Errors
    /// If the connection was lost before, or if the server reads nothing within the timeout of the goodbye.
    pub async fn leave(mut self) -> Result<(), Failure> {
        self.connection.reset().await.map_err(Failure::from)?;
        let mut handler = ExitHandler::default();
        drive(&mut self.connection, &mut handler).await.map_err(Failure::from)?;
        if let Some(failure) = handler.failure {
            return Err(failure);
        }
        let goodbye = self.goodbye;
        let too_late = async {
            R::sleep(goodbye).await;
            Err(Failure::TimedOut)
        };
        self.close_write().or(too_late).await
    }

    /// Closes the sending half after all bytes were sent.
    async fn close_write(&mut self) -> Result<(), Failure> {
        poll_fn(|cx| {
            let (connection, socket) = ready!(self.connection.poll_local(cx))?;
            loop {
                match connection.stream.close_write() {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(StreamError::WouldBlock(interest)) => {
                        ready!(socket.poll_ready(cx, interest)).map_err(DriveError::Wait)?;
                    }
                    Err(StreamError::Io(_)) => return Poll::Ready(Err(Failure::Disconnected)),
                }
            }
        })
        .await
    }
}

/// A connection with an application's files, until this is dropped. The next call then makes the server end what is
/// still running.
struct LentConnection<'a, R: Runtime>(&'a mut Offloadable<R, Machine, FilesById>);

impl<R: Runtime> Offloadable<R, Machine, FilesById> {
    /// Waits for the work that a dropped future left, and cancels it. Returns where to add files.
    async fn reset(&mut self) -> Result<Waiting, DriveError> {
        poll_fn(|cx| {
            self.poll_local(cx).map_ok(|(connection, _)| {
                connection.machine.cancel_all();
                connection.files.waiting()
            })
        })
        .await
    }
}

impl<R: Runtime> Drop for LentConnection<'_, R> {
    fn drop(&mut self) {
        self.0.with_files(FilesById::abandon);
    }
}

/// Sends `EXIT`, and waits until it is sent.
#[derive(Default)]
struct ExitHandler {
    asked: bool,
    failure: Option<Failure>,
}

impl Handler<Machine> for ExitHandler {
    fn before_step(&mut self, machine: &mut Machine, _: Duration) -> ControlFlow<()> {
        if !self.asked {
            self.asked = true;
            machine.request(Request::Exit);
        }
        if !machine.has_left() {
            return ControlFlow::Continue(());
        }
        self.failure = machine.failure().cloned();
        ControlFlow::Break(())
    }

    fn wake(&self) -> Option<&Event> {
        None
    }

    fn event(&mut self, _: &ClientEvent) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<R: Runtime> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("greeting", &self.greeting).finish_non_exhaustive()
    }
}
