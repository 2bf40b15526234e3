//! Every transport over real sockets. The tests are written once, against the common interface of the transports, and
//! run for each of them.

// The same files are compiled for each transport.
#![allow(clippy::duplicate_mod)]

mod between;
mod blocking;
mod dropping;
mod pairs;
mod support;

/// All tests for one transport. `$transport` is a module with its blocking server and client.
macro_rules! tests_of {
    ($name:ident, $transport:path) => {
        #[path = "."]
        mod $name {
            use $transport as transport;

            mod cancelling;
            mod closing;
            mod crowd;
            mod ends;
            mod hanging;
            mod layered;
            mod limits;
            mod many;
            pub(crate) mod moving;
            mod passing;
            mod running;
            mod scripts;
            mod sessions;
            mod stopping;
            mod tls;
            mod tls_ends;
            mod transfers;
            mod users;
        }
    };
}

tests_of!(std, haul_std);
tests_of!(tokio, crate::blocking::tokio);
tests_of!(async_std, crate::blocking::async_std);
