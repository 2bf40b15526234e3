//! An upload: from the opening of its source to its last byte. Its receipt is awaited among the replies.

use super::requests::Reply;
use super::{Client, ClientEvent, Failure, Progress, Request, Session};
use crate::effect::{Done, Effect, Handle, Opened, RequestId};
use crate::error::{StoreError, StoreErrorKind};
use crate::machine::Ask;
use crate::message::{ClientLine, Command, Mode};
use crate::name::FilePath;
use crate::output::Wait;
use crate::payload::Outflow;

/// A body of at most this many bytes is sent without waiting for `READY`: a refusal wastes less than the wait.
pub const EAGER: u64 = 1 << 20;

/// An upload whose source is open or about to be.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) id: RequestId,
    path: FilePath,
    mode: Mode,
    step: Step,
    opened: Opened,
    /// Its command says that the file is executable.
    says_executable: bool,
    outflow: Outflow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    AwaitReady,
    Body,
    Finish,
    /// It has failed; only what was announced goes out still.
    Abandoned,
}

impl Upload {
    /// An upload of the source that will be `handle`.
    pub(super) fn new(id: RequestId, handle: Handle, path: FilePath, mode: Mode) -> Self {
        let (step, outflow) = (Step::Open, Outflow::new(handle, None));
        let opened = Opened::default();
        Self { id, path, mode, step, opened, says_executable: false, outflow }
    }

    /// Whether the server was told of it.
    pub(super) fn is_announced(&self) -> bool {
        self.step != Step::Open
    }

    pub(super) fn into_request(self) -> Request {
        Request::Upload { path: self.path, mode: self.mode }
    }

    pub(super) fn sent_held(&mut self, count: usize) {
        self.outflow.sent_held(count);
    }
}

impl Client {
    /// At a chunk boundary, once something has gone out: the server may have refused already.
    pub(super) fn look(&self) -> Option<Ask<ClientEvent>> {
        let upload = self.upload.as_ref()?;
        let news = self.link.outbox.written() != self.looked_after;
        let due = upload.step == Step::Body && news && upload.outflow.held() == 0;
        (due && !self.link.inbox.ended && !self.deaf).then_some(Ask::Read(Wait::Never))
    }

    pub(super) fn advance_upload(&mut self) -> Option<Ask<ClientEvent>> {
        let upload = self.upload.as_mut().filter(|_| !self.deaf)?;
        let handle = upload.outflow.handle();
        match upload.step {
            _ if upload.outflow.held() > 0 => {
                Some(self.link.send_held(handle, upload.outflow.held()))
            }
            Step::Open => {
                let (id, path) = (upload.id, upload.path.clone());
                Some(Ask::Perform(Effect::Open { handle, id, path }))
            }
            Step::AwaitReady => None,
            Step::Body => {
                let offset = upload.outflow.sent();
                let left = upload.opened.size.map_or(u64::MAX, |size| size - offset);
                if left == 0 {
                    upload.step = Step::Finish;
                    return self.advance_upload();
                }
                let Session::Open(greeting) = &self.session else {
                    return None;
                };
                let Self { config, .. } = self;
                let pass_through = config.pass_through;
                let most = greeting.max_data;
                Some(Ask::Perform(upload.outflow.ask(
                    offset,
                    left,
                    most,
                    &config.limits,
                    pass_through,
                )))
            }
            Step::Finish => {
                let (length, checksum) = (upload.outflow.sent(), upload.outflow.checksum());
                Some(Ask::Perform(Effect::FinishReading { handle, offset: 0, length, checksum }))
            }
            Step::Abandoned => {
                self.abandon_upload();
                None
            }
        }
    }

    pub(super) fn upload_outcome(&mut self, outcome: Result<Done, StoreError>) {
        let Some(upload) = &mut self.upload else {
            // It was given up meanwhile, maybe while its source was opened.
            self.discard_file();
            return;
        };
        match outcome {
            Ok(Done::Opened(opened)) => self.source_opened(opened),
            Ok(Done::Read(data)) if data.is_empty() => {
                if upload.opened.size.is_some() {
                    let detail = "the file became shorter while it was sent";
                    self.give_up_upload(Failure::Local(StoreError::new(
                        StoreErrorKind::Changed,
                        detail,
                    )));
                } else {
                    upload.step = Step::Finish;
                }
            }
            Ok(Done::Read(data)) => {
                upload.outflow.send(data, &mut self.link.outbox);
                self.upload_progress();
            }
            Ok(Done::Held { length, checksum }) => {
                upload.outflow.hold(length, checksum, &mut self.link.outbox);
                self.upload_progress();
            }
            Ok(Done::Finished) => self.end_body(),
            Ok(_) => {}
            Err(error) => self.give_up_upload(Failure::Local(error)),
        }
    }

