//! CRC-64/NVME, the checksum of every transfer.

use core::fmt;

use crate::crc::{self, Digest};

/// A CRC-64/NVME: width 64, polynomial `ad93d23594c93659`, reflected, init and xorout all ones.
///
/// The parameters are those of the NVM Command Set Specification 1.0, section 5.2.1.3.4. The check value, of the bytes
/// `123456789`, is `ae8b14860a799888`. On the wire and in [`Display`](fmt::Display) it is 16 lower-case hexadecimal
/// digits.
///
/// ```
/// use haul_core::Checksum;
///
/// let whole = Checksum::of(b"123456789");
/// assert_eq!(whole.to_string(), "ae8b14860a799888");
/// assert_eq!(Checksum::of(b"1234").combine(Checksum::of(b"56789"), 5), whole);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum(u64);

impl Checksum {
    /// The checksum of no bytes.
    pub const EMPTY: Self = Self(0);

    /// The checksum of `data`.
    pub fn of(data: &[u8]) -> Self {
        let mut digest = Digest::new();
        digest.update(data);
        Self(digest.value())
    }

    /// The checksum of these bytes followed by `next_length` bytes whose checksum is `next`.
    #[must_use]
    pub fn combine(self, next: Self, next_length: u64) -> Self {
        // Usually nothing precedes, and then no arithmetic is needed.
        if self == Self::EMPTY {
            return next;
        }
        Self(crc::combine(self.0, next.0, next_length))
    }

    /// Reads 16 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let canonical =
            text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if canonical { u64::from_str_radix(text, 16).ok().map(Self) } else { None }
    }

    /// The checksum as a number.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// A checksum from its number.
    pub fn from_u64(value: u64) -> Self {
        Self(value)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

/// Computes the checksum of bytes as they pass, and of ranges whose checksums are known.
#[derive(Debug, Clone)]
pub struct Hasher {
    digest: Digest,
    before: Checksum,
    length: u64,
}

impl Hasher {
    /// A hasher without any bytes.
    pub fn new() -> Self {
        Self { digest: Digest::new(), before: Checksum::EMPTY, length: 0 }
    }

    /// Adds `data`.
    pub fn update(&mut self, data: &[u8]) {
        self.digest.update(data);
        self.length += data.len() as u64;
    }

    /// Adds `length` bytes whose checksum is known.
    pub fn append(&mut self, checksum: Checksum, length: u64) {
        self.before = self.checksum().combine(checksum, length);
        self.digest = Digest::new();
        self.length += length;
    }

    /// The checksum of all bytes added so far.
    pub fn checksum(&self) -> Checksum {
        self.before.combine(Checksum(self.digest.value()), self.digest.length())
    }

    /// The number of bytes added so far.
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}
