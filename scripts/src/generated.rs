//! Scripts generated from the server's state table in `docs/PROTOCOL.md`: every state with every input.
//!
//! `expected` is written from the page and from nothing else, so a server that deviates from the page is found. Each
//! script brings the server into a state, sends the input, and reads the reply. Then it shows which state the server is
//! in. `tests/state_table.rs` checks that no cell of the page is left out, and can print the scripts.

use std::fmt::Write;

/// A column of the table, or the end of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Discarding,
    Body,
    Busy,
    Closing,
    Over,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Command,
    FaultyCommand,
    Data,
    End,
    Abort,
    Malformed,
    HangUp,
    HangUpInLine,
    Drain,
    /// The part of the row on draining that says what happens when the grace period is over.
    GraceOver,
    Gone,
    StorageFails,
    StorageDone,
    Deadline,
}

/// A cell of the table.
#[derive(Debug)]
pub struct Cell {
    /// The name of the row on the page.
    pub row: &'static str,
    /// The name of the column on the page.
    pub column: &'static str,
    /// How it is shown that servers do what the cell says.
    pub shown: Shown,
}

/// How it is shown that servers do what a cell says.
#[derive(Debug)]
pub enum Shown {
    /// These scripts, in the [language of scripts](crate::script).
    Generated(Vec<String>),
    /// The script of this title, which is in a file.
    ByHand(&'static str),
    /// By no script, for this reason.
    Excused(&'static str),
    /// The page says that this case does not exist.
    Impossible,
}

/// All cells of the table.
pub fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for row in Row::ALL {
        for state in State::COLUMNS {
            cells.push(Cell { row: row.name(), column: state.name(), shown: shown(row, state) });
        }
    }
    cells
}

/// All generated scripts, as the text of a script file.
pub fn text() -> String {
    let scripts = cells().into_iter().filter_map(|cell| match cell.shown {
        Shown::Generated(scripts) => Some(scripts),
        _ => None,
    });
    scripts.flatten().collect::<Vec<String>>().join("\n")
}

impl State {
    const COLUMNS: [Self; 5] =
        [Self::Ready, Self::Discarding, Self::Body, Self::Busy, Self::Closing];

    fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Discarding => "Discarding",
            Self::Body => "Body",
            Self::Busy => "Busy",
            Self::Closing => "Closing",
            Self::Over => "over",
        }
    }

    /// A command and a reply that only a server in this state gives.
    fn proof(self) -> &'static str {
        match self {
            Self::Ready => "> END\n< ERR protocol\n<end",
            Self::Discarding => "> DATA 6\n>| LIST{0d}{0a}\n> END\n> LIST nothing\n< ERR not-found",
            // The body of the upload that INPUTS begins.
            Self::Body => {
                "> DATA 5\n>| hello\n> END\n< OK size=5 crc64nvme=3377857006524257\n+file \"new\" \"hello\""
            }
            Self::Closing => "> LIST\n<end",
            Self::Over => "<end",
            Self::Busy => unreachable!("no script asks whether a command is still under way"),
        }
    }
}

impl Row {
    const ALL: [Self; 14] = [
        Self::Command,
        Self::FaultyCommand,
        Self::Data,
        Self::End,
        Self::Abort,
        Self::Malformed,
        Self::HangUp,
        Self::HangUpInLine,
        Self::Drain,
        Self::GraceOver,
        Self::Gone,
        Self::StorageFails,
        Self::StorageDone,
        Self::Deadline,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::FaultyCommand => "command with a recoverable fault",
            Self::Data => "`DATA n`",
            Self::End => "`END`",
            Self::Abort => "`ABORT`",
            Self::Malformed => "malformed line",
            Self::HangUp => "end of input, no line begun",
            Self::HangUpInLine => "end of input within a line",
            Self::Drain | Self::GraceOver => "drain",
            Self::Gone => "the connection is gone",
            Self::StorageFails => "storage fails",
            Self::StorageDone => "storage is done",
            Self::Deadline => "deadline",
        }
    }
}

/// The files that every script starts with.
const TREE: &str = "\
let hello = \"hello\"
dir \"there\"
file \"there/hello\" hello
file \"old\" \"old\"
";

/// A way to bring the server into a state.
struct Approach {
    state: State,
    how: &'static str,
    before: &'static str,
    /// The reply of the command under way, which comes after the input was sent.
    answers: &'static str,
    /// The state after that, in which the server reads what it kept.
    then: State,
}

impl Approach {
    const fn new(state: State, how: &'static str, before: &'static str) -> Self {
        Self { state, how, before, answers: "", then: state }
    }

