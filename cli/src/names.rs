//! Maps names on the server to local files, and back. Nothing in this module asks the server, so nothing that a server
//! says can choose a file.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use haul_core::{FilePath, PathError};

use crate::error::{self, Error};
use crate::exit::Exit;

/// Where a download goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Destination {
    Stdout,
    File(PathBuf),
}

/// Where an upload comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    Stdin,
    File(PathBuf),
}

/// The word for stdin or stdout in place of a file.
pub(crate) const DASH: &str = "-";

/// Whether `file` is the program's own stdin, as a word or by one of its paths.
pub(crate) fn is_stdin(file: &Path) -> bool {
    [DASH, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].map(Path::new).contains(&file)
}

/// Whether `file` is the program's own stdout, as a word or by one of its paths.
pub(crate) fn is_stdout(file: &Path) -> bool {
    [DASH, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].map(Path::new).contains(&file)
}

/// Parses a name on the server; `None` is the shared directory.
///
/// A leading `/` makes no difference, because names are relative to the top anyway. `.` and repeated `/` mean the same
/// as in a path. `..` is refused: nothing is above the top.
pub(crate) fn path(text: &str) -> Result<Option<FilePath>, PathError> {
    let components: Vec<&str> =
        text.split('/').filter(|component| !matches!(*component, "" | ".")).collect();
    if components.is_empty() { Ok(None) } else { FilePath::parse(&components.join("/")).map(Some) }
}

/// Whether `text` can only be a directory: the shared directory, or a name that ends with `/`.
pub(crate) fn is_directory(text: &str) -> bool {
    text == "." || text.ends_with('/') || text.ends_with("/.")
}

/// Resolves the file `name` against `base`.
pub(crate) fn file(base: Option<&FilePath>, name: &str) -> Result<FilePath, Error> {
    if is_directory(name) {
        let message = format!("{}: this can only be a directory", error::cut(name));
        let advice = "name a file in it; get -r downloads all of it, and -o says where";
        return Err(Error::usage(message).advise(advice));
    }
    let path = named(name)?.ok_or_else(|| bad_name(name, PathError::Empty))?;
    match base {
        None => Ok(path),
        Some(base) => FilePath::parse(&format!("{}/{}", base.as_str(), path.as_str()))
            .map_err(|error| bad_name(name, error)),
    }
}

/// Resolves the directory or file `name` against `base`; `None` is the shared directory itself. A trailing `/` is
/// ignored: listings print one after directories.
pub(crate) fn place(
    base: Option<&FilePath>,
    name: Option<&str>,
) -> Result<Option<FilePath>, Error> {
    let name = name.unwrap_or_default();
    match named(name)? {
        None => Ok(base.cloned()),
        Some(path) => file(base, path.as_str()).map(Some),
    }
}

/// Resolves the file or directory `name` against `base`. It must not be the base itself.
pub(crate) fn entry(base: Option<&FilePath>, name: &str) -> Result<FilePath, Error> {
    match named(name)? {
        Some(path) => file(base, path.as_str()),
        None if name.is_empty() => Err(bad_name(name, PathError::Empty)),
        None => {
            let message =
                format!("{}: this is where all names start, and it stays", error::cut(name));
            Err(Error::usage(message).advise("name what is in it"))
        }
    }
}

/// Resolves each of `names`.
pub(crate) fn entries(base: Option<&FilePath>, names: &[String]) -> Vec<Result<FilePath, Error>> {
    names.iter().map(|name| entry(base, name)).collect()
}

/// Makes `name` relative to `base`. It is relative to `directory`, which is below `base`, or with a leading `/` to
/// `base`. A `..` is the directory above.
pub(crate) fn absolute(
    base: Option<&FilePath>,
    directory: Option<&FilePath>,
    name: &str,
) -> Result<String, Error> {
    let goes_up = name.split('/').any(|component| component == "..");
    if name.is_empty() || name.contains("://") || (directory == base && !goes_up) {
        return Ok(name.to_owned());
    }
    let from = directory.filter(|_| directory != base && !name.starts_with('/'));
    let from = from.and_then(|directory| relative(base, directory)).unwrap_or_default();
    let mut components = Vec::new();
    for component in from.split('/').chain(name.split('/')) {
        match component {
            "" | "." => {}
            ".." => {
                let above = components.pop().ok_or_else(|| {
                    Error::usage(format!("{}: there is nothing above /", error::cut(name)))
                });
                above?;
            }
            component => components.push(component),
        }
    }
    let is_directory = is_directory(name) || name.ends_with("..");
    let slash = if components.is_empty() || is_directory { "/" } else { "" };
    Ok(components.join("/") + slash)
}

/// `path` as a user would type it: relative to `directory` or, with a leading `/`, to `base`.
pub(crate) fn written<'a>(
    base: Option<&FilePath>,
    directory: Option<&FilePath>,
    path: &'a FilePath,
) -> Cow<'a, str> {
    // The directory itself is written with a leading `/`.
    let within = directory == base || directory != Some(path);
    match (relative(directory, path).filter(|_| within), relative(base, path)) {
        (Some(name), _) => Cow::Borrowed(name),
        (None, Some(name)) => Cow::Owned(format!("/{name}")),
        (None, None) => Cow::Borrowed(path.as_str()),
    }
}

