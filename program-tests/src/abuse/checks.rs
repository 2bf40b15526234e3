//! All attacks: small ones as checks, and large ones for a campaign.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::report::Report;
use super::size::Size;
use super::{abandoned, crowded, listing, memory, refused, slow, threads, tiny_chunks, unread};

/// Descriptors for the attackers of the largest attack.
const DESCRIPTORS: u64 = 16 << 10;

type Attack = fn(&Path, Size) -> Option<Report>;

const ATTACKS: &[Attack] = &[
    |program, size| Some(unread::pipelining_without_reading(program, size)),
    |program, size| Some(tiny_chunks::tiny_chunks(program, size)),
    |program, size| Some(refused::refused_while_sending(program, size)),
    |program, size| Some(unread::stalled_readers(program, size)),
    |program, size| Some(slow::dripping_clients(program, size)),
    crowded::out_of_descriptors,
    |program, size| Some(crowded::flood_of_connections(program, size)),
    threads::no_threads,
    memory::transfers_in_little_memory,
    |program, size| Some(abandoned::abandoned_uploads(program, size)),
    |program, size| Some(listing::long_listing(program, size)),
];

/// Attacks `program` in all ways, one after another, at `percent` of the full size, and reports each. Returns whether
/// there was no violation.
pub fn abuse(program: &Path, percent: usize, mut tell: impl FnMut(&Report)) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let enough = Some(limit.maximum.unwrap_or(DESCRIPTORS).max(DESCRIPTORS));
    // Servers inherit the limit. If it cannot be raised, the attack that lacks a descriptor says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: enough, maximum: enough });
    let mut held = true;
    for attack in ATTACKS {
        match catch_unwind(AssertUnwindSafe(|| attack(program, Size::Percent(percent)))) {
            Ok(Some(report)) => {
                held &= report.violations.is_empty();
                tell(&report);
            }
            Ok(None) => {}
            // The message of its panic is on stderr.
            Err(_) => held = false,
        }
    }
    held
}

/// Clients pipeline commands and read no replies: the server stops reading from them, and cuts them off.
pub fn commands_whose_replies_are_not_read_are_bounded(program: &Path) {
    unread::pipelining_without_reading(program, Size::Quick).assert_held();
}

/// The readers of downloads of 1 GiB stall: the server uses little memory, and cuts them off.
pub fn downloads_that_are_not_read_are_bounded(program: &Path) {
    unread::stalled_readers(program, Size::Quick).assert_held();
}

/// An upload in chunks of one byte is stored whole.
pub fn chunks_of_one_byte_are_taken(program: &Path) {
    tiny_chunks::tiny_chunks(program, Size::Quick).assert_held();
}

/// A client that is refused while it sends can read why.
pub fn a_refusal_is_read_while_sending(program: &Path) {
    refused::refused_while_sending(program, Size::Quick).assert_held();
}

/// Clients that send lines or bodies a byte at a time are cut off with `timeout`.
pub fn dripping_clients_are_cut_off(program: &Path) {
    slow::dripping_clients(program, Size::Quick).assert_held();
}

/// Without descriptors the server retries `accept` at intervals, and serves when there are some.
pub fn a_want_of_descriptors_is_outlived(program: &Path) {
    if let Some(report) = crowded::out_of_descriptors(program, Size::Quick) {
        report.assert_held();
    }
}

/// A flood of connections from one address gets its share of the places and no more.
pub fn a_flood_of_connections_is_told_busy(program: &Path) {
    crowded::flood_of_connections(program, Size::Quick).assert_held();
}

/// If threads cannot start, at the start or later, the sessions that have a thread go on.
pub fn threads_that_cannot_start_are_outlived(program: &Path) {
    if let Some(report) = threads::no_threads(program, Size::Quick) {
        report.assert_held();
    }
}

/// 200 simultaneous transfers fit into 64 MiB of memory.
pub fn transfers_fit_into_little_memory(program: &Path) {
    if let Some(report) = memory::transfers_in_little_memory(program, Size::Quick) {
        report.assert_held();
    }
}

/// Uploads that are begun and abandoned leave nothing staged.
pub fn abandoned_uploads_leave_nothing(program: &Path) {
    abandoned::abandoned_uploads(program, Size::Quick).assert_held();
}

/// A listing of 20,000 entries, while others appear and disappear, has each of them once and takes little memory.
pub fn a_long_listing_that_changes_is_whole(program: &Path) {
    listing::long_listing(program, Size::Quick).assert_held();
}
