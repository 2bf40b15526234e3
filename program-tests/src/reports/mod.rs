//! What happened to people who used other tools, each as a check. A comment names the report of each by its title.

// That is what a check is for.
#![allow(clippy::missing_panics_doc)]

mod files;
mod listings;
mod network;
mod operations;
mod shares;
mod signals;
mod sources;
mod targets;
mod waiting;

pub use files::*;
pub use listings::*;
pub use network::*;
pub use operations::*;
pub use shares::*;
pub use signals::*;
pub use sources::*;
pub use targets::*;
pub use waiting::*;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::run;
use crate::faults::or_skip;
use crate::process::{Bench, Serving};
use crate::running::Ended;

/// Makes a program run as a user who may do nothing special.
const NOBODY: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// Runs a client on these words, which hold no spaces, against `server`.
fn client(bench: &Bench, server: &Serving, words: &str) -> Ended {
    client_under(&[], bench, server, words)
}

/// The same by another program.
fn client_under(launcher: &[&str], bench: &Bench, server: &Serving, words: &str) -> Ended {
    let url = server.url();
    let mut args: Vec<&str> = words.split(' ').collect();
    args.extend(["--server", &url]);
    bench.run_under(launcher, &args, b"")
}

/// Something that is mounted at a directory or file until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// What `mount` makes of these words. Nothing if it cannot be had here.
    fn new(words: &[&str], at: &Path) -> Option<Self> {
        or_skip(run(Command::new("mount").args(words).arg(at))).map(|()| Self(at.to_owned()))
    }

    fn tmpfs(at: &Path) -> Option<Self> {
        Self::new(&["-t", "tmpfs", "none"], at)
    }

    fn bind(what: &Path, at: &Path) -> Option<Self> {
        Self::new(&["--bind", what.to_str().expect("the place has a plain name")], at)
    }

    /// What a FUSE server mounts that goes into the background by itself.
    fn fuse(command: &mut Command, at: &Path) -> Option<Self> {
        or_skip(run(command.arg(at))).map(|()| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if run(Command::new("umount").arg(&self.0)).is_err() {
            let _ = run(Command::new("umount").arg("-l").arg(&self.0));
        }
    }
}

/// Makes system calls of a program fail; the tracer is a process of its own, so signals reach the program.
fn failing<'a>(injections: &[&'a str]) -> Vec<&'a str> {
    let mut launcher = vec!["strace", "-D", "-f", "-qq", "-o", "/dev/null"];
    for injection in injections {
        launcher.extend(["-e", injection]);
    }
    launcher
}

/// Whether checks may act as another user here.
fn can_be_nobody() -> bool {
    let [setpriv, options @ ..] = NOBODY else { return false };
    or_skip(run(Command::new(setpriv).args(options).arg("true"))).is_some()
}

/// A bench that everybody may enter, with a copy of the program that everybody may run.
fn open_to_everybody(program: &Path) -> Bench {
    let bench = Bench::new(program).with_own_program();
    for path in [bench.place(), &bench.share(), &bench.here()] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    bench
}

/// Gives a directory to the user of [`NOBODY`].
fn give_to_nobody(path: &Path) {
    std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
}
