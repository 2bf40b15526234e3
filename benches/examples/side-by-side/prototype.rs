//! The least that a checked transfer can cost: one connection, sendfile into it, splice out of it into the file, and
//! the checksum of what arrived.

use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use haul_core::Checksum;
use rustix::fs::sendfile;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use crate::Result;

const PIPE: usize = 1 << 20;
/// The size of a checked piece, in bytes: small enough to stay in the cache until it is read again.
const CHECKED: usize = 4 << 20;

/// Transfers a file and prints its checksum.
pub(crate) fn transfer(from: &Path, to: &Path) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let source = File::open(from)?;
    let length = source.metadata()?.len();
    let sender = thread::spawn(move || send(&listener, &source, length));
    let found = receive(
        &TcpStream::connect(address)?,
        &File::options().read(true).write(true).create_new(true).open(to)?,
        length,
    )?;
    sender.join().map_err(|_| "the sender panicked")??;
    println!("{found}");
    Ok(())
}

fn send(listener: &TcpListener, source: &File, length: u64) -> io::Result<()> {
    let (socket, _) = listener.accept()?;
    let mut offset = 0;
    while offset < length {
        let left = usize::try_from(length - offset).unwrap_or(usize::MAX);
        if sendfile(&socket, source, Some(&mut offset), left)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn receive(socket: &TcpStream, target: &File, length: u64) -> Result<Checksum> {
    let (pipe_out, pipe_in) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setpipe_size(&pipe_in, PIPE)?;
    let mut buffer = vec![0; CHECKED];
    let (mut offset, mut checked) = (0, 0);
    let mut found = Checksum::EMPTY;
    while offset < length {
        let mut piped = splice(socket, None, &pipe_in, None, PIPE, SpliceFlags::MOVE)?;
        if piped == 0 {
            return Err("the connection ended early".into());
        }
        while piped > 0 {
            piped -= splice(&pipe_out, None, target, Some(&mut offset), piped, SpliceFlags::MOVE)?;
        }
        while offset - checked >= CHECKED as u64 || (offset == length && checked < length) {
            let count = usize::try_from(offset - checked)?.min(CHECKED);
            let part = &mut buffer[..count];
            target.read_exact_at(part, checked)?;
            found = found.combine(Checksum::of(part), count as u64);
            checked += count as u64;
        }
    }
    Ok(found)
}
