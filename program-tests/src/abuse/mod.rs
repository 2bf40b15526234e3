//! Attacks on a running server: what they cost it, what they cost an honest client beside them, and whether all is as before when they are over.

mod abandoned;
mod cgroup;
mod chatter;
mod checks;
mod crowded;
mod honest;
mod listing;
mod memory;
mod meter;
mod refused;
mod report;
mod siege;
mod size;
mod slow;
mod threads;
mod unread;

pub(crate) use siege::wait_until;

pub use checks::*;
pub(crate) use meter::Meter;
pub use report::Report;
