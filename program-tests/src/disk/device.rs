//! A block device with a volatile write cache. A power cut loses what was not flushed.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};
use haul_harness::Random;
use rustix::fs::MemfdFlags;

use super::{output, run};

/// At least the minimal size of each file system.
const SIZE: u64 = 512 << 20;

/// The unit that a disk writes whole or not at all.
const BLOCK: usize = 4096;

const NAME: &str = "disk";
const DIRECTORY: FileAttr = attributes(INodeNo::ROOT, FileType::Directory);
const DISK: FileAttr = attributes(INodeNo(2), FileType::RegularFile);
/// Nothing here changes, so the kernel may cache it.
const TTL: Duration = Duration::from_hours(1);

/// A loop device on a file that this process serves by FUSE. The kernel sends each write of the file system as a write,
/// and each flush as an `fsync`. Loop devices have no forced writes, so those arrive as a write followed by a flush.
pub(super) struct Device {
    /// Taken when the device is dropped.
    session: Option<BackgroundSession>,
    mounted_at: tempfile::TempDir,
    cache: Arc<Cache>,
    /// The loop device, while it is attached.
    attached: Option<PathBuf>,
}

impl Device {
    /// A new device full of zeros, or why there cannot be one here.
    pub(super) fn new() -> Result<Self, String> {
        let mounted_at = tempfile::tempdir().map_err(|error| error.to_string())?;
        let cache = Arc::new(Cache::new().map_err(|error| error.to_string())?);
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("haul-torture".to_owned())];
        let session = fuser::spawn_mount(Served(Arc::clone(&cache)), mounted_at.path(), &config)
            .map_err(|error| format!("a FUSE file system cannot be mounted: {error}"))?;
        let mut device = Self { session: Some(session), mounted_at, cache, attached: None };
        device.attach()?;
        Ok(device)
    }

    /// The path of the block device.
    pub(super) fn path(&self) -> &std::path::Path {
        self.attached.as_deref().expect("it is attached but while its power is cut")
    }

    /// From now on each read, write and flush fails.
    pub(super) fn cut_power(&self) {
        self.cache.state().off = true;
    }

    /// Switches the power on again. For each write that was not flushed, `random` decides whether it reached the disk.
    pub(super) fn restart(&mut self, random: &mut Random) {
        self.detach().expect("nobody uses the device");
        self.cache.restart(random).expect("the memory of the device can be written");
        self.attach().expect("a loop device can be made again");
    }

    fn attach(&mut self) -> Result<(), String> {
        let file = self.mounted_at.path().join(NAME);
        let device = output(Command::new("losetup").args(["--find", "--show"]).arg(file))?;
        self.attached = Some(PathBuf::from(device.trim_end()));
        Ok(())
    }

    fn detach(&mut self) -> Result<(), String> {
        match self.attached.take() {
            Some(device) => run(Command::new("losetup").arg("--detach").arg(device)),
            None => Ok(()),
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.detach();
        if let Some(session) = self.session.take() {
            let _ = session.umount_and_join();
        }
    }
}

/// What the disk contains, and what only its cache does.
struct Cache(Mutex<State>);

struct State {
    /// Everything that was written: what a read returns.
    written: File,
    /// What was flushed.
    durable: File,
    /// The writes since the last flush, in order.
    pending: Vec<(u64, Vec<u8>)>,
    off: bool,
}

impl Cache {
    fn new() -> std::io::Result<Self> {
        let memory = || -> std::io::Result<File> {
            let file = File::from(rustix::fs::memfd_create(NAME, MemfdFlags::CLOEXEC)?);
            file.set_len(SIZE)?;
            Ok(file)
        };
        Ok(Self(Mutex::new(State {
            written: memory()?,
            durable: memory()?,
            pending: Vec::new(),
            off: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn restart(&self, random: &mut Random) -> std::io::Result<()> {
        let mut state = self.state();
        let pending = std::mem::take(&mut state.pending);
        // Sometimes nothing of the cache reached the disk, or all of it; otherwise some part.
        let percent = random.pick(&[0, 100, 20, 50, 80]);
        for (offset, bytes) in &pending {
            for (at, block) in (*offset..).step_by(BLOCK).zip(bytes.chunks(BLOCK)) {
                if random.chance(percent) {
                    state.durable.write_all_at(block, at)?;
                }
            }
        }
        for (offset, bytes) in &pending {
            let mut durable = vec![0; bytes.len()];
            state.durable.read_exact_at(&mut durable, *offset)?;
            state.written.write_all_at(&durable, *offset)?;
        }
        state.off = false;
        Ok(())
    }
}

impl State {
    fn powered(&self) -> std::io::Result<()> {
        if self.off { Err(rustix::io::Errno::IO.into()) } else { Ok(()) }
    }

    fn read(&self, offset: u64, size: u32) -> std::io::Result<Vec<u8>> {
        self.powered()?;
        let size = u64::from(size).min(SIZE.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.written.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.powered()?;
        self.written.write_all_at(bytes, offset)?;
        self.pending.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.powered()?;
        for (offset, bytes) in self.pending.drain(..) {
            self.durable.write_all_at(&bytes, offset)?;
        }
        Ok(())
    }
}

/// A directory with one file, the disk.
struct Served(Arc<Cache>);

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent == INodeNo::ROOT && name == NAME {
            reply.entry(&TTL, &DISK, Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, if ino == INodeNo::ROOT { &DIRECTORY } else { &DISK });
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // The kernel must not cache what a power cut takes back.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.0.state().read(offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(_) => reply.error(Errno::EIO),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.0.state().write(offset, data) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(_) => reply.error(Errno::EIO),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        match self.0.state().flush() {
            Ok(()) => reply.ok(),
            Err(_) => reply.error(Errno::EIO),
        }
    }
}

const fn attributes(ino: INodeNo, kind: FileType) -> FileAttr {
    FileAttr {
        ino,
        size: SIZE,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: 0o700,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::alone;
    use super::*;

    /// The byte at offset 0 after a restart, if `a` was flushed and `b` was written after it without a flush.
    fn seen_after_cut(seed: u64) -> u8 {
        let cache = Cache::new().unwrap();
        cache.state().write(0, b"a").unwrap();
        cache.state().flush().unwrap();
        cache.state().write(0, b"b").unwrap();
        cache.state().off = true;
        cache.state().write(0, b"c").unwrap_err();
        cache.state().flush().unwrap_err();
        cache.restart(&mut Random::new(seed)).unwrap();
        cache.state().read(0, 1).unwrap()[0]
    }

    #[test]
    fn a_cut_takes_back_some_of_what_was_not_flushed() {
        let _alone = alone();
        let seen: std::collections::BTreeSet<u8> = (0..50).map(seen_after_cut).collect();
        assert_eq!(seen, [b'a', b'b'].into());
    }
}
