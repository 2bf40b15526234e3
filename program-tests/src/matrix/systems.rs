//! The file systems, each mounted at a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::disk::{mkfs, run};

/// A kind of file system, and what it is known not to do.
pub(super) struct System {
    pub(super) name: &'static str,
    make: Make,
    /// The checks that may fail on it, and why.
    pub(super) weaker: &'static [(&'static str, &'static str)],
}

/// How to make one.
enum Make {
    /// A tool makes it in an image, which is mounted as this type.
    Image {
        tool: &'static [&'static str],
        mount: &'static [&'static str],
    },
    /// In memory.
    Tmpfs,
    /// A subvolume of Btrfs.
    Subvolume,
    Overlay,
    /// A FUSE server shows a directory (`BACK` in its arguments) at another one (`AT`).
    Fuse(&'static [&'static str]),
    /// rclone does so, with these further options.
    Rclone(&'static [&'static str]),
    Gocryptfs,
}

const NO_RIGHTS: (&str, &str) = ("rights", "it has no owners and no rights");
const NO_HOLES: (&str, &str) = ("sparse", "it has no holes");
const NO_PUNCHING: (&str, &str) =
    ("sparse", "its server makes no holes where something is to be written");
const ALL_EXECUTABLE: (&str, &str) = ("executable", "all its files have one mode");
const CACHE_FIRST: (&str, &str) =
    ("full", "it takes all into its cache first, and tells nobody of a failure later");
const NO_USERS: (&str, &str) = ("nobody", "it belongs to the user who mounted it");

/// All of them. Those that this kernel or machine does not have are reported as missing.
pub(super) const SYSTEMS: &[System] = &[
    image("ext4", &["mkfs.ext4", "-q", "-F"], &["-t", "ext4"]),
    image("ext4-fast-commit", &["mkfs.ext4", "-q", "-F", "-O", "fast_commit"], &["-t", "ext4"]),
    image("ext4-no-journal", &["mkfs.ext4", "-q", "-F", "-O", "^has_journal"], &["-t", "ext4"]),
    image("ext2", &["mkfs.ext2", "-q", "-F"], &["-t", "ext2"]),
    image("xfs", &["mkfs.xfs", "-q", "-f"], &["-t", "xfs"]),
    image("btrfs", &["mkfs.btrfs", "-q", "-f"], &["-t", "btrfs"]),
    System { name: "btrfs-subvolume", make: Make::Subvolume, weaker: &[] },
    image("f2fs", &["mkfs.f2fs", "-q", "-f"], &["-t", "f2fs"]),
    System { name: "tmpfs", make: Make::Tmpfs, weaker: &[] },
    System {
        name: "vfat",
        make: Make::Image { tool: &["mkfs.vfat"], mount: &["-t", "vfat"] },
        weaker: &[NO_RIGHTS, NO_HOLES, ALL_EXECUTABLE, NO_USERS],
    },
    System {
        name: "exfat",
        make: Make::Image { tool: &["mkfs.exfat"], mount: &["-t", "exfat-fuse"] },
        weaker: &[NO_RIGHTS, NO_HOLES, ALL_EXECUTABLE, NO_USERS],
    },
    System {
        name: "ntfs-3g",
        make: Make::Image { tool: &["mkntfs", "-q", "-F"], mount: &["-t", "ntfs-3g"] },
        weaker: &[NO_PUNCHING, NO_RIGHTS, ALL_EXECUTABLE, NO_USERS],
    },
    System {
        name: "ntfs-ignore-case",
        make: Make::Image {
            tool: &["mkntfs", "-q", "-F"],
            mount: &["-t", "lowntfs-3g", "-o", "ignore_case"],
        },
        weaker: &[NO_PUNCHING, NO_RIGHTS, ALL_EXECUTABLE, NO_USERS],
    },
    System { name: "overlay", make: Make::Overlay, weaker: &[] },
    System { name: "bindfs", make: Make::Fuse(&["bindfs", "BACK", "AT"]), weaker: &[NO_PUNCHING] },
    System {
        name: "mergerfs",
        make: Make::Fuse(&["mergerfs", "-o", "allow_other,minfreespace=0", "BACK", "AT"]),
        weaker: &[],
    },
    System {
        name: "unionfs-fuse",
        make: Make::Fuse(&["unionfs", "-o", "cow,allow_other", "BACK=RW", "AT"]),
        weaker: &[NO_PUNCHING, ("rights", "it hands on no default ACL")],
    },
    System {
        name: "gocryptfs",
        make: Make::Gocryptfs,
        weaker: &[NO_PUNCHING, ("rights", "it hands on no default ACL")],
    },
    System {
        name: "rclone-cached",
        make: Make::Rclone(&["--vfs-cache-mode", "writes", "--cache-dir", "CACHE"]),
        weaker: &[CACHE_FIRST, NO_RIGHTS, NO_HOLES, ALL_EXECUTABLE, NO_USERS],
    },
    System {
        name: "rclone",
        make: Make::Rclone(&[]),
        weaker: &[
            NO_RIGHTS,
            NO_HOLES,
            ALL_EXECUTABLE,
            NO_USERS,
            ("changes", "a file cannot be changed in its place"),
            ("full", "its free space is told late, so that the check does not fill it"),
        ],
    },
];

const fn image(
    name: &'static str,
    tool: &'static [&'static str],
    mount: &'static [&'static str],
) -> System {
    System { name, make: Make::Image { tool, mount }, weaker: &[] }
}

/// A file system that is mounted until it is dropped.
pub(super) struct Place {
    directory: TempDir,
    /// In the order in which they were mounted.
    mounted: Vec<PathBuf>,
    /// A loop device that does not go away with its mount.
    attached: Option<String>,
}

