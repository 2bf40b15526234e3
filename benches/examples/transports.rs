//! The three transports side by side, each server in a process of its own.
//!
//! ```sh
//! cargo run --release -p haul-benches --example transports -- throughput [MIB] [ROUNDS]
//! cargo run --release -p haul-benches --example transports -- idle [CONNECTIONS]
//! ```
//!
//! `throughput` moves one file up and down, with the client of the same transport, the transports in turn, after a round that does not count; it prints the medians and the spread. Payload is
//! made and dropped in memory on the client's side; the server's files are in a directory of `TMPDIR`, not brought to stable storage. `idle` prints what a connected client that says nothing
//! costs a server in resident memory.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use haul_core::server::ServerConfig;
use haul_core::{FilePath, Mode, Timing};
use haul_store::{Directory, Options, StreamSource, StreamTarget};
use haul_transport::{DownloadOptions, ServerOptions};
use rustix::process::{Resource, getrlimit, setrlimit};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TRANSPORTS: [&str; 3] = ["std", "tokio", "async-std"];
/// What a server with many idle clients must not run out of.
const MOST_CLIENTS: usize = 1 << 20;
const DAY: Duration = Duration::from_hours(24);

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |index: usize, default: u64| -> Result<u64> {
        Ok(arguments.get(index).map_or(Ok(default), |text| text.parse())?)
    };
    allow_many_files()?;
    match arguments.first().map(String::as_str) {
        Some("serve") if arguments.len() == 3 => serve(&arguments[1], &arguments[2]),
        Some("throughput") => throughput(number(1, 1024)? << 20, number(2, 5)?),
        Some("idle") => idle(number(1, 10_000)?),
        _ => Err("say `throughput` or `idle`".into()),
    }
}

fn allow_many_files() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// A server in a process of its own, over a directory that is removed with it.
struct Server {
    process: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start(transport: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut process = Command::new(env::current_exe()?)
            .args(["serve", transport])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        Ok(Self { process, address: line.trim().parse()?, _directory: directory })
    }

    /// Its resident memory, in bytes.
    fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes: u64 =
            line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?.parse()?;
        Ok(kibibytes << 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In the server's process.
fn serve(transport: &str, directory: &str) -> Result<()> {
    let store = Arc::new(Directory::open(directory, Options::default())?);
    let timing = Timing { idle: DAY, ..Timing::default() };
    let options = ServerOptions {
        config: ServerConfig { timing, durable: false, ..ServerConfig::default() },
        max_clients: MOST_CLIENTS,
        max_clients_per_address: MOST_CLIENTS,
        ..ServerOptions::default()
    };
    let address = "127.0.0.1:0";
    match transport {
        "std" => {
            let server = haul_std::Server::bind(address, store, options)?;
            println!("{}", server.local_addr());
            server.run();
        }
        "tokio" => tokio::runtime::Runtime::new()?.block_on(async {
            let server = haul_tokio::Server::bind(address, store, options).await?;
            println!("{}", server.local_addr());
            server.run().await;
            io::Result::Ok(())
        })?,
        "async-std" => async_std::task::block_on(async {
            let server = haul_async_std::Server::bind(address, store, options).await?;
            println!("{}", server.local_addr());
            server.run().await;
            io::Result::Ok(())
        })?,
        other => return Err(format!("there is no transport {other}").into()),
    }
    Ok(())
}

fn idle(connections: u64) -> Result<()> {
    println!("{connections} connected clients that say nothing, bytes of resident memory each");
    for transport in TRANSPORTS {
        let server = Server::start(transport)?;
        // One that comes and goes first: what the server needs once is not counted.
        drop(greeted(server.address)?);
        let before = server.resident()?;
        let clients = (0..connections).map(|_| greeted(server.address));
        let clients: Vec<TcpStream> = clients.collect::<io::Result<_>>()?;
        let after = server.resident()?;
        println!("{transport:10} {:8}", after.saturating_sub(before) / connections);
        drop(clients);
    }
    Ok(())
}

/// A client that has been greeted, so that its session has begun.
fn greeted(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    let mut byte = [0];
    while byte != [b'\n'] {
        stream.read_exact(&mut byte)?;
    }
    Ok(stream)
}

fn throughput(length: u64, rounds: u64) -> Result<()> {
    println!("{} MiB up and down, GB/s: median (least to most) of {rounds} rounds", length >> 20);
    let servers: Vec<(&str, Server)> = TRANSPORTS
        .into_iter()
        .map(|transport| Ok((transport, Server::start(transport)?)))
        .collect::<Result<_>>()?;
    let mut figures = vec![[Vec::new(), Vec::new()]; servers.len()];
    for round in 0..=rounds {
        for ((transport, server), figures) in servers.iter().zip(&mut figures) {
            let times = move_file(transport, server.address, length)?;
            if round > 0 {
                for (figures, time) in figures.iter_mut().zip(times) {
                    #[allow(clippy::cast_precision_loss)]
                    figures.push(length as f64 / time.as_secs_f64() / 1e9);
                }
            }
        }
    }
    for ((transport, _), figures) in servers.iter().zip(&mut figures) {
        let [up, down] = figures.each_mut().map(|figures| {
            figures.sort_by(f64::total_cmp);
            let [least, median, most] = [0, figures.len() / 2, figures.len() - 1];
            format!("{:.2} ({:.2} to {:.2})", figures[median], figures[least], figures[most])
        });
        println!("{transport:10} up {up}  down {down}");
    }
    Ok(())
}

/// Stores a file and fetches it back, and tells how long either took.
fn move_file(transport: &str, address: SocketAddr, length: u64) -> Result<[Duration; 2]> {
    let name = FilePath::parse("file")?;
    let source = Box::new(StreamSource::new(io::repeat(b'x').take(length), "a stream"));
    let target = Box::new(StreamTarget::new(io::sink(), "nowhere"));
    let options = DownloadOptions::default();
    macro_rules! timed {
        ($client:ty, $run:expr) => {
            $run(async {
                let mut client = <$client>::connect(address, Default::default()).await?;
                let began = Instant::now();
                client.upload(&name, Mode::Replace, source, |_| ControlFlow::Continue(())).await?;
                let up = began.elapsed();
                let began = Instant::now();
                client.download(&name, options, target, |_| ControlFlow::Continue(())).await?;
                let down = began.elapsed();
                client.exit().await?;
                Ok([up, down])
            })
        };
    }
    match transport {
        "tokio" => {
            let runtime = tokio::runtime::Runtime::new()?;
            timed!(haul_tokio::Client, |future| runtime.block_on(future))
        }
        "async-std" => timed!(haul_async_std::Client, async_std::task::block_on),
        _ => {
            let mut client =
                haul_std::Client::connect(address, haul_std::ClientOptions::default())?;
            let began = Instant::now();
            client.upload(&name, Mode::Replace, source, |_| ControlFlow::Continue(()))?;
            let up = began.elapsed();
            let began = Instant::now();
            client.download(&name, options, target, |_| ControlFlow::Continue(()))?;
            let down = began.elapsed();
            client.exit()?;
            Ok([up, down])
        }
    }
}
