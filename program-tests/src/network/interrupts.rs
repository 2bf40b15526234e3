//! Clients that are told to end in the middle.

// That is what a check is for.
#![allow(clippy::missing_panics_doc)]

use std::path::Path;
use std::time::Duration;

use haul_harness::Random;
use rustix::process::Signal;

use super::flips::Counts;
use super::rig::{Ask, Rig, Transfer};
use super::wire::Side;
use crate::proxy::{Fault, Tap, Way};

/// Far longer than a transfer needs to get to any of its bytes.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon a person says it again.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// Bytes per second of a slow network.
const SLOW: u64 = 20 << 20;
/// More than the buffers of a connection hold: what is all sent cannot be called back.
const LARGE: usize = 12 << 20;

/// SIGINT or SIGTERM comes at some byte of an upload or a download: the client ends with code 128 + its number, and nothing is left that is not whole. On a network that has stopped it may
/// wait for the server's word, until it is told again.
pub fn an_interrupted_client_leaves_nothing(program: &Path) {
    let counts = interrupts(program, 12, 4285).unwrap();
    eprintln!("{counts}");
}

/// Interrupts so many transfers, at bytes that the seed decides.
pub fn interrupts(program: &Path, count: u64, seed: u64) -> Result<Counts, String> {
    let rig = Rig::new(program);
    let transfers = |size| [rig.transfer(Ask::Put, size), rig.transfer(Ask::Get, size)];
    let (small, large) = (transfers(300_000), transfers(LARGE));
    let mut random = Random::new(seed);
    let mut counts = Counts::default();
    for number in 0..count {
        let slow = random.one_in(2);
        let transfer = if slow { &large[random.below(2)] } else { &small[random.below(2)] };
        let signal = random.pick(&[Signal::INT, Signal::TERM]);
        let kind = interrupt(&rig, transfer, signal, slow, &mut random)
            .map_err(|reason| format!("seed {seed}, number {number}: {reason}"))?;
        counts.count(kind);
    }
    rig.finish()?;
    Ok(counts)
}

fn interrupt(
    rig: &Rig,
    transfer: &Transfer,
    signal: Signal,
    slow: bool,
    random: &mut Random,
) -> Result<String, String> {
    let ask = transfer.ask;
    let side = if ask == Ask::Put { Side::Up } else { Side::Down };
    let tap = Tap::default();
    let (way, at) = if slow {
        (Way { rate: Some(SLOW), ..Way::default() }, random.below(LARGE / 8))
    } else {
        // It stops there, so that the transfer is not over before the signal comes.
        let at = random.below(transfer.wire(side).needed());
        (Fault::Stall.at(at as u64), at)
    };
    let (mut passed, mut twice) = (false, false);
    let outcome =
        rig.attempt(transfer, side.plan(Way { tap: Some(tap.clone()), ..way }), |client| {
            passed = tap.wait_for(at, PATIENCE);
            client.signal(signal);
            twice = !client.ends_within(if slow { PATIENCE } else { IMPATIENCE });
            if twice {
                client.signal(signal);
            }
        })?;
    let code = outcome.ended.status.code();
    let network = if slow { "a slow network" } else { "a stalled network" };
    let told = if twice { "when told again" } else { "at once" };
    if passed && code == Some(128 + signal.as_raw()) && !(slow && twice) {
        Ok(format!("{ask:?}, {network}: ended {told}"))
    } else {
        let said = outcome.ended.stderr;
        Err(format!("{ask:?}, {signal:?} after {at} bytes, {network}: {told} {code:?} {said}"))
    }
}
