//! Where a view learns what its user may do, and asks again.

use std::sync::Arc;

use haul_core::account::{Access, Mount, Rights};
use haul_core::{FilePath, StoreError};

use super::place::{Place, not_found};
use crate::error::revoked;

/// Knows what one user may do at this moment.
pub trait AccessSource: Send + Sync + 'static {
    /// The access of the user; `None` if the account was removed or disabled. A view asks at every command, and for
    /// every piece of a body, so this must be cheap. It returns the same [`Arc`] as long as nothing has changed.
    fn access(&self) -> Option<Arc<Access>>;
}

/// The access of everybody on a server without accounts: the whole share, with all rights.
#[derive(Debug)]
pub(super) struct Everything(Arc<Access>);

impl Default for Everything {
    fn default() -> Self {
        let whole = Mount { at: None, directory: None, rights: Rights::ALL, home: false };
        Self(Arc::new(Access::new(vec![whole], None).unwrap_or_default()))
    }
}

impl AccessSource for Everything {
    fn access(&self) -> Option<Arc<Access>> {
        Some(Arc::clone(&self.0))
    }
}

/// What a user was allowed to begin, to be looked up again as it goes on.
pub(super) struct Permission {
    source: Arc<dyn AccessSource>,
    /// The access that allowed it last.
    seen: Arc<Access>,
    path: Option<FilePath>,
    place: Place,
    needs: Rights,
}

impl Permission {
    pub(super) fn new(
        source: &Arc<dyn AccessSource>,
        seen: Arc<Access>,
        path: Option<&FilePath>,
        place: Place,
        needs: Rights,
    ) -> Self {
        Self { source: Arc::clone(source), seen, path: path.cloned(), place, needs }
    }

    /// Where the path leads.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Fails if the user lost a right, or if the path leads elsewhere by now.
    pub(super) fn require(&mut self) -> Result<(), StoreError> {
        let access = self.source.access().ok_or_else(revoked)?;
        if Arc::ptr_eq(&access, &self.seen) {
            return Ok(());
        }
        let place = Place::find(&access, self.path.as_ref())?;
        if !place.is_in_mount_of(&self.place) {
            return Err(not_found());
        }
        self.needs.iter().try_for_each(|right| place.require(right))?;
        (self.seen, self.place) = (access, place);
        Ok(())
    }
}
