//! Scripts made from the server's state table in `docs/PROTOCOL.md`: every state with every input.
//!
//! What is expected stands in `expected`, written from the page and from nothing else, so that a server that decides wrongly is found. Each script gets the server into
//! a state, lets the input come, and reads the answer; then it proves which state came of it. `tests/state_table.rs` makes sure that no cell of the page is left out, and
//! prints the scripts for those who want to read them.

use std::fmt::Write;

/// A column of the table, or where a session is when its table has ended.
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
    /// The half of the row of the drain that tells what happens when the grace is over.
    GraceOver,
    Gone,
    StorageFails,
    StorageDone,
    Deadline,
}

/// A cell of the table.
#[derive(Debug)]
pub struct Cell {
    /// The row, as it is called on the page.
    pub row: &'static str,
    /// The column, as it is called on the page.
    pub column: &'static str,
    /// What shows that servers do what the cell says.
    pub shown: Shown,
}

/// What shows that servers do what a cell says.
#[derive(Debug)]
pub enum Shown {
    /// These scripts, in the [language of scripts](crate::script).
    Generated(Vec<String>),
    /// The script of this title, which stands in a file.
    ByHand(&'static str),
    /// None: a script cannot tell it, for this reason.
    Excused(&'static str),
    /// The page itself has no such case.
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

/// All generated scripts, as a file of scripts.
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

    /// What only a server in this state answers so.
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

/// What is there in every script.
const TREE: &str = "\
let hello = \"hello\"
dir \"there\"
file \"there/hello\" hello
file \"old\" \"old\"
";

/// A way to get into a state.
struct Approach {
    state: State,
    how: &'static str,
    before: &'static str,
    /// What the command under way answers, after the input was sent.
    answers: &'static str,
    /// The state after that, which meets what was kept until its turn.
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

/// Something that comes in.
struct Input {
    row: Row,
    name: &'static str,
    sent: &'static str,
    /// What a server between commands answers, and its state after that, where it differs within the row.
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

/// What the page says about an input.
enum Expected {
    /// This is answered, and the session is in this state; the rules that say it.
    Answer(&'static str, State, &'static str),
    /// It is kept until its turn.
    Kept(&'static str),
    /// A script in a file shows it.
    ByHand(&'static str),
    Excused(&'static str),
    Impossible,
}

/// The table of `docs/PROTOCOL.md`, as a server is expected to follow it. For rows without inputs, `input` is `None`.
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
        // The proof that it is still Ready is a violation, as an ABORT might be taken for one: the HELP between two ABORTs tells them apart.
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

/// What shows a cell. A row of several inputs deals them to the approaches of the state in turn; a row of one tries it with each.
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
    // What is dropped can be dropped all at once.
    let inputs: Vec<&[&Input]> =
        if state == State::Closing { vec![&inputs] } else { inputs.chunks(1).collect() };
    let count = inputs.len().max(approaches.len());
    let pairs = inputs.iter().cycle().zip(approaches.iter().cycle()).take(count);
    Shown::Generated(pairs.map(|(inputs, approach)| script(inputs, approach)).collect())
}

/// The script in which these inputs come, which all have the same answer.
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
    // Writing to a string does not fail.
    let _ = writeln!(script, "== {name} in {}, {how}", state.name());
    let _ = writeln!(script, "covers {rules} {more_rules}");
    let _ = writeln!(script, "{TREE}{before}{sent}{answers}{answer}{}", then.proof());
    script
}
