//! Every client with every server.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use crate::support::{Share, payload};

/// Sizes around those of chunks and buffers, in bytes.
pub(crate) const SIZES: [usize; 8] =
    [0, 1, 4095, 4096, 65_537, 256 << 10, (256 << 10) + 1, 5_000_001];
/// The number of small files.
pub(crate) const MANY: u64 = 200;
/// The size of the large file, in bytes.
const LARGE: u64 = 1 << 30;

macro_rules! pairs {
    ($($name:ident: $server:ident, $client:ident;)+) => {
        $(#[test]
        fn $name() {
            let share = Share::new();
            let server = crate::$server::moving::start(&share);
            crate::$client::moving::move_files(server.address(), &share);
        })+

        #[test]
        fn a_gibibyte_goes_up_and_comes_back_between_all_pairs() {
            $({
                let share = Share::new();
                let server = crate::$server::moving::start(&share);
                crate::$client::moving::move_large_file(server.address(), LARGE);
            })+
        }
    };
}

pairs! {
    std_serves_std: std, std;
    std_serves_tokio: std, tokio;
    std_serves_async_std: std, async_std;
    tokio_serves_std: tokio, std;
    tokio_serves_tokio: tokio, tokio;
    tokio_serves_async_std: tokio, async_std;
    async_std_serves_std: async_std, std;
    async_std_serves_tokio: async_std, tokio;
    async_std_serves_async_std: async_std, async_std;
}

/// The block that large files repeat. No chunk or buffer is a multiple of its length, so misplaced data is detected.
static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| payload(1_048_573));

/// The bytes of a large file at `at`, up to the end of a block.
fn expected(at: u64) -> &'static [u8] {
    &BLOCK[usize::try_from(at % BLOCK.len() as u64).unwrap()..]
}

/// The content of a large file.
pub(crate) struct Pattern {
    at: u64,
    length: u64,
}

impl Pattern {
    pub(crate) fn new(length: u64) -> Self {
        Self { at: 0, length }
    }
}

impl Read for Pattern {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.length - self.at).unwrap_or(usize::MAX);
        let bytes = expected(self.at);
        let count = buffer.len().min(rest).min(bytes.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

/// Compares what is written with the content of a large file.
#[derive(Clone, Default)]
pub(crate) struct Checking(Arc<AtomicU64>);

impl Checking {
    /// The number of right bytes.
    pub(crate) fn checked(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Write for Checking {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let bytes = expected(self.checked());
        let count = data.len().min(bytes.len());
        if data[..count] != bytes[..count] {
            return Err(io::Error::other("another byte than was sent"));
        }
        self.0.fetch_add(count as u64, Ordering::SeqCst);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
