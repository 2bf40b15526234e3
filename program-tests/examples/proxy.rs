//! A bad network for one server: `haul_program_tests::proxy` on the command line.
//!
//! ```sh
//! cargo run --release -p haul-program-tests --example proxy -- --listen 127.0.0.1:5000 --to 127.0.0.1:4285 --delay 50 --rate 125000000
//! ```
//!
//! `--delay` (milliseconds) and `--rate` (bytes per second) apply to each direction. `--pieces` limits the sizes in
//! which bytes are delivered, in turn. `--up` and `--down` set one fault for each connection, towards the server or the
//! client, after a number of bytes: `stall@1000`, `end@1000` (FIN), `reset@1000` (RST), `flip3@1000` (bit 3, of 0 to
//! 7). With `--seed`, the seed chooses pieces and a fault for each connection instead.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use haul_program_tests::proxy::{Fault, Plan, Proxy, Way};

const USAGE: &str = "proxy --listen ADDRESS --to ADDRESS [--delay MS] [--rate BYTES/S] [--pieces N,N,...] [--up stall|end|reset|flipBIT@BYTE] [--down ...@BYTE] [--seed SEED]";

/// The range of a fault that a seed chooses, in bytes.
const WITHIN: usize = 1 << 20;

struct Arguments {
    listen: SocketAddr,
    to: SocketAddr,
    plan: Plan,
    seed: Option<u64>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let (mut listen, mut to, mut seed) = (None, None, None);
        let mut plan = Plan::default();
        while let Some(word) = words.next() {
            let value = words.next()?;
            match word.as_str() {
                "--listen" => listen = Some(value.parse().ok()?),
                "--to" => to = Some(value.parse().ok()?),
                "--delay" => plan = plan.delayed(Duration::from_millis(value.parse().ok()?)),
                "--rate" => plan = plan.limited(value.parse().ok().filter(|rate| *rate > 0)?),
                "--pieces" => {
                    let sizes = value.split(',').map(|size| size.parse().ok().filter(|n| *n > 0));
                    let pieces: Vec<usize> = sizes.collect::<Option<_>>()?;
                    (plan.up.pieces, plan.down.pieces) = (pieces.clone(), pieces);
                }
                "--up" => plan.up = fault(&value, plan.up)?,
                "--down" => plan.down = fault(&value, plan.down)?,
                "--seed" => seed = Some(value.parse().ok()?),
                _ => return None,
            }
        }
        Some(Self { listen: listen?, to: to?, plan, seed })
    }

    /// What happens to a connection.
    fn plan(&self, number: u64) -> Plan {
        let Some(seed) = self.seed else { return self.plan.clone() };
        let chosen = Plan::random(seed.wrapping_add(number), WITHIN);
        let with = |chosen: Way, told: &Way| Way { delay: told.delay, rate: told.rate, ..chosen };
        Plan { up: with(chosen.up, &self.plan.up), down: with(chosen.down, &self.plan.down) }
    }
}

fn fault(text: &str, way: Way) -> Option<Way> {
    let (fault, byte) = text.split_once('@')?;
    let fault = match fault {
        "stall" => Fault::Stall,
        "end" => Fault::End,
        "reset" => Fault::Reset,
        _ => Fault::Flip(fault.strip_prefix("flip")?.parse().ok().filter(|bit| *bit < 8)?),
    };
    Some(Way { fault: Some((byte.parse().ok()?, fault)), ..way })
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let (listen, to) = (arguments.listen, arguments.to);
    match Proxy::start(listen, to, move |number| arguments.plan(number)) {
        Ok(proxy) => {
            println!("{} leads to {to}", proxy.address());
            loop {
                std::thread::park();
            }
        }
        Err(error) => {
            eprintln!("cannot listen at {listen}: {error}");
            ExitCode::FAILURE
        }
    }
}