/// `path` relative to `base`; `None` if it is not below it.
pub(crate) fn relative<'a>(base: Option<&FilePath>, path: &'a FilePath) -> Option<&'a str> {
    match base {
        None => Some(path.as_str()),
        // If the base itself is a file, it keeps its own name.
        Some(base) if base == path => Some(path.file_name()),
        Some(base) => path.as_str().strip_prefix(base.as_str())?.strip_prefix('/'),
    }
}

/// The destination of `name` with the option `output`.
pub(crate) fn destination(name: &FilePath, output: Option<&Path>) -> Result<Destination, Error> {
    match output {
        None => Ok(Destination::File(PathBuf::from(name.file_name()))),
        Some(output) if output == DASH => Ok(Destination::Stdout),
        Some(output) if output.is_dir() => Ok(Destination::File(output.join(name.file_name()))),
        Some(output) if ends_with_slash(output) => Err(no_directory(output)),
        Some(output) => Ok(Destination::File(output.to_path_buf())),
    }
}

/// The error for a missing directory.
pub(crate) fn no_directory(directory: &Path) -> Error {
    let shown = directory.display();
    Error::new(Exit::Local, format!("{shown}: there is no such directory"))
        .advise(format!("make it with: mkdir -p {shown}"))
}

/// The name on the server for a local file, below `prefix` if that is given.
pub(crate) fn uploaded(
    base: Option<&FilePath>,
    file_here: &Path,
    name: Option<&str>,
) -> Result<FilePath, Error> {
    let directory = match name {
        Some(name) if !is_directory(name) => return file(base, name),
        name => place(base, name)?,
    };
    let own = file_here.file_name().ok_or_else(|| whole_directory(file_here))?;
    let own = own.to_str().ok_or_else(|| {
        Error::usage(format!("{}: this name is not UTF-8", file_here.display()))
            .advise("give it another with --as NAME")
    })?;
    file(directory.as_ref(), own)
        .map_err(|error| error.advise("give it another name with --as NAME"))
}

/// The directory on the server for the content of a local one, below `prefix` if that is given; `None` is the shared
/// directory.
pub(crate) fn uploaded_directory(
    base: Option<&FilePath>,
    directory: &Path,
    name: Option<&str>,
) -> Result<Option<FilePath>, Error> {
    match name {
        Some(".") => Ok(base.cloned()),
        _ if directory.file_name().is_none() && name.is_none_or(is_directory) => {
            let message = format!("{}: this directory has no name to keep", directory.display());
            Err(Error::usage(message).advise("give it one with --as NAME, or --as . for none"))
        }
        name => uploaded(base, directory, name).map(Some),
    }
}

/// Joins `name` to `directory`; `None` is the shared directory.
pub(crate) fn join(directory: Option<&FilePath>, name: &FilePath) -> Result<FilePath, Error> {
    match directory {
        None => Ok(name.clone()),
        Some(_) => file(directory, name.as_str()),
    }
}

/// The error for a directory in place of a file to upload.
pub(crate) fn whole_directory(directory: &Path) -> Error {
    Error::new(Exit::Local, format!("{}: this is a directory", directory.display()))
        .advise("-r uploads its content")
}

