//! `get -r` and `put -r`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;

use haul_cli::Exit;

use haul_core::message::Omission;
use haul_core::{Entry, ErrorCode};
use haul_store::{Found, LocalDirectory};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::fake::{Fake, modified, path, refusal};

const CONTENT: &str = "123456789";

fn here() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().to_str().unwrap().to_owned();
    (directory, name)
}

/// A directory here that has these files, each with the same content.
fn with(files: &[&str]) -> (TempDir, String) {
    let (directory, name) = here();
    for file in files {
        let file = directory.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, CONTENT).unwrap();
    }
    (directory, name)
}

fn stored(fake: &Fake) -> Vec<String> {
    fake.state().files.keys().cloned().collect()
}

/// What is in a directory, hidden files too.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// All regular files below a directory, hidden ones too.
fn files(directory: &Path) -> Vec<String> {
    let found = LocalDirectory::open(directory).unwrap().walk();
    let mut files: Vec<String> = found
        .filter_map(|found| match found.unwrap() {
            Found::File(path) => Some(path.as_str().to_owned()),
            _ => None,
        })
        .collect();
    files.sort();
    files
}

fn tree() -> Fake {
    Fake::with(&[("a/notes.txt", CONTENT), ("a/b/more.txt", "more"), ("a/b/c/x", ""), ("e", "e")])
}

#[test]
fn a_directory_comes_with_all_that_is_in_it() {
    let (directory, to) = here();
    let into = |name: &str| format!("{to}/{name}");
    let fake = tree();
    let got = fake.run(&["get", "-r", "a", "-o", &into("one"), "--json"]);
    assert_eq!((got.exit, got.errors().len()), (Exit::Done, 0), "{got:?}");
    assert_eq!(got.stdout.lines().count(), 3);
    assert!(got.stdout.contains("{\"path\":\"a/b/more.txt\",\"target\":\""), "{got:?}");
    assert!(!fake.state().durable);
    assert_eq!(files(&directory.path().join("one")), ["b/c/x", "b/more.txt", "notes.txt"]);
    assert_eq!(fs::read_to_string(directory.path().join("one/notes.txt")).unwrap(), CONTENT);

    assert_eq!(fake.run(&["get", "-rq", "a/b", "-o", &into("")]).exit, Exit::Done);
    assert_eq!(files(&directory.path().join("b")), ["c/x", "more.txt"]);
    assert_eq!(fake.run(&["get", "-rq", "a", "e", "-o", &to, "--sync"]).exit, Exit::Done);
    assert!(fake.state().durable);
    assert_eq!(files(&directory.path().join("a")).len(), 3);
    assert_eq!(fs::read_to_string(directory.path().join("e")).unwrap(), "e");
    assert_eq!(fake.run(&["get", "-rq", ".", "-o", &into("all")]).exit, Exit::Done);
    assert_eq!(files(&directory.path().join("all")).len(), 4);
    let base = fake.run(&["get", "-rq", "b", "-o", &into("based"), "--server", "haul://test/a"]);
    assert_eq!(base.exit, Exit::Done);
    assert_eq!(files(&directory.path().join("based")), ["c/x", "more.txt"]);
}

#[test]
fn what_is_here_already_is_told_file_by_file() {
    let (directory, to) = here();
    fs::create_dir(directory.path().join("b")).unwrap();
    fs::write(directory.path().join("b/more.txt"), "mine").unwrap();
    let fake = tree();
    fake.run(&["get", "-r", "a", "-o", &to]).failed(Exit::Partial, &["b/more.txt exists"]);
    assert_eq!(fs::read_to_string(directory.path().join("b/more.txt")).unwrap(), "mine");
    assert_eq!(files(directory.path()).len(), 3);
    assert_eq!(fake.run(&["get", "-rqf", "a", "-o", &to]).exit, Exit::Done);
    assert_eq!(fs::read_to_string(directory.path().join("b/more.txt")).unwrap(), "more");
}

