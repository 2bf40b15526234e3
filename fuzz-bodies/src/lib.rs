//! What the fuzz targets of `fuzz/` do with the bytes that they are given, so that an ordinary test can do the same. Each panics when something does not hold.
//!
//! | target | reads the bytes as | compares with |
//! | --- | --- | --- |
//! | [`parser`] | lines, each as everything that it could be | a plain reading of the protocol |
//! | [`lines`] | what a client says, without bodies | a plain splitting into lines |
//! | [`words`] | values, of which lines are made | the values, when the lines are read |
//! | [`paths`] | names | a plain reading of their rules |
//! | [`names`] | names in a shared directory | what the standard library finds there |
//! | [`server`] | a [seed](Seed), then what a client says | the same at once |
//! | [`client`] | a seed, then what a server says | what the server vouched for |
//! | [`joined`] | a seed, then a client's requests of a server | the files at the end |

mod bounded;
mod client;
mod joined;
mod lines;
mod names;
mod parser;
mod paths;
mod seed;
mod server;
mod transcript;
mod words;

pub use client::client;
pub use joined::joined;
pub use lines::lines;
pub use names::names;
pub use parser::parser;
pub use paths::paths;
pub use seed::Seed;
pub use server::server;
pub use words::words;
