//! A disk whose power can be cut.

mod device;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haul_harness::Random;
use rustix::fs::{Mode, OFlags};
use tempfile::NamedTempFile;

use self::device::Device;
use crate::abuse::wait_until;

/// The file systems whose power is cut, in the order of a campaign over all of them.
pub const FILE_SYSTEMS: &[FileSystem] = &[
    FileSystem {
        name: "ext4",
        make: &["mkfs.ext4", "-q", "-F"],
        // ext4 must not flush a file because it is renamed over another one.
        options: "noauto_da_alloc",
        checked: false,
    },
    FileSystem {
        name: "ext4-fast-commit",
        make: &["mkfs.ext4", "-q", "-F", "-O", "fast_commit"],
        options: "noauto_da_alloc",
        checked: false,
    },
    FileSystem {
        name: "ext4-no-journal",
        make: &["mkfs.ext4", "-q", "-F", "-O", "^has_journal"],
        options: "noauto_da_alloc",
        checked: true,
    },
    FileSystem {
        name: "ext2",
        make: &["mkfs.ext2", "-q", "-F"],
        options: "defaults",
        checked: true,
    },
    FileSystem {
        name: "xfs",
        make: &["mkfs.xfs", "-q", "-f"],
        options: "defaults",
        checked: false,
    },
    FileSystem {
        name: "btrfs",
        make: &["mkfs.btrfs", "-q", "-f"],
        options: "defaults",
        checked: false,
    },
    FileSystem {
        name: "f2fs",
        make: &["mkfs.f2fs", "-q", "-f"],
        options: "defaults",
        checked: false,
    },
];

/// A kind of file system on a block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    name: &'static str,
    /// The tool that makes it, without the device.
    make: &'static [&'static str],
    options: &'static str,
    /// Whether e2fsck must repair it before it is mounted again, as distributions do at boot.
    checked: bool,
}

impl FileSystem {
    /// The file system of this name.
    pub fn named(name: &str) -> Option<Self> {
        FILE_SYSTEMS.iter().copied().find(|system| system.name == name)
    }

    /// Its name in a campaign.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it must be available for the checks.
    pub(super) fn is_common(&self) -> bool {
        ["ext4", "xfs", "btrfs"].contains(&self.name)
    }

    /// Whether this kernel supports it.
    pub fn is_known(&self) -> bool {
        let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        known.lines().any(|line| line.trim() == self.kernel_type())
    }

    /// Its type for `mount`.
    fn kernel_type(&self) -> &'static str {
        self.name.split('-').next().unwrap_or_default()
    }
}

/// A file system on a device of its own, mounted at a directory until it is dropped.
pub(super) struct Disk {
    system: FileSystem,
    /// Dropped after the file system was unmounted.
    device: Device,
    mounted_at: PathBuf,
}

impl Disk {
    /// Mounts a new one at the empty directory `place`, or returns why that is impossible here.
    pub(super) fn new(system: FileSystem, place: &Path) -> Result<Self, String> {
        if !system.is_known() {
            return Err(format!("this kernel has no {}", system.kernel_type()));
        }
        let device = Device::new()?;
        mkfs(system.make, device.path())?;
        let disk = Self { system, device, mounted_at: place.to_owned() };
        disk.mount()?;
        disk.flush();
        Ok(disk)
    }

    /// Whether its file system has a journal.
    pub(super) fn has_journal(&self) -> bool {
        !self.system.checked
    }

    /// Flushes everything to the disk.
    pub(super) fn flush(&self) {
        let directory =
            std::fs::File::open(&self.mounted_at).expect("what is mounted can be opened");
        rustix::fs::syncfs(directory).expect("a file system with power can be flushed");
        // Without a journal, ext4 writes the last blocks after its flush.
        std::fs::File::open(self.device.path())
            .and_then(|device| device.sync_all())
            .expect("a device with power can be flushed");
    }

    /// What was not flushed is lost, and nothing can be written any more.
    pub(super) fn cut_power(&self) {
        self.device.cut_power();
    }

    /// Switches the power on, repairs and mounts the file system, and returns what the repair printed. Nobody may use
    /// the disk.
    pub(super) fn restart(&mut self, random: &mut Random) -> Result<String, String> {
        self.unmount()?;
        self.device.restart(random);
        let repaired = if self.system.checked { check(self.device.path())? } else { String::new() };
        self.mount()?;
        Ok(repaired)
    }