    fn source_opened(&mut self, opened: Opened) {
        let Some(upload) = &mut self.upload else {
            return;
        };
        upload.opened = opened;
        let known = opened.checksum.filter(|_| opened.size.is_some() && self.config.pass_through);
        upload.outflow = Outflow::new(upload.outflow.handle(), known);
        upload.says_executable = opened.executable && self.knows_executable != Some(false);
        // An older server refuses the option. Until this one has taken it, its answer comes before the body, so that the command alone is sent again.
        let certain = !upload.says_executable || self.knows_executable == Some(true);
        let eager = certain && opened.size.is_some_and(|size| size <= EAGER);
        upload.step = if eager { Step::Body } else { Step::AwaitReady };
        self.announce_upload();
    }

    fn announce_upload(&mut self) {
        let Some(Upload { id, path, mode, opened, says_executable, .. }) = &self.upload else {
            return;
        };
        let (id, mode, path) = (*id, *mode, path.clone());
        let Opened { size, modified, .. } = *opened;
        let executable = *says_executable;
        let request = Request::Upload { path: path.clone(), mode };
        let command = Command::Upload { path, size, mode, modified, executable };
        self.send_command(id, request, command, Reply::Upload { ready: false, ended: None });
    }

    /// The command was refused for an option. If that was `executable=yes`, it is sent again without: the body waits for its answer. `false` if it was not.
    pub(super) fn upload_is_announced_without_option(&mut self) -> bool {
        let Some(upload) = self.upload.as_mut().filter(|upload| {
            upload.says_executable && upload.step == Step::AwaitReady && self.sent.len() == 1
        }) else {
            return false;
        };
        upload.says_executable = false;
        self.knows_executable = Some(false);
        self.sent.clear();
        self.announce_upload();
        true
    }

    fn upload_progress(&mut self) {
        let Some(upload) = &self.upload else { return };
        let progress = Progress { bytes: upload.outflow.sent(), total: upload.opened.size };
        self.events.push_back(ClientEvent::Progress { id: upload.id, progress });
    }

    fn end_body(&mut self) {
        let Some(upload) = self.upload.take() else {
            return;
        };
        let (size, checksum) = (upload.outflow.sent(), upload.outflow.checksum());
        self.link.outbox.line(|out| {
            ClientLine::End { checksum: Some(checksum) }.encode(out);
        });
        if let Some(Reply::Upload { ended, .. }) = self.sent.back_mut().map(|sent| &mut sent.reply)
        {
            *ended = Some((size, checksum));
        }
    }

    pub(super) fn upload_is_welcome(&mut self) {
        if let Some(upload) = &mut self.upload
            && upload.step == Step::AwaitReady
        {
            upload.step = Step::Body;
            if upload.says_executable {
                self.knows_executable = Some(true);
            }
        }
    }

    /// The server's `ERR` came before the body was whole.
    pub(super) fn upload_is_refused(&mut self) {
        match &self.upload {
            Some(upload) if upload.step == Step::AwaitReady => {
                self.upload = None;
                self.discard_file();
            }
            Some(_) => self.abandon_upload(),
            None => {}
        }
    }

    /// Ends the body without its end, as soon as what was announced of it is out.
    fn abandon_upload(&mut self) {
        if let Some(upload) = self.upload.as_mut().filter(|upload| upload.outflow.held() > 0) {
            upload.step = Step::Abandoned;
            return;
        }
        self.upload = None;
        self.discard_file();
        self.link.outbox.line(|out| ClientLine::Abort.encode(out));
    }

    /// This side ends the upload before its body is whole.
    pub(super) fn give_up_upload(&mut self, failure: Failure) {
        let Some((id, step)) = self.upload.as_ref().map(|upload| (upload.id, upload.step)) else {
            return;
        };
        match step {
            Step::Open => {
                self.upload = None;
                self.discard_file();
                self.finish(id, Err(failure));
            }
            Step::AwaitReady | Step::Body | Step::Finish => {
                if let Some(sent) = self.sent.back_mut() {
                    sent.fail(failure);
                }
                self.abandon_upload();
            }
            Step::Abandoned => {}
        }
    }
}
