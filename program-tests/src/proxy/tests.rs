use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::time::{Duration, Instant};

use haul_harness::Random;

use super::*;

/// What a client and a server receive through the proxy. The server echoes what it has received when it has seen the
/// end.
fn exchange(plan: Plan, sent: &[u8]) -> (io::Result<Vec<u8>>, io::Result<Vec<u8>>) {
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let listener = TcpListener::bind::<SocketAddr>(any).unwrap();
    let proxy = Proxy::start(any, listener.local_addr().unwrap(), move |_| plan.clone()).unwrap();
    std::thread::scope(|scope| {
        let server = scope.spawn(move || {
            let mut stream = listener.accept()?.0;
            let mut got = Vec::new();
            stream.read_to_end(&mut got)?;
            stream.write_all(&got)?;
            Ok(got)
        });
        let client = || {
            let mut stream = TcpStream::connect(proxy.address())?;
            stream.write_all(sent)?;
            stream.shutdown(Shutdown::Write)?;
            let mut got = Vec::new();
            stream.read_to_end(&mut got)?;
            Ok(got)
        };
        let answer = client();
        (server.join().unwrap(), answer)
    })
}

fn up(way: Way) -> Plan {
    Plan { up: way, ..Plan::default() }
}

fn down(way: Way) -> Plan {
    Plan { down: way, ..Plan::default() }
}

#[test]
fn without_a_plan_all_passes() {
    let sent = Random::new(1).bytes(3 << 20);
    let (got, answer) = exchange(Plan::default(), &sent);
    assert!(got.unwrap() == sent && answer.unwrap() == sent);
}

#[test]
fn one_bit_is_flipped() {
    let sent = Random::new(2).bytes(100_000);
    for at in [0, 1, 70_000, 99_999] {
        let mut flipped = sent.clone();
        flipped[at] ^= 1 << 6;
        let (got, answer) = exchange(up(Fault::Flip(6).at(at as u64)), &sent);
        assert!(got.unwrap() == flipped && answer.unwrap() == flipped, "up, at {at}");
        let (got, answer) = exchange(down(Fault::Flip(6).at(at as u64)), &sent);
        assert!(got.unwrap() == sent && answer.unwrap() == flipped, "down, at {at}");
    }
}

#[test]
fn an_end_comes_after_just_so_many_bytes() {
    let sent = Random::new(3).bytes(1_000);
    for at in [0, 1, 999, 1_000] {
        let (got, answer) = exchange(up(Fault::End.at(at as u64)), &sent);
        assert!(got.unwrap() == sent[..at] && answer.unwrap() == sent[..at], "up, at {at}");
        let (got, answer) = exchange(down(Fault::End.at(at as u64)), &sent);
        assert!(got.unwrap() == sent && answer.unwrap() == sent[..at], "down, at {at}");
    }
}

#[test]
fn a_reset_reaches_both_sides() {
    let (got, answer) = exchange(up(Fault::Reset.at(500)), &[1; 1_000]);
    assert_eq!(got.unwrap_err().kind(), ErrorKind::ConnectionReset);
    answer.unwrap_err();
}

#[test]
fn a_stall_is_felt_by_nobody_until_the_proxy_is_gone() {
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let listener = TcpListener::bind(any).unwrap();
    let tap = Tap::default();
    let way = Way { tap: Some(tap.clone()), ..Fault::Stall.at(3) };
    let proxy =
        Proxy::start(any, listener.local_addr().unwrap(), move |_| up(way.clone())).unwrap();
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    let mut server = listener.accept().unwrap().0;
    client.write_all(b"abcdef").unwrap();
    let mut got = [0; 3];
    server.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"abc");
    server.set_nonblocking(true).unwrap();
    assert_eq!(server.read(&mut got).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(tap.wait_for(3, Duration::ZERO) && !tap.wait_for(4, Duration::ZERO));
    // The other direction goes on.
    server.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    server.set_nonblocking(false).unwrap();
    drop(proxy);
    assert_eq!(server.read(&mut got).unwrap_err().kind(), ErrorKind::ConnectionReset);
    client.read(&mut got).unwrap_err();
}

#[test]
fn pieces_are_of_the_sizes_that_are_told() {
    let way = Way { pieces: vec![1, 7, 3_000], ..Way::default() };
    let sent = Random::new(4).bytes(20_000);
    let (got, _) = exchange(up(way), &sent);
    assert!(got.unwrap() == sent);
}

/// No link is faster than its plan says. How much slower it is depends on the machine.
#[test]
fn delay_and_rate_are_kept() {
    let sent = Random::new(5).bytes(300_000);
    let began = Instant::now();
    let plan = Plan::default().delayed(Duration::from_millis(50)).limited(3_000_000);
    let (got, answer) = exchange(plan, &sent);
    assert!(got.unwrap() == sent && answer.unwrap() == sent);
    // Both directions, one after the other.
    assert!(began.elapsed() >= Duration::from_millis(2 * (50 + 100)), "{:?}", began.elapsed());
}
