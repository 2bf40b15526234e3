//! Attacks on a running server: what they cost the server, what they cost an honest client, and whether all is as
//! before when they are over.

mod abandoned;
mod cgroup;
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
mod tiny_chunks;
mod unread;

pub(crate) use load_test::wait_until;

pub use checks::*;
pub(crate) use meter::Meter;
pub use report::Report;
