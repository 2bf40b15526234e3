//! The commands, one module each.

pub(crate) mod completions;
pub(crate) mod get;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod put;
pub(crate) mod serve;
pub(crate) mod shell;

mod exclude;
mod many;
mod spool;
mod tally;
pub(crate) mod transfer;
