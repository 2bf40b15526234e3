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

/// Prompts for lines until one ends the session.
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
        // The first time it does not exist.
        let _ = editor.load_history(path);
    }
    // Completion borrows it while the person types; this loop borrows it for the command.
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
                // The line is valid even if the history cannot be written.
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

/// Shows the current directory, unless it is the one where the session began.
fn prompt<T>(app: &App<'_, T>) -> String {
    match directory(app).as_str() {
        "/" => String::from("haul> "),
        directory => format!("haul {}> ", Escaped::new(directory)),
    }
}

/// Runs a line, and reports a failure.
fn obey<T: Transport>(app: &mut App<'_, T>, text: &str) -> Flow {
    let was_connected = app.is_connected();
    // The person has read the error; the code is for scripts.
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
    // A terminal that is gone cannot be prompted again.
    if error.is_some_and(|error| error.is_silent()) { Flow::End } else { Flow::Continue }
}

/// The names in a directory on the server, if they can be had now. Completion neither connects nor reports errors.
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

/// The file of typed lines: `haul/history` in the user's state directory.
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
