//! A server in memory behind [`Runtime`], and a way to run a command line against it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use haul_cli::{Console, Exit, Input, Remote, Runtime, ServeError, ServeOptions, Stream, Watch};
use haul_core::RequestId;
use haul_core::client::{ClientConfig, ClientEvent, Failure, Progress, Request};
use haul_core::message::{Greeting, Refusal, Sending, Summary};
use haul_core::{Checksum, Depth, Entry, ErrorCode, FilePath, Mode, Timestamp, Timing};
use haul_store::{NewFile, OwnFiles, Source, Target};
use haul_transport::{Call, ConnectError, Unreached};

/// What is on the server, and what it shall do.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Listed in addition to the files, whatever was asked for.
    pub(crate) invented: Vec<Entry>,
    pub(crate) skipped: Option<u64>,
    /// Directories that are links, by their paths: a listing does not descend into them.
    pub(crate) links: Vec<String>,
    /// A directory here that gets what is stored, too.
    pub(crate) mirror: Option<PathBuf>,
    /// How many connections there were when stdin was read first.
    pub(crate) connected_before_input: Option<usize>,
    /// Failures of requests for a path, each once.
    pub(crate) failures: HashMap<String, Failure>,
    /// Bytes after which a download fails.
    pub(crate) corrupt_after: Option<usize>,
    /// How long each piece of a file takes.
    pub(crate) pace: Duration,
    /// Bytes of a transfer after which its connection is lost, once.
    pub(crate) lost_after: Option<u64>,
    /// What is stored though its upload fails: only the receipt is lost.
    pub(crate) lost_receipt: Option<&'static str>,
    pub(crate) unreachable: bool,
    /// Whether the last client wanted its files on stable storage.
    pub(crate) durable: bool,
    /// How it was connected to last: how long that may take, and the session's bounds on time.
    pub(crate) timing: Option<(Duration, Timing)>,
    /// The signal that cancels requests.
    pub(crate) signal: Option<i32>,
    pub(crate) connected: Vec<String>,
    /// How many connections can be made, if not any number.
    pub(crate) most_connections: Option<usize>,
    /// Pauses before another try.
    pub(crate) pauses: Vec<Duration>,
    /// Uploads that were refused because their names begin with a dot, if that is refused.
    pub(crate) refused_dots: Option<Vec<String>>,
    pub(crate) said_goodbye: usize,
    pub(crate) served: Option<ServeOptions>,
    pub(crate) cannot_listen: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

impl Fake {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let fake = Self::default();
        for (name, content) in files {
            fake.state().files.insert((*name).to_owned(), content.as_bytes().to_vec());
        }
        fake
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fails(self, path: &str, failure: Failure) -> Self {
        self.state().failures.insert(path.to_owned(), failure);
        self
    }

    pub(crate) fn run(&self, line: &[&str]) -> Outcome {
        Run::default().run(self, line)
    }
}

pub(crate) fn refusal(code: ErrorCode) -> Failure {
    Failure::Refused(Refusal::new(code, "no"))
}

pub(crate) fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

pub(crate) fn modified() -> Timestamp {
    Timestamp::parse("2026-11-22T08:31:25.5Z").unwrap()
}

impl Runtime for Fake {
    const PROGRAM: &'static str = "haul-test";

    fn serve(
        &self,
        options: &ServeOptions,
        ready: &mut dyn FnMut(&[SocketAddr]),
    ) -> Result<(), ServeError> {
        let mut state = self.state();
        state.served = Some(options.clone());
        if state.cannot_listen {
            return Err(ServeError::Listen(io::ErrorKind::AddrInUse.into()));
        }
        let address = |(host, _): &(String, u16)| SocketAddr::new(host.parse().unwrap(), 4999);
        ready(&options.addresses.iter().map(address).collect::<Vec<_>>());
        Ok(())
    }

    fn connect(
        &self,
        host: &str,
        port: u16,
        config: ClientConfig,
        connect_timeout: Duration,
    ) -> Result<Box<dyn Remote>, ConnectError> {
        let mut state = self.state();
        state.durable = config.durable;
        state.timing = Some((connect_timeout, config.timing));
        state.connected.push(format!("{host} {port}"));
        let enough = state.most_connections.is_some_and(|most| state.connected.len() > most);
        if state.unreachable || enough {
            let error = io::Error::from_raw_os_error(111);
            let address = SocketAddr::new([127, 0, 0, 1].into(), port);
            return Err(ConnectError::Unreached(vec![Unreached { address, error }]));
        }
        if let Some(failure) = state.failures.remove("connect") {
            return Err(failure.into());
        }
        drop(state);
        let greeting =
            Greeting { banner: String::from("Welcome"), max_data: 1 << 20, pipeline: 64 };
        Ok(Box::new(Connection { server: self.clone(), greeting }))
    }

