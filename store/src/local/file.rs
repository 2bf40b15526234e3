//! Files that the user of a client names.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use haul_core::{Checksum, Mode, Opened, StoreError, StoreErrorKind, Version};
use rustix::fs::{FileType, Mode as Permissions, OFlags, open};
use rustix::io::Errno;

use super::stream::StreamSource;
use crate::atomic_file::{AtomicFile, replaceable};
use crate::directory_handle::DirectoryHandle;
use crate::error::{failed, misuse, shown};
use crate::open_directory::or_path_only;
use crate::regular_file::RegularFile;
use crate::stat::Stat;
use crate::{NewFile, PassThrough, Prepared, Source, Staged, Target};

/// A file to upload. Anything else that can be read, such as a pipe or a terminal, is read as a [`StreamSource`]; so is
/// a regular file whose size is unknown before its end, such as those of `/proc`.
#[derive(Debug)]
pub struct LocalSource {
    kind: Kind,
    opened: Opened,
}

#[derive(Debug)]
enum Kind {
    File(RegularFile),
    Stream(StreamSource<File>),
}

impl LocalSource {
    /// Opens `path` and follows links. Opening a named pipe waits until somebody writes to it.
    ///
    /// # Errors
    /// [`NotFound`](haul_core::StoreErrorKind::NotFound); [`IsDirectory`](haul_core::StoreErrorKind::IsDirectory);
    /// [`Denied`](haul_core::StoreErrorKind::Denied); [`Io`](haul_core::StoreErrorKind::Io).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let name = shown(path.as_os_str());
        let cannot = |errno| failed(format_args!("open {name}"), errno);
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = open(path, flags, Permissions::empty()).map_err(cannot)?;
        match Stat::of(&file).map_err(cannot)?.file_type {
            FileType::Directory | FileType::RegularFile => {
                RegularFile::new(file, name).map(Self::from)
            }
            _ => {
                let kind = Kind::Stream(StreamSource::new(File::from(file), name));
                Ok(Self { kind, opened: Opened::default() })
            }
        }
    }
}

impl From<RegularFile> for LocalSource {
    fn from(file: RegularFile) -> Self {
        let opened = file.opened();
        let kind =
            if file.has_size() { Kind::File(file) } else { Kind::Stream(file.into_stream()) };
        Self { kind, opened }
    }
}

impl Source for LocalSource {
    fn opened(&self) -> Opened {
        self.opened
    }

    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        match &mut self.kind {
            Kind::File(file) => file.read(offset, length),
            Kind::Stream(stream) => stream.read(offset, length),
        }
    }

    fn prepare_send(
        &mut self,
        offset: u64,
        length: usize,
        checksum: bool,
    ) -> Result<Option<Prepared>, StoreError> {
        match &mut self.kind {
            Kind::File(file) => file.prepare_send(offset, length, checksum),
            Kind::Stream(stream) => stream.prepare_send(offset, length, checksum),
        }
    }

    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        match &mut self.kind {
            Kind::File(file) => file.pass_through(),
            Kind::Stream(stream) => stream.pass_through(),
        }
    }

    fn finish(&mut self, offset: u64, length: u64, sent: Checksum) -> Result<(), StoreError> {
        match &mut self.kind {
            Kind::File(file) => file.verify(offset, length, sent),
            Kind::Stream(stream) => stream.finish(offset, length, sent),
        }
    }
}

/// A file to download to. Until it is published its bytes are in a hidden temporary file in the same directory, which
/// is removed if the download fails.
///
/// A symbolic link of that name counts as a file: it is refused or replaced, never followed. Only this side decides the
/// name, and whether the file may be replaced.
#[derive(Debug)]
pub struct LocalTarget {
    destination: Destination,
    mode: Mode,
}

