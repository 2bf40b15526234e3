//! What every command works with: the transport, the settings, the streams and at most one connection.

use std::borrow::Cow;
use std::fmt::Display;
use std::io;
use std::mem;
use std::time::{Duration, Instant};

use haul_core::client::{ClientConfig, ClientEvent, Failure};
use haul_core::message::Greeting;
use haul_core::{FilePath, Timing};
use haul_store::ClientFiles;
use haul_transport::{CONNECT_TIMEOUT, Call, ConnectError, Event, Watch};
use indicatif::ProgressDrawTarget;
use serde::Serialize;

use crate::address::ServerAddress;
use crate::console::Console;
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::names;
use crate::output::{self, Change};
use crate::progress;
use crate::settings::Settings;
use crate::transport::{Remote, Transport};
use crate::unreachable;

/// A running program.
pub(crate) struct App<'a, T> {
    pub(crate) transport: &'a T,
    pub(crate) settings: Settings,
    /// The one that [was chosen](Self::choose_server).
    pub(crate) server: ServerAddress,
    /// Where names start in the shell, with the whole path. It lies where the [server](Self::server) says that names start.
    pub(crate) directory: Option<FilePath>,
    /// The line of a script that errors come from.
    pub(crate) place: Option<String>,
    pub(crate) console: Console,
    /// Whether files that are brought here go to stable storage, over connections that are made from now on.
    pub(crate) durable: bool,
    /// Something that was asked for was left out, and named. The exit code tells it too.
    pub(crate) incomplete: bool,
    /// A server has greeted since a command last cleared this.
    pub(crate) greeted: bool,
    remote: Option<Box<dyn Remote>>,
}

impl<'a, T: Transport> App<'a, T> {
    pub(crate) fn new(transport: &'a T, settings: Settings, console: Console) -> Self {
        let server = ServerAddress::default();
        Self {
            transport,
            settings,
            server,
            directory: None,
            place: None,
            console,
            durable: false,
            incomplete: false,
            greeted: false,
            remote: None,
        }
    }

    /// What names start from.
    pub(crate) fn base(&self) -> Option<&FilePath> {
        self.server.base.as_ref()
    }

    /// A name as it is written in the shell, as one that starts from the [base](Self::base).
    pub(crate) fn absolute(&self, name: &str) -> Result<String, Error> {
        names::absolute(self.base(), self.directory.as_ref(), name)
    }

