//! `LIST`: lists the entries of a directory, or one file.
//!
//! Rules: R-LIST-1 to R-LIST-8.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU64;

use super::client_exchange::{self, NO_ANSWER, OnRefusal, Pipelining, Preparation, Violation};
use super::grammar::{FLAG, Verb, line_of, set, set_path, unknown_option, write_path};
use super::server_exchange::{End, Exchange, Handles, Reply, Turn, View};
use crate::effect::{Done, Effect, Handle, RequestId};
use crate::error::{ErrorCode, StoreError, Work};
use crate::message::arguments::{Arguments, required};
use crate::message::encode::{flag, option};
use crate::message::{Depth, Entry, Garbled, LineError, Refusal, ServerLine, Summary};
use crate::name::FilePath;
use crate::request::{ClientEvent, Failure};
use crate::wire::words::{self, Quoted, Word, Words, parse_number};

/// The arguments of `LIST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// What to list; `None` is the shared directory itself.
    pub path: Option<FilePath>,
    /// The number of levels to list.
    pub depth: Depth,
    /// Whether to list omitted names too.
    pub omitted: bool,
}

impl List {
    /// Starts the client's exchange.
    pub(super) fn ask(self) -> Box<dyn client_exchange::Exchange> {
        Box::new(Asking { list: self, entries: 0, omitted: None })
    }
}

impl Verb for List {
    const NAMES: &'static [&'static str] = &["LIST"];
    const HELP: &'static str =
        "LIST [path] [depth=N|all] [omitted=yes] - what is there, and what is left out";

    fn parse(words: Words<'_>) -> Result<Self, LineError> {
        let (mut path, mut depth, mut omitted) = (None, None, None);
        for word in words {
            match word? {
                Word::Plain(text) => set_path(&mut path, &text)?,
                Word::Option { key: "depth", value } => {
                    set(&mut depth, "depth", "a number from 1, or all", parse_depth(&value))?;
                }
                Word::Option { key: "omitted", value } => {
                    set(&mut omitted, "omitted", FLAG, words::flag(&value))?;
                }
                Word::Option { key, .. } => return Err(unknown_option(key)),
            }
        }
        let (depth, omitted) = (depth.unwrap_or(Depth::ONE), omitted.is_some());
        Ok(Self { path, depth, omitted })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write_path(f, path)?;
        }
        match self.depth {
            Depth::Levels(levels) if levels.get() == 1 => {}
            Depth::Levels(levels) => write!(f, " depth={levels}")?,
            Depth::All => f.write_str(" depth=all")?,
        }
        flag(f, "omitted", self.omitted)
    }

    fn paths(&self) -> [Option<&FilePath>; 2] {
        [self.path.as_ref(), None]
    }

    fn serve(&self, _: RequestId, handles: &mut Handles) -> Box<dyn Exchange> {
        Box::new(Serving {
            list: self.clone(),
            handle: handles.next(),
            is_open: false,
            entries: 0,
            listed_omitted: 0,
        })
    }
}

fn parse_depth(text: &str) -> Option<Depth> {
    if text == "all" {
        return Some(Depth::All);
    }
    parse_number(text).and_then(NonZeroU64::new).map(Depth::Levels)
}

/// Parses what follows the word `FILE`.
pub(super) fn parse_file(arguments: &Arguments<'_>) -> Result<Entry, Garbled> {
    Ok(Entry::File {
        path: arguments.path()?,
        size: required(arguments.size)?,
        modified: required(arguments.modified)?,
        executable: arguments.executable.is_some(),
    })
}

/// Parses what follows the word `DIR`.
pub(super) fn parse_directory(arguments: &Arguments<'_>) -> Result<Entry, Garbled> {
    Ok(Entry::Directory {
        path: arguments.path()?,
        error: arguments.error,
        link: arguments.link.is_some(),
    })
}

/// Parses what follows the word `OMITTED`.
pub(super) fn parse_omitted(arguments: Arguments<'_>) -> Result<Entry, Garbled> {
    Ok(Entry::Omitted {
        shown: required(arguments.first)?.into_owned(),
        reason: required(arguments.reason)?,
    })
}

/// An entry as the protocol writes its line, without its ending.
pub(super) struct EntryLine<'a>(pub(super) &'a Entry);

impl fmt::Display for EntryLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Entry::File { path, size, modified, executable } => {
                write!(f, "FILE {} size={size} modified={modified}", Quoted(path.as_str()))?;
                flag(f, "executable", *executable)
            }
            Entry::Directory { path, error, link } => {
                write!(f, "DIR {}", Quoted(path.as_str()))?;
                option(f, "error", error.as_ref())?;
                flag(f, "link", *link)
            }
            Entry::Omitted { shown, reason } => {
                write!(f, "OMITTED {} reason={reason}", Quoted(shown))
            }
        }
    }
}