    /// Unmounts it, and waits until the kernel has given its device back.
    ///
    /// A process that has just made a mount namespace of its own has this file system mounted too, until it ends; see
    /// [`mkfs`]. XFS refuses to mount what is mounted already.
    fn unmount(&self) -> Result<(), String> {
        run(Command::new("umount").arg(&self.mounted_at))?;
        let free = || {
            // For a block device, `O_EXCL` means that no file system has it.
            let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
            rustix::fs::open(self.device.path(), flags, Mode::empty()).is_ok()
        };
        if wait_until(free) { Ok(()) } else { Err("it is mounted elsewhere".to_owned()) }
    }

    fn mount(&self) -> Result<(), String> {
        run(Command::new("mount")
            .args(["-t", self.system.kernel_type(), "-o", self.system.options])
            .arg(self.device.path())
            .arg(&self.mounted_at))?;
        // The tools create this directory, which no client uploaded.
        let _ = std::fs::remove_dir_all(self.mounted_at.join("lost+found"));
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A lazy unmount takes effect when the last user is gone.
        if run(Command::new("umount").arg(&self.mounted_at)).is_err() {
            let _ = run(Command::new("umount").arg("-l").arg(&self.mounted_at));
        }
    }
}

/// Keeps other tests of this process from starting programs meanwhile: until a program runs, it holds all files that
/// are open here, and keeps a file system busy that is to be unmounted.
#[cfg(test)]
pub(crate) fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Repairs a file system of the ext family. Exit codes up to 2 mean that it is consistent now.
fn check(device: &Path) -> Result<String, String> {
    let ended = Command::new("e2fsck").arg("-fy").arg(device).stdin(Stdio::null()).output();
    let ended = ended.map_err(|error| format!("e2fsck: {error}"))?;
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    match ended.status.code() {
        Some(0..=2) => Ok(said),
        code => Err(format!("e2fsck ended with {code:?}: {said}")),
    }
}

/// A file of 128 MiB in which `mkfs` has made a file system.
pub(super) fn image(tool: &[&str]) -> Result<NamedTempFile, String> {
    let image = NamedTempFile::new().map_err(|error| error.to_string())?;
    image.as_file().set_len(128 << 20).map_err(|error| error.to_string())?;
    mkfs(tool, image.path())?;
    Ok(image)
}

/// Makes a file system by `tool`, whose last argument is `target`.
///
/// mkfs.btrfs reads all mounts, and fails at a FUSE file system whose server is gone. Other checks have such mounts for
/// a moment, so the tool runs where it sees no mounts.
pub(super) fn mkfs(tool: &[&str], target: &Path) -> Result<(), String> {
    let without_mounts = "mount --bind /dev/null /proc/$$/mounts && exec \"$0\" \"$@\"";
    run(Command::new("unshare").args(["-m", "sh", "-c", without_mounts]).args(tool).arg(target))
}

/// Runs a tool to its end. The error is what it printed.
pub(super) fn run(command: &mut Command) -> Result<(), String> {
    output(command).map(drop)
}

/// Runs a tool to its end, and returns its output. The error is what it printed.
pub(super) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output();
    let reason = match output {
        Ok(output) if output.status.success() => {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(format!("{}: {reason}", command.get_program().display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirements::or_skip;

    #[test]
    fn a_mount_elsewhere_is_waited_for() {
        let _alone = alone();
        let place = tempfile::tempdir().unwrap();
        let xfs = FileSystem::named("xfs").unwrap();
        let Some(mut disk) = or_skip(Disk::new(xfs, place.path())) else { return };
        // A namespace with this mount. It outlives the mount here by a moment, as that of a tool can.
        let script = "echo; while grep -q \"$0\" /proc/$1/mounts; do :; done; exec sleep 0.2";
        let mut elsewhere = Command::new("unshare")
            .args(["-m", "sh", "-c", script])
            .arg(place.path())
            .arg(std::process::id().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(elsewhere.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        disk.cut_power();
        disk.restart(&mut Random::new(1)).unwrap();
        assert!(elsewhere.wait().unwrap().success());
    }
}
