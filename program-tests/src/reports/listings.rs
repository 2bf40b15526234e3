//! What a listing, or a transfer after one, leaves out or cannot do.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::client;
use crate::process::Bench;

/// "names that cannot be carried are left out of `get -r`, exit 0": each is named, with `-q` too, and the exit code is
/// 8.
pub fn names_that_cannot_be_sent_are_named(program: &Path) {
    let bench = Bench::new(program);
    let names: [(&[u8], &str); 3] = [
        (b"dev-disk-by\\x2duuid.swap", "dev-disk-by"),
        (b"Icon\r", "Icon"),
        (b"r\xe4ksm\xf6rg\xe5s", "ksm"),
    ];
    fs::write(bench.share().join("ok"), "x").unwrap();
    for (name, _) in names {
        fs::write(bench.share().join(OsStr::from_bytes(name)), "").unwrap();
    }
    let server = bench.serve(&[]);
    for words in ["get -r . -o got", "get -rq . -o quiet", "ls -r", "ls -rq"] {
        let ended = client(&bench, &server, words);
        ended.assert_code(8);
        for (_, sign) in names {
            let told = ended.stderr.lines().filter(|line| line.contains(sign)).count();
            assert_eq!(told, 1, "{words}: {sign}: {}", ended.stderr);
        }
        assert!(!ended.stderr.contains('\r'), "{:?}", ended.stderr);
    }
    for target in ["got", "quiet"] {
        assert_eq!(fs::read(bench.here().join(target).join("ok")).unwrap(), b"x");
    }
}

/// "paths beyond 1024 bytes": they are transferred, or they are named.
pub fn paths_that_are_too_long_are_named(program: &Path) {
    let bench = Bench::new(program);
    let name = "n".repeat(100);
    for root in [bench.share(), bench.here()] {
        let deep = (0..12).fold(root.join("t"), |path, _| path.join(&name));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("f"), "x").unwrap();
        fs::write(root.join("t/short"), "x").unwrap();
    }
    let server = bench.serve(&[]);
    for words in ["put -rq t --as up", "get -r t -o got", "get -rq t -o quiet"] {
        let ended = client(&bench, &server, words);
        ended.assert_code(8);
        assert!(ended.stderr.contains("nnnn"), "{words}: {}", ended.stderr);
    }
    assert!(bench.here().join("got/short").exists() && bench.share().join("up/short").exists());
}

/// "a listing that fails says that "nothing was published"": every directory that can be listed is, at any depth.
pub fn a_deep_tree_is_listed_with_few_descriptors(program: &Path) {
    let bench = Bench::new(program);
    let deep = (0..300).fold(bench.share(), |path, _| path.join("d"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f"), "x").unwrap();
    fs::create_dir(bench.share().join("other")).unwrap();
    fs::write(bench.share().join("other/x"), "x").unwrap();
    let server = bench.serve_under(&["prlimit", "--nofile=256:256", "--"], &[]);
    let listed = client(&bench, &server, "ls -r");
    let listed = String::from_utf8_lossy(&listed.assert_code(0).stdout).into_owned();
    assert!(listed.contains("other/x") && listed.contains("d/d/f"), "{}", listed.len());
    client(&bench, &server, "get -rq . -o got").assert_code(0);
    assert!(bench.here().join("got/other/x").exists());
}

/// The same report: a directory that cannot be listed fails no other one, and the error speaks of a listing.
pub fn a_directory_that_cannot_be_listed_is_named(program: &Path) {
    if !super::can_be_nobody() {
        return;
    }
    let bench = super::open_to_everybody(program);
    for name in ["closed", "open"] {
        fs::create_dir(bench.share().join(name)).unwrap();
        fs::write(bench.share().join(name).join("x"), "x").unwrap();
    }
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(bench.share().join("closed"), closed).unwrap();
    let server = bench.serve_under(super::NOBODY, &["--read-only"]);
    for words in ["ls -r", "ls -rq", "get -rq . -o got"] {
        let ended = client(&bench, &server, words);
        ended.assert_code(8);
        assert!(ended.stderr.contains("closed"), "{words}: {}", ended.stderr);
        assert!(!ended.stderr.contains("published"), "{words}: {}", ended.stderr);
    }
    assert!(bench.here().join("got/open/x").exists() && !bench.here().join("got/closed").exists());
    let refused = client(&bench, &server, "ls closed");
    refused.assert_code(4).assert_one_clear_line();
    assert!(!refused.stderr.contains("published"), "{}", refused.stderr);
}
