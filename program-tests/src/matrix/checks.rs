//! What people do with the programs. Each check panics where it fails.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use haul_harness::Content;
use rustix::fs::statvfs;

use crate::disk::run;
use crate::process::{Bench, Serving};
use crate::running::Ended;

/// One such use.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) run: fn(&Bench),
}

/// The columns of the matrix.
pub(super) const CHECKS: &[Check] = &[
    Check { name: "put", run: put },
    Check { name: "create", run: create },
    Check { name: "replace", run: replace },
    Check { name: "trees", run: trees },
    Check { name: "get", run: get },
    Check { name: "again", run: what_came_is_sent },
    Check { name: "ls", run: listing },
    Check { name: "sparse", run: sparse },
    Check { name: "executable", run: executable },
    Check { name: "times", run: times },
    Check { name: "rights", run: rights },
    Check { name: "deep", run: deep },
    Check { name: "many", run: many },
    Check { name: "spellings", run: spellings },
    Check { name: "changes", run: changes },
    Check { name: "read-only", run: read_only },
    Check { name: "full", run: full },
    Check { name: "nobody", run: nobody },
];

fn client(bench: &Bench, server: &Serving, words: &str) -> Ended {
    let url = server.url();
    let words: Vec<&str> = words.split(' ').chain(["--server", &url]).collect();
    bench.run(&words)
}

#[track_caller]
fn done(bench: &Bench, server: &Serving, words: &str) {
    client(bench, server, words).assert_code(0);
}

fn bytes(size: usize) -> Vec<u8> {
    Content::pattern(size).to_vec()
}

/// Makes a file of the client, and one of the server.
fn with_files(bench: &Bench, size: usize) {
    for directory in [bench.here(), bench.share()] {
        fs::write(directory.join("file"), bytes(size)).unwrap();
    }
}

fn put(bench: &Bench) {
    let server = bench.serve(&[]);
    for size in [0, 1, 5_000, 3 << 20] {
        fs::write(bench.here().join("file"), bytes(size)).unwrap();
        let name = format!("new/directory/of/{size}");
        done(bench, &server, &format!("put file --as {name}"));
        assert!(fs::read(bench.share().join(name)).unwrap() == bytes(size), "{size} bytes");
    }
}

fn create(bench: &Bench) {
    with_files(bench, 100);
    let server = bench.serve(&[]);
    done(bench, &server, "put --create file --as new");
    client(bench, &server, "put --create file --as new").assert_code(4).assert_one_clear_line();
}

fn replace(bench: &Bench) {
    with_files(bench, 5_000);
    fs::write(bench.share().join("old"), "old").unwrap();
    let server = bench.serve(&[]);
    done(bench, &server, "put file --as old");
    assert!(fs::read(bench.share().join("old")).unwrap() == bytes(5_000));
}

fn trees(bench: &Bench) {
    for name in ["tree/a/b", "tree/c"] {
        fs::create_dir_all(bench.here().join(name)).unwrap();
        fs::write(bench.here().join(name).join("file"), name).unwrap();
    }
    let server = bench.serve(&[]);
    done(bench, &server, "put -r tree");
    done(bench, &server, "get -r tree -o back");
    done(bench, &server, "get -r tree -o synced --sync");
    for root in [bench.share().join("tree"), bench.here().join("back"), bench.here().join("synced")]
    {
        assert_eq!(fs::read_to_string(root.join("a/b/file")).unwrap(), "tree/a/b");
        assert_eq!(fs::read_to_string(root.join("c/file")).unwrap(), "tree/c");
    }
}

fn get(bench: &Bench) {
    with_files(bench, 3 << 20);
    let server = bench.serve(&[]);
    done(bench, &server, "get file -o got");
    client(bench, &server, "get file -o got").assert_code(7).assert_one_clear_line();
    done(bench, &server, "get -f file -o got");
    done(bench, &server, "get --sync file -o synced");
    for name in ["got", "synced"] {
        assert!(fs::read(bench.here().join(name)).unwrap() == bytes(3 << 20), "{name}");
    }
}

/// A file that was written a moment ago is sent as it is, whatever is cached.
fn what_came_is_sent(bench: &Bench) {
    with_files(bench, 5_000);
    let server = bench.serve(&[]);
    for _ in 0..3 {
        done(bench, &server, "get -f file -o got");
        done(bench, &server, "put got --as up");
        done(bench, &server, "get -f up -o down");
    }
    assert!(fs::read(bench.here().join("down")).unwrap() == bytes(5_000));
}

