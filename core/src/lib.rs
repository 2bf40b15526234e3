//! The HAUL/1 file-transfer protocol, without I/O.
//!
//! This crate implements the whole protocol and does not know sockets, files, clocks or threads. A [`server::Server`]
//! and a [`client::Client`] are state machines; whoever embeds them owns the socket, the files and the clock. So the
//! same behaviour runs under any runtime, can be simulated with every fault, and can be fuzzed as a whole.
//!
//! # Theory of operation
//!
//! Both machines implement [`Machine`]. [`Machine::poll`] returns what to do next, as an [`Output`]; the transport does
//! it and reports the result with the one call that the output names:
//!
//! | output | do | report |
//! | --- | --- | --- |
//! | [`Output::Read`] | read from the socket into [`Machine::read_space`] | [`Machine::received`], [`Machine::would_block`], [`Machine::read_failed`] |
//! | [`Output::Write`] | write some of the segments, from the first on | [`Machine::sent`], [`Machine::write_failed`] |
//! | [`Output::Perform`] | file work: an [`Effect`] | [`Machine::performed`] |
//! | [`Output::Event`] | report it to the application | [`Machine::acknowledge`] |
//! | [`Output::CloseWrite`] | close the sending half | [`Machine::write_closed`] |
//! | [`Output::Receive`], [`Output::Send`] | move payload from or to the socket without the machine | [`Machine::passed_through`], [`Machine::sent`] |
//! | [`Output::Closed`] | close the socket | nothing: the session is over |
//!
//! Four properties make this easy to drive:
//!
//! - **One thing at a time.** There is never more than one output, and it stays the same until it is reported. An
//!   abandoned read, a dropped future or a retry loses nothing. A plain blocking loop is enough: the protocol's
//!   pipelining rules ensure that the two sides never block each other by writing. Where a side must notice input while
//!   it sends, the machine requests a read that does not wait ([`Wait::Never`]).
//! - **Everything is an input.** The end of the stream is `received(0)`, a broken socket is `read_failed` or
//!   `write_failed`, a failed file is an `Err` in `performed`, and time is the argument of `poll`. Each has a defined
//!   result: the machine informs the peer if it can, discards staged files, and ends with [`Output::Closed`].
//! - **Payload is not copied.** A machine splits a body off the read buffer as [`Bytes`](bytes::Bytes) and passes it to
//!   the file with [`Effect::Write`]; it queues the bytes of [`Effect::Read`] as they are. Only pieces below 4 KiB are
//!   gathered, so that tiny chunks do not become tiny writes. With pass-through the machine does not see the payload at
//!   all.
//! - **The machine decides the order.** A file is checked, then fsynced, then published, then its directory is fsynced,
//!   and only then acknowledged. Only this crate decides that; a store only does what it is asked to do.
//!
//! ## Time
//!
//! `now` counts from any fixed moment and must not go back; [`Machine::deadline`] returns when to poll again if nothing
//! happens. A deadline runs only while the machine waits for the peer: a slow disk disconnects nobody.
//!
//! ## Memory
//!
//! A machine buffers at most one chunk of input and one of output (see [`Limits`]), lines of at most 4096 bytes, and a
//! bounded number of commands. An idle machine has no buffer at all; a server that reads uses one of 4 KiB.
//!
//! ## Whose fault
//!
//! A machine ends the connection of a peer that breaks the protocol, after a reply that says why. A transport that
//! reports something that was not requested gets a [`Misuse`], and the machine does not change. Texts of a peer have no
//! `Display` of their own: show them with [`Escaped`].
//!
//! # A run loop
//!
//! This is a complete server for one connection over anything that reads and writes, with a store of one file.
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
//!             // A socket that can read without waiting would do so here.
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
//!             // Requested only if `pass_through` is on and the store prepares bytes.
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
//! The [guide] explains the rest: the order of the effects, pass-through, timeouts, async, completion-based I/O, and
//! what a driver must never do.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod account;
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
pub use effect::{Done, Effect, Handle, NewFile, Opened, RequestId};
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
