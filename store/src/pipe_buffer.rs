//! Payload between a socket and a file in a pipe of the kernel, which this process does not copy.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pwrite, read, retry_on_intr};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use rustix::process::{Resource, getrlimit};

use crate::PassThrough;

/// Pipes may use descriptors up to this part of the limit of the process, because there is another way without them.
const FOR_PIPES: (u64, u64) = (3, 4);
/// Smaller files are not worth a pipe.
pub(crate) const WORTH_PASSING: u64 = 64 << 10;
/// The size of a pipe in bytes, if the system grants it: the default maximum of a process without privileges.
const ROOM: usize = 1 << 20;
/// The number of bytes to copy at once where the kernel cannot splice.
const COPIED_AT_ONCE: usize = 64 << 10;

/// A pipe with pages of a file on their way to a socket, or of a socket on their way to a file.
///
/// All bytes in the pipe can be sent even if the file is truncated afterwards. They use the kernel's memory: 1 MiB, or
/// what the system grants.
///
/// A socket whose peer is gone raises `SIGPIPE` unless the process ignores it, as Rust programs do.
#[derive(Debug)]
pub(crate) struct PipeBuffer {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl PipeBuffer {
    /// Makes a pipe; [`Errno::MFILE`] where descriptors are scarce.
    pub(crate) fn new() -> Result<Self, Errno> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let highest = reader.as_raw_fd().max(writer.as_raw_fd()).unsigned_abs();
        if u64::from(highest) >= most_for_pipes(getrlimit(Resource::Nofile).current) {
            return Err(Errno::MFILE);
        }
        // A user with many pipes gets smaller ones.
        let _ = fcntl_setpipe_size(&writer, ROOM);
        Ok(Self { reader, writer })
    }

    /// Moves 1 to `length` bytes of a file into the pipe; 0 at the end of the file.
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
                // The file system may not support it. If the file is at fault, the write fails too.
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

/// The first descriptor that is too high for a pipe. Each new descriptor is the lowest free one, so all below it are in
/// use.
fn most_for_pipes(limit: Option<u64>) -> u64 {
    let (part, of) = FOR_PIPES;
    limit.map_or(u64::MAX, |limit| limit / of * part)
}

/// Moves until `length` bytes are moved, or the end is reached, or a move fails. It is an error only if nothing was
/// moved before.
fn moved_until(
    length: usize,
    mut step: impl FnMut(usize) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let mut moved = 0;
    while moved < length {
        match step(length - moved) {
            Ok(0) => break,
            Ok(count) => moved += count,
            // The next move fails too.
            Err(_) if moved > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(moved)
}
