//! TLS without sockets and runtimes: both sides, over bytes that a test can look at and change.
#![cfg(feature = "tls")]

mod attacks;
mod certificate_files;
mod handshakes;
mod key_files;
mod peers;
mod pipe;
mod streams;
mod trust;
