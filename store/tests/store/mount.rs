//! File systems to mount. This needs the right to mount; without it the tests show nothing, and say so.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take to start, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A file system that is mounted until this is dropped.
pub(crate) struct Mount(pub(crate) PathBuf);

impl Mount {
    /// A file system in memory, or `None` if mounting is not allowed here.
    pub(crate) fn new(directory: &Path, options: &str) -> Option<Self> {
        Self::made(&["-t", "tmpfs", "-o", options, "none"], directory)
    }

    /// Mounts `other` a second time.
    pub(crate) fn again(directory: &Path, other: &Path) -> Option<Self> {
        Self::made(&["--bind", other.to_str().unwrap()], directory)
    }

    /// Mounts a directory a second time by FUSE, with its server.
    pub(crate) fn fuse(directory: &Path, other: &Path, options: &[&str]) -> Option<(Self, Child)> {
        let server =
            Command::new("bindfs").arg("-f").args(options).args([other, directory]).spawn();
        let Ok(mut server) = server else {
            eprintln!("not shown: needs bindfs");
            return None;
        };
        let began = Instant::now();
        while fs::metadata(directory).unwrap().dev() == fs::metadata(other).unwrap().dev() {
            if server.try_wait().unwrap().is_some() {
                eprintln!("not shown: FUSE cannot be used here");
                return None;
            }
            assert!(began.elapsed() < PATIENCE, "it is not mounted");
            thread::yield_now();
        }
        Some((Self(directory.to_owned()), server))
    }

    /// exFAT by FUSE, which has neither links nor exclusive renames, no modes, and ignores the case of names.
    pub(crate) fn exfat(directory: &Path, image: &Path) -> Option<(Self, LoopDevice)> {
        File::create(image).unwrap().set_len(32 << 20).unwrap();
        let done = |program: &str, arguments: &[&OsStr]| {
            let output = Command::new(program).args(arguments).output();
            output.ok().filter(|output| output.status.success())
        };
        let device = done("mkfs.exfat", &[image.as_ref()])
            .and_then(|_| done("losetup", &["--find".as_ref(), "--show".as_ref(), image.as_ref()]))
            .map(|output| LoopDevice(String::from_utf8(output.stdout).unwrap().trim().to_owned()));
        let mounted = device.and_then(|device| {
            let arguments = [device.0.as_ref(), directory.as_ref()];
            done("mount.exfat-fuse", &arguments).map(|_| (Self(directory.to_owned()), device))
        });
        if mounted.is_none() {
            eprintln!("not shown: needs losetup, mkfs.exfat and mount.exfat-fuse");
        }
        mounted
    }

    fn made(what: &[&str], directory: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(what)
            .arg(directory)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("not shown: file systems cannot be mounted here");
        }
        mounted.then(|| Self(directory.to_owned()))
    }
}

pub(crate) struct LoopDevice(String);

impl Drop for LoopDevice {
    fn drop(&mut self) {
        // The loop device is removed when nobody has it mounted any more.
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
