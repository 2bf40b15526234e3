//! The connections of a transfer: how many to use, and how to make those after the first.

use std::cmp;
use std::io;
use std::panic::resume_unwind;
use std::sync::{Mutex, OnceLock};
use std::thread::{self, Builder, ScopedJoinHandle};

use haul_core::client::Failure;
use haul_transport::Event;
use tracing::debug;

use super::job::Step;
use super::queue::{Calls, WorkQueue, lock};
use crate::connect::Connector;
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::transport::{Remote, Transport};

/// The most connections without `--jobs`.
const MOST: usize = 4;
/// The number of files that one connection transfers at the same time. A server reads as many commands ahead. Each
/// further connection needs as many files to be worth its setup.
const FULL: usize = 256;

/// How many connections to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// The number of connections, at least 1.
    connections: usize,
    /// The most files that each connection transfers at the same time, at least 1.
    files_each: usize,
    /// The user chose the number of connections.
    asked_for: bool,
}

impl Plan {
    /// Plans for this number of files, and `jobs` connections if that was given. The process can open this number of
    /// descriptors.
    pub(super) fn new(jobs: Option<u8>, files: usize, descriptors: u64) -> Self {
        let connections = match jobs {
            Some(jobs) => usize::from(jobs).min(files),
            None => (files / FULL).min(MOST),
        };
        let connections = connections.max(1);
        let share = match jobs {
            _ if connections == 1 => usize::MAX,
            // A few large files should not all go over one connection.
            Some(_) => files.div_ceil(2 * connections).min(FULL),
            None => FULL,
        };
        // An upload keeps its file open while it runs or waits.
        let open = usize::try_from(descriptors / 2).unwrap_or(usize::MAX) / connections;
        Self { connections, files_each: cmp::min(share, open).max(1), asked_for: jobs.is_some() }
    }
}

/// A connection, and how its work ended.
type Ended = (Box<dyn Remote>, Result<(), Failure>);

/// Transfers files over `first`, and over further connections as `plan` says.
pub(super) fn run<'a, T: Transport>(
    first: Box<dyn Remote>,
    connector: &Connector<'a, T>,
    plan: Plan,
    queue: &Mutex<WorkQueue<'_, 'a, T>>,
    steps: &Mutex<impl Iterator<Item = Step> + Send>,
) -> Vec<Ended> {
    let further = Further::new(connector, plan, queue);
    let start = || further.start();
    let calls = Calls::new(queue, steps);
    let calls = if plan.asked_for {
        start();
        calls
    } else {
        calls.with_notice(plan.files_each, &start)
    };
    thread::scope(|scope| {
        // The first ends when it finds no more files, or is lost. Connections that are not ready by then are not
        // needed.
        let ending = Ending(&further);
        let further_work = || Some(work(further.connect()?, plan, Calls::new(queue, steps)));
        let mut threads = Vec::new();
        for _ in 1..plan.connections {
            match Builder::new().spawn_scoped(scope, further_work) {
                Ok(thread) => threads.push(thread),
                Err(error) => drop(further.made(Err(no_thread(&error)))),
            }
        }
        let first = work(first, plan, calls);
        drop(ending);
        let further = threads.into_iter().filter_map(joined);
        [first].into_iter().chain(further).collect()
    })
}

fn work<T: Transport>(
    mut remote: Box<dyn Remote>,
    plan: Plan,
    mut calls: Calls<'_, '_, '_, T, impl Iterator<Item = Step>>,
) -> Ended {
    let outcome = remote.run(&mut calls, plan.files_each);
    (remote, outcome)
}

fn no_thread(error: &io::Error) -> Error {
    Error::new(Exit::Local, format!("cannot start a thread: {}", error::plain(error)))
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// The connections after the first. Each has a thread, which waits until the connections are wanted, makes one and
/// transfers files over it.
struct Further<'r, 'd, 'a, T> {
    connector: &'r Connector<'a, T>,
    plan: Plan,
    queue: &'r Mutex<WorkQueue<'d, 'a, T>>,
    /// Whether to make the connections, once that is decided.
    wanted: OnceLock<bool>,
    /// Raised when connections that are not ready are no longer wanted.
    over: Event,
    progress: Mutex<Progress>,
}

