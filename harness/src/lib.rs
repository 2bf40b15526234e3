//! A laboratory for the machines of `haul-core`: files, sockets and time in memory, without threads, the same every time.
//!
//! - [`MemoryFiles`] is a server's store and [`LocalFiles`] a client's own files: both carry out effects, insist on the contract of [`Effect`](haul_core::Effect), keep a journal and fail
//!   where they are told to.
//! - [`Solo`] drives one machine against bytes, [`Duet`] a client and a server against each other through bounded pipes. Sizes, refusals to block, and the order of turns come
//!   from [`Choices`], so that a property test shrinks them and a fuzzer mutates them. Time only passes when nothing else can happen. A machine that goes on without moving a byte is a failure.
//! - [`Handles`] checks how a machine uses its handles. Solo and Duet have one, and so has the simulator.
//! - [`Probed`] wraps a machine and tries at each step what a bad transport could do.
//! - [`reference_parser`] reads a client's lines in the plainest way, for comparison.

mod choices;
mod content;
mod contract;
mod faults;
mod handles;
mod local_files;
mod memory_files;
mod pair;
mod random;
pub mod reference_parser;
mod single;
mod turn;

pub use choices::Choices;
pub use content::Content;
pub use contract::Probed;
pub use faults::{Change, Faults, Hold};
pub use handles::Handles;
pub use local_files::LocalFiles;
pub use memory_files::{Files, MemoryFiles, Record};
pub use pair::{Duet, Standstill};
pub use random::Random;
pub use single::{End, Run, Solo};
