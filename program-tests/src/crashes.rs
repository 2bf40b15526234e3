//! A server is killed, or its power is cut, while clients upload, move, copy and delete. Afterwards everything that was
//! acknowledged is done, what was not is done or not, and every file is whole.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use haul_harness::Random;
use rustix::process::Signal;

use crate::disk::{Disk, FILE_SYSTEMS, FileSystem};
use crate::history::History;
use crate::ledger::Ledger;
use crate::load::{Connection, Load, TOPS};
use crate::process::{Bench, Serving};
use crate::requirements::or_skip;
use crate::unfinished::unfinished;

/// The seed of the checks. With the same seed they do the same in every run, as far as the kernel lets them.
const SEED: u64 = 4285;
/// How long a server may take to remove the staged files of its predecessor.
const SWEEPING: Duration = Duration::from_mins(1);

/// What a campaign of crashes counted. If one of the numbers is 0, the campaign shows little.
#[derive(Debug, Default, Clone, Copy)]
pub struct Crashes {
    /// Crashes.
    pub cycles: u64,
    /// Uploads that were acknowledged before a crash.
    pub acknowledged: u64,
    /// Uploads that were under way at a crash.
    pub under_way: u64,
    /// The same for uploads, moves, copies, deletions and new directories of clients with names of their own.
    pub changed: u64,
    /// Those of them that were under way at a crash.
    pub changing: u64,
    /// Staged files that a crash left and the next start removed. Where staged files have no names there are hardly
    /// any.
    pub swept: u64,
}

impl fmt::Display for Crashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cycles, acknowledged, under_way, changed, changing, swept } = self;
        write!(
            f,
            "{cycles} crashes: 0 of {acknowledged} acknowledged uploads and 0 of {changed} acknowledged changes lost, 0 files torn; {under_way} uploads and {changing} changes were under way, {swept} staging files swept"
        )
    }
}

/// After a power cut and the next mount, every acknowledged upload is there, on each file system.
pub fn acknowledged_uploads_survive_power_cuts(program: &Path) {
    for system in cuttable() {
        assert_survived(power_cuts(program, system, 6, SEED, &[]));
    }
}

/// Shows that the check above can fail: on each file system, a server that does not sync loses acknowledged uploads.
pub fn a_power_cut_without_syncs_is_seen(program: &Path) {
    for system in cuttable() {
        let seen = power_cuts(program, system, 20, SEED, &["--sync=none"]);
        let seen = seen.expect_err(system.name());
        assert!(seen.contains("lost") || seen.contains("torn"), "{}: {seen}", system.name());
    }
}

/// The same after `kill -9`. The next start also removes the staged files.
pub fn acknowledged_uploads_survive_kills(program: &Path) {
    let crashes = assert_survived(kills(program, 40, SEED));
    assert!(crashes.swept > 0, "nothing was swept: {crashes}");
}

/// Kills the server of `program` `cycles` times, half of them on tmpfs, where staged files have names and so outlive a
/// kill.
pub fn kills(program: &Path, cycles: u64, seed: u64) -> Result<Crashes, String> {
    let mut crashes = Crashes::default();
    let tmpfs = cycles / 2;
    for (bench, cycles) in
        [(Bench::on_tmpfs(program), tmpfs), (Bench::new(program), cycles - tmpfs)]
    {
        let address = Bench::own_address();
        let crashing = Crashing { bench, disk: None, options: &[], address };
        crashing.run(cycles, seed, &mut crashes)?;
    }
    Ok(crashes)
}

/// Cuts the power `cycles` times under the server of `program`, which is started with `options`.
pub fn power_cuts(
    program: &Path,
    system: FileSystem,
    cycles: u64,
    seed: u64,
    options: &[&str],
) -> Result<Crashes, String> {
    let bench = Bench::new(program);
    let disk = Some(Disk::new(system, &bench.share())?);
    let mut crashes = Crashes::default();
    let address = Bench::own_address();
    let crashing = Crashing { disk, bench, options, address };
    let outcome = crashing.run(cycles, seed, &mut crashes);
    outcome.map(|()| crashes).map_err(|reason| format!("{}: {reason}", system.name()))
}

/// The file systems that can be made and mounted here, and have their power cut.
pub(crate) fn cuttable() -> impl Iterator<Item = FileSystem> {
    FILE_SYSTEMS.iter().copied().filter(|&system| system.is_common()).filter(|&system| {
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let disk = Disk::new(system, place.path());
        or_skip(disk.map_err(|reason| format!("no power can be cut here: {reason}"))).is_some()
    })
}

