//! A client's files in memory.

use bytes::Bytes;
use haul_core::{Done, Effect, Handle, StoreError};

use crate::files::Files;
use crate::memory_files::MemoryFiles;

/// What a client uploads and what it downloads, both by the path in the request.
#[derive(Debug, Default)]
pub struct LocalFiles {
    /// The files to upload.
    pub sources: MemoryFiles,
    /// The downloaded files.
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
            | Effect::PrepareSend { .. }
            | Effect::FinishReading { .. } => {
                assert!(!self.targets.has_open(), "a client has one file open at most");
                self.sources.perform(effect)
            }
            Effect::Create { .. }
            | Effect::Write { .. }
            | Effect::WriteReceived { .. }
            | Effect::Sync { .. }
            | Effect::Publish { .. }
            | Effect::SyncDirectories { .. }
            | Effect::Discard { .. } => {
                assert!(!self.sources.has_open(), "a client has one file open at most");
                self.targets.perform(effect)
            }
            Effect::Close { handle } if self.sources.is_open(*handle) => {
                self.sources.perform(effect)
            }
            Effect::Close { .. } => self.targets.perform(effect),
            Effect::List { .. }
            | Effect::NextEntries { .. }
            | Effect::Copy { .. }
            | Effect::Delete { .. }
            | Effect::MakeDirectory { .. }
            | Effect::Move { .. }
            | Effect::Identify { .. }
            | Effect::WhoAmI { .. } => panic!("only a server asks for {}", effect.name()),
        }
    }

    fn receive(&mut self, handle: Handle, bytes: &[u8]) {
        self.targets.receive(handle, bytes);
    }

    fn send(&mut self, handle: Handle, count: usize) -> Bytes {
        self.sources.send(handle, count)
    }
}
