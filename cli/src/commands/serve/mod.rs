//! `serve`: serves a directory until a signal ends it.

mod announcement;
mod listeners;

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use haul_core::server::ServerConfig;
use haul_core::{Limits, Timing};
use haul_store::Options;
use haul_transport::descriptors::raise_limit;
use haul_transport::{ServerOptions, Unreached};

pub(super) use self::announcement::own_addresses;

use self::announcement::Announcement;
use self::listeners::{ListenArgs, Listeners};
use crate::app::App;
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::names;
use crate::number::{SECONDS_PER_YEAR, at_least_one, whole};
use crate::size::Size;
use crate::transport::{ListenOn, ServeError, ServeOptions, Transport};

/// The default directory.
const DEFAULT_DIRECTORY: &str = "./shared";
/// The number of sessions that one address may always have, if the total allows that many.
const FEW_CLIENTS: usize = 8;
/// The most bytes of a banner that fit into a greeting.
const MAX_BANNER_BYTES: usize = 1024;

/// Serve a directory
///
/// By default only this machine can reach it, where everybody can read and write all files in the directory as long as
/// there are no accounts. --listen opens it to other machines, whose users need accounts: see the command user. The
/// first lines on stdout are `listening on haul://HOST:PORT` or `listening on hauls://HOST:PORT`, one for each address,
/// then the fingerprint of the key that clients see. After SIGINT, SIGTERM, SIGHUP or SIGQUIT the server finishes running
/// transfers and stops; a second signal stops it at once.
///
/// The log on stderr has one line for each request: who made it, its outcome and its duration. Nobody has to read it.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The directory [default: ./shared, created if it is missing]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    listen: ListenArgs,
    /// The most clients at once; others are told to try later. 1 serves one client at a time. Each needs some file
    /// descriptors (`ulimit -Hn` shows the limit)
    #[arg(long, value_name = "N", default_value = "256", value_parser = at_least_one)]
    max_clients: NonZeroUsize,
    /// The most clients at once from one address [default: half of --max-clients, but at least 8]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    max_clients_per_address: Option<NonZeroUsize>,
    /// Serve hidden files too: those whose name, or a directory above, begins with a dot
    #[arg(long)]
    hidden: bool,
    /// Refuse uploads and all other changes; the server writes nothing in the directory
    #[arg(long)]
    read_only: bool,
    /// When uploads are fsynced
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Sync::Batch)]
    sync: Sync,
    /// The largest file that is accepted, such as 500M or 10G [default: what fits]
    #[arg(long, value_name = "SIZE")]
    max_file_size: Option<Size>,
    /// The text that greets clients
    #[arg(long, value_name = "TEXT", default_value = "Welcome", value_parser = banner)]
    banner: String,
    /// How long running transfers may continue after a signal to stop
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = whole("a whole number of seconds", 0..=SECONDS_PER_YEAR))]
    grace: u64,
    /// How long a client may be silent
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = whole("a whole number of seconds", 1..=SECONDS_PER_YEAR))]
    idle: u64,
    /// How long a client may take for a line, and for each 1 KiB of a file that it sends or receives, while slots are
    /// scarce
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = whole("a whole number of seconds", 1..=SECONDS_PER_YEAR))]
    patience: u64,
    /// Disconnect clients that are slower than that even while slots are free. Without it, a slow client keeps its slot
    /// until another one needs it
    #[arg(long)]
    impatient: bool,
}

/// When uploads are fsynced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sync {
    /// Each before it is confirmed, with its own flushes, which wait only for its own data
    Always,
    /// Each before it is confirmed; uploads in quick succession share one flush of the whole file system, which waits
    /// for the writes of other programs too
    Batch,
    /// Some time after it is confirmed: fastest, but a power cut may lose confirmed files
    None,
}

impl ServeArgs {
    fn options(&self, directory: PathBuf, listeners: &Listeners) -> ServeOptions {
        let max_clients = self.max_clients.get();
        // One address alone cannot take every slot. Where there are few slots, it may.
        let per_address = max_clients.min(FEW_CLIENTS.max(max_clients / 2));
        let patience = Duration::from_secs(self.patience);
        let all = Limits::default();
        ServeOptions {
            directory,
            sharing: Options { hidden: self.hidden, read_only: self.read_only },
            listen_on: listeners.listen_on.clone(),
            state: listeners.state.clone(),
            anonymous: listeners.admitted.anonymous,
            accounts_required: listeners.accounts_required,
            server: ServerOptions {
                config: ServerConfig {
                    limits: Limits {
                        max_file_size: self.max_file_size.map(|Size(bytes)| bytes),
                        commit_batch: if self.sync == Sync::Always { 1 } else { all.commit_batch },
                        ..all
                    },
                    timing: Timing {
                        idle: Duration::from_secs(self.idle),
                        line: patience,
                        window: patience,
                        ..Timing::default()
                    },
                    banner: self.banner.clone(),
                    durable: self.sync != Sync::None,
                    ..ServerOptions::default().config
                },
                max_clients,
                impatient: self.impatient,
                max_clients_per_address: self
                    .max_clients_per_address
                    .map_or(per_address, NonZeroUsize::get),
                grace: Duration::from_secs(self.grace),
                ..ServerOptions::default()
            },
        }
    }
}

