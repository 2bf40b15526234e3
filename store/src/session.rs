//! The open files of one session of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use haul_core::account::{Account, Proof, UserName};
use haul_core::{Done, Effect, Handle, StoreError};

use crate::error::misuse;
use crate::perform::prepare_send;
use crate::{
    Identify, Identity, Listing, NewFile, PassThrough, Perform, Source, Staged, Store,
    StoreProvider,
};

/// A session's use of a store: its open listings and files, each under the [`Handle`] that its [`Effect`] gave.
/// Dropping the session closes and discards them.
pub struct Session<P: StoreProvider> {
    provider: Arc<P>,
    identity: Identity,
    /// `None` where nobody can be identified.
    identify: Option<Box<dyn Identify>>,
    /// `None` before the first effect.
    store: Option<Arc<P::Store>>,
    open: BTreeMap<Handle, Open<P::Store>>,
}

enum Open<S: Store> {
    Listing(S::Listing),
    Source(S::Source),
    Staged(S::Staged),
    /// The file has its name. Not every server syncs the name.
    Published(S::Staged),
    /// As [`Published`](Self::Published), for another change of names.
    Changed(S::Change),
}

impl<S: Store> Open<S> {
    fn name(&self) -> &'static str {
        match self {
            Self::Listing(_) => "listing",
            Self::Source(_) => "source",
            Self::Staged(_) => "staged",
            Self::Published(_) => "published",
            Self::Changed(_) => "changed",
        }
    }

    fn is_staged(&self) -> bool {
        matches!(self, Self::Staged(_))
    }

    /// Whether only the name may still have to be synced.
    fn is_visible(&self) -> bool {
        matches!(self, Self::Published(_) | Self::Changed(_))
    }

    fn into_file(self) -> Option<S::Staged> {
        match self {
            Self::Staged(file) | Self::Published(file) => Some(file),
            Self::Listing(_) | Self::Source(_) | Self::Changed(_) => None,
        }
    }
}

impl<P: StoreProvider> Session<P> {
    /// A session for `identity` that has nothing open. It asks `provider` for its store when it carries out its first
    /// effect.
    pub fn new(provider: Arc<P>, identity: Identity) -> Self {
        Self { provider, identity, identify: None, store: None, open: BTreeMap::new() }
    }

    /// The same session, whose client is identified by `identify`.
    #[must_use]
    pub fn identified_by(self, identify: Box<dyn Identify>) -> Self {
        Self { identify: Some(identify), ..self }
    }

    fn store(&mut self) -> Result<Arc<P::Store>, StoreError> {
        if let Some(store) = &self.store {
            return Ok(Arc::clone(store));
        }
        let store = self.provider.store_for(&self.identity)?;
        self.store = Some(Arc::clone(&store));
        Ok(store)
    }

    /// Returns the store, to open something under `handle`.
    fn store_for(&mut self, handle: Handle) -> Result<Arc<P::Store>, StoreError> {
        if self.open.contains_key(&handle) {
            return Err(misuse("the handle is in use in this session"));
        }
        self.store()
    }

    fn listing(&mut self, handle: Handle) -> Result<&mut <P::Store as Store>::Listing, StoreError> {
        match self.open.get_mut(&handle) {
            Some(Open::Listing(listing)) => Ok(listing),
            _ => Err(misuse("no listing is open under this handle")),
        }
    }

    fn source(&mut self, handle: Handle) -> Result<&mut <P::Store as Store>::Source, StoreError> {
        match self.open.get_mut(&handle) {
            Some(Open::Source(source)) => Ok(source),
            _ => Err(misuse("no file is open for reading under this handle")),
        }
    }

    fn staged(&mut self, handle: Handle) -> Result<&mut <P::Store as Store>::Staged, StoreError> {
        match self.open.get_mut(&handle) {
            Some(Open::Staged(staged)) => Ok(staged),
            _ => Err(not_staged()),
        }
    }

