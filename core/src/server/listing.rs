//! `LIST`.

use core::ops::ControlFlow;

use super::{Server, ServerEvent, State};
use crate::effect::{Done, Effect, Handle, Open};
use crate::error::{StoreError, Work};
use crate::machine::Ask;
use crate::message::{Depth, Entry, ServerLine, Summary};
use crate::name::FilePath;

/// A listing under way.
#[derive(Debug)]
pub(super) struct Listing {
    handle: Handle,
    path: Option<FilePath>,
    depth: Depth,
    /// Whether what is left out was asked for.
    omitted: bool,
    entries: u64,
    /// Names left out so far that were told.
    told: u64,
}

impl Listing {
    pub(super) fn new(handle: Handle, path: Option<FilePath>, depth: Depth, omitted: bool) -> Self {
        Self { handle, path, depth, omitted, entries: 0, told: 0 }
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
        let handle = listing.handle;
        Some(Ask::Perform(if self.open.is_some() {
            Effect::NextEntries { handle, max: self.config.limits.list_batch.max(1) }
        } else {
            let Listing { path, depth, omitted, .. } = listing;
            Effect::List { handle, id, path: path.clone(), depth: *depth, omitted: *omitted }
        }))
    }

    pub(super) fn listing_outcome(&mut self, outcome: Result<Done, StoreError>) {
        let State::Listing(listing) = &mut self.state else {
            return;
        };
        match outcome {
            Ok(Done::Entries { entries, skipped }) if entries.is_empty() => {
                self.open = None;
                let summary = Summary {
                    entries: Some(listing.entries),
                    omitted: listing.omitted.then_some(listing.told),
                    skipped: (skipped > 0).then_some(skipped),
                    ..Summary::default()
                };
                self.succeed(summary);
            }
            Ok(Done::Entries { entries, .. }) => {
                for entry in entries {
                    match entry {
                        // A client that does not know the line must never see it.
                        Entry::Omitted { .. } if !listing.omitted => continue,
                        Entry::Omitted { .. } => listing.told += 1,
                        Entry::File { .. } | Entry::Directory { .. } => listing.entries += 1,
                    }
                    self.link.outbox.line(|out| ServerLine::Entry(entry).encode(out));
                }
            }
            Ok(_) => self.open = Some(Open::Existing(listing.handle)),
            Err(error) => self.refuse_for(Work::List, error),
        }
    }
}
