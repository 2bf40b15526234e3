//! The server's side of a connection.

mod api;

pub use api::{ServerConfig, ServerEvent};
