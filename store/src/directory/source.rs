//! A file of the directory that is being downloaded.

use std::sync::Arc;

use bytes::Bytes;
use haul_core::{Checksum, FilePath, Opened, StoreError, StoreErrorKind};

use super::shared::Shared;
use crate::error::failed;
use crate::regular_file::RegularFile;
use crate::{PassThrough, Prepared, Source};

/// A regular file of a [`Directory`](crate::Directory), open for reading.
#[derive(Debug)]
pub struct DirectorySource {
    shared: Arc<Shared>,
    path: FilePath,
    pub(super) file: RegularFile,
}

impl DirectorySource {
    pub(super) fn open(shared: Arc<Shared>, path: &FilePath) -> Result<Self, StoreError> {
        shared.require_served(path)?;
        let cannot = |errno| failed(format_args!("open {}", path.escaped()), errno);
        let located = shared.root.locate(path.as_str().as_ref()).map_err(cannot)?;
        // Opening a device can have effects, so check the type first.
        located.stat.require_regular(path.escaped())?;
        let file = located.open().map_err(cannot)?;
        let file = RegularFile::new(file, path.escaped().to_string())?.read_whole()?;
        Ok(Self { shared, path: path.clone(), file })
    }

    /// The checksum of the whole file, if it is remembered.
    pub(super) fn known_checksum(&self) -> Option<Checksum> {
        self.shared.checksums().get(self.file.version())
    }
}

impl Source for DirectorySource {
    fn opened(&self) -> Opened {
        Opened { checksum: self.known_checksum(), ..self.file.opened() }
    }

    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        self.file.read(offset, length)
    }

    fn prepare_send(
        &mut self,
        offset: u64,
        length: usize,
        checksum: bool,
    ) -> Result<Option<Prepared>, StoreError> {
        self.file.prepare_send(offset, length, checksum)
    }

    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        self.file.pass_through()
    }

    fn finish(&mut self, offset: u64, length: u64, sent: Checksum) -> Result<(), StoreError> {
        self.file.verify(offset, length, sent)?;
        let version = self.file.version();
        if (offset, length) != (0, version.size) {
            return Ok(());
        }
        let mut checksums = self.shared.checksums();
        match checksums.get(version) {
            Some(known) if known != sent => {
                checksums.remove(version);
                drop(checksums);
                tracing::error!(
                    path = %self.path.escaped().quoted(), %known, read = %sent,
                    "the bytes of a file differ from what they were, though nobody wrote to it: its storage may be failing"
                );
                let detail = format!("{} has other bytes than it had before", self.path.escaped());
                Err(StoreError::new(StoreErrorKind::Changed, detail))
            }
            _ => Ok(()),
        }
    }
}
