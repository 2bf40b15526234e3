//! Who the users of a HAUL server are, how they prove it, and what they may do.

mod fingerprint;

pub use fingerprint::{Fingerprint, FingerprintError};
