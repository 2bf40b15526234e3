//! What is uploaded: files without a size, files that grow, and unusual trees.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Mounted, client};
use crate::network::Small;
use crate::process::Bench;

/// "zero-length /proc file is sent as 0 bytes with a receipt": the content is what `cat` prints, in both directions.
pub fn files_without_a_size_are_sent_to_their_end(program: &Path) {
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    for file in ["/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"] {
        let Ok(bytes) = fs::read(file) else { continue };
        client(&bench, &server, &format!("put {file} --as up")).assert_code(0);
        assert_eq!(fs::read(bench.share().join("up")).unwrap(), bytes, "{file}");
    }
    drop(server);
    fs::remove_dir_all(bench.share()).unwrap();
    symlink("/proc/sys/kernel", bench.share()).unwrap();
    let server = bench.serve(&["--read-only"]);
    client(&bench, &server, "get osrelease -o down").assert_code(0);
    let bytes = fs::read("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(fs::read(bench.here().join("down")).unwrap(), bytes);
}

/// "growing log can be neither sent nor fetched": it is sent up to the size that it had at the start.
pub fn a_growing_file_is_sent_up_to_the_size_that_it_had(program: &Path) {
    const SIZE: usize = 20 << 20;
    let bench = Bench::new(program);
    let (up, down) = (bench.here().join("app.log"), bench.share().join("app.log"));
    for file in [&up, &down] {
        fs::write(file, vec![b'x'; SIZE]).unwrap();
    }
    let server = bench.serve(&[]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let open = |file| OpenOptions::new().append(true).open(file).unwrap();
            let mut logs = [open(&up), open(&down)];
            while !done.load(Ordering::SeqCst) {
                for log in &mut logs {
                    log.write_all(b"line\n").unwrap();
                }
                std::thread::yield_now();
            }
        });
        let ended = [
            "put app.log --as copy",
            "get app.log -o got",
            "get app.log --length 20000000 -o part",
        ]
        .map(|words| client(&bench, &server, words));
        done.store(true, Ordering::SeqCst);
        for ended in ended {
            ended.assert_code(0);
        }
    });
    for (copy, of) in [(bench.share().join("copy"), &up), (bench.here().join("got"), &down)] {
        let (copy, of) = (fs::read(copy).unwrap(), fs::read(of).unwrap());
        assert!(copy.len() >= SIZE && of.starts_with(&copy), "{} bytes", copy.len());
    }
    assert_eq!(fs::metadata(bench.here().join("part")).unwrap().len(), 20_000_000);
}

/// "on FUSE mounts that cache attributes a file that `get` just brought cannot be sent": the bytes have not changed, so
/// it is sent.
pub fn a_file_whose_times_come_late_is_sent(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("f"), "x").unwrap();
    let mount = bench.here().join("m");
    fs::create_dir(&mount).unwrap();
    fs::create_dir(bench.here().join("back")).unwrap();
    let mut bindfs = Command::new("bindfs");
    let Some(_mounted) = Mounted::fuse(bindfs.arg(bench.here().join("back")), &mount) else {
        return;
    };
    let server = bench.serve(&[]);
    for _ in 0..3 {
        client(&bench, &server, "get -f f -o m/f").assert_code(0);
        client(&bench, &server, "put m/f --as g").assert_code(0);
    }
}

/// "dot files, symlinks, empty directories left out of `put -r`, exit 0": what is left out is named, and the exit code
/// says so.
pub fn what_put_leaves_out_of_a_tree_is_named(program: &Path) {
    let bench = Bench::new(program);
    let here = |name: &str| bench.here().join(name);
    for directory in ["t/.git", "t/empty", "t/a", "e"] {
        fs::create_dir_all(here(directory)).unwrap();
    }
    fs::write(here("t/.git/config"), "c").unwrap();
    fs::write(here("t/.env"), "k").unwrap();
    fs::write(here("t/a/x"), "x").unwrap();
    symlink("a/x", here("t/link")).unwrap();
    symlink("a", here("t/dirlink")).unwrap();
    for (options, dots) in [(&["--hidden"][..], true), (&[], false)] {
        let server = bench.serve(options);
        let put = client(&bench, &server, "put -rq t");
        put.assert_code(8);
        for name in ["t/link", "t/dirlink", "t/empty"] {
            assert!(put.stderr.contains(name), "{name}: {}", put.stderr);
        }
        let sent = |name: &str| bench.share().join(name).exists();
        assert!(sent("t/a/x"));
        for (name, told) in [("t/.env", "t/.env"), ("t/.git/config", "t/.git")] {
            assert_eq!(sent(name), dots, "{name}");
            let lines = put.stderr.lines().filter(|line| line.contains(told)).count();
            assert_eq!(lines, usize::from(!dots), "{told}: {}", put.stderr);
        }
        let nothing = client(&bench, &server, "put -rq e");
        assert!(!nothing.status.success() && nothing.stderr.contains('e'), "{}", nothing.stderr);
        drop(server);
        fs::remove_dir_all(bench.share()).unwrap();
        fs::create_dir(bench.share()).unwrap();
    }
}

/// "`put -r` of a directory that holds what is shared copies without end": it ends, with at most one copy.
pub fn a_tree_that_holds_its_own_copy_is_sent_once(program: &Path) {
    let bench = Bench::new(program);
    // An endless copy would end here.
    let Some(_small) = Small::tmpfs(&bench.share(), "size=16m") else { return };
    for number in 0..50 {
        let directory = bench.share().join(format!("d{number}"));
        fs::create_dir(&directory).unwrap();
        (0..20).for_each(|file| fs::write(directory.join(format!("{file}")), "x").unwrap());
    }
    let server = bench.serve(&[]);
    let share = bench.share();
    let put = client(&bench, &server, &format!("put -rq {} --as copy", share.display()));
    assert!(matches!(put.status.code(), Some(0 | 7 | 8)), "{:?}: {}", put.status, put.stderr);
    assert!(put.status.success() || !put.stderr.is_empty());
    assert!(!share.join("copy/copy").exists(), "the copy was copied");
    assert!(!put.stderr.contains("space"), "{}", put.stderr);
}

/// "`rclone mount`: a file that was just written is "changed" at each read for some seconds; `.haul-…` stays": the
/// bytes do not change, so it is sent, and no temporary file stays.
pub fn a_mount_that_writes_late_is_read_and_written(program: &Path) {
    let bench = Bench::new(program);
    fs::write(bench.share().join("f"), "x").unwrap();
    for cached in [true, false] {
        let (mount, back) = (bench.here().join("m"), bench.here().join("back"));
        let cache = bench.here().join("cache");
        for directory in [&mount, &back] {
            fs::create_dir_all(directory).unwrap();
        }
        let mut rclone = Command::new("rclone");
        rclone.args(["mount", "--daemon", "--config", "/dev/null"]).arg("--cache-dir").arg(cache);
        if cached {
            rclone.args(["--vfs-cache-mode", "writes"]);
        }
        let Some(_mounted) = Mounted::fuse(rclone.arg(back), &mount) else { return };
        let server = bench.serve(&[]);
        if cached {
            File::create(mount.join("new")).unwrap().write_all(b"x").unwrap();
            client(&bench, &server, "put m/new").assert_code(0);
        }
        fs::create_dir(mount.join("d")).unwrap();
        client(&bench, &server, "get f -o m/d/f").assert_code(0);
        let left = crate::cases::names_in(&mount.join("d"));
        assert_eq!(left, ["f"], "cached: {cached}");
        fs::remove_file(mount.join("d/f")).unwrap();
        fs::remove_dir(mount.join("d")).unwrap();
    }
}
