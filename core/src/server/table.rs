//! What a server does with whatever may happen, as data: every state with every input.

/// Where a session is, as far as it matters to what may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between commands.
    Ready,
    /// Between commands, after an `ERR`: a refused body may still come.
    Discarding,
    /// A listing or a download is under way; what comes in is looked at ahead of its turn.
    Busy,
    /// Between the chunks of an upload's body.
    Body,
}

/// Something that may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// A well-formed command.
    Command,
    /// A command that is wrong in a way that leaves no doubt where the next one begins.
    BadCommand,
    Data,
    End,
    Abort,
    /// A line that breaks a rule, after which nothing can be trusted.
    Malformed,
    /// The peer will send no more.
    HangUp,
    /// The server is asked to stop.
    Drain,
    /// The server's patience with running transfers is over.
    GraceOver,
    /// The peer was too slow.
    Expired,
    /// The connection is gone.
    Broken,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Carry the command out.
    Run,
    /// Answer the command with its error.
    Refuse,
    /// Skip the payload that follows.
    Skip,
    /// Drop it without a reply.
    Drop,
    /// Leave it where it is until its turn comes.
    Later,
    /// Leave it, and look no further ahead.
    Halt,
    /// Cancel every command that is not yet answered.
    CancelAll,
    /// Take the payload that follows.
    Take,
    /// Publish the upload.
    Finish,
    /// Give the upload up.
    GiveUp,
    /// `ERR protocol`, then close.
    Fault,
    /// `ERR timeout`, then close.
    TimeOut,
    /// `ERR shutting-down`, then close.
    Goodbye,
    /// Close: there is nothing to say.
    Close,
    /// Clean up: there is nobody to tell.
    Vanish,
}

/// The table. Its copy for readers is in docs/PROTOCOL.md.
pub(super) fn decide(phase: Phase, input: Input) -> Action {
    match phase {
        Phase::Ready => match input {
            Input::Command => Action::Run,
            Input::BadCommand => Action::Refuse,
            Input::Data | Input::End | Input::Malformed => Action::Fault,
            Input::Abort => Action::Drop,
            Input::HangUp => Action::Close,
            Input::Drain | Input::GraceOver => Action::Goodbye,
            Input::Expired => Action::TimeOut,
            Input::Broken => Action::Vanish,
        },
        Phase::Discarding => match input {
            Input::Command => Action::Run,
            Input::BadCommand => Action::Refuse,
            Input::Data => Action::Skip,
            Input::End | Input::Abort => Action::Drop,
            Input::Malformed => Action::Fault,
            Input::HangUp => Action::Close,
            Input::Drain | Input::GraceOver => Action::Goodbye,
            Input::Expired => Action::TimeOut,
            Input::Broken => Action::Vanish,
        },
        Phase::Busy => match input {
            Input::Command | Input::BadCommand | Input::HangUp | Input::Drain => Action::Later,
            Input::Data | Input::End | Input::Malformed => Action::Halt,
            Input::Abort => Action::CancelAll,
            Input::GraceOver => Action::Goodbye,
            // Only writing waits here: a peer that takes nothing will not take an `ERR` either.
            Input::Expired | Input::Broken => Action::Vanish,
        },
        Phase::Body => match input {
            Input::Command | Input::BadCommand | Input::Malformed => Action::Fault,
            Input::Data => Action::Take,
            Input::End => Action::Finish,
            Input::Abort => Action::GiveUp,
            Input::HangUp => Action::Close,
            Input::Broken => Action::Vanish,
            Input::Drain => Action::Later,
            Input::GraceOver => Action::Goodbye,
            Input::Expired => Action::TimeOut,
        },
    }
}

#[cfg(test)]
mod tests;
