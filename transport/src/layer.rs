//! The stream of a connection: plain TCP, or a layer over it.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::stream::{Security, Stream, StreamError};
use crate::tcp::TcpStream;

/// Creates the stream of each connection, over the connected TCP stream.
#[derive(Clone)]
pub struct Layer {
    make: Arc<dyn Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync>,
    opening: Option<Opening>,
}

/// How clients of a layer begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    /// The first byte of each client.
    pub(crate) first_byte: u8,
    /// What the server answers in plain text to whoever begins with another one, or says nothing.
    pub(crate) otherwise: &'static str,
}

impl Layer {
    /// A layer whose streams `make` creates.
    pub fn new(
        make: impl Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static,
    ) -> Self {
        Self { make: Arc::new(make), opening: None }
    }

    /// The layer, for a server whose clients speak first and begin with `first_byte`. Whoever begins with another byte,
    /// or is silent for five seconds, gets `ERR protocol` with the text `otherwise`, in plain text.
    #[must_use]
    pub fn opened_by(self, first_byte: u8, otherwise: &'static str) -> Self {
        Self { opening: Some(Opening { first_byte, otherwise }), ..self }
    }

    pub(crate) fn opening(&self) -> Option<Opening> {
        self.opening
    }
}

/// Whether they are clones of the same layer.
impl PartialEq for Layer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.make, &other.make)
    }
}

impl Eq for Layer {}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").finish_non_exhaustive()
    }
}

/// The stream of a connection. Only plain TCP can be spliced: a layer does not offer the socket beneath it.
pub(crate) enum PeerStream {
    Plain(TcpStream),
    Layered(Box<dyn Stream>),
}

impl PeerStream {
    pub(crate) fn layered(tcp: TcpStream, layer: &Layer) -> io::Result<Self> {
        (layer.make)(tcp).map(Self::Layered)
    }

    /// The socket, if payload may be spliced.
    pub(crate) fn plain(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(tcp) => Some(tcp),
            Self::Layered(_) => None,
        }
    }

    pub(crate) fn handshake(&mut self) -> Result<(), StreamError> {
        self.get().handshake()
    }

    pub(crate) fn security(&self) -> Security {
        match self {
            Self::Plain(tcp) => tcp.security(),
            Self::Layered(stream) => stream.security(),
        }
    }

    fn get(&mut self) -> &mut dyn Stream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Layered(stream) => &mut **stream,
        }
    }

    /// Reads into the buffer that `space` returns, but calls it only when there is something to read: many sessions
    /// wait, and each would have a buffer meanwhile.
    pub(crate) fn read<'a>(
        &mut self,
        space: impl FnOnce() -> &'a mut [u8],
    ) -> Result<usize, StreamError> {
        read_when_ready(self.get(), space)
    }

    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, StreamError> {
        self.get().write(slices)
    }

    pub(crate) fn close_write(&mut self) -> Result<(), StreamError> {
        self.get().close_write()
    }
}

impl fmt::Debug for PeerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Layered(_) => "Layered",
        })
    }
}

pub(crate) fn read_when_ready<'a>(
    stream: &mut (impl Stream + ?Sized),
    space: impl FnOnce() -> &'a mut [u8],
) -> Result<usize, StreamError> {
    let mut first = [0];
    if stream.read(&mut first)? == 0 {
        return Ok(0);
    }
    let [here, rest @ ..] = space() else {
        return Err(io::Error::other("there was no room to read into").into());
    };
    [*here] = first;
    // The next read reports an end, a failure or a wait again.
    let more = if rest.is_empty() { 0 } else { stream.read(rest).unwrap_or(0) };
    Ok(1 + more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Interest;

    /// Returns what it has, read by read.
    struct Scripted(Vec<Result<&'static [u8], Interest>>);

    impl Stream for Scripted {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError> {
            match self.0.remove(0) {
                Err(interest) => Err(StreamError::WouldBlock(interest)),
                Ok(bytes) => {
                    let count = bytes.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&bytes[..count]);
                    if count < bytes.len() {
                        self.0.insert(0, Ok(&bytes[count..]));
                    }
                    Ok(count)
                }
            }
        }

        fn write(&mut self, _: &[IoSlice<'_>]) -> Result<usize, StreamError> {
            unreachable!("nobody writes")
        }

        fn close_write(&mut self) -> Result<(), StreamError> {
            unreachable!("nobody closes")
        }
    }

    #[test]
    fn no_room_is_lent_before_there_is_something() {
        let read = |script: Vec<_>, room: &mut [u8]| {
            read_when_ready(&mut Scripted(script), || {
                assert!(!room.is_empty(), "it was lent");
                room
            })
        };
        let nothing = read(vec![Err(Interest::Either)], &mut []);
        assert!(matches!(nothing, Err(StreamError::WouldBlock(Interest::Either))));
        assert!(matches!(read(vec![Ok(b"")], &mut []), Ok(0)));
        let mut room = [0; 4];
        assert!(matches!(read(vec![Ok(b"abcdef")], &mut room), Ok(4)));
        assert_eq!(&room, b"abcd");
        let one = vec![Ok(&b"e"[..]), Err(Interest::Readable)];
        assert!(matches!(read(one, &mut room), Ok(1)));
        assert_eq!(&room, b"ebcd");
    }
}
