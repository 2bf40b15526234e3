//! A control group that limits the memory of its processes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A control group, of version 1 or 2, whichever the system has. Dropping it removes it once it is empty.
pub(super) struct Cgroup {
    place: PathBuf,
    unified: bool,
}

impl Cgroup {
    /// A group whose processes together get `bytes` bytes, the page cache of their files included.
    pub(super) fn new(bytes: u64) -> io::Result<Self> {
        let (root, unified) = root();
        if unified {
            // Where a service manages the groups, this is set already.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
        }
        let place = root.join(format!("haul-abuse-{}", std::process::id()));
        fs::create_dir(&place)?;
        let this = Self { place, unified };
        let limit = if unified { "memory.max" } else { "memory.limit_in_bytes" };
        fs::write(this.place.join(limit), bytes.to_string())?;
        Ok(this)
    }

    /// The file that a process writes its ID to in order to enter.
    pub(super) fn entrance(&self) -> PathBuf {
        self.place.join("cgroup.procs")
    }

    /// How many of its processes were killed for lack of memory.
    pub(super) fn kills(&self) -> u64 {
        let events = if self.unified { "memory.events" } else { "memory.oom_control" };
        let events = fs::read_to_string(self.place.join(events)).expect("the group is there");
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills.and_then(|kills| kills.parse().ok()).expect("kills are counted")
    }
}

fn root() -> (PathBuf, bool) {
    let unified = Path::new("/sys/fs/cgroup");
    if unified.join("cgroup.controllers").exists() {
        (unified.to_owned(), true)
    } else {
        (unified.join("memory"), false)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.place);
    }
}
