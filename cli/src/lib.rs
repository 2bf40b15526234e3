//! haul-cli

mod runtime;

pub use runtime::{ConnectError, Progress, Remote, Runtime, ServeError, ServeOptions};
