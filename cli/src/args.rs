//! The command line as types.

use std::ffi::OsString;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::address::ServerAddress;
use crate::commands::{completions, get, ls, man, put, serve, shell};
use crate::error::Error;
use crate::exit::Exit;

/// Move files between machines, every byte checked
///
/// `put` replaces a file on the server, unless --create is given; `get` replaces none here, unless --force is.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Settings {
    /// The server: `haul://HOST[:PORT][/PATH]` [default: that of `HAUL_SERVER`, or `haul://127.0.0.1:4285`]
    ///
    /// Without `haul://` it is understood too. Names on the command line start from PATH, which is taken as it stands, without percent-encoding.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) server: Option<ServerAddress>,
    /// How long to try to reach the server, and again to wait for its greeting [default: 20 to reach it, 10 for the greeting]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) connect_timeout: Option<Duration>,
    /// How long the server may go on without any progress, its own work on its storage included [default: 300]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Print nothing but errors, and what was asked for
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Print results as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Use colors; `NO_COLOR` in the environment turns `auto` off
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
    /// Have the bytes of files go through this program, in the place of the kernel's ways between file and socket
    #[arg(long, global = true, env = "HAUL_NO_PASS_THROUGH", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) no_pass_through: bool,
    /// Connect again up to N times in a row after a connection is lost, and go on with the files that were not confirmed
    #[arg(long, global = true, value_name = "N", default_value = "3", value_parser = whole("a whole number", 0..=u32::MAX))]
    pub(crate) retry: u32,
    /// Log more; twice for still more. `HAUL_LOG` says it in detail, in the words of `RUST_LOG`
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(serve::ServeArgs),
    Ls(ls::LsArgs),
    Get(get::GetArgs),
    Put(put::PutArgs),
    Shell(shell::ShellArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Man(man::ManArgs),
}

impl Command {
    /// Whether it is a client's.
    pub(crate) fn asks_a_server(&self) -> bool {
        matches!(self, Self::Ls(_) | Self::Get(_) | Self::Put(_) | Self::Shell(_))
    }

    /// Whether it takes something from stdin.
    pub(crate) fn reads_stdin(&self) -> bool {
        match self {
            Self::Put(args) => args.reads_stdin(),
            Self::Shell(args) => args.reads_stdin(),
            _ => false,
        }
    }

    /// Whether it puts something on stdout that somebody asked for.
    pub(crate) fn writes_stdout(&self, quiet: bool) -> bool {
        match self {
            // Where it listens is a help, not a result.
            Self::Serve(_) => false,
            Self::Get(args) => !quiet || args.writes_stdout(),
            // What a script prints beside receipts is not known before.
            Self::Put(_) | Self::Shell(_) => !quiet,
            _ => true,
        }
    }
}

/// What a command line may hold, for a program of this name.
pub(crate) fn command(program: &'static str) -> clap::Command {
    Cli::command().name(program).bin_name(program).after_help(Exit::table())
}

/// Reads a command line. The error may also be a text that was asked for, such as help.
pub(crate) fn parse(
    program: &'static str,
    args: impl IntoIterator<Item = OsString>,
) -> Result<Cli, clap::Error> {
    let mut command = command(program);
    let matches = command.try_get_matches_from_mut(args)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let Settings { server, connect_timeout, timeout, .. } = &cli.settings;
    let wrong = match cli.command {
        Command::Serve(_) if server.is_some() => {
            "--server is for clients: say with --listen where to serve"
        }
        Command::Serve(_) if connect_timeout.is_some() || timeout.is_some() => {
            "timeouts are for clients: --idle and --patience are a server's"
        }
        _ => return Ok(cli),
    };
    Err(command.error(ErrorKind::ArgumentConflict, wrong))
}

/// A year is as good as for ever, and fits wherever times are added up.
pub(crate) const SECONDS_PER_YEAR: u64 = 365 * 24 * 60 * 60;

fn seconds(text: &str) -> Result<Duration, String> {
    whole("a whole number of seconds", 1..=SECONDS_PER_YEAR)(text).map(Duration::from_secs)
}

