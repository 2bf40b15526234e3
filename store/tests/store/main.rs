//! The guarantees of the store, tested on real files.

mod checksums;
mod client_files;
mod concurrent;
mod containment;
mod copies;
mod deleting;
mod descriptors;
mod listing;
mod local;
mod local_directory;
mod mount;
mod mounts;
mod passing;
mod properties;
mod renaming;
mod rights;
mod session;
mod sizes;
mod source;
mod staging;
mod streams;
mod support;
mod unchanged;
mod upload;
mod versions;
mod views;