impl Place {
    /// Makes and mounts one, or returns why that is impossible here.
    pub(super) fn new(system: &System) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut place = Self { directory, mounted: Vec::new(), attached: None };
        for name in ["at", "back"] {
            fs::create_dir(place.path(name)).map_err(|error| error.to_string())?;
        }
        place.make(&system.make)?;
        // Another user also works in it.
        for path in [place.directory.path().to_owned(), place.path("at"), place.root()] {
            let rights = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            // Some file systems have no rights.
            let _ = fs::set_permissions(path, rights);
        }
        Ok(place)
    }

    /// A directory on it.
    pub(super) fn root(&self) -> PathBuf {
        match self.path("at/sub") {
            subvolume if subvolume.exists() => subvolume,
            _ => self.path("at"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn make(&mut self, make: &Make) -> Result<(), String> {
        match make {
            Make::Image { tool, mount } => self.image(tool, mount),
            Make::Tmpfs => self.mount(&["-t", "tmpfs", "-o", "size=64m", "none"], "at"),
            Make::Subvolume => {
                self.image(&["mkfs.btrfs", "-q", "-f"], &["-t", "btrfs"])?;
                run(Command::new("btrfs").args(["subvolume", "create"]).arg(self.path("at/sub")))
            }
            Make::Overlay => {
                self.mount(&["-t", "tmpfs", "-o", "size=64m", "none"], "back")?;
                for name in ["back/lower", "back/upper", "back/work"] {
                    fs::create_dir(self.path(name)).map_err(|error| error.to_string())?;
                }
                let [lower, upper, work] =
                    ["lower", "upper", "work"].map(|name| self.path("back").join(name));
                let options = format!(
                    "lowerdir={},upperdir={},workdir={}",
                    lower.display(),
                    upper.display(),
                    work.display()
                );
                self.mount(&["-t", "overlay", "-o", &options, "none"], "at")
            }
            Make::Fuse(words) => self.fuse(words),
            Make::Rclone(options) => {
                let mount =
                    ["rclone", "mount", "--daemon", "--allow-other", "--config", "/dev/null"];
                self.fuse(&[&mount[..], options, &["BACK", "AT"]].concat())
            }
            Make::Gocryptfs => {
                let init = ["gocryptfs", "-init", "-q", "-scryptn", "10", "-extpass", "echo x"];
                self.small_back()?;
                self.run(&[&init[..], &["BACK"]].concat())?;
                let mount = ["gocryptfs", "-q", "-allow_other", "-extpass", "echo x", "BACK", "AT"];
                self.run(&mount)?;
                self.mounted.push(self.path("at"));
                Ok(())
            }
        }
    }

    fn image(&mut self, tool: &[&str], mount: &[&str]) -> Result<(), String> {
        let kernel = ["ext2", "ext4", "xfs", "btrfs", "f2fs", "vfat"];
        let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        if let Some(missing) = mount
            .iter()
            .find(|word| kernel.contains(word) && !known.lines().any(|line| line.trim() == **word))
        {
            return Err(format!("this kernel has no {missing}"));
        }
        let image = self.path("image");
        // XFS needs at least 300 MiB, Btrfs 110.
        let size = match tool[0] {
            "mkfs.xfs" => 320,
            "mkfs.btrfs" => 128,
            _ => 64,
        };
        let file = fs::File::create(&image).and_then(|file| file.set_len(size << 20));
        file.map_err(|error| error.to_string())?;
        mkfs(tool, &image)?;
        let image = image.to_str().expect("the place has a plain name").to_owned();
        if mount[1] == "exfat-fuse" {
            let device =
                crate::disk::output(Command::new("losetup").args(["--find", "--show", &image]))?;
            let device = device.trim_end().to_owned();
            self.attached = Some(device.clone());
            return self.fuse(&["mount.exfat-fuse", &device, "AT"]);
        }
        let fuse = mount[1].contains("3g");
        let options: &[&str] = if fuse { &[] } else { &["-o", "loop"] };
        self.mount(&[mount, options, &[&image]].concat(), "at")
    }

    fn fuse(&mut self, words: &[&str]) -> Result<(), String> {
        self.small_back()?;
        self.run(words)?;
        self.mounted.push(self.path("at"));
        Ok(())
    }

    /// The directory that a FUSE server shows must be as small as the other file systems.
    fn small_back(&mut self) -> Result<(), String> {
        self.mount(&["-t", "tmpfs", "-o", "size=64m", "none"], "back")
    }

    fn mount(&mut self, words: &[&str], at: &str) -> Result<(), String> {
        let at = self.path(at);
        run(Command::new("mount").args(words).arg(&at))?;
        self.mounted.push(at);
        Ok(())
    }

    fn run(&self, words: &[&str]) -> Result<(), String> {
        let put = |text: &str, path: &str| {
            let path = self.path(path);
            path.to_str().map(|path| path.to_owned() + text).unwrap_or_default()
        };
        let words: Vec<String> = words
            .iter()
            .map(|word| match *word {
                "BACK" => put("", "back"),
                "BACK=RW" => put("=RW", "back"),
                "AT" => put("", "at"),
                "CACHE" => put("", "cache"),
                word => word.to_owned(),
            })
            .collect();
        run(Command::new(&words[0]).args(&words[1..]))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for path in self.mounted.iter().rev() {
            unmount(path);
        }
        if let Some(device) = &self.attached {
            let _ = run(Command::new("losetup").args(["--detach", device]));
        }
    }
}

fn unmount(path: &Path) {
    if run(Command::new("umount").arg(path)).is_err() {
        // A lazy unmount takes effect when the last user is gone.
        let _ = run(Command::new("umount").arg("-l").arg(path));
    }
}
