//! Requests become commands, as many at a time as the protocol allows.

use alloc::boxed::Box;

use bytes::BytesMut;

use super::download::Download;
use super::upload::Upload;
use super::{Client, Failure, Request, Session};
use crate::checksum::Checksum;
use crate::effect::RequestId;
use crate::limits::Limits;
use crate::message::{ClientLine, Command};

/// A command without its final reply.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) id: RequestId,
    pub(super) request: Request,
    /// The length of the command's line in bytes.
    line: usize,
    pub(super) reply: Reply,
    /// Why the request has failed already, though its reply is still to come.
    pub(super) failed: Option<Failure>,
    /// `ABORT` was sent for it.
    aborted: bool,
    /// `ABORT` was sent for an earlier one, and may cancel this one too.
    pub(super) collateral: bool,
}

/// What is expected before the final reply.
#[derive(Debug)]
pub(super) enum Reply {
    List {
        entries: u64,
        /// What the listing leaves out, if that was asked for.
        omitted: Option<u64>,
    },
    Download(Box<Download>),
    /// `READY`, unless it came; then the receipt for what `END` has closed.
    Upload {
        ready: bool,
        ended: Option<(u64, Checksum)>,
    },
    Help {
        lines: u64,
    },
    Exit,
}

impl Sent {
    /// Notes why the request fails; the first reason counts.
    pub(super) fn fail(&mut self, failure: Failure) {
        let too_late = match &self.reply {
            // A whole upload is the server's to decide.
            Reply::Upload { ended, .. } => ended.is_some(),
            Reply::Download(download) => download.is_published(),
            Reply::List { .. } | Reply::Help { .. } | Reply::Exit => false,
        };
        if !too_late {
            self.failed.get_or_insert(failure);
        }
    }
}

impl Client {
    /// Sends the next command, or begins the next upload, if that is allowed now.
    pub(super) fn begin_next(&mut self) -> bool {
        if self.abort_front() {
            return true;
        }
        let Session::Open(greeting) = &self.session else {
            return false;
        };
        let most = greeting.pipeline.min(self.config.limits.pipeline).max(1);
        let Some((_, request)) = self.waiting.front() else {
            return false;
        };
        let uploads_only = self.sent.iter().all(|sent| matches!(sent.reply, Reply::Upload { .. }));
        let may_begin = match request {
            Request::Upload { .. } => uploads_only,
            // An `ABORT` meant for a command before it could hit a listing halfway, and what was told of it cannot be told again.
            Request::List { .. } => self.sent.is_empty(),
            Request::Download { .. } | Request::Help | Request::Exit => true,
        };
        // What an `ABORT` may still stop would begin anew behind whatever were sent now.
        let failing = self.sent.iter().any(|sent| sent.failed.is_some() || sent.collateral);
        let leaving = self.sent.iter().any(|sent| matches!(sent.reply, Reply::Exit));
        if !may_begin
            || self.is_full(most)
            || failing
            || leaving
            || self.upload.is_some()
            || self.deaf
        {
            return false;
        }
        let Some((id, request)) = self.waiting.pop_front() else {
            return false;
        };
        let (command, reply) = match &request {
            Request::Upload { path, mode } => {
                self.upload = Some(Upload::new(id, self.next_handle(), path.clone(), *mode));
                return true;
            }
            Request::List { path, depth, omitted } => {
                let omitted = *omitted && self.knows_omitted != Some(false);
                let command = Command::List { path: path.clone(), depth: *depth, omitted };
                (command, Reply::List { entries: 0, omitted: omitted.then_some(0) })
            }
            Request::Download { path, offset, length, .. } => {
                let (offset, length) = (*offset, *length);
                let command = Command::Download { path: path.clone(), offset, length };
                (command, Reply::Download(Box::new(Download::new(self.next_handle()))))
            }
            Request::Help => (Command::Help, Reply::Help { lines: 0 }),
            Request::Exit => (Command::Exit, Reply::Exit),
        };
        self.send_command(id, request, command, reply);
        true
    }

    /// Whether no further command may be sent, or half of them shall be answered first: else each reply would be followed by one command.
    fn is_full(&mut self, most: u64) -> bool {
        let lines = self.sent.iter().map(|sent| sent.line).sum::<usize>();
        let beyond = |commands: u64, bytes: usize| {
            self.sent.len() as u64 >= commands || lines + Limits::MAX_LINE > bytes
        };
        self.full = beyond(most, Limits::MAX_PIPELINED_BYTES)
            || (self.full && beyond(most.div_ceil(2), Limits::MAX_PIPELINED_BYTES / 2));
        self.full
    }

    /// Whether nothing is wanted of the server any more but its goodbye.
    pub(super) fn only_leaves(&self) -> bool {
        let leaving = |sent: &Sent| matches!(sent.reply, Reply::Exit);
        let asked = self.sent.back().is_some_and(leaving)
            || matches!(self.waiting.front(), Some((_, Request::Exit)));
        asked
            && self.upload.is_none()
            && self.sent.iter().all(|sent| sent.failed.is_some() || leaving(sent))
    }

    pub(super) fn send_command(
        &mut self,
        id: RequestId,
        request: Request,
        command: Command,
        reply: Reply,
    ) {
        let mut line = BytesMut::new();
        ClientLine::Command(command).encode(&mut line);
        self.link.outbox.line(|out| out.extend_from_slice(&line));
        let sent = Sent {
            id,
            request,
            line: line.len(),
            reply,
            failed: None,
            aborted: false,
            collateral: false,
        };
        self.sent.push_back(sent);
    }

    /// Aborts the oldest command if it has failed on this side. `ABORT` cancels those behind it too; they are sent again, so a small file that is coming already is rather taken to its end.
    fn abort_front(&mut self) -> bool {
        let others = self.sent.iter().skip(1).any(|behind| behind.failed.is_none());
        let Some(front) = self.sent.front_mut() else {
            return false;
        };
        let uploading = matches!(front.reply, Reply::Upload { .. });
        if front.failed.is_none() || front.aborted || uploading || self.deaf {
            return false;
        }
        let small = matches!(&front.reply, Reply::Download(download) if download.is_small());
        if small && others {
            return false;
        }
        front.aborted = true;
        for behind in self.sent.iter_mut().skip(1) {
            behind.collateral = true;
        }
        self.link.outbox.line(|out| ClientLine::Abort.encode(out));
        true
    }

    /// Puts back a request that an `ABORT` meant for an earlier one has cancelled.
    pub(super) fn put_back(&mut self, id: RequestId, request: Request) {
        let at = self.waiting.partition_point(|(waiting, _)| *waiting < id);
        self.waiting.insert(at, (id, request));
    }
}