#[test]
fn places_that_are_none_are_refused_before_anything_comes() {
    let (directory, to) = here();
    let fake = tree();
    fake.run(&["get", "-r", "a", "-o", "-"]).failed(Exit::Usage, &["stdout"]);
    fake.run(&["get", "-r", "."]).failed(Exit::Usage, &["-o DIR"]);
    fake.run(&["get", "-r", "a", "a/", "-o", &to]).failed(Exit::Usage, &["same file"]);
    let missing = format!("{to}/missing/");
    fake.run(&["get", "-r", "a", "-o", &missing]).failed(Exit::Local, &["mkdir -p"]);
    fake.run(&["get", "-r", "nothing", "-o", &to]).failed(Exit::NotFound, &["nothing: not-found"]);
    fake.run(&["get", "-r", "a", "--offset", "1"]).failed(Exit::Usage, &["--offset"]);
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

/// Only what the person asked for is written, and only where.
#[test]
fn a_server_chooses_no_place_outside() {
    let file = |name: &str| Entry::File {
        path: path(name),
        size: 1,
        modified: modified(),
        executable: false,
    };
    for name in ["b/notes.txt", "aa/x", "a"] {
        let (directory, to) = here();
        let fake = tree();
        fake.state().invented = vec![match name {
            "a" => Entry::Directory { path: path(name), error: None, link: false },
            name => file(name),
        }];
        let got = fake.run(&["get", "-r", "a", "-o", &to]);
        got.failed(Exit::Integrity, &["a name that lies elsewhere"]);
        assert_eq!(names(directory.path()), Vec::<String>::new());
    }
    // Links that are here lead nowhere.
    let ((directory, to), (outside, elsewhere)) = (here(), here());
    symlink(&elsewhere, directory.path().join("b")).unwrap();
    let fake = tree();
    let got = fake.run(&["get", "-rf", "a", "-o", &to]);
    assert_eq!(got.exit, Exit::Partial, "{got:?}");
    let line = format!(
        "cannot create {to}/b/more.txt: a symbolic link on the way is not followed (move away what is in the way, or choose another destination with -o)"
    );
    assert!(got.errors().contains(&&*line), "{got:?}");
    assert_eq!(names(outside.path()), Vec::<String>::new());
    assert_eq!(names(directory.path()), ["b", "notes.txt"]);
}

#[test]
fn links_of_what_is_sent_are_followed_or_skipped_on_request() {
    let (directory, _) = with(&["a"]);
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("b")).unwrap();
    fs::write(at("b/c"), "c").unwrap();
    for (target, link) in [("a", "to-a"), ("b", "to-b"), ("..", "b/up"), ("/etc", "etc")] {
        symlink(target, at(link)).unwrap();
    }
    let dir = directory.path().to_str().unwrap();

    let fake = Fake::default();
    let put = fake.run(&["put", "-r", dir, "--as", ".", "--links", "follow"]);
    assert_eq!(put.exit, Exit::Partial, "{put:?}");
    assert_eq!(stored(&fake), ["a", "b/c", "to-a", "to-b/c"]);
    let mut told = put.errors();
    told.sort_unstable();
    assert_eq!(told.len(), 3, "{put:?}");
    assert!(told[0].ends_with("/b/up: left out: a link to a directory that is there already"));
    assert!(told[1].ends_with("/etc: left out: a link whose path leads out of the directory"));
    assert!(told[2].ends_with("/to-b/up: left out: a link to a directory that is there already"));

    let fake = Fake::default();
    let put = fake.run(&["put", "-r", dir, "--as", ".", "--links", "skip"]);
    assert_eq!((put.exit, put.errors().len()), (Exit::Done, 0), "{put:?}");
    assert_eq!(stored(&fake), ["a", "b/c"]);
}

#[test]
fn a_link_back_by_a_path_outside_is_told_once_as_others_are() {
    let (directory, dir) = with(&["a", "b/c"]);
    let name = directory.path().file_name().unwrap().to_str().unwrap();
    symlink(format!("../{name}"), directory.path().join("up")).unwrap();
    let fake = Fake::default();
    let put = fake.run(&["put", "-rq", &dir, "--as", ".", "--links", "follow"]);
    let line = format!("{dir}/up: left out: a link to a directory that is there already");
    put.failed(Exit::Partial, &[&line]);
    assert_eq!(stored(&fake), ["a", "b/c"]);
}

