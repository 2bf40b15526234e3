//! The fuzz targets over their seed corpus, so that every test run covers them.

use std::fs;
use std::path::Path;

/// Runs `target` on each of its seeds.
fn run(name: &str, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut seeds = 0;
    for entry in
        fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display()))
    {
        let path = entry.unwrap().path();
        // The output of a failed test is shown, so its last line is the seed that failed.
        println!("{}", path.display());
        target(&fs::read(&path).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 12, "only {seeds} seeds in {}", corpus.display());
}

macro_rules! targets {
    ($($target:ident)+) => {
        $(#[test]
        fn $target() {
            run(stringify!($target), haul_fuzz_bodies::$target);
        })+
    };
}

targets! { accounts addresses client joined lines names parser paths server tls words }
