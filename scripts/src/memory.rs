//! The scripts in one thread: the state machine on a directory. A schedule says how bytes move, and the clock advances
//! only when nothing else can happen.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haul_core::server::Server;
use haul_core::{Machine, Misuse, Output, Wait};
use haul_store::{Directory, Identity, Options, Perform, Session};

use crate::player::{Next, Player};
use crate::schedule::{IN_MEMORY, Schedule, Sizes};
use crate::script::Script;
use crate::{Failures, Transcripts};

/// How long transfers may go on after the server was told to stop.
const GRACE: Duration = Duration::from_hours(1);

/// Runs all scripts under all schedules.
///
/// # Panics
/// When the scripts of this crate cannot be parsed.
pub fn check() -> Result<Transcripts, Failures> {
    crate::run_all(IN_MEMORY, |_| true, run)
}

/// The transcripts of these scripts under the first schedule, to compare others with.
pub(crate) fn transcripts(which: fn(&Script) -> bool) -> Result<Transcripts, Failures> {
    crate::run_all(&IN_MEMORY[..1], which, run)
}

fn run(script: &Script, schedule: &Schedule) -> Result<String, String> {
    let place = tempfile::tempdir().map_err(|error| error.to_string())?;
    let share = place.path().join("share");
    std::fs::create_dir(&share)
        .and_then(|()| script.start.create(&share))
        .map_err(|error| format!("cannot make the tree: {error}"))?;
    let mut player = Player::new(script, &share);
    Connection::new(script, &share, schedule)?.play(&mut player)?;
    script.end.compare(&share)?;
    Ok(player.into_transcript())
}

/// One direction of a connection.
struct Pipe {
    bytes: VecDeque<u8>,
    room: usize,
    closed: bool,
}

impl Pipe {
    fn new(room: usize) -> Self {
        Self { bytes: VecDeque::new(), room, closed: false }
    }

    /// Adds as many of the first `bytes` as there is room for, and returns their number.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room - self.bytes.len());
        self.bytes.extend(&bytes[..count]);
        count
    }

    /// Moves as many bytes into `space` as there are, and returns their number.
    fn read(&mut self, space: &mut [u8]) -> usize {
        let count = space.len().min(self.bytes.len());
        for (to, from) in space.iter_mut().zip(self.bytes.drain(..count)) {
            *to = from;
        }
        count
    }
}

struct Connection {
    server: Server,
    session: Session<Directory>,
    now: Duration,
    to_server: Pipe,
    to_client: Pipe,
    client_writes: Sizes,
    client_reads: Sizes,
    server_reads: Sizes,
    server_writes: Sizes,
}

/// The result of one side's turn.
#[derive(PartialEq, Eq)]
enum Turn {
    Moved,
    Waits,
    Over,
}

impl Connection {
    fn new(script: &Script, share: &Path, schedule: &Schedule) -> Result<Self, String> {
        let options = Options { hidden: script.setup.hidden, ..Options::default() };
        let directory = Directory::open(share, options).map_err(|error| error.to_string())?;
        Ok(Self {
            server: Server::with_accounts(
                Arc::new(script.setup.config.clone()),
                None,
                !script.setup.users.is_empty(),
            ),
            session: Session::new(Arc::new(directory), Identity::nobody())
                .identified_by(script.setup.identify()),
            now: Duration::ZERO,
            to_server: Pipe::new(schedule.pipe),
            to_client: Pipe::new(schedule.pipe),
            client_writes: Sizes::new(schedule.client_writes),
            client_reads: Sizes::new(schedule.client_reads),
            server_reads: Sizes::new(schedule.server_reads),
            server_writes: Sizes::new(schedule.server_writes),
        })
    }

    /// Lets both sides take turns. The client reads only when it has nothing to send or cannot send it, so that the
    /// server has to deal with full pipes.
    fn play(&mut self, player: &mut Player<'_>) -> Result<(), String> {
        loop {
            let client = self.client_turn(player)?;
            if client == Turn::Over {
                self.to_server.closed = true;
            }
            match self.server_turn().map_err(|misuse| misuse.to_string())? {
                Turn::Moved => continue,
                Turn::Waits => {}
                Turn::Over if client == Turn::Over => return Ok(()),
                Turn::Over => {
                    self.to_client.closed = true;
                    player.send_failed();
                }
            }
            if client == Turn::Moved || self.deliver(player)? {
                continue;
            }
            // Both sides wait, so time passes.
            self.now =
                self.server.deadline().filter(|_| !self.to_client.closed).ok_or_else(|| {
                    format!("both sides wait for ever; the client for {}", player.waiting_for())
                })?;
        }
    }

    fn client_turn(&mut self, player: &mut Player<'_>) -> Result<Turn, String> {
        match player.next_move()? {
            Next::Send(bytes) => {
                let count = self.client_writes.next(bytes.len());
                let count = self.to_server.write(&bytes[..count]);
                player.sent(count);
                return Ok(if count > 0 { Turn::Moved } else { Turn::Waits });
            }
            Next::CloseSending => self.to_server.closed = true,
            Next::Drain => self.server.shut_down(self.now + GRACE),
            Next::Receive => {
                return Ok(if self.deliver(player)? { Turn::Moved } else { Turn::Waits });
            }
            Next::Done => return Ok(Turn::Over),
        }
        Ok(Turn::Moved)
    }

    /// Passes received bytes to the client. Returns whether there were any.
    fn deliver(&mut self, player: &mut Player<'_>) -> Result<bool, String> {
        let mut space = [0; 4096];
        let most = self.client_reads.next(space.len());
        let count = self.to_client.read(&mut space[..most]);
        player.receive(&space[..count]);
        if count == 0 && self.to_client.closed && player.next_move()? == Next::Receive {
            player.end()?;
            return Ok(true);
        }
        Ok(count > 0)
    }

    fn server_turn(&mut self) -> Result<Turn, Misuse> {
        match self.server.poll(self.now) {
            Output::Read(wait) => {
                let most = self.server_reads.next(usize::MAX);
                let space = self.server.read_space();
                let most = most.min(space.len());
                match self.to_server.read(&mut space[..most]) {
                    0 if self.to_server.closed => self.server.received(0)?,
                    0 if wait == Wait::Never => self.server.would_block()?,
                    0 => return Ok(Turn::Waits),
                    count => self.server.received(count)?,
                }
            }
            Output::Write(segments) => {
                let bytes = segments.first();
                let most = self.server_writes.next(bytes.len());
                match self.to_client.write(&bytes[..most]) {
                    0 => return Ok(Turn::Waits),
                    count => self.server.sent(count)?,
                }
            }
            Output::Perform(effect) => {
                let outcome = self.session.perform(effect);
                self.server.performed(outcome)?;
            }
            Output::Event(_) => self.server.acknowledge()?,
            Output::CloseWrite => {
                self.to_client.closed = true;
                self.server.write_closed()?;
            }
            Output::Receive { .. } | Output::Send { .. } => {
                unreachable!("pass-through is off, and this store holds no bytes")
            }
            Output::Closed => return Ok(Turn::Over),
        }
        Ok(Turn::Moved)
    }
}
