//! The HAUL/1 file-transfer protocol, without I/O.
//!
//! This crate knows everything about the protocol and nothing about sockets, files, clocks or threads. A
//! [`server::Server`] and a [`client::Client`] are state machines; whoever embeds them owns the socket, the files and
//! the clock. So the same behaviour runs under any runtime, can be simulated with every fault, and is fuzzed whole.
//!
//! # Theory of operation
//!
//! Both machines have one face, [`Machine`]. [`Machine::poll`] says what to do next, as an [`Output`]; the transport
//! does it and reports what came of it by the one call that the output names:
//!
//! | output | do | report |
//! | --- | --- | --- |
//! | [`Output::Read`] | read from the socket into [`Machine::read_space`] | [`Machine::received`], [`Machine::would_block`], [`Machine::read_failed`] |
//! | [`Output::Write`] | write a first part of the segments | [`Machine::sent`], [`Machine::write_failed`] |
//! | [`Output::Perform`] | file work: an [`Effect`] | [`Machine::performed`] |
//! | [`Output::Event`] | look at it | [`Machine::acknowledge`] |
//! | [`Output::CloseWrite`] | close the sending half | [`Machine::write_closed`] |
//! | [`Output::Receive`], [`Output::Send`] | move payload from or to the socket without the machine | [`Machine::passed_through`], [`Machine::sent`] |
//! | [`Output::Closed`] | close the socket | nothing: it is over |
//!
//! Four properties make this easy to drive:
//!
//! - **One thing at a time.** There is never more than one output, and it stays the same until it is reported. An
//!   abandoned read, a dropped future or a retry loses nothing. A plain blocking loop is enough: the protocol's
//!   pipelining rule sees to it that both sides are never stuck writing, and where a side must notice what arrives
//!   while it sends, the machine asks for a read that does not wait ([`Wait::Never`]).
//! - **Everything is an input.** The end of the stream is `received(0)`, a broken socket is `read_failed` or
//!   `write_failed`, a failed file is an `Err` in `performed`, and time is the argument of `poll`. Each ends in a
//!   defined way: the peer is told if it can be, what was staged is discarded, the machine comes to [`Output::Closed`].
//! - **Payload is not copied.** A body is cut out of the read buffer as [`Bytes`](bytes::Bytes) and handed to the file
//!   by [`Effect::Write`]; what [`Effect::Read`] brought is queued as it is. Only pieces under 4 KiB are gathered, so
//!   that tiny chunks do not become tiny writes. With pass-through, payload does not come to the machine at all.
//! - **The order is the machine's.** That a file is checked, then brought to stable storage, then published, then its
//!   directory synced, and only then acknowledged, is decided here and nowhere else; a store only does what it is
//!   asked.
//!
//! ## Time
//!
//! `now` counts from any fixed moment and must not go back; [`Machine::deadline`] says when to poll again if nothing
//! happens. Deadlines count only while the peer is waited for: a slow disk cuts nobody off.
//!
//! ## Memory
//!
//! A machine holds at most one chunk of input and one of output (see [`Limits`]), lines of at most 4096 bytes, and a
//! bounded number of commands. While it is idle it holds no buffer at all, and a server that is asked for one lends 4
//! KiB.
//!
//! ## Whose fault
//!
//! A peer that breaks the protocol ends its connection, after a reply that says why. A transport that reports what was
//! not asked for gets a [`Misuse`], and the machine stays as it was. Text of a peer has no `Display` of its own: show
//! it through [`Escaped`].
//!
//! # A run loop
//!
//! This is a whole server for one connection over anything that reads and writes, with a store that has one file.
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! use haul_core::server::{Server, ServerConfig};
//! use haul_core::{Done, Effect, Machine, Opened, Output, StoreError, StoreErrorKind, Wait};
//!
//! fn perform(effect: &Effect) -> Result<Done, StoreError> {
//!     const MOTTO: &[u8] = b"hello world\n";
//!     match effect {
//!         Effect::Open { path, .. } if path.as_str() == "motto.txt" => {
//!             Ok(Done::Opened(Opened { size: Some(MOTTO.len() as u64), ..Opened::default() }))
//!         }
//!         Effect::Read { offset, length, .. } => {
//!             let rest = &MOTTO[*offset as usize..];
//!             Ok(Done::Read(bytes::Bytes::from_static(&rest[..rest.len().min(*length)])))
//!         }
//!         Effect::FinishReading { .. } => Ok(Done::Finished),
//!         Effect::Close { .. } => Ok(Done::Closed),
//!         _ => Err(StoreError::new(StoreErrorKind::NotFound, "there is only motto.txt")),
//!     }
//! }
//!
//! fn serve(mut socket: impl Read + Write) -> io::Result<()> {
//!     let mut server = Server::new(Arc::new(ServerConfig::default()));
//!     let start = Instant::now();
//!     loop {
//!         let reported = match server.poll(start.elapsed()) {
//!             // A socket that can look without waiting would do so here.
//!             Output::Read(Wait::Never) => server.would_block(),
//!             Output::Read(Wait::UntilDeadline) => match socket.read(server.read_space()) {
//!                 Ok(count) => server.received(count),
//!                 Err(_) => server.read_failed(),
//!             },
//!             Output::Write(segments) => match socket.write(segments.first()) {
//!                 Ok(count) => server.sent(count),
//!                 Err(_) => server.write_failed(),
//!             },
//!             Output::Perform(effect) => {
//!                 let outcome = perform(effect);
//!                 server.performed(outcome)
//!             }
//!             Output::Event(event) => {
//!                 println!("{event:?}");
//!                 server.acknowledge()
//!             }
//!             Output::CloseWrite => server.write_closed(),
//!             // Never asked for unless `pass_through` is on and the store holds bytes.
//!             Output::Receive { .. } => server.read_failed(),
//!             Output::Send { .. } => server.write_failed(),
//!             Output::Closed => return Ok(()),
//!         };
//!         reported.map_err(io::Error::other)?;
//!     }
//! }
//! # struct Socket { input: io::Cursor<Vec<u8>>, output: Vec<u8> }
//! # impl Read for &mut Socket {
//! #     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> { self.input.read(buffer) }
//! # }
//! # impl Write for &mut Socket {
//! #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.output.write(bytes) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let mut socket = Socket { input: io::Cursor::new(b"DOWNLOAD motto.txt\nEXIT\n".to_vec()), output: Vec::new() };
//! # serve(&mut socket)?;
//! # let said = String::from_utf8_lossy(&socket.output);
//! # assert!(said.contains("DATA 12\r\nhello world\n"), "{said}");
//! # assert!(said.ends_with("OK \"bye\"\r\n"), "{said}");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! The [guide] tells the rest: the order of the effects, pass-through, timeouts, async, completion-based I/O, and what
//! a driver never does.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod body;
mod checksum;
pub mod client;
mod crc;
mod effect;
mod error;
mod escape;
pub mod guide;
mod limits;
mod machine;
pub mod message;
mod name;
mod output;
mod request;
pub mod server;
mod table;
mod time;
mod timer;
pub mod verb;
mod version;
mod wire;

pub use checksum::{Checksum, Hasher};
pub use effect::{Done, Effect, Handle, Opened, RequestId};
pub use error::{ErrorCode, Misuse, StoreError, StoreErrorKind};
pub use escape::Escaped;
pub use limits::{Limits, Timing};
pub use machine::Machine;
pub use message::{Depth, Entry, Mode, Omission};
pub use name::{FilePath, PathError};
pub use output::{Output, Segments, Wait};
pub use time::Timestamp;
pub use verb::{ClientLine, Command};
pub use version::Version;
