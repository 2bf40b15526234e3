//! `shell`: one session, line by line, from a person or from a script.

mod complete;
mod line;
mod prompt;
mod script;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use clap::Args;
use haul_core::Escaped;
use haul_transport::call;

use self::line::Line;
use super::{get, ls, put};
use crate::app::App;
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::names::{self, Origin};
use crate::transport::Transport;

/// Type commands in one session with the server, or run a script of them
///
/// LIST, DOWNLOAD, UPLOAD and EXIT, in upper or lower case; HELP tells their form. Words are quoted as in a shell: 'my file', "my file" or my\ file.
/// With a SCRIPT, or when stdin is not a terminal, lines are read without a prompt, # begins a comment, and the first line that fails ends it.
#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    /// A file of commands
    #[arg(value_name = "SCRIPT")]
    script: Option<PathBuf>,
    /// Go on in a script after a line that failed
    #[arg(long)]
    keep_going: bool,
}

impl ShellArgs {
    pub(crate) fn reads_stdin(&self) -> bool {
        self.script.as_deref().is_none_or(names::is_stdin)
    }
}

const HELP: &str = "\
LIST [PATH] [depth=N|all] [-l]        what is there; -l shows sizes and times
DOWNLOAD [-f] NAME [to FILE]          bring a file; -f replaces the one here
UPLOAD [--create] FILE [as NAME]      send a file; --create replaces nothing
EXIT                                  end (also QUIT, BYE, Ctrl-D)
HELP [server]                         this text, or the server's own
Words with spaces are quoted: 'my file', \"my file\" or my\\ file.";

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &ShellArgs) -> Result<Exit, Error> {
    app.choose_server()?;
    let (name, input): (String, Box<dyn Read>) = match &args.script {
        Some(path) => {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|error| {
                Error::new(Exit::Local, format!("{name}: {}", error::plain(&error)))
            })?;
            (name, Box::new(file))
        }
        None if app.console.stdin.is_terminal() && app.console.stdout.is_terminal() => {
            return prompt::run(app).map(|()| Exit::Done);
        }
        None => {
            let stdin = app.console.stdin.take();
            let stdin = stdin.ok_or_else(|| Error::usage("stdin is read already"))?;
            (String::from("stdin"), stdin)
        }
    };
    Ok(script::run(app, &name, BufReader::new(input), args.keep_going))
}

/// Whether a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    End,
}

/// Does what a line says.
fn execute<T: Transport>(app: &mut App<'_, T>, line: Line) -> Result<Flow, Error> {
    match line {
        Line::Nothing => {}
        Line::List { path, depth, long } => {
            let path = names::place(app.base(), path.as_deref())?;
            ls::list(app, path.as_ref(), depth, ls::How { long, unsorted: false })?;
        }
        Line::Download { name, to, force } => {
            let path = names::file(app.base(), &name)?;
            let destination = names::destination(&path, to.as_deref())?;
            let mode = get::mode(force);
            get::fetch(app, get::Download { path, destination, offset: 0, length: None, mode })?;
        }
        Line::Upload { file, name, create } => {
            if file.as_os_str() == names::DASH {
                return Err(Error::usage("stdin is what the commands come from")
                    .advise("name a file, or use put - --as NAME"));
            }
            let path = names::uploaded(app.base(), &file, name.as_deref())
                .map_err(|error| error.advise("give it another name: UPLOAD FILE as NAME"))?;
            let mode = put::mode(create);
            put::send(app, put::Upload { origin: Origin::File(file), path, mode })?;
        }
        Line::Help => app.print(HELP)?,
        Line::ServerHelp => {
            for text in app.request("HELP", call::help())? {
                app.print(Escaped::new(&text))?;
            }
        }
        Line::Exit => return Ok(Flow::End),
    }
    Ok(Flow::Continue)
}
