//! Payload on its way between a socket and a file in a pipe of the kernel, without a copy of it in this process.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pwrite, read, retry_on_intr};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use rustix::process::{Resource, getrlimit};

use crate::PassThrough;

/// The part of all descriptors of the process beyond which none goes to a pipe, which there is another way without: so
/// many of so many.
const FOR_PIPES: (u64, u64) = (3, 4);
/// Smaller files are not worth a pipe.
pub(crate) const WORTH_PASSING: u64 = 64 << 10;
/// The room of a pipe, if the system grants it: what a process without privileges may ask for by default.
const ROOM: usize = 1 << 20;
/// The number of bytes that are copied at once where the kernel cannot move them.
const COPIED_AT_ONCE: usize = 64 << 10;

/// A pipe that holds pages of a file on their way to a socket, or of a socket on their way to a file.
///
/// As many bytes as were taken of a file can be sent even if the file is cut afterwards. The memory is the kernel's:
/// the pipe has room for 1 MiB, or for what the system grants.
///
/// A socket whose peer is gone raises `SIGPIPE` unless the process ignores it, as Rust's programs do.
#[derive(Debug)]
pub(crate) struct PipeBuffer {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl PipeBuffer {
    /// A pipe; [`Errno::MFILE`] where descriptors are scarce.
    pub(crate) fn new() -> Result<Self, Errno> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let highest = reader.as_raw_fd().max(writer.as_raw_fd()).unsigned_abs();
        if u64::from(highest) >= most_for_pipes(getrlimit(Resource::Nofile).current) {
            return Err(Errno::MFILE);
        }
        // Whoever has many pipes already gets less.
        let _ = fcntl_setpipe_size(&writer, ROOM);
        Ok(Self { reader, writer })
    }

    /// Takes 1 to `length` bytes of a file; none at its end.
    pub(crate) fn take(
        &self,
        file: impl AsFd,
        mut offset: u64,
        length: usize,
    ) -> Result<usize, Errno> {
        let file = file.as_fd();
        moved_until(length, |left| {
            retry_on_intr(|| {
                splice(file, Some(&mut offset), &self.writer, None, left, SpliceFlags::NONBLOCK)
            })
        })
    }

    /// Moves `length` bytes, all that the pipe contains, into a file. After an error nobody knows what it still
    /// contains.
    pub(crate) fn put(&self, file: impl AsFd, mut offset: u64, length: usize) -> Result<(), Errno> {
        let file = file.as_fd();
        let mut left = length;
        while left > 0 {
            let put =
                || splice(&self.reader, None, file, Some(&mut offset), left, SpliceFlags::empty());
            match retry_on_intr(put) {
                Ok(0) => return Err(Errno::IO),
                Ok(count) => left -= count,
                // The file system may not have it; if the file is at fault, writing tells.
                Err(_) => return self.copy(file, offset, left),
            }
        }
        Ok(())
    }

    /// Copies `length` bytes, all that the pipe contains, into a file by way of this process.
    fn copy(&self, file: BorrowedFd<'_>, mut offset: u64, length: usize) -> Result<(), Errno> {
        let mut buffer = Vec::with_capacity(COPIED_AT_ONCE.min(length));
        let mut left = length;
        while left > 0 {
            buffer.clear();
            left -= match retry_on_intr(|| read(&self.reader, spare_capacity(&mut buffer)))? {
                0 => return Err(Errno::IO),
                count => count,
            };
            let mut bytes = &buffer[..];
            while !bytes.is_empty() {
                match retry_on_intr(|| pwrite(file, bytes, offset))? {
                    0 => return Err(Errno::IO),
                    count => {
                        offset += count as u64;
                        bytes = &bytes[count..];
                    }
                }
            }
        }
        Ok(())
    }
}

impl PassThrough for PipeBuffer {
    fn receive(&mut self, socket: BorrowedFd<'_>, length: usize) -> io::Result<usize> {
        let moved = moved_until(length, |left| {
            retry_on_intr(|| splice(socket, None, &self.writer, None, left, SpliceFlags::NONBLOCK))
        });
        Ok(moved?)
    }

    fn send(&mut self, socket: BorrowedFd<'_>, length: usize) -> io::Result<usize> {
        let moved = moved_until(length, |left| {
            retry_on_intr(|| splice(&self.reader, None, socket, None, left, SpliceFlags::NONBLOCK))
        });
        Ok(moved?)
    }
}

/// The first descriptor that is not for a pipe: each new one is the lowest that is free, so all those below are taken.
fn most_for_pipes(limit: Option<u64>) -> u64 {
    let (part, of) = FOR_PIPES;
    limit.map_or(u64::MAX, |limit| limit / of * part)
}

/// Moves until it is `length` bytes, the end, or until nothing more goes; that is an error only if nothing went before.
fn moved_until(
    length: usize,
    mut step: impl FnMut(usize) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let mut moved = 0;
    while moved < length {
        match step(length - moved) {
            Ok(0) => break,
            Ok(count) => moved += count,
            // It is met again at the next move.
            Err(_) if moved > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(moved)
}