    fn signal(&self) -> Option<i32> {
        self.state().signal
    }

    fn pause(&self, duration: Duration) {
        self.state().pauses.push(duration);
    }
}

struct Connection {
    server: Fake,
    greeting: Greeting,
}

impl Connection {
    fn begin(&self, path: Option<&FilePath>) -> Result<MutexGuard<'_, State>, Failure> {
        let mut state = self.server.state();
        match state.failures.remove(path.map_or("/", FilePath::as_str)) {
            Some(failure) => Err(failure),
            None => Ok(state),
        }
    }

    /// So much of a file has moved.
    fn is_lost(&self, bytes: u64) -> Result<(), Failure> {
        let pace = self.server.state().pace;
        thread::sleep(pace);
        let mut state = self.server.state();
        match state.lost_after.take_if(|after| bytes >= *after) {
            Some(_) => Err(Failure::Disconnected),
            None => Ok(()),
        }
    }
}

impl Remote for Connection {
    fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    fn run(&mut self, calls: &mut dyn Iterator<Item = Call<Watch<'_>>>) -> Result<(), Failure> {
        if let Some(failure) = self.server.state().failures.remove("run") {
            return Err(failure);
        }
        for call in calls {
            let Call { request, files, mut watch } = call;
            let result = self.answer(request, files, &mut *watch);
            let lost = match &result {
                Err(failure @ (Failure::Disconnected | Failure::TimedOut | Failure::Cancelled)) => {
                    Some(failure.clone())
                }
                Err(failure @ Failure::Refused(refusal))
                    if refusal.code().is_some_and(ErrorCode::closes) =>
                {
                    Some(failure.clone())
                }
                _ => None,
            };
            let _ = watch(&ClientEvent::Finished { id: ID, result });
            if let Some(failure) = lost {
                return Err(failure);
            }
        }
        Ok(())
    }
}

const ID: RequestId = RequestId(0);

impl Connection {
    fn answer(
        &mut self,
        request: Request,
        files: OwnFiles,
        watch: &mut dyn FnMut(&ClientEvent) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        match (request, files) {
            (Request::List { path, depth, .. }, _) => {
                self.list(path.as_ref(), depth, &mut |entry| {
                    watch(&ClientEvent::Entry { id: ID, entry: entry.clone() })
                })
            }
            (
                Request::Download { path, offset, length, mode, if_match: None },
                OwnFiles::Target(target),
            ) => self.download(&path, offset, length, mode, target, watch),
            (Request::Upload { path, mode, if_match: None }, OwnFiles::Source(source)) => {
                let on_progress =
                    &mut |progress| watch(&ClientEvent::Progress { id: ID, progress });
                self.upload(&path, mode, source, on_progress)
            }
            (Request::Help, _) => {
                if let Some(failure) = self.server.state().failures.remove("HELP") {
                    return Err(failure);
                }
                for text in ["LIST lists", "\u{1b}[31mred"] {
                    let _ = watch(&ClientEvent::Info { id: ID, text: text.to_owned() });
                }
                Ok(Summary::default())
            }
            (Request::Exit, _) => {
                self.server.state().said_goodbye += 1;
                Ok(Summary::default())
            }
            (request, files) => unreachable!("{request:?} with {files:?}"),
        }
    }
}

impl Connection {
    fn list(
        &mut self,
        path: Option<&FilePath>,
        depth: Depth,
        on_entry: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        let state = self.begin(path)?;
        let prefix = path.map(|path| format!("{}/", path.as_str())).unwrap_or_default();
        let mut entries = BTreeMap::new();
        for (name, content) in &state.files {
            let whole = Entry::File {
                path: self::path(name),
                size: content.len() as u64,
                modified: modified(),
                executable: false,
            };
            if path.is_some_and(|path| path.as_str() == name) {
                entries.insert(name.clone(), whole);
            } else if let Some(rest) = name.strip_prefix(&prefix) {
                let mut end = prefix.len();
                for part in rest.split('/') {
                    let level = name[prefix.len()..end].matches('/').count() as u64 + 1;
                    if level > 1 && !depth.goes_below(level - 1) {
                        break;
                    }
                    end += part.len();
                    let name_here = name[..end].to_owned();
                    let link = state.links.contains(&name_here);
                    let entry = if end == name.len() {
                        whole.clone()
                    } else {
                        Entry::Directory { path: self::path(&name_here), error: None, link }
                    };
                    entries.insert(name_here, entry);
                    end += 1;
                    if link {
                        break;
                    }
                }
            }
        }
        // Any order is allowed: the worst for whoever wants to sort.
        let listed: Vec<Entry> =
            entries.into_values().rev().chain(state.invented.clone()).collect();
        if listed.is_empty() && path.is_some() {
            return Err(refusal(ErrorCode::NotFound));
        }
        let skipped = state.skipped;
        drop(state);
        for entry in &listed {
            if on_entry(entry).is_break() {
                return Err(Failure::Cancelled);
            }
        }
        Ok(Summary { entries: Some(listed.len() as u64), skipped, ..Summary::default() })
    }

