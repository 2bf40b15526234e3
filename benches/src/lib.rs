//! Benchmarks of HAUL.
//!
//! ```text
//! cargo bench -p haul-benches                          all of them, a few minutes
//! cargo bench -p haul-benches -- --quick 'parse'       those with "parse" in their name, roughly
//! cargo bench -p haul-benches -- --test                each once, without measuring: that they still run
//! cargo bench -p haul-benches -- --save-baseline old   keep the figures, to compare after a change by --baseline old
//! ```
//!
//! | group | measures | beside it |
//! | --- | --- | --- |
//! | `parse a line` | lines of a client from a buffer: ends found, bytes checked, words and paths taken apart | httparse on request lines of the same length |
//! | `encode a line` | the same lines written | |
//! | `listing of 1,000 files` | lines of `LIST`, written and read | |
//! | `body in chunks of …` | an upload through the server's machine, over files that do nothing | memcpy of as many bytes |
//! | `checksum` | CRC-64/NVME, and the combination of two | memcpy of as many bytes |
//! | `session` | client and server against each other, in memory: 1 MiB, and 1,000 small files, up and down | |
//!
//! Of criterion's three figures, the middle one is the estimate; `thrpt` is the throughput in lines (`elem`), files or
//! bytes a second. No test asserts times: machines and their load differ, so compare figures only within one run, such
//! as those of one group.
//!
//! The example `side-by-side` of this crate compares Haul with its alternatives: run it with
//! `cargo run --release -p haul-benches --example side-by-side`.
