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

pub(super) use self::line::canonical;

use self::line::Line;
use super::kind::{Kind, kind};
use super::{cp, get, ls, mkdir, mv, put, rm, sum};
use crate::app::App;
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::names::{self, Origin};
use crate::transport::Transport;

/// Run commands in one session with the server, interactively or from a script
///
/// Commands are the verbs of the protocol, LIST, DOWNLOAD, UPLOAD, DELETE, MKDIR, MOVE, COPY, CHECKSUM and EXIT, in
/// upper or lower case, or the names of this program's commands, such as ls, get and rm. HELP shows their syntax. CD
/// and PWD change and print the current directory on the server. Words are quoted as in a shell: 'my file', "my file"
/// or my\ file. With a SCRIPT, or when stdin is not a terminal, lines are read without a prompt, # begins a comment,
/// and the first line that fails ends the session.
#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    /// A file of commands
    #[arg(value_name = "SCRIPT")]
    script: Option<PathBuf>,
    /// Continue a script after a line that failed
    #[arg(long)]
    keep_going: bool,
}

impl ShellArgs {
    pub(crate) fn reads_stdin(&self) -> bool {
        self.script.as_deref().is_none_or(names::is_stdin)
    }
}

const HELP: &str = "\
LIST [PATH] [depth=N|all] [-l]        list names; -l shows sizes and times
DOWNLOAD [-f] NAME [to FILE]          download a file; -f replaces a local one
UPLOAD [--create] FILE [as NAME]      upload a file; --create replaces nothing
DELETE [-r] [-f] NAME...              delete; -r directories with their content
MKDIR [-p] NAME...                    create directories
MOVE [--create] NAME... TO            move or rename; into TO if it ends with /
COPY [--create] NAME... TO            copy files on the server
CHECKSUM [--check] NAME...            checksums; --check compares local files
CD [DIR]                              change the directory, or go back to /
PWD                                   print the directory on the server
EXIT                                  end (also QUIT, BYE, Ctrl-D)
HELP [server]                         this text, or the server's own
ls, get, put, rm, mv, cp and sum work too.
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

/// Whether a session continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    /// It ends with this code for a failure that was already reported.
    Failed(Exit),
    End,
}

/// Runs a line.
fn execute<T: Transport>(app: &mut App<'_, T>, line: Line) -> Result<Flow, Error> {
    let exit = match line {
        Line::Nothing => Exit::Done,
        Line::List { path, depth, long } => {
            let path = app.absolute(path.as_deref().unwrap_or("."))?;
            let path = names::place(app.base(), Some(&path))?;
            ls::list(app, path.as_ref(), depth, ls::How { long, unsorted: false })?;
            Exit::Done
        }
        Line::Download { name, to, force } => {
            let path = names::file(app.base(), &app.absolute(&name)?)?;
            let destination = names::destination(&path, to.as_deref())?;
            let mode = get::mode(force);
            get::fetch(app, get::Download { path, destination, offset: 0, length: None, mode })?;
            Exit::Done
        }
        Line::Upload { file, name, create } => {
            if file.as_os_str() == names::DASH {
                return Err(Error::usage("stdin is what the commands come from")
                    .advise("name a file, or use put - --as NAME"));
            }
            let name = app.absolute(name.as_deref().unwrap_or("."))?;
            let path = names::uploaded(app.base(), &file, Some(&name))
                .map_err(|error| error.advise("give it another name: UPLOAD FILE as NAME"))?;
            let mode = put::mode(create);
            put::send(app, put::Upload { origin: Origin::File(file), path, mode })?;
            Exit::Done
        }
        Line::Delete(mut args) => {
            args.names = absolute(app, &args.names)?;
            rm::delete(app, &args)
        }
        Line::MakeDirectory(mut args) => {
            args.names = absolute(app, &args.names)?;
            mkdir::make(app, &args)
        }
        Line::Move(mut args) => {
            args.from_to = args.from_to.with_names(|name| app.absolute(name))?;
            mv::rename(app, &args.from_to)?
        }
        Line::Copy(mut args) => {
            args.from_to = args.from_to.with_names(|name| app.absolute(name))?;
            cp::copy(app, &args.from_to)?
        }
        Line::Checksum(mut args) => {
            args.names = absolute(app, &args.names)?;
            sum::sum(app, &args)?
        }
        Line::GoTo(name) => {
            go_to(app, name.as_deref().unwrap_or("/"))?;
            Exit::Done
        }
        Line::WhereAmI => {
            app.print(Escaped::new(&directory(app)))?;
            Exit::Done
        }
        Line::Help => {
            app.print(HELP)?;
            Exit::Done
        }
        Line::ServerHelp => {
            for text in app.request("HELP", call::help())? {
                app.print(Escaped::new(&text))?;
            }
            Exit::Done
        }
        Line::Exit => return Ok(Flow::End),
    };
    Ok(if exit == Exit::Done { Flow::Continue } else { Flow::Failed(exit) })
}

/// Makes names relative to the directory where the session began.
fn absolute<T: Transport>(app: &App<'_, T>, names: &[String]) -> Result<Vec<String>, Error> {
    names.iter().map(|name| app.absolute(name)).collect()
}

/// Changes to the directory `name`.
fn go_to<T: Transport>(app: &mut App<'_, T>, name: &str) -> Result<(), Error> {
    let path = names::place(app.base(), Some(&app.absolute(name)?))?;
    let there = path.as_ref().filter(|_| path.as_ref() != app.base()).cloned();
    match kind(app, there.as_ref())? {
        Kind::Directory => app.directory = path,
        Kind::File => {
            return Err(Error::new(Exit::Refused, format!("{name}: this is a file"))
                .advise("name a directory"));
        }
        Kind::Missing => {
            return Err(Error::new(Exit::NotFound, format!("{name}: there is no such directory"))
                .advise("LIST shows what is there"));
        }
    }
    Ok(())
}

/// The current directory, as a user would type it.
fn directory<T>(app: &App<'_, T>) -> String {
    match &app.directory {
        Some(directory) if app.directory != app.server.base => {
            let base = app.server.base.as_ref();
            format!("/{}", names::relative(base, directory).unwrap_or_default())
        }
        _ => String::from("/"),
    }
}
