//! The first bytes of a fuzzer's input: how a machine is driven.

use std::time::Duration;

use haul_core::{Limits, StoreErrorKind};
use haul_harness::{Change, End, Faults, PassThrough, Single};

/// Twelve bytes that decide a run, in the order of the fields. If all but the first four are zero, nothing goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// The [sizes](haul_harness::Choices) of reads and writes, used again and again.
    cuts: [u8; 4],
    /// How the peer ends, and how slow it is.
    peer: u8,
    /// Limits, durability, pass-through.
    config: u8,
    /// Which effect fails, from 1.
    failing: u8,
    /// How it fails, and whether the machine's contract is checked.
    failure: u8,
    /// How files are read: held, in short pieces, changing.
    files: u8,
    /// The step before which the application interferes, from 1: it shuts a server down, or cancels a client's request.
    interference: u8,
    /// The requests of a client.
    pub(super) requests: u8,
    /// The request that is cancelled.
    pub(super) cancelled: u8,
}

impl Seed {
    /// Splits the seed off a fuzzer's bytes; `None` if there are too few.
    pub fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (seed, rest) = bytes.split_first_chunk::<12>()?;
        let [a, b, c, d, peer, config, failing, failure, files, interference, requests, cancelled] =
            *seed;
        let cuts = [a, b, c, d];
        Some((
            Self { cuts, peer, config, failing, failure, files, interference, requests, cancelled },
            rest,
        ))
    }

    /// A run against a peer that sends `input`.
    pub(super) fn single<'a>(&'a self, input: &'a [u8]) -> Single<'a> {
        let [_, _, slow_to_send, slow_to_take, _, very_slow, ..] = bits(self.peer);
        let step = Duration::from_secs(if very_slow { 45 } else { 1 });
        let time = |slow: bool| if slow { step } else { Duration::ZERO };
        Single {
            end: pick(self.peer, &[End::HangUp, End::HangUp, End::Silence, End::Broken]),
            choices: &self.cuts,
            pace: time(slow_to_send),
            taking: time(slow_to_take),
            ..Single::new(input)
        }
    }

    /// Whether a server sends a line only when a client waits for one. Otherwise it sends all at once, asked or not.
    pub(super) fn waits_to_be_asked(self) -> bool {
        self.peer & 0x40 == 0
    }

    pub(super) fn limits(self) -> Limits {
        let [small_chunk, small_data, small_files, small_lists, impatient, _, _, small_batch] =
            bits(self.config);
        let all = Limits::default();
        Limits {
            // Large enough that pieces are written as they come. Larger chunks would only take time.
            chunk: if small_chunk { 100 } else { 2 * Limits::GATHER },
            max_data: if small_data { 1_000 } else { all.max_data },
            max_file_size: small_files.then_some(2_000),
            commit_batch: if small_batch { 2 } else { all.commit_batch },
            list_batch: if small_lists { 1 } else { all.list_batch },
            max_discard: if impatient { 500 } else { all.max_discard },
            max_linger: if impatient { 500 } else { all.max_linger },
            ..all
        }
    }

    pub(super) fn durable(self) -> bool {
        self.config & 0x20 == 0
    }

    pub(super) fn pass_through(self) -> bool {
        self.config & 0x40 != 0
    }

    /// Whether the machine's [contract](haul_harness::ContractChecker) is checked at every step, which takes time.
    pub(super) fn checks_contract(self) -> bool {
        self.failure >= 0xe0
    }

    pub(super) fn faults(self) -> Faults {
        let failing = self.failing.checked_sub(1).map(usize::from);
        let pass_through =
            [None, None, Some(PassThrough::WithChecksum), Some(PassThrough::WithoutChecksum)];
        let change = [None, None, Some(Change::Cut), Some(Change::Replaced)];
        let [_, _, _, _, short, unknown_size, skips, little_room] = bits(self.files);
        Faults {
            fail: failing.map(|at| (at, pick(self.failure, StoreErrorKind::ALL))),
            short_reads: short.then_some(7),
            pass_through: pick(self.files, &pass_through),
            change: pick(self.files >> 2, &change).map(|change| (5, change)),
            unknown_size,
            room: usize::from(little_room),
            skipped: u64::from(skips),
        }
    }

    pub(super) fn cuts(&self) -> &[u8] {
        &self.cuts
    }

    /// The numbers of bytes up and down after which the connection of two machines breaks.
    pub(super) fn breaks(self) -> (Option<u64>, Option<u64>) {
        let after = |breaks: bool| breaks.then_some(u64::from(self.requests) * 37);
        let [_, _, _, _, _, _, up, down] = bits(self.peer);
        (after(up), after(down))
    }

    /// Whether the application interferes before this step.
    pub(super) fn interferes_at(self, step: usize) -> bool {
        self.interference != 0 && usize::from(self.interference) == step
    }

    /// Whether the seed decides nothing but limits and cuts.
    pub(super) fn only_cuts(self) -> bool {
        [self.peer, self.failing, self.files, self.interference] == [0; 4]
    }
}

/// One of these.
pub(super) fn pick<T: Copy>(byte: u8, from: &[T]) -> T {
    from[usize::from(byte) % from.len()]
}

/// The bits of a byte, the lowest first.
fn bits(byte: u8) -> [bool; 8] {
    std::array::from_fn(|bit| byte >> bit & 1 == 1)
}
