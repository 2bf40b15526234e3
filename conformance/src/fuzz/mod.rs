//! What the fuzz targets of `fuzz/` do with the bytes that they are given, so that an ordinary test can do the same.
//!
//! [`parser`] reads lines, [`server`] lets a client say anything, and [`client`] lets a server say anything. The bytes for the two machines begin with a [seed](Seed) that decides how
//! they are driven and what goes wrong; what follows is what the peer sends, as it stands. Each panics when something does not hold.

mod bounded;
mod client;
mod parser;
mod seed;
mod server;
mod transcript;

pub use client::client;
pub use parser::parser;
pub use seed::Seed;
pub use server::server;