/// The server's exchange of a listing.
#[derive(Debug)]
struct Serving {
    list: List,
    handle: Handle,
    is_open: bool,
    entries: u64,
    /// The number of omitted names that were sent.
    listed_omitted: u64,
}

impl Exchange for Serving {
    fn next(&mut self, view: &mut View<'_>) -> Turn {
        let handle = self.handle;
        if self.is_open {
            return Turn::Perform(Effect::NextEntries {
                handle,
                max: view.limits.list_batch.max(1),
            });
        }
        let List { path, depth, omitted } = self.list.clone();
        Turn::Perform(Effect::List { handle, id: view.id, path, depth, omitted })
    }

    fn performed(&mut self, view: &mut View<'_>, outcome: Result<Done, StoreError>) -> Option<End> {
        match outcome {
            Ok(Done::Entries { entries, skipped }) if entries.is_empty() => {
                self.is_open = false;
                let summary = Summary {
                    entries: Some(self.entries),
                    omitted: self.list.omitted.then_some(self.listed_omitted),
                    skipped: (skipped > 0).then_some(skipped),
                    ..Summary::default()
                };
                Some(Reply::ok(summary).into())
            }
            Ok(Done::Entries { entries, .. }) => {
                for entry in &entries {
                    match entry {
                        // A client that does not know this line must never get one.
                        Entry::Omitted { .. } if !self.list.omitted => continue,
                        Entry::Omitted { .. } => self.listed_omitted += 1,
                        Entry::File { .. } | Entry::Directory { .. } => self.entries += 1,
                    }
                    view.line(&EntryLine(entry));
                }
                None
            }
            Ok(_) => {
                self.is_open = true;
                None
            }
            Err(error) => Some(Reply::failed(Work::List, error).into()),
        }
    }

    fn is_cancellable(&self) -> bool {
        true
    }

    fn release(&self) -> Vec<Effect> {
        self.is_open.then_some(Effect::Close { handle: self.handle }).into_iter().collect()
    }
}

/// The client's exchange of a listing.
#[derive(Debug)]
struct Asking {
    list: List,
    entries: u64,
    /// The number of omitted names that were received, if the client asked for them.
    omitted: Option<u64>,
}

impl client_exchange::Exchange for Asking {
    fn pipelining(&self) -> Pipelining {
        Pipelining::Alone
    }

    fn prepare(&mut self, view: &mut client_exchange::View<'_>) -> Preparation {
        let omitted = self.list.omitted && view.known.omitted != Some(false);
        self.omitted = omitted.then_some(0);
        Preparation::Send(line_of(&List { omitted, ..self.list.clone() }))
    }

    fn line(
        &mut self,
        view: &mut client_exchange::View<'_>,
        line: ServerLine,
    ) -> Result<(), Violation> {
        let ServerLine::Entry(entry) = line else { return Err(NO_ANSWER) };
        match (&entry, &mut self.omitted) {
            (Entry::File { .. } | Entry::Directory { .. }, _) => self.entries += 1,
            (Entry::Omitted { .. }, Some(omitted)) => *omitted += 1,
            (Entry::Omitted { .. }, None) => {
                return Err(Violation("it tells what a listing leaves out without being asked"));
            }
        }
        if !view.has_failed {
            view.events.push_back(ClientEvent::Entry { id: view.id, entry });
        }
        Ok(())
    }

    fn ok(
        &mut self,
        _: &mut client_exchange::View<'_>,
        summary: Summary,
    ) -> Result<Option<Result<Summary, Failure>>, Violation> {
        // An `omitted=` without a request for it is ignored, as unknown options are.
        let complete = summary.entries == Some(self.entries)
            && self.omitted.is_none_or(|listed| summary.omitted.unwrap_or(0) == listed);
        if complete {
            Ok(Some(Ok(summary)))
        } else {
            Err(Violation("a listing has not as many lines as its OK says"))
        }
    }

    fn refused(&mut self, view: &mut client_exchange::View<'_>, refusal: &Refusal) -> OnRefusal {
        let is_bad_argument = refusal.code() == Some(ErrorCode::BadArgument);
        if is_bad_argument && !view.has_failed && self.entries == 0 && self.omitted == Some(0) {
            view.known.omitted = Some(false);
            return OnRefusal::Restart;
        }
        OnRefusal::End
    }
}
