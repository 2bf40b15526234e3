//! What a server does with whatever may happen, as data: every state with every input.
//!
//! `docs/PROTOCOL.md` has this table for readers.

use crate::table::rows;

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Between commands.
    Ready,
    /// Between commands, after an `ERR`: a refused body may still come.
    Discarding,
    /// A command is carried out whose client has nothing to add; what comes in is looked at ahead of its turn.
    Busy,
    /// A command is carried out whose body comes in.
    Body,
    /// A reply or the end of the session is decided. What the store has open is released, and what is whole is
    /// committed.
    Ending,
    /// The last reply goes out.
    Flushing,
    /// The client is to close its side. What it sends until then is dropped, so that no reset overtakes the last reply
    /// (RFC 9112, section 9.6).
    Lingering,
    /// There is nothing more to do.
    Over,
}

impl State {
    /// How many states there are.
    pub(super) const COUNT: usize = Self::Over as usize + 1;
}

/// The cells of one input.
pub(super) type Row<A> = crate::table::Row<State, A, { State::COUNT }>;

/// What a whole command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnCommand {
    /// It is carried out.
    Begin,
    /// It stays where it is until its turn comes.
    Keep,
    /// `ERR protocol`, then the end.
    Fault,
}

/// What a command does that is refused without being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnRefused {
    /// It gets its `ERR`.
    Refuse,
    /// It stays where it is until its turn comes.
    Keep,
    /// `ERR protocol`, then the end.
    Fault,
}

/// What the `ABORT` behind a command does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnCancelled {
    /// It gets `ERR aborted`.
    Abort,
}

/// What `DATA` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnData {
    /// Its payload is the body's.
    Take,
    /// Its payload is skipped: the body was refused.
    Skip,
    /// It stays where it is, and nothing behind it is looked at.
    Stop,
    /// `ERR protocol`, then the end: no body is under way.
    Fault,
    /// `ERR protocol`, then the end: it is larger than `max-data`.
    TooLarge,
    /// `ERR protocol`, then the end: more comes after a refusal than is skipped.
    TooMuch,
}

/// What `END` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnEnd {
    /// The body is whole.
    Finish,
    /// Nothing: the body was refused.
    Drop,
    /// It stays where it is, and nothing behind it is looked at.
    Stop,
    /// `ERR protocol`, then the end.
    Fault,
}

/// What `ABORT` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnAbort {
    /// Nothing: there is nothing to give up.
    Drop,
    /// It cancels every command before it that has no reply.
    Cancel,
    /// The upload gets `ERR aborted`.
    GiveUp,
}

/// What a line does after which nothing can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnMalformed {
    /// It stays where it is, and nothing behind it is looked at.
    Stop,
    /// `ERR protocol`, then the end.
    Fault,
}

/// What the end of the input does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnEndOfInput {
    /// `ERR protocol`, then the end.
    Fault,
    /// The end, without a word.
    Close,
}

/// What a drain does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDrain {
    /// `ERR shutting-down`, then the end.
    Goodbye,
}

/// What a deadline, or the loss of the connection, does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnLoss {
    /// `ERR timeout`, then the end.
    TimeOut,
    /// The end: there is nobody to tell.
    Disconnect,
    /// Nothing: the session is over.
    Drop,
}

/// What comes of an exchange that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnEnded {
    /// Its reply is decided.
    Settle,
    /// Its change joins those that are to be committed.
    Join,
}

/// What is said in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnSettled {
    /// What was decided is said.
    Say,
}

/// What the end of closing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnClosed {
    /// Nothing more than the next state.
    Proceed,
}

rows! {
    /// A well-formed command that has no body.
    COMMAND = "command": OnCommand {
        Ready => Begin, Busy;
        Discarding => Begin, Busy;
        Busy => Keep, Busy;
        Body => Fault, Ending;
    }

    /// A well-formed command whose body follows.
    COMMAND_WITH_BODY = "command with a body": OnCommand {
        Ready => Begin, Body;
        Discarding => Begin, Body;
        Busy => Keep, Busy;
        Body => Fault, Ending;
    }

    /// A command that is wrong in a way that leaves no doubt where the next one begins.
    FAULTY_COMMAND = "command with a recoverable fault": OnRefused {
        Ready => Refuse, Ending;
        Discarding => Refuse, Ending;
        Busy => Keep, Busy;
        Body => Fault, Ending;
    }

    /// An `ABORT` was found behind the next command, or behind the one under way.
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

    /// `DATA n`, where n goes beyond what is skipped of refused bodies.
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
        Body => GiveUp, Ending;
    }

    /// A line that breaks a rule after which nothing can be trusted.
    MALFORMED = "malformed line": OnMalformed {
        Ready => Fault, Ending;
        Discarding => Fault, Ending;
        Busy => Stop, Busy;
        Body => Fault, Ending;
    }

    /// The client sends no more, and no line is begun.
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

    /// The server is to stop. While a command is carried out nothing comes of it.
    DRAIN = "drain": OnDrain {
        Ready => Goodbye, Ending;
        Discarding => Goodbye, Ending;
    }

    /// The time is over that a drain leaves to what still runs.
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
        // Only writing waits here: a client that takes nothing takes no `ERR` either.
        Busy => Disconnect, Ending;
        Body => TimeOut, Ending;
        Lingering => Drop, Over;
    }

    /// The connection can be used no more.
    GONE = "the connection is gone": OnLoss {
        Ready => Disconnect, Ending;
        Discarding => Disconnect, Ending;
        Busy => Disconnect, Ending;
        Body => Disconnect, Ending;
        Flushing => Drop, Over;
        Lingering => Drop, Over;
    }

    /// The command under way has its reply, good or bad.
    REPLY = "reply": OnEnded {
        Busy => Settle, Ending;
        Body => Settle, Ending;
    }

    /// The command under way needs only its commit.
    WHOLE = "change to be committed": OnEnded {
        Busy => Join, Ready;
        Body => Join, Ready;
    }

    /// The store is done with a command that gets `OK`.
    SETTLED_OK = "settled, `OK`": OnSettled { Ending => Say, Ready; }

    /// The store is done with a command that gets an `ERR` that goes on.
    SETTLED_ERR = "settled, `ERR` that goes on": OnSettled { Ending => Say, Discarding; }

    /// The store is done with a session that ends with a reply, or without one.
    SETTLED_END = "settled, end of the session": OnSettled { Ending => Say, Flushing; }

    /// The store is done with a session whose client is gone.
    SETTLED_GONE = "settled, the connection is gone": OnSettled { Ending => Say, Over; }

    /// A command of the commit gets `OK`.
    COMMITTED = "committed": OnSettled {
        Ready => Say, Ready;
        // Another one of the same commit failed before.
        Discarding => Say, Ready;
        Busy => Say, Busy;
        Body => Say, Body;
        Ending => Say, Ending;
    }

    /// A command of the commit gets an `ERR` that goes on.
    COMMIT_FAILED = "commit failed": OnSettled {
        Ready => Say, Discarding;
        Discarding => Say, Discarding;
        Busy => Say, Busy;
        Body => Say, Body;
        Ending => Say, Ending;
    }

    /// The sending half is closed: all was sent.
    FLUSHED = "all is sent": OnClosed { Flushing => Proceed, Lingering; }

    /// The client has closed its side, or sends too much.
    CLIENT_CLOSED = "the client has closed": OnClosed { Lingering => Proceed, Over; }
}
