//! What the store promises, shown on real files.

mod checksums;
mod concurrent;
mod containment;
mod listing;
mod local;
mod mounts;
mod properties;
mod rights;
mod session;
mod source;
mod staging;
mod support;
mod upload;