/// No server takes them; without a word, a tree would seem to be complete there.
#[test]
fn names_that_haul_keeps_are_named_unless_they_are_excluded() {
    let files = [".haul-0123456789abcDEF/x", ".haul-other", "a/.HAUL-staging", "a/b"];
    let (_directory, dir) = with(&files);
    let fake = Fake::default();
    let put = fake.run(&["put", "-rq", &dir, "--as", "."]);
    assert_eq!(put.exit, Exit::Partial, "{put:?}");
    let mut told = put.errors();
    told.sort_unstable();
    let expected = [".haul-0123456789abcDEF", "a/.HAUL-staging"].map(|name| {
        format!("{dir}/{name}: left out: Haul keeps such names for its own unfinished files")
    });
    assert_eq!(told, expected);
    assert_eq!(stored(&fake), [".haul-other", "a/b"]);
    fake.run(&["put", "-rq", &dir, "--as", ".", "--exclude", ".haul-*", "--exclude", ".HAUL-*"])
        .done("");
}

#[test]
fn what_needs_a_directory_asks_for_one() {
    let (directory, to) = with(&["file", "g/b"]);
    let fake = tree();
    for (line, message) in [
        (["a", &format!("{to}/file")], format!("cannot open {to}/file: Not a directory")),
        (["a", &format!("{to}/file/x")], format!("cannot make {to}/file/x: Not a directory")),
        ([".", "/dev/null"], "cannot open /dev/null: Not a directory".to_owned()),
    ] {
        let got = fake.run(&["get", "-r", line[0], "-o", line[1]]);
        got.failed(Exit::Local, &[&format!("{message} (name a directory with -o)")]);
    }
    // Files where directories are needed, and the other way round.
    fs::create_dir(directory.path().join("g/notes.txt")).unwrap();
    let got = fake.run(&["get", "-rqf", "a", "-o", &format!("{to}/g")]);
    assert_eq!(got.exit, Exit::Local, "{got:?}");
    let advice = "(move away what is in the way, or choose another destination with -o)";
    for line in [
        format!("cannot create {to}/g/b/more.txt: Not a directory {advice}"),
        format!("cannot make {to}/g/b/c: Not a directory {advice}"),
        format!("{to}/g/notes.txt is a directory {advice}"),
    ] {
        assert!(got.errors().contains(&&*line), "{line} in {got:?}");
    }
    assert_eq!(files(directory.path()), ["file", "g/b"]);
}

#[test]
fn what_changes_after_it_was_listed_is_told_so() {
    let (directory, dir) = with(&["t/a/b", "t/c/d"]);
    let pipe = directory.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let fake = Fake::default();
    let put = thread::scope(|scope| {
        // The pipe is opened after the tree was listed, and before its files are.
        scope.spawn(|| {
            let writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
            fs::remove_dir_all(directory.path().join("t/a")).unwrap();
            fs::write(directory.path().join("t/a"), "").unwrap();
            fs::remove_file(directory.path().join("t/c/d")).unwrap();
            drop(writer);
        });
        fake.run(&["put", "-rq", &format!("{dir}/pipe"), &format!("{dir}/t")])
    });
    assert_eq!(put.exit, Exit::Partial, "{put:?}");
    let mut told = put.errors();
    told.sort_unstable();
    let expected = [
        format!("cannot open {dir}/t/a/b: Not a directory (it changed meanwhile; try again)"),
        format!(
            "cannot open {dir}/t/c/d: No such file or directory (it changed meanwhile; try again)"
        ),
    ];
    assert_eq!(told, expected);
    assert_eq!(stored(&fake), ["pipe"]);
}