    fn create(&mut self, handle: Handle, file: &NewFile) -> Result<Done, StoreError> {
        let store = self.store_for(handle)?;
        let staged = if self.open.values().any(Open::is_staged) {
            match store.create_another(file)? {
                Some(staged) => staged,
                None => return Ok(Done::Full),
            }
        } else {
            store.create(file)?
        };
        self.open.insert(handle, Open::Staged(staged));
        Ok(Done::Started)
    }

    /// Takes out what is open under `handles`. It takes nothing unless they are all different and each names something
    /// that `fits`.
    fn take(
        &mut self,
        handles: &[Handle],
        fits: fn(&Open<P::Store>) -> bool,
    ) -> Option<Vec<Open<P::Store>>> {
        let distinct = handles.iter().collect::<BTreeSet<_>>().len() == handles.len();
        let fit = handles.iter().all(|handle| self.open.get(handle).is_some_and(fits));
        if handles.is_empty() || !distinct || !fit {
            return None;
        }
        handles.iter().map(|handle| self.open.remove(handle)).collect()
    }

    fn sync(&mut self, handles: &[Handle]) -> Result<Done, StoreError> {
        let store = self.store()?;
        let staged = self.take(handles, Open::is_staged).ok_or_else(not_staged)?;
        let mut files: Vec<_> = staged.into_iter().filter_map(Open::into_file).collect();
        store.sync(&mut files)?;
        self.open.extend(handles.iter().copied().zip(files.into_iter().map(Open::Staged)));
        Ok(Done::Synced)
    }

    fn sync_directories(&mut self, handles: &[Handle]) -> Result<Done, StoreError> {
        let store = self.store()?;
        let (mut files, mut changes) = (Vec::new(), Vec::new());
        for open in self.take(handles, Open::is_visible).ok_or_else(not_published)? {
            match open {
                Open::Changed(change) => changes.push(change),
                open => files.extend(open.into_file()),
            }
        }
        store.sync_directories(&mut files, &mut changes).map(|()| Done::Synced)
    }

    fn copy(
        &mut self,
        from: Handle,
        to: Handle,
        offset: u64,
        length: usize,
    ) -> Result<Done, StoreError> {
        let store = self.store()?;
        self.source(from)?;
        self.staged(to)?;
        // The borrow checker does not allow two entries of the map at once.
        let Some(Open::Source(mut source)) = self.open.remove(&from) else {
            return Err(not_staged());
        };
        let copied =
            self.staged(to).and_then(|staged| store.copy(&mut source, staged, offset, length));
        self.open.insert(from, Open::Source(source));
        copied.map(|(length, checksum)| Done::Copied { length, checksum })
    }

    fn change(
        &mut self,
        handle: Handle,
        change: impl FnOnce(&P::Store) -> Result<<P::Store as Store>::Change, StoreError>,
    ) -> Result<Done, StoreError> {
        let change = change(&*self.store_for(handle)?)?;
        self.open.insert(handle, Open::Changed(change));
        Ok(Done::Changed)
    }

    fn identify(&mut self, user: &UserName, proof: &Proof) -> Result<Done, StoreError> {
        let is_known = match &mut self.identify {
            Some(identify) => identify.identify(user, proof)?,
            None => false,
        };
        if !is_known {
            return Ok(Done::NotIdentified);
        }
        self.identity = Identity::of(user.clone());
        self.store = None;
        Ok(Done::Identified { user: user.clone() })
    }

    fn account(&mut self) -> Result<Account, StoreError> {
        let Some(user) = self.identity.user().cloned() else { return Ok(Account::default()) };
        let (grants, quota) = self.store()?.grants()?;
        Ok(Account { user: Some(user), grants, quota })
    }

    fn close(&mut self, handle: Handle, fits: fn(&Open<P::Store>) -> bool) -> bool {
        let fits = self.open.get(&handle).is_some_and(fits);
        if fits {
            self.open.remove(&handle);
        }
        fits
    }

