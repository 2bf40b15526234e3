//! The benchmarks; the crate's own page tells how to run and read them.

// The macros of criterion make functions without documentation.
#![allow(missing_docs)]

mod checksum;
mod lines;
mod listing;

use criterion::{criterion_group, criterion_main};

criterion_group!(haul, lines::parse, lines::encode, listing::listing, checksum::checksum);
criterion_main!(haul);
