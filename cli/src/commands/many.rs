//! What `get` and `put` are told about several files.

use clap::{Args, ValueEnum};

use super::exclude::{self, Pattern};

/// Which files are moved, and over how many connections.
#[derive(Debug, Clone, Args)]
pub(crate) struct Many {
    /// Take directories too, with all that is in them
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// With -r, leave out what matches; may be repeated
    ///
    /// A pattern without / is compared with names at any depth, one with / with paths from the top of the directory that was named; with a / at its end it is about
    /// directories only. `*` and `?` stop at a /, `**` does not. With a directory all that is in it is left out. What is left out in this way is not told, and is no failure.
    #[arg(long, value_name = "GLOB", requires = "recursive")]
    exclude: Vec<Pattern>,
    /// With -r, follow links to directories and files within the tree, or skip all links without a word [default: name each as left out]
    #[arg(long, value_name = "HOW", requires = "recursive")]
    pub(crate) links: Option<Links>,
    /// With -r, leave alone what has the same size and time of modification already
    #[arg(long, requires = "recursive")]
    pub(crate) skip_existing: bool,
    /// Use N connections; one is mostly enough, since it has many files under way at once
    #[arg(long, short, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) jobs: u8,
}

/// What becomes of symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Links {
    Follow,
    Skip,
}

impl Many {
    /// Whether `path`, from the top of a directory that was named, was excluded.
    pub(crate) fn excludes(&self, path: &str, is_directory: bool) -> bool {
        exclude::is_excluded(&self.exclude, path, is_directory)
    }
}

/// Seconds that two times of one file may differ by: some file systems count in twos.
pub(super) const CLOCK: u64 = 2;

/// Whether a file of this size and time of modification, in seconds, is taken for the same as another one.
pub(crate) fn is_same(one: (u64, i64), other: (u64, i64)) -> bool {
    one.0 == other.0 && one.1.abs_diff(other.1) <= CLOCK
}
