//! Haul's programs, built from these sources.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::rc::Rc;

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::contender::At;

/// The descriptors that a server with many clients needs.
const MOST_CLIENTS: usize = 1 << 20;

pub(crate) const PROGRAMS: [&str; 3] = ["haul-std", "haul-tokio", "haul-async-std"];

/// Whether this program, and so Haul's programs, are optimised.
pub(crate) const OPTIMISED: bool = !cfg!(debug_assertions);

/// Builds the programs with the profile of this one, and returns their directory.
pub(crate) fn build() -> Result<PathBuf> {
    let packages = PROGRAMS.iter().flat_map(|program| ["-p", program]);
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--bins"])
        .args(OPTIMISED.then_some("--release"))
        .args(packages)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if !built.success() {
        return Err("the programs cannot be built".into());
    }
    // This program is an example: the others are one directory up.
    let examples = env::current_exe()?;
    let folder = examples.parent().and_then(Path::parent).ok_or("programs without a place")?;
    Ok(folder.to_path_buf())
}

/// When an upload is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// When it has arrived, as the peers do.
    None,
    /// When it is on stable storage, with one disk flush for many.
    Batch,
    /// When it is on stable storage, with its own flush.
    Always,
}

impl Sync {
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::Batch, Self::Always];

    /// The option of the server.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::None => "--sync=none",
            Self::Batch => "--sync=batch",
            Self::Always => "--sync=always",
        }
    }
}

pub(crate) struct Program {
    pub(crate) name: &'static str,
    path: PathBuf,
}

impl Program {
    pub(crate) fn of(name: &'static str, folder: &Path) -> Self {
        Self { name, path: folder.join(name) }
    }

    /// Starts a server that confirms in this way.
    pub(crate) fn serve(self: &Rc<Self>, share: &Path, sync: Sync) -> Result<Haul> {
        let most = MOST_CLIENTS.to_string();
        let mut child = Command::new(&self.path)
            .arg("serve")
            .arg(share)
            .args(["--listen", "127.0.0.1:0", "--idle", "86400", "--quiet"])
            .args(["--max-clients", &most, "--max-clients-per-address", &most])
            .arg(sync.option())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on haul://");
        let address = address.ok_or_else(|| format!("{} does not listen", self.name))?.parse()?;
        Ok(Haul { program: Rc::clone(self), sync, child, address, _stdout: stdout })
    }
}

/// A running server. Dropping it stops it.
pub(crate) struct Haul {
    pub(crate) program: Rc<Program>,
    pub(crate) sync: Sync,
    pub(crate) address: SocketAddr,
    child: Child,
    /// Kept open, so that its later output does not fail.
    _stdout: BufReader<ChildStdout>,
}

impl Haul {
    pub(crate) fn name(&self) -> &'static str {
        self.program.name
    }

    pub(crate) fn at(&self) -> At {
        At { process: self.child.id(), port: self.address.port() }
    }
}

impl Drop for Haul {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
