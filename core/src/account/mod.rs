//! Accounts as the protocol knows them: the name of a user, the secret that identifies them, and what they may do.

mod access;
mod identification;
mod rights;
mod secret;
mod user_name;

pub(crate) use identification::Identification;

pub use access::{Access, AccessError, Account, Grant, Mount, Quota};
pub use rights::{Right, Rights, Role};
pub use secret::{Proof, Secret};
pub use user_name::{UserName, UserNameError};
