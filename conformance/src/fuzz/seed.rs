//! The first bytes of a fuzzer's input: how a machine is driven.

use std::time::Duration;

use haul_core::{Limits, StoreErrorKind};

use crate::lab::{Change, End, Faults, Hold, Solo};

/// Bytes that decide about the run.
///
/// | bytes | decide |
/// | --- | --- |
/// | 0 to 3 | the [sizes](crate::lab::Choices) of reads and writes, over and over |
/// | 4 | how the peer ends, and how fast it is |
/// | 5 | limits, durability, and pass-through |
/// | 6, 7 | which effect fails, and how |
/// | 8 | how files are read: held, in short pieces, changing |
/// | 9 | when the application interferes: a server drains, a client cancels |
/// | 10, 11 | what a client is asked for |
#[derive(Debug, Clone, Copy)]
pub struct Seed([u8; Self::LENGTH]);

impl Seed {
    /// How many bytes a seed has.
    pub const LENGTH: usize = 12;

    /// Takes the seed off the front of a fuzzer's bytes; `None` if they are too few.
    pub fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        bytes.split_first_chunk().map(|(seed, rest)| (Self(*seed), rest))
    }

    /// A run against a peer that sends `input`.
    pub(super) fn solo<'a>(&'a self, input: &'a [u8]) -> Solo<'a> {
        const SECONDS: [u64; 5] = [0, 0, 0, 1, 45];
        let [.., pace, taking, _, _, _] = bits(self.0[4]);
        let slow = |slow: bool| {
            if slow { Duration::from_secs(pick(self.0[4] >> 2, &SECONDS)) } else { Duration::ZERO }
        };
        Solo {
            end: pick(self.0[4], &[End::HangUp, End::HangUp, End::Silence, End::Broken]),
            choices: &self.0[..4],
            pace: slow(pace),
            taking: slow(taking),
            ..Solo::new(input)
        }
    }

    pub(super) fn limits(&self) -> Limits {
        let [small_chunk, small_data, small_files, small_lists, impatient, ..] = bits(self.0[5]);
        let all = Limits::default();
        Limits {
            chunk: if small_chunk { 100 } else { all.chunk },
            max_data: if small_data { 1_000 } else { all.max_data },
            max_file_size: small_files.then_some(2_000),
            list_batch: if small_lists { 1 } else { all.list_batch },
            max_discard: if impatient { 500 } else { all.max_discard },
            max_linger: if impatient { 500 } else { all.max_linger },
            ..all
        }
    }

    pub(super) fn durable(&self) -> bool {
        self.0[5] & 0x20 == 0
    }

    pub(super) fn pass_through(&self) -> bool {
        self.0[5] & 0x40 != 0
    }

    /// Whether the machine is [probed](crate::lab::Probed) at every step.
    pub(super) fn probes(&self) -> bool {
        self.0[5] & 0x80 != 0
    }

    pub(super) fn faults(&self) -> Faults {
        const KINDS: [StoreErrorKind; 10] = [
            StoreErrorKind::NotFound,
            StoreErrorKind::Exists,
            StoreErrorKind::IsDirectory,
            StoreErrorKind::NotAFile,
            StoreErrorKind::Denied,
            StoreErrorKind::BadName,
            StoreErrorKind::TooLarge,
            StoreErrorKind::NoSpace,
            StoreErrorKind::Changed,
            StoreErrorKind::Io,
        ];
        let [short, unknown_size, skips, ..] = bits(self.0[8] >> 4);
        let change = pick(self.0[8] >> 2, &[None, None, Some(Change::Cut), Some(Change::Replaced)]);
        Faults {
            fail: self.0[6].checked_sub(1).map(|at| (usize::from(at), pick(self.0[7], &KINDS))),
            short_reads: short.then_some(7),
            hold: pick(
                self.0[8],
                &[None, None, Some(Hold::WithChecksum), Some(Hold::WithoutChecksum)],
            ),
            change: change.map(|change| (5, change)),
            unknown_size,
            skipped: u64::from(skips),
        }
    }

    /// Before which step the application interferes.
    pub(super) fn interferes_at(&self) -> Option<usize> {
        self.0[9].checked_sub(1).map(usize::from)
    }

    /// A number for what a client is asked for, and which of it is cancelled.
    pub(super) fn requests(&self) -> [u8; 2] {
        [self.0[10], self.0[11]]
    }

    /// Whether nothing is decided but how bytes are cut.
    pub(super) fn only_cuts(&self) -> bool {
        let [.., end, _, _, fault, _, reading, interferes, _, _] = self.0;
        [end, fault, reading, interferes] == [0; 4]
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
