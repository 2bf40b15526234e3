//! How a command gets its connection: the server is trusted, the client is identified, or a person is asked.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use haul_accounts::Fingerprint;
use haul_core::Timing;
use haul_core::account::{Proof, UserName};
use haul_core::client::ClientConfig;
use haul_transport::{CONNECT_TIMEOUT, ClientOptions, ConnectError, Event};

use crate::address::ServerAddress;
use crate::app::App;
use crate::console::ask_secret;
use crate::error::Error;
use crate::identity::{self, Credentials, Mismatch};
use crate::settings::Settings;
use crate::transport::{Remote, Transport};
use crate::trust::{self, ConfigDirectory, KnownBy};
use crate::unreachable;

/// Makes connections to the server, from any thread.
pub(crate) struct Connector<'a, T> {
    transport: &'a T,
    server: ServerAddress,
    ca: Option<PathBuf>,
    credentials: Option<Credentials>,
    config: ClientConfig,
    timeout: Duration,
}

/// Why there is no connection.
enum NotConnected {
    /// The server is new, and has this key.
    Unknown(Fingerprint, Error),
    /// The server has not identified the client, who has no password yet.
    Unidentified(Error),
    /// A person can do nothing about it.
    Failed(Error),
}

impl<'a, T: Transport> App<'a, T> {
    /// Makes another connection. If it is `early`, the first request does not wait for the greeting. A person is asked
    /// about a server that is new, and for a password, each once.
    pub(crate) fn open(&mut self, early: bool) -> Result<Box<dyn Remote>, Error> {
        loop {
            match self.connector(early).attempt(None) {
                Ok(remote) => return Ok(remote),
                Err(NotConnected::Unknown(shown, _)) if self.console.can_ask() => {
                    self.ask_about(shown)?;
                }
                Err(NotConnected::Unidentified(_)) if self.console.can_ask() => {
                    self.credentials = Some(self.ask_for_credentials()?);
                }
                Err(not_connected) => {
                    // A password that was wrong is not to be sent again.
                    self.credentials = None;
                    return Err(not_connected.into());
                }
            }
        }
    }

    /// Makes connections as the settings are now. The first request of an `early` one does not wait for the greeting.
    pub(crate) fn connector(&self, early: bool) -> Connector<'a, T> {
        let Settings { no_pass_through, connect_timeout, timeout, ca, .. } = &self.settings;
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
        Connector {
            transport: self.transport,
            server: self.server.clone(),
            ca: ca.clone(),
            credentials: self.credentials.clone(),
            config,
            timeout: connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        }
    }

    /// Asks a person whether a new server has the right key, and has it known from now on.
    fn ask_about(&mut self, shown: Fingerprint) -> Result<(), Error> {
        let config = ConfigDirectory::required()?;
        let answer = self.console.ask(&trust::question(&self.server, shown))?;
        if !matches!(answer.trim().to_ascii_lowercase().as_str(), "yes" | "y") {
            return Err(trust::refused(&self.server));
        }
        config.known_hosts().set(&self.server, shown).map(drop)
    }

    /// Asks a person for a password, and for a name if the address has none.
    pub(crate) fn ask_for_credentials(&mut self) -> Result<Credentials, Error> {
        let server = &self.server;
        let user = if let Some(user) = &server.user {
            user.clone()
        } else {
            let answer = self.console.ask(&format!("Who are you at {server}? "))?;
            UserName::parse(answer.trim()).map_err(|error| Error::usage(error.to_string()))?
        };
        let question = format!("Password of {user} at {}: ", self.server.host_and_port());
        let password = ask_secret(&question)?;
        Ok(Credentials { user, proof: Proof::Password(password) })
    }
}

impl<T: Transport> Connector<'_, T> {
    /// Connects, unless `abandoned` is raised before it has.
    pub(crate) fn connect(&self, abandoned: Option<&Event>) -> Result<Box<dyn Remote>, Error> {
        self.attempt(abandoned).map_err(Error::from)
    }

    fn attempt(&self, abandoned: Option<&Event>) -> Result<Box<dyn Remote>, NotConnected> {
        let Self { transport, server, credentials, timeout, .. } = self;
        let mut config = self.config.clone();
        // What proves who it is comes before all requests.
        config.early &= credentials.is_none();
        let mut options =
            ClientOptions { config, connect_timeout: *timeout, cancel: None, layer: None };
        let mut known_by = KnownBy::Nothing;
        if server.is_encrypted() {
            let tls = trust::tls(server, self.ca.as_deref()).map_err(Error::hopeless)?;
            // Without a key the server cannot know yet that it is the user.
            options.config.early &= server.user.is_none() || tls.shows_key;
            (options.layer, known_by) = (Some(tls.layer), tls.known_by);
        }
        let begun = Instant::now();
        let connected = transport.connect(&server.host, server.port, options, abandoned);
        let mut remote = connected.map_err(|error| self.failed(&error, &known_by))?;
        tracing::info!(%server, after = ?begun.elapsed(), "connected");
        // A password is for the server alone.
        let is_private = server.is_encrypted() || server.is_here();
        let mismatch = remote.greeting().and_then(|greeting| identity::mismatch(server, greeting));
        match (mismatch, credentials) {
            (None, _) => {}
            (Some(Mismatch::Unidentified), Some(credentials)) if is_private => {
                identity::authenticate(&mut *remote, server, credentials)?;
            }
            (Some(mismatch), _) => {
                let error = identity::explain(T::PROGRAM, server, &mismatch);
                return Err(match mismatch {
                    Mismatch::Unidentified if is_private => NotConnected::Unidentified(error),
                    _ => NotConnected::Failed(error),
                });
            }
        }
        Ok(remote)
    }

    fn failed(&self, error: &ConnectError, known_by: &KnownBy) -> NotConnected {
        let explained = unreachable::explain(T::PROGRAM, &self.server, known_by, error);
        match trust::unknown_key(error) {
            Some(shown) => NotConnected::Unknown(shown, explained),
            None => NotConnected::Failed(explained),
        }
    }
}

impl From<Error> for NotConnected {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<NotConnected> for Error {
    fn from(not_connected: NotConnected) -> Self {
        match not_connected {
            NotConnected::Unknown(_, error)
            | NotConnected::Unidentified(error)
            | NotConnected::Failed(error) => error,
        }
    }
}
