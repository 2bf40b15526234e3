//! Streams.

use std::io::{self, BufWriter, Cursor, Read, Write};
use std::sync::{Arc, Mutex};

use haul_core::{Checksum, StoreErrorKind};
use haul_store::{Source, StreamSource, StreamTarget, Target};

use crate::support::new_file;

#[test]
fn a_stream_is_read_in_order() {
    let mut source = StreamSource::new(Cursor::new(b"content"), "standard input");
    assert_eq!(source.opened().size, None);
    assert_eq!(source.read(0, 3).unwrap(), &b"con"[..]);
    assert_eq!(source.read(0, 3).unwrap_err().kind, StoreErrorKind::Io);
    assert_eq!(source.read(3, 100).unwrap(), &b"tent"[..]);
    assert!(source.read(7, 100).unwrap().is_empty());
    assert!(source.read(7, 100).unwrap().is_empty());
    source.finish(0, 7, Checksum::of(b"content")).unwrap();
}

#[test]
fn a_stream_that_fails_says_which() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            // The first time a signal interrupts, the second time it is the end.
            let kind = if std::mem::replace(&mut self.0, true) {
                io::ErrorKind::TimedOut
            } else {
                io::ErrorKind::Interrupted
            };
            Err(kind.into())
        }
    }
    let error = StreamSource::new(Broken(false), "standard input").read(0, 1).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Io);
    assert_eq!(error.detail, "cannot read standard input: timed out");
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_is_written_through() {
    let written = Shared::default();
    let mut target = StreamTarget::new(written.clone(), "standard output");
    let mut staged = target.create(&new_file("file")).unwrap();
    staged.write(0, b"ab").unwrap();
    assert_eq!(*written.0.lock().unwrap(), b"ab");
    assert_eq!(staged.write(0, b"ab").unwrap_err().kind, StoreErrorKind::Io);
    staged.write(2, b"c").unwrap();
    staged.sync().unwrap();
    staged.publish(Checksum::of(b"abc")).unwrap();
    staged.sync_directory().unwrap();
    assert_eq!(*written.0.lock().unwrap(), b"abc");
    assert_eq!(target.create(&new_file("file")).err().unwrap().kind, StoreErrorKind::Io);
}

#[test]
fn what_a_writer_holds_back_is_out_when_it_is_asked_for() {
    let written = Shared::default();
    let writer = BufWriter::new(written.clone());
    let mut staged =
        StreamTarget::new(writer, "standard output").create(&new_file("file")).unwrap();
    staged.write(0, b"ab").unwrap();
    staged.sync().unwrap();
    assert_eq!(*written.0.lock().unwrap(), b"ab");
    staged.write(2, b"c").unwrap();
    staged.publish(Checksum::of(b"abc")).unwrap();
    assert_eq!(*written.0.lock().unwrap(), b"abc");
}

#[test]
fn a_closed_pipe_is_told_as_one() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut staged =
        StreamTarget::new(writer, "standard output").create(&new_file("file")).unwrap();
    let error = staged.write(0, b"abc").unwrap_err();
    assert_eq!(error.detail, "whoever read standard output has closed it");
}

#[test]
fn a_stream_is_shown_by_its_name() {
    let mut source = StreamSource::new(Cursor::new(b"content"), "standard input");
    source.read(0, 3).unwrap();
    let shown = r#"StreamSource { name: "standard input", position: 3, .. }"#;
    assert_eq!(format!("{source:?}"), shown);
}
