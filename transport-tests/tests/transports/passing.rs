//! A store that is no directory passes payload by the machine: the bytes wait in memory.

use std::convert::Infallible;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes, BytesMut};
use haul_core::{Checksum, Depth, Entry, FilePath, Mode, Opened, StoreError, StoreErrorKind, Version};
use haul_store::{Prepared, Listing, NewFile, PassThrough, Source, Staged, Store};
use haul_transport::{DownloadOptions, ServerOptions};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::running::Running;
use crate::blocking::Calls as _;
use crate::support::{Share, go_on, path, payload, source, target};

/// The maximum number of bytes that a session holds.
const ROOM: usize = 100_000;

/// Files, and the number of bytes that passed by the machine.
#[derive(Clone, Default)]
struct Memory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<FilePath, Bytes>>,
    passed: AtomicUsize,
}

struct Buffer(BytesMut);

impl PassThrough for Buffer {
    fn receive(&mut self, socket: BorrowedFd<'_>, length: usize) -> io::Result<usize> {
        assert!(self.0.is_empty(), "what was received is not written");
        self.0.resize(length.min(ROOM), 0);
        let received = recv(socket, &mut self.0[..], RecvFlags::empty()).map(|(count, _)| count);
        self.0.truncate(received.unwrap_or(0));
        Ok(received?)
    }

    fn send(&mut self, socket: BorrowedFd<'_>, length: usize) -> io::Result<usize> {
        let count = send(socket, &self.0[..length.min(self.0.len())], SendFlags::NOSIGNAL)?;
        self.0.advance(count);
        Ok(count)
    }
}

struct Reader {
    store: Memory,
    data: Bytes,
    buffer: Buffer,
}

impl Source for Reader {
    fn opened(&self) -> Opened {
        Opened { size: Some(self.data.len() as u64), ..Opened::default() }
    }

    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        let rest = self.data.slice(usize::try_from(offset).unwrap()..);
        Ok(rest.slice(..rest.len().min(length)))
    }

    fn prepare_send(
        &mut self,
        offset: u64,
        length: usize,
        checksum: bool,
    ) -> Result<Option<Prepared>, StoreError> {
        let piece = self.read(offset, length.min(ROOM))?;
        self.store.0.passed.fetch_add(piece.len(), Ordering::Relaxed);
        self.buffer.0.extend_from_slice(&piece);
        let checksum = checksum.then(|| Checksum::of(&piece));
        Ok(Some(Prepared { length: piece.len(), checksum }))
    }

    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        Some(&mut self.buffer)
    }

    fn finish(&mut self, _: u64, _: u64, _: Checksum) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Writer {
    store: Memory,
    path: FilePath,
    data: Vec<u8>,
    buffer: Buffer,
}

impl Staged for Writer {
    fn write(&mut self, _: u64, data: &[u8]) -> Result<(), StoreError> {
        self.data.extend_from_slice(data);
        Ok(())
    }

    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        Some(&mut self.buffer)
    }

    fn write_received(&mut self, _: u64, length: usize) -> Result<Checksum, StoreError> {
        let received = self.buffer.0.split();
        assert_eq!(received.len(), length);
        self.store.0.passed.fetch_add(length, Ordering::Relaxed);
        self.data.extend_from_slice(&received);
        Ok(Checksum::of(&received))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn publish(&mut self, _: Checksum) -> Result<Option<Version>, StoreError> {
        let data = std::mem::take(&mut self.data).into();
        self.store.0.files.lock().unwrap().insert(self.path.clone(), data);
        Ok(None)
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Nothing is listed here.
struct Unlisted;

impl Listing for Unlisted {
    fn next(&mut self, _: usize) -> Result<Vec<Entry>, StoreError> {
        Ok(Vec::new())
    }

    fn skipped(&self) -> u64 {
        0
    }
}

impl Store for Memory {
    type Listing = Unlisted;
    type Source = Reader;
    type Staged = Writer;
    type Change = Infallible;

    fn list(&self, _: Option<&FilePath>, _: Depth, _: bool) -> Result<Unlisted, StoreError> {
        Ok(Unlisted)
    }

    fn open(&self, path: &FilePath) -> Result<Reader, StoreError> {
        let missing = || StoreError::new(StoreErrorKind::NotFound, "no such file");
        let data = self.0.files.lock().unwrap().get(path).cloned().ok_or_else(missing)?;
        Ok(Reader { store: self.clone(), data, buffer: Buffer(BytesMut::new()) })
    }

    fn create(&self, file: &NewFile) -> Result<Writer, StoreError> {
        let (store, path, buffer) = (self.clone(), file.path.clone(), Buffer(BytesMut::new()));
        Ok(Writer { store, path, data: Vec::new(), buffer })
    }
}

#[test]
fn any_store_can_pass_payload_by_the_machine() {
    let (store, mine) = (Memory::default(), Share::new());
    let server = Running::start(store.clone(), ServerOptions::default());
    let mut client = server.client();
    let data = payload(5 << 20);
    mine.write("mine", &data);
    let mode = Mode::Replace;
    client.upload(&path("file"), mode, source(&mine, "mine"), go_on).unwrap();
    assert!(store.0.files.lock().unwrap()[&path("file")] == data);
    let received = store.0.passed.load(Ordering::Relaxed);
    assert!(received > 0, "nothing came past the machine");

    let options = DownloadOptions { mode, ..DownloadOptions::default() };
    client.download(&path("file"), options, target(&mine, "back"), go_on).unwrap();
    assert!(mine.read("back") == data);
    assert_eq!(store.0.passed.load(Ordering::Relaxed) - received, data.len());
}