    /// `path` as it is written here.
    pub(crate) fn written<'p>(&self, path: &'p FilePath) -> Cow<'p, str> {
        names::written(self.base(), self.directory.as_ref(), path)
    }

    /// Connects if there is no connection, and gives the server's greeting.
    pub(crate) fn connect(&mut self) -> Result<Option<&Greeting>, Error> {
        let remote = self.take_remote()?;
        Ok(self.remote.insert(remote).greeting())
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.remote.is_some()
    }

    /// Asks the server something about `subject` that moves no files. Connects if there is no connection, and lets go of one that is lost.
    ///
    /// A server ends a session that was idle, or restarts; the next request meets that. So it is
    /// asked again over a new connection, once, if a connection that was there before is lost ere
    /// anything of the reply has come.
    pub(crate) fn request<W: Watch>(
        &mut self,
        subject: &str,
        call: Call<W>,
    ) -> Result<W::Output, Error> {
        let again = self.is_connected();
        self.ask(subject, call, again)
    }

    /// The same, but asks again only if it is to.
    pub(crate) fn ask<W: Watch>(
        &mut self,
        subject: &str,
        call: Call<W>,
        mut again: bool,
    ) -> Result<W::Output, Error> {
        let Call { request, mut watch, .. } = call;
        loop {
            let mut begun = false;
            let watching = |event: &ClientEvent| {
                let ended = matches!(event, ClientEvent::Finished { .. } | ClientEvent::Lost(_));
                begun |= !ended;
                watch.event(event)
            };
            let (request, files) = (request.clone(), ClientFiles::Nothing);
            let call = Call { request, files, watch: watching };
            let error = match self.exchange(call)? {
                Ok(summary) => return Ok(watch.output(summary)),
                Err(failure) => Error::request(subject, &failure),
            };
            if begun || !mem::take(&mut again) || !self.asks_again(&error) {
                return Err(error);
            }
        }
    }

    /// Makes one request. Connects if there is no connection, and lets go of one that is lost.
    pub(crate) fn exchange<W: Watch>(
        &mut self,
        call: Call<W>,
    ) -> Result<Result<W::Output, Failure>, Error> {
        let mut remote = match self.remote.take() {
            Some(remote) => remote,
            None => self.open(true)?,
        };
        let asked = remote.ask(call);
        self.greeted |= remote.greeting().is_some();
        match &asked {
            Err(failure) if remote.greeting().is_none() => {
                return Err(self.unreachable(&ConnectError::Failed(failure.clone())));
            }
            Err(failure) if error::loses_connection(failure) => {}
            _ => self.remote = Some(remote),
        }
        Ok(asked)
    }

    /// Whether another connection may do better after `error`. If so, it says that it is tried.
    pub(crate) fn asks_again(&mut self, error: &Error) -> bool {
        let may = error.retry_after().is_some();
        if may {
            self.note(format_args!("{}; asking again over a new connection", error.what()));
        }
        may
    }

    /// The connection, made if there is none, to be [given back](Self::give_back) if it is of use still.
    pub(crate) fn take_remote(&mut self) -> Result<Box<dyn Remote>, Error> {
        match self.remote.take() {
            Some(remote) => Ok(remote),
            None => self.open(false),
        }
    }

    pub(crate) fn give_back(&mut self, remote: Box<dyn Remote>) {
        self.remote = Some(remote);
    }

    /// Ends the session in good form. What was asked for is done by then, so a failure is only logged.
    pub(crate) fn say_goodbye(&mut self) {
        if let Some(remote) = self.remote.take() {
            say_goodbye(remote);
        }
    }

    /// Prints a result: `line` for people or `record` for programs.
    pub(crate) fn result(
        &mut self,
        line: impl Display,
        record: &impl Serialize,
    ) -> Result<(), Error> {
        if self.settings.quiet && !self.settings.json { Ok(()) } else { self.answer(line, record) }
    }

    /// Prints what was asked for: `line` for people or `record` for programs.
    pub(crate) fn answer(
        &mut self,
        line: impl Display,
        record: &impl Serialize,
    ) -> Result<(), Error> {
        if self.settings.json {
            let terminal = self.console.stdout.is_terminal();
            let line = output::json(record, terminal).map_err(io::Error::from);
            self.print(line.map_err(|error| Error::output(&error))?)
        } else {
            self.print(line)
        }
    }

    /// Prints that something was changed.
    pub(crate) fn tell(&mut self, change: &Change<'_>) -> Result<(), Error> {
        self.result(change, &change.record()).map_err(|error| error.at("it is done"))
    }

    /// Prints a line that was asked for.
    pub(crate) fn print(&mut self, line: impl Display) -> Result<(), Error> {
        self.console.stdout.line(line).map_err(|error| Error::output(&error))
    }

    /// Tells something on stderr that is not an error. If it cannot be written there is nobody to tell.
    pub(crate) fn note(&mut self, note: impl Display) {
        if !self.settings.quiet {
            let _ = self.console.stderr.line(format_args!("{}: {note}", T::PROGRAM));
        }
    }

    /// Tells of an error, and gives the code to end with.
    pub(crate) fn report(&mut self, error: &Error) -> Exit {
        let placed = self.place.as_ref().map(|place| error.clone().at(place));
        self.console.report(T::PROGRAM, self.settings.color, placed.as_ref().unwrap_or(error))
    }

    /// Makes another connection. If it is `early`, the first request does not wait for the greeting.
    fn open(&self, early: bool) -> Result<Box<dyn Remote>, Error> {
        self.connector(early).connect(None)
    }

    /// Makes connections as the settings are now. The first request of an `early` one does not wait for the greeting.
    pub(crate) fn connector(&self, early: bool) -> Connector<'a, T> {
        let Settings { no_pass_through, connect_timeout, timeout, .. } = &self.settings;
        let mut timing = Timing::default();
        timing.greeting = connect_timeout.unwrap_or(timing.greeting);
        timing.reply = timeout.unwrap_or(timing.reply);
        let config = ClientConfig {
            timing,
            durable: self.durable,
            pass_through: !no_pass_through,
            early,
            ..ClientConfig::default()
        };
        let timeout = connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        Connector { transport: self.transport, server: self.server.clone(), config, timeout }
    }

    /// Why there is no session, for people.
    fn unreachable(&self, error: &ConnectError) -> Error {
        unreachable::explain(T::PROGRAM, &self.server, error)
    }

    pub(crate) fn progress_target(&self) -> ProgressDrawTarget {
        if self.console.stderr.is_terminal() && !self.settings.quiet && !self.settings.json {
            progress::on(&self.console.stderr)
        } else {
            ProgressDrawTarget::hidden()
        }
    }
}

/// Makes connections to the server, from any thread.
pub(crate) struct Connector<'a, T> {
    transport: &'a T,
    server: ServerAddress,
    config: ClientConfig,
    timeout: Duration,
}

impl<T: Transport> Connector<'_, T> {
    /// Connects, unless `abandoned` is raised before it has.
    pub(crate) fn connect(&self, abandoned: Option<&Event>) -> Result<Box<dyn Remote>, Error> {
        let Self { transport, server, config, timeout } = self;
        let begun = Instant::now();
        let (host, port, config) = (&server.host, server.port, config.clone());
        let connected = transport.connect(host, port, config, *timeout, abandoned);
        if connected.is_ok() {
            tracing::info!(%server, after = ?begun.elapsed(), "connected");
        }
        connected.map_err(|error| unreachable::explain(T::PROGRAM, server, &error))
    }
}

/// Ends a session in good form. What was asked for is done by then, so a failure is only logged.
pub(crate) fn say_goodbye(remote: Box<dyn Remote>) {
    if let Err(failure) = remote.leave() {
        tracing::debug!(%failure, "the session did not end in good form");
    }
}
