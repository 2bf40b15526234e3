//! Commands that change what is on the server, or ask for checksums: rm, mv, cp, mkdir and sum, and the same in the shell.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::cases::{ODD_NAMES, assert_nothing_is_unfinished, json_lines, names_in};
use crate::process::{Bench, LINGERING, Serving};
use crate::reports::{NOBODY, can_be_nobody, give_to_nobody, open_to_everybody};
use crate::running::Ended;

fn run(bench: &Bench, server: &Serving, args: &[&str]) -> Ended {
    let url = server.url();
    let [command, args @ ..] = args else { panic!("no command") };
    bench.run(&[&[*command, "--server", &url], args].concat())
}

#[track_caller]
fn assert_failed(ended: &Ended, code: i32, parts: &[&str]) {
    ended.assert_code(code).assert_one_clear_line();
    for part in parts {
        assert!(ended.stderr.contains(part), "{part:?} in {}", ended.stderr);
    }
}

/// Files with odd names are copied, moved, compared and deleted, each alone.
pub fn odd_names_are_moved_copied_and_deleted(program: &Path) {
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    for name in ODD_NAMES {
        fs::write(bench.share().join(name), name).unwrap();
        fs::write(bench.here().join(name), name).unwrap();
        let (copy, moved) = (format!("copies/{name}"), format!("moved/{name}"));
        run(&bench, &server, &["cp", "--", name, "copies/"]).assert_code(0);
        run(&bench, &server, &["mv", "--", name, &moved]).assert_code(0);
        assert_eq!(fs::read(bench.share().join(&copy)).unwrap(), name.as_bytes());
        assert_eq!(fs::read(bench.share().join(&moved)).unwrap(), name.as_bytes());
        assert!(!bench.share().join(name).exists());
        let against = bench.here().join(name);
        let against = ["sum", "--check", "--against", against.to_str().unwrap(), "--"];
        let same = run(&bench, &server, &[&against[..], &[&moved]].concat());
        assert_eq!(same.assert_code(0).stdout, format!("{moved}: OK\n").into_bytes());
        run(&bench, &server, &["mkdir", "--", &format!("made/{name}")]).assert_code(0);
        assert!(bench.share().join("made").join(name).is_dir());
        let deleted = run(&bench, &server, &["rm", "--json", "--", &copy, &moved]);
        assert_eq!(json_lines(&deleted.assert_code(0).stdout)[1]["path"], moved.as_str());
    }
    for directory in ["copies", "moved"] {
        assert!(names_in(&bench.share().join(directory)).is_empty());
    }
    run(&bench, &server, &["rm", "-r", "made", "copies", "moved"]).assert_code(0);
    assert!(names_in(&bench.share()).is_empty());
    assert_nothing_is_unfinished(&bench);
}

/// `rm -r` deletes everything below a directory, and of links the links.
pub fn a_tree_is_deleted_and_no_link_is_followed(program: &Path) {
    let bench = Bench::new(program);
    let share = bench.share();
    for number in 0..500 {
        let directory = share.join(format!("tree/{}/{}", number % 3, number % 7));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(number.to_string()), "x").unwrap();
    }
    fs::create_dir_all(share.join("tree/empty/deep")).unwrap();
    fs::create_dir(share.join("kept")).unwrap();
    fs::write(share.join("kept/file"), "kept").unwrap();
    symlink("../kept", share.join("tree/to-directory")).unwrap();
    symlink("../kept/file", share.join("tree/to-file")).unwrap();
    symlink("kept", share.join("link")).unwrap();
    symlink("/etc", share.join("outside")).unwrap();
    let server = bench.serve(&[]);
    assert_failed(&run(&bench, &server, &["rm", "tree"]), 4, &["not-empty", "-r deletes"]);
    let deleted = run(&bench, &server, &["rm", "-r", "tree", "link/", "outside"]);
    let shown = String::from_utf8(deleted.assert_code(0).stdout.clone()).unwrap();
    let lines = shown.lines().count();
    assert_eq!((lines, deleted.stderr.as_str()), (500 + 2 + 3 + 21 + 3 + 2, ""));
    assert_eq!(names_in(&share), ["kept"]);
    assert_eq!(fs::read(share.join("kept/file")).unwrap(), b"kept");
}

