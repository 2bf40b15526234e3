//! What a client does with whatever may happen, as data: every state with every input.
//!
//! `docs/PROTOCOL.md` has this table for readers. What a line means to the command that it answers is a matter of the
//! command's [verb](crate::verb).

use crate::table::rows;

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The server has not spoken yet.
    Start,
    /// The server has not spoken yet, and a command is unanswered.
    Early,
    /// Nothing is unanswered.
    Idle,
    /// Commands are unanswered.
    Waiting,
    /// The server said goodbye, and needs nothing more of this side.
    Leaving,
    /// The sending half is closed; the server closes its half next.
    Lingering,
    /// The connection is of no more use.
    Over,
}

impl State {
    /// How many states there are.
    pub(super) const COUNT: usize = Self::Over as usize + 1;
}

/// The cells of one input.
pub(super) type Row<A> = crate::table::Row<State, A, { State::COUNT }>;

/// What a line of the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnLine {
    /// The session begins.
    Greet,
    /// It is for the oldest command that is unanswered.
    Take,
    /// It is why there is no session, or no more of one.
    Refuse,
    /// A violation: there is no greeting before it.
    NoGreeting,
    /// A violation: nothing was asked.
    Unasked,
    /// A violation: it answers no command.
    NoAnswer,
    /// A violation: it cannot be understood, or breaks a rule of its verb.
    Violate,
}

/// What the end of the connection does, or of the patience with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnLoss {
    /// Every request fails: the connection is gone.
    Disconnect,
    /// Every request fails: no greeting came.
    NoGreeting,
    /// Every request fails: the server is too slow.
    TimeOut,
    /// The session ended as it should.
    Leave,
    /// Nothing more can be sent; what the server had to say may still come.
    StopSending,
}

/// What a step of this side does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnStep {
    /// Nothing more than the next state.
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

    /// A line of a reply that is not its end.
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

    /// `ERR` with a code that goes on.
    ERR = "`ERR`, goes on": OnLine {
        Start => Refuse, Over;
        Early => Refuse, Over;
        Idle => Unasked, Over;
        Waiting => Take, Waiting;
    }

    /// `ERR` with a code that closes.
    ERR_CLOSES = "`ERR`, closes": OnLine {
        Start => Refuse, Over;
        Early => Refuse, Over;
        Idle => Refuse, Over;
        Waiting => Refuse, Over;
    }

    /// A line that cannot be understood, or breaks a rule of the verb that it answers.
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
        // Nothing is owed, but the server takes nothing that is sent.
        Idle => TimeOut, Over;
        Waiting => TimeOut, Over;
        Lingering => Leave, Over;
    }

    /// A command goes out.
    COMMAND = "a command is sent": OnStep {
        Start => Proceed, Early;
        Idle => Proceed, Waiting;
        Waiting => Proceed, Waiting;
    }

    /// A command has its final reply, and others wait for theirs.
    ANSWERED = "a command is answered": OnStep { Waiting => Proceed, Waiting; }

    /// The only command that was unanswered has its final reply.
    ALL_ANSWERED = "the last command is answered": OnStep { Waiting => Proceed, Idle; }

    /// `EXIT` has its `OK`.
    GOODBYE = "`EXIT` is answered": OnStep { Idle => Proceed, Leaving; }

    /// The sending half is closed: all was sent.
    FLUSHED = "all is sent": OnStep { Leaving => Proceed, Lingering; }
}
