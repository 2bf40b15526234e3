//! haul-store

mod perform;
mod store;

pub use perform::Perform;
pub use store::{Listing, NewFile, Source, Staged, Store, Target};
