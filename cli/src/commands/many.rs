//! The arguments of `get` and `put` about several files.

use clap::{Args, ValueEnum};
use haul_core::Timestamp;

use super::exclude::{self, Pattern};
use crate::number::whole;

/// Which files are transferred, and over how many connections.
#[derive(Debug, Clone, Args)]
pub(crate) struct Many {
    /// Transfer directories too, with their content
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// With -r, leave out files that match; may be repeated
    ///
    /// A pattern without / is compared with names at any depth; one with / is compared with paths from the top of the
    /// named directory. If it ends with /, it matches only directories. `*` and `?` stop at a /, `**` does not. Leaving
    /// out a directory leaves out its content. Files left out in this way are not reported, and are no failure.
    #[arg(long, value_name = "GLOB", requires = "recursive")]
    exclude: Vec<Pattern>,
    /// With -r, follow links to directories and files within the tree, or skip all links silently [default: name each
    /// as left out]
    #[arg(long, value_name = "HOW", requires = "recursive")]
    pub(crate) links: Option<Links>,
    /// With -r, skip files that exist with the same size and modification time
    #[arg(long, requires = "recursive")]
    pub(crate) skip_existing: bool,
    /// Use N connections, or one for each file if there are fewer [default: one for each 256 files, up to 4]
    ///
    /// One connection transfers up to 256 files at the same time, so more connections help with many small files. They
    /// also help where one connection does not fill the network. Without --jobs, the program uses as many of them as
    /// the server accepts, and only one after a connection was lost.
    #[arg(long, short, value_name = "N", value_parser = whole("a whole number", 1..=64_u8))]
    pub(crate) jobs: Option<u8>,
}

/// What to do with symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Links {
    Follow,
    Skip,
}

impl Many {
    /// Whether `path`, from the top of a named directory, is excluded.
    pub(crate) fn excludes(&self, path: &str, is_directory: bool) -> bool {
        exclude::is_excluded(&self.exclude, path, is_directory)
    }
}

/// The modification times that a copy of a file may have. File systems round times down: to 100 ns, a microsecond, a
/// millisecond, 10 ms, a second or, on FAT, two seconds. Any other difference means that one of the two was written
/// since.
pub(crate) fn times_of_copies(time: Timestamp) -> impl Iterator<Item = Timestamp> {
    let (seconds, nanos) = (time.seconds(), time.nanos());
    let steps = [1, 100, 1_000, 1_000_000, 10_000_000, 1_000_000_000].into_iter();
    let rounded = steps.map(move |step| (seconds, nanos - nanos % step));
    let times = rounded.chain([(seconds - seconds.rem_euclid(2), 0)]);
    times.filter_map(|(seconds, nanos)| Timestamp::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_as_old_or_rounded_down() {
        let is_copy = |one: (i64, u32), copy: (i64, u32)| {
            let time = |(seconds, nanos)| Timestamp::new(seconds, nanos).unwrap();
            times_of_copies(time(one)).any(|rounded| rounded == time(copy))
        };
        for copy in
            [(7, 987_654_321), (7, 987_654_300), (7, 987_000_000), (7, 980_000_000), (7, 0), (6, 0)]
        {
            assert!(is_copy((7, 987_654_321), copy), "{copy:?}");
        }
        for other in [(7, 987_654_322), (7, 900_000_000), (8, 0), (5, 0), (6, 1), (7, 987_654_400)]
        {
            assert!(!is_copy((7, 987_654_321), other), "{other:?}");
        }
        assert!(is_copy((-1, 5), (-2, 0)));
    }
}
