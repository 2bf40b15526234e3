//! The server and the client library over real sockets, with real files.

mod cancelling;
mod closing;
mod limits;
mod sessions;
mod stopping;
mod support;
mod transfers;
