//! Properties of all names and all trees.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use haul_core::{Checksum, Depth, Entry, FilePath};
use haul_store::{NewFile, Source, Store};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::strategy::Strategy;

use crate::support::{Share, long_ago, new_file, upload};

/// Any path of up to three components, in any script.
fn any_path() -> impl Strategy<Value = FilePath> {
    vec("[^/\\\\\\p{Cc}]{1,63}", 1..4)
        .prop_filter_map("rules of paths", |components| FilePath::parse(&components.join("/")).ok())
}

/// Paths of few names, so that files and directories conflict.
fn crowded_path() -> impl Strategy<Value = String> {
    vec("[ab]{1,2}|\\.a", 1..5).prop_map(|components| components.join("/"))
}

/// The lines that a listing must have: the size of a file, nothing for a directory.
fn model(
    files: &BTreeMap<String, usize>,
    levels: usize,
    hidden: bool,
) -> BTreeMap<String, Option<usize>> {
    let mut lines = BTreeMap::new();
    for (path, size) in files {
        let components: Vec<_> = path.split('/').collect();
        for depth in 1..=components.len().min(levels) {
            if !hidden && components[depth - 1].starts_with('.') {
                break;
            }
            let leaf = depth == components.len();
            lines.insert(components[..depth].join("/"), leaf.then_some(*size));
        }
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_name_that_the_protocol_takes_comes_back(path in any_path(), content in vec(any::<u8>(), 0..100)) {
        let share = Share::hidden();
        let file = NewFile { modified: Some(long_ago()), ..new_file("x") };
        let file = NewFile { path: path.clone(), ..file };
        upload(&share.store, &file, &content).unwrap();

        let source = share.store.open(&path).unwrap();
        prop_assert_eq!(source.opened().size, Some(content.len() as u64));
        prop_assert_eq!(&share.read(path.as_str()).unwrap(), &content);
        let listed = share.list(None, Depth::All).unwrap();
        prop_assert_eq!(listed.skipped, 0);
        let entry = Entry::File { path: path.clone(), size: content.len() as u64, modified: long_ago(), executable: false };
        prop_assert!(listed.entries.contains(&entry));
        prop_assert_eq!(listed.entries.len(), path.components().count());
        prop_assert_eq!(share.list(Some(path.as_str()), Depth::ONE).unwrap().entries, [entry]);
    }

    #[test]
    fn a_listing_is_the_tree(
        wanted in btree_map(crowded_path(), 0_usize..50, 0..24),
        levels in 1_usize..6,
        hidden: bool,
    ) {
        let share = if hidden { Share::hidden() } else { Share::new() };
        let mut files = BTreeMap::new();
        for (path, size) in wanted {
            let file = share.root().join(&path);
            // A name that is a directory already, or below a file, is left out.
            if std::fs::create_dir_all(file.parent().unwrap()).is_ok() && std::fs::write(&file, vec![0; size]).is_ok() {
                files.insert(path, size);
            }
        }
        let depth = Depth::Levels(NonZeroU64::new(levels as u64).unwrap());
        let listed = share.list(None, depth).unwrap();
        prop_assert_eq!(listed.skipped, 0);
        let lines: BTreeMap<_, _> = listed.entries.iter().map(|entry| match entry {
            Entry::File { path, size, .. } => (path.as_str().to_owned(), Some(usize::try_from(*size).unwrap())),
            Entry::Directory { path, .. } => (path.as_str().to_owned(), None),
 Entry::Omitted { shown, .. } => panic!("{shown} is left out"),
        }).collect();
        prop_assert_eq!(lines.len(), listed.entries.len());
        prop_assert_eq!(lines, model(&files, levels, hidden));
    }

    #[test]
    fn any_way_of_reading_gives_the_same_bytes(
        content in vec(any::<u8>(), 0..5_000),
        reads in vec((0_u64..6_000, 1_usize..3_000), 1..20),
    ) {
        let share = Share::new();
        share.put("file", &content);
        let mut source = share.store.open(&FilePath::parse("file").unwrap()).unwrap();
        for (offset, length) in reads {
            let bytes = source.read(offset, length).unwrap();
            let start = usize::try_from(offset).unwrap().min(content.len());
            prop_assert_eq!(&bytes[..], &content[start..(start + length).min(content.len())]);
        }
        source.finish(0, content.len() as u64, Checksum::of(&content)).unwrap();
    }
}
