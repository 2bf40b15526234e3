//! The files of a client.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::thread;

use haul_core::{Checksum, StoreErrorKind};
use haul_store::{LocalSource, LocalTarget, NewFile, Source, Target};
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

use crate::support::{create_only, long_ago, new_file, read_all, staged_in};

/// The name that a server gives does not matter here.
fn from_server() -> NewFile {
    NewFile { modified: Some(long_ago()), size: Some(3), ..new_file("name/of/the/server") }
}

fn download(target: &mut dyn Target, content: &[u8]) -> Result<(), StoreErrorKind> {
    let mut all = || {
        let mut staged = target.create(&from_server())?;
        staged.write(0, content)?;
        staged.sync()?;
        staged.publish(Checksum::of(content))?;
        staged.sync_directory()
    };
    all().map_err(|error: haul_core::StoreError| error.kind)
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_uploaded() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, vec![7; 100_000]).unwrap();
    let mut source = LocalSource::open(&file).unwrap();
    let modified = source.opened().modified.unwrap();
    assert_eq!(source.opened().size, Some(100_000));
    let since_1970 =
        fs::metadata(&file).unwrap().modified().unwrap().duration_since(io_epoch()).unwrap();
    assert_eq!(u64::try_from(modified.seconds()).unwrap(), since_1970.as_secs());
    assert_eq!(modified.nanos(), since_1970.subsec_nanos());
    assert_eq!(read_all(&mut source).unwrap(), vec![7; 100_000]);
}

fn io_epoch() -> std::time::SystemTime {
    std::time::UNIX_EPOCH
}

#[test]
fn what_cannot_be_uploaded_is_told_clearly() {
    let directory = TempDir::new().unwrap();
    let error = LocalSource::open(directory.path()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::IsDirectory);
    assert_eq!(error.detail, format!("{} is a directory", directory.path().display()));
    let missing = directory.path().join("missing\u{1b}[31m");
    let error = LocalSource::open(&missing).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound);
    let shown = format!("{}/missing\\u{{1b}}[31m", directory.path().display());
    assert_eq!(error.detail, format!("cannot open {shown}: No such file or directory"));
}

#[test]
fn a_pipe_is_uploaded() {
    let directory = TempDir::new().unwrap();
    let pipe = directory.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RWXU).unwrap();
    let content = vec![3; 300_000];
    thread::scope(|scope| {
        scope.spawn(|| {
            File::options().write(true).open(&pipe).unwrap().write_all(&content).unwrap();
        });
        let mut source = LocalSource::open(&pipe).unwrap();
        assert_eq!(source.opened().size, None);
        assert!(read_all(&mut source).unwrap() == content);
    });
}

#[test]
fn a_download_takes_its_name_at_the_end() {
    // On tmpfs it has another name until then, elsewhere usually none.
    for directory in [TempDir::new(), TempDir::new_in("/dev/shm")].map(Result::unwrap) {
        let file = directory.path().join("file");
        let mut target = LocalTarget::new(&file, false).unwrap();
        let mut staged = target.create(&from_server()).unwrap();
        staged.write(0, b"abc").unwrap();
        assert!(!file.exists());
        let names_before = names(directory.path());
        assert!(names_before.iter().all(|name| name.starts_with(".haul-")), "{names_before:?}");
        staged.sync().unwrap();
        let [temporary] = staged_in(directory.path()).try_into().unwrap();
        let time = fs::metadata(temporary).unwrap().mtime();
        assert_eq!(time, long_ago().seconds(), "the time is on stable storage too");
        staged.publish(Checksum::of(b"abc")).unwrap();
        staged.sync_directory().unwrap();
        drop(staged);
        assert_eq!(names(directory.path()), ["file"]);
        assert_eq!(fs::read(&file).unwrap(), b"abc");
        assert_eq!(LocalSource::open(&file).unwrap().opened().modified, Some(long_ago()));

        let reference = directory.path().join("reference");
        fs::write(&reference, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&file), mode(&reference));
    }
}

#[test]
fn a_download_that_fails_leaves_nothing() {
    let directory = TempDir::new_in("/dev/shm").unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "old").unwrap();
    let mut target = LocalTarget::new(&file, true).unwrap();
    let mut staged = target.create(&from_server()).unwrap();
    staged.write(0, b"abc").unwrap();
    assert_eq!(staged.sync_directory().unwrap_err().kind, StoreErrorKind::Io);
    drop(staged);
    assert_eq!(names(directory.path()), ["file"]);
    assert_eq!(fs::read(&file).unwrap(), b"old");
}

#[test]
fn an_existing_target_is_kept_unless_told_otherwise() {
    let directory = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    let (file, link) = (directory.path().join("file"), directory.path().join("link"));
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    symlink(&secret, &link).unwrap();
    for path in [&file, &link] {
        let error = LocalTarget::new(path, false).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Exists);
        assert_eq!(error.detail, format!("{} exists already", path.display()));
        download(&mut LocalTarget::new(path, true).unwrap(), b"new").unwrap();
        assert!(fs::symlink_metadata(path).unwrap().is_file());
        assert_eq!(fs::read(path).unwrap(), b"new");
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
}

#[test]
fn a_target_that_appears_meanwhile_is_kept() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    let mut target = LocalTarget::new(&file, false).unwrap();
    let mut staged = target.create(&from_server()).unwrap();
    staged.write(0, b"abc").unwrap();
    fs::write(&file, "faster").unwrap();
    let error = staged.publish(Checksum::of(b"abc")).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Exists);
    drop(staged);
    assert_eq!(download(&mut target, b"abc"), Err(StoreErrorKind::Exists));
    assert_eq!(
        (names(directory.path()), fs::read(&file).unwrap()),
        (vec!["file".into()], b"faster".into())
    );
    // A request that only creates is not turned into one that replaces.
    let mut target = LocalTarget::new(&file, true).unwrap();
    assert_eq!(target.create(&create_only("x")).err().unwrap().kind, StoreErrorKind::Exists);
}

#[test]
fn what_cannot_be_a_target_is_told_early() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("file"), "").unwrap();
    mkfifoat(CWD, at("pipe"), Mode::RWXU).unwrap();
    for (path, kind) in [
        (directory.path().to_owned(), StoreErrorKind::IsDirectory),
        (at("new/"), StoreErrorKind::IsDirectory),
        (at("."), StoreErrorKind::IsDirectory),
        (at(".."), StoreErrorKind::IsDirectory),
        (at("missing/file"), StoreErrorKind::NotFound),
        (at("file/file"), StoreErrorKind::NotAFile),
        (at("pipe"), StoreErrorKind::NotAFile),
        (at("pipe/file"), StoreErrorKind::NotAFile),
        (at(&"n".repeat(256)), StoreErrorKind::BadName),
    ] {
        assert_eq!(LocalTarget::new(&path, true).unwrap_err().kind, kind, "{}", path.display());
    }
    let error = LocalTarget::new(at("missing/file"), true).unwrap_err();
    assert!(error.detail.ends_with("cannot open its directory: No such file or directory"));
}

#[test]
fn a_name_alone_is_in_the_working_directory() {
    assert!(LocalTarget::new("a-name-that-is-not-there", false).is_ok());
}
