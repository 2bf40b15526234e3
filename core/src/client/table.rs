//! The transition table of a client, as data: every state with every input.
//!
//! `docs/PROTOCOL.md` has the same table for readers. The [verb](crate::verb) of a command decides what a line of its
//! reply means.

use crate::table::rows;

/// The state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The greeting has not arrived.
    Start,
    /// The greeting has not arrived, and a command is unanswered.
    Early,
    /// No command is unanswered.
    Idle,
    /// Commands are unanswered.
    Waiting,
    /// The server said goodbye, and needs nothing more from this side.
    Leaving,
    /// The sending half is closed; the server closes its half next.
    Lingering,
    /// The connection cannot be used any more.
    Over,
}

impl State {
    /// The number of states.
    pub(super) const COUNT: usize = Self::Over as usize + 1;
}

/// The cells of one input.
pub(super) type Row<A> = crate::table::Row<State, A, { State::COUNT }>;

/// The actions for a line of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnLine {
    /// Start the session.
    Greet,
    /// Pass it to the oldest unanswered command.
    Take,
    /// Fail: it says why there is no session, or why it ends.
    Refuse,
    /// Fail: the server broke the protocol, because there was no greeting before.
    NoGreeting,
    /// Fail: the server broke the protocol, because nothing was requested.
    Unasked,
    /// Fail: the server broke the protocol, because it answers no command.
    NoAnswer,
    /// Fail: the server broke the protocol, because the line is invalid, or breaks a rule of its verb.
    Violate,
}

/// The actions for the end of the connection, and for a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnLoss {
    /// Fail every request: the connection is gone.
    Disconnect,
    /// Fail every request: no greeting came.
    NoGreeting,
    /// Fail every request: the server is too slow.
    TimeOut,
    /// End the session regularly.
    Leave,
    /// Send nothing more; replies may still arrive.
    StopSending,
}

/// The actions for a step of this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnStep {
    /// Only change the state.
    Proceed,
}

rows! {
    /// The greeting.
    GREETING = "greeting": OnLine {
        Start => Greet, Idle;
        Early => Greet, Waiting;
        Idle => Unasked, Over;
        Waiting => NoAnswer, Over;
    }

    /// A line of a reply before its end.
    REPLY_LINE = "line of a reply": OnLine {
        Start => NoGreeting, Over;
        Early => NoGreeting, Over;
        Idle => Unasked, Over;
        Waiting => Take, Waiting;
    }

    /// `OK`.
    OK = "`OK`": OnLine {
        Start => NoGreeting, Over;
        Early => NoGreeting, Over;
        Idle => Unasked, Over;
        Waiting => Take, Waiting;
    }

    /// `ERR` with a code after which the session continues.
    ERR = "`ERR`, goes on": OnLine {
        Start => Refuse, Over;
        Early => Refuse, Over;
        Idle => Unasked, Over;
        Waiting => Take, Waiting;
    }

    /// `ERR` with a code that ends the session.
    ERR_CLOSES = "`ERR`, closes": OnLine {
        Start => Refuse, Over;
        Early => Refuse, Over;
        Idle => Refuse, Over;
        Waiting => Refuse, Over;
    }

    /// A line that is invalid, or breaks a rule of the verb that it answers.
    VIOLATION = "line not understood": OnLine {
        Start => Violate, Over;
        Early => Violate, Over;
        Idle => Violate, Over;
        Waiting => Violate, Over;
    }

    /// The server sends no more.
    END_OF_INPUT = "end of input": OnLoss {
        Start => Disconnect, Over;
        Early => Disconnect, Over;
        Idle => Disconnect, Over;
        Waiting => Disconnect, Over;
        Lingering => Leave, Over;
    }

    /// The connection cannot be read any more.
    READ_FAILED = "reading fails": OnLoss {
        Start => Disconnect, Over;
        Early => Disconnect, Over;
        Idle => Disconnect, Over;
        Waiting => Disconnect, Over;
        Lingering => Leave, Over;
    }

    /// The connection cannot be written any more.
    WRITE_FAILED = "writing fails": OnLoss {
        Early => StopSending, Early;
        Idle => StopSending, Idle;
        Waiting => StopSending, Waiting;
    }

    /// The server was too slow.
    DEADLINE = "deadline": OnLoss {
        Start => NoGreeting, Over;
        Early => NoGreeting, Over;
        // No reply is due, but the server does not read what is sent.
        Idle => TimeOut, Over;
        Waiting => TimeOut, Over;
        Lingering => Leave, Over;
    }

    /// A command is sent.
    COMMAND = "a command is sent": OnStep {
        Start => Proceed, Early;
        Idle => Proceed, Waiting;
        Waiting => Proceed, Waiting;
    }

    /// A command has its final reply, and others are unanswered.
    ANSWERED = "a command is answered": OnStep { Waiting => Proceed, Waiting; }

    /// The only unanswered command has its final reply.
    ALL_ANSWERED = "the last command is answered": OnStep { Waiting => Proceed, Idle; }

    /// `EXIT` has its `OK`.
    GOODBYE = "`EXIT` is answered": OnStep { Idle => Proceed, Leaving; }

    /// The sending half is closed after everything was sent.
    FLUSHED = "all is sent": OnStep { Leaving => Proceed, Lingering; }
}
