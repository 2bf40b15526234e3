//! Every script detects a wrong server.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use haul_scripts::tcp::{self, RunningServer};
use haul_scripts::{Setup, script};

/// A server of one connection, which it handles wrongly.
struct Wrong(SocketAddr);

impl Wrong {
    fn start(handle: fn(TcpStream, &Setup), setup: &Setup) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let setup = setup.clone();
        thread::spawn(move || {
            if let Ok((stream, _)) = listener.accept() {
                handle(stream, &setup);
            }
        });
        Ok(Self(address))
    }
}

impl RunningServer for Wrong {
    fn address(&self) -> SocketAddr {
        self.0
    }

    fn drain(&self) {}
}

fn greeting(setup: &Setup) -> String {
    let (banner, limits) = (&setup.config.banner, &setup.config.limits);
    format!("HAUL/1 \"{banner}\" max-data={} pipeline={}\r\n", limits.max_data, limits.pipeline)
}

fn failed_with(handle: fn(TcpStream, &Setup)) -> BTreeSet<String> {
    let start = |setup: &Setup, _: &Path| Wrong::start(handle, setup);
    let failures = tcp::check(start).expect_err("a wrong server passed every script");
    failures.titles().into_iter().map(str::to_owned).collect()
}

fn all_titles() -> BTreeSet<String> {
    script::all().unwrap().into_iter().map(|script| script.title).collect()
}

#[test]
fn a_server_that_only_closes_fails_every_script() {
    assert_eq!(failed_with(|_, _| ()), all_titles());
}

#[test]
fn a_server_that_talks_without_end_fails_every_script() {
    let failed = failed_with(|mut stream, setup| {
        let _ = stream.write_all(greeting(setup).as_bytes());
        while stream.write_all(b"OK entries=0\r\n").is_ok() {}
    });
    assert_eq!(failed, all_titles());
}