/// Reads a number within `range`, or says that it shall be `what` from its start to its end.
pub(crate) fn whole<T>(
    what: &'static str,
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("{what} from {} to {}", range.start(), range.end()))
    }
}

/// Reads how many of something there may be.
pub(crate) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| String::from("a whole number from 1"))
}

/// Whether `error` is a text to show as it is: help, asked for or in place of a missing command, or the version.
pub(crate) fn is_text(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// A wrong command line in one line.
pub(crate) fn explain(error: &clap::Error) -> Error {
    let rendered = error.render().to_string();
    // The paragraphs are: what is wrong, tips if there are any, the usage, where to find help.
    let mut paragraphs = rendered
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|text| !text.starts_with("Usage:") && !text.starts_with("For more information"));
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(&what).to_owned();
    let tips: Vec<String> = paragraphs.map(|tip| tip.replacen("tip: ", "", 1)).collect();
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let command: Vec<&str> = usage
        .split_whitespace()
        .skip_while(|word| *word == "Usage:")
        .take_while(|word| !word.starts_with(['-', '[', '<']))
        .collect();
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let serves = command.last() == Some(&"serve");
    let meant = word(ContextKind::InvalidSubcommand)
        .and_then(meant)
        .or_else(|| meant_option(word(ContextKind::InvalidArg)?, serves));
    // These are words that look alike.
    let tips = if meant.is_some() { Vec::new() } else { tips };
    let help = ["see"].into_iter().chain(command).chain(["--help"]).collect::<Vec<_>>().join(" ");
    let advice = meant
        .map(String::from)
        .into_iter()
        .chain(tips)
        .chain([help])
        .collect::<Vec<_>>()
        .join("; ");
    Error::usage(what).advise(advice)
}

/// What does here what other programs, and the protocol, call by this word.
fn meant(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "upload" | "up" | "send" | "push" | "store" | "add" => "put sends files to the server",
        "download" | "down" | "fetch" | "pull" | "receive" | "recv" | "cat" | "mget" => {
            "get brings files from the server; -o - shows one"
        }
        "cp" | "copy" | "scp" | "sync" | "rsync" | "mput" => {
            "put sends files to the server, get brings them; -r takes directories"
        }
        "list" | "dir" | "ll" | "la" | "find" | "tree" => "ls lists what is there; -r all of it",
        "server" | "start" | "daemon" | "listen" | "share" | "run" => "serve serves a directory",
        "connect" | "open" | "session" | "ftp" | "client" => "shell takes commands line by line",
        "rm" | "del" | "delete" | "mv" | "move" | "rename" | "mkdir" | "rmdir" => {
            "files there cannot be removed or renamed from here; put makes the directories it needs"
        }
        "exit" | "quit" | "bye" | "logout" | "close" | "disconnect" => {
            "each command ends by itself; EXIT is for the shell"
        }
        _ => return None,
    })
}

