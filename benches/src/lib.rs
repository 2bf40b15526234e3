//! Benchmarks of HAUL.
