//! Disk space for a file that is being written.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs, ftruncate};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, getrlimit};

use crate::file_system::{EXT, f_type};

/// Files below this size in bytes are not checked, and get no reservation.
const WORTH_ASKING: u64 = 1 << 20;
/// The maximum number of bytes to reserve ahead.
const MAX_AHEAD: u64 = 16 << 20;
/// Reservations take at most one in so many of the free bytes.
const PART_AHEAD: u64 = 64;

/// Bytes of this process that may be freed without being published.
static STAGED: AtomicU64 = AtomicU64::new(0);

/// The disk space of a file.
///
/// ext4 writes a quarter faster into reserved space than into space that it allocates block by block. XFS and Btrfs do
/// not, and Btrfs would not compress there.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// The bytes that the file occupies on the disk, as far as this process knows, and that a failure would free.
    staged: u64,
    /// The announced size. Nothing is reserved beyond it. 0 if nothing is reserved.
    announced: u64,
    /// The end of the reservation, if that is beyond the end of the file.
    reserved: u64,
    /// The end of the last hole.
    dense_from: u64,
}

impl Space {
    /// Fails if `size` bytes cannot fit, even if all unpublished files were discarded.
    pub(super) fn require(file: impl AsFd, size: u64) -> Result<(), Errno> {
        if size < WORTH_ASKING {
            return Ok(());
        }
        if getrlimit(Resource::Fsize).current.is_some_and(|most| size > most) {
            return Err(Errno::FBIG);
        }
        // Some file systems do not know their size.
        if let Ok(room) = fstatvfs(file)
            && room.f_blocks > 0
        {
            let free = room.f_bfree.saturating_mul(room.f_frsize);
            if size > free.saturating_add(STAGED.load(Ordering::Relaxed)) {
                return Err(Errno::NOSPC);
            }
        }
        Ok(())
    }

    /// Allows reservations for a file up to its announced size, where they are worth it.
    pub(super) fn announce(&mut self, file: impl AsFd, size: u64) {
        if size >= WORTH_ASKING && f_type(file) == Some(EXT) {
            self.announced = size;
        }
    }

    /// Records that bytes were written from `from` to `end`, which is now the end of the file.
    pub(super) fn written(&mut self, from: u64, end: u64) {
        self.stage(end.saturating_sub(self.reserved.max(from)));
    }

    /// Reserves space beyond the `end` of the file if enough bytes without a hole precede it.
    pub(super) fn reserve(&mut self, file: impl AsFd, end: u64) -> Result<(), Errno> {
        let come = end - self.dense_from;
        if end < self.reserved || end >= self.announced || come < WORTH_ASKING {
            return Ok(());
        }
        let free = fstatvfs(&file).map_or(0, |room| room.f_bavail.saturating_mul(room.f_frsize));
        let ahead = (self.announced - end).min(come).min(MAX_AHEAD).min(free / PART_AHEAD);
        if ahead == 0 {
            return Ok(());
        }
        self.stage(ahead);
        self.reserved = end + ahead;
        if fallocate(&file, FallocateFlags::KEEP_SIZE, end, ahead).is_err() {
            // The next write reports whether there is space. Release what was reserved before the failure.
            self.announced = 0;
            self.release_unused(file, end)?;
        }
        Ok(())
    }

    /// Releases the reservation beyond the `end` of the file.
    pub(super) fn release_unused(&mut self, file: impl AsFd, end: u64) -> Result<(), Errno> {
        let unused = self.reserved.saturating_sub(end);
        self.reserved = 0;
        if unused > 0 {
            self.unstage(unused);
            // ext4 punches no holes beyond the end of a file.
            retry_on_intr(|| ftruncate(&file, end))?;
        }
        Ok(())
    }

    /// Records that a hole ends here.
    pub(super) fn hole_ends(&mut self, end: u64) {
        self.dense_from = end;
    }