/// What `rm -r` cannot delete is named, everything else is deleted, and the exit code is 8.
pub fn what_rm_cannot_delete_is_named(program: &Path) {
    let bench = Bench::new(program);
    let tree = bench.share().join("tree");
    fs::create_dir_all(tree.join("a/b")).unwrap();
    fs::create_dir_all(tree.join("c")).unwrap();
    fs::write(tree.join("a/b/.hidden"), "").unwrap();
    fs::write(tree.join("a/b/plain"), "").unwrap();
    fs::write(tree.join("c/plain"), "").unwrap();
    fs::write(tree.join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
    fs::write(tree.join("two\nlines"), "").unwrap();
    symlink("nowhere", tree.join("dangling")).unwrap();
    let server = bench.serve(&[]);
    let ended = run(&bench, &server, &["rm", "-rq", "tree"]);
    assert_eq!(ended.assert_code(8).stdout, b"");
    let mut told: Vec<&str> = ended.stderr.lines().collect();
    told.sort_unstable();
    let parts = [
        "tree/a/b/.hidden: not deleted: its name begins with a dot (serve --hidden serves it)",
        r"tree/caf\u{fffd}: not deleted: its name or path cannot be sent",
        "tree/dangling: not deleted: a link that leads nowhere, or out of what is shared",
        r"tree/two\n",
    ];
    assert_eq!(told.len(), parts.len(), "{told:?}");
    for (line, part) in told.iter().zip(parts) {
        assert!(line.contains(part), "{part:?} in {line}");
    }
    assert_eq!(names_in(&tree.join("a/b")), [".hidden"]);
    assert!(!tree.join("c").exists());
    // A link can be deleted by its name, and what is hidden by a server that serves it.
    run(&bench, &server, &["rm", "tree/dangling"]).assert_code(0);
    assert!(!fs::exists(tree.join("dangling")).unwrap());
    let hidden = bench.serve(&["--hidden"]);
    run(&bench, &hidden, &["rm", "-r", "tree/a"]).assert_code(0);
    assert!(!tree.join("a").exists());
}

/// Wrong input is one line with the right code, and changes nothing.
pub fn a_wrong_change_is_one_line(program: &Path) {
    let bench = Bench::new(program);
    fs::create_dir_all(bench.share().join("full/x")).unwrap();
    fs::write(bench.share().join("a"), "a").unwrap();
    fs::write(bench.share().join("b"), "b").unwrap();
    fs::write(bench.share().join(".hidden"), "").unwrap();
    let server = bench.serve(&[]);
    for (args, code, part) in [
        (&["rm"][..], 2, "--help"),
        (&["rm", "-x", "a"], 2, "-- -x"),
        (&["rm", "-rf", "/"], 2, "where all names start"),
        (&["rm", "-rf", "."], 2, "where all names start"),
        (&["rm", "-rf", "../share/a"], 2, "no . or .."),
        (&["rm", "nothing"], 3, "check the name with ls"),
        (&["rm", ".hidden"], 3, "serve --hidden"),
        (&["rm", "a/b"], 4, "not-a-file"),
        (&["mv", "a"], 2, "--help"),
        (&["mv", "a", "a"], 2, "this name already"),
        (&["mv", "a", ".hidden"], 3, "serve --hidden"),
        (&["mv", "full", "full/x"], 2, "into itself"),
        (&["mv", "full", "a"], 4, "does not replace a file"),
        (&["mv", "nothing", "c"], 3, "nothing: not-found"),
        (&["mv", "-n", "a", "b"], 4, "b: exists"),
        (&["mv", "a", "b", "c"], 2, "several names need a directory"),
        (&["cp", "full", "c"], 4, "cp copies files only"),
        (&["cp", "a", "a"], 2, "this name already"),
        (&["cp", "--create", "a", "b"], 4, "b: exists"),
        (&["cp", "a", "b/c"], 4, "a -> b/c: not-a-file"),
        (&["mkdir"], 2, "--help"),
        (&["mkdir", "full"], 4, "-p takes"),
        (&["mkdir", "-p", "a"], 4, "no directory"),
        (&["mkdir", "a/b"], 4, "not-a-file"),
        (&["mkdir", &"x/".repeat(600)], 2, "path"),
        (&["sum"], 2, "--help"),
        (&["sum", "full"], 4, "ls -r shows"),
        (&["sum", "nothing"], 3, "nothing: not-found"),
        (&["sum", "--check", "a"], 7, "No such file"),
    ] {
        assert_failed(&run(&bench, &server, args), code, &[part]);
    }
    assert_eq!(names_in(&bench.share()), [".hidden", "a", "b", "full"]);
    assert_eq!(fs::read(bench.share().join("b")).unwrap(), b"b");
    assert!(names_in(&bench.here()).is_empty());
    run(&bench, &server, &["rm", "-f", "nothing"]).assert_code(0);
    let some = run(&bench, &server, &["rm", "-q", "a", "nothing", "b"]);
    assert_failed(&some, 8, &["nothing"]);
    assert_eq!(names_in(&bench.share()), [".hidden", "full"]);
}

/// `mv` and `cp` go into a directory that is there, or that the `/` at the end asks for; `cp` keeps the source.
pub fn names_go_into_directories(program: &Path) {
    let bench = Bench::new(program);
    let share = bench.share();
    fs::create_dir(share.join("photos")).unwrap();
    fs::write(share.join("a"), "one").unwrap();
    fs::write(share.join("b"), "two").unwrap();
    let server = bench.serve(&[]);
    run(&bench, &server, &["cp", "a", "photos"]).assert_code(0);
    run(&bench, &server, &["cp", "a", "b", "new/deep/"]).assert_code(0);
    run(&bench, &server, &["mv", "a", "b", "photos"]).assert_code(0);
    run(&bench, &server, &["mv", "photos", "new"]).assert_code(0);
    run(&bench, &server, &["mv", "new/photos/a", "/"]).assert_code(0);
    assert_eq!(names_in(&share), ["a", "new"]);
    assert_eq!(names_in(&share.join("new")), ["deep", "photos"]);
    assert_eq!(names_in(&share.join("new/photos")), ["b"]);
    for (name, content) in [("new/deep/a", "one"), ("new/photos/b", "two"), ("a", "one")] {
        assert_eq!(fs::read_to_string(share.join(name)).unwrap(), content);
    }
    let copied = run(&bench, &server, &["cp", "--json", "a", "c"]);
    let copied = json_lines(&copied.assert_code(0).stdout);
    assert_eq!((&copied[0]["from"], &copied[0]["size"]), (&"a".into(), &3.into()));
}

/// `sum --check` finds a file that differs, one that is missing on either side, and changes nothing.
pub fn a_check_finds_what_differs(program: &Path) {
    let bench = Bench::new(program);
    let big = vec![b'x'; (3 << 20) + 1];
    for directory in [bench.share(), bench.here()] {
        fs::create_dir(directory.join("d")).unwrap();
        fs::write(directory.join("d/same"), &big).unwrap();
        fs::write(directory.join("empty"), "").unwrap();
        fs::write(directory.join("other"), directory.to_str().unwrap()).unwrap();
    }
    let mut flipped = big.clone();
    flipped[1 << 20] ^= 1;
    fs::write(bench.share().join("flipped"), &big).unwrap();
    fs::write(bench.here().join("flipped"), flipped).unwrap();
    fs::write(bench.share().join("there"), "").unwrap();
    let server = bench.serve(&[]);
    let same = run(&bench, &server, &["sum", "--check", "d/same", "empty"]);
    assert_eq!(same.assert_code(0).stdout, b"d/same: OK\nempty: OK\n");
    let names = ["d/same", "empty", "flipped", "other", "there", "nothing"];
    let mixed = run(&bench, &server, &[&["sum", "-cq"], &names[..]].concat());
    let failed = b"flipped: FAILED\nother: FAILED\nthere: FAILED\nnothing: FAILED\n";
    assert_eq!(mixed.assert_code(8).stdout, failed);
    assert_eq!(mixed.stderr.lines().count(), 4, "{}", mixed.stderr);
    assert_failed(&run(&bench, &server, &["sum", "-c", "flipped"]), 6, &["is not the same"]);
    if can_be_nobody() {
        let url = server.url();
        let bench = open_to_everybody(program);
        fs::write(bench.here().join("empty"), "").unwrap();
        fs::set_permissions(bench.here().join("empty"), PermissionsExt::from_mode(0o600)).unwrap();
        let denied = bench.run_under(NOBODY, &["sum", "-c", "empty", "--server", &url], b"");
        assert_failed(&denied, 7, &["Permission denied"]);
        assert_eq!(denied.stdout, b"empty: FAILED\n");
    }
    let sums = run(&bench, &server, &["sum", "empty", "nothing"]);
    assert_eq!(sums.assert_code(8).stdout, b"0000000000000000  empty\n");
}

/// A server that only reads, and one that may not write, refuse every change and carry none out.
pub fn changes_that_are_not_allowed_are_refused(program: &Path) {
    const CHANGES: [&[&str]; 5] = [
        &["rm", "d/a"],
        &["rm", "-r", "d"],
        &["mv", "d/a", "d/b"],
        &["cp", "d/a", "d/b"],
        &["mkdir", "d/new"],
    ];
    let bench = Bench::new(program);
    fs::create_dir(bench.share().join("d")).unwrap();
    fs::write(bench.share().join("d/a"), "a").unwrap();
    let server = bench.serve(&["--read-only"]);
    for args in CHANGES {
        assert_failed(&run(&bench, &server, args), 4, &["denied"]);
    }
    run(&bench, &server, &["sum", "d/a"]).assert_code(0);
    assert_eq!(names_in(&bench.share().join("d")), ["a"]);
    drop(server);

    if !can_be_nobody() {
        return;
    }
    let bench = open_to_everybody(program);
    let directory = bench.share().join("d");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("a"), "a").unwrap();
    fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).unwrap();
    give_to_nobody(&bench.share());
    let server = bench.serve_under(NOBODY, &[]);
    for args in CHANGES {
        let refused = run(&bench, &server, args);
        assert!(matches!(refused.status.code(), Some(4 | 8)), "{args:?}: {}", refused.stderr);
        assert_failed(&refused, refused.status.code().unwrap(), &["denied", "the server's log"]);
    }
    assert_eq!(names_in(&directory), ["a"]);
    fs::set_permissions(directory.join("a"), PermissionsExt::from_mode(0o600)).unwrap();
    assert_failed(&run(&bench, &server, &["sum", "d/a"]), 4, &["denied"]);
}

