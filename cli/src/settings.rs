//! The options that every command has.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, ColorChoice};

use crate::address::ServerAddress;
use crate::number::{seconds, whole};

/// The options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Settings {
    /// The server: `hauls://[USER@]HOST[:PORT][/PATH][#SHA256:…]`, or `haul://HOST[:PORT][/PATH]` in plain text
    /// [default: `HAUL_SERVER`, or the server of the last login, or `haul://127.0.0.1:4285`]
    ///
    /// Without a scheme it is `haul` on this machine and `hauls` elsewhere. Names on the command line are relative to
    /// PATH, which is taken literally, without percent-encoding. The server must have the key with the fingerprint after
    /// `#`.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) server: Option<ServerAddress>,
    /// Trust a new server if an authority in this PEM file has certified its name, or with `system` an authority that
    /// this system trusts
    ///
    /// It does not apply to a server whose fingerprint is in its address or known from an earlier time.
    #[arg(long, global = true, value_name = "FILE|system")]
    pub(crate) ca: Option<PathBuf>,
    /// How long to try to reach the server, and then to wait for its greeting [default: 20 to reach it, 10 for the
    /// greeting]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) connect_timeout: Option<Duration>,
    /// How long the server may make no progress, including work on its storage [default: 300]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Print only errors and requested output
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Print results as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Use colors; `NO_COLOR` in the environment turns `auto` off
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
    /// Copy file data through this program instead of splicing it in the kernel
    #[arg(long, global = true, env = "HAUL_NO_PASS_THROUGH", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) no_pass_through: bool,
    /// Connect again up to N times in a row after a lost connection, and continue with the files that were not
    /// confirmed
    #[arg(long, global = true, value_name = "N", default_value = "3", value_parser = whole("a whole number", 0..=u32::MAX))]
    pub(crate) retry: u32,
    /// Log more; may be repeated. `HAUL_LOG` selects events in the syntax of `RUST_LOG`
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}
