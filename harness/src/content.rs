//! Contents of files and bodies, which may be too large for memory.

use std::ops::Range;
use std::sync::Arc;

use haul_core::Hasher;

/// Contents are compared and hashed in blocks, because single bytes are slow in a debug build.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// The bytes of a file or of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// This many zero bytes; in a file, a hole.
    Zeros(u64),
}

impl Content {
    /// A pattern that does not repeat within 16 MiB, so a misplaced chunk is detected.
    pub fn pattern(length: usize) -> Self {
        let byte = |index: usize| {
            let mixed = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed.to_be_bytes()[0] ^ mixed.to_be_bytes()[2]
        };
        Self::Bytes((0..length).map(byte).collect())
    }

    /// The number of bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(length) => *length,
        }
    }

    /// The part in `range`, or `None` if the range goes beyond the end.
    pub fn slice(&self, range: Range<u64>) -> Option<Self> {
        if range.start > range.end || range.end > self.length() {
            return None;
        }
        Some(match self {
            Self::Bytes(bytes) => {
                let (start, end) =
                    (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
                Self::Bytes(bytes[start..end].into())
            }
            Self::Zeros(_) => Self::Zeros(range.end - range.start),
        })
    }

    /// Whether the bytes at `offset` are `data`.
    pub fn has(&self, offset: u64, data: &[u8]) -> bool {
        let end = offset.saturating_add(data.len() as u64);
        end <= self.length()
            && match self {
                Self::Bytes(bytes) => {
                    usize::try_from(offset).is_ok_and(|start| bytes[start..].starts_with(data))
                }
                Self::Zeros(_) => data.chunks(ZEROS.len()).all(|part| *part == ZEROS[..part.len()]),
            }
    }

    /// All bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Zeros(length) => vec![0; usize::try_from(*length).unwrap_or(usize::MAX)],
        }
    }

    /// The CRC-64/NVME of the bytes, as it is written on the wire.
    pub fn checksum(&self) -> String {
        let mut hasher = Hasher::new();
        match self {
            Self::Bytes(bytes) => hasher.update(bytes),
            Self::Zeros(length) => {
                let mut left = *length;
                while left > 0 {
                    let next = usize::try_from(left).unwrap_or(ZEROS.len()).min(ZEROS.len());
                    hasher.update(&ZEROS[..next]);
                    left -= next as u64;
                }
            }
        }
        hasher.checksum().to_string()
    }
}
