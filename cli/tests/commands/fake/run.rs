//! A command line that is run against the server in memory, and how it ended.

use std::ffi::OsString;
use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, Mutex};

use haul_cli::{Console, Exit, Input, Stream};

use super::Fake;

/// How a command line is run.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) stdin: &'static str,
    /// Whether a person looks at stdout and stderr.
    pub(crate) terminal: bool,
    /// Whether a person types stdin.
    pub(crate) person: bool,
    /// Bytes of stdout that are read before it is closed.
    pub(crate) stdout_closes_after: Option<usize>,
    /// Whether it is full then, and not closed.
    pub(crate) stdout_fills: bool,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Ended with `exit` and one error that has each of `parts`.
    #[track_caller]
    pub(crate) fn failed(&self, exit: Exit, parts: &[&str]) {
        let errors = self.errors();
        assert_eq!((self.exit, errors.len()), (exit, 1), "{self:?}");
        for part in parts {
            assert!(errors[0].contains(part), "{part:?} in {self:?}");
        }
    }

    /// The lines of stderr but the totals of several files.
    #[track_caller]
    pub(crate) fn errors(&self) -> Vec<&str> {
        let lines = self.stderr.lines().map(|line| line.strip_prefix("haul-test: "));
        let lines = lines.map(|line| line.unwrap_or_else(|| panic!("{self:?}")));
        lines.filter(|line| !is_total(line)).collect()
    }

    /// Ended well and without a word on stderr.
    #[track_caller]
    pub(crate) fn done(&self, stdout: &str) {
        assert_eq!((self.exit, self.stderr.as_str()), (Exit::Done, ""), "{self:?}");
        assert_eq!(self.stdout, stdout);
    }
}

fn is_total(line: &str) -> bool {
    let mut words = line.split(' ');
    let count = words.next().and_then(|word| word.parse::<u64>().ok());
    count.is_some() && words.next().is_some_and(|word| word.starts_with("file"))
}

impl Run {
    /// Runs `line`, of which the server is `haul://test` unless it says otherwise.
    pub(crate) fn run(self, fake: &Fake, line: &[&str]) -> Outcome {
        let server: &[&str] = match line.first() {
            Some(&("serve" | "user" | "completions" | "man")) | None => &[],
            _ if line.iter().any(|word| *word == "--server" || word.contains("://")) => &[],
            _ => &["--server", "haul://test"],
        };
        let args = ["haul-test"].iter().chain(server).chain(line).map(OsString::from);
        let stdout =
            Sink { room: self.stdout_closes_after, fills: self.stdout_fills, ..Sink::default() };
        let stderr = Sink::default();
        let console = Console {
            stdin: Input::new(
                Typed { text: Cursor::new(self.stdin), fake: fake.clone() },
                self.person,
            ),
            stdout: Stream::new(stdout.clone(), self.terminal),
            stderr: Stream::new(stderr.clone(), self.terminal),
        };
        let exit = haul_cli::run(fake, args, console);
        Outcome { exit, stdout: stdout.text(), stderr: stderr.text() }
    }
}

#[derive(Clone, Default)]
struct Sink {
    written: Arc<Mutex<Vec<u8>>>,
    room: Option<usize>,
    fills: bool,
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut written = self.written.lock().unwrap();
        let room = self.room.map_or(data.len(), |room| room.saturating_sub(written.len()));
        let count = data.len().min(room);
        if count == 0 && !data.is_empty() {
            let full = io::Error::from_raw_os_error(28);
            return Err(if self.fills { full } else { io::ErrorKind::BrokenPipe.into() });
        }
        written.extend_from_slice(&data[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What somebody types.
struct Typed {
    text: Cursor<&'static str>,
    fake: Fake,
}

impl Read for Typed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.fake.state();
        let connected = state.connected.len();
        state.connected_before_input.get_or_insert(connected);
        drop(state);
        self.text.read(buffer)
    }
}