/// The local directory for the content of `name`, with the option `output`, for one or `several` names. `None` is the
/// shared directory.
pub(crate) fn destination_directory(
    name: Option<&FilePath>,
    output: Option<&Path>,
    several: bool,
) -> Result<PathBuf, Error> {
    let within = match output {
        Some(output) if !several && !ends_with_slash(output) => return Ok(output.to_path_buf()),
        output => output.unwrap_or(Path::new("")),
    };
    let Some(name) = name else {
        let message = "all that is shared has no name to keep";
        return Err(Error::usage(message).advise("say where to put it with -o DIR"));
    };
    if !within.as_os_str().is_empty() && !within.is_dir() {
        return Err(no_directory(within));
    }
    Ok(within.join(name.file_name()))
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

fn named(text: &str) -> Result<Option<FilePath>, Error> {
    if text.contains("://") {
        let message = format!("{}: this is not a name on the server", error::cut(text));
        return Err(Error::usage(message)
            .advise("whole addresses begin with haul://, and stand on the command line"));
    }
    path(text).map_err(|error| bad_name(text, error))
}

fn bad_name(name: &str, why: PathError) -> Error {
    Error::usage(format!("{}: {why}", error::cut(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FilePath {
        FilePath::parse(text).unwrap()
    }

    #[test]
    fn names_start_from_the_base() {
        let base = path("photos");
        assert_eq!(file(None, "a/b").unwrap(), path("a/b"));
        assert_eq!(file(Some(&base), "a/b").unwrap(), path("photos/a/b"));
        assert_eq!(place(None, None).unwrap(), None);
        assert_eq!(place(None, Some("a/")).unwrap(), Some(path("a")));
        assert_eq!(place(Some(&base), Some(".")).unwrap(), Some(base.clone()));
        for name in ["/", "./", ".//."] {
            assert_eq!(place(None, Some(name)).unwrap(), None);
        }
        for name in ["/a", "./a", "a//", "//a/.", "a/./"] {
            assert_eq!(place(None, Some(name)).unwrap(), Some(path("a")), "{name}");
            assert_eq!(place(Some(&base), Some(name)).unwrap(), Some(path("photos/a")), "{name}");
        }
        for name in ["/a/b", "./a//b", "a/./b"] {
            assert_eq!(file(Some(&base), name).unwrap(), path("photos/a/b"), "{name}");
        }
        assert_eq!(relative(Some(&base), &path("photos/a/b")), Some("a/b"));
        assert_eq!(relative(Some(&base), &base), Some("photos"));
        assert_eq!(relative(Some(&base), &path("photosets/a")), None);
        assert_eq!(relative(Some(&base), &path("other")), None);
    }

    #[test]
    fn a_current_directory_is_where_names_start() {
        let base = path("top");
        let within = path("top/photos/old");
        let absolute = |name: &str| absolute(Some(&base), Some(&within), name);
        for (name, expected) in [
            ("sea.jpg", "photos/old/sea.jpg"),
            ("new/", "photos/old/new/"),
            (".", "photos/old/"),
            ("..", "photos/"),
            ("../sea.jpg", "photos/sea.jpg"),
            ("../..", "/"),
            ("/", "/"),
            ("/a//b", "a/b"),
            ("", ""),
            ("haul://h/x", "haul://h/x"),
        ] {
            assert_eq!(absolute(name).unwrap(), expected, "{name}");
        }
        for name in ["../../..", "/..", "../../../a"] {
            assert_eq!(absolute(name).unwrap_err().exit(), Exit::Usage, "{name}");
        }
        assert_eq!(super::absolute(None, None, "a/../b").unwrap(), "b");
        assert_eq!(super::absolute(None, None, ".//a").unwrap(), ".//a");

        let written = |name: &str| written(Some(&base), Some(&within), &path(name)).into_owned();
        assert_eq!(written("top/photos/old/a"), "a");
        assert_eq!(written("top/photos/a"), "/photos/a");
        assert_eq!(written("top/photos/old"), "/photos/old");
        assert_eq!(super::written(Some(&base), Some(&base), &path("top/a")), "a");
    }

    #[test]
    fn where_names_start_is_no_entry() {
        let base = path("photos");
        for name in ["/", ".", "", "./", "..", "haul://h"] {
            for base in [None, Some(&base)] {
                assert_eq!(entry(base, name).unwrap_err().exit(), Exit::Usage, "{name:?}");
            }
        }
        assert_eq!(entry(Some(&base), "a/").unwrap(), path("photos/a"));
    }

    #[test]
    fn a_base_does_not_make_a_bad_name_good() {
        for name in ["", "..", "../x", "a/../b", "/..", "a/", ".", "/", "a\\b", "a\nb"] {
            for base in [None, Some(path("photos"))] {
                assert_eq!(file(base.as_ref(), name).unwrap_err().exit(), Exit::Usage, "{name:?}");
            }
        }
    }

    #[test]
    fn a_download_goes_where_the_person_said() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        let name = path("photos/sea.jpg");
        let to = |output: Option<&Path>| destination(&name, output);
        assert_eq!(to(None).unwrap(), Destination::File("sea.jpg".into()));
        assert_eq!(to(Some(Path::new("-"))).unwrap(), Destination::Stdout);
        assert_eq!(to(Some(here)).unwrap(), Destination::File(here.join("sea.jpg")));
        assert_eq!(to(Some(&here.join("x"))).unwrap(), Destination::File(here.join("x")));
        let missing = to(Some(&here.join("missing/"))).unwrap_err();
        assert_eq!(missing.exit(), Exit::Local);
        assert!(missing.to_string().contains("mkdir -p"), "{missing}");
    }

    #[test]
    fn an_upload_keeps_its_name_unless_told_otherwise() {
        let here = Path::new("/tmp/notes.txt");
        assert_eq!(uploaded(None, here, None).unwrap(), path("notes.txt"));
        assert_eq!(uploaded(None, here, Some("a/b")).unwrap(), path("a/b"));
        for directory in ["a/", "/a/", "a/.", "./a//"] {
            assert_eq!(uploaded(None, here, Some(directory)).unwrap(), path("a/notes.txt"));
        }
        for top in [".", "/", "./"] {
            assert_eq!(uploaded(None, here, Some(top)).unwrap(), path("notes.txt"));
        }
        assert!(uploaded(None, here, Some("")).is_err());
        assert_eq!(uploaded(Some(&path("x")), here, Some("a/")).unwrap(), path("x/a/notes.txt"));
        let bad = uploaded(None, Path::new("a\\b"), None).unwrap_err();
        assert_eq!(bad.exit(), Exit::Usage);
        assert!(bad.to_string().contains("--as NAME"), "{bad}");
        assert_eq!(uploaded(None, Path::new(".."), None).unwrap_err().exit(), Exit::Local);
    }
}
