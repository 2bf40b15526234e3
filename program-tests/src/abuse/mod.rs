//! Attacks on a running server: what they cost it, what they cost an honest client beside them, and whether all is as before when they are over.

mod abandoned;
mod cgroup;
mod chatter;
mod checks;
mod crowded;
mod honest;
mod listing;
mod load_test;
mod memory;
mod meter;
mod refused;
mod report;
mod size;
mod slow;
mod threads;
mod unread;

pub(crate) use load_test::wait_until;

pub use checks::*;
pub(crate) use meter::Meter;
pub use report::Report;