    const fn under_way(
        how: &'static str,
        before: &'static str,
        answers: &'static str,
        then: State,
    ) -> Self {
        Self { state: State::Busy, how, before, answers, then }
    }
}

const APPROACHES: &[Approach] = &[
    Approach::new(
        State::Ready,
        "after a download",
        "> DOWNLOAD there/hello\n\
         < SENDING size=5 offset=0 length=5 modified=2026-01-02T03:04:05Z\n\
         <body hello\n\
         < OK length=5 crc64nvme=3377857006524257\n",
    ),
    Approach::new(
        State::Ready,
        "after an upload",
        "> UPLOAD old\n< READY\n> END\n< OK size=0 crc64nvme=0000000000000000\n+file \"old\" \"\"\n",
    ),
    Approach::new(
        State::Discarding,
        "after a refused command",
        "> UPLOAD there\n< ERR is-directory\n",
    ),
    Approach::new(
        State::Discarding,
        "after an upload was given up",
        "> UPLOAD old\n< READY\n> DATA 5\n>| hello\n> ABORT\n< ERR aborted\n",
    ),
    Approach::new(
        State::Body,
        "before its first chunk",
        "let stored = \"\"\n> UPLOAD old\n< READY\n",
    ),
    Approach::new(
        State::Body,
        "between its chunks",
        "let stored = \"hello\"\n> UPLOAD old\n< READY\n> DATA 5\n>| hello\n",
    ),
    Approach::under_way(
        "with a download",
        "option chunk=4096\nlet big = pattern 20000\nfile \"big\" big\n> DOWNLOAD big\n",
        "< SENDING size=20000 offset=0 length=20000 modified=2026-01-02T03:04:05Z\n\
         <body big\n\
         < OK length=20000 crc64nvme={crc big}\n",
        State::Ready,
    ),
    Approach::under_way(
        "with a listing that fails",
        "> LIST nowhere\n",
        "< ERR not-found\n",
        State::Discarding,
    ),
    Approach::new(State::Closing, "after a violation", "> END\n< ERR protocol\n"),
];

/// Something that the server receives.
struct Input {
    row: Row,
    name: &'static str,
    sent: &'static str,
    /// The reply of a server in Ready, and its state after that, where inputs of the row differ.
    carried_out: (&'static str, State),
}

impl Input {
    const fn command(
        name: &'static str,
        sent: &'static str,
        answer: &'static str,
        then: State,
    ) -> Self {
        Self { row: Row::Command, name, sent, carried_out: (answer, then) }
    }

    const fn faulty(name: &'static str, sent: &'static str, answer: &'static str) -> Self {
        Self { row: Row::FaultyCommand, name, sent, carried_out: (answer, State::Discarding) }
    }

