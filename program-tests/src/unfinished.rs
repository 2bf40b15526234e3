//! Temporary files, which an upload or a download leaves behind if it does not finish.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Whether this is the name of a temporary file: `.haul-` and 16 hexadecimal digits.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.strip_prefix(".haul-").is_some_and(|digits| digits.len() == 16)
}

/// The temporary files under a directory. Links are not followed.
pub(crate) fn unfinished(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // A directory may be removed meanwhile.
    let _ = collect(directory, &mut found);
    found
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), found)?;
        }
        if is_unfinished(&entry.file_name().to_string_lossy()) {
            found.push(entry.path());
        }
    }
    Ok(())
}
