//! Standard input and output, and other streams.

use std::fmt;
use std::io::{self, Read, Write};

use bytes::{Bytes, BytesMut};
use haul_core::{Checksum, Opened, StoreError, StoreErrorKind, Version};

use crate::error::{failed_io, misuse};
use crate::{NewFile, Source, Staged, Target};

/// A source whose size is unknown before its end, such as standard input. It is read from front to back.
pub struct StreamSource<R> {
    reader: R,
    name: String,
    position: u64,
    buffer: BytesMut,
}

impl<R: Read + Send> StreamSource<R> {
    /// Reads from `reader`; `name` is for errors.
    pub fn new(reader: R, name: impl Into<String>) -> Self {
        Self { reader, name: name.into(), position: 0, buffer: BytesMut::new() }
    }
}

impl<R: Read + Send> Source for StreamSource<R> {
    fn opened(&self) -> Opened {
        Opened::default()
    }

    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        if offset != self.position {
            return Err(misuse("a stream is read from front to back"));
        }
        // The bytes that were returned before are no longer in the buffer. Their memory can be used again when nobody
        // refers to it.
        self.buffer.resize(length, 0);
        let count = loop {
            match self.reader.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    break read
                        .map_err(|error| failed_io(format_args!("read {}", self.name), &error))?;
                }
            }
        };
        self.position += count as u64;
        Ok(self.buffer.split_to(count).freeze())
    }

    fn finish(&mut self, _: u64, _: u64, _: Checksum) -> Result<(), StoreError> {
        Ok(())
    }
}

impl<R> fmt::Debug for StreamSource<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSource")
            .field("name", &self.name)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// A target whose bytes cannot be taken back, such as standard output.
///
/// Bytes are written at once. So a reader sees them *before* they are verified, and also sees those of a download that
/// fails later. Publication only flushes; nothing is fsynced.
#[derive(Debug)]
pub struct StreamTarget<W> {
    /// `None` once a download has taken it.
    writer: Option<W>,
    name: String,
}

impl<W: Write + Send + 'static> StreamTarget<W> {
    /// Writes to `writer`; `name` is for errors.
    pub fn new(writer: W, name: impl Into<String>) -> Self {
        Self { writer: Some(writer), name: name.into() }
    }
}

impl<W: Write + Send + 'static> Target for StreamTarget<W> {
    fn create(&mut self, _file: &NewFile) -> Result<Box<dyn Staged>, StoreError> {
        let writer = self.writer.take().ok_or_else(|| misuse("a stream takes one download"))?;
        Ok(Box::new(StagedStream { writer, name: self.name.clone(), written: 0 }))
    }
}

struct StagedStream<W> {
    writer: W,
    name: String,
    written: u64,
}

impl<W: Write> StagedStream<W> {
    fn cannot_write(&self, error: &io::Error) -> StoreError {
        if error.kind() == io::ErrorKind::BrokenPipe {
            let detail = format!("whoever read {} has closed it", self.name);
            return StoreError::new(StoreErrorKind::Io, detail);
        }
        failed_io(format_args!("write {}", self.name), error)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.writer.flush().map_err(|error| self.cannot_write(&error))
    }
}

impl<W: Write + Send> Staged for StagedStream<W> {
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        if offset != self.written {
            return Err(misuse("a stream is written from front to back"));
        }
        self.writer.write_all(data).map_err(|error| self.cannot_write(&error))?;
        self.written += data.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.flush()
    }

    fn publish(&mut self, _checksum: Checksum) -> Result<Option<Version>, StoreError> {
        self.flush().map(|()| None)
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