/// When the server is killed and started again, `rm -r` goes on and deletes the rest.
pub fn a_deletion_goes_on_after_a_restart(program: &Path) {
    const FILES: usize = 4000;
    let bench = Bench::new(program);
    let tree = bench.share().join("t");
    fs::create_dir(&tree).unwrap();
    for number in 0..FILES {
        fs::write(tree.join(format!("f{number}")), "").unwrap();
    }
    let left = || fs::read_dir(&tree).map_or(0, Iterator::count);
    let mut server = bench.serve_at(&Bench::own_address(), &[], &[]);
    let address = server.address().to_string();
    let rm = bench.start(&["rm", "-rq", "t", "--server", &server.url()]);
    let within = Instant::now() + LINGERING;
    while left() > FILES - 100 && Instant::now() < within {
        // There is no event to wait for.
        std::thread::sleep(Duration::from_millis(1));
    }
    server.signal(Signal::KILL);
    server.ended();
    assert!(left() > 0, "it was over before");
    let _server = bench.serve_at(&address, &[], &[]);
    rm.ended().assert_code(0);
    assert!(names_in(&bench.share()).is_empty());
}

/// The shell has the same commands, and a current directory on the server.
pub fn a_shell_changes_things_where_it_is(program: &Path) {
    let bench = Bench::new(program);
    let photos = bench.share().join("photos");
    fs::create_dir(&photos).unwrap();
    fs::write(photos.join("my sea.jpg"), "sea").unwrap();
    fs::write(bench.here().join("up"), "up").unwrap();
    let server = bench.serve(&[]);
    let typed = "\
cd photos\npwd\nmkdir old\nCOPY 'my sea.jpg' old/\nmv \"my sea.jpg\" /top.jpg\nput up\nls\ncd old\nget 'my sea.jpg'
sum 'my sea.jpg' /top.jpg\nCHECKSUM --check 'my sea.jpg'\nrm 'my sea.jpg'\ncd ..\nDELETE -r old\ncd\nls -l\n";
    let url = server.url();
    let ended = bench.run_with(&["shell", "--server", &url, "-q"], typed.as_bytes());
    let shown = String::from_utf8(ended.assert_code(0).stdout.clone()).unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[..3], ["/photos", "old/", "up"], "{shown}");
    let (first, second) = (lines[3].split_once("  ").unwrap(), lines[4].split_once("  ").unwrap());
    assert_eq!((first.0, first.1, second.1), (second.0, "my sea.jpg", "/top.jpg"));
    assert_eq!(names_in(&bench.share()), ["photos", "top.jpg"]);
    assert_eq!(names_in(&photos), ["up"]);
    assert_eq!(names_in(&bench.here()), ["my sea.jpg", "up"]);
    let failed = bench.run_with(&["shell", "--server", &url], b"cd photos\nrm nothing\nrm up\n");
    assert_failed(&failed, 3, &["stdin:2: photos/nothing: not-found"]);
    assert!(photos.join("up").exists());
}
