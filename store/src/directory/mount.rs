//! Directories of the shared directory that are roots of their own.

use std::path::Path;
use std::sync::Arc;

use haul_core::{FilePath, StoreError, StoreErrorKind};
use rustix::io::Errno;

use super::location::Location;
use super::make_directory;
use super::root::Root;
use super::shared::{Options, Shared};
use crate::atomic_file::{is_temporary_name, spelling};
use crate::error::failed;
use crate::file_system::FileSystem;
use crate::open_directory::or_path_only;
use crate::resolve::{Links, Mounts, Way};
use crate::{Change, MountOptions};

/// See [`Mountable::mount`](crate::Mountable::mount).
pub(super) fn mount(
    share: &Arc<Shared>,
    directory: Option<&FilePath>,
    options: MountOptions,
) -> Result<Shared, StoreError> {
    share.location.require()?;
    let path = Path::new(directory.map_or(".", FilePath::as_str));
    let cannot = |errno| failed(format_args!("open {}", path.display()), errno);
    let is_reserved = |component: &str| is_temporary_name(component.as_bytes());
    if directory.is_some_and(|path| path.components().any(is_reserved)) {
        return Err(cannot(Errno::NOENT));
    }
    // Whoever could change a link on the way would decide what is mounted.
    let without_links = share.root.with(Links::Refuse);
    let open = || or_path_only(|access| without_links.open_directory(path, access));
    let opened = match (open(), directory) {
        (Err(Errno::NOENT), Some(directory)) if options.home => {
            make_home(share, directory)?;
            open()
        }
        (opened, _) => opened,
    };
    let (opened, stat) = opened.map_err(cannot)?;
    let whole = directory.is_none() && options.follows_links;
    let way = Way {
        links: if options.follows_links { Links::Follow } else { Links::Refuse },
        mounts: if whole { Mounts::Enter } else { Mounts::Refuse },
    };
    let around = Arc::clone(&share.location);
    let location = Location::within(around, without_links, path, stat.id());
    let hidden = share.options.hidden || options.home;
    Ok(Shared {
        options: Options { hidden, ..share.options.clone() },
        makes_parents: options.makes_parents,
        ..share.with_root(Root::new(opened, way), Arc::new(location))
    })
}

/// Creates a home, durably.
fn make_home(share: &Shared, directory: &FilePath) -> Result<(), StoreError> {
    if share.options.read_only {
        let detail = format!("{} is not created: files are only read here", directory.escaped());
        return Err(StoreError::new(StoreErrorKind::ReadOnly, detail));
    }
    let without_links = share.root.with(Links::Refuse);
    let share = Arc::new(share.with_root(without_links, Arc::clone(&share.location)));
    match make_directory::make(&share, directory) {
        Ok(mut made) => made.sync(),
        // Another session was faster.
        Err(error) if error.kind == StoreErrorKind::Exists => Ok(()),
        Err(error) => Err(error),
    }
}

impl Shared {
    /// The same, for another root beneath this one.
    fn with_root(&self, root: Root, location: Arc<Location>) -> Self {
        let same_device = location.id().same_device(self.location.id());
        Self {
            file_system: if same_device {
                self.file_system
            } else {
                FileSystem::of(&root, location.id().device())
            },
            // A flush covers the file system of the outermost root.
            flushes: self.flushes.clone().filter(|_| same_device),
            root,
            location,
            options: self.options.clone(),
            makes_parents: self.makes_parents,
            checksums: Arc::clone(&self.checksums),
            extra_files: self.extra_files.clone(),
            listing_directories: self.listing_directories.clone(),
        }
    }

    /// See [`Mountable::are_same`](crate::Mountable::are_same).
    pub(super) fn are_same(&self, one: &FilePath, other: &FilePath) -> bool {
        let find = |path: &FilePath| match self.root.locate(path.as_str().as_ref()) {
            Ok(found) => Ok(Some(found.stat.id())),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
            Err(errno) => Err(errno),
        };
        match (find(one), find(other)) {
            (Ok(None), _) | (_, Ok(None)) => false,
            (Err(_), _) | (_, Err(_)) => true,
            (Ok(one_id), Ok(other_id)) if one_id == other_id => true,
            // FUSE may give one file several numbers.
            (Ok(_), Ok(_)) => spelling::is_other_case(&self.root, one, other),
        }
    }
}
