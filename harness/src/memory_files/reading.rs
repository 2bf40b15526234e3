//! The effects that read a file.

use bytes::Bytes;
use haul_core::{Checksum, Done, FilePath, Handle, Opened, StoreError, StoreErrorKind};

use super::{MemoryFiles, Node, Open, error};
use crate::faults::{Change, PassThrough};

impl MemoryFiles {
    pub(super) fn source(&self, path: &FilePath) -> Result<(Bytes, Opened), StoreError> {
        match self.tree.get(path) {
            Some(Node::File { data, modified, executable }) => {
                let size = (!self.faults.unknown_size).then_some(data.len() as u64);
                let known = self.faults.pass_through == Some(PassThrough::WithoutChecksum);
                let checksum = known.then(|| Checksum::of(data));
                let (modified, executable) = (Some(*modified), *executable);
                Ok((data.clone(), Opened { size, modified, executable, checksum, version: None }))
            }
            Some(Node::Directory) => Err(error(StoreErrorKind::IsDirectory)),
            None => Err(error(StoreErrorKind::NotFound)),
        }
    }

    pub(super) fn read(&mut self, handle: Handle, offset: u64, length: usize) -> Bytes {
        let Some(Open::Source { data, changed, prepared }) = self.open.get_mut(&handle) else {
            panic!("{handle:?} is not open for reading: {:?}", self.open);
        };
        assert!(prepared.is_empty(), "prepared bytes were not sent");
        assert!(length > 0, "a read of nothing");
        let mut end = data.len();
        if let Some((at, change)) = self.faults.change
            && offset >= at
        {
            *changed = true;
            if change == Change::Cut {
                end = end.min(usize::try_from(at).unwrap_or(usize::MAX));
            }
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(end);
        let most = length.min(self.faults.short_reads.unwrap_or(usize::MAX)).max(1);
        data.slice(start..end.min(start.saturating_add(most)))
    }

    pub(super) fn prepare_send(
        &mut self,
        handle: Handle,
        offset: u64,
        length: usize,
        read: usize,
        checksum: bool,
    ) -> Done {
        let prepares = self.faults.pass_through.is_some();
        let piece = self.read(handle, offset, if prepares { length } else { read });
        match self.open.get_mut(&handle) {
            Some(Open::Source { prepared, .. }) if prepares && !piece.is_empty() => {
                *prepared = piece.clone();
                let checksum = checksum.then(|| Checksum::of(&piece));
                Done::SendPrepared { length: piece.len(), checksum }
            }
            _ => Done::Read(piece),
        }
    }

    pub(super) fn finish(
        &mut self,
        handle: Handle,
        offset: u64,
        length: u64,
        sent: Checksum,
    ) -> Result<Done, StoreError> {
        let Some(Open::Source { data, changed, prepared }) = self.open.remove(&handle) else {
            panic!("{handle:?} is not open for reading");
        };
        assert!(prepared.is_empty(), "prepared bytes were not sent");
        if changed {
            return Err(error(StoreErrorKind::Changed));
        }
        let range = usize::try_from(offset).ok().zip(usize::try_from(offset + length).ok());
        let range = range.and_then(|(start, end)| data.get(start..end));
        assert_eq!(range.map(Checksum::of), Some(sent), "that is not what was sent");
        Ok(Done::Finished)
    }
}
