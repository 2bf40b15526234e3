//! Finds other programs, or installs them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// The source of a program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// Packages of Debian and its derivatives.
    Apt(&'static [&'static str]),
    /// A crate.
    Crate(&'static str),
}

/// The directories to search, and the one to install crates in.
pub(crate) struct Programs {
    folders: Vec<PathBuf>,
    installed: PathBuf,
    may_install: bool,
}

impl Programs {
    pub(crate) fn new(installed: &Path, may_install: bool) -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut folders = vec![installed.join("bin")];
        folders.extend(env::split_paths(&path));
        // The directories of servers, which are not on the path of every user.
        folders.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
        Self { folders, installed: installed.to_path_buf(), may_install }
    }

    /// Returns the program's path. Installs the program if it is missing.
    pub(crate) fn need(&self, program: &str, origin: Origin) -> Result<PathBuf> {
        if let Some(found) = self.find(program) {
            return Ok(found);
        }
        if self.may_install {
            self.install(program, origin)?;
        }
        self.find(program).ok_or_else(|| format!("{program} is not installed").into())
    }

    /// The directories of programs.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.folders.iter()
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file())
    }

    fn install(&self, program: &str, origin: Origin) -> Result<()> {
        eprintln!("installing {program}");
        match origin {
            Origin::Apt(packages) => {
                quietly(Command::new("apt-get").arg("update"))?;
                // The package must not start the server permanently.
                let mut install = Command::new("apt-get");
                install.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
                quietly(install.args(["install", "-y", "--no-install-recommends"]).args(packages))
            }
            Origin::Crate(name) => quietly(
                Command::new(env!("CARGO"))
                    .args(["install", "--locked", "--quiet", name, "--root"])
                    .arg(&self.installed),
            ),
        }
    }
}

fn quietly(command: &mut Command) -> Result<()> {
    let shown = command.get_program().display().to_string();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}").into()),
        Err(error) => Err(format!("{shown}: {error}").into()),
    }
}
