//! Accounts in a file, on a real file system.

mod administration;
mod bad_files;
mod explanations;
mod format;
mod invitations;
mod secrets;
mod support;
