//! Lines from a person.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use haul_core::{Entry, Escaped};
use haul_transport::{ListOptions, call};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use super::complete::{Completion, MOST, Name};
use super::line::Line;
use super::{Flow, directory, execute};
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::names;
use crate::transport::Transport;

/// Asks for lines until one ends the session.
pub(super) fn run<T: Transport>(app: &mut App<'_, T>) -> Result<(), Error> {
    let greeting = app.connect()?.cloned();
    let banner = greeting.map(|greeting| greeting.banner).unwrap_or_default();
    let server = app.server.clone();
    app.note(format_args!(
        "connected to {server}: {} (HELP lists the commands)",
        Escaped::new(&banner)
    ));

    let config = Config::builder().completion_type(CompletionType::List).build();
    let mut editor: Editor<_, FileHistory> =
        Editor::with_config(config).map_err(|error| terminal(&error))?;
    let history = history();
    if let Some(path) = &history {
        // There is none the first time.
        let _ = editor.load_history(path);
    }
    // Completion borrows it while the person types, and the loop for the command that came of it.
    let app = RefCell::new(app);
    editor.set_helper(Some(Completion::new(|directory: &str| {
        names_in(*app.borrow_mut(), directory)
    })));
    let ended = loop {
        let prompt = prompt(&app.borrow());
        match editor.readline(&prompt) {
            Ok(text) => {
                if let Some(completion) = editor.helper() {
                    completion.forget();
                }
                // Without its history the line is still good.
                let _ = editor.add_history_entry(text.as_str());
                if obey(*app.borrow_mut(), &text) == Flow::End {
                    break Ok(());
                }
            }
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {}
            Err(ReadlineError::Eof) => break Ok(()),
            Err(error) => break Err(terminal(&error)),
        }
    };
    if let Some(path) = &history {
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).map_err(ReadlineError::from);
        if let Err(error) = made.and_then(|()| editor.save_history(path)) {
            tracing::warn!(path = ?path, %error, "the history cannot be kept");
        }
    }
    ended
}

/// Says where names start, if that is not where the session began.
fn prompt<T>(app: &App<'_, T>) -> String {
    match directory(app).as_str() {
        "/" => String::from("haul> "),
        directory => format!("haul {}> ", Escaped::new(directory)),
    }
}

/// Does what a line says, and tells of a failure.
fn obey<T: Transport>(app: &mut App<'_, T>, text: &str) -> Flow {
    let was_connected = app.is_connected();
    // A person has read it; the code is for scripts.
    app.incomplete = false;
    let error = match Line::parse(text).and_then(|line| execute(app, line)) {
        Ok(Flow::Failed(_)) => None,
        Ok(flow) => return flow,
        Err(error) => Some(error),
    };
    if let Some(error) = &error {
        app.report(error);
    }
    if was_connected && !app.is_connected() {
        app.note("the connection is lost; the next command connects again");
    }
    // A terminal that is gone cannot be asked again.
    if error.is_some_and(|error| error.is_silent()) { Flow::End } else { Flow::Continue }
}

/// The names in a directory of the server, as far as they can be had now; completion is no reason to connect or to complain.
fn names_in<T: Transport>(app: &mut App<'_, T>, directory: &str) -> Vec<Name> {
    let mut names = Vec::new();
    let directory = if directory.is_empty() { "." } else { directory };
    let Ok(directory) = app.absolute(directory) else { return names };
    let Ok(path) = names::place(app.base(), Some(&directory)) else { return names };
    if app.is_connected() {
        let take = |entry: &Entry| {
            let is_directory = matches!(entry, Entry::Directory { .. });
            let name = entry.path().map(|path| path.file_name().to_owned());
            names.extend(name.map(|name| Name { name, is_directory }));
            if names.len() < MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let call = call::list(path.as_ref(), ListOptions::default(), take);
        let listed = app.ask("completion", call, false);
        if let Err(error) = listed {
            tracing::debug!(%error, "no completion");
        }
    }
    names.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    names
}

/// Where typed lines are kept: `haul/history` where the user's state belongs.
fn history() -> Option<PathBuf> {
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| env::home_dir().map(|home| home.join(".local/state")))?;
    Some(state.join("haul/history"))
}

fn terminal(error: &ReadlineError) -> Error {
    let text = match error {
        ReadlineError::Io(error) => crate::error::plain(error),
        other => other.to_string(),
    };
    Error::new(Exit::Local, format!("the terminal cannot be used: {text}"))
}
