//! haul-core
#![allow(dead_code)]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod checksum;
pub mod client;
mod effect;
mod error;
mod escape;
mod limits;
pub mod message;
mod name;
mod output;
pub mod server;
mod time;
mod wire;

pub use checksum::{Checksum, Hasher};
pub use effect::{Done, Effect, Opened, RequestId};
pub use error::{ErrorCode, Misuse, StoreError, StoreErrorKind};
pub use escape::Escaped;
pub use limits::{Limits, Timing};
pub use message::{Command, Depth, Entry, Mode};
pub use name::{FilePath, PathError};
pub use output::{Machine, Output, Segments, Wait};
pub use time::Timestamp;