#[test]
fn a_directory_goes_with_all_that_is_in_it() {
    let (directory, _) = with(&["a", ".hidden"]);
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("b/c")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    fs::write(at("b/c/d"), "123456789").unwrap();
    symlink("a", at("link")).unwrap();
    let dir = directory.path().to_str().unwrap();

    let fake = Fake::default();
    let put = fake.run(&["put", "-r", dir, "--as", "x/y", "--json"]);
    assert_eq!(put.exit, Exit::Partial, "{put:?}");
    assert_eq!(stored(&fake), ["x/y/.hidden", "x/y/a", "x/y/b/c/d"]);
    assert_eq!(put.stdout.lines().count(), 3);
    assert!(put.stdout.contains(&format!("\"source\":\"{dir}/b/c/d\"")), "{put:?}");
    let mut told = put.errors();
    told.sort_unstable();
    let link = "left out: a symbolic link (--links follow follows it within the tree)";
    let expected =
        [format!("{dir}/empty: left out: an empty directory"), format!("{dir}/link: {link}")];
    assert_eq!(told, expected);

    let fake = Fake::default();
    let put = fake.run(&["put", "-rq", dir, "--as", "."]);
    assert_eq!((put.exit, put.errors().len()), (Exit::Partial, 2), "{put:?}");
    assert_eq!(stored(&fake), [".hidden", "a", "b/c/d"]);
    fs::remove_file(at("link")).unwrap();
    fs::remove_dir(at("empty")).unwrap();
    fs::remove_file(at(".hidden")).unwrap();

    let fake = Fake::default();
    let name = directory.path().file_name().unwrap().to_str().unwrap();
    let file = format!("{dir}/a");
    assert_eq!(fake.run(&["put", "-rq", dir, &file, "--as", "in/", "-j", "3"]).exit, Exit::Done);
    let mut expected = [format!("in/{name}/a"), format!("in/{name}/b/c/d"), "in/a".to_owned()];
    expected.sort();
    assert_eq!(stored(&fake), expected);
    assert_eq!(fake.state().connected.len(), 3);
    assert_eq!(fake.state().said_goodbye, 3);
}

#[test]
fn what_fails_in_a_directory_does_not_stop_the_others() {
    let (directory, _) = with(&["a", "b", "c\\d"]);
    let dir = directory.path().to_str().unwrap();
    let fake = Fake::default().fails("x/a", refusal(ErrorCode::NoSpace));
    let put = fake.run(&["put", "-r", dir, "--as", "x"]);
    assert_eq!(put.exit, Exit::Partial, "{put:?}");
    assert_eq!(put.errors().len(), 2, "{put:?}");
    assert_eq!(stored(&fake), ["x/b"]);
    fake.run(&["put", "-r", "/"]).failed(Exit::Usage, &["--as NAME"]);
    fake.run(&["put", "-r", dir, dir, "--as", "x"]).failed(Exit::Usage, &["several files"]);
    fake.run(&["put", "-r", dir, dir]).failed(Exit::Usage, &["same name"]);
}

/// They come along; where the server takes none, a directory is named once and no file of it is sent in vain.
#[test]
fn names_that_begin_with_a_dot_are_taken_along() {
    let files = [".git/config", ".git/objects/1", ".git/objects/2", "a/.env", "a/b"];
    let (_directory, dir) = with(&files);
    let fake = Fake::default();
    assert_eq!(fake.run(&["put", "-rq", &dir, "--as", "x"]).exit, Exit::Done);
    assert_eq!(stored(&fake).len(), files.len());

    let (directory, to) = here();
    assert_eq!(fake.run(&["get", "-rq", "x", "-o", &to]).exit, Exit::Done);
    assert_eq!(names(directory.path()), [".git", "a"]);

    let fake = Fake::default();
    fake.state().refused_dots = Some(Vec::new());
    let put = fake.run(&["put", "-rq", &dir, "--as", "x"]);
    assert_eq!(put.exit, Exit::Partial, "{put:?}");
    let mut told = put.errors();
    told.sort_unstable();
    assert_eq!(told.len(), 2, "{put:?}");
    assert!(told[0].starts_with("x/.git: left out"), "{put:?}");
    assert!(told[1].starts_with("x/a/.env: left out"), "{put:?}");
    assert!(told.iter().all(|told| told.contains("serve --hidden")), "{put:?}");
    assert_eq!(fake.state().refused_dots.as_ref().map(Vec::len), Some(1));
    assert_eq!(stored(&fake), ["x/a/b"]);
}

