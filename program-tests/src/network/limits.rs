//! Too little space, too few inodes or descriptors, and limits on the size of a file.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use haul_harness::Content;
use rustix::process::{Resource, Rlimit};
use tempfile::NamedTempFile;

use crate::cases::{assert_nothing_is_unfinished, names_in};
use crate::disk::{image, run};
use crate::process::Bench;
use crate::requirements::or_skip;

/// A small file system, mounted at a directory until it is dropped.
pub(crate) struct Small {
    mounted_at: PathBuf,
    /// The image, if the file system is not in memory.
    _image: Option<NamedTempFile>,
}

impl Small {
    /// A file system in memory; nothing if there cannot be one here.
    pub(crate) fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        or_skip(run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(at)))
            .map(|()| Self { mounted_at: at.to_owned(), _image: None })
    }

    /// A file system with a quota in bytes that also binds root, as those of Btrfs do; nothing if there cannot be one
    /// here.
    fn quota(at: &Path, bytes: u64) -> Option<Self> {
        or_skip(Self::try_quota(at, bytes))
    }

    fn try_quota(at: &Path, bytes: u64) -> Result<Self, String> {
        let image = image(&["mkfs.btrfs", "-q", "-f"])?;
        run(Command::new("mount").args(["-t", "btrfs", "-o", "loop"]).arg(image.path()).arg(at))?;
        let small = Self { mounted_at: at.to_owned(), _image: Some(image) };
        run(Command::new("btrfs").args(["quota", "enable"]).arg(at))?;
        let limit = bytes.to_string();
        run(Command::new("btrfs").args(["qgroup", "limit", &limit, "0/5"]).arg(at))?;
        Ok(small)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(&self.mounted_at));
    }
}

/// The server's file system has no space, or no inodes: the reply is `no-space`, nothing is left behind, and a smaller
/// upload succeeds.
pub fn a_full_share_takes_what_fits(program: &Path) {
    for (options, bytes, filler) in [("size=300k", 500_000, 0), ("nr_inodes=20", 50_000, 40)] {
        let bench = Bench::new(program);
        let Some(_small) = Small::tmpfs(&bench.share(), options) else { return };
        takes_what_fits(&bench, bytes, filler);
    }
}

/// The quota is used up though the disk is not full: the reply is `no-space` as well.
pub fn a_quota_is_no_space(program: &Path) {
    let bench = Bench::new(program);
    let Some(_small) = Small::quota(&bench.share(), 400_000) else { return };
    takes_what_fits(&bench, 500_000, 0);
}

/// `bytes` bytes do not fit into the share once it contains as many files of `filler` bytes as it can.
fn takes_what_fits(bench: &Bench, bytes: usize, filler: usize) {
    let server = bench.serve(&[]);
    let url = server.url();
    let put = |name: &str, bytes: usize| {
        fs::write(bench.here().join("file"), Content::pattern(bytes).to_vec()).unwrap();
        bench.run(&["put", "--server", &url, "file", "--as", name])
    };
    put("old", 1_000).assert_code(0);
    let fillers: Vec<PathBuf> =
        (0..filler).map(|number| bench.share().join(format!("filler-{number}"))).collect();
    // As many as there is room for.
    let full = fillers.iter().take_while(|path| fs::write(path, "").is_ok()).count();
    // Without an announced size, the lack of space shows only when the file is written.
    let piped = Content::pattern(bytes).to_vec();
    let piped = bench.run_with(&["put", "--server", &url, "-", "--as", "old"], &piped);
    for refused in [put("old", bytes), put("new/name", bytes), piped] {
        refused.assert_code(4).assert_one_clear_line();
        assert!(refused.stderr.contains("space"), "{bytes}: {}", refused.stderr);
        assert_nothing_is_unfinished(bench);
        assert!(!bench.share().join("new").exists(), "{bytes}: a directory was left");
    }
    assert!(fs::read(bench.share().join("old")).unwrap() == Content::pattern(1_000).to_vec());
    for path in &fillers[..full] {
        fs::remove_file(path).unwrap();
    }
    put("small", 2_000).assert_code(0);
    assert!(fs::read(bench.share().join("small")).unwrap() == Content::pattern(2_000).to_vec());
}

/// The client's file system is full: the exit code is 7, and nothing is left behind.
pub fn a_full_disk_leaves_nothing_of_a_download(program: &Path) {
    for (options, filler) in [("size=300k", 0), ("nr_inodes=20", 40)] {
        let bench = Bench::new(program);
        let small = bench.here().join("small");
        fs::create_dir(&small).unwrap();
        let Some(_small) = Small::tmpfs(&small, options) else { return };
        let full = (0..filler).take_while(|n| fs::write(small.join(format!("{n}")), "").is_ok());
        let full = full.count();
        fs::write(bench.share().join("large"), Content::pattern(500_000).to_vec()).unwrap();
        fs::write(bench.share().join("little"), "little").unwrap();
        let server = bench.serve(&[]);
        let get = |name| bench.run(&["get", "--server", &server.url(), name, "-o", "small/it"]);
        get("large").assert_code(7).assert_one_clear_line();
        assert_eq!(names_in(&small).len(), full, "{options}: {:?}", names_in(&small));
        if full == 0 {
            get("little").assert_code(0);
            assert_eq!(fs::read(small.join("it")).unwrap(), b"little");
        }
    }
}

