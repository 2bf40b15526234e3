//! Passes the permissions of a file on to the file that replaces it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{
    Gid, Mode, OFlags, Uid, XattrFlags, fchmod, fchown, fremovexattr, fsetxattr, getxattr, openat,
};
use rustix::io::Errno;

use crate::stat::Stat;
use crate::tmpfile;

/// The extended attribute with the ACL, in the format of `linux/posix_acl_xattr.h`: a version and entries of 8 bytes,
/// all little-endian.
const ACCESS_LIST: &str = "system.posix_acl_access";
const HEADER: usize = 4;
const ENTRY: usize = 8;
/// The maximum size of an extended attribute in bytes.
const MAX_LIST: usize = 64 << 10;

const OWNING_GROUP: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHERS: u16 = 0x20;

/// The owner, group, mode and ACL of a file.
#[derive(Debug)]
pub(super) struct Rights {
    permissions: Mode,
    owner: Uid,
    group: Gid,
    list: List,
}

#[derive(Debug)]
enum List {
    None,
    Some(Vec<u8>),
    /// It may have an ACL.
    Unknown,
}

impl Rights {
    /// Reads them for a name in a directory, with the metadata.
    pub(super) fn at(directory: impl AsFd, name: &OsStr) -> Result<(Self, Stat), Errno> {
        // Opening a path only needs no rights to the file.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Self::of(&openat(directory, name, flags, Mode::empty())?)
    }

    /// Reads them for an open file.
    pub(super) fn of(file: &OwnedFd) -> Result<(Self, Stat), Errno> {
        let stat = Stat::of(file)?;
        let mut list = Vec::with_capacity(MAX_LIST);
        let list = match getxattr(tmpfile::path_of(file), ACCESS_LIST, spare_capacity(&mut list)) {
            Ok(_) => List::Some(list),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => List::None,
            Err(_) => List::Unknown,
        };
        let Stat { permissions, owner, group, .. } = stat;
        Ok((Self { permissions, owner, group, list }, stat))
    }

    /// Sets them on `file`, to which only its owner has access so far. If `executable`, whoever may read it may execute
    /// it. Returns whether `file` got everything; it never gets more.
    ///
    /// The owner changes to that of the replaced file only if this process may change owners.
    pub(super) fn give_to(&self, file: &OwnedFd, executable: bool) -> bool {
        let complete = self.give_without_owner(file, executable);
        // This comes last: a process that gives a file away may lose its rights to it.
        if Stat::of(file).is_ok_and(|stat| stat.owner != self.owner) {
            let _ = fchown(file, Some(self.owner), None);
        }
        complete
    }

    fn give_without_owner(&self, file: &OwnedFd, executable: bool) -> bool {
        let same_group = fchown(file, None, Some(self.group)).is_ok();
        if let List::Some(list) = &self.list {
            let mut list = list.clone();
            if !same_group {
                limit_group(&mut list);
            }
            if executable {
                make_executable(&mut list);
            }
            if fsetxattr(file, ACCESS_LIST, &list, XattrFlags::empty()).is_ok() {
                return same_group;
            }
        } else {
            // The directory's default ACL may have given it one.
            let _ = fremovexattr(file, ACCESS_LIST);
        }
        let [owner, group, others] = bits(self.permissions);
        let (group, others, complete) = match &self.list {
            List::None if same_group => (group, others, true),
            // The new group, and the members of the old group, who are others now, get what both had.
            List::None | List::Unknown => (group & others, group & others, false),
            List::Some(list) => (least(list), least(list), false),
        };
        let permissions = Mode::from_raw_mode(owner << 6 | group << 3 | others);
        let executable = if executable { for_readers(permissions) } else { Mode::empty() };
        let given = fchmod(file, permissions | executable).is_ok() && complete;
        // Some file systems have the same permissions for all files.
        given || matches!(self.list, List::None | List::Unknown) && self.are_those_of(file)
    }