    fn carry_out(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        match effect {
            Effect::List { handle, id: _, path, depth, omitted } => {
                let listing = self.store_for(*handle)?.list(path.as_ref(), *depth, *omitted)?;
                self.open.insert(*handle, Open::Listing(listing));
                Ok(Done::Started)
            }
            Effect::NextEntries { handle, max } => {
                let listing = self.listing(*handle)?;
                let entries = listing.next(*max)?;
                let skipped = listing.skipped();
                if entries.is_empty() {
                    self.open.remove(handle);
                }
                Ok(Done::Entries { entries, skipped })
            }
            Effect::Open { handle, id: _, path } => {
                let source = self.store_for(*handle)?.open(path)?;
                let opened = source.opened();
                self.open.insert(*handle, Open::Source(source));
                Ok(Done::Opened(opened))
            }
            Effect::Read { handle, offset, length } => {
                self.source(*handle)?.read(*offset, *length).map(Done::Read)
            }
            Effect::PrepareSend { handle, offset, length, read, checksum } => {
                prepare_send(self.source(*handle)?, *offset, *length, *read, *checksum)
            }
            Effect::FinishReading { handle, offset, length, checksum } => {
                let finished = self.source(*handle)?.finish(*offset, *length, *checksum);
                self.open.remove(handle);
                finished.map(|()| Done::Finished)
            }
            Effect::Create { handle, id: _, file } => self.create(*handle, file),
            Effect::Write { handle, offset, data } => {
                self.staged(*handle)?.write(*offset, data).map(|()| Done::Written)
            }
            Effect::WriteReceived { handle, offset, length } => {
                let checksum = self.staged(*handle)?.write_received(*offset, *length)?;
                Ok(Done::ReceivedWritten { checksum })
            }
            Effect::Sync { handles } => self.sync(handles),
            Effect::Publish { handle, checksum } => {
                let published = self.staged(*handle)?.publish(*checksum);
                let file = self.open.remove(handle).and_then(Open::into_file);
                let version = published?;
                self.open.extend(file.map(|file| (*handle, Open::Published(file))));
                Ok(Done::Published { version })
            }
            Effect::Copy { from, to, offset, length } => self.copy(*from, *to, *offset, *length),
            Effect::Delete { handle, id: _, path, if_match } => {
                self.change(*handle, |store| store.delete(path, if_match.as_ref()))
            }
            Effect::MakeDirectory { handle, id: _, path } => {
                self.change(*handle, |store| store.make_directory(path))
            }
            Effect::Move { handle, id: _, from, to, mode, if_match } => {
                self.change(*handle, |store| store.rename(from, to, *mode, if_match.as_ref()))
            }
            Effect::SyncDirectories { handles } => self.sync_directories(handles),
            Effect::Close { handle } => {
                let closed = self.close(*handle, |open| !open.is_staged());
                if closed { Ok(Done::Closed) } else { Err(misuse("nothing is open to close")) }
            }
            Effect::Discard { handle } => {
                let discarded = self.close(*handle, Open::is_staged);
                if discarded { Ok(Done::Discarded) } else { Err(not_staged()) }
            }
            Effect::Identify { id: _, user, proof } => self.identify(user, proof),
            Effect::WhoAmI { id: _ } => self.account().map(Done::Account),
        }
    }
}

impl<P: StoreProvider> fmt::Debug for Session<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open: BTreeMap<_, _> =
            self.open.iter().map(|(handle, open)| (handle, open.name())).collect();
        f.debug_struct("Session").field("open", &open).finish_non_exhaustive()
    }
}

impl<P: StoreProvider> Perform for Session<P> {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        let outcome = self.carry_out(effect);
        if self.open.is_empty() {
            // An empty map keeps its memory, and an idle session should use none.
            self.open = BTreeMap::new();
        }
        outcome
    }

    fn pass_through(&mut self, handle: Handle) -> Option<&mut dyn PassThrough> {
        match self.open.get_mut(&handle)? {
            Open::Source(source) => source.pass_through(),
            Open::Staged(staged) => staged.pass_through(),
            Open::Listing(_) | Open::Published(_) | Open::Changed(_) => None,
        }
    }
}

fn not_staged() -> StoreError {
    misuse("no such file is staged in this session")
}

fn not_published() -> StoreError {
    misuse("no such file was published in this session")
}
