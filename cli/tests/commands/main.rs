//! The commands against a server in memory: what is printed, what is written, how it ends.

mod batches;
mod connections;
mod fake;
mod general;
mod get;
mod identity;
mod ls;
mod mkdir;
mod moves;
mod operands;
mod put;
mod rm;
mod serve;
mod shell;
mod shell_names;
mod sum;
mod trees;
mod user;
