//! Shares that contain mounts, shares that go away, and directories with unusual rights.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::{
    Mounted, NOBODY, can_be_nobody, client, client_under, give_to_nobody, open_to_everybody,
};
use crate::disk::{image, run};
use crate::process::Bench;
use crate::requirements::or_skip;

/// "upload below a bind mount is refused after all bytes were sent": the file is stored there, as it is on another file
/// system and in a subvolume.
pub fn uploads_go_below_mounts(program: &Path) {
    let bench = Bench::new(program);
    let share = bench.share();
    let bound = bench.here().join("bound");
    for directory in [&bound, &share.join("vol"), &share.join("tm"), &share.join("btrfs")] {
        fs::create_dir(directory).unwrap();
    }
    let (Some(_bound), Some(_tmpfs)) =
        (Mounted::bind(&bound, &share.join("vol")), Mounted::tmpfs(&share.join("tm")))
    else {
        return;
    };
    let made = image(&["mkfs.btrfs", "-q", "-f"]);
    let Some(image) = or_skip(made) else { return };
    let path = image.path().to_str().expect("a temporary file has a plain name");
    let btrfs = share.join("btrfs");
    let Some(_btrfs) = Mounted::new(&["-t", "btrfs", "-o", "loop", path], &btrfs) else { return };
    run(Command::new("btrfs").args(["subvolume", "create"]).arg(btrfs.join("sub"))).unwrap();
    fs::write(bench.here().join("f"), vec![7; 1 << 20]).unwrap();
    let server = bench.serve(&[]);
    for directory in ["vol", "tm", "btrfs", "btrfs/sub", "tm/new/deep"] {
        for _ in 0..2 {
            client(&bench, &server, &format!("put f --as {directory}/f")).assert_code(0);
        }
        assert!(fs::read(share.join(directory).join("f")).unwrap() == vec![7; 1 << 20]);
        let names = crate::cases::names_in(&share.join(directory));
        assert!(names.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{names:?}");
    }
}

/// "write-only drop box directory": files are written into it, on both sides, though it cannot be listed.
pub fn a_drop_box_takes_files(program: &Path) {
    if !can_be_nobody() {
        return;
    }
    let bench = open_to_everybody(program);
    fs::write(bench.here().join("f"), "x").unwrap();
    let (drop_box, target) = (bench.share().join("drop"), bench.here().join("c"));
    for directory in [&drop_box, &target] {
        fs::create_dir(directory).unwrap();
        fs::set_permissions(directory, PermissionsExt::from_mode(0o300)).unwrap();
        give_to_nobody(directory);
    }
    give_to_nobody(&bench.share());
    let server = bench.serve_under(NOBODY, &[]);
    client(&bench, &server, "put f --as drop/f").assert_code(0);
    client(&bench, &server, "put --create f --as drop/f").assert_code(4);
    client(&bench, &server, "ls drop").assert_code(4);
    client(&bench, &server, "put f").assert_code(0);
    client_under(NOBODY, &bench, &server, "get f -o c/f").assert_code(0);
    for directory in [&drop_box, &target] {
        assert_eq!(crate::cases::names_in(directory), ["f"]);
    }
}

/// "shared directory replaced, mounted over or removed: goes on unseen": nothing is stored where nobody can find it,
/// and a missing share does not look like an empty one.
pub fn a_share_that_goes_away_is_noticed(program: &Path) {
    for mounted in [false, true] {
        let bench = Bench::new(program);
        let share = bench.share();
        fs::write(bench.here().join("f"), "x").unwrap();
        let server = bench.serve(&[]);
        let _mounted = if mounted {
            let Some(mounted) = Mounted::tmpfs(&share) else { return };
            Some(mounted)
        } else {
            fs::rename(&share, bench.place().join("old")).unwrap();
            fs::create_dir(&share).unwrap();
            None
        };
        let put = client(&bench, &server, "put f");
        // Refused, or stored where people look.
        assert_eq!(put.status.success(), share.join("f").exists(), "{}", put.stderr);
        server.log_with("WARN");
        assert!(!bench.place().join("old/f").exists());
    }
    let bench = Bench::new(program);
    fs::write(bench.here().join("f"), "x").unwrap();
    let server = bench.serve(&[]);
    fs::remove_dir_all(bench.share()).unwrap();
    for words in ["ls", "put f"] {
        let ended = client(&bench, &server, words);
        assert!(!ended.status.success(), "{words}");
        ended.assert_one_clear_line();
    }
    server.log_with("WARN");
}

/// "the server's log does not say why it refused (`denied`, `bad-name`)": it has the system's reason.
pub fn the_log_says_why_something_was_denied(program: &Path) {
    let bench = Bench::new(program);
    let fixed = bench.share().join("i");
    fs::create_dir(&fixed).unwrap();
    fs::write(bench.here().join("f"), "x").unwrap();
    if or_skip(run(Command::new("chattr").arg("+i").arg(&fixed))).is_none() {
        return;
    }
    let server = bench.serve(&[]);
    let put = client(&bench, &server, "put f --as i/f");
    run(Command::new("chattr").arg("-i").arg(&fixed)).unwrap();
    put.assert_code(4).assert_one_clear_line();
    server.log_with("Operation not permitted");
}
