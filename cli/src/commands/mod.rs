//! The commands, one module each.

pub(crate) mod completions;
pub(crate) mod cp;
pub(crate) mod get;
pub(crate) mod login;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod mkdir;
pub(crate) mod mv;
pub(crate) mod put;
pub(crate) mod rm;
pub(crate) mod serve;
pub(crate) mod shell;
pub(crate) mod sum;
pub(crate) mod trust;
pub(crate) mod user;
pub(crate) mod whoami;

mod exclude;
mod from_to;
mod kind;
mod listing;
mod many;
mod requests;
mod spool;
mod tally;
pub(crate) mod transfer;
