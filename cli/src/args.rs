//! The command line as types.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::app::App;
use crate::commands::{
    completions, cp, get, login, ls, man, mkdir, mv, put, rm, serve, shell, sum, trust, user,
    whoami,
};
use crate::error::Error;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::transport::Transport;

/// Move files between machines, every byte checked
///
/// `put`, `mv` and `cp` replace a file on the server, unless --create is given. `get` replaces no local file, unless
/// --force is given.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(serve::ServeArgs),
    Ls(ls::LsArgs),
    Get(get::GetArgs),
    Put(put::PutArgs),
    Rm(rm::RmArgs),
    Mv(mv::MvArgs),
    Cp(cp::CpArgs),
    Mkdir(mkdir::MkdirArgs),
    Sum(sum::SumArgs),
    Shell(shell::ShellArgs),
    User(user::UserArgs),
    Login(login::LoginArgs),
    #[command(name = "whoami")]
    WhoAmI(whoami::WhoAmIArgs),
    Trust(trust::TrustArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Man(man::ManArgs),
}

impl Command {
    /// Runs the command.
    pub(crate) fn run<T: Transport>(&self, app: &mut App<'_, T>) -> Result<Exit, Error> {
        match self {
            Self::Serve(args) => serve::run(app, args)?,
            Self::Ls(args) => ls::run(app, args)?,
            Self::Get(args) => return get::run(app, args),
            Self::Put(args) => return put::run(app, args),
            Self::Rm(args) => return rm::run(app, args),
            Self::Mv(args) => return mv::run(app, args),
            Self::Cp(args) => return cp::run(app, args),
            Self::Mkdir(args) => return mkdir::run(app, args),
            Self::Sum(args) => return sum::run(app, args),
            Self::Shell(args) => return shell::run(app, args),
            Self::User(args) => return user::run(app, args),
            Self::Login(args) => login::run(app, args)?,
            Self::WhoAmI(args) => whoami::run(app, args)?,
            Self::Trust(args) => trust::run(app, args)?,
            Self::Completions(args) => completions::run(app, args, command(T::PROGRAM))?,
            Self::Man(args) => man::run(app, args, command(T::PROGRAM))?,
        }
        Ok(Exit::Done)
    }

    /// Whether it may wait for a server, or for a person who types a password.
    pub(crate) fn may_wait(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Trust(_) | Self::Completions(_) | Self::Man(_) => false,
            Self::User(args) => args.asks_for_a_password(),
            _ => true,
        }
    }

    /// Whether it reads stdin.
    pub(crate) fn reads_stdin(&self) -> bool {
        match self {
            Self::Login(args) => args.reads_stdin(),
            Self::Put(args) => args.reads_stdin(),
            Self::Shell(args) => args.reads_stdin(),
            Self::User(args) => args.reads_stdin(),
            _ => false,
        }
    }

    /// Whether it writes requested output to stdout.
    pub(crate) fn writes_stdout(&self, quiet: bool) -> bool {
        match self {
            // The addresses that it prints are a help, not a result.
            Self::Serve(_) => false,
            Self::Get(args) => !quiet || args.writes_stdout(),
            Self::User(args) => !quiet || args.answers(),
            // Whether a script prints more than receipts is not known in advance.
            Self::Login(_)
            | Self::Put(_)
            | Self::Rm(_)
            | Self::Mv(_)
            | Self::Cp(_)
            | Self::Mkdir(_)
            | Self::Shell(_) => !quiet,
            _ => true,
        }
    }
}

/// The command line's definition, for a program of this name.
pub(crate) fn command(program: &'static str) -> clap::Command {
    Cli::command().name(program).bin_name(program).after_help(Exit::table())
}

/// Parses a command line. The error may also be requested text, such as help.
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
        Command::User(_) if server.is_some() => {
            "--server is for clients: accounts are administered on their server, in its --state"
        }
        Command::Serve(_) if connect_timeout.is_some() || timeout.is_some() => {
            "timeouts are for clients: --idle and --patience are a server's"
        }
        _ => return Ok(cli),
    };
    Err(command.error(ErrorKind::ArgumentConflict, wrong))
}

/// Whether `error` is text to print unchanged: help (requested, or in place of a missing command) or the version.
pub(crate) fn is_text(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::explain;

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
            assert_eq!(cli.settings.server.unwrap().to_string(), "hauls://h:1");
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
            ("haul-test ls --server http://h", "only haul:// and hauls:// addresses are known"),
            ("haul-test frobnicate", "frobnicate"),
            ("haul-test serve --server h", "--listen"),
            ("haul-test user list --server h", "--state"),
            ("haul-test -q user --state x", "requires a subcommand"),
            ("haul-test user add Alice", "'<NAME>': a user name has 1 to 64 of a-z"),
            ("haul-test user add alice --quota 1X", "a size is"),
            ("haul-test user add alice --home /srv", "within the share"),
            ("haul-test user add alice --password x", "'--password-stdin'"),
            ("haul-test user passwd alice secret", "unexpected argument"),
            ("haul-test user grant alice photos", "PATH=ROLE"),
            ("haul-test user key add alice MD5:x", "a fingerprint is SHA256:"),
            ("haul-test user check alice fly x", "the verbs are"),
            ("haul-test serve --max-clients 0", "'--max-clients <N>': a whole number from 1 ("),
            ("haul-test serve --max-clients x", "a whole number from 1 ("),
            ("haul-test serve --max-clients-per-address 0", "a whole number from 1 ("),
            ("haul-test serve --idle 0.5", "a whole number of seconds from 1 to 31536000"),
            ("haul-test serve --patience x", "a whole number of seconds from 1 to 31536000"),
            ("haul-test serve --grace x", "a whole number of seconds from 0 to 31536000"),
            ("haul-test ls --retry x", "a whole number from 0 to 4294967295"),
            ("haul-test get x --jobs 0", "a whole number from 1 to 64"),
            ("haul-test ls --server haul:127.0.0.1:72", "haul://127.0.0.1:4285"),
            ("haul-test ls --server haul://me:pw@host", "a password does not belong"),
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

    /// Whoever pastes the line of an invitation into another command than login may do so where others look on.
    #[test]
    fn an_invitation_is_not_shown_in_an_error() {
        const KEY: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
        let address = format!("hauls://alice@h/#{KEY},invite=topsecret");
        for line in [
            format!("haul-test ls --server {address}"),
            format!("haul-test {address}"),
            format!("haul-test ls --retry {address}"),
            format!("haul-test login {address} {address}"),
        ] {
            let shown = explained(&line);
            assert!(shown.contains("invite=…") && !shown.contains("topsecret"), "{shown}");
        }
        let cli = read(&format!("haul-test login {address}")).unwrap();
        assert!(!format!("{cli:?}").contains("topsecret"));
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
            ("upload", "put uploads"),
            ("download", "get downloads"),
            ("scp", "put uploads"),
            ("verify", "sum --check"),
            ("cd", "for the shell"),
            ("list", "ls lists"),
            ("LIST", "ls lists"),
            ("delete", "rm deletes"),
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
            ("user delete x", "(user remove removes an account; its files stay; see"),
            ("user keys", "'keys'"),
            ("adduser x", "(user administers"),
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
