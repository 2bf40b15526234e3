//! The language of the scripts.
//!
//! A file has any number of scripts. Empty lines and lines that begin with `#` are ignored. Any other line begins with
//! its kind:
//!
//! | line | meaning |
//! | --- | --- |
//! | `== TITLE` | starts a script |
//! | `covers R-LINE-1 R-PATH-2` | the rules of `docs/PROTOCOL.md` that the script checks |
//! | `option KEY=VALUE` | an option of the server; see [`Setup`] |
//! | `let NAME = CONTENT` | names a content |
//! | `file PATH CONTENT [TIME]` | a file at the start; the default time is 2026-01-02T03:04:05Z |
//! | `program PATH CONTENT [TIME]` | the same, executable by its owner |
//! | `dir PATH`, `symlink PATH TARGET`, `fifo PATH` | other things at the start |
//! | `outside NAME CONTENT` | a file beside the shared directory, at `../NAME` |
//! | `> TEXT` | the client sends a line, with CRLF |
//! | `>\| TEXT` | the client sends exactly these bytes |
//! | `>body CONTENT` | the client sends this content |
//! | `>end` | the client closes its sending side |
//! | `< TEXT` | the server replies with exactly this line |
//! | `< ERR CODE` | the server replies with this error and any text |
//! | `<~ TEXT` | consecutive lines of this kind may come in any order |
//! | `<greeting`, `<greeting TEXT` | the server greets according to its options, or with `HAUL/1 TEXT`; a script without this line begins with it |
//! | `<info` | one or more `INFO` lines |
//! | `<body CONTENT` | `DATA` chunks of any sizes that together are the content |
//! | `<prefix CONTENT` | `DATA` chunks that are some beginning of the content |
//! | `<end` | the server closes, and sends nothing before that |
//! | `!drain` | the server is told to shut down |
//! | `!truncate PATH LENGTH`, `!write PATH CONTENT` | another program truncates or overwrites a file on disk |
//! | `!replace PATH CONTENT`, `!link PATH NAME` | another program replaces a file by a new one, or gives it a second name |
//! | `+file PATH CONTENT [TIME]`, `+program …`, `+dir PATH`, `- PATH` | the difference between the files at the end and those at the start |
//!
//! A script without `<end` ends with the client closing its sending side, and the server closing after that without
//! sending anything. The files are always compared: what is not named at the end is unchanged, and no temporary file is
//! left.
//!
//! A `PATH` is in quotes. A `CONTENT` is a text in quotes, `pattern N`, `zeros N`, or a name, optionally with a range
//! as in `big[0..100]`. In texts, braces have a meaning:
//!
//! | text | meaning |
//! | --- | --- |
//! | `{0a}`, `{0a*100}` | a byte in hexadecimal, or 100 of them |
//! | `{big}`, `{big[0..9]}` | a content |
//! | `{crc big}`, `{len big}` | its checksum and its length |
//! | `{unfinished}` | a name that a temporary file of the server can have |
//! | `{version}` | in what the client sends: the version that the server told last |
//!
//! A `version=` at the end of a line of the server is not compared: it is another one in each run.

mod parse;
mod text;

use std::path::PathBuf;

use haul_core::Timestamp;
use haul_harness::Content;

use crate::setup::Setup;
use crate::tree::Tree;

pub use parse::ScriptError;

/// Stands in what a client sends for the version that the server told last.
pub(crate) const VERSION: &[u8] = b"\0version\0";

/// A conversation between a client and a server, and its effect on the files.
#[derive(Debug, Clone)]
pub struct Script {
    /// What it shows. No two scripts have the same title.
    pub title: String,
    /// The rules that it checks.
    pub covers: Vec<String>,
    /// The options of the server.
    pub setup: Setup,
    pub(crate) start: Tree,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: Tree,
}

impl Script {
    /// Whether the other script has the same start and the same conversation, whatever its title is.
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
    /// Another program changes a file.
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
    /// One or more `INFO` lines.
    Info,
    /// `DATA` chunks that together are the content, or some beginning of it.
    Body { content: Content, whole: bool },
    /// The end of the connection.
    End,
}

/// A change to the served files by another program.
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

/// The modification time of files without one.
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
    "accounts",
    "bodies",
    "closing",
    "commands",
    "connection",
    "download",
    "errors",
    "files",
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