    const fn new(row: Row, name: &'static str, sent: &'static str) -> Self {
        Self { row, name, sent, carried_out: ("", State::Over) }
    }
}

const INPUTS: &[Input] = &[
    Input::command(
        "LIST",
        "> LIST there\n",
        "< FILE \"there/hello\" size=5 modified=2026-01-02T03:04:05Z\n< OK entries=1\n",
        State::Ready,
    ),
    Input::command("LIST of nothing", "> LIST nothing\n", "< ERR not-found\n", State::Discarding),
    Input::command(
        "DOWNLOAD",
        "> DOWNLOAD there/hello offset=1\n",
        "< SENDING size=5 offset=1 length=4 modified=2026-01-02T03:04:05Z\n\
         <body hello[1..]\n\
         < OK length=4 crc64nvme={crc hello[1..]}\n",
        State::Ready,
    ),
    Input::command(
        "DOWNLOAD past the end",
        "> DOWNLOAD there/hello offset=6\n",
        "< ERR bad-range\n",
        State::Discarding,
    ),
    Input::command("UPLOAD", "> UPLOAD new\n", "< READY\n", State::Body),
    Input::command(
        "UPLOAD of a taken name",
        "> UPLOAD old mode=create\n",
        "< ERR exists\n",
        State::Discarding,
    ),
    Input::command("HELP", "> HELP\n", "<info\n< OK\n", State::Ready),
    Input::command("EXIT", "> EXIT\n", "< OK \"bye\"\n", State::Closing),
    Input::faulty("an unknown verb", "> FETCH there\n", "< ERR unknown-command\n"),
    Input::faulty("a bad argument", "> LIST depth=0\n", "< ERR bad-argument\n"),
    Input::faulty("a bad name", "> UPLOAD ../new\n", "< ERR bad-name\n"),
    Input::faulty("an open quote", "> LIST \"there\n", "< ERR bad-argument\n"),
    Input::faulty("an empty line", ">| {0d}{0a}\n", "< ERR unknown-command\n"),
    Input::new(Row::Data, "DATA", "> DATA 4\n>| more\n"),
    Input::new(Row::End, "END", "> END\n"),
    Input::new(Row::Abort, "ABORT", "> ABORT\n"),
    Input::new(Row::Malformed, "a control character", ">| LIST {00}\n"),
    Input::new(Row::Malformed, "a line that is not UTF-8", "> LIST {ff}\n"),
    Input::new(Row::Malformed, "a line that is too long", ">| LIST{20*4091}{0d}{0a}\n"),
    Input::new(Row::Malformed, "a line of HTTP", "> GET / HTTP/1.1\n"),
    Input::new(Row::Malformed, "a malformed DATA", "> DATA 0\n"),
    Input::new(Row::Malformed, "a malformed END", "> END crc64nvme=0\n"),
    Input::new(Row::Malformed, "a malformed ABORT", "> ABORT now\n"),
    Input::new(Row::HangUp, "the end of input", ">end\n"),
    Input::new(Row::HangUpInLine, "the end of input within a line", ">| LIS\n>end\n"),
    Input::new(Row::Drain, "a drain", "!drain\n"),
    Input::new(Row::Deadline, "a deadline", "option idle-ms=500\noption window-ms=500\n"),
];

/// What the page says of an input.
enum Expected {
    /// This reply, and this state of the session. The last field has the rules that say so.
    Answer(&'static str, State, &'static str),
    /// The server keeps it until the command under way has ended.
    Kept(&'static str),
    /// The script of this title, which is in a file, shows it.
    ByHand(&'static str),
    Excused(&'static str),
    Impossible,
}

/// The table of `docs/PROTOCOL.md`. For rows without inputs, `input` is `None`.
fn expected(row: Row, state: State, input: Option<&Input>) -> Expected {
    use Expected::{Answer, ByHand, Excused, Impossible, Kept};
    use State::{Body, Busy, Closing, Discarding, Over, Ready};
    const PROTOCOL: &str = "< ERR protocol\n";
    let (answer, then) = input.map_or(("", Over), |input| input.carried_out);
    match (row, state) {
        (Row::Command, Ready | Discarding) => Answer(answer, then, "R-CORE-2"),
        (Row::FaultyCommand, Ready | Discarding) => Answer(answer, then, "R-ERR-2 R-DISC-1"),
        (Row::Command | Row::FaultyCommand, Body) => Answer(PROTOCOL, Closing, "R-BODY-3"),
        (Row::Data | Row::End, Ready) => Answer(PROTOCOL, Closing, "R-BODY-4"),
        (Row::Data | Row::End, Discarding) => Answer("", Discarding, "R-DISC-1"),
        (Row::Data, Body) => Answer(
            "let whole = \"{stored}more\"\n\
             > END crc64nvme={crc whole}\n\
             < OK size={len whole} crc64nvme={crc whole}\n\
             +file \"old\" whole\n",
            Ready,
            "R-BODY-1 R-UP-2",
        ),
        (Row::End, Body) => Answer(
            "< OK size={len stored} crc64nvme={crc stored}\n+file \"old\" stored\n",
            Ready,
            "R-BODY-2 R-UP-2",
        ),
        // An ABORT that is a violation would look the same as the violation that shows Ready. The HELP between two
        // ABORTs distinguishes them.
        (Row::Abort, Ready) => Answer("> HELP\n<info\n< OK\n> ABORT\n", Ready, "R-ABORT-3"),
        (Row::Abort, Discarding) => Answer("", Discarding, "R-ABORT-3 R-DISC-1"),
        (Row::Abort, Body) => Answer("< ERR aborted\n", Discarding, "R-ABORT-1 R-UP-2"),
        (Row::Abort, Busy) => {
            ByHand("ABORT cancels the download under way and what was pipelined behind it")
        }
        (Row::Malformed, Ready) => Answer(PROTOCOL, Closing, "R-ERR-3"),
        (Row::Malformed, Discarding) => Answer(PROTOCOL, Closing, "R-ERR-3 R-DISC-4"),
        (Row::Malformed, Body) => Answer(PROTOCOL, Closing, "R-ERR-3 R-BODY-3 R-UP-2"),
        (
            Row::Command
            | Row::FaultyCommand
            | Row::Data
            | Row::End
            | Row::Malformed
            | Row::HangUp
            | Row::HangUpInLine,
            Busy,
        ) => Kept("R-ABORT-4 R-PIPE-1"),
        (Row::HangUp, Ready | Discarding) => Answer("", Over, "R-CONN-4"),
        (Row::HangUpInLine, Ready | Discarding) => Answer(PROTOCOL, Over, "R-CONN-5"),
        (Row::HangUp | Row::HangUpInLine, Body) => Answer("", Over, "R-CONN-6 R-CORE-3"),
        (Row::Drain, Ready | Discarding) => Answer("< ERR shutting-down\n", Closing, "R-CONN-7"),
        (Row::Drain, Body) => Answer(
            "let whole = \"{stored}more\"\n\
             > DATA 4\n\
             >| more\n\
             > END\n\
             < OK size={len whole} crc64nvme={crc whole}\n\
             +file \"old\" whole\n\
             < ERR shutting-down\n",
            Closing,
            "R-CONN-7",
        ),
        (Row::Drain, Busy) => ByHand("a server that stops lets a download finish"),
        (Row::Deadline, Ready | Discarding) => Answer("< ERR timeout\n", Closing, "R-TIME-2"),
        (Row::Deadline, Body) => Answer("< ERR timeout\n", Closing, "R-TIME-4 R-UP-2"),
        (
            Row::Command
            | Row::FaultyCommand
            | Row::Data
            | Row::End
            | Row::Abort
            | Row::Malformed
            | Row::HangUp
            | Row::HangUpInLine
            | Row::Drain,
            Closing,
        ) => Answer("", Over, "R-CLOSE-2"),
        (_, Over)
        | (Row::GraceOver | Row::StorageFails | Row::StorageDone, Ready | Discarding | Closing) => {
            Impossible
        }
        (Row::GraceOver, Body | Busy) => {
            Excused("a script cannot say how long the grace is: the tests of haul-core can")
        }
        (Row::Gone, _) => {
            Excused("a client that is gone is told nothing: the tests of haul-core look inside")
        }
        (Row::StorageFails, Busy) => ByHand("a file that is cut while it is sent is not padded"),
        (Row::StorageFails, Body) => {
            Excused("a script has no disk that fails: the tests of haul-core and haul-store have")
        }
        (Row::StorageDone, Busy) => ByHand("a file of many chunks"),
        (Row::StorageDone, Body) => ByHand("a body in many chunks"),
        (Row::Deadline, Busy) => Excused(
            "a script takes all that comes: the tests of haul-core have a client that does not",
        ),
        (Row::Deadline, Closing) => {
            Excused("the server's side is closed already: the tests of haul-core look inside")
        }
    }
}

/// How a cell is shown. In a row of several inputs, each is tried with one approach to the state, in turn. In a row of
/// one, it is tried with each approach.
fn shown(row: Row, state: State) -> Shown {
    match expected(row, state, None) {
        Expected::ByHand(title) => return Shown::ByHand(title),
        Expected::Excused(reason) => return Shown::Excused(reason),
        Expected::Impossible => return Shown::Impossible,
        Expected::Answer(..) | Expected::Kept(_) => {}
    }
    let inputs: Vec<&Input> = INPUTS.iter().filter(|input| input.row == row).collect();
    let approaches: Vec<&Approach> =
        APPROACHES.iter().filter(|approach| approach.state == state).collect();
    // Inputs that are dropped can be sent together.
    let inputs: Vec<&[&Input]> =
        if state == State::Closing { vec![&inputs] } else { inputs.chunks(1).collect() };
    let count = inputs.len().max(approaches.len());
    let pairs = inputs.iter().cycle().zip(approaches.iter().cycle()).take(count);
    Shown::Generated(pairs.map(|(inputs, approach)| script(inputs, approach)).collect())
}

/// The script that sends these inputs, which all get the same reply.
fn script(inputs: &[&Input], approach: &Approach) -> String {
    let input = inputs[0];
    let (reply, rules) = match expected(input.row, approach.state, Some(input)) {
        Expected::Kept(rules) => (expected(input.row, approach.then, Some(input)), rules),
        reply => (reply, ""),
    };
    let Expected::Answer(answer, then, more_rules) = reply else {
        unreachable!("{} is kept for a state that does not answer it", input.name)
    };
    let name = match inputs {
        [input] => input.name.to_owned(),
        _ => format!("every kind of {}", input.row.name()),
    };
    let sent: String = inputs.iter().map(|input| input.sent).collect();
    let Approach { state, how, before, answers, .. } = approach;
    let mut script = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(script, "== {name} in {}, {how}", state.name());
    let _ = writeln!(script, "covers {rules} {more_rules}");
    let _ = writeln!(script, "{TREE}{before}{sent}{answers}{answer}{}", then.proof());
    script
}