    fn download(
        &mut self,
        path: &FilePath,
        offset: u64,
        length: Option<u64>,
        mode: Mode,
        mut target: Box<dyn Target>,
        watch: &mut dyn FnMut(&ClientEvent) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        let state = self.begin(Some(path))?;
        let corrupt_after = state.corrupt_after;
        let file =
            state.files.get(path.as_str()).cloned().ok_or_else(|| refusal(ErrorCode::NotFound))?;
        drop(state);
        let from = usize::try_from(offset).unwrap();
        let rest = file.get(from..).ok_or_else(|| refusal(ErrorCode::BadRange))?;
        let length =
            length.map_or(rest.len(), |length| usize::try_from(length).unwrap().min(rest.len()));
        let content = &rest[..length];
        let size = content.len() as u64;
        let file = NewFile {
            path: path.clone(),
            mode,
            if_match: None,
            size: Some(size),
            modified: Some(modified()),
            executable: false,
            durable: false,
        };
        let sending = Sending {
            size,
            offset,
            length: size,
            modified: modified(),
            executable: false,
            version: None,
        };
        let _ = watch(&ClientEvent::Sending { id: ID, sending });
        let mut staged = target.create(&file)?;
        let mut bytes = 0;
        for piece in content.chunks(4) {
            staged.write(bytes, piece)?;
            bytes += piece.len() as u64;
            let progress = Progress { bytes, total: Some(size) };
            if watch(&ClientEvent::Progress { id: ID, progress }).is_break() {
                return Err(Failure::Cancelled);
            }
            self.is_lost(bytes)?;
            if corrupt_after.is_some_and(|after| bytes >= after as u64) {
                return Err(Failure::Corrupted);
            }
        }
        let checksum = Checksum::of(content);
        staged.sync()?;
        staged.publish(checksum)?;
        staged.sync_directory()?;
        Ok(Summary { length: Some(size), checksum: Some(checksum), ..Summary::default() })
    }

    fn upload(
        &mut self,
        path: &FilePath,
        mode: Mode,
        mut source: Box<dyn Source>,
        on_progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Summary, Failure> {
        let mut state = match self.begin(Some(path)) {
            Err(failure) if self.server.state().lost_receipt == Some(path.as_str()) => {
                self.server.state().files.insert(path.as_str().to_owned(), Vec::new());
                return Err(failure);
            }
            begun => begun?,
        };
        if let Some(refused) = state.refused_dots.as_mut().filter(|_| path.is_hidden()) {
            refused.push(path.as_str().to_owned());
            return Err(refusal(ErrorCode::NotFound));
        }
        if mode == Mode::Create && state.files.contains_key(path.as_str()) {
            return Err(refusal(ErrorCode::Exists));
        }
        drop(state);
        let mut content = Vec::new();
        loop {
            let piece = source.read(content.len() as u64, 5)?;
            if piece.is_empty() {
                break;
            }
            content.extend_from_slice(&piece);
            let progress = Progress { bytes: content.len() as u64, total: source.opened().size };
            if on_progress(progress).is_break() {
                return Err(Failure::Cancelled);
            }
            self.is_lost(content.len() as u64)?;
        }
        let checksum = Checksum::of(&content);
        source.finish(0, content.len() as u64, checksum)?;
        let size = content.len() as u64;
        if let Some(mirror) = &self.server.state().mirror {
            let file = mirror.join(path.as_str());
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, &content).unwrap();
        }
        self.server.state().files.insert(path.as_str().to_owned(), content);
        Ok(Summary { size: Some(size), checksum: Some(checksum), ..Summary::default() })
    }
}

/// How a command line is run.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) stdin: &'static str,
    /// Whether a person looks at stdout and stderr.
    pub(crate) terminal: bool,
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
            Some(&("serve" | "completions" | "man")) | None => &[],
            _ if line.iter().any(|word| *word == "--server" || word.contains("://")) => &[],
            _ => &["--server", "haul://test"],
        };
        let args = ["haul-test"].iter().chain(server).chain(line).map(OsString::from);
        let stdout =
            Sink { room: self.stdout_closes_after, fills: self.stdout_fills, ..Sink::default() };
        let stderr = Sink::default();
        let console = Console {
            stdin: Input::new(Typed { text: Cursor::new(self.stdin), fake: fake.clone() }, false),
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
