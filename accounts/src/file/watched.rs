//! The accounts file of a running server, which sees every change of it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use haul_core::account::UserName;

use super::AccountsFile;
use super::disk::Seen;
use super::format::Users;
use crate::error::AccountsError;
use crate::fingerprint::Fingerprint;
use crate::invitation::InvitationHash;
use crate::source::{Source, StoredAccount};

/// Two writes in one tick of a file system's clock leave the same times. The coarsest clock, that of FAT, ticks every
/// two seconds, so that a file is read again until its times have been seen for longer.
const COARSEST_TICK: Duration = Duration::from_secs(3);

/// The accounts in a file, as it is at each call.
pub(crate) struct WatchedFile {
    file: AccountsFile,
    state: Mutex<State>,
}

struct State {
    seen: Seen,
    /// When the file was first seen so; `None` once it was read so late that it needs no further look.
    unsettled_since: Option<Instant>,
    /// The last good content; `None` if there was none yet.
    content: Option<Vec<u8>>,
    users: Arc<Users>,
    generation: u64,
    /// What was logged, while the file is not in force.
    problem: Option<String>,
}

impl WatchedFile {
    /// # Errors
    /// If there is a file and it breaks a rule, or if there was one.
    pub(crate) fn open(state: &Path) -> Result<Self, AccountsError> {
        let file = AccountsFile::new(state);
        let seen = file.disk.look();
        let content = file.disk.read()?;
        let users = content.as_deref().map(Users::parse).transpose();
        let users = users.map_err(|error| file.breaks(error))?.unwrap_or_default();
        let state = State {
            seen,
            unsettled_since: Some(Instant::now()),
            content,
            users: Arc::new(users),
            generation: 0,
            problem: None,
        };
        Ok(Self { file, state: Mutex::new(state) })
    }

    /// The state after a look at the file.
    fn now(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, at) = (self.file.disk.look(), Instant::now());
        let is_other = seen != state.seen;
        if is_other {
            state.seen = seen;
            state.unsettled_since = Some(at);
        }
        if let Some(since) = state.unsettled_since {
            self.read(&mut state, is_other);
            if at.duration_since(since) > COARSEST_TICK {
                state.unsettled_since = None;
            }
        }
        state
    }

    fn read(&self, state: &mut State, is_other: bool) {
        match self.load(state) {
            Ok(Some((content, users))) => {
                tracing::info!(accounts = users.accounts().len(), "the accounts have changed");
                state.content = Some(content);
                state.users = Arc::new(users);
                state.generation += 1;
                state.problem = None;
            }
            Ok(None) => {
                if state.problem.take().is_some() {
                    tracing::info!("the accounts file is good again, and has not changed");
                }
            }
            Err(error) => {
                let problem = Some(error.to_string());
                if is_other || state.problem != problem {
                    tracing::error!(cause = %error, "the accounts file is bad: the accounts stay as they were");
                }
                state.problem = problem;
            }
        }
    }

    /// The content of the file and what it means; `None` if it has not changed.
    fn load(&self, state: &State) -> Result<Option<(Vec<u8>, Users)>, AccountsError> {
        let content = self.file.disk.read()?;
        if content == state.content {
            return Ok(None);
        }
        let content = content.ok_or_else(|| self.file.disk.gone())?;
        let users = Users::parse(&content).map_err(|error| self.file.breaks(error))?;
        Ok(Some((content, users)))
    }

    fn users(&self) -> Arc<Users> {
        self.now().users.clone()
    }
}

impl Source for WatchedFile {
    fn generation(&self) -> u64 {
        self.now().generation
    }

    fn is_empty(&self) -> bool {
        self.users().accounts().is_empty()
    }

    fn account(&self, user: &UserName) -> Option<Arc<StoredAccount>> {
        self.users().accounts().get(user).cloned()
    }

    fn owner_of_key(&self, key: &Fingerprint) -> Option<UserName> {
        self.users().owner_of_key(key).cloned()
    }

    fn redeem(
        &self,
        user: &UserName,
        invitation: &InvitationHash,
        key: &Fingerprint,
        now: SystemTime,
    ) -> Result<bool, AccountsError> {
        // Guesses do not touch the lock.
        let is_open = |account: Arc<StoredAccount>| account.invitations.contains_key(invitation);
        if !self.account(user).is_some_and(is_open) {
            return Ok(false);
        }
        self.file.redeem(user, invitation, key, now)
    }
}