impl LocalTarget {
    /// A target at `path`; with `overwrite` it may replace a regular file.
    ///
    /// # Errors
    /// Early, before the server is asked for anything, those that publication would report: the file exists, is a
    /// directory or something else, or its directory is missing or not writable.
    pub fn new(path: impl AsRef<Path>, overwrite: bool) -> Result<Self, StoreError> {
        let target = Self::at(Destination::open(path.as_ref())?, overwrite)?;
        let Destination { directory, shown, .. } = &target.destination;
        directory
            .require_writable()
            .map_err(|errno| failed(format_args!("create {shown}"), errno))?;
        Ok(target)
    }

    pub(super) fn at(destination: Destination, overwrite: bool) -> Result<Self, StoreError> {
        let mode = if overwrite { Mode::Replace } else { Mode::Create };
        destination.replaceable(mode)?;
        Ok(Self { destination, mode })
    }
}

impl Target for LocalTarget {
    fn create(&mut self, file: &NewFile) -> Result<Box<dyn Staged>, StoreError> {
        let destination = self.destination.clone();
        // The mode of this target was checked when it was created; publication decides.
        if file.mode != self.mode && file.mode == Mode::Create {
            destination.replaceable(Mode::Create)?;
        }
        let mode = match file.mode {
            Mode::Create => Mode::Create,
            Mode::Replace => self.mode,
        };
        let replaces = match mode {
            Mode::Create => None,
            Mode::Replace => destination.replaceable(mode)?,
        };
        let (directory, shown) = (Arc::clone(&destination.directory), destination.shown.clone());
        let replaces = replaces.map(|_| &*destination.name);
        let atomic_file = AtomicFile::create(directory, file, replaces, shown)?;
        Ok(Box::new(LocalStaged { destination, mode, atomic_file, published: false }))
    }
}

/// A name in an open directory.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) directory: Arc<DirectoryHandle>,
    pub(super) name: OsString,
    /// The full path, for errors.
    pub(super) shown: String,
}

impl Destination {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let shown = shown(path.as_os_str());
        let bytes = path.as_os_str().as_encoded_bytes();
        let names_directory = bytes.ends_with(b"/") || bytes.ends_with(b"/.");
        let Some(name) = path.file_name().filter(|_| !names_directory) else {
            let detail = format!("{shown} is a directory");
            return Err(StoreError::new(StoreErrorKind::IsDirectory, detail));
        };
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let open = |access| {
            let flags = access | OFlags::DIRECTORY | OFlags::CLOEXEC;
            open(parent, flags, Permissions::empty())
        };
        let directory = or_path_only(open).and_then(DirectoryHandle::new).map_err(|errno| {
            failed(format_args!("create {shown}: cannot open its directory"), errno)
        })?;
        Ok(Self { directory: Arc::new(directory), name: name.to_owned(), shown })
    }

    /// What a file of that name would replace.
    fn replaceable(&self, mode: Mode) -> Result<Option<Stat>, StoreError> {
        replaceable(&self.directory, &self.name, mode, &self.shown)
    }
}

#[derive(Debug)]
struct LocalStaged {
    destination: Destination,
    mode: Mode,
    atomic_file: AtomicFile,
    published: bool,
}

impl Staged for LocalStaged {
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        self.atomic_file.write(offset, data)
    }

    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        self.atomic_file.pass_through()
    }

    fn write_received(&mut self, offset: u64, length: usize) -> Result<Checksum, StoreError> {
        self.atomic_file.write_received(offset, length)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.atomic_file.sync()
    }

    fn publish(&mut self, _checksum: Checksum) -> Result<Option<Version>, StoreError> {
        let Destination { directory, name, shown } = &self.destination;
        if !self.atomic_file.publish(directory, name, self.mode)? {
            return Err(failed(format_args!("create {shown}"), Errno::NOENT));
        }
        self.published = true;
        Ok(None)
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        if !self.published {
            return Err(misuse("the file has not been published"));
        }
        let Destination { directory, shown, .. } = &self.destination;
        // The directories above were created and synced before.
        let synced = directory.sync_name(self.atomic_file.file(), directory.id(), shown);
        synced.map_err(|errno| failed(format_args!("bring {shown} to stable storage"), errno))
    }
}
