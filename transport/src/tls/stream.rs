//! The stream of TLS over another one.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write};

use rustls::{Connection, Error};

use super::fingerprint::fingerprint;
use super::trust::untrusted;
use crate::handshake::HandshakeError;
use crate::stream::{Interest, Security, Stream, StreamError};

/// The most bytes to read at once from the stream below, which is about one record.
const READ: usize = 16 << 10;
/// The first bytes of what TLS sends in the clear: a record of the handshake, or an alert.
const HANDSHAKE: u8 = 0x16;
const ALERT: u8 = 0x15;

/// A stream of TLS over another one.
///
/// It buffers at most two records of 16 KiB that it has received, and 64 KiB that it has encrypted. An idle stream keeps
/// about 4 KiB.
///
/// The peer ends with `close_notify`. If it just closes the stream below, then a read fails with
/// [`ErrorKind::UnexpectedEof`] after everything that came whole was read.
pub struct TlsStream<S> {
    connection: Connection,
    below: S,
    /// What came from below, from `taken` on; empty most of the time.
    received: Vec<u8>,
    taken: usize,
    /// Whether anything came from below.
    heard: bool,
    /// How many bytes of the next write are encrypted already, but not reported as written.
    owed: usize,
    /// Why nothing more can be received.
    failed: Option<Error>,
}

impl<S: Stream> TlsStream<S> {
    /// A stream whose handshake has not begun.
    pub(super) fn new(connection: impl Into<Connection>, below: S) -> Self {
        Self {
            connection: connection.into(),
            below,
            received: Vec::new(),
            taken: 0,
            heard: false,
            owed: 0,
            failed: None,
        }
    }

    /// Sends everything that is encrypted.
    fn flush(&mut self) -> Result<(), StreamError> {
        while self.connection.wants_write() {
            let mut below = Below { stream: &mut self.below, interest: Interest::Writable };
            match self.connection.write_tls(&mut below) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(StreamError::WouldBlock(below.interest));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Receives and decrypts some bytes, though perhaps none of the peer's.
    fn receive(&mut self) -> Result<(), StreamError> {
        if let Some(error) = &self.failed {
            return Err(self.lost(error.clone()));
        }
        if self.taken == self.received.len() {
            self.received = Vec::new();
            self.taken = 0;
            let mut room = vec![0; READ];
            let count = self.below.read(&mut room).inspect_err(|_| self.release())?;
            if count == 0 {
                if self.connection.is_handshaking() {
                    return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
                }
                // This tells the connection that it is the end.
                self.connection.read_tls(&mut io::empty())?;
                return Ok(());
            }
            if !self.heard && ![HANDSHAKE, ALERT].contains(&room[0]) {
                return Err(io::Error::from(HandshakeError::PlainText).into());
            }
            self.heard = true;
            room.truncate(count);
            self.received = room;
        }
        while self.taken < self.received.len() {
            let mut rest = &self.received[self.taken..];
            let before = rest.len();
            self.connection.read_tls(&mut rest)?;
            // After `close_notify` the connection takes no more, and whatever follows does not count.
            let took = before - rest.len();
            self.taken = if took == 0 { self.received.len() } else { self.taken + took };
            match self.connection.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() > 0 => break,
                Ok(_) => {}
                Err(error) => {
                    self.received = Vec::new();
                    self.taken = 0;
                    // What came before it is read first.
                    self.failed = Some(error);
                    // The peer should learn why, if it still listens.
                    let _ = self.flush();
                }
            }
        }
        Ok(())
    }

    /// Frees what the connection has kept of the buffer for a whole record, while there is nothing to receive.
    fn release(&mut self) {
        struct Nothing;
        impl io::Read for Nothing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::WouldBlock.into())
            }
        }
        let _ = self.connection.read_tls(&mut Nothing);
    }

    fn lost(&self, error: Error) -> StreamError {
        let error = if self.connection.is_handshaking() {
            handshake_error(error).into()
        } else {
            io::Error::new(ErrorKind::InvalidData, error)
        };
        StreamError::Io(error)
    }
}

impl<S: Stream> Stream for TlsStream<S> {
    fn handshake(&mut self) -> Result<(), StreamError> {
        loop {
            let blocked = match self.flush() {
                Err(error @ StreamError::Io(_)) => return Err(error),
                flushed => flushed.is_err(),
            };
            if !self.connection.is_handshaking() {
                return Ok(());
            }
            // Both sides may send at the same time, so each must receive while it cannot send.
            self.receive().map_err(|error| error.or_writable(blocked))?;
        }
    }

    fn security(&self) -> Security {
        let peer_key = || {
            let certificate = self.connection.peer_certificates()?.first()?;
            fingerprint(certificate).ok().filter(|_| !self.connection.is_handshaking())
        };
        Security { encrypted: true, peer_key: peer_key() }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError> {
        let mut count = 0;
        while count < buffer.len() {
            match self.connection.reader().read(&mut buffer[count..]) {
                Ok(0) => break,
                Ok(more) => {
                    count += more;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The next read reports this again, as all that follows.
                Err(_) if count > 0 => break,
                Err(error) => return Err(error.into()),
            }
            // A failure to send is reported by the next write.
            let blocked = matches!(self.flush(), Err(StreamError::WouldBlock(_)));
            match self.receive() {
                Ok(()) => {}
                Err(_) if count > 0 => break,
                Err(error) => return Err(error.or_writable(blocked)),
            }
        }
        Ok(count)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, StreamError> {
        if self.connection.is_handshaking() {
            self.handshake()?;
        }
        if self.owed == 0 {
            self.owed = self.connection.writer().write_vectored(slices)?;
        }
        let unsent = match self.flush() {
            Ok(()) => 0,
            Err(StreamError::WouldBlock(_)) => {
                let state = self.connection.process_new_packets().map_err(io::Error::other)?;
                state.tls_bytes_to_write()
            }
            Err(error) => return Err(error),
        };
        // Encrypted bytes are more than the bytes that they stand for.
        let written = self.owed.saturating_sub(unsent);
        if written == 0 {
            return Err(StreamError::WouldBlock(Interest::Writable));
        }
        self.owed -= written;
        Ok(written)
    }

    fn close_write(&mut self) -> Result<(), StreamError> {
        // It is sent only once.
        self.connection.send_close_notify();
        self.flush()?;
        self.below.close_write()
    }
}

impl StreamError {
    /// The same, but if it waits, and sending is `blocked`, then for that too.
    fn or_writable(self, blocked: bool) -> Self {
        match self {
            Self::WouldBlock(Interest::Readable) if blocked => Self::WouldBlock(Interest::Either),
            error => error,
        }
    }
}

impl<S> std::fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsStream").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// The stream below, as the connection writes to it.
struct Below<'a, S> {
    stream: &'a mut S,
    /// What the last write waits for.
    interest: Interest,
}

impl<S: Stream> Write for Below<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write(slices).map_err(|error| match error {
            StreamError::WouldBlock(interest) => {
                self.interest = interest;
                ErrorKind::WouldBlock.into()
            }
            StreamError::Io(error) => error,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn handshake_error(error: Error) -> HandshakeError {
    match untrusted(&error) {
        Some(untrusted) => HandshakeError::Untrusted(untrusted.clone()),
        None => match error {
            Error::AlertReceived(alert) => HandshakeError::Refused(format!("{alert:?}")),
            error => HandshakeError::Failed(error.to_string()),
        },
    }
}
