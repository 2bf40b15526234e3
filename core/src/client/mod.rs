//! The client's side of a connection.

mod api;

pub use api::{ClientConfig, ClientEvent, Failure, Request};
