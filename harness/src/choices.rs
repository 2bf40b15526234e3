//! Decisions that are derived from bytes.

/// Bytes that decide, used cyclically. Without any bytes, every size is the largest and every answer is no.
#[derive(Debug, Clone)]
pub struct Choices<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Choices<'a> {
    /// Decisions from these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn byte(&mut self) -> u8 {
        if self.bytes.is_empty() {
            return u8::MAX;
        }
        let byte = self.bytes[self.at];
        self.at = (self.at + 1) % self.bytes.len();
        byte
    }

    /// A size from 1 to `most`, which is at least 1: often tiny, often all.
    pub fn size(&mut self, most: usize) -> usize {
        let wish = match self.byte() {
            byte @ 0..=95 => usize::from(byte % 16) + 1,
            byte @ 96..=191 => usize::from(byte - 95) * 61,
            192.. => usize::MAX,
        };
        wish.min(most)
    }

    /// Yes or no; no if there are no bytes.
    pub fn flip(&mut self) -> bool {
        self.byte().is_multiple_of(2)
    }
}
