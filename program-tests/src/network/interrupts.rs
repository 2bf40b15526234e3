//! Clients that are interrupted in the middle.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::path::Path;
use std::time::Duration;

use haul_harness::Random;
use rustix::process::Signal;

use super::counts::Counts;
use super::rig::{Ask, Rig, Transfer};
use super::wire::Side;
use crate::proxy::{Fault, Tap, Way};

/// Far longer than a transfer needs to reach any of its bytes.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How soon a person interrupts again.
const SECOND_INTERRUPT: Duration = Duration::from_millis(300);

/// Bytes per second of a slow network.
const SLOW: u64 = 20 << 20;
/// More than the buffers of a connection hold, in bytes: what was sent cannot be cancelled.
const LARGE: usize = 12 << 20;

/// SIGINT or SIGTERM comes at some byte of an upload or a download. The client exits with 128 plus the signal's number,
/// and leaves no partial file. If the network has stopped, it may wait for the server's reply until it is interrupted
/// again.
pub fn an_interrupted_client_leaves_nothing(program: &Path) {
    let counts = interrupts(program, 12, 4285).unwrap();
    eprintln!("{counts}");
}

/// Interrupts `count` transfers, at bytes that the seed decides.
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
        // The network stops there, so that the transfer is not over before the signal comes.
        let at = random.below(transfer.wire(side).needed());
        (Fault::Stall.at(at as u64), at)
    };
    let (mut passed, mut twice) = (false, false);
    let outcome =
        rig.attempt(transfer, side.plan(Way { tap: Some(tap.clone()), ..way }), |client| {
            passed = tap.wait_for(at, TIMEOUT);
            client.signal(signal);
            twice = !client.ends_within(if slow { TIMEOUT } else { SECOND_INTERRUPT });
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
