//! A client's own files in memory.

use bytes::Bytes;
use haul_core::{Done, Effect, StoreError};

use crate::memory_files::{Files, MemoryFiles};

/// What a client sends and where it puts what it fetches, both by the path of the request.
#[derive(Debug, Default)]
pub struct LocalFiles {
    /// What uploads send.
    pub sources: MemoryFiles,
    /// What downloads have become.
    pub targets: MemoryFiles,
}

impl LocalFiles {
    /// Whether anything is open.
    pub fn has_open(&self) -> bool {
        self.sources.has_open() || self.targets.has_open()
    }
}

impl Files for LocalFiles {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        match effect {
            Effect::Open { .. }
            | Effect::Read { .. }
            | Effect::Hold { .. }
            | Effect::FinishReading { .. } => {
                assert!(!self.targets.has_open(), "a client has one file open at most");
                self.sources.perform(effect)
            }
            Effect::Create { .. }
            | Effect::Write { .. }
            | Effect::WriteHeld { .. }
            | Effect::Sync { .. }
            | Effect::Publish { .. }
            | Effect::SyncDirectory => {
                assert!(!self.sources.has_open(), "a client has one file open at most");
                self.targets.perform(effect)
            }
            Effect::Discard => {
                if self.sources.has_open() {
                    self.sources.perform(effect)
                } else {
                    self.targets.perform(effect)
                }
            }
            Effect::List { .. } | Effect::NextEntries { .. } => panic!("a client never lists"),
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.targets.receive(bytes);
    }

    fn send_held(&mut self, count: usize) -> Bytes {
        self.sources.send_held(count)
    }
}
