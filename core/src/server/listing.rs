//! `LIST`.

use core::ops::ControlFlow;

use super::{Server, ServerEvent, State};
use crate::effect::{Done, Effect};
use crate::error::StoreError;
use crate::machine::Ask;
use crate::message::{Depth, ServerLine, Summary};
use crate::name::FilePath;

/// A listing under way.
#[derive(Debug)]
pub(super) struct Listing {
    path: Option<FilePath>,
    depth: Depth,
    entries: u64,
}

impl Listing {
    pub(super) fn new(path: Option<FilePath>, depth: Depth) -> Self {
        Self { path, depth, entries: 0 }
    }
}

impl Server {
    pub(super) fn advance_listing(&mut self) -> Option<Ask<ServerEvent>> {
        if let ControlFlow::Break(ask) = self.at_boundary() {
            return ask;
        }
        let id = self.id();
        let State::Listing(listing) = &self.state else {
            return None;
        };
        Some(Ask::Perform(if self.open {
            Effect::NextEntries { max: self.config.limits.list_batch.max(1) }
        } else {
            Effect::List { id, path: listing.path.clone(), depth: listing.depth }
        }))
    }

    pub(super) fn listing_outcome(&mut self, outcome: Result<Done, StoreError>) {
        let State::Listing(listing) = &mut self.state else {
            return;
        };
        match outcome {
            Ok(Done::Entries { entries, skipped }) if entries.is_empty() => {
                self.open = false;
                let summary = Summary {
                    entries: Some(listing.entries),
                    skipped: (skipped > 0).then_some(skipped),
                    ..Summary::default()
                };
                self.succeed(summary);
            }
            Ok(Done::Entries { entries, .. }) => {
                listing.entries += entries.len() as u64;
                for entry in entries {
                    self.line(&ServerLine::Entry(entry));
                }
            }
            Ok(_) => self.open = true,
            Err(error) => self.refuse_for(error),
        }
    }
}
