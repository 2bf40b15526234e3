//! Targets of downloads: devices, pipes, links, and file systems of all kinds.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::{Mounted, NOBODY, can_be_nobody, client, client_under, failing, open_to_everybody};
use crate::cases::names_in;
use crate::disk::{image, run};
use crate::process::Bench;
use crate::requirements::{can_inject, or_skip};

/// "`-o /dev/null`, FIFO, `/dev/stdout`, `>(…)`: refused, or the link is replaced": the bytes are written to them, and
/// they stay what they are.
pub fn targets_that_are_no_files_take_the_bytes(program: &Path) {
    let bench = open_to_everybody(program);
    fs::write(bench.share().join("f"), "x\n").unwrap();
    let server = bench.serve(&[]);
    client(&bench, &server, "get f -o /dev/null").assert_code(0);

    let pipe = bench.here().join("p");
    rustix::fs::mkfifoat(CWD, &pipe, Mode::RWXU).unwrap();
    let mut reader = Command::new("cat").arg(&pipe).stdout(Stdio::piped()).spawn().unwrap();
    let got = client(&bench, &server, "get -f f -o p");
    // The reader of a pipe that nobody opened would wait for ever.
    let _ = reader.try_wait();
    if !got.status.success() {
        let _ = reader.kill();
    }
    let mut read = String::new();
    reader.stdout.take().unwrap().read_to_string(&mut read).unwrap();
    reader.wait().unwrap();
    got.assert_code(0);
    assert_eq!(read, "x\n");
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());

    symlink("/dev/fd/1", bench.here().join("link")).unwrap();
    for target in ["/dev/stdout", "/dev/fd/1", "link"] {
        let got = client(&bench, &server, &format!("get -f f -o {target}"));
        assert!(got.assert_code(0).stdout.starts_with(b"x\n"), "{target}: {:?}", got.stdout);
    }
    assert!(fs::symlink_metadata(bench.here().join("link")).unwrap().file_type().is_symlink());

    // A node of its own stands for /dev/null, which the machine needs.
    let null = bench.here().join("null");
    let made = mknodat(CWD, &null, FileType::CharacterDevice, Mode::from(0o666), makedev(1, 3));
    if or_skip(made.map_err(|errno| format!("no device can be made: {errno}"))).is_some() {
        client(&bench, &server, "get -f f -o null").assert_code(0);
        assert!(fs::symlink_metadata(&null).unwrap().file_type().is_char_device());
    }
    if can_be_nobody() {
        let got = client_under(NOBODY, &bench, &server, "get f -o /dev/null");
        got.assert_code(0);
    }
}

/// "file system with neither `RENAME_NOREPLACE` nor links: `get` fails": the client checks that the name is free, then
/// renames.
pub fn a_target_without_links_takes_downloads(program: &Path) {
    if !can_inject() {
        return;
    }
    let bench = Bench::new(program);
    fs::write(bench.share().join("f"), "x").unwrap();
    let target = bench.here().join("d");
    fs::create_dir(&target).unwrap();
    let Some(_mounted) = Mounted::tmpfs(&target) else { return };
    let Some(_share) = Mounted::tmpfs(&bench.share()) else { return };
    fs::write(bench.share().join("f"), "x").unwrap();
    let launcher = failing(&["inject=renameat2:error=EINVAL", "inject=linkat:error=EPERM"]);
    let server = bench.serve(&[]);
    client_under(&launcher, &bench, &server, "get f -o d/f").assert_code(0);
    assert_eq!(names_in(&target), ["f"]);
    client_under(&launcher, &bench, &server, "get f -o d/f").assert_code(7);
    drop(server);
    let server = bench.serve_under(&launcher, &[]);
    fs::write(bench.here().join("g"), "y").unwrap();
    client(&bench, &server, "put --create g").assert_code(0);
    client(&bench, &server, "put --create g").assert_code(4);
}

/// "upload onto a bind-mounted single file": it is refused with the reason before its bytes are sent, and the file
/// stays.
pub fn a_mounted_file_is_refused_with_the_reason(program: &Path) {
    let bench = Bench::new(program);
    let (real, new) = (bench.here().join("real"), bench.here().join("new"));
    fs::write(&real, "old").unwrap();
    fs::write(&new, "new").unwrap();
    let (conf, target) = (bench.share().join("conf"), bench.here().join("target"));
    for at in [&conf, &target] {
        fs::write(at, "").unwrap();
    }
    let (Some(_one), Some(_two)) = (Mounted::bind(&real, &conf), Mounted::bind(&real, &target))
    else {
        return;
    };
    let server = bench.serve(&[]);
    let mut raw = server.connect();
    assert!(raw.line().starts_with("HAUL/1 "));
    raw.send(b"UPLOAD conf size=3\n");
    let reply = raw.line();
    assert!(reply.starts_with("ERR "), "{reply}");
    client(&bench, &server, "put new --as conf").assert_code(4).assert_one_clear_line();
    server.log_with("mount");
    client(&bench, &server, "put new --as new").assert_code(0);
    let got = client(&bench, &server, "get -f new -o target");
    got.assert_code(7).assert_one_clear_line();
    assert!(got.stderr.contains("mount"), "{}", got.stderr);
    assert_eq!(fs::read(&real).unwrap(), b"old");
}

/// "names that differ in case, onto a case-insensitive file system": a file that would replace another one of the same
/// batch is reported, and the first stays.
pub fn names_that_collide_on_the_target_are_told(program: &Path) {
    let bench = Bench::new(program);
    let mount = bench.here().join("ci");
    fs::create_dir(&mount).unwrap();
    let Some(image) = or_skip(image(&["mkntfs", "-q", "-F"])) else { return };
    let mut ntfs = Command::new("lowntfs-3g");
    ntfs.args(["-o", "ignore_case"]).arg(image.path());
    let Some(_mounted) = Mounted::fuse(&mut ntfs, &mount) else { return };
    for (name, bytes) in [("README", "1"), ("Readme", "2"), ("Dir/x", "a"), ("dir/x", "b")] {
        let path = bench.share().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let server = bench.serve(&[]);
    for (options, target) in [("-r", "one"), ("-rf", "two")] {
        let got = client(&bench, &server, &format!("get {options} . -o ci/{target}"));
        got.assert_code(8);
        let told = got.stderr.lines().filter(|line| line.contains("collides")).count();
        assert_eq!(told, 2, "{}", got.stderr);
        assert!(!got.stderr.contains("--force"), "{}", got.stderr);
        let kept = fs::read_to_string(mount.join(target).join("readme")).unwrap();
        let shown = String::from_utf8_lossy(&got.stdout).into_owned();
        let receipts = shown.lines().filter(|line| line.to_lowercase().starts_with("readme"));
        let receipts: Vec<&str> = receipts.collect();
        assert_eq!(receipts.len(), 1, "{shown}");
        assert_eq!(receipts[0].starts_with("README "), kept == "1", "{shown}: {kept}");
    }
    run(Command::new("sync").arg(&mount)).unwrap();
}