    fn stage(&mut self, bytes: u64) {
        self.staged += bytes;
        STAGED.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Records that `bytes` were freed.
    pub(super) fn unstage(&mut self, bytes: u64) {
        self.staged -= bytes;
        STAGED.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The file is published or gone, so a failure no longer frees its space.
    pub(super) fn settle(&mut self) {
        self.unstage(self.staged);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use haul_core::{FilePath, Mode};
    use rustix::fs::fstat;

    use super::super::content::Content;
    use super::*;
    use crate::NewFile;
    use crate::file_system::FileSystem;
    use crate::file_system::tests::{Mount, mounted};

    const MIB: u64 = 1 << 20;
    /// The bytes that a file system may need for metadata.
    const METADATA: u64 = 64 << 10;

    fn content(mount: &Mount, size: Option<u64>) -> Content {
        content_on(FileSystem::Other, false, mount, size)
    }

    fn content_on(on: FileSystem, durable: bool, mount: &Mount, size: Option<u64>) -> Content {
        let path = FilePath::parse("file").unwrap();
        let (mode, executable) = (Mode::Create, false);
        let new = NewFile { path, mode, if_match: None, size, modified: None, executable, durable };
        let file = tempfile::tempfile_in(mount.0.path()).unwrap();
        let mut content = Content::new(file.into(), &new, on);
        content.require_space(size.unwrap_or(0)).unwrap();
        content
    }

    /// The bytes that a file occupies on the disk.
    fn taken(content: &Content) -> u64 {
        let blocks = fstat(&content.file).unwrap().st_blocks;
        u64::try_from(blocks).unwrap() * 512
    }

    fn assert_takes(content: &Content, bytes: u64) {
        let taken = taken(content);
        assert!((bytes..=bytes + METADATA).contains(&taken), "{taken} for {bytes}");
        assert_eq!(content.space.staged, bytes);
    }

    fn write(content: &mut Content, byte: u8, length: u64) {
        content.write(&vec![byte; usize::try_from(length).unwrap()]).unwrap();
    }

    /// Writes bytes as they come from a socket.
    fn write_received(content: &mut Content, byte: u8, length: u64) {
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let piece = 64 << 10;
        for _ in 0..length / piece as u64 {
            writer.write_all(&vec![byte; piece]).unwrap();
            let passing = content.pass_through().unwrap();
            assert_eq!(passing.receive(reader.as_fd(), piece).unwrap(), piece);
            content.write_received(piece).unwrap();
        }
    }

    const WAYS: [fn(&mut Content, u8, u64); 2] = [write, write_received];

    /// Mounts on which space is reserved.
    fn reserving_mounts() -> impl Iterator<Item = Mount> {
        let journal: [&[&str]; 2] = [&["-qF"], &["-qF", "-O", "^has_journal"]];
        journal.into_iter().filter_map(|arguments| mounted("mkfs.ext4", arguments))
    }

    /// Unpublished files may be discarded, which frees their space; nothing else is freed.
    #[test]
    fn only_what_cannot_fit_is_refused() {
        let file = tempfile::tempfile().unwrap();
        let free = fstatvfs(&file).unwrap();
        let require = |size| Space::require(&file, size);
        require(free.f_bfree * free.f_frsize / 2).unwrap();
        assert_eq!(require(1 << 62), Err(Errno::NOSPC));
    }

    #[test]
    fn no_more_is_reserved_than_has_come_and_was_announced() {
        for mount in reserving_mounts() {
            for write in WAYS {
                let mut content = content(&mount, Some(6 * MIB));
                assert_takes(&content, 0);
                write(&mut content, 7, MIB / 2);
                assert_takes(&content, MIB / 2);
                write(&mut content, 7, MIB / 2);
                assert_takes(&content, 2 * MIB);
                while content.written < 6 * MIB {
                    write(&mut content, 7, MIB / 2);
                    let most = (6 * MIB).min(2 * content.written);
                    let taken = taken(&content);
                    assert!((content.written..=most + METADATA).contains(&taken), "{taken}");
                    assert!(content.space.staged <= most);
                }
                assert_takes(&content, 6 * MIB);
                write(&mut content, 7, 2 * MIB);
                assert_takes(&content, 8 * MIB);
                content.finish().unwrap();
                assert_takes(&content, 8 * MIB);
            }
        }
    }

    #[test]
    fn what_is_unused_is_given_back() {
        for mount in reserving_mounts() {
            for write in WAYS {
                let mut content = content(&mount, Some(8 * MIB));
                write(&mut content, 7, MIB);
                assert_takes(&content, 2 * MIB);
                content.finish().unwrap();
                assert_takes(&content, MIB);
                assert_eq!(fstat(&content.file).unwrap().st_size, 1 << 20);
                // More may come after a sync.
                write(&mut content, 7, MIB);
                assert!(content.space.reserved > content.written);
                content.finish().unwrap();
                assert_takes(&content, 2 * MIB);
            }
        }
    }

    #[test]
    fn no_hole_has_room() {
        for mount in reserving_mounts() {
            for write in WAYS {
                let mut content = content(&mount, Some(32 * MIB));
                write(&mut content, 7, MIB);
                assert_takes(&content, 2 * MIB);
                write(&mut content, 0, 4 * MIB);
                assert_takes(&content, MIB);
                write(&mut content, 7, MIB / 2);
                assert_takes(&content, MIB * 3 / 2);
                write(&mut content, 7, MIB / 2);
                assert_takes(&content, 3 * MIB);
                write(&mut content, 0, MIB);
                content.finish().unwrap();
                assert_takes(&content, 2 * MIB);
                assert_eq!(fstat(&content.file).unwrap().st_size, 7 << 20);
            }
        }
    }

    #[test]
    fn nothing_is_reserved_where_it_is_not_worth_it() {
        for (program, arguments) in
            [("mkfs.ext3", &["-qF"][..]), ("mkfs.xfs", &["-q"]), ("mkfs.btrfs", &["-q"])]
        {
            let Some(mount) = mounted(program, arguments) else { continue };
            for write in WAYS {
                let mut content = content(&mount, Some(8 * MIB));
                for mib in 1..=4 {
                    write(&mut content, 7, MIB);
                    assert_eq!((content.space.reserved, content.space.staged), (0, mib * MIB));
                }
            }
        }
        for mount in reserving_mounts() {
            let mut content = content(&mount, None);
            write(&mut content, 7, 4 * MIB);
            assert_takes(&content, 4 * MIB);
        }
    }

    #[test]
    fn for_durable_files_only_a_journal_is_trusted() {
        for mount in reserving_mounts() {
            for (on, reserves) in [
                (FileSystem::Journaled, true),
                (FileSystem::FastCommits, false),
                (FileSystem::Unjournaled, false),
            ] {
                let mut content = content_on(on, true, &mount, Some(8 * MIB));
                write(&mut content, 7, MIB);
                assert_eq!(content.space.reserved > 0, reserves, "{on:?}");
            }
        }
    }
}
