//! A file of the directory that is being sent.

use std::sync::Arc;

use bytes::Bytes;
use haul_core::{Checksum, FilePath, Opened, StoreError, StoreErrorKind};

use super::Shared;
use crate::Source;
use crate::error::failed;
use crate::regular::RegularFile;

/// A regular file of a [`Directory`](crate::Directory), open for reading.
#[derive(Debug)]
pub struct DirectorySource {
    shared: Arc<Shared>,
    path: FilePath,
    file: RegularFile,
}

impl DirectorySource {
    pub(super) fn open(shared: Arc<Shared>, path: &FilePath) -> Result<Self, StoreError> {
        shared.require_served(path)?;
        let cannot = |errno| failed(format_args!("open {}", path.escaped()), errno);
        let located = shared.root.locate(path.as_str().as_ref()).map_err(cannot)?;
        // Devices can act when they are opened, so anything but a file is turned away before.
        located.stat.require_regular(path.escaped())?;
        let file = located.open().map_err(cannot)?;
        let file = RegularFile::new(file, path.escaped().to_string())?;
        Ok(Self { shared, path: path.clone(), file })
    }
}

impl Source for DirectorySource {
    fn opened(&self) -> Opened {
        self.file.version().opened()
    }

    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        self.file.read(offset, length)
    }

    fn finish(&mut self, checksum: Option<Checksum>) -> Result<Option<Checksum>, StoreError> {
        self.file.verify()?;
        let version = self.file.version();
        let mut checksums = self.shared.checksums();
        let known = checksums.get(version);
        match (known, checksum) {
            (Some(known), Some(read)) if known != read => {
                checksums.remove(version);
                drop(checksums);
                tracing::error!(
                    path = %self.path.escaped(), %known, %read,
                    "the bytes of a file differ from what they were, though nobody wrote to it: its storage may be failing"
                );
                let detail = format!("{} has other bytes than it had before", self.path.escaped());
                Err(StoreError::new(StoreErrorKind::Changed, detail))
            }
            (_, Some(read)) => {
                checksums.insert(version, read);
                Ok(Some(read))
            }
            (known, None) => Ok(known),
        }
    }
}
