//! The language of the scripts.
//!
//! A file holds any number of scripts. Lines that are empty or begin with `#` say nothing. Each other line begins with what it is:
//!
//! | line | meaning |
//! | --- | --- |
//! | `== TITLE` | a script begins |
//! | `covers R-LINE-1 R-PATH-2` | the rules of `docs/PROTOCOL.md` that it checks |
//! | `option KEY=VALUE` | how the server is set up; see [`Setup`] |
//! | `let NAME = CONTENT` | gives a content a name |
//! | `file PATH CONTENT [TIME]` | a file that is there at the start; the time defaults to 2026-01-02T03:04:05Z |
//! | `program PATH CONTENT [TIME]` | such a file that its owner may execute |
//! | `dir PATH`, `symlink PATH TARGET`, `fifo PATH` | other things that are there |
//! | `outside NAME CONTENT` | a file beside the shared directory, at `../NAME` |
//! | `> TEXT` | the client sends a line, with CRLF |
//! | `>\| TEXT` | the client sends just these bytes |
//! | `>body CONTENT` | the client sends these bytes, which need not be text |
//! | `>end` | the client closes its sending side |
//! | `< TEXT` | the server answers with exactly this line |
//! | `< ERR CODE` | the server answers with that error, whose text may be any |
//! | `<~ TEXT` | so many such lines in a row come in any order |
//! | `<greeting`, `<greeting TEXT` | the server greets as it was set up, or with `HAUL/1 TEXT`; a script that does not say it begins with it |
//! | `<info` | one or more `INFO` lines |
//! | `<body CONTENT` | `DATA` chunks, however cut, that together are the content |
//! | `<prefix CONTENT` | `DATA` chunks that are any beginning of the content |
//! | `<end` | the server closes, and sends nothing before |
//! | `!drain` | the server is told to stop |
//! | `!truncate PATH LENGTH`, `!write PATH CONTENT` | somebody else cuts or overwrites a file on the disk |
//! | `!replace PATH CONTENT`, `!link PATH NAME` | somebody else puts a new file in a file's place, or gives it a second name |
//! | `+file PATH CONTENT [TIME]`, `+program …`, `+dir PATH`, `- PATH` | how the tree at the end differs from the tree at the start |
//!
//! A script that does not say `<end` ends with the client closing its sending side and the server closing after it, with nothing sent before. The tree is always compared:
//! what is not named at the end is as it was, and nothing is left unfinished.
//!
//! A `PATH` is in quotes. A `CONTENT` is a text in quotes, `pattern N`, `zeros N`, or a name with or without a range, as in `big[0..100]`. In texts these stand for something else:
//!
//! | text | stands for |
//! | --- | --- |
//! | `{0a}`, `{0a*100}` | a byte in hexadecimal, or 100 of them |
//! | `{big}`, `{big[0..9]}` | a content |
//! | `{crc big}`, `{len big}` | its checksum and its length |
//! | `{unfinished}` | a name that an unfinished file can have |

mod parse;
mod text;

use std::path::PathBuf;

use haul_core::Timestamp;
use haul_harness::Content;

use crate::setup::Setup;
use crate::tree::Tree;

pub use parse::ScriptError;

/// A conversation between a client and a server, and what it does to the files.
#[derive(Debug, Clone)]
pub struct Script {
    /// What it shows. No two scripts have the same title.
    pub title: String,
    /// The rules that it checks.
    pub covers: Vec<String>,
    /// How the server is set up.
    pub setup: Setup,
    pub(crate) start: Tree,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: Tree,
}

impl Script {
    /// Whether the other one, whatever it is called, sets up the same and says the same.
    pub fn is_like(&self, other: &Self) -> bool {
        self.setup == other.setup && self.start == other.start && self.steps == other.steps
    }
}

/// A step of the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Vec<u8>),
    CloseSending,
    Expect(Expectation),
    Drain,
    /// Somebody else changes a file.
    Disturb(Disturbance),
}

/// What must come from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// This line, without its ending.
    Line(Vec<u8>),
    /// An `ERR` with this code.
    Error(String),
    /// These lines, in any order.
    Unordered(Vec<Vec<u8>>),
    /// One or more lines of help.
    Info,
    /// `DATA` chunks that together are the content, or any beginning of it.
    Body { content: Content, whole: bool },
    /// The end of the connection.
    End,
}

/// A change to the served files that does not come from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Disturbance {
    Truncate {
        path: PathBuf,
        length: u64,
    },
    Write {
        path: PathBuf,
        content: Content,
    },
    /// A new file takes the name.
    Replace {
        path: PathBuf,
        content: Content,
    },
    /// The file gets a second name.
    Link {
        path: PathBuf,
        link: PathBuf,
    },
}

/// The time of files that are given none.
pub(crate) fn default_time() -> Option<Timestamp> {
    Timestamp::parse("2026-01-02T03:04:05Z")
}

macro_rules! script_files {
    ($($name:literal),+ $(,)?) => {
        &[$((concat!($name, ".haul"), include_str!(concat!("../../suite/", $name, ".haul")))),+]
    };
}

const FILES: &[(&str, &str)] = script_files![
    "abort",
    "bodies",
    "closing",
    "commands",
    "connection",
    "download",
    "errors",
    "lines",
    "list",
    "paths",
    "pipelining",
    "refused",
    "time",
    "transcripts",
    "upload",
    "words",
];

/// All scripts of this crate.
pub fn all() -> Result<Vec<Script>, ScriptError> {
    let mut scripts: Vec<Script> = Vec::new();
    let generated = crate::generated::text();
    for (file, text) in FILES.iter().chain(&[("generated", generated.as_str())]) {
        for script in parse::parse(file, text)? {
            if scripts.iter().any(|other| other.title == script.title) {
                return Err(ScriptError::twice(file, &script.title));
            }
            scripts.push(script);
        }
    }
    Ok(scripts)
}
