//! What names resolve to in a shared directory, compared with the standard library.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use haul_core::{Depth, Entry, FilePath, StoreErrorKind};
use haul_store::{Directory, Listing, Options, Source, Store};
use tempfile::TempDir;

/// The components that single bytes stand for. Other text is used as it is.
const PARTS: &[&str] = &[
    "file",
    "directory",
    "inner",
    "up",
    "out",
    "absolute",
    "dangling",
    "loop",
    "pipe",
    ".hidden",
    ".haul-staging",
    "through",
    "a b",
    "é",
    ".",
    "..",
    "",
];

/// A directory with everything that a name can resolve to, and files beside it that no name may reach.
struct Place {
    place: TempDir,
    store: Directory,
}

thread_local! {
    static PLACE: Place = Place::new().expect("a directory can be made");
}

impl Place {
    fn new() -> std::io::Result<Self> {
        let place = tempfile::tempdir()?;
        let (share, outside) = (place.path().join("share"), place.path().join("outside"));
        for directory in
            [&share, &outside, &share.join("directory"), &share.join("directory/inner")]
        {
            fs::create_dir(directory)?;
        }
        for file in ["file", "a b", "é", ".hidden", "directory/file", "directory/inner/file"] {
            fs::write(share.join(file), file)?;
        }
        fs::write(outside.join("file"), "outside")?;
        for (link, target) in [
            ("up", "directory/../file"),
            ("through", "directory/inner"),
            ("directory/up", "../file"),
            ("out", "../outside"),
            ("directory/out", "../../outside/file"),
            ("dangling", "nothing"),
            ("loop", "loop"),
        ] {
            symlink(target, share.join(link))?;
        }
        symlink(outside.join("file"), share.join("absolute"))?;
        rustix::fs::mknodat(
            rustix::fs::CWD,
            share.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )?;
        let store = Directory::open(&share, Options::default())?;
        Ok(Self { place, store })
    }

    fn share(&self) -> std::path::PathBuf {
        self.place.path().join("share")
    }
}

/// Opens and lists the name that `data` spells.
///
/// # Panics
/// When the store serves a file that resolving the name step by step does not find inside the directory, refuses one
/// that it does find, or returns another kind of error.
pub fn names(data: &[u8]) {
    let text = spell(data);
    let Ok(path) = FilePath::parse(&text) else { return };
    PLACE.with(|place| {
        let oracle = resolve(&place.share(), &path);
        match (place.store.open(&path), oracle) {
            (Ok(source), Some(real)) if real.is_file() => {
                let size = fs::metadata(&real).map(|metadata| metadata.size()).ok();
                assert_eq!(source.opened().size, size, "{text:?}");
            }
            (Err(error), Some(real)) if real.is_dir() => {
                assert_eq!(error.kind, StoreErrorKind::IsDirectory, "{text:?}");
            }
            (Err(error), Some(_)) => assert_eq!(error.kind, StoreErrorKind::NotAFile, "{text:?}"),
            (Err(error), None) => assert!(
                matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::NotAFile),
                "{text:?}: {error:?}"
            ),
            (Ok(_), other) => panic!("{text:?} was opened, which is {other:?}"),
        }
        if let Ok(mut listing) = place.store.list(Some(&path), Depth::All, true) {
            while let Ok(entries @ [_, ..]) = listing.next(100).as_deref() {
                for listed in entries.iter().filter_map(Entry::path) {
                    let found = resolve(&place.share(), listed);
                    assert!(found.is_some(), "{text:?} lists {listed:?}");
                }
            }
        }
    });
}

fn spell(data: &[u8]) -> String {
    match data.split_first() {
        Some((0, text)) => String::from_utf8_lossy(text).into_owned(),
        Some((_, parts)) => {
            let parts = parts.iter().map(|byte| PARTS[usize::from(*byte) % PARTS.len()]);
            parts.collect::<Vec<_>>().join("/")
        }
        None => String::new(),
    }
}

/// The path that a name resolves to, if it exists and is inside. The tree has no absolute link to the inside, which
/// this would treat differently.
fn resolve(share: &Path, path: &FilePath) -> Option<std::path::PathBuf> {
    let share = fs::canonicalize(share).ok()?;
    let real = fs::canonicalize(share.join(path.as_str())).ok()?;
    (!path.is_hidden() && real.starts_with(&share)).then_some(real)
}