/// How many connections are ready.
struct Progress {
    /// The number of connections that are neither ready nor failed.
    pending: usize,
    /// The number of connections that are ready, including the first.
    made: usize,
    /// Why a connection was not made.
    error: Option<Error>,
}

impl<'r, 'd, 'a, T: Transport> Further<'r, 'd, 'a, T> {
    fn new(
        connector: &'r Connector<'a, T>,
        plan: Plan,
        queue: &'r Mutex<WorkQueue<'d, 'a, T>>,
    ) -> Self {
        let progress = Progress { pending: plan.connections - 1, made: 1, error: None };
        Self {
            connector,
            plan,
            queue,
            wanted: OnceLock::new(),
            over: Event::default(),
            progress: Mutex::new(progress),
        }
    }

    /// Starts making the connections.
    fn start(&self) {
        self.wanted.get_or_init(|| true);
    }

    /// Makes no more connections.
    fn end(&self) {
        self.wanted.get_or_init(|| false);
        self.over.raise();
    }

    /// Waits until the connections are wanted, and makes one.
    fn connect(&self) -> Option<Box<dyn Remote>> {
        if *self.wanted.wait() { self.made(self.connector.connect(Some(&self.over))) } else { None }
    }

    /// Counts a connection that was made or not. The last one reports if there are fewer than the user chose.
    fn made(&self, made: Result<Box<dyn Remote>, Error>) -> Option<Box<dyn Remote>> {
        let mut progress = lock(&self.progress);
        progress.pending -= 1;
        let remote = match made {
            Ok(remote) => {
                progress.made += 1;
                Some(remote)
            }
            Err(error) => {
                debug!(%error, "no further connection");
                if error.exit() != Exit::Interrupted {
                    progress.error.get_or_insert(error);
                }
                None
            }
        };
        let Progress { pending, made, error } = &*progress;
        if self.plan.asked_for
            && *pending == 0
            && let Some(error) = error
        {
            let wanted = self.plan.connections;
            let note = format_args!("only {made} of {wanted} connections: {error}");
            lock(self.queue).without_bar(|app| app.note(note));
        }
        remote
    }
}

/// Stops making connections when it is dropped. A panic must do so too, because threads wait for the decision.
struct Ending<'f, 'r, 'd, 'a, T: Transport>(&'f Further<'r, 'd, 'a, T>);

impl<T: Transport> Drop for Ending<'_, '_, '_, '_, T> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u64 = 1 << 20;

    fn plan(jobs: Option<u8>, files: usize) -> (usize, usize) {
        let Plan { connections, files_each, .. } = Plan::new(jobs, files, MANY);
        (connections, files_each)
    }

    #[test]
    fn more_files_make_more_connections_up_to_four() {
        for files in [0, 1, 2, 255, 256, 511] {
            assert_eq!(plan(None, files).0, 1, "{files}");
        }
        for (files, connections) in [(512, 2), (767, 2), (768, 3), (1024, 4), (1_000_000, 4)] {
            assert_eq!(plan(None, files), (connections, 256), "{files}");
        }
    }

    #[test]
    fn the_number_that_was_asked_for_is_kept_unless_there_are_fewer_files() {
        for (jobs, files, connections) in
            [(1, 1 << 20, 1), (4, 3, 3), (4, 4, 4), (64, 64, 64), (9, 1 << 20, 9)]
        {
            assert_eq!(plan(Some(jobs), files).0, connections, "{jobs} for {files}");
        }
    }

    /// A few files with `--jobs` are probably large.
    #[test]
    fn no_connection_takes_more_than_its_share() {
        for (jobs, files, share) in
            [(4, 8, 1), (4, 9, 2), (4, 1000, 125), (4, 10_000, 256), (2, 3, 1)]
        {
            assert_eq!(plan(Some(jobs), files).1, share, "{jobs} for {files}");
        }
    }

    #[test]
    fn half_of_all_descriptors_are_left() {
        let each = |jobs, descriptors| Plan::new(jobs, 10_000, descriptors).files_each;
        assert_eq!([each(None, 1024), each(Some(1), 1024), each(Some(2), 256)], [128, 512, 64]);
        assert_eq!([each(Some(64), 16), each(None, 0)], [1, 1]);
    }
}
