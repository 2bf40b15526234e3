//! An environment for the machines of `haul-core` in tests: files, sockets and time in memory, in one thread, and the
//! same at every run.
//!
//! - [`MemoryFiles`] is a server's store, and [`LocalFiles`] a client's files. Both carry out effects, check the
//!   contract of [`Effect`](haul_core::Effect), keep a journal, and fail where a test says so.
//! - [`Single`] drives one machine against given bytes, [`Pair`] a client and a server against each other through
//!   bounded pipes. [`Choices`] decide sizes, would-block results and the order of turns, so that a property test can
//!   shrink them and a fuzzer can mutate them. Time passes only when nothing else can happen. A machine that makes
//!   steps without moving a byte fails.
//! - [`Handles`] checks how a machine uses its handles. Single and Pair have one, and so has the simulator.
//! - [`ContractChecker`] wraps a machine and tries at each step what a faulty driver could do; [`Abandoning`] only
//!   abandons reads.
//! - [`reference_parser`] is a simple parser of a client's lines, to compare `haul-core` with.

mod choices;
mod content;
mod contract;
mod faults;
mod files;
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
pub use contract::{Abandoning, ContractChecker};
pub use faults::{Change, Faults, PassThrough};
pub use files::Files;
pub use handles::Handles;
pub use local_files::LocalFiles;
pub use memory_files::{MemoryFiles, Record};
pub use pair::{Pair, Standstill};
pub use random::Random;
pub use single::{End, Run, Single};