    fn are_those_of(&self, file: &OwnedFd) -> bool {
        let same = |stat: Stat| (stat.permissions, stat.group) == (self.permissions, self.group);
        Stat::of(file).is_ok_and(same)
    }
}

/// The bits for read, write and execute of owner, group and others.
fn bits(permissions: Mode) -> [u32; 3] {
    let raw = permissions.as_raw_mode();
    [raw >> 6 & 7, raw >> 3 & 7, raw & 7]
}

/// Adds the execute permission for everybody who may read.
fn for_readers(permissions: Mode) -> Mode {
    let readers = permissions & (Mode::RUSR | Mode::RGRP | Mode::ROTH);
    Mode::from_raw_mode(readers.as_raw_mode() >> 2)
}

fn entries(list: &[u8]) -> impl Iterator<Item = (u16, u16)> {
    list.get(HEADER..).unwrap_or_default().chunks_exact(ENTRY).map(|entry| {
        (u16::from_le_bytes([entry[0], entry[1]]), u16::from_le_bytes([entry[2], entry[3]]))
    })
}

fn change(list: &mut [u8], change: impl Fn(u16, u16) -> u16) {
    for entry in list.get_mut(HEADER..).unwrap_or_default().chunks_exact_mut(ENTRY) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let rights = u16::from_le_bytes([entry[2], entry[3]]);
        entry[2..4].copy_from_slice(&change(tag, rights).to_le_bytes());
    }
}

fn of_tag(list: &[u8], wanted: u16) -> u16 {
    entries(list).find(|(tag, _)| *tag == wanted).map_or(7, |(_, rights)| rights)
}

/// Reduces the owning group, which is a new one, and others, who now include the old group, to what both have.
fn limit_group(list: &mut [u8]) {
    let both = of_tag(list, OWNING_GROUP) & of_tag(list, MASK) & of_tag(list, OTHERS);
    change(list, |tag, rights| if matches!(tag, OWNING_GROUP | OTHERS) { both } else { rights });
}

fn make_executable(list: &mut [u8]) {
    change(list, |_, rights| rights | (rights & 4) >> 2);
}

/// What everybody has, except the owner.
fn least(list: &[u8]) -> u32 {
    let owner = 0x01;
    entries(list)
        .filter(|(tag, _)| *tag != owner)
        .fold(7, |least, (_, rights)| least & u32::from(rights))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Owner rw, one user rwx, the group r, mask rw, others r.
    fn list() -> Vec<u8> {
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, rights, id) in [
            (1u16, 6u16, u32::MAX),
            (2, 7, 1000),
            (4, 4, u32::MAX),
            (0x10, 6, u32::MAX),
            (0x20, 4, u32::MAX),
        ] {
            list.extend(tag.to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        list
    }

    fn rights(list: &[u8]) -> Vec<u16> {
        entries(list).map(|(_, rights)| rights).collect()
    }

    #[test]
    fn lists_never_give_more() {
        assert_eq!(least(&list()), 4);
        let mut limited = list();
        change(&mut limited, |tag, rights| if tag == OTHERS { 0 } else { rights });
        assert_eq!(least(&limited), 0);
        limit_group(&mut limited);
        assert_eq!(rights(&limited), [6, 7, 0, 6, 0]);
        let mut executable = list();
        make_executable(&mut executable);
        assert_eq!(rights(&executable), [7, 7, 5, 7, 5]);
        assert_eq!((least(&[]), entries(&[1, 2]).count()), (7, 0));
    }

    #[test]
    fn whoever_reads_may_execute() {
        let modes = |mode| for_readers(Mode::from_raw_mode(mode)).as_raw_mode();
        assert_eq!((modes(0o640), modes(0o204), modes(0o222)), (0o110, 0o001, 0));
        assert_eq!(bits(Mode::from_raw_mode(0o641)), [6, 4, 1]);
    }
}
