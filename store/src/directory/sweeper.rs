//! Removes leftovers of earlier runs anywhere in the shared directory.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::thread;

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::shared::Shared;
use crate::atomic_file::{OLD_STAGING, log_removed, sweep};
use crate::open_directory::open_directory;

/// The maximum number of directories that wait to be swept. Uploads that go into the others sweep them.
const MAX_WAITING: usize = 1 << 14;

/// Sweeps the shared directory and everything below it in a thread, so that nobody waits for it. The thread ends when
/// nobody uses the directory any more.
pub(crate) fn start(shared: &Arc<Shared>) {
    let shared = Arc::downgrade(shared);
    let started = thread::Builder::new().name("haul-sweep".into()).spawn(move || walk(&shared));
    if let Err(error) = started {
        tracing::debug!("unfinished files that an earlier run left are not looked for: {error}");
    }
}

fn walk(shared: &Weak<Shared>) {
    // Paths in the shared directory.
    let mut waiting: Vec<Vec<CString>> = vec![Vec::new()];
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        let Some(shared) = shared.upgrade() else { return };
        let below = |name: &CStr| {
            if waiting.len() < MAX_WAITING {
                waiting.push([&path[..], &[name.to_owned()]].concat());
            }
        };
        // A directory that cannot be read cannot be swept, and somebody may remove it meanwhile.
        files += open(&shared, &path).and_then(|directory| sweep(directory, below)).unwrap_or(0);
        if path.last().is_some_and(|name| name.to_bytes() == OLD_STAGING.as_bytes())
            && path.len() == 1
        {
            // Earlier versions created this directory. Files of others stay in it.
            let _ = unlinkat(&shared.root, OLD_STAGING, AtFlags::REMOVEDIR);
        }
    }
    log_removed(files);
}

/// It follows no links.
fn open(shared: &Shared, path: &[CString]) -> Result<OwnedFd, Errno> {
    let root = open_directory(&shared.root, c".")?;
    path.iter().try_fold(root, |directory, name| open_directory(directory, name.as_c_str()))
}