/// What does here what other programs call by this option.
fn meant_option(option: &str, serves: bool) -> Option<&'static str> {
    Some(match option {
        "--host" | "--hostname" | "--port" | "-p" | "-P" | "--bind" | "--address" if serves => {
            "--listen HOST:PORT says where to serve"
        }
        "--host" | "--hostname" | "--port" | "-p" | "-P" | "--address" | "--url" => {
            "--server HOST:PORT names the server"
        }
        "-R" if !serves => "-r takes directories",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, clap::Error> {
        parse("haul-test", line.split(' ').map(OsString::from))
    }

    fn explained(line: &str) -> String {
        explain(&read(line).unwrap_err()).to_string()
    }

    #[test]
    fn the_definition_is_sound() {
        command("haul-test").debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in ["haul-test --server h:1 -q ls", "haul-test ls -q --server h:1"] {
            let cli = read(line).unwrap();
            assert_eq!(cli.settings.server.unwrap().to_string(), "haul://h:1");
            assert!(cli.settings.quiet);
        }
    }

    #[test]
    fn a_wrong_command_line_is_one_line_with_a_way_out() {
        assert_eq!(
            explained("haul-test get x --forse"),
            "unexpected argument '--forse' found (a similar argument exists: '--force'; see haul-test get --help)"
        );
        assert_eq!(
            explained("haul-test get"),
            "the following required arguments were not provided: <NAME>... (see haul-test get --help)"
        );
        for (line, part) in [
            ("haul-test ls --server http://h", "only haul:// addresses are known"),
            ("haul-test frobnicate", "frobnicate"),
            ("haul-test serve --server h", "--listen"),
            ("haul-test serve --max-clients 0", "'--max-clients <N>': a whole number from 1 ("),
            ("haul-test serve --max-clients x", "a whole number from 1 ("),
            ("haul-test serve --max-clients-per-address 0", "a whole number from 1 ("),
            ("haul-test serve --idle 0.5", "a whole number of seconds from 1 to 31536000"),
            ("haul-test serve --patience x", "a whole number of seconds from 1 to 31536000"),
            ("haul-test serve --grace x", "a whole number of seconds from 0 to 31536000"),
            ("haul-test ls --retry x", "a whole number from 0 to 4294967295"),
            ("haul-test get x --jobs 0", "a whole number from 1 to 64"),
            ("haul-test ls --server haul:127.0.0.1:72", "haul://127.0.0.1:4285"),
            ("haul-test ls --server haul://me:pw@host", "no users in an address yet"),
            ("haul-test serve --max-file-size 1X", "a size is"),
            ("haul-test serve --idle 0", "--idle"),
            ("haul-test serve --timeout 3", "--idle and --patience"),
            ("haul-test ls --timeout 0", "from 1 to"),
            ("haul-test ls --connect-timeout 1s", "whole number of seconds"),
            ("haul-test serve --listen 4285", "a port without a host"),
            ("haul-test get x --offset -1", "--help"),
            ("haul-test ls --color sometimes", "always"),
            ("haul-test put", "<FILE>..."),
        ] {
            let line_shown = explained(line);
            assert!(line_shown.contains(part), "{line}: {line_shown}");
            assert!(!line_shown.contains('\n'), "{line}: {line_shown}");
            assert!(line_shown.contains("--help)"), "{line}: {line_shown}");
        }
    }

    #[test]
    fn what_prints_nothing_that_was_asked_for_needs_no_stdout() {
        let needs = |line: &str| {
            let cli = read(line).unwrap();
            cli.command.writes_stdout(cli.settings.quiet)
        };
        for line in ["haul-test put x", "haul-test shell", "haul-test -q ls", "haul-test get x"] {
            assert!(needs(line), "{line}");
        }
        for line in ["haul-test -q put x", "haul-test -q shell", "haul-test -q get x"] {
            assert!(!needs(line), "{line}");
        }
    }

    #[test]
    fn words_of_other_programs_lead_to_those_of_this_one() {
        for (word, part) in [
            ("upload", "put sends"),
            ("download", "get brings"),
            ("cp", "put sends"),
            ("list", "ls lists"),
            ("LIST", "ls lists"),
            ("rm", "cannot be removed"),
            ("exit", "each command ends by itself"),
            ("quit", "each command ends by itself"),
        ] {
            let line_shown = explained(&format!("haul-test {word} x"));
            assert!(line_shown.contains(part), "{word}: {line_shown}");
            assert!(!line_shown.contains("similar"), "{word}: {line_shown}");
        }
        for (line, part) in [
            ("ls --host h", "(--server HOST:PORT names the server; see"),
            ("--host h ls", "(--server HOST:PORT names the server; see"),
            ("put x --port 3", "(--server HOST:PORT names the server; see"),
            ("get x --port=3", "(--server HOST:PORT names the server; see"),
            ("serve --port 3", "(--listen HOST:PORT says where to serve; see"),
            ("get -R x", "(-r takes directories; see"),
            ("ls -R", "(-r takes directories; see"),
        ] {
            let line_shown = explained(&format!("haul-test {line}"));
            assert!(line_shown.contains(part), "{line}: {line_shown}");
        }
        for line in ["haul-test help", "haul-test help get", "haul-test get --help"] {
            assert!(is_text(&read(line).unwrap_err()), "{line}");
        }
    }

    #[test]
    fn help_has_the_exit_codes() {
        let error = read("haul-test --help").unwrap_err();
        assert!(is_text(&error));
        assert!(error.render().to_string().contains("130  interrupted"));
    }
}
