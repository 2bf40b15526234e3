//! A client and a server in one thread, joined by two byte buffers: no sockets, no clock, no file system.
//!
//! ```text
//! cargo run -p haul-core --example buffers
//! ```
//!
//! See [`Side::step`]: it is all that a transport has to do, for either side, and here it never waits. If a step is not
//! possible now, it does nothing, and since nothing was reported the next poll requests it again. [`Files::perform`] is
//! the other half: the same effects serve a server's shared files and a client's own.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haul_core::client::{Client, ClientConfig, ClientEvent, Request};
use haul_core::server::Server;
use haul_core::{
    Depth, Done, Effect, Entry, FilePath, Handle, Machine, Misuse, Mode, Opened, Output,
    StoreError, StoreErrorKind, Timestamp, Wait,
};

/// Bytes on their way to one side, and whether more will come. The pipe is narrow, so that writes are partial.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: bool,
}

impl Pipe {
    const ROOM: usize = 100;

    fn write(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(Self::ROOM - self.bytes.len());
        self.bytes.extend(&bytes[..count]);
        count
    }
}

/// A machine with its files.
struct Side<M> {
    machine: M,
    files: Files,
    input: Pipe,
}

impl<M: Machine> Side<M> {
    fn new(machine: M, files: Files) -> Self {
        Self { machine, files, input: Pipe::default() }
    }

    /// Carries out the machine's output, if that is possible without waiting. Returns whether it was.
    fn step(
        &mut self,
        output: &mut Pipe,
        now: Duration,
        mut on_event: impl FnMut(&M::Event),
    ) -> Result<bool, Misuse> {
        let Self { machine, files, input } = self;
        match machine.poll(now) {
            Output::Read(wait) if input.bytes.is_empty() && !input.closed => match wait {
                Wait::UntilDeadline => return Ok(false),
                Wait::Never => machine.would_block()?,
            },
            Output::Read(_) => {
                let count = input.bytes.read(machine.read_space()).unwrap_or_default();
                machine.received(count)?;
            }
            Output::Write(segments) => match output.write(segments.first()) {
                0 => return Ok(false),
                count => machine.sent(count)?,
            },
            Output::Perform(effect) => {
                let outcome = files.perform(effect);
                machine.performed(outcome)?;
            }
            Output::Event(event) => {
                on_event(event);
                machine.acknowledge()?;
            }
            Output::CloseWrite => {
                output.closed = true;
                machine.write_closed()?;
            }
            Output::Receive { .. } | Output::Send { .. } => {
                unreachable!("pass-through is off, and these files hold no bytes")
            }
            Output::Closed => return Ok(false),
        }
        Ok(true)
    }
}

/// Lets both sides step in turn until neither can continue. Returns the events of the client.
fn run(client: &mut Side<Client>, server: &mut Side<Server>) -> Result<Vec<ClientEvent>, Misuse> {
    // Both only need time that does not go back; here it never has to pass.
    let now = Duration::ZERO;
    let mut told = Vec::new();
    loop {
        let client_moved = client.step(&mut server.input, now, |event| told.push(event.clone()))?;
        let server_moved = server.step(&mut client.input, now, |event| println!("  {event:?}"))?;
        if !client_moved && !server_moved {
            return Ok(told);
        }
    }
}

/// Bytes by name, and what one session has open of them. Dropping an open file discards it.
#[derive(Default)]
struct Files {
    named: BTreeMap<FilePath, Bytes>,
    open: BTreeMap<Handle, Open>,
}

enum Open {
    Listing(Vec<Entry>),
    Source(Bytes),
    Staged(FilePath, Vec<u8>),
    Published,
}

