//! Files that are read.

use std::fs::File;
use std::io::Write;

use haul_core::{Checksum, StoreErrorKind};
use haul_store::{Source, Store};

use crate::support::{Share, path};

fn open(share: &Share) -> impl Source {
    share.store.open(&path("file")).unwrap()
}

#[test]
fn ranges_are_read() {
    let share = Share::new();
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    share.put("file", &content);
    let mut source = open(&share);
    assert_eq!(source.opened().size, Some(content.len() as u64));
    for (offset, length) in [(0, 1), (799_999, 10), (400_000, 256 << 10), (3, 256 << 10)] {
        let bytes = source.read(offset, length).unwrap();
        let start = usize::try_from(offset).unwrap();
        assert_eq!(bytes, content[start..(start + length).min(content.len())]);
    }
    assert!(source.read(800_000, 1).unwrap().is_empty());
    assert!(source.read(u64::MAX, 1).unwrap().is_empty());
    source.finish(400_000, 400_000, Checksum::of(&content[400_000..])).unwrap();
}

#[test]
fn bytes_stay_as_they_were_read() {
    let share = Share::new();
    share.put("file", b"aaabbbccc");
    let mut source = open(&share);
    let first = source.read(0, 3).unwrap();
    let second = source.read(3, 3).unwrap();
    let pointer = second.as_ptr();
    drop(second);
    let third = source.read(6, 3).unwrap();
    assert_eq!((&first[..], &third[..]), (&b"aaa"[..], &b"ccc"[..]));
    assert_eq!(third.as_ptr(), pointer, "the buffer that nobody held was used again");
}

#[test]
fn an_empty_file_is_whole() {
    let share = Share::new();
    share.put("file", "");
    assert_eq!(share.read("file").unwrap(), b"");
}

#[test]
fn what_a_file_grows_by_is_not_sent_and_what_it_lost_is_missed() {
    let share = Share::new();
    let file = share.put("file", "content");
    let mut source = open(&share);
    File::options().append(true).open(&file).unwrap().write_all(b"more").unwrap();
    assert_eq!(source.read(4, 100).unwrap(), &b"ent"[..]);
    assert!(source.read(7, 100).unwrap().is_empty());
    source.finish(0, 7, Checksum::of(b"content")).unwrap();
    File::options().write(true).open(&file).unwrap().set_len(3).unwrap();
    assert_eq!(source.read(4, 100).unwrap_err().kind, StoreErrorKind::Changed);
    let finished = source.finish(0, 3, Checksum::of(b"con"));
    assert_eq!(finished.unwrap_err().kind, StoreErrorKind::Changed);
}

#[test]
fn what_is_not_there_cannot_be_opened() {
    let share = Share::new();
    assert_eq!(share.read("missing"), Err(StoreErrorKind::NotFound));
    assert_eq!(share.read("missing/missing"), Err(StoreErrorKind::NotFound));
}
