//! `put --skip-existing`: the files that the server already has.

use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use haul_core::{Depth, Entry, FilePath, Timestamp};
use haul_transport::{ListOptions, call};

use crate::app::App;
use crate::commands::many;
use crate::error::Error;
use crate::exit::Exit;
use crate::transport::Transport;

/// The most files that are remembered. They take 256 MiB.
const MOST: usize = 1 << 25;

/// The files that the server has. For each, only a hash of name, size and time is kept, so that a large tree takes
/// little memory. The keys are random, so a server cannot make two hashes equal.
#[derive(Debug, Default)]
pub(super) struct There {
    keys: RandomState,
    files: Vec<u64>,
}

impl There {
    /// Lists everything below `directory`, which may be missing.
    pub(super) fn add<T: Transport>(
        &mut self,
        app: &mut App<'_, T>,
        directory: Option<&FilePath>,
    ) -> Result<(), Error> {
        let Self { keys, files } = self;
        let before = files.len();
        let take = |entry: &Entry| {
            if let Entry::File { path, size, modified, .. } = entry {
                files.push(hash(keys, path, *size, *modified));
            }
            if files.len() > MOST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = ListOptions { depth: Depth::All, ..ListOptions::default() };
        let subject = directory.map_or("/", FilePath::as_str);
        let listed = app.request(subject, call::list(directory, options, take));
        if self.files.len() > MOST {
            let message = format!("{subject}: the server has too many files to compare with");
            return Err(Error::new(Exit::Local, message).advise("upload a part of them at a time"));
        }
        match listed {
            Err(error) if error.exit() != Exit::NotFound => {
                self.files.truncate(before);
                return Err(error);
            }
            _ => {}
        }
        self.files.sort_unstable();
        Ok(())
    }

    /// Whether the server has a copy with this name, size and time.
    pub(super) fn has(&self, path: &FilePath, size: u64, modified: Timestamp) -> bool {
        many::times_of_copies(modified).any(|modified| {
            let hash = hash(&self.keys, path, size, modified);
            self.files.binary_search(&hash).is_ok()
        })
    }
}

fn hash(keys: &RandomState, path: &FilePath, size: u64, modified: Timestamp) -> u64 {
    keys.hash_one((path.as_str(), size, modified.seconds(), modified.nanos()))
}
