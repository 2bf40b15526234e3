//! Sockets that speak the traits of `futures-io`.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use crate::Socket;
use crate::socket::{read_once_there_is_something, shutdown};

/// A TCP stream of any runtime whose streams implement [`AsyncRead`] and [`AsyncWrite`].
#[derive(Debug)]
pub struct FuturesIo<S>(pub S);

impl<S: AsyncRead + AsyncWrite + AsFd + Unpin> Socket for FuturesIo<S> {
    fn poll_read<'a>(
        &mut self,
        cx: &mut Context<'_>,
        space: impl FnOnce() -> &'a mut [u8],
    ) -> Poll<io::Result<usize>> {
        read_once_there_is_something(space, |room| Pin::new(&mut self.0).poll_read(cx, room))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, pieces)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.0).poll_close(cx))?;
        // That of async-std closes nothing. Where it did, this changes nothing.
        Poll::Ready(shutdown(&self.0))
    }
}

impl<S: AsFd> AsFd for FuturesIo<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
