//! Whatever the mounts and the rights are, a view answers and changes exactly what a plain model of it does.

use std::fs;
use std::path::Path;

use haul_core::account::{Access, Mount, Right, Rights};
use haul_core::{Depth, Mode};
use haul_store::NewFile;
use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{Model, Tree};
use super::{Viewed, mount, rename, upload};
use crate::support::{Share, new_file};

#[derive(Debug, Clone)]
enum Operation {
    Read(String),
    Upload(String, Mode, Vec<u8>),
    Copy(String, String),
    Delete(String),
    MakeDirectory(String),
    Rename(String, String, Mode),
    List(String, Depth),
    Become(Access),
}

/// Paths of few names, so that mounts, files and directories meet.
fn paths() -> impl Strategy<Value = String> {
    vec(prop_oneof![4 => "[ab]", 1 => Just(".c".to_owned())], 1..4)
        .prop_map(|names| names.join("/"))
}

fn paths_and_root() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just(String::new()), 4 => paths()]
}

fn rights() -> impl Strategy<Value = Rights> {
    let some = any::<[bool; 7]>().prop_map(|held| {
        let held = Right::ALL.iter().zip(held).filter(|(_, held)| *held);
        held.fold(Rights::NONE, |rights, (right, _)| rights.with(*right))
    });
    prop_oneof![2 => Just(Rights::ALL), 1 => some]
}

fn accesses() -> impl Strategy<Value = Access> {
    let mounts = vec((paths_and_root(), paths_and_root(), rights()), 0..4);
    (mounts, any::<bool>()).prop_map(|(mounts, home)| {
        let mut different: Vec<Mount> = Vec::new();
        for (at, directory, rights) in mounts {
            let mount = mount(&at, &directory, rights);
            if different.iter().all(|other| other.at != mount.at) {
                different.push(Mount { home: home && different.is_empty(), ..mount });
            }
        }
        Access::new(different, None).unwrap()
    })
}

fn operations() -> impl Strategy<Value = Operation> {
    let mode = || prop_oneof![Just(Mode::Replace), Just(Mode::Create)];
    let depth = prop_oneof![
        Just(Depth::All),
        (1_u64..4).prop_map(|levels| Depth::Levels(levels.try_into().unwrap()))
    ];
    prop_oneof![
        2 => paths().prop_map(Operation::Read),
        4 => (paths(), mode(), vec(any::<u8>(), 0..9)).prop_map(|(path, mode, content)| Operation::Upload(path, mode, content)),
        2 => (paths(), paths()).prop_map(|(from, to)| Operation::Copy(from, to)),
        2 => paths().prop_map(Operation::Delete),
        2 => paths().prop_map(Operation::MakeDirectory),
        3 => (paths(), paths(), mode()).prop_map(|(from, to, mode)| Operation::Rename(from, to, mode)),
        3 => (paths_and_root(), depth).prop_map(|(path, depth)| Operation::List(path, depth)),
        1 => accesses().prop_map(Operation::Become),
    ]
}

/// Everything below a directory, as it is on the disk.
fn tree(directory: &Path, above: &str, tree: &mut Tree) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{above}{}", entry.file_name().to_str().unwrap());
        let is_directory = entry.file_type().unwrap().is_dir();
        if is_directory {
            self::tree(&entry.path(), &format!("{name}/"), tree);
        }
        tree.insert(name, (!is_directory).then(|| fs::read(entry.path()).unwrap()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_view_does_what_the_rights_of_the_moment_allow(
        access in accesses(),
        made in vec((paths(), any::<bool>()), 0..8),
        operations in vec(operations(), 1..24),
    ) {
        let share = Share::new();
        for (path, is_file) in made {
            // Many of these are below a file, or there already.
            let path = share.root().join(path);
            let _ = fs::create_dir_all(path.parent().unwrap());
            let _ = if is_file { fs::write(path, "made") } else { fs::create_dir(path) };
        }
        let mut model = Model { mounts: access.mounts().to_vec(), ..Model::default() };
        tree(&share.root(), "", &mut model.tree);
        let viewed = Viewed::of(share, access);
        for operation in operations {
            match &operation {
                Operation::Become(access) => {
                    model.mounts = access.mounts().to_vec();
                    viewed.user.set(Some(access.clone()));
                }
                Operation::Read(path) => {
                    prop_assert_eq!(viewed.read(path), model.read(path), "{:?}", operation);
                }
                Operation::Upload(path, mode, content) => {
                    let file = NewFile { mode: *mode, ..new_file(path) };
                    let done = upload(&viewed.view, &file, content);
                    prop_assert_eq!(done, model.upload(path, *mode, content), "{:?}", operation);
                }
                Operation::Copy(from, to) => {
                    prop_assert_eq!(viewed.copy(from, to), model.copy(from, to), "{:?}", operation);
                }
                Operation::Delete(path) => {
                    prop_assert_eq!(viewed.delete(path), model.delete(path), "{:?}", operation);
                }
                Operation::MakeDirectory(path) => {
                    let made = viewed.make_directory(path);
                    prop_assert_eq!(made, model.make_directory(path), "{:?}", operation);
                }
                Operation::Rename(from, to, mode) => {
                    let done = rename(&viewed.view, from, to, *mode);
                    prop_assert_eq!(done, model.rename(from, to, *mode), "{:?}", operation);
                }
                Operation::List(path, depth) => {
                    // The first listing may create a home, which may be listed in another mount or not.
                    let _ = (viewed.list(path, *depth), model.list(path, *depth));
                    let mut listed = viewed.list(path, *depth);
                    // The model does not say what is hidden.
                    if let Ok(listed) = &mut listed {
                        listed.retain(|name| !name.ends_with("(hidden)"));
                    }
                    prop_assert_eq!(listed, model.list(path, *depth), "{:?}", operation);
                }
            }
            let mut found = Tree::new();
            tree(&viewed.share.root(), "", &mut found);
            prop_assert_eq!(&found, &model.tree, "{:?}", operation);
        }
    }
}
