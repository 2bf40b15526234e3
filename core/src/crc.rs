//! The arithmetic of CRC-64/NVME.

#[cfg(feature = "std")]
pub(crate) use fast::Digest;
#[cfg(not(feature = "std"))]
pub(crate) use table::Digest;

/// The polynomial `ad93d23594c93659`, reflected: the least significant bit is the coefficient of the highest power.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

/// `x`, reflected.
const X: u64 = 1 << 62;

/// The checksum of two byte sequences in a row; the second one has `second_length` bytes.
///
/// Moving a checksum past n more bytes is a multiplication with x^8n. Squaring a polynomial takes some tens of
/// nanoseconds; the matrices of `crc_fast::checksum_combine` take hundreds of microseconds, too much for every chunk
/// that passes by a machine.
pub(crate) fn combine(first: u64, second: u64, second_length: u64) -> u64 {
    let mut power = multiply(X, X);
    power = multiply(power, power);
    power = multiply(power, power);
    let (mut moved, mut left) = (first, second_length);
    while left > 0 {
        if left & 1 == 1 {
            moved = multiply(moved, power);
        }
        power = multiply(power, power);
        left >>= 1;
    }
    moved ^ second
}

/// The product of two reflected polynomials, modulo the polynomial.
fn multiply(left: u64, right: u64) -> u64 {
    let (mut product, mut shifted) = (0, right);
    for bit in (0..u64::BITS).rev() {
        product ^= shifted * (left >> bit & 1);
        shifted = times_x(shifted);
    }
    product
}

const fn times_x(value: u64) -> u64 {
    (value >> 1) ^ (POLYNOMIAL * (value & 1))
}

#[cfg(feature = "std")]
mod fast {
    use crc_fast::CrcAlgorithm;

    /// Computes a CRC with the vector instructions that the processor has.
    #[derive(Debug, Clone)]
    pub(crate) struct Digest(crc_fast::Digest);

    impl Digest {
        pub(crate) fn new() -> Self {
            Self(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme))
        }

        pub(crate) fn update(&mut self, data: &[u8]) {
            self.0.update(data);
        }

        pub(crate) fn value(&self) -> u64 {
            self.0.finalize()
        }

        /// The number of bytes added.
        pub(crate) fn length(&self) -> u64 {
            self.0.get_amount()
        }
    }
}

/// crc-fast does not build without `std`: it is also built as a C library, which then lacks a panic handler, and on
/// x86-64 it refers to `std`.
#[cfg(any(not(feature = "std"), test))]
mod table {
    /// The effect of each byte value on the register (Sarwate's algorithm).
    static TABLE: [u64; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < table.len() {
            let mut value = byte as u64;
            let mut bit = 0;
            while bit < 8 {
                value = super::times_x(value);
                bit += 1;
            }
            table[byte] = value;
            byte += 1;
        }
        table
    };

    /// Computes a CRC byte by byte.
    #[derive(Debug, Clone)]
    pub(crate) struct Digest {
        register: u64,
        length: u64,
    }

    impl Digest {
        pub(crate) fn new() -> Self {
            Self { register: u64::MAX, length: 0 }
        }

        pub(crate) fn update(&mut self, data: &[u8]) {
            self.length += data.len() as u64;
            for byte in data {
                let [low, ..] = self.register.to_le_bytes();
                self.register = (self.register >> 8) ^ TABLE[usize::from(low ^ byte)];
            }
        }

        pub(crate) fn value(&self) -> u64 {
            !self.register
        }

        /// The number of bytes added.
        pub(crate) fn length(&self) -> u64 {
            self.length
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::{Digest, table};

    #[test]
    fn the_check_value_is_that_of_the_standard() {
        for (data, value) in [(&b""[..], 0), (b"123456789", 0xae8b_1486_0a79_9888)] {
            let mut digest = table::Digest::new();
            digest.update(data);
            assert_eq!((digest.value(), digest.length()), (value, data.len() as u64));
        }
    }

    proptest! {
        #[test]
        fn both_ways_to_take_it_agree(data: Vec<u8>, cut: prop::sample::Index) {
            let cut = cut.index(data.len() + 1);
            let (mut one, mut other) = (Digest::new(), table::Digest::new());
            for part in [&data[..cut], &data[cut..]] {
                one.update(part);
                other.update(part);
            }
            prop_assert_eq!((one.value(), one.length()), (other.value(), other.length()));
        }

        #[cfg(feature = "std")]
        #[test]
        fn runs_combine_as_a_library_combines_them(first: u64, second: u64, length: u64) {
            let algorithm = crc_fast::CrcAlgorithm::Crc64Nvme;
            let expected = crc_fast::checksum_combine(algorithm, first, second, length >> 1);
            prop_assert_eq!(super::combine(first, second, length >> 1), expected);
        }
    }
}