fn banner(text: &str) -> Result<String, String> {
    if text.len() > MAX_BANNER_BYTES {
        return Err(format!("a banner has at most {MAX_BANNER_BYTES} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err(String::from("a banner is one line without control characters"));
    }
    Ok(text.to_owned())
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &ServeArgs) -> Result<(), Error> {
    // This comes before the share is opened, which divides the descriptors up.
    if let Err(error) = raise_limit() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let directory = args.directory.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_DIRECTORY));
    prepare(args.directory.as_deref(), &directory)?;
    // Resolved now, so that the share stays the same if a link in the name changes later.
    let shared = std::fs::canonicalize(&directory).unwrap_or_else(|_| directory.clone());
    let listeners = args.listen.listeners(T::PROGRAM, &shared)?;
    let mut options = args.options(directory, &listeners);
    options.server.config.pass_through = !app.settings.no_pass_through;
    let announced = Announcement {
        program: T::PROGRAM,
        directory: &shared,
        sharing: &options.sharing,
        fingerprint: listeners.fingerprint,
        admitted: listeners.admitted,
        quiet: app.settings.quiet,
        json: app.settings.json,
    };
    let stdout = &app.console.stdout;
    app.transport
        .serve(&options, &mut |listening| announced.announce(stdout, listening))
        .map_err(|error| explain(&error, &options))
}

/// Checks that the directory exists. Creates only the default one: a name that a person typed may be mistyped.
fn prepare(named: Option<&Path>, directory: &Path) -> Result<(), Error> {
    let failed = |error: &io::Error| {
        Error::new(
            Exit::Local,
            format!("cannot serve {}: {}", directory.display(), error::plain(error)),
        )
    };
    if named.is_none() {
        return std::fs::create_dir_all(directory)
            .map_err(|error| failed(&error).advise("name another directory: serve DIR"));
    }
    match std::fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(Error::new(
            Exit::Local,
            format!("{}: this is not a directory", directory.display()),
        )
        .advise("name the directory that holds what is to be served")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(names::no_directory(directory))
        }
        Err(error) => Err(failed(&error)),
    }
}

fn explain(error: &ServeError, options: &ServeOptions) -> Error {
    let exit = Exit::from(error);
    let ServeOptions { directory, listen_on, .. } = options;
    match error {
        ServeError::Listen(source) => {
            // The error names the address that cannot be bound.
            let named = matches!(source.get_ref(), Some(error) if error.is::<Unreached>());
            let message = match &listen_on[..] {
                [ListenOn { host, port, .. }] if !named => {
                    format!("cannot listen on {host}:{port}: {}", error::plain(source))
                }
                _ => format!("cannot listen on {}", error::plain(source)),
            };
            let advice = match source.kind() {
                io::ErrorKind::AddrInUse => {
                    "choose another port with --listen, or 0 for a free one"
                }
                io::ErrorKind::PermissionDenied => "choose a port from 1024 up with --listen",
                io::ErrorKind::AddrNotAvailable => {
                    "listen on an address of this machine, or on 0.0.0.0 for all"
                }
                _ => "say where to listen with --listen HOST:PORT",
            };
            Error::new(exit, message).advise(advice)
        }
        ServeError::Directory(source) => {
            let message = format!("cannot serve {}: {}", directory.display(), error::plain(source));
            let advice = match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    "the user that runs this must be able to read and write there, or only to read with --read-only"
                }
                _ => "name another directory: serve DIR",
            };
            Error::new(exit, message).advise(advice)
        }
        ServeError::Accounts(error) => Error::new(exit, error.to_string()),
        ServeError::Io(source) => Error::new(
            exit,
            format!("cannot go on serving {}: {}", directory.display(), error::plain(source)),
        ),
    }
}

///
/// The log on stderr has one line for each request: who made it, its outcome and its duration. Nobody has to read it.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banner_is_one_short_line() {
        assert!(banner("Grüß Gott").is_ok());
        assert!(banner("a\nb").is_err());
        assert!(banner("\u{1b}[31m").is_err());
        assert!(banner(&"x".repeat(1025)).is_err());
    }
}
