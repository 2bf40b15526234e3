//! The transition table of a server, as data: every state with every input.
//!
//! `docs/PROTOCOL.md` has the same table for readers.

use crate::table::rows;

/// The state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Between commands.
    Ready,
    /// Between commands, after an `ERR`: a refused body may still arrive.
    Discarding,
    /// A command without a body runs. The server scans the input ahead.
    Busy,
    /// A command with a body runs, and its body arrives.
    Body,
    /// The reply or the end of the session is decided. The server closes what the store has open, and commits what is
    /// complete.
    Ending,
    /// The last reply is being sent.
    Flushing,
    /// The server waits for the client to close its side. It drops what the client sends until then, so that no reset
    /// overtakes the last reply (RFC 9112, section 9.6).
    Lingering,
    /// Nothing is left to do.
    Over,
}

impl State {
    /// The number of states.
    pub(super) const COUNT: usize = Self::Over as usize + 1;
}

/// The cells of one input.
pub(super) type Row<A> = crate::table::Row<State, A, { State::COUNT }>;

/// The actions for a well-formed command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnCommand {
    /// Start it.
    Begin,
    /// Keep it until its turn comes.
    Keep,
    /// Reply `ERR protocol` and end the session.
    Fault,
}

/// The actions for a command that is refused without being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnRefused {
    /// Reply with its `ERR`.
    Refuse,
    /// Keep it until its turn comes.
    Keep,
    /// Reply `ERR protocol` and end the session.
    Fault,
}

/// The actions for an `ABORT` that follows a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnCancelled {
    /// Reply `ERR aborted` to the command.
    Abort,
}

/// The actions for `DATA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnData {
    /// Its payload belongs to the body.
    Take,
    /// Skip its payload: the body was refused.
    Skip,
    /// Keep it, and scan no further.
    Stop,
    /// Reply `ERR protocol` and end the session: there is no body.
    Fault,
    /// Reply `ERR protocol` and end the session: it is larger than `max-data`.
    TooLarge,
    /// Reply `ERR protocol` and end the session: more follows a refusal than is skipped.
    TooMuch,
}

/// The actions for `END`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnEnd {
    /// The body is complete.
    Finish,
    /// Ignore it: the body was refused.
    Drop,
    /// Keep it, and scan no further.
    Stop,
    /// Reply `ERR protocol` and end the session.
    Fault,
}

/// The actions for `ABORT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnAbort {
    /// Ignore it: there is nothing to cancel.
    Drop,
    /// Cancel every unanswered command before it.
    Cancel,
    /// Reply `ERR aborted` to the upload.
    Fail,
}

/// The actions for a line after which the input cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnMalformed {
    /// Keep it, and scan no further.
    Stop,
    /// Reply `ERR protocol` and end the session.
    Fault,
}

/// The actions for the end of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnEndOfInput {
    /// Reply `ERR protocol` and end the session.
    Fault,
    /// End the session without a reply.
    Close,
}

/// The actions for a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDrain {
    /// Reply `ERR shutting-down` and end the session.
    Goodbye,
}

/// The actions for a deadline, and for the loss of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnLoss {
    /// Reply `ERR timeout` and end the session.
    TimeOut,
    /// End the session: no reply can reach the client.
    Disconnect,
    /// Nothing: the session is over.
    Drop,
}

/// The actions for the end of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnEnded {
    /// Its reply is decided.
    Settle,
    /// Its change joins the next commit.
    Join,
}

/// The actions for a decided end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnSettled {
    /// Send the reply.
    Reply,
}

/// The actions for the end of closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnClosed {
    /// Only change the state.
    Proceed,
}

