//! Sizes as a person writes them.

use std::str::FromStr;

use haul_core::message::MAX_NUMBER;
use thiserror::Error;

/// A number of bytes, at most 2^63-1: digits and optionally `K`, `M`, `G` or `T`, for multiples of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// Why a text is not a [`Size`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum SizeError {
    #[error("a size is a number of bytes such as 1000, or 64K, 10M, 2G, 1T (of 1024)")]
    Form,
    #[error("a size is less than 8388608T")]
    TooLarge,
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
        let (digits, suffix) = text.split_at(end);
        let unit: u64 = match suffix {
            "" => 1,
            "k" | "K" => 1 << 10,
            "m" | "M" => 1 << 20,
            "g" | "G" => 1 << 30,
            "t" | "T" => 1 << 40,
            _ => return Err(SizeError::Form),
        };
        if digits.is_empty() {
            return Err(SizeError::Form);
        }
        let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        bytes.filter(|bytes| *bytes <= MAX_NUMBER).map(Self).ok_or(SizeError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        for (text, bytes) in
            [("0", 0), ("1000", 1000), ("64K", 65_536), ("1g", 1 << 30), ("2T", 2 << 40)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        assert_eq!("9223372036854775807".parse(), Ok(Size(MAX_NUMBER)));
    }

    #[test]
    fn what_is_not_a_size_says_why() {
        for text in ["", "K", "-1", "+1", "1.5G", "1KB", "1 K", "0x10", "١"] {
            assert_eq!(text.parse::<Size>(), Err(SizeError::Form), "{text}");
        }
        for text in ["9223372036854775808", "8388608T", "99999999999999999999999"] {
            assert_eq!(text.parse::<Size>(), Err(SizeError::TooLarge), "{text}");
        }
    }
}
