//! Files whose size is not that of their content.

use std::fs;

use haul_core::StoreErrorKind;
use haul_store::{Directory, LocalDirectory, LocalSource, Options, Source, Store};

use crate::support::{Share, path, read_all};

/// Generated files: of size 0, and of size 4096.
const MADE_UP: [(&str, &str); 3] = [
    ("/proc", "version"),
    ("/proc/sys/kernel", "osrelease"),
    ("/sys/kernel/mm/transparent_hugepage", "enabled"),
];

fn share(directory: &str) -> Directory {
    Directory::open(directory, Options { read_only: true, ..Options::default() }).unwrap()
}

#[test]
fn files_of_proc_and_sys_are_sent_to_their_end() {
    for (directory, name) in MADE_UP {
        let Ok(expected) = fs::read(format!("{directory}/{name}")) else {
            eprintln!("not shown: this machine has no {directory}/{name}");
            continue;
        };
        assert!(!expected.is_empty());
        let mut served = share(directory).open(&path(name)).unwrap();
        assert_eq!(served.opened().size, Some(expected.len() as u64));
        assert_eq!(served.read(3, 5).unwrap(), expected[3..8]);
        assert!(served.read(expected.len() as u64, 5).unwrap().is_empty());
        assert!(served.prepare_send(0, 5, true).unwrap().is_none());
        assert_eq!(read_all(&mut served).unwrap(), expected);
        // A client announces no size.
        let named = LocalSource::open(format!("{directory}/{name}")).unwrap();
        let walked = LocalDirectory::open(directory).unwrap().source(&path(name)).unwrap();
        for mut source in [named, walked] {
            assert_eq!(source.opened().size, None);
            assert!(source.opened().modified.is_some());
            assert_eq!(read_all(&mut source).unwrap(), expected);
        }
    }
}

#[test]
fn a_file_without_a_size_is_not_read_without_end() {
    // It has a word for each page of memory that a process could have.
    let error = share("/proc/self").open(&path("pagemap")).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Io);
    let detail =
        "cannot send pagemap: its size is not known before its end, and it has more than 16 MiB";
    assert_eq!(error.detail, detail);
}

#[test]
fn an_empty_file_is_known_to_be_empty() {
    let share = Share::new();
    let file = share.put("file", "");
    assert_eq!(share.store.open(&path("file")).unwrap().opened().size, Some(0));
    assert_eq!(LocalSource::open(file).unwrap().opened().size, Some(0));
}
