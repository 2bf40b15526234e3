//! The file of a key, and what may be wrong with it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use haul_transport::tls::{Key, KeyFileError};
use tempfile::TempDir;

struct Place {
    directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/server.key");
        Self { directory, path }
    }

    fn load(&self) -> Result<Key, KeyFileError> {
        Key::load_or_create(&self.path)
    }

    fn marker(&self) -> PathBuf {
        self.path.with_extension("fingerprint")
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.path.parent().unwrap()).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_key_is_made_once_and_only_its_user_can_read_it() {
    let place = Place::new();
    let first = place.load().unwrap();
    assert_eq!(place.load().unwrap().fingerprint(), first.fingerprint());
    assert_eq!(place.names(), ["server.fingerprint", "server.key"]);
    assert_eq!((mode(&place.path), mode(place.path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_to_string(place.marker()).unwrap(), format!("{}\n", first.fingerprint()));
    // A copy elsewhere is the same one, without what lies beside it too.
    let copy = Place::new();
    fs::create_dir(copy.path.parent().unwrap()).unwrap();
    fs::write(&copy.path, fs::read(&place.path).unwrap()).unwrap();
    set_mode(&copy.path, 0o600);
    assert_eq!(copy.load().unwrap().fingerprint(), first.fingerprint());
    assert!(copy.marker().exists());
    assert!(!format!("{first:?}").contains("PRIVATE"));
}

#[test]
fn those_who_start_at_once_have_one_key() {
    let place = Place::new();
    let keys: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| place.load().unwrap().fingerprint())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(place.names(), ["server.fingerprint", "server.key"]);
}

#[test]
fn a_lost_key_is_not_replaced() {
    let place = Place::new();
    let known = place.load().unwrap().fingerprint();
    fs::remove_file(&place.path).unwrap();
    for _ in 0..2 {
        let error = place.load().unwrap_err();
        assert!(matches!(&error, KeyFileError::Lost { known: lost, .. } if *lost == known));
        let text = error.to_string();
        assert!(text.contains(&known.to_string()) && text.contains("server.fingerprint"), "{text}");
        assert!(!place.path.exists());
    }
    // Whoever says so begins anew.
    fs::remove_file(place.marker()).unwrap();
    assert_ne!(place.load().unwrap().fingerprint(), known);
}

#[test]
fn another_key_is_not_taken_silently() {
    let (place, other) = (Place::new(), Place::new());
    let (known, found) = (place.load().unwrap().fingerprint(), other.load().unwrap().fingerprint());
    fs::copy(&other.path, &place.path).unwrap();
    let error = place.load().unwrap_err();
    let is_right = matches!(&error,
        KeyFileError::Changed { known: k, found: f, .. } if (*k, *f) == (known, found));
    assert!(is_right, "{error}");
    fs::remove_file(place.marker()).unwrap();
    assert_eq!(place.load().unwrap().fingerprint(), found);
}

#[test]
fn a_key_that_others_can_reach_is_refused() {
    let place = Place::new();
    place.load().unwrap();
    for exposed in [0o640, 0o604, 0o660] {
        set_mode(&place.path, exposed);
        let error = place.load().unwrap_err();
        assert!(matches!(error, KeyFileError::Exposed { mode, .. } if mode == exposed), "{error}");
    }
    set_mode(&place.path, 0o600);
    let directory = place.path.parent().unwrap();
    for exposed in [0o770, 0o702, 0o777] {
        set_mode(directory, exposed);
        let error = place.load().unwrap_err();
        let is_right = matches!(&error, KeyFileError::Exposed { path, .. } if path == directory);
        assert!(is_right, "{error}");
    }
    set_mode(directory, 0o755);
    place.load().unwrap();
}

#[test]
fn what_is_no_key_is_refused_and_kept() {
    let place = Place::new();
    fs::create_dir(place.path.parent().unwrap()).unwrap();
    for content in ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
    {
        fs::write(&place.path, content).unwrap();
        set_mode(&place.path, 0o600);
        let error = place.load().unwrap_err();
        assert!(matches!(error, KeyFileError::Malformed { .. }), "{error}");
        assert_eq!(fs::read_to_string(&place.path).unwrap(), content);
    }
    // Whoever can make links here could point to any file.
    fs::remove_file(&place.path).unwrap();
    symlink(place.directory.path().join("elsewhere"), &place.path).unwrap();
    assert!(matches!(place.load().unwrap_err(), KeyFileError::Io { .. }));
    fs::remove_file(&place.path).unwrap();
    fs::create_dir(&place.path).unwrap();
    assert!(matches!(place.load().unwrap_err(), KeyFileError::Malformed { .. }));
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let place = Place::new();
    fs::write(place.path.parent().unwrap(), "a file").unwrap();
    let error = place.load().unwrap_err();
    assert!(matches!(error, KeyFileError::Io { .. }), "{error}");
}
