//! A client that downloads a file and behaves well, while others attack.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A file of [`SIZE`] bytes in the shared directory.
pub(super) const NAME: &str = "honest";
/// Its size, in bytes.
pub(super) const SIZE: usize = 16 << 10;
/// Far longer than any reply takes. Only a hang gets there.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The interval between requests. At some hundred a second, the server's load is that of the attackers.
const PACE: Duration = Duration::from_millis(5);

/// Connects, downloads and says goodbye. Returns the time that it took.
pub(super) fn request(server: SocketAddr) -> io::Result<Duration> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("DOWNLOAD {NAME}\nEXIT\n").as_bytes())?;
    let mut reply = Vec::with_capacity(2 * SIZE);
    stream.read_to_end(&mut reply)?;
    if reply.len() > SIZE && reply.ends_with(b"OK \"bye\"\r\n") {
        return Ok(began.elapsed());
    }
    let said = String::from_utf8_lossy(&reply[..reply.len().min(200)]).into_owned();
    Err(io::Error::other(format!("an honest client was answered {said:?}")))
}

/// The times of requests, one after another, with [`PACE`] between them.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    /// The times of `count` requests.
    pub(super) fn of(server: SocketAddr, count: usize) -> io::Result<Self> {
        Self::take(server, (0..count).map(|_| ()))
    }

    /// Makes requests until `over` is set, at least one.
    pub(super) fn until(server: SocketAddr, over: &AtomicBool) -> io::Result<Self> {
        let goes_on = || (!over.load(Ordering::SeqCst)).then_some(());
        Self::take(server, std::iter::once(()).chain(std::iter::from_fn(goes_on)))
    }

    fn take(server: SocketAddr, requests: impl Iterator<Item = ()>) -> io::Result<Self> {
        let timed = requests.map(|()| {
            let time = request(server);
            std::thread::sleep(PACE);
            time
        });
        timed.collect::<io::Result<_>>().map(Self)
    }

    /// The 99th percentile.
    pub(super) fn p99(&mut self) -> Duration {
        self.0.sort_unstable();
        self.0.get((self.0.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
    }
}
