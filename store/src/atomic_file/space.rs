//! Room on the disk for a file that is being written.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs, ftruncate};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, getrlimit};

use crate::file_system::{EXT, f_type};

/// Whether there is room for smaller files is not asked, and none is reserved for less.
const WORTH_ASKING: u64 = 1 << 20;
/// The most that is reserved ahead.
const MAX_AHEAD: u64 = 16 << 20;
/// The part of the free room that is reserved ahead at most: one of so many.
const PART_AHEAD: u64 = 64;

/// Bytes of this process that may yet go without being published.
static STAGED: AtomicU64 = AtomicU64::new(0);

/// What a file has of the disk.
///
/// ext4 writes a quarter faster into room that was reserved than into room that it has to account for block by block.
/// XFS and Btrfs do not, and Btrfs would not compress there.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// What of the file has room on the disk, as far as is known here, and may be given back.
    staged: u64,
    /// Nothing is reserved beyond this size, which was announced. 0 where nothing is to be reserved.
    announced: u64,
    /// The end of what is reserved, if that is beyond the end of the file.
    reserved: u64,
    /// The end of the last hole.
    dense_from: u64,
}

impl Space {
    /// Refuses what cannot fit, even if all that is being written were given up.
    pub(super) fn require(file: impl AsFd, size: u64) -> Result<(), Errno> {
        if size < WORTH_ASKING {
            return Ok(());
        }
        if getrlimit(Resource::Fsize).current.is_some_and(|most| size > most) {
            return Err(Errno::FBIG);
        }
        // Some file systems do not know.
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

    /// Lets room be reserved for a file up to the size that was announced, if that is worth it.
    pub(super) fn announce(&mut self, file: impl AsFd, size: u64) {
        if size >= WORTH_ASKING && f_type(file) == Some(EXT) {
            self.announced = size;
        }
    }

    /// Bytes were written from `from` to `end`, which is the end of the file now.
    pub(super) fn written(&mut self, from: u64, end: u64) {
        self.stage(end.saturating_sub(self.reserved.max(from)));
    }

    /// Reserves room ahead of the `end` of the file if enough bytes without a hole came before.
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
            // The next write tells whether there is room. What was reserved before the failure is given back.
            self.announced = 0;
            self.release_unused(file, end)?;
        }
        Ok(())
    }

    /// Gives back what is reserved beyond the `end` of the file.
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

    /// There is a hole up to here.
    pub(super) fn hole_ends(&mut self, end: u64) {
        self.dense_from = end;
    }

    fn stage(&mut self, bytes: u64) {
        self.staged += bytes;
        STAGED.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes that had room have none any more.
    pub(super) fn unstage(&mut self, bytes: u64) {
        self.staged -= bytes;
        STAGED.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The file is published, or gone: its room is not given back by a failure any more.
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
    /// What a file system needs to find the bytes.
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

    /// The bytes of the disk that a file has.
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

    /// As bytes come from a socket.
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

    /// Those with extents, where that is worth it.
    fn reserving_mounts() -> impl Iterator<Item = Mount> {
        let journal: [&[&str]; 2] = [&["-qF"], &["-qF", "-O", "^has_journal"]];
        journal.into_iter().filter_map(|arguments| mounted("mkfs.ext4", arguments))
    }

    /// What others have staged may go, and its room be free then; nothing else frees any.
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
