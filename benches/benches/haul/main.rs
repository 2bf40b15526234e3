//! The benchmarks. The documentation of the crate says how to run and read them.

// criterion's macros define functions without documentation.
#![allow(missing_docs)]

mod body;
mod checksum;
mod lines;
mod listing;
mod samples;
mod session;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group! {
    name = haul;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .sample_size(50);
    targets = lines::parse, lines::encode, listing::listing, body::body, checksum::checksum, session::session
}
criterion_main!(haul);
