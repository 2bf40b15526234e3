//! A state directory for tests.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use haul_accounts::{
    Accounts, AccountsFile, Fingerprint, NewAccount, Options, Origin, StoredAccount,
};
use haul_core::account::{Secret, UserName};
use tempfile::TempDir;

/// A time of the wall clock.
pub(crate) const NOW: SystemTime = SystemTime::UNIX_EPOCH;
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// A state directory.
pub(crate) struct State {
    around: TempDir,
    pub(crate) file: AccountsFile,
}

impl State {
    pub(crate) fn new() -> Self {
        let around = TempDir::new().unwrap();
        let file = AccountsFile::new(&around.path().join("state"));
        Self { around, file }
    }

    /// With accounts of these names.
    pub(crate) fn of(names: &[&str]) -> Self {
        let state = Self::new();
        for name in names {
            state.file.add(&user(name), &NewAccount::default()).unwrap();
        }
        state
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.around.path().join("state")
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.file.path()).unwrap()
    }

    /// Replaces the file as a good editor does.
    pub(crate) fn write(&self, text: &str) {
        fs::create_dir_all(self.path()).unwrap();
        let new = self.path().join("written");
        let options = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
        options.open(&new).unwrap().write_all(text.as_bytes()).unwrap();
        fs::rename(new, self.file.path()).unwrap();
    }

    pub(crate) fn set_mode(&self, mode: u32) {
        fs::set_permissions(self.file.path(), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn account(&self, name: &str) -> Arc<StoredAccount> {
        self.file.read().unwrap().accounts()[&user(name)].clone()
    }

    /// What a server has that does not let those wait who fail.
    pub(crate) fn accounts(&self) -> Accounts {
        let options = Options { failure_floor: Duration::ZERO, ..Options::default() };
        Accounts::open(&self.path(), options).unwrap()
    }
}

pub(crate) fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned()).unwrap()
}

pub(crate) fn key(of: &str) -> Fingerprint {
    Fingerprint::of_spki(of.as_bytes())
}

/// Over TLS, with this key.
pub(crate) fn origin(key: Fingerprint) -> Origin {
    Origin { address: Ipv4Addr::new(192, 0, 2, 1).into(), encrypted: true, key: Some(key) }
}

/// What was logged by this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Logs everything while `run` runs.
    pub(crate) fn during<T>(run: impl FnOnce(&Self) -> T) -> T {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || run(&log))
    }

    /// What was logged since the last call.
    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
