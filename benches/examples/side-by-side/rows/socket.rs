//! Dialogues over bare sockets, with the same code for every server.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::Result;
use crate::contender::At;

/// After this time of silence the server has nothing more to send.
const SILENCE: Duration = Duration::from_secs(1);

/// The protocol of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// The beginning of the server's first line, if it speaks first.
    pub(super) greeting: Option<&'static str>,
    /// The request for a file of 4 KiB.
    pub(super) small: &'static str,
    /// The request for the big file.
    pub(super) big: &'static str,
    /// The request for the end of the connection.
    pub(super) end: &'static str,
}

pub(super) const HAUL: Manner = Manner {
    greeting: Some("HAUL/"),
    small: "DOWNLOAD one\n",
    big: "DOWNLOAD big\n",
    end: "EXIT\n",
};

pub(super) const HTTP: Manner = Manner {
    greeting: None,
    small: "GET /one HTTP/1.1\r\nHost: peer\r\n\r\n",
    big: "GET /big HTTP/1.1\r\nHost: peer\r\n\r\n",
    end: "HEAD /one HTTP/1.1\r\nHost: peer\r\nConnection: close\r\n\r\n",
};

/// It requests no files: FTP needs a second connection for them.
pub(super) const FTP: Manner =
    Manner { greeting: Some("220"), small: "", big: "", end: "QUIT\r\n" };

impl Manner {
    /// A connection that the server has accepted.
    pub(super) fn connect(self, at: At) -> Result<TcpStream> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, at.port))?;
        stream.set_nodelay(true)?;
        if let Some(greeting) = self.greeting {
            let line = read_line(&mut stream)?;
            if !line.starts_with(greeting.as_bytes()) {
                return Err(String::from_utf8_lossy(&line).into());
            }
        }
        Ok(stream)
    }

    /// Measures the size of a reply, in bytes, which is the same each time. The server must have nothing else to do
    /// meanwhile.
    pub(super) fn learn(self, at: At, request: &str) -> Result<usize> {
        let mut stream = self.connect(at)?;
        stream.write_all(request.as_bytes())?;
        stream.set_read_timeout(Some(SILENCE))?;
        let mut buffer = vec![0; 256 << 10];
        let mut length = 0;
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Err("it hung up".into()),
                Ok(count) => length += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock && length > 0 => {
                    return Ok(length);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Sends a request and reads the reply.
pub(super) fn ask(
    stream: &mut TcpStream,
    request: &str,
    length: usize,
    buffer: &mut [u8],
) -> Result<()> {
    stream.write_all(request.as_bytes())?;
    let mut left = length;
    while left > 0 {
        let most = left.min(buffer.len());
        match stream.read(&mut buffer[..most])? {
            0 => return Err("it hung up".into()),
            count => left -= count,
        }
    }
    Ok(())
}

/// Reads up to the end of a line, and no further.
fn read_line(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while byte != [b'\n'] {
        stream.read_exact(&mut byte)?;
        line.extend(byte);
    }
    Ok(line)
}
