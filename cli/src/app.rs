//! The state that every command uses: the transport, the settings, the streams and at most one connection.

use std::borrow::Cow;
use std::fmt::Display;
use std::io;
use std::mem;

use haul_core::FilePath;
use haul_core::client::{ClientEvent, Failure};
use haul_core::message::Greeting;
use haul_store::ClientFiles;
use haul_transport::{Call, ConnectError, Watch};
use indicatif::ProgressDrawTarget;
use serde::Serialize;

use crate::address::ServerAddress;
use crate::console::Console;
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::identity::{self, Credentials};
use crate::names;
use crate::output::{self, Change};
use crate::progress;
use crate::settings::Settings;
use crate::transport::{Remote, Transport};
use crate::trust::KnownBy;
use crate::unreachable;

/// A running program.
pub(crate) struct App<'a, T> {
    pub(crate) transport: &'a T,
    pub(crate) settings: Settings,
    /// The server that [was chosen](Self::choose_server).
    pub(crate) server: ServerAddress,
    /// The current directory of the shell, as a path from the shared directory. It is the directory of the
    /// [server](Self::server)'s address, or below it.
    pub(crate) directory: Option<FilePath>,
    /// The line of a script that is running, for errors.
    pub(crate) place: Option<String>,
    pub(crate) console: Console,
    /// Whether downloads are fsynced. Applies to connections that are made from now on.
    pub(crate) durable: bool,
    /// Part of the work was left out, and reported. The exit code reflects it.
    pub(crate) incomplete: bool,
    /// A server has sent its greeting since a command last cleared this.
    pub(crate) greeted: bool,
    /// What a person has typed to be identified, or what a login is to use.
    pub(crate) credentials: Option<Credentials>,
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
            credentials: None,
            remote: None,
        }
    }

    /// The directory that names are relative to.
    pub(crate) fn base(&self) -> Option<&FilePath> {
        self.server.base.as_ref()
    }

    /// Makes a name that was typed in the shell relative to the [base](Self::base).
    pub(crate) fn absolute(&self, name: &str) -> Result<String, Error> {
        names::absolute(self.base(), self.directory.as_ref(), name)
    }

    /// `path` as a user of this program would type it.
    pub(crate) fn written<'p>(&self, path: &'p FilePath) -> Cow<'p, str> {
        names::written(self.base(), self.directory.as_ref(), path)
    }

    /// Connects if there is no connection, and returns the server's greeting.
    pub(crate) fn connect(&mut self) -> Result<Option<&Greeting>, Error> {
        let remote = self.take_remote()?;
        Ok(self.remote.insert(remote).greeting())
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.remote.is_some()
    }

    /// Makes a request about `subject` that transfers no files. Connects if there is no connection, and drops a lost
    /// one.
    ///
    /// A server may end an idle session, or restart, and the next request finds out. So if an existing connection is
    /// lost before any part of the reply has arrived, the request is made again, once, over a new connection.
    pub(crate) fn request<W: Watch>(
        &mut self,
        subject: &str,
        call: Call<W>,
    ) -> Result<W::Output, Error> {
        let again = self.is_connected();
        self.ask(subject, call, again)
    }

    /// As [`request`](Self::request), but retries only if `again` is set.
    pub(crate) fn ask<W: Watch>(
        &mut self,
        subject: &str,
        call: Call<W>,
        mut again: bool,
    ) -> Result<W::Output, Error> {
        let Call { request, mut watch, .. } = call;
        loop {
            let early = !self.is_connected();
            let mut begun = false;
            let watching = |event: &ClientEvent| {
                let ended = matches!(event, ClientEvent::Finished { .. } | ClientEvent::Lost(_));
                begun |= !ended;
                watch.event(event)
            };
            let (request, files) = (request.clone(), ClientFiles::Nothing);
            let call = Call { request, files, watch: watching };
            let asked = self.exchange(call)?;
            if early && let Some(error) = self.mismatch() {
                if begun {
                    return Err(error);
                }
                self.say_goodbye();
                self.connect()?;
                continue;
            }
            let error = match asked {
                Ok(summary) => return Ok(watch.output(summary)),
                Err(failure) => Error::request(subject, &failure),
            };
            if begun || !mem::take(&mut again) || !self.asks_again(&error) {
                return Err(error);
            }
        }
    }

    /// Makes one request. Connects if there is no connection, and drops a lost one.
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

    /// Explains why the server's user of this connection is not the user that the address names.
    fn mismatch(&self) -> Option<Error> {
        if self.credentials.is_some() {
            return None;
        }
        let mismatch = identity::mismatch(&self.server, self.remote.as_ref()?.greeting()?)?;
        Some(identity::explain(T::PROGRAM, &self.server, &mismatch))
    }

    /// Whether to retry over a new connection after `error`. If so, prints that it does.
    pub(crate) fn asks_again(&mut self, error: &Error) -> bool {
        let may = error.retry_after().is_some();
        if may {
            self.note(format_args!("{}; asking again over a new connection", error.what()));
        }
        may
    }

    /// Takes the connection, or makes one if there is none. A caller that is done with a working connection [gives it
    /// back](Self::give_back).
    pub(crate) fn take_remote(&mut self) -> Result<Box<dyn Remote>, Error> {
        match self.remote.take() {
            Some(remote) => Ok(remote),
            None => self.open(false),
        }
    }

    pub(crate) fn give_back(&mut self, remote: Box<dyn Remote>) {
        self.remote = Some(remote);
    }

    /// Ends the session cleanly. All requests are complete by then, so a failure is only logged.
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

    /// Prints requested output: `line` for people or `record` for programs.
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

    /// Prints a change on the server.
    pub(crate) fn tell(&mut self, change: &Change<'_>) -> Result<(), Error> {
        self.result(change, &change.record()).map_err(|error| error.at("it is done"))
    }

    /// Prints a line of requested output.
    pub(crate) fn print(&mut self, line: impl Display) -> Result<(), Error> {
        self.console.stdout.line(line).map_err(|error| Error::output(&error))
    }

    /// Prints a note that is not an error on stderr. A failure to write it is ignored: there is nowhere to report it.
    pub(crate) fn note(&mut self, note: impl Display) {
        if !self.settings.quiet {
            let _ = self.console.stderr.line(format_args!("{}: {note}", T::PROGRAM));
        }
    }

    /// Prints an error, and returns the exit code for it.
    pub(crate) fn report(&mut self, error: &Error) -> Exit {
        let placed = self.place.as_ref().map(|place| error.clone().at(place));
        self.console.report(T::PROGRAM, self.settings.color, placed.as_ref().unwrap_or(error))
    }

    /// Explains why there is no session.
    fn unreachable(&self, error: &ConnectError) -> Error {
        unreachable::explain(T::PROGRAM, &self.server, &KnownBy::Nothing, error)
    }

    pub(crate) fn progress_target(&self) -> ProgressDrawTarget {
        if self.console.stderr.is_terminal() && !self.settings.quiet && !self.settings.json {
            progress::on(&self.console.stderr)
        } else {
            ProgressDrawTarget::hidden()
        }
    }
}

/// Ends a session cleanly. All requests are complete by then, so a failure is only logged.
pub(crate) fn say_goodbye(remote: Box<dyn Remote>) {
    if let Err(failure) = remote.leave() {
        tracing::debug!(%failure, "the session did not end cleanly");
    }
}