fn assert_survived(outcome: Result<Crashes, String>) -> Crashes {
    let crashes = outcome.unwrap();
    eprintln!("{crashes}");
    let Crashes { acknowledged, under_way, changed, changing, .. } = crashes;
    let counts = [acknowledged, under_way, changed, changing];
    assert!(counts.iter().all(|count| *count > 0), "the server was idle: {crashes}");
    crashes
}

struct Crashing<'a> {
    /// Dropped first, because it is mounted inside the directory of the bench.
    disk: Option<Disk>,
    bench: Bench,
    options: &'a [&'a str],
    address: String,
}

impl Crashing<'_> {
    fn run(mut self, cycles: u64, seed: u64, crashes: &mut Crashes) -> Result<(), String> {
        let history = History::default();
        let ledgers = [0, 1].map(Ledger::new);
        let mut random = Random::new(seed);
        for cycle in 1..=cycles {
            self.cycle((&history, &ledgers), &mut random, crashes)
                .map_err(|reason| format!("seed {seed}, cycle {cycle}: {reason}"))?;
        }
        self.start(&history, crashes)
            .map_err(|reason| format!("seed {seed}, at the end: {reason}"))?;
        Ok(())
    }

    fn cycle(
        &mut self,
        (history, ledgers): (&History, &[Ledger; 2]),
        random: &mut Random,
        crashes: &mut Crashes,
    ) -> Result<(), String> {
        let share = self.bench.share();
        // Its directories are created again.
        let top = random.pick(&TOPS);
        history.remove(&share, top).map_err(|error| error.to_string())?;
        if let Some(disk) = &self.disk {
            disk.flush();
        }
        let mut server = self.start(history, crashes)?;
        let load = Load {
            bench: &self.bench,
            server: server.address(),
            history,
            crashing: AtomicBool::new(false),
            power_is_off: AtomicBool::new(false),
        };
        let seeds = [(); 5].map(|()| random.next_u64());
        let mut within = |most| Duration::from_micros(random.below(most) as u64);
        let (moment, rest) = (within(20_000), within(10_000));
        let enough = history.acknowledged() + random.below(40) as u64;
        std::thread::scope(|scope| {
            let clients = [
                scope.spawn(|| load.pipeline(0, seeds[0])),
                scope.spawn(|| load.pipeline(1, seeds[1])),
                scope.spawn(|| load.put(2, seeds[2])),
                scope.spawn(|| load.change(&ledgers[0], seeds[3])),
                scope.spawn(|| load.change(&ledgers[1], seeds[4])),
            ];
            history.wait_for_acknowledged(enough);
            std::thread::sleep(moment);
            load.crashing.store(true, Ordering::SeqCst);
            if let Some(disk) = &self.disk {
                load.power_is_off.store(true, Ordering::SeqCst);
                disk.cut_power();
                // The server keeps running on a disk that fails.
                std::thread::sleep(rest);
            }
            server.signal(Signal::KILL);
            server.ended();
            clients
                .into_iter()
                .try_for_each(|client| client.join().expect("a client does not panic"))
        })?;
        let repaired = match &mut self.disk {
            Some(disk) => disk.restart(random)?,
            None => String::new(),
        };
        let found = history.compare(&share).map_err(|reason| format!("{reason}\n{repaired}"))?;
        history.close();
        let has_journal = self.disk.as_ref().is_none_or(Disk::has_journal);
        for ledger in ledgers {
            let found = ledger
                .compare(&share, has_journal)
                .map_err(|reason| format!("{reason}\n{repaired}"))?;
            crashes.changed += found.confirmed;
            crashes.changing += found.under_way;
        }
        crashes.cycles += 1;
        crashes.acknowledged += found.acknowledged;
        crashes.under_way += found.unknown;
        Ok(())
    }

    /// Starts a server. It removes staged files, and takes an upload.
    fn start(&self, history: &History, crashes: &mut Crashes) -> Result<Serving, String> {
        let staged = || unfinished(&self.bench.share()).len();
        crashes.swept += staged() as u64;
        let server = self.bench.serve_at(&self.address, &[], self.options);
        // It removes them in the background.
        let within = Instant::now() + SWEEPING;
        while staged() > 0 {
            if Instant::now() > within {
                return Err(String::from("what the crash left was not swept"));
            }
            thread::yield_now();
        }
        let probe = [history.send("probe".into(), 1_000, false)];
        let receipt = Connection::open(server.address())
            .and_then(|mut connection| {
                connection.send(&probe)?;
                connection.receipt()
            })
            .map_err(|error| format!("an upload after the start: {error}"))?;
        if !receipt.starts_with("OK ") {
            return Err(format!("an upload after the start was answered {receipt:?}"));
        }
        history.acknowledge(&probe[0]);
        Ok(server)
    }
}
