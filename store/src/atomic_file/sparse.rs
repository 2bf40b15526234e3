//! Finds long runs of zeros, which become holes that occupy no disk space.

/// The minimum size of a hole in bytes.
pub(crate) const HOLE: usize = 16 << 10;
/// The number of bytes to check at once: a block of most file systems.
const BLOCK: usize = 4 << 10;

static ZEROS: [u8; HOLE] = [0; HOLE];

/// A part of the bytes to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Bytes(&'a [u8]),
    /// Zeros that need not be written if there are enough of them, together with those before and after.
    Zeros(usize),
}

/// Splits off the first piece of `data`, which has at least one byte. `after_zeros` means that zeros before it were not
/// written.
pub(crate) fn first_piece(data: &[u8], after_zeros: bool) -> (Piece<'_>, &[u8]) {
    if after_zeros {
        let zeros = leading_zeros(data);
        if zeros > 0 {
            return (Piece::Zeros(zeros), &data[zeros..]);
        }
    }
    let mut from = 0;
    while let Some(block) = data[from..].chunks_exact(BLOCK).position(is_zero) {
        let begin = from + block * BLOCK;
        let zeros = leading_zeros(&data[begin..]);
        // More may follow the end.
        if zeros >= HOLE || begin + zeros == data.len() {
            return if begin == 0 {
                (Piece::Zeros(zeros), &data[zeros..])
            } else {
                (Piece::Bytes(&data[..begin]), &data[begin..])
            };
        }
        from = begin + zeros;
    }
    (Piece::Bytes(data), &[])
}

fn leading_zeros(data: &[u8]) -> usize {
    let blocks = data.chunks(BLOCK).take_while(|block| is_zero(block)).map(<[u8]>::len).sum();
    let rest = data[blocks..].iter().take_while(|byte| **byte == 0).count();
    blocks + rest
}

/// Whether all bytes are zero. The first bytes usually decide.
pub(crate) fn is_zero(data: &[u8]) -> bool {
    data.iter().take(16).all(|byte| *byte == 0)
        && data.chunks(HOLE).all(|chunk| *chunk == ZEROS[..chunk.len()])
}

/// Zeros to write where there can be no hole, at most `length`.
pub(crate) fn zeros(length: u64) -> &'static [u8] {
    &ZEROS[..usize::try_from(length).map_or(HOLE, |length| length.min(HOLE))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(mut data: &[u8]) -> Vec<(bool, usize)> {
        let mut pieces = Vec::new();
        let mut after_zeros = false;
        while !data.is_empty() {
            let (piece, rest) = first_piece(data, after_zeros);
            let (zeros, length) = match piece {
                Piece::Bytes(bytes) => (false, bytes.len()),
                Piece::Zeros(length) => (true, length),
            };
            pieces.push((zeros, length));
            (after_zeros, data) = (zeros, rest);
        }
        pieces
    }

    #[test]
    fn only_long_runs_are_split_off() {
        let zeros = vec![0; 4 * HOLE];
        assert_eq!(pieces(&zeros), [(true, 4 * HOLE)]);
        assert_eq!(pieces(&zeros[..BLOCK - 1]), [(false, BLOCK - 1)]);
        let mut data = zeros.clone();
        data[HOLE + 5] = 1;
        assert_eq!(pieces(&data), [(true, HOLE + 5), (false, BLOCK), (true, 3 * HOLE - BLOCK - 5)]);
        // A short run stays among the bytes unless it is at the end.
        let mut data = vec![7; 3 * HOLE];
        data[BLOCK..2 * BLOCK].fill(0);
        assert_eq!(pieces(&data), [(false, 3 * HOLE)]);
        data[3 * HOLE - BLOCK..].fill(0);
        assert_eq!(pieces(&data), [(false, 3 * HOLE - BLOCK), (true, BLOCK)]);
        assert_eq!(first_piece(&[0, 0, 1], true), (Piece::Zeros(2), &[1][..]));
    }

    #[test]
    fn one_byte_is_not_overlooked() {
        for at in [0, 15, 16, BLOCK, HOLE - 1, HOLE, 2 * HOLE - 1] {
            let mut data = vec![0; 2 * HOLE];
            assert!(is_zero(&data));
            data[at] = 1;
            assert!(!is_zero(&data), "{at}");
            assert_eq!(leading_zeros(&data), at);
        }
    }
}
