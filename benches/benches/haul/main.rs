//! The benchmarks; the crate's own page tells how to run and read them.

// The macros of criterion make functions without documentation.
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
