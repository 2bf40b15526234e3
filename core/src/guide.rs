//! What a driver of a machine has to know beyond the [theory of operation](crate#theory-of-operation), which comes
//! first.
//!
//! A *driver* is the code that carries out what a machine requests. The [crate's page](crate#a-run-loop) shows the loop
//! of one. These are complete ones, to run and to change:
//!
//! | example | shows |
//! | --- | --- |
//! | `core/examples/buffers.rs` | both sides in one thread, joined by two byte buffers; every effect on one page |
//! | `transport/examples/polling.rs` | many clients in one thread: nonblocking sockets, one poll loop, deadlines, a bound on connections, draining |
//! | `transport/examples/io_uring.rs` | operations that own their buffers, file work on threads |
//! | `store/examples/memory` | a store of one's own, for `haul_store::Session` to work on |
//!
//! # Effects
//!
//! Each [`Effect`] documents its answer. Effects come in these orders, on both sides, though a client never lists:
//!
//! ```
//! # use std::sync::Arc;
//! # use haul_harness::{MemoryFiles, Single};
//! # use haul_core::server::Server;
//! # fn effects(input: &str) -> Vec<&'static str> {
//! #     let mut files = MemoryFiles::new(true).with_file("notes.txt", "hello");
//! #     Single::new(input.as_bytes()).play(&mut Server::new(Arc::default()), &mut files);
//! #     files.journal().iter().map(|record| record.name).collect()
//! # }
//! assert_eq!(effects("LIST\n"), ["list", "next-entries", "next-entries"]);
//! assert_eq!(effects("DOWNLOAD notes.txt\n"), ["open", "read", "finish-reading"]);
//! assert_eq!(
//!     effects("UPLOAD new.txt\nDATA 5\nhelloEND\n"),
//!     ["create", "write", "sync", "publish", "sync-directory"]
//! );
//! // Uploads that come without a pause are committed together.
//! assert_eq!(
//!     effects("UPLOAD a\nDATA 1\naEND\nUPLOAD b\nDATA 1\nbEND\n"),
//!     ["create", "write", "create", "write", "sync", "publish", "publish", "sync-directory"]
//! );
//! // An upload that is aborted is discarded.
//! assert_eq!(effects("UPLOAD new.txt\nDATA 5\nhelloABORT\n"), ["create", "discard"]);
//! // Nothing was opened, so there is nothing to close.
//! assert_eq!(effects("DOWNLOAD missing.txt\n"), ["open"]);
//! ```
//!
//! `next-entries`, `read` and `write` come any number of times. A machine that is not durable leaves out both syncs and
//! closes each published file with `close` instead; such a server commits each upload on its own.
//!
//! The effect that opens a listing or a file gives it a [`Handle`], and all later effects refer to it by that handle.
//! Keep open files in a map by handle: when the machine ends, the map is empty.
//!
//! # Group commit
//!
//! A durable server sets an upload aside when it is complete and checked, and reads on. It commits all of them
//! together, with one [`Sync`](Effect::Sync) for all, a [`Publish`](Effect::Publish) for each and one
//! [`SyncDirectories`](Effect::SyncDirectories), at the earliest of these: a nonblocking read of the socket
//! ([`Wait::Never`]) finds nothing more; [`commit_batch`](crate::Limits::commit_batch) of them wait; the answer to
//! [`Create`](Effect::Create) is [`Done::Full`]; a command follows whose reply comes after theirs or that may see the
//! files. The replies follow in order, so that nothing differs on the wire. A driver that cannot read without waiting
//! lets the machine commit each upload on its own.
//!
//! A commit may come in the middle of the next upload. No `Sync` includes that one.
//!
//! # Failures
//!
//! | failed effect | consequence |
//! | --- | --- |
//! | [`List`](Effect::List), [`Open`](Effect::Open), [`Create`](Effect::Create) | the request's failure; nothing is open |
//! | [`NextEntries`](Effect::NextEntries), [`Read`](Effect::Read), [`PrepareSend`](Effect::PrepareSend) | `Close`, and the request's failure instead of its next step |
//! | [`FinishReading`](Effect::FinishReading) | the request's failure; the source is closed |
//! | [`Write`](Effect::Write), [`WriteReceived`](Effect::WriteReceived) | `Discard`, and the request's failure; nothing was published |
//! | [`Sync`](Effect::Sync) | the failure of all its requests; their files are discarded |
//! | [`Publish`](Effect::Publish) | the request's failure; its file is discarded, and the others get their names |
//! | [`SyncDirectories`](Effect::SyncDirectories) | the failure of all its requests, although the files have their names: a server replies [`OutcomeUnknown`](crate::ErrorCode::OutcomeUnknown). The files are closed |
//! | [`Close`](Effect::Close), [`Discard`](Effect::Discard) | nothing: the machine considers the handle closed |
//!
//! A server sends the error's [kind](crate::StoreErrorKind) to its peer. The detail stays on this side: a server
//! reports it by [`ServerEvent::Answered`](crate::server::ServerEvent::Answered), a client by
//! [`Failure::Local`](crate::client::Failure::Local). A failed effect does not end the connection, with one exception:
//! an error before a commit that [passes](crate::StoreError::passes). The reply is then
//! [`Busy`](crate::ErrorCode::Busy), which ends it.
//!
//! An effect may take any time: no deadline runs meanwhile. The machine requests nothing else before its answer, not
//! even a read, so that a slow file slows its peer down and fills no memory.
//!
//! A driver that gives up before [`Output::Closed`] drops the machine, closes what is open and discards what is staged.
//! `Session` and `FilesById` of `haul-store` do that when they are dropped.
//!
//! # Waiting and time
//!
//! Any clock will do that never goes back. With a clock that the driver advances itself, every timeout takes
//! microseconds:
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use haul_core::server::{Server, ServerEvent};
//! # use haul_core::{Machine, Output, Wait};
//! let mut server = Server::new(Arc::default());
//! let mut now = Duration::ZERO;
//! while let Output::Write(segments) = server.poll(now) {
//!     let count = segments.first().len();
//!     server.sent(count)?;
//! }
//! // The client sends nothing, and the server has nothing to send.
//! assert!(matches!(server.poll(now), Output::Read(Wait::UntilDeadline)));
//! now = server.deadline().expect("no client may stay idle for ever");
//! assert!(matches!(server.poll(now), Output::Event(ServerEvent::CutOff { .. })));
//! # Ok::<(), haul_core::Misuse>(())
//! ```
//!
//! - A wait ends when the socket is ready, when the [`deadline`](Machine::deadline) has come, or when the driver wants
//!   it to. In each case poll again: too early is harmless, and too late only gives the peer more time.
//! - A deadline is valid until the next poll. Ask for it again at each wait.
//! - [`Wait::Never`] comes between the chunks of a transfer, to check whether the peer has sent something that ends it.
//!   A driver that cannot read without waiting answers [`would_block`](Machine::would_block). Then an `ABORT` or a
//!   refusal is noticed only after the transfer.
//! - [`request`](crate::client::Client::request), [`cancel`](crate::client::Client::cancel) and
//!   [`shut_down`](crate::server::Server::shut_down) may change the current output. Call them between a report and the
//!   next poll, or end the wait for them.
//!
//! # Pass-through
//!
//! Payload can pass between socket and file without the machine, by `sendfile`, `splice` or registered buffers. Nothing
//! differs on the wire, and the machine still counts and checks every byte, by the checksums that it gets.
//!
//! **In**: [`Output::Receive`] replaces a read for the rest of a `DATA`, once everything that the machine had read
//! before is written. The driver moves bytes from the socket to the store, and [`Effect::WriteReceived`] writes them to
//! the file; its answer has their checksum. A driver reads as usual whatever it cannot or does not want to move.
//!
//! **Out**: [`Effect::PrepareSend`] replaces [`Effect::Read`]. If the answer is [`Done::SendPrepared`], the machine
//! writes the `DATA` line, then requests [`Output::Send`] until all bytes are sent. The bytes are announced then, so
//! the store must keep them, whatever happens to the file meanwhile. If [`Opened`](crate::Opened) has the checksum of
//! the file and all of it is sent, the machine needs none for the pieces, and nobody has to read them.
//!
//! The machine requests this only if `pass_through` is on in its configuration. A driver may move only a part in both
//! directions; the machine asks for the rest. The files of this driver are `Vec`s; a real one has descriptors.
//!
//! ```
//! # use std::io::{self, Read, Write};
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use haul_core::server::{Server, ServerConfig};
//! # use haul_core::{Checksum, Done, Effect, Machine, Misuse, Opened, Output, StoreError, StoreErrorKind};
//! struct Files {
//!     staged: Vec<u8>,
//!     served: Vec<u8>,
//!     /// Bytes from the socket for `staged`, or from `served` for the socket.
//!     passing: Vec<u8>,
//! }
//!
//! fn step(server: &mut Server, socket: &mut (impl Read + Write), files: &mut Files) -> Result<bool, Misuse> {
//!     match server.poll(Duration::ZERO) {
//!         Output::Receive { length, .. } => {
//!             match socket.take(length.min(16 << 10) as u64).read_to_end(&mut files.passing) {
//!                 Ok(0) => server.received(0)?,
//!                 Ok(count) => server.passed_through(count)?,
//!                 Err(_) => server.read_failed()?,
//!             }
//!         }
//!         Output::Perform(Effect::WriteReceived { offset, length, .. }) => {
//!             assert_eq!((*offset, *length), (files.staged.len() as u64, files.passing.len()));
//!             let checksum = Checksum::of(&files.passing);
//!             files.staged.append(&mut files.passing);
//!             server.performed(Ok(Done::ReceivedWritten { checksum }))?;
//!         }
//!         Output::Perform(Effect::PrepareSend { offset, length, .. }) => {
//!             let start = *offset as usize;
//!             files.passing = files.served[start..start + length].to_vec();
//!             let (length, checksum) = (*length, Some(Checksum::of(&files.passing)));
//!             server.performed(Ok(Done::SendPrepared { length, checksum }))?;
//!         }
//!         Output::Send { length, .. } => {
//!             assert_eq!(length, files.passing.len());
//!             match socket.write(&files.passing) {
//!                 Ok(count) => {
//!                     files.passing.drain(..count);
//!                     server.sent(count)?;
//!                 }
//!                 Err(_) => server.write_failed()?,
//!             }
//!         }
//!         // Everything else is as in any loop.
//! #       Output::Read(_) => {
//! #           let count = socket.read(server.read_space()).unwrap();
//! #           server.received(count)?;
//! #       }
//! #       Output::Write(segments) => {
//! #           let count = socket.write(segments.first()).unwrap();
//! #           server.sent(count)?;
//! #       }
//! #       Output::Perform(effect) => {
//! #           let outcome = match effect {
//! #               Effect::Create { .. } => Done::Started,
//! #               Effect::Sync { .. } | Effect::SyncDirectories { .. } => Done::Synced,
//! #               Effect::Publish { .. } => Done::Published { version: None },
//! #               Effect::Open { .. } => {
//! #                   Done::Opened(Opened { size: Some(files.served.len() as u64), ..Opened::default() })
//! #               }
//! #               Effect::FinishReading { .. } => Done::Finished,
//! #               Effect::Write { data, .. } => {
//! #                   files.staged.extend_from_slice(data);
//! #                   Done::Written
//! #               }
//! #               other => panic!("{other:?}"),
//! #           };
//! #           server.performed(Ok(outcome))?;
//! #       }
//! #       Output::Event(_) => server.acknowledge()?,
//! #       Output::CloseWrite => server.write_closed()?,
//!         Output::Closed => return Ok(false),
//!     }
//!     Ok(true)
//! }
//! # struct Socket { input: io::Cursor<Vec<u8>>, output: Vec<u8> }
//! # impl Read for Socket {
//! #     // A little at first, so that most of the body arrives later.
//! #     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
//! #         let most = buffer.len().min(if self.input.position() == 0 { 40 } else { 5000 });
//! #         self.input.read(&mut buffer[..most])
//! #     }
//! # }
//! # impl Write for Socket {
//! #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.output.write(&bytes[..bytes.len().min(3000)]) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let body = "x".repeat(20_000);
//! # let input = format!("UPLOAD a\nDATA 20000\n{body}END\nDOWNLOAD b\nEXIT\n");
//! # let mut socket = Socket { input: io::Cursor::new(input.into_bytes()), output: Vec::new() };
//! # let mut files = Files { staged: Vec::new(), served: vec![b'y'; 10_000], passing: Vec::new() };
//! let config = ServerConfig { pass_through: true, ..ServerConfig::default() };
//! let mut server = Server::new(Arc::new(config));
//! while step(&mut server, &mut socket, &mut files)? {}
//! # assert_eq!(files.staged, body.as_bytes());
//! # let said = String::from_utf8(socket.output).unwrap();
//! # assert!(said.contains(&format!("OK size=20000 crc64nvme={}\r\n", Checksum::of(body.as_bytes()))), "{said}");
//! # assert!(said.contains(&format!("DATA 10000\r\n{}OK length=10000", "y".repeat(10_000))));
//! # Ok::<(), Misuse>(())
//! ```
//!
//! # Async
//!
//! A future may be dropped at any `.await`, so there must be none between an operation and its report. Then a dropped
//! operation has either not happened or is reported:
//!
//! ```
//! # use std::io;
//! # use std::pin::Pin;
//! # use std::sync::Arc;
//! # use std::task::{Context, Poll};
//! # use std::time::Duration;
//! # use futures::FutureExt;
//! use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
//! # use haul_core::server::Server;
//! # use haul_core::{Machine, Misuse, Output, Wait};
//!
//! /// Waits for the peer, if the machine does. The future may be dropped at the deadline, or for any other reason.
//! async fn wait<M: Machine>(
//!     machine: &mut M,
//!     socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
//!     now: Duration,
//! ) -> Result<(), Misuse> {
//!     match machine.poll(now) {
//!         Output::Read(Wait::UntilDeadline) => match socket.read(machine.read_space()).await {
//!             Ok(count) => machine.received(count),
//!             Err(_) => machine.read_failed(),
//!         },
//!         Output::Write(segments) => match socket.write(segments.first()).await {
//!             Ok(count) => machine.sent(count),
//!             Err(_) => machine.write_failed(),
//!         },
//!         // Everything else is done at once, or does not wait for the peer.
//!         _ => Ok(()),
//!     }
//! }
//! # #[derive(Default)]
//! # struct Socket(Vec<u8>);
//! # impl AsyncRead for Socket {
//! #     fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
//! #         let count = space.len().min(self.0.len());
//! #         space[..count].copy_from_slice(&self.0[..count]);
//! #         self.0.drain(..count);
//! #         if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
//! #     }
//! # }
//! # impl AsyncWrite for Socket {
//! #     fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
//! #         Poll::Ready(Ok(bytes.len()))
//! #     }
//! #     fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> { Poll::Ready(Ok(())) }
//! #     fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> { Poll::Ready(Ok(())) }
//! # }
//! # let (mut machine, mut socket, now) = (Server::new(Arc::default()), Socket::default(), Duration::ZERO);
//! # wait(&mut machine, &mut socket, now).now_or_never().unwrap()?; // the greeting
//!
//! // There is nothing to read, and the future is dropped.
//! assert!(wait(&mut machine, &mut socket, now).now_or_never().is_none());
//! socket.0.extend_from_slice(b"EXIT\n");
//! // The next one continues in the same state.
//! assert!(wait(&mut machine, &mut socket, now).now_or_never().is_some());
//! # assert!(matches!(machine.poll(now), Output::Event(_)));
//! # Ok::<(), Misuse>(())
//! ```
//!
//! This applies to reads and writes that move bytes only when they are ready. An effect is different, because it must
//! be carried out once. Give it, with the files, to a thread that may block, and wait for the outcome without a
//! timeout; the machine requests nothing else meanwhile. If the session's future is dropped nevertheless, the work goes
//! on to its end and then drops its files, which discards them; drop the machine and the socket too. The worst outcome
//! is a published file of which nobody was informed. A driver that keeps the work beside the machine, and not in the
//! future, can continue: its next future waits for the same outcome.
//!
//! # Completion-based I/O
//!
//! An operation that owns its buffer (`io_uring`, IOCP) continues when its future is dropped, or is cancelled at an
//! unknown point. So do not drop it: keep it in a slot beside the machine, one for a read and one for a write, until it
//! completes or the session is over.
//!
//! - A read uses a buffer of the driver. The driver copies the bytes to the machine when the machine requests a read:
//!
//!   ```
//!   # use std::collections::VecDeque;
//!   # use std::io::Read;
//!   # use std::sync::Arc;
//!   # use haul_core::server::Server;
//!   # use haul_core::{Machine, Misuse, Output, Wait};
//!   /// Called only while the machine requests a read; bytes that do not fit stay in `arrived`.
//!   fn feed(machine: &mut impl Machine, arrived: &mut VecDeque<u8>) -> Result<(), Misuse> {
//!       let count = arrived.read(machine.read_space()).expect("memory can be read");
//!       machine.received(count)
//!   }
//!   # let mut server = Server::new(Arc::default());
//!   # let Output::Write(segments) = server.poll(Default::default()) else { panic!() };
//!   # let count = segments.first().len();
//!   # server.sent(count)?;
//!   # let mut arrived = VecDeque::from(*b"EXIT\n");
//!   # assert!(matches!(server.poll(Default::default()), Output::Read(Wait::UntilDeadline)));
//!   # feed(&mut server, &mut arrived)?;
//!   # assert!(arrived.is_empty() && matches!(server.poll(Default::default()), Output::Event(_)));
//!   # Ok::<(), Misuse>(())
//!   ```
//!
//!   A read may run while the machine writes or waits for a file. Start none before the machine first requests one, and
//!   none while there are bytes that it has not requested yet. For [`Wait::Never`] check whether the read has
//!   completed, and if not let it continue.
//! - A write keeps its bytes with [`Segments::to_bytes`](crate::Segments::to_bytes). While it runs, the machine
//!   requests the same bytes again, or never writes again: see [`Output::Write`].
//! - At a deadline both continue: poll, and follow the new output.
//!
//! # What a driver never does
//!
//! - Report something that did not happen: bytes that were not moved, a file that was not synced, `received(0)` for
//!   "nothing there yet", or an empty [`Done::Read`] for a file that failed.
//! - Carry out an effect twice, or report the outcome of another effect.
//! - Share the files of one session with another: open files belong to one machine.
//! - Poll with a clock that goes back.
//! - Send bytes of its own on the socket, or keep received bytes from the machine.
//! - Close the socket before [`Output::Closed`], unless it gives up: the last reply may still be on its way to the
//!   peer.
//! - Continue after [`Output::Closed`], or after a [`Misuse`](crate::Misuse) that it does not understand.
//! - Switch on `pass_through` without carrying out [`Effect::WriteReceived`] for the bytes that it reported with
//!   [`passed_through`](Machine::passed_through).
//! - Print a text of the peer other than through [`Escaped`](crate::Escaped).

#[cfg(doc)]
use crate::{Done, Effect, Handle, Machine, Output, Wait};