#[test]
fn what_is_excluded_is_left_out_without_a_word() {
    let (_directory, dir) = with(&["a.o", "a.c", "sub/b.o", "target/x/y", "sub/target/z"]);
    let fake = Fake::default();
    let line = ["put", "-rq", &dir, "--as", ".", "--exclude", "*.o", "--exclude", "/target"];
    fake.run(&line).done("");
    assert_eq!(stored(&fake), ["a.c", "sub/target/z"]);
    let (directory, to) = here();
    fake.state().invented = vec![Entry::omitted(b".cache", Omission::Hidden)];
    let line = ["get", "-rq", ".", "-o", &to, "--exclude", "target/", "--exclude", ".*"];
    fake.run(&line).done("");
    assert_eq!(files(directory.path()), ["a.c"]);
    fake.run(&["get", "a.c", "--exclude", "x"]).failed(Exit::Usage, &["--recursive"]);
    fake.run(&["get", "-r", ".", "--exclude", "[", "-o", &to]).failed(Exit::Usage, &["'['"]);
}

/// The code 0 means that everything came.
#[test]
fn what_the_server_leaves_out_is_named_and_no_success() {
    let fake = tree();
    let directory = |name: &str, error| Entry::Directory { path: path(name), error, link: false };
    fake.state().invented = vec![
        directory("a/secret", Some(ErrorCode::Denied)),
        directory("a/dead", Some(ErrorCode::Io)),
        directory("a/empty", None),
        Entry::omitted(b"a/Icon\r", Omission::Name),
        Entry::omitted(b"a/out", Omission::Link),
        Entry::omitted(b"a/fifo", Omission::Special),
        Entry::omitted(b"a/.git", Omission::Hidden),
    ];
    let (directory, to) = here();
    let got = fake.run(&["get", "-rq", "a", "-o", &to]);
    assert_eq!(got.exit, Exit::Partial, "{got:?}");
    let told = got.errors();
    for (name, why) in [
        ("a/secret", "may not read this directory"),
        ("a/dead", "cannot read this directory"),
        (r"a/Icon\r", "cannot be sent"),
        ("a/out", "leads nowhere, or out of what is shared"),
        ("a/fifo", "neither a file nor"),
        ("a/.git", "serve --hidden"),
    ] {
        let line = told.iter().find(|line| line.starts_with(&format!("{name}: left out: ")));
        assert!(line.is_some_and(|line| line.contains(why)), "{name} in {got:?}");
    }
    assert_eq!(told.len(), 6);
    // No empty directory stands for what could not be read.
    assert_eq!(names(directory.path()), ["b", "empty", "notes.txt"]);

    // An older server only counts them.
    let fake = tree();
    fake.state().skipped = Some(3);
    let got = fake.run(&["get", "-rqf", "a", "-o", &to]);
    got.failed(Exit::Partial, &["a: left out: 3 names on the server's disk cannot be sent"]);
}

#[test]
fn links_to_directories_are_named_followed_or_skipped() {
    let fake = Fake::with(&[("a/x", "x"), ("a/link/x", "x"), ("a/link/again/y", "y")]);
    fake.state().links = vec!["a/link".into(), "a/link/again".into()];
    let get = |more: &[&str]| {
        let (directory, to) = here();
        let got = fake.run(&[&["get", "-rq", "a", "-o", &to], more].concat());
        (got, files(directory.path()))
    };
    let (got, here) = get(&[]);
    got.failed(Exit::Partial, &["a/link: left out", "--links follow"]);
    assert_eq!(here, ["x"]);
    let (got, here) = get(&["--links", "skip"]);
    got.done("");
    assert_eq!(here, ["x"]);
    // One that may lead back is not followed.
    let (got, here) = get(&["--links", "follow"]);
    got.failed(Exit::Partial, &["a/link/again: left out", "may lead back"]);
    assert_eq!(here, ["link/x", "x"]);
}

/// What the uploads make themselves is not sent, though the source is what the server shares.
#[test]
fn a_tree_that_holds_the_share_is_sent_once() {
    let (directory, dir) = with(&["a", "b/c"]);
    let fake = Fake::default();
    fake.state().mirror = Some(directory.path().to_path_buf());
    let put = fake.run(&["put", "-rq", &dir, "--as", "copy"]);
    put.done("");
    assert_eq!(stored(&fake), ["copy/a", "copy/b/c"]);
    assert_eq!(files(directory.path()), ["a", "b/c", "copy/a", "copy/b/c"]);
}
