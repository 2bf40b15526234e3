//! Clients that upload, and change names, until the server is gone.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use haul_core::Checksum;
use haul_harness::Random;

use crate::history::{History, Upload};
use crate::ledger::Ledger;
use crate::process::Bench;

/// The directories that uploads go to. Every client writes into the first, and each one into one of the others.
pub(super) const TOPS: [&str; 5] = ["all", "one", "two", "three", "four"];

/// Far longer than any reply takes. Only a hang gets there.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Several clients of one server.
pub(super) struct Load<'a> {
    pub(super) bench: &'a Bench,
    pub(super) server: SocketAddr,
    pub(super) history: &'a History,
    /// Set before the crash. A failure before that is the server's fault.
    pub(super) crashing: AtomicBool,
    /// Set before the power is cut. A machine without power replies to nobody, so later replies do not count.
    pub(super) power_is_off: AtomicBool,
}

impl Load<'_> {
    /// Uploads by the program's own `put`, one file a process.
    pub(super) fn put(&self, client: usize, seed: u64) -> Result<(), String> {
        let mut random = Random::new(seed);
        let url = format!("haul://{}", self.server);
        let file = format!("file-of-{client}");
        while !self.crashing.load(Ordering::SeqCst) {
            let upload = self.next(client, &mut random);
            fs::write(self.bench.here().join(&file), upload.bytes())
                .map_err(|error| error.to_string())?;
            let mut args =
                vec!["put", "--retry", "0", "--server", &url, &file, "--as", &upload.path];
            if upload.create {
                args.push("--create");
            }
            let ended = self.bench.run(&args);
            match ended.status.code() {
                _ if self.power_is_off.load(Ordering::SeqCst) => {}
                Some(0) => self.history.acknowledge(&upload),
                Some(4) if self.may_refuse(&upload) => self.history.refuse(&upload),
                _ if self.crashing.load(Ordering::SeqCst) => {}
                code => return Err(format!("put ended with {code:?}: {}", ended.stderr)),
            }
        }
        Ok(())
    }

    /// Uploads over one connection, several at once, without waiting for replies.
    pub(super) fn pipeline(&self, client: usize, seed: u64) -> Result<(), String> {
        match self.try_pipeline(client, seed) {
            Err(_) if self.crashing.load(Ordering::SeqCst) => Ok(()),
            ended => ended,
        }
    }

    fn try_pipeline(&self, client: usize, seed: u64) -> Result<(), String> {
        let mut random = Random::new(seed);
        let mut connection = Connection::open(self.server).map_err(|error| error.to_string())?;
        loop {
            let uploads: Vec<Upload> =
                (0..=random.below(24)).map(|_| self.next(client, &mut random)).collect();
            connection.send(&uploads).map_err(|error| error.to_string())?;
            for upload in &uploads {
                self.settle(upload, &connection.receipt().map_err(|error| error.to_string())?)?;
            }
        }
    }

    /// Uploads, makes, moves, copies and deletes over one connection, several at once, without waiting for replies.
    pub(super) fn change(&self, ledger: &Ledger, seed: u64) -> Result<(), String> {
        match self.try_change(ledger, seed) {
            Err(_) if self.crashing.load(Ordering::SeqCst) => Ok(()),
            ended => ended,
        }
    }

    fn try_change(&self, ledger: &Ledger, seed: u64) -> Result<(), String> {
        let mut random = Random::new(seed);
        let mut connection = Connection::open(self.server).map_err(|error| error.to_string())?;
        loop {
            let (commands, text) = ledger.send(&mut random);
            connection.send_bytes(&text).map_err(|error| error.to_string())?;
            for command in &commands {
                let receipt = connection.receipt().map_err(|error| error.to_string())?;
                if self.power_is_off.load(Ordering::SeqCst) {
                    return Ok(());
                }
                if receipt != "OK" && !receipt.starts_with("OK ") {
                    return Err(format!("{command:?} was answered {receipt:?}"));
                }
                ledger.confirm(command, &receipt);
            }
        }
    }

    fn settle(&self, upload: &Upload, receipt: &str) -> Result<(), String> {
        if self.power_is_off.load(Ordering::SeqCst) {
            return Ok(());
        }
        if receipt.starts_with("OK ") {
            self.history.acknowledge(upload);
            return Ok(());
        }
        if !receipt.starts_with("ERR ") || !self.may_refuse(upload) {
            return Err(format!("{} was answered {receipt:?}", upload.path));
        }
        if !receipt.starts_with("ERR outcome-unknown ") {
            self.history.refuse(upload);
        }
        Ok(())
    }

    fn may_refuse(&self, upload: &Upload) -> bool {
        upload.create || self.crashing.load(Ordering::SeqCst)
    }

    fn next(&self, client: usize, random: &mut Random) -> Upload {
        let tops = [TOPS[0], TOPS[1 + client % (TOPS.len() - 1)]];
        let top = tops[usize::from(random.chance(70))];
        let path = match random.below(5) {
            0 => format!("{top}/f{}", random.below(4)),
            1 => format!("{top}/d{}/f{}", random.below(3), random.below(2)),
            2 => format!("{top}/d{}/e/f/f{}", random.below(3), random.below(2)),
            3 => format!("{top}/new{}/f", random.below(1_000)),
            _ => format!("{top}/d{}/e/g/h/i/j/k/l/m/n/f", random.below(100)),
        };
        let most = if random.chance(60) { 3_000 } else { 300_000 };
        self.history.send(path, random.below(most), random.chance(25))
    }
}

/// A connection, whose every operation may fail.
pub(super) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Connects and reads the greeting.
    pub(super) fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut connection = Self(BufReader::new(stream));
        let greeting = connection.line()?;
        if greeting.starts_with("HAUL/1 ") {
            Ok(connection)
        } else {
            Err(io::Error::new(io::ErrorKind::ConnectionRefused, greeting))
        }
    }

    /// Sends uploads and their bodies without waiting for replies.
    pub(super) fn send(&mut self, uploads: &[Upload]) -> io::Result<()> {
        let mut all = Vec::new();
        for upload in uploads {
            let bytes = upload.bytes();
            let (path, size) = (&upload.path, bytes.len());
            let mode = if upload.create { "create" } else { "replace" };
            write!(all, "UPLOAD {path} size={size} mode={mode}\nDATA {size}\n")?;
            all.extend(&bytes);
            writeln!(all, "END crc64nvme={}", Checksum::of(&bytes))?;
        }
        self.send_bytes(&all)
    }

    pub(super) fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// The final reply to an upload.
    pub(super) fn receipt(&mut self) -> io::Result<String> {
        loop {
            let line = self.line()?;
            if line != "READY" {
                return Ok(line);
            }
        }
    }

    /// A whole line without its ending.
    pub(super) fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("it ended after {line:?}"),
            )),
        }
    }

    /// `length` bytes of payload.
    pub(super) fn payload(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