impl Files {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        let modified = Timestamp::EPOCH;
        match effect {
            // These names have no directories, so there is only one thing to list.
            Effect::List { handle, .. } => {
                let entry = |(path, content): (&FilePath, &Bytes)| Entry::File {
                    path: path.clone(),
                    size: content.len() as u64,
                    modified,
                    executable: false,
                };
                let entries = self.named.iter().map(entry).collect();
                self.open.insert(*handle, Open::Listing(entries));
                Ok(Done::Started)
            }
            Effect::NextEntries { handle, max } => {
                let Some(Open::Listing(left)) = self.open.get_mut(handle) else { return misfit() };
                let rest = left.split_off(left.len().min(*max));
                let entries = std::mem::replace(left, rest);
                if entries.is_empty() {
                    self.open.remove(handle);
                }
                Ok(Done::Entries { entries, skipped: 0 })
            }
            Effect::Open { handle, path, .. } => {
                let missing = || StoreError::new(StoreErrorKind::NotFound, "no such file");
                let content = self.named.get(path).cloned().ok_or_else(missing)?;
                let size = Some(content.len() as u64);
                let opened = Opened { size, modified: Some(modified), ..Opened::default() };
                self.open.insert(*handle, Open::Source(content));
                Ok(Done::Opened(opened))
            }
            Effect::Read { handle, length, .. } => {
                let Some(Open::Source(left)) = self.open.get_mut(handle) else { return misfit() };
                Ok(Done::Read(left.split_to(left.len().min(*length))))
            }
            Effect::FinishReading { handle, .. } => self.close(*handle, Done::Finished),
            // There is room for one; a server commits it before it starts the next.
            Effect::Create { .. } if !self.open.is_empty() => Ok(Done::Full),
            // Nobody else stores anything meanwhile, so the decision is valid until publication.
            Effect::Create { file, .. }
                if file.mode == Mode::Create && self.named.contains_key(&file.path) =>
            {
                Err(StoreError::new(StoreErrorKind::Exists, "it is there"))
            }
            Effect::Create { handle, file, .. } => {
                self.open.insert(*handle, Open::Staged(file.path.clone(), Vec::new()));
                Ok(Done::Started)
            }
            Effect::Write { handle, data, .. } => {
                let Some(Open::Staged(_, content)) = self.open.get_mut(handle) else {
                    return misfit();
                };
                content.extend_from_slice(data);
                Ok(Done::Written)
            }
            Effect::Publish { handle, .. } => {
                let Some(Open::Staged(path, content)) = self.open.remove(handle) else {
                    return misfit();
                };
                self.named.insert(path, content.into());
                self.open.insert(*handle, Open::Published);
                Ok(Done::Published { version: None })
            }
            // Memory needs no sync.
            Effect::Sync { .. } => Ok(Done::Synced),
            Effect::SyncDirectories { handles } => {
                self.open.retain(|handle, _| !handles.contains(handle));
                Ok(Done::Synced)
            }
            Effect::Close { handle } => self.close(*handle, Done::Closed),
            Effect::Discard { handle } => self.close(*handle, Done::Discarded),
            Effect::Copy { .. }
            | Effect::Delete { .. }
            | Effect::MakeDirectory { .. }
            | Effect::Move { .. }
            | Effect::Identify { .. }
            | Effect::WhoAmI { .. } => {
                Err(StoreError::new(StoreErrorKind::NotSupported, "files are only stored here"))
            }
            // Pass-through is off.
            Effect::PrepareSend { .. } | Effect::WriteReceived { .. } => misfit(),
        }
    }

    fn close(&mut self, handle: Handle, done: Done) -> Result<Done, StoreError> {
        if self.open.remove(&handle).is_some() { Ok(done) } else { misfit() }
    }
}

fn misfit() -> Result<Done, StoreError> {
    Err(StoreError::new(StoreErrorKind::Io, "nothing of this kind is open"))
}

/// Uploads `content`, lists the server's files and downloads it. Returns the events of the client and the downloaded
/// content.
fn round_trip(content: Bytes) -> Result<(Vec<ClientEvent>, Option<Bytes>), Box<dyn Error>> {
    let path = FilePath::parse("notes.txt")?;
    let own = Files { named: BTreeMap::from([(path.clone(), content)]), open: BTreeMap::new() };
    let mut client = Side::new(Client::new(ClientConfig::default()), own);
    let mut server = Side::new(Server::new(Arc::default()), Files::default());

    let upload = Request::Upload { path: path.clone(), mode: Mode::Create, if_match: None };
    client.machine.request(upload);
    let mut told = run(&mut client, &mut server)?;

    // From here on the content can only come from the server.
    client.files.named.clear();
    client.machine.request(Request::List { path: None, depth: Depth::ONE, omitted: false });
    let download = Request::Download {
        path: path.clone(),
        offset: 0,
        length: None,
        mode: Mode::Create,
        if_match: None,
    };
    client.machine.request(download);
    client.machine.request(Request::Exit);
    told.extend(run(&mut client, &mut server)?);
    Ok((told, client.files.named.remove(&path)))
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("The server tells:");
    let (told, content) = round_trip(Bytes::from_static(b"hello world\n"))?;
    println!("The client tells:");
    for event in told {
        println!("  {event:?}");
    }
    println!("It has: {content:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_comes_back() {
        for length in [0, 1, 100_000, 1_000_000] {
            let content: Bytes = (0..=u8::MAX).cycle().take(length).collect();
            let (told, back) = round_trip(content.clone()).unwrap();
            assert_eq!(back, Some(content));
            let finished = told.iter().filter_map(|event| match event {
                ClientEvent::Finished { result, .. } => Some(result.is_ok()),
                _ => None,
            });
            assert_eq!(finished.collect::<Vec<_>>(), [true; 4]);
            let listed = told.iter().any(|event| {
                matches!(event, ClientEvent::Entry { entry: Entry::File { size, .. }, .. } if *size == length as u64)
            });
            assert!(listed);
        }
    }
}
