//! A disk whose power can be cut.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

/// `EXT4_IOC_SHUTDOWN` without a flush of the journal: from then on nothing reaches the disk, and what only the page cache knows is gone after the next mount.
///
/// No tool of every system asks for it, and a system call of one's own needs unsafe code, so Perl makes it: `perl-base` is on every Debian.
const SHUTDOWN: &str = "open(my $d, '<', $ARGV[0]) or die $!; my $how = pack('L', 2); ioctl($d, 0x8004587d, $how) or die $!";

/// An ext4 file system in a file, mounted at a directory until it is dropped.
pub(super) struct Disk {
    /// Outside of what is mounted.
    image: NamedTempFile,
    mounted_at: PathBuf,
}

impl Disk {
    /// A new one at the empty directory `place`, or why there cannot be one here.
    pub(super) fn new(place: &Path) -> Result<Self, String> {
        let image = image(Command::new("mkfs.ext4").args(["-q", "-F"]))?;
        let disk = Self { image, mounted_at: place.to_owned() };
        disk.mount()?;
        std::fs::remove_dir(place.join("lost+found")).map_err(|error| error.to_string())?;
        disk.flush();
        Ok(disk)
    }

    /// Brings everything to the disk.
    pub(super) fn flush(&self) {
        let directory =
            std::fs::File::open(&self.mounted_at).expect("what is mounted can be opened");
        rustix::fs::syncfs(directory).expect("a file system with power can be flushed");
    }

    pub(super) fn cut_power(&self) {
        run(Command::new("perl").args(["-e", SHUTDOWN]).arg(&self.mounted_at))
            .expect("an ext4 file system can be shut down");
    }

    /// Switches it on again. Nobody may use it.
    pub(super) fn restart(&self) {
        run(Command::new("umount").arg(&self.mounted_at)).expect("nobody uses it");
        self.mount().expect("the journal can be replayed");
    }

    fn mount(&self) -> Result<(), String> {
        // noauto_da_alloc: ext4 shall not guess that a file which is renamed over another one is wanted on the disk.
        run(Command::new("mount")
            .args(["-t", "ext4", "-o", "loop,noauto_da_alloc"])
            .arg(self.image.path())
            .arg(&self.mounted_at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The loop device goes with the mount. A lazy one goes with its last user.
        if run(Command::new("umount").arg(&self.mounted_at)).is_err() {
            let _ = run(Command::new("umount").arg("-l").arg(&self.mounted_at));
        }
    }
}

/// A file of 128 MiB in which `mkfs` has made a file system.
pub(super) fn image(mkfs: &mut Command) -> Result<NamedTempFile, String> {
    let image = NamedTempFile::new().map_err(|error| error.to_string())?;
    image.as_file().set_len(128 << 20).map_err(|error| error.to_string())?;
    run(mkfs.arg(image.path()))?;
    Ok(image)
}

/// Runs a tool to its end, or says what it said.
pub(super) fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let reason = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(format!("{}: {reason}", command.get_program().display()))
}