rows! {
    /// A well-formed command without a body.
    COMMAND = "command": OnCommand {
        Ready => Begin, Busy;
        Discarding => Begin, Busy;
        Busy => Keep, Busy;
        Body => Fault, Ending;
    }

    /// A well-formed command with a body.
    COMMAND_WITH_BODY = "command with a body": OnCommand {
        Ready => Begin, Body;
        Discarding => Begin, Body;
        Busy => Keep, Busy;
        Body => Fault, Ending;
    }

    /// A faulty command after which the start of the next line is still certain.
    FAULTY_COMMAND = "command with a recoverable fault": OnRefused {
        Ready => Refuse, Ending;
        Discarding => Refuse, Ending;
        Busy => Keep, Busy;
        Body => Fault, Ending;
    }

    /// An `ABORT` follows the next command, or the current one.
    CANCELLED = "cancelled": OnCancelled {
        Discarding => Abort, Ending;
        Busy => Abort, Ending;
    }

    /// `DATA n`.
    DATA = "`DATA n`": OnData {
        Ready => Fault, Ending;
        Discarding => Skip, Discarding;
        Busy => Stop, Busy;
        Body => Take, Body;
    }

    /// `DATA n`, where n is larger than `max-data`.
    OVERSIZED_DATA = "`DATA n` beyond max-data": OnData {
        Ready => Fault, Ending;
        Discarding => TooLarge, Ending;
        Body => TooLarge, Ending;
    }

    /// `DATA n`, where n exceeds what is skipped of refused bodies.
    EXCESSIVE_DATA = "`DATA n` beyond what is skipped": OnData {
        Discarding => TooMuch, Ending;
    }

    /// `END`.
    END = "`END`": OnEnd {
        Ready => Fault, Ending;
        Discarding => Drop, Discarding;
        Busy => Stop, Busy;
        Body => Finish, Body;
    }

    /// `ABORT`.
    ABORT = "`ABORT`": OnAbort {
        Ready => Drop, Ready;
        Discarding => Drop, Discarding;
        Busy => Cancel, Busy;
        Body => Fail, Ending;
    }

    /// A line that breaks a rule after which the input cannot be trusted.
    MALFORMED = "malformed line": OnMalformed {
        Ready => Fault, Ending;
        Discarding => Fault, Ending;
        Busy => Stop, Busy;
        Body => Fault, Ending;
    }

    /// The client sends no more, and no line has started.
    END_OF_INPUT = "end of input, no line begun": OnEndOfInput {
        Ready => Close, Ending;
        Discarding => Close, Ending;
        Body => Close, Ending;
    }

    /// The client sends no more, in the middle of a line.
    END_WITHIN_LINE = "end of input within a line": OnEndOfInput {
        Ready => Fault, Ending;
        Discarding => Fault, Ending;
        Body => Close, Ending;
    }

    /// The server stops. A running command continues.
    DRAIN = "drain": OnDrain {
        Ready => Goodbye, Ending;
        Discarding => Goodbye, Ending;
    }

    /// The grace period of a drain is over.
    GRACE_OVER = "drain, grace over": OnDrain {
        Ready => Goodbye, Ending;
        Discarding => Goodbye, Ending;
        Busy => Goodbye, Ending;
        Body => Goodbye, Ending;
    }

    /// The client was too slow.
    DEADLINE = "deadline": OnLoss {
        Ready => TimeOut, Ending;
        Discarding => TimeOut, Ending;
        // The server only waits to write here: a client that reads nothing would not read an `ERR` either.
        Busy => Disconnect, Ending;
        Body => TimeOut, Ending;
        Lingering => Drop, Over;
    }

    /// The connection cannot be used any more.
    GONE = "the connection is gone": OnLoss {
        Ready => Disconnect, Ending;
        Discarding => Disconnect, Ending;
        Busy => Disconnect, Ending;
        Body => Disconnect, Ending;
        Flushing => Drop, Over;
        Lingering => Drop, Over;
    }

    /// The current command has its reply, `OK` or `ERR`.
    REPLY = "reply": OnEnded {
        Busy => Settle, Ending;
        Body => Settle, Ending;
    }

    /// The current command needs only its commit.
    WHOLE = "change to be committed": OnEnded {
        Busy => Join, Ready;
        Body => Join, Ready;
    }

    /// The store has finished a command that gets `OK`.
    SETTLED_OK = "settled, `OK`": OnSettled { Ending => Reply, Ready; }

    /// The store has finished a command that gets an `ERR` after which the session continues.
    SETTLED_ERR = "settled, `ERR` that goes on": OnSettled { Ending => Reply, Discarding; }

    /// The store has finished a session that ends with a reply, or without one.
    SETTLED_END = "settled, end of the session": OnSettled { Ending => Reply, Flushing; }

    /// The store has finished a session whose client is gone.
    SETTLED_GONE = "settled, the connection is gone": OnSettled { Ending => Reply, Over; }

    /// A command of the commit gets `OK`.
    COMMITTED = "committed": OnSettled {
        Ready => Reply, Ready;
        // Another command of the same commit failed before.
        Discarding => Reply, Ready;
        Busy => Reply, Busy;
        Body => Reply, Body;
        Ending => Reply, Ending;
    }

    /// A command of the commit gets an `ERR` after which the session continues.
    COMMIT_FAILED = "commit failed": OnSettled {
        Ready => Reply, Discarding;
        Discarding => Reply, Discarding;
        Busy => Reply, Busy;
        Body => Reply, Body;
        Ending => Reply, Ending;
    }

    /// The sending half is closed after everything was sent.
    FLUSHED = "all is sent": OnClosed { Flushing => Proceed, Lingering; }

    /// The client has closed its side, or sends too much.
    CLIENT_CLOSED = "the client has closed": OnClosed { Lingering => Proceed, Over; }
}
