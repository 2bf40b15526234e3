//! A stream whose first bytes have arrived.

use bytes::Bytes;
use haul_core::{Checksum, Opened, StoreError};
use haul_store::{PassThrough, Prepared, Source};

/// The number of bytes to read first.
const FIRST: usize = 64 << 10;

/// A source of unknown size whose first bytes have arrived, so that no server waits for its input.
pub(super) struct Peeked {
    source: Box<dyn Source>,
    first: Bytes,
}

impl Peeked {
    /// Waits for the first bytes or the end of `source`, if it is a stream.
    pub(super) fn wait(mut source: Box<dyn Source>) -> Result<Box<dyn Source>, StoreError> {
        if source.opened().size.is_some() {
            return Ok(source);
        }
        let first = source.read(0, FIRST)?;
        Ok(Box::new(Self { source, first }))
    }
}

impl Source for Peeked {
    fn opened(&self) -> Opened {
        self.source.opened()
    }

    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        if self.first.is_empty() {
            return self.source.read(offset, length);
        }
        let length = length.min(self.first.len());
        Ok(self.first.split_to(length))
    }

    fn prepare_send(
        &mut self,
        offset: u64,
        length: usize,
        checksum: bool,
    ) -> Result<Option<Prepared>, StoreError> {
        if self.first.is_empty() {
            self.source.prepare_send(offset, length, checksum)
        } else {
            Ok(None)
        }
    }

    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        self.source.pass_through()
    }

    fn finish(&mut self, offset: u64, length: u64, sent: Checksum) -> Result<(), StoreError> {
        self.source.finish(offset, length, sent)
    }
}
