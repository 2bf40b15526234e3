//! What happened to users of other tools, each report as a check. A comment gives the title of each report.

// Panicking is how a check fails.
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
use crate::process::{Bench, Serving};
use crate::requirements::or_skip;
use crate::running::Ended;

/// Runs a program as a user without special rights.
pub(crate) const NOBODY: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// Runs a client with these words, which contain no spaces, against `server`.
fn client(bench: &Bench, server: &Serving, words: &str) -> Ended {
    client_under(&[], bench, server, words)
}

/// The same by `launcher`.
fn client_under(launcher: &[&str], bench: &Bench, server: &Serving, words: &str) -> Ended {
    let url = server.url();
    let mut args: Vec<&str> = words.split(' ').collect();
    args.extend(["--server", &url]);
    bench.run_under(launcher, &args, b"")
}

/// A mount at a directory or file, until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// Calls `mount` with these words. Nothing if that is not possible here.
    fn new(words: &[&str], at: &Path) -> Option<Self> {
        or_skip(run(Command::new("mount").args(words).arg(at))).map(|()| Self(at.to_owned()))
    }

    fn tmpfs(at: &Path) -> Option<Self> {
        Self::new(&["-t", "tmpfs", "none"], at)
    }

    fn bind(what: &Path, at: &Path) -> Option<Self> {
        Self::new(&["--bind", what.to_str().expect("the place has a plain name")], at)
    }

    /// Runs a FUSE server that goes into the background by itself.
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

/// Makes system calls of a program fail. The tracer is a process of its own, so signals reach the program.
fn failing<'a>(injections: &[&'a str]) -> Vec<&'a str> {
    let mut launcher = vec!["strace", "-D", "-f", "-qq", "-o", "/dev/null"];
    for injection in injections {
        launcher.extend(["-e", injection]);
    }
    launcher
}

/// Whether checks can run as another user here.
pub(crate) fn can_be_nobody() -> bool {
    let [setpriv, options @ ..] = NOBODY else { return false };
    or_skip(run(Command::new(setpriv).args(options).arg("true"))).is_some()
}

/// A bench that everybody may enter, with a copy of the program that everybody may run.
pub(crate) fn open_to_everybody(program: &Path) -> Bench {
    let bench = Bench::new(program).with_own_program();
    for path in [bench.place(), &bench.share(), &bench.here()] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    bench
}

/// Gives a directory to the user of [`NOBODY`].
pub(crate) fn give_to_nobody(path: &Path) {
    std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
}