/// A server without free descriptors says so, goes on, and works again when there are some.
pub fn a_server_without_descriptors_recovers(program: &Path) {
    let bench = Bench::new(program);
    fs::create_dir_all(bench.share().join("a/b/c/d")).unwrap();
    fs::write(bench.share().join("a/b/c/d/file"), "served").unwrap();
    let server = bench.serve(&[]);
    let commands: [(&[u8], &str); 3] = [
        (b"UPLOAD x/y/z\nDATA 3\nnewEND\nEXIT\n", "OK size=3 "),
        (b"DOWNLOAD a/b/c/d/file\nEXIT\n", "servedOK length=6 "),
        (b"LIST depth=all\nEXIT\n", "OK entries="),
    ];
    // The first session opens descriptors that a runtime keeps.
    server.connect().send(b"EXIT\n");
    server.connect().send(b"EXIT\n");
    let mut refused = 0;
    for (command, done) in commands {
        for more in 1..10 {
            let mut raw = server.connect();
            assert!(raw.line().starts_with("HAUL/1 "));
            let limit = |descriptors| {
                let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
                server.limit(Resource::Nofile, Rlimit { current: Some(descriptors), maximum });
            };
            limit(server.descriptors() as u64 + more - 1);
            raw.send(command);
            let reply = raw.rest();
            limit(1024);
            // A client that gets `busy` comes back. If only the name cannot be created, only the upload fails.
            let busy = reply.lines().last().is_some_and(|line| line.starts_with("ERR busy "));
            assert!(busy || reply.ends_with("OK \"bye\"\r\n"), "{more} more: {reply}");
            let failed = reply.lines().any(|line| line.starts_with("ERR "));
            assert!(failed != reply.contains(done), "{more} more: {reply}");
            refused += usize::from(failed);
            assert_nothing_is_unfinished(&bench);
        }
        let mut raw = server.connect();
        assert!(raw.line().starts_with("HAUL/1 "));
        raw.send(command);
        let reply = raw.rest();
        assert!(reply.contains(done), "{reply}");
    }
    assert!(refused > 2, "{refused}");
}

/// A client that may open few files, or write only small ones, says so and leaves nothing behind.
pub fn a_client_at_its_limits_leaves_nothing(program: &Path) {
    let bench = Bench::new(program);
    let bytes = Content::pattern(50_000).to_vec();
    for directory in [bench.share(), bench.here()] {
        fs::write(directory.join("file"), &bytes).unwrap();
    }
    let server = bench.serve(&[]);
    let url = server.url();
    let limits = (4..24).map(|files| format!("--nofile={files}"));
    let limits = limits.chain(["--fsize=0", "--fsize=1000"].map(String::from));
    let (mut done, mut failed) = (0, 0);
    for limit in limits {
        let _ = fs::remove_file(bench.here().join("target"));
        let _ = fs::remove_file(bench.share().join("put"));
        let launcher = ["prlimit", &limit, "--"];
        for (args, target) in [
            (&["get", "--server", &url, "file", "-o", "target"], bench.here().join("target")),
            (
                &["put", "--server", &url, "file", "--as", "put"].map(|word| word),
                bench.share().join("put"),
            ),
        ] {
            let ended = bench.run_under(&launcher, args, b"");
            // Its stdout is a file too.
            let code = ended.status.code().unwrap_or_else(|| panic!("{limit}: {}", ended.status));
            // async-io panics when it cannot be set up, and no code runs yet that could report it.
            let panicked = ended.stderr.contains("panicked") && !ended.stderr.contains("async-io");
            assert!(!panicked, "{limit}, {}: {}", args[0], ended.stderr);
            if code == 0 {
                assert!(fs::read(&target).unwrap() == bytes, "{limit}, {}", args[0]);
                done += 1;
            } else {
                failed += 1;
            }
            let torn = fs::read(&target).is_ok_and(|found| found != bytes);
            assert!(!torn, "{limit}, {}: the target is torn", args[0]);
        }
        let mut left = names_in(&bench.here());
        left.retain(|name| name != "file" && name != "target");
        assert!(left.is_empty(), "{limit}: {left:?}");
        assert_nothing_is_unfinished(&bench);
    }
    assert!(done > 4 && failed > 4, "{done} done, {failed} failed");
}
