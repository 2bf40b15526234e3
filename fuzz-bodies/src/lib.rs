//! The bodies of the fuzz targets of `fuzz/`, which ordinary tests run as well. Each panics when something does not
//! hold.
//!
//! | target | the bytes are | compared with |
//! | --- | --- | --- |
//! | [`parser`] | lines, each parsed as everything that it could be | a simple parser of the protocol |
//! | [`lines`] | what a client sends, without bodies | a simple splitting into lines |
//! | [`words`] | values, of which lines are made | the values of the parsed lines |
//! | [`paths`] | names | a simple check of their rules |
//! | [`names`] | names in a shared directory | what the standard library finds there |
//! | [`addresses`] | the address of a server | itself, after it was written, and a simple check of its rules |
//! | [`accounts`] | a file of accounts | itself, before and after commands changed it |
//! | [`server`] | a [seed](Seed), then what a client sends | the same without cuts |
//! | [`client`] | a seed, then what a server sends | the server's checksums |
//! | [`joined`] | a seed, then a client's requests of a server | the files at the end |
//! | [`tls`] | what both sides of TLS do, and what happens to it on the way | what they sent |

mod accounts;
mod addresses;
mod bounded;
mod client;
mod joined;
mod lines;
mod names;
mod parser;
mod paths;
mod seed;
mod server;
mod tls;
mod transcript;
mod words;

pub use accounts::accounts;
pub use addresses::addresses;
pub use client::client;
pub use joined::joined;
pub use lines::lines;
pub use names::names;
pub use parser::parser;
pub use paths::paths;
pub use seed::Seed;
pub use server::server;
pub use tls::tls;
pub use words::words;