fn listing(bench: &Bench) {
    fs::create_dir(bench.share().join("d")).unwrap();
    fs::write(bench.share().join("d/one two"), "12345").unwrap();
    let server = bench.serve(&[]);
    let listed = client(bench, &server, "ls -r --json");
    let listed = String::from_utf8(listed.assert_code(0).stdout.clone()).unwrap();
    let entries: Vec<serde_json::Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let file = entries.iter().find(|entry| entry["path"] == "d/one two").expect("it is listed");
    assert_eq!(file["size"], 5, "{listed}");
}

fn sparse(bench: &Bench) {
    const SIZE: u64 = 16 << 20;
    File::create(bench.here().join("holes")).unwrap().set_len(SIZE).unwrap();
    let server = bench.serve(&[]);
    done(bench, &server, "put holes");
    done(bench, &server, "get holes -o back");
    for file in [bench.share().join("holes"), bench.here().join("back")] {
        let metadata = fs::metadata(file).unwrap();
        assert_eq!(metadata.len(), SIZE);
        assert!(metadata.blocks() < 4096, "{} blocks", metadata.blocks());
    }
}

fn executable(bench: &Bench) {
    for (name, mode) in [("script", 0o755), ("text", 0o644)] {
        fs::write(bench.here().join(name), name).unwrap();
        fs::set_permissions(bench.here().join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    let server = bench.serve(&[]);
    done(bench, &server, "put script text");
    done(bench, &server, "get script -o script-back");
    done(bench, &server, "get text -o text-back");
    for (path, is) in [
        (bench.share().join("script"), true),
        (bench.share().join("text"), false),
        (bench.here().join("script-back"), true),
        (bench.here().join("text-back"), false),
    ] {
        let mode = fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o100 != 0, is, "{}: {mode:o}", path.display());
    }
}

/// The modification time is transferred, to the resolution of the coarsest file system.
fn times(bench: &Bench) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_mins(25_000_000);
    with_files(bench, 10);
    // Opened for reading, because some file systems set the time again when a file that was open for writing is closed.
    File::open(bench.here().join("file"))
        // Some FUSE servers set both times or none.
        .and_then(|file| file.set_times(FileTimes::new().set_accessed(time).set_modified(time)))
        .unwrap();
    let server = bench.serve(&[]);
    done(bench, &server, "put file --as up");
    done(bench, &server, "get up -o down");
    for path in [bench.share().join("up"), bench.here().join("down")] {
        let found = fs::metadata(&path).unwrap().modified().unwrap();
        let off = found.duration_since(time).or_else(|_| time.duration_since(found)).unwrap();
        assert!(off <= Duration::from_secs(2), "{}: {off:?} off", path.display());
    }
}

/// A new file has what `touch` gives a file there: the group of a setgid directory, and its default ACL.
fn rights(bench: &Bench) {
    with_files(bench, 10);
    let group = bench.share().join("group");
    fs::create_dir(&group).unwrap();
    std::os::unix::fs::chown(&group, None, Some(65534)).unwrap();
    fs::set_permissions(&group, PermissionsExt::from_mode(0o2775)).unwrap();
    run(Command::new("setfacl").args(["-d", "-m", "u:65534:rwx,g::rx,o::-"]).arg(&group)).unwrap();
    let server = bench.serve(&[]);
    done(bench, &server, "put file --as group/new");
    File::create(group.join("touched")).unwrap();
    let rights = |name: &str| {
        let path = group.join(name);
        let acl = Command::new("getfacl").args(["-cpn"]).arg(&path).output().unwrap();
        let metadata = fs::metadata(&path).unwrap();
        (metadata.gid(), metadata.mode(), String::from_utf8(acl.stdout).unwrap())
    };
    assert_eq!(rights("new"), rights("touched"));
    assert_eq!(rights("new").0, 65534);
    // A file that replaces another one keeps its rights.
    fs::set_permissions(group.join("touched"), PermissionsExt::from_mode(0o600)).unwrap();
    let before = rights("touched");
    done(bench, &server, "put file --as group/touched");
    assert_eq!(rights("touched"), before);
}

fn deep(bench: &Bench) {
    with_files(bench, 10);
    let path = vec!["d"; 120].join("/");
    let server = bench.serve(&[]);
    done(bench, &server, &format!("put file --as {path}/file"));
    done(bench, &server, "get -r d -o back");
    done(bench, &server, "ls -r");
    assert!(bench.share().join(path).join("file").exists());
}

fn many(bench: &Bench) {
    fs::create_dir(bench.here().join("many")).unwrap();
    for number in 0..300 {
        fs::write(bench.here().join(format!("many/{number}")), number.to_string()).unwrap();
    }
    let server = bench.serve(&[]);
    done(bench, &server, "put -rq many");
    done(bench, &server, "get -rq many -o back");
    for number in 0..300 {
        let back = fs::read_to_string(bench.here().join(format!("back/{number}"))).unwrap();
        assert_eq!(back, number.to_string());
    }
}

