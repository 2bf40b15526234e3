//! Connections that end or are reset at each byte.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::path::Path;

use super::counts::Counts;
use super::rig::{Ask, Rig, Transfer};
use super::wire::Side;
use crate::proxy::Fault;

/// A connection ends or is reset at some bytes of a short upload or download, in either direction: the file is the old
/// or the new one as a whole, and what the client reports is true.
pub fn cut_connections_leave_nothing(program: &Path) {
    let counts = cuts(program, 7).unwrap();
    eprintln!("{counts}");
}

/// Cuts a short upload and a short download at every byte whose number is a multiple of `step`, and at the last bytes
/// of each direction.
pub fn cuts(program: &Path, step: usize) -> Result<Counts, String> {
    let rig = Rig::new(program);
    let mut counts = Counts::default();
    for ask in [Ask::Put, Ask::Get] {
        let transfer = rig.transfer(ask, 40);
        for side in [Side::Up, Side::Down] {
            let wire = transfer.wire(side);
            let (needed, all) = (wire.needed(), wire.bytes.len());
            let last = [needed - 1, needed, all].into_iter();
            for at in (0..=all).step_by(step).chain(last) {
                for fault in [Fault::End, Fault::Reset] {
                    let told = |reason| format!("{ask:?}, {fault:?} {side:?} after {at}: {reason}");
                    let kind = cut(&rig, &transfer, side, fault, at).map_err(told)?;
                    counts.count(format!("{ask:?} {side:?} {fault:?}: {kind}"));
                }
            }
        }
    }
    rig.finish()?;
    Ok(counts)
}

/// Cuts one transfer. Returns how it ended.
pub(super) fn cut(
    rig: &Rig,
    transfer: &Transfer,
    side: Side,
    fault: Fault,
    at: usize,
) -> Result<&'static str, String> {
    let way = fault.at(at as u64);
    let outcome = rig.attempt(transfer, side.plan(way), |_| {})?;
    let needed = transfer.wire(side).needed();
    match (outcome.is_done(), outcome.arrived) {
        _ if outcome.misdirected => Err(String::from("a name that nobody gave")),
        (true, true) if at >= needed => Ok("done, and cut after all that matters"),
        (true, _) => Err(String::from("the client believes that it is done")),
        // A server may publish a complete file though its reply does not arrive.
        (false, true) if side == Side::Up && at < needed => Err(String::from("published in part")),
        (false, true) => Ok("failed, though published"),
        (false, false) => Ok("failed, nothing published"),
    }
}
