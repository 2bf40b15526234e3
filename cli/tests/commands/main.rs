//! The commands against a server in memory: what is printed, what is written, how it ends.

mod batches;
mod fake;
mod general;
mod get;
mod ls;
mod operands;
mod put;
mod serve;
mod shell;
mod trees;
