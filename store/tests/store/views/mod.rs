//! Views: the mounts, the rights and the quota of one user.

mod model;
mod mounts;
mod properties;
mod quota;
mod rights;

use std::sync::{Arc, Mutex};

use haul_core::account::{Access, Mount, Right, Rights, Role};
use haul_core::{Checksum, Depth, Mode, StoreErrorKind};
use haul_store::{AccessSource, Change, Directory, Listing, NewFile, Staged, Store, View, view};

use crate::support::{Share, new_file, path, read_all};

/// A user whose access can change at any time.
#[derive(Default)]
pub(super) struct User(Mutex<Option<Arc<Access>>>);

impl User {
    pub(super) fn set(&self, access: Option<Access>) {
        *self.0.lock().unwrap() = access.map(Arc::new);
    }
}

impl AccessSource for User {
    fn access(&self) -> Option<Arc<Access>> {
        self.0.lock().unwrap().clone()
    }
}

/// A mount; "" is the root.
pub(super) fn mount(at: &str, directory: &str, rights: Rights) -> Mount {
    let path = |text: &str| (!text.is_empty()).then(|| path(text));
    Mount { at: path(at), directory: path(directory), rights, home: false }
}

pub(super) fn home(directory: &str, rights: Rights) -> Mount {
    Mount { home: true, ..mount("", directory, rights) }
}

pub(super) fn all(at: &str, directory: &str) -> Mount {
    mount(at, directory, Rights::ALL)
}

pub(super) fn all_but(right: Right) -> Rights {
    let others = Right::ALL.iter().copied().filter(|other| *other != right);
    others.fold(Rights::NONE, Rights::with)
}

pub(super) fn access(mounts: &[Mount], quota: Option<u64>) -> Access {
    Access::new(mounts.to_vec(), quota).unwrap()
}

/// A share and one user of it.
pub(super) struct Viewed {
    pub(super) share: Share,
    pub(super) views: Arc<view::Share<Directory>>,
    pub(super) user: Arc<User>,
    pub(super) view: View<Directory>,
}

impl Viewed {
    pub(super) fn new(mounts: &[Mount]) -> Self {
        Self::with_quota(mounts, None)
    }

    pub(super) fn with_quota(mounts: &[Mount], quota: Option<u64>) -> Self {
        Self::of(Share::new(), access(mounts, quota))
    }

    pub(super) fn of(share: Share, access: Access) -> Self {
        let views = view::Share::new(share.store.clone());
        let user = Arc::<User>::default();
        user.set(Some(access));
        let view = View::new(&views, Arc::clone(&user) as Arc<dyn AccessSource>);
        Self { share, views, user, view }
    }

    /// Another user of the same share.
    pub(super) fn another(&self, mounts: &[Mount]) -> View<Directory> {
        let user = Arc::<User>::default();
        user.set(Some(access(mounts, None)));
        View::new(&self.views, user)
    }

    pub(super) fn set(&self, mounts: &[Mount]) {
        self.user.set(Some(access(mounts, None)));
    }

    pub(super) fn list(&self, name: &str, depth: Depth) -> Result<Vec<String>, StoreErrorKind> {
        list(&self.view, name, depth)
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, StoreErrorKind> {
        let mut source = self.view.open(&path(name)).map_err(|error| error.kind)?;
        read_all(&mut source).map_err(|error| error.kind)
    }

    pub(super) fn upload(&self, name: &str, content: &[u8]) -> Result<(), StoreErrorKind> {
        upload(&self.view, &new_file(name), content)
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), StoreErrorKind> {
        let changed = self.view.delete(&path(name), None);
        changed.and_then(|mut change| change.sync()).map_err(|error| error.kind)
    }

    pub(super) fn make_directory(&self, name: &str) -> Result<(), StoreErrorKind> {
        let changed = self.view.make_directory(&path(name));
        changed.and_then(|mut change| change.sync()).map_err(|error| error.kind)
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), StoreErrorKind> {
        rename(&self.view, from, to, Mode::Replace)
    }

    /// As a server copies.
    pub(super) fn copy(&self, from: &str, to: &str) -> Result<(), StoreErrorKind> {
        let copy = || {
            let mut source = self.view.open(&path(from))?;
            let size = source.file_size();
            let mut staged = self.view.create(&NewFile { size, ..new_file(to) })?;
            let (mut offset, mut whole) = (0, Checksum::EMPTY);
            loop {
                let (copied, checksum) =
                    self.view.copy(&mut source, &mut staged, offset, 1 << 20)?;
                if copied == 0 {
                    break;
                }
                whole = whole.combine(checksum, copied as u64);
                offset += copied as u64;
            }
            staged.publish(whole).map(drop)
        };
        copy().map_err(|error: haul_core::StoreError| error.kind)
    }
}

trait FileSize {
    fn file_size(&self) -> Option<u64>;
}

impl<S: haul_store::Source> FileSize for S {
    fn file_size(&self) -> Option<u64> {
        self.opened().size
    }
}

pub(super) fn list(
    store: &impl Store,
    name: &str,
    depth: Depth,
) -> Result<Vec<String>, StoreErrorKind> {
    let asked = (!name.is_empty()).then(|| path(name));
    let mut listing = store.list(asked.as_ref(), depth, true).map_err(|error| error.kind)?;
    let mut names: Vec<String> = Vec::new();
    loop {
        let batch = listing.next(3).map_err(|error| error.kind)?;
        assert!(batch.len() <= 3);
        if batch.is_empty() {
            break;
        }
        for entry in &batch {
            // A directory comes before what is in it.
            let below = entry.path().filter(|path| Some(*path) != asked.as_ref());
            let parent = below.and_then(haul_core::FilePath::parent);
            if let Some(parent) = parent.filter(|parent| Some(parent) != asked.as_ref()) {
                let parent = format!("{}/", parent.as_str());
                assert!(names.iter().any(|name| name.starts_with(&parent)), "{entry:?} {names:?}");
            }
            names.push(crate::support::name(entry));
        }
    }
    names.sort();
    Ok(names)
}

pub(super) fn upload(
    store: &impl Store,
    file: &NewFile,
    content: &[u8],
) -> Result<(), StoreErrorKind> {
    let upload = || {
        let mut staged = [store.create(file)?];
        if !content.is_empty() {
            staged[0].write(0, content)?;
        }
        store.sync(&mut staged)?;
        staged[0].publish(Checksum::of(content))?;
        store.sync_directories(&mut staged, &mut [])
    };
    upload().map_err(|error: haul_core::StoreError| error.kind)
}

pub(super) fn rename(
    store: &impl Store,
    from: &str,
    to: &str,
    mode: Mode,
) -> Result<(), StoreErrorKind> {
    let changed = store.rename(&path(from), &path(to), mode, None);
    changed.and_then(|mut change| change.sync()).map_err(|error| error.kind)
}

pub(super) fn read_only() -> Rights {
    Role::Read.rights()
}