/// Where two names are one file, the second upload is refused and the first file is kept. Elsewhere there are two
/// files.
fn spellings(bench: &Bench) {
    let place = tempfile::tempdir().unwrap();
    let files = ["tree/Dir/x", "tree/README", "tree/dir/x", "tree/readme"];
    for name in files {
        let file = place.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, name).unwrap();
    }
    let server = bench.serve(&[]);
    let tree = place.path().join("tree");
    let put = client(bench, &server, &format!("put -r {}", tree.display()));
    let receipts = String::from_utf8_lossy(&put.stdout).into_owned();
    let is_stored = |name: &&str| receipts.contains(&format!("-> {name}  "));
    let stored: Vec<_> = files.iter().copied().filter(is_stored).collect();
    for name in &stored {
        assert_eq!(&fs::read_to_string(bench.share().join(name)).unwrap(), name);
    }
    assert!(stored.len() >= 2, "{stored:?}");
    put.assert_code(if stored.len() == files.len() { 0 } else { 8 });
    // The same spelling replaces the file.
    let name = stored[stored.len() - 1];
    done(bench, &server, &format!("put {} --as {name}", place.path().join(name).display()));
}

/// A file that changes between two downloads is detected as another one.
fn changes(bench: &Bench) {
    with_files(bench, 5_000);
    let server = bench.serve(&[]);
    for byte in [b'a', b'b', b'c'] {
        let mut file = File::options().write(true).open(bench.share().join("file")).unwrap();
        file.write_all(&[byte]).unwrap();
        drop(file);
        done(bench, &server, "get -f file -o got");
        assert_eq!(fs::read(bench.here().join("got")).unwrap()[0], byte);
    }
}

/// Mounted read-only: the server says so, serves with `--read-only`, and a client refuses to write there.
fn read_only(bench: &Bench) {
    with_files(bench, 10);
    let share = bench.share();
    run(Command::new("mount").arg("--bind").args([&share, &share])).unwrap();
    run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&share)).unwrap();
    let refused = bench.try_serve_under(&[], &[]).err();
    let server = bench.serve(&["--read-only"]);
    let got = client(bench, &server, "get file -o got");
    let put = client(bench, &server, "put file --as new");
    let target = client(bench, &server, "get file -o ../share/got");
    drop(server);
    run(Command::new("umount").arg(&share)).unwrap();
    refused.expect("it serves").assert_code(7).assert_one_clear_line();
    got.assert_code(0);
    put.assert_code(4).assert_one_clear_line();
    target.assert_code(7).assert_one_clear_line();
}

/// No space: an error is reported, nothing is left behind, and the old file stays. With space again it works.
fn full(bench: &Bench) {
    let place = tempfile::tempdir().unwrap();
    let large = place.path().join("large");
    fs::write(&large, haul_harness::Random::new(1).bytes(8 << 20)).unwrap();
    fs::write(bench.share().join("old"), "old").unwrap();
    let filler = bench.share().join("filler");
    let mut file = File::create(&filler).unwrap();
    let block = vec![7; 1 << 20];
    // Cached writes do not show in the free space, so the loop is bounded.
    for _ in 0..400 {
        if free(&bench.share()) < 4 << 20 || file.write_all(&block).is_err() {
            break;
        }
    }
    drop(file);
    let server = bench.serve(&[]);
    let refused = client(bench, &server, &format!("put {} --as old", large.display()));
    refused.assert_code(4).assert_one_clear_line();
    assert_eq!(fs::read(bench.share().join("old")).unwrap(), b"old");
    fs::remove_file(filler).unwrap();
    done(bench, &server, &format!("put {} --as old", large.display()));
    assert_eq!(fs::metadata(bench.share().join("old")).unwrap().len(), 8 << 20);
}

fn free(directory: &Path) -> u64 {
    statvfs(directory).map_or(0, |stat| stat.f_bavail * stat.f_frsize)
}

/// A user without special rights serves and downloads.
fn nobody(bench: &Bench) {
    let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let (share, here) = (bench.share(), bench.here());
    fs::set_permissions(bench.place(), PermissionsExt::from_mode(0o755)).unwrap();
    for directory in [&share, &here] {
        std::os::unix::fs::chown(directory, Some(65534), Some(65534)).unwrap();
    }
    fs::write(here.join("file"), "x").unwrap();
    let server = bench.serve_under(&user, &[]);
    let url = server.url();
    for words in
        ["put file --as d/up", "put file --as d/up", "get d/up -o down", "get -r . -o tree"]
    {
        let words: Vec<&str> = words.split(' ').chain(["--server", &url]).collect();
        bench.run_under(&user, &words, b"").assert_code(0);
    }
    for path in [share.join("d/up"), here.join("down")] {
        assert_eq!(fs::metadata(path).unwrap().uid(), 65534);
    }
}
