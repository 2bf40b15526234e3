//! Bits that flip, and bytes that are missing.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::path::Path;

use haul_harness::Random;

use super::counts::Counts;
use super::cuts::cut;
use super::rig::{Ask, Outcome, Rig, Transfer};
use super::wire::{Part, Side};
use crate::proxy::Fault;

/// Transfers at once. They mostly wait.
const WORKERS: u64 = 6;
/// The sizes of the files. The first three take at most one chunk, the last takes two.
const SIZES: [usize; 4] = [0, 40, 3_000, 300_000];

/// A bit flips, or the rest is missing, in either direction of uploads and downloads. A client that reports success is
/// right.
pub fn flipped_bits_and_truncations_are_detected(program: &Path) {
    let counts = flips(program, 120, 4285).unwrap();
    eprintln!("{counts}");
}

/// Runs `count` transfers, each with one flipped bit or one missing end.
pub fn flips(program: &Path, count: u64, seed: u64) -> Result<Counts, String> {
    let worker = |worker: u64| -> Result<Counts, String> {
        let rig = Rig::new(program);
        let transfers: Vec<Transfer> = [Ask::Put, Ask::Get]
            .into_iter()
            .flat_map(|ask| SIZES.map(|size| (ask, size)))
            .map(|(ask, size)| rig.transfer(ask, size))
            .collect();
        let mut counts = Counts::default();
        for number in (worker..count).step_by(usize::try_from(WORKERS).unwrap_or(1)) {
            let mut random = Random::new(seed.wrapping_add(number));
            let transfer = &transfers[random.below(transfers.len())];
            trial(&rig, transfer, &mut random, &mut counts)
                .map_err(|reason| format!("seed {seed}, number {number}: {reason}"))?;
        }
        rig.finish()?;
        Ok(counts)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..WORKERS).map(|number| scope.spawn(move || worker(number))).collect();
        let mut all = Counts::default();
        for worker in workers {
            all.add(worker.join().map_err(|_| String::from("a worker panicked"))??);
        }
        Ok(all)
    })
}

fn trial(
    rig: &Rig,
    transfer: &Transfer,
    random: &mut Random,
    counts: &mut Counts,
) -> Result<(), String> {
    let side = random.pick(&[Side::Up, Side::Down]);
    let wire = transfer.wire(side);
    // Chooses a part before the bit, because nearly every byte of a large file is payload.
    let (place, part) = &wire.parts()[random.below(wire.parts().len())];
    let at = random.between(place.start, place.end.max(1) - 1);
    let ask = transfer.ask;
    let (fault, kind) = if random.chance(30) {
        (Fault::End, cut(rig, transfer, side, Fault::End, at).map(String::from))
    } else {
        let bit = u8::try_from(random.below(8)).unwrap_or(0);
        (Fault::Flip(bit), flip(rig, transfer, (side, *part), at, bit))
    };
    let kind = kind.map_err(|reason| {
        format!("{ask:?}, {fault:?} {side:?} at {at}, in the {part:?}: {reason}")
    })?;
    let name = if fault == Fault::End { "end" } else { "flip" };
    counts.count(format!("{ask:?} {side:4?} {name:4} {part:12?}: {kind}"));
    Ok(())
}

/// Flips one bit. Returns how the transfer ended.
fn flip(
    rig: &Rig,
    transfer: &Transfer,
    (side, part): (Side, Part),
    at: usize,
    bit: u8,
) -> Result<String, String> {
    let way = Fault::Flip(bit).at(at as u64);
    let outcome = rig.attempt(transfer, side.plan(way), |_| {})?;
    let Outcome { arrived, misdirected, reset, .. } = outcome;
    let means_the_same = transfer.wire(side).is_case_of_verb(at, bit);
    let covered = matches!(part, Part::Chunk | Part::Payload | Part::Trailer | Part::Receipt);
    if misdirected && (side, part) != (Side::Up, Part::Command) {
        return Err(String::from("a name that nobody gave"));
    }
    if outcome.is_done() {
        return match (arrived, misdirected) {
            (true, false) if covered && !means_the_same => Err(String::from("not detected")),
            (true, false) => Ok(String::from("done, with the right bytes")),
            (false, true) => Ok(String::from("another valid command")),
            _ => Err(String::from("the client believes that it is done")),
        };
    }
    if arrived && side == Side::Up && covered {
        return Err(String::from("published, though damaged"));
    }
    let by = if reset {
        String::from("somebody waits for more")
    } else {
        format!("exit code {}", outcome.ended.status.code().unwrap_or_default())
    };
    Ok(format!("detected, {by}"))
}
