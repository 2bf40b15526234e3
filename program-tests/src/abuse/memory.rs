//! Many transfers in little memory.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::cgroup::Cgroup;
use super::load_test::LoadTest;
use super::report::Report;
use super::size::Size;
use crate::process::Bench;
use crate::requirements::or_skip;

/// The memory that the server and its cached files get together, in bytes.
const MEMORY: u64 = 64 << 20;
/// Transfers at once: half of them uploads, half downloads.
const TRANSFERS: usize = 200;
/// Far longer than a transfer takes.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Simultaneous transfers of a server in a control group with little memory: the server is not killed, and each
/// transfer is whole. `None` where there are no such groups.
pub(super) fn transfers_in_little_memory(program: &Path, size: Size) -> Option<Report> {
    let cgroup = Cgroup::new(MEMORY);
    let cgroup = or_skip(cgroup.map_err(|error| format!("no control group can be made: {error}")))?;
    let length = size.of(8 << 20, 1 << 20);
    let bench = Bench::new(program);
    fs::write(bench.share().join("down"), vec![b'd'; length]).expect("the share is writable");
    let entrance = cgroup.entrance();
    let entrance = entrance.to_str().expect("groups have plain names");
    let launcher = ["sh", "-c", "echo $$ > \"$0\" && exec \"$@\"", entrance];
    let places = (2 * TRANSFERS).to_string();
    let options = ["--max-clients", &places, "--max-clients-per-address", &places];
    let server = bench.serve_under(&launcher, &options);
    let mut test = LoadTest::start("transfers in 64 MiB", bench, server, size.requests());
    let failed = test.attack(|test| {
        let address = test.server.address();
        let halfway = Barrier::new(TRANSFERS);
        let halfway = &halfway;
        thread::scope(|scope| {
            let transfers: Vec<_> = (0..TRANSFERS)
                .map(|number| scope.spawn(move || transfer(address, number, length, halfway)))
                .collect();
            let ended =
                transfers.into_iter().map(|transfer| transfer.join().expect("it does not panic"));
            ended.filter_map(Result::err).map(|error| error.to_string()).collect::<Vec<_>>()
        })
    });
    let kills = cgroup.kills();
    test.report.require(kills == 0, || format!("killed {kills} times for want of memory"));
    test.report.require(failed.is_empty(), || {
        format!("{} transfers failed: {:?}", failed.len(), failed.first())
    });
    test.report.figures.push(format!("{TRANSFERS} of {} KiB, {kills} kills", length >> 10));
    if kills == 0 {
        test.recover();
        return Some(test.end(TRANSFERS));
    }
    let LoadTest { report, .. } = test;
    Some(report)
}

/// Transfers one half, waits until all others have, and transfers the other half.
fn transfer(server: SocketAddr, number: usize, length: usize, halfway: &Barrier) -> io::Result<()> {
    let begun = begin(server, number, length);
    halfway.wait();
    let mut socket = begun?;
    let half = length / 2;
    if number.is_multiple_of(2) {
        let stream = socket.get_mut();
        stream.write_all(&vec![b'u'; length - half])?;
        stream.write_all(b"END\nEXIT\n")?;
        let receipt = line(&mut socket)?;
        return expect(&receipt, &format!("OK size={length} "));
    }
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest)?;
    let last = String::from_utf8_lossy(&rest[rest.len().saturating_sub(100)..]).into_owned();
    // The reply follows the last byte of the payload.
    let reply = last.find("OK ").map_or("", |at| &last[at..]);
    expect(reply, &format!("OK length={length} "))
}

fn begin(server: SocketAddr, number: usize, length: usize) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut socket = BufReader::new(stream);
    expect(&line(&mut socket)?, "HAUL/1 ")?;
    if number.is_multiple_of(2) {
        let stream = socket.get_mut();
        stream.write_all(format!("UPLOAD up-{number}\nDATA {length}\n").as_bytes())?;
        stream.write_all(&vec![b'u'; length / 2])?;
        expect(&line(&mut socket)?, "READY")?;
    } else {
        socket.get_mut().write_all(b"DOWNLOAD down\nEXIT\n")?;
        io::copy(&mut socket.by_ref().take(length as u64 / 2), &mut io::sink())?;
    }
    Ok(socket)
}

fn line(socket: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    socket.read_line(&mut line)?;
    Ok(line)
}

fn expect(line: &str, start: &str) -> io::Result<()> {
    if line.starts_with(start) {
        Ok(())
    } else {
        Err(io::Error::other(format!("{line:?}, not {start:?}")))
    }
}
