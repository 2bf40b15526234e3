//! Checks the contract of handles.

use std::collections::{BTreeMap, BTreeSet};

use haul_core::{Done, Effect, Handle, StoreError};

/// Checks that a machine opens each handle once, uses it only while it is open, and closes it exactly once.
#[derive(Debug, Default)]
pub struct Handles {
    begun: BTreeSet<Handle>,
    open: BTreeMap<Handle, Kind>,
}

/// What is open under a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Listing,
    Source,
    Staged,
    /// A published file, or another change of a name.
    Changed,
}

impl Handles {
    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Records an effect and its outcome.
    ///
    /// # Errors
    /// How the effect breaks the contract of [`Effect`].
    pub fn note(
        &mut self,
        effect: &Effect,
        outcome: &Result<Done, StoreError>,
    ) -> Result<(), String> {
        match effect {
            Effect::List { handle, .. } => self.begin(*handle, Kind::Listing, outcome),
            Effect::Open { handle, .. } => self.begin(*handle, Kind::Source, outcome),
            Effect::Create { handle, .. } => self.begin(*handle, Kind::Staged, outcome),
            Effect::Delete { handle, .. }
            | Effect::MakeDirectory { handle, .. }
            | Effect::Move { handle, .. } => self.begin(*handle, Kind::Changed, outcome),
            Effect::Copy { from, to, .. } => {
                self.require(&[*from], &[Kind::Source])?;
                self.require(&[*to], &[Kind::Staged])
            }
            Effect::NextEntries { handle, .. } => {
                self.require(&[*handle], &[Kind::Listing])?;
                if matches!(outcome, Ok(Done::Entries { entries, .. }) if entries.is_empty()) {
                    self.open.remove(handle);
                }
                Ok(())
            }
            Effect::Read { handle, .. } | Effect::PrepareSend { handle, .. } => {
                self.require(&[*handle], &[Kind::Source])
            }
            Effect::FinishReading { handle, .. } => self.end(&[*handle], &[Kind::Source]),
            Effect::Write { handle, .. } | Effect::WriteReceived { handle, .. } => {
                self.require(&[*handle], &[Kind::Staged])
            }
            Effect::Sync { handles } if outcome.is_ok() => self.require(handles, &[Kind::Staged]),
            Effect::Sync { handles } => self.end(handles, &[Kind::Staged]),
            Effect::Publish { handle, .. } => {
                self.end(&[*handle], &[Kind::Staged])?;
                if outcome.is_ok() {
                    self.open.insert(*handle, Kind::Changed);
                }
                Ok(())
            }
            Effect::SyncDirectories { handles } => self.end(handles, &[Kind::Changed]),
            Effect::Close { handle } => {
                self.end(&[*handle], &[Kind::Listing, Kind::Source, Kind::Changed])
            }
            Effect::Discard { handle } => self.end(&[*handle], &[Kind::Staged]),
            Effect::Identify { .. } if !self.open.is_empty() => {
                Err(format!("something is open: {:?}", self.open))
            }
            Effect::Identify { .. } | Effect::WhoAmI { .. } => Ok(()),
        }
        .map_err(|broken| format!("{broken}: {effect:?}"))
    }

    /// Checks that payload may be received for `handle` without the machine.
    ///
    /// # Errors
    /// What `handle` names instead of a staged file.
    pub fn receives(&self, handle: Handle) -> Result<(), String> {
        self.require(&[handle], &[Kind::Staged])
    }

    /// Checks that payload of `handle` may be sent without the machine.
    ///
    /// # Errors
    /// What `handle` names instead of a source.
    pub fn sends(&self, handle: Handle) -> Result<(), String> {
        self.require(&[handle], &[Kind::Source])
    }

    fn begin(
        &mut self,
        handle: Handle,
        kind: Kind,
        outcome: &Result<Done, StoreError>,
    ) -> Result<(), String> {
        if self.begun.contains(&handle) {
            return Err(format!("{handle:?} is begun twice"));
        }
        if matches!(outcome, Ok(Done::Started | Done::Opened(_) | Done::Changed)) {
            self.begun.insert(handle);
            self.open.insert(handle, kind);
        }
        Ok(())
    }

    fn require(&self, handles: &[Handle], kinds: &[Kind]) -> Result<(), String> {
        if handles.is_empty() || handles.iter().collect::<BTreeSet<_>>().len() < handles.len() {
            return Err(String::from("not one or more handles, each once"));
        }
        for handle in handles {
            let kind = self.open.get(handle);
            if kind.is_none_or(|kind| !kinds.contains(kind)) {
                return Err(format!("{handle:?} names {kind:?} where one of {kinds:?} is needed"));
            }
        }
        Ok(())
    }

    fn end(&mut self, handles: &[Handle], kinds: &[Kind]) -> Result<(), String> {
        self.require(handles, kinds)?;
        self.open.retain(|handle, _| !handles.contains(handle));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use haul_core::{FilePath, Opened, RequestId, StoreErrorKind};

    use super::*;

    const FILE: Handle = Handle(1);

    fn open(handle: Handle) -> Effect {
        let path = FilePath::parse("a").expect("a path");
        Effect::Open { handle, id: RequestId(1), path }
    }

    fn close(handle: Handle) -> Effect {
        Effect::Close { handle }
    }

    const OPENED: Result<Done, StoreError> = Ok(Done::Opened(Opened {
        size: None,
        modified: None,
        executable: false,
        checksum: None,
        version: None,
    }));

    fn failed() -> Result<Done, StoreError> {
        Err(StoreError::new(StoreErrorKind::Io, "failed"))
    }

    #[test]
    fn what_failed_to_begin_may_begin_again() {
        let mut handles = Handles::default();
        handles.note(&open(FILE), &failed()).unwrap();
        assert!(handles.is_empty());
        handles.note(&open(FILE), &OPENED).unwrap();
        handles.note(&close(FILE), &failed()).unwrap();
        assert!(handles.is_empty());
    }

    #[test]
    fn a_handle_is_begun_and_ended_once() {
        let mut handles = Handles::default();
        handles.note(&close(FILE), &Ok(Done::Closed)).unwrap_err();
        handles.note(&open(FILE), &OPENED).unwrap();
        handles.note(&open(FILE), &OPENED).unwrap_err();
        handles.note(&Effect::Discard { handle: FILE }, &Ok(Done::Discarded)).unwrap_err();
        handles.note(&Effect::Sync { handles: vec![] }, &Ok(Done::Synced)).unwrap_err();
        handles.receives(FILE).unwrap_err();
        handles.sends(FILE).unwrap();
        handles.note(&close(FILE), &Ok(Done::Closed)).unwrap();
        handles.note(&close(FILE), &Ok(Done::Closed)).unwrap_err();
        handles.note(&open(FILE), &OPENED).unwrap_err();
    }
}
