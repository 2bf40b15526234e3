use haul_cli::Exit;
use haul_core::client::Failure;
use haul_core::message::{Omission, Refusal};
use haul_core::{Entry, ErrorCode};

use crate::fake::{Fake, Run, modified, path, refusal};

fn tree() -> Fake {
    Fake::with(&[
        ("b.txt", "12"),
        ("a.txt", ""),
        ("photos/sea.jpg", "0123456789"),
        ("photos/old/sky.jpg", "1"),
    ])
}

#[test]
fn names_are_sorted_and_directories_have_a_slash() {
    tree().run(&["ls"]).done("a.txt\nb.txt\nphotos/\n");
    tree().run(&["ls", "photos/"]).done("photos/old/\nphotos/sea.jpg\n");
    tree().run(&["ls", "b.txt"]).done("b.txt\n");
    tree()
        .run(&["ls", "-r"])
        .done("a.txt\nb.txt\nphotos/\nphotos/old/\nphotos/old/sky.jpg\nphotos/sea.jpg\n");
    Fake::default().run(&["ls"]).done("");
}

#[test]
fn the_long_form_is_aligned() {
    let listed = tree().run(&["ls", "-l", "-r", "photos"]);
    let expected = [
        " -  -                     photos/old/",
        " 1  2026-11-22T08:31:25Z  photos/old/sky.jpg",
        "10  2026-11-22T08:31:25Z  photos/sea.jpg",
        "",
    ];
    listed.done(&expected.join("\n"));
}

#[test]
fn what_is_not_sorted_is_printed_as_it_comes() {
    let expected = [
        "           -  -                     photos/",
        "           2  2026-11-22T08:31:25Z  b.txt",
        "           0  2026-11-22T08:31:25Z  a.txt",
        "",
    ];
    tree().run(&["ls", "-lu"]).done(&expected.join("\n"));
}

#[test]
fn json_is_one_object_a_line() {
    let expected = "\
{\"path\":\"photos/old\",\"type\":\"directory\"}
{\"path\":\"photos/sea.jpg\",\"type\":\"file\",\"size\":10,\"modified\":\"2026-11-22T08:31:25.5Z\"}
";
    tree().run(&["ls", "--json", "photos"]).done(expected);
}

#[test]
fn names_start_from_the_path_of_the_address() {
    let fake = tree();
    fake.run(&["ls", "--server", "haul://[::1]:99/photos"]).done("old/\nsea.jpg\n");
    fake.run(&["ls", "--server", "test/photos", "old"]).done("old/sky.jpg\n");
    assert_eq!(fake.state().connected, ["::1 99", "test 4286"]);
    assert_eq!(fake.state().said_goodbye, 2);
}

#[test]
fn what_the_server_left_out_is_told() {
    let fake = tree();
    fake.state().skipped = Some(3);
    let listed = fake.run(&["ls"]);
    assert_eq!(listed.stdout, "a.txt\nb.txt\nphotos/\n");
    listed.failed(Exit::Partial, &["3 left out"]);
    fake.run(&["ls", "--quiet"]).failed(Exit::Partial, &["3 left out"]);
}

fn with_gaps() -> Fake {
    let fake = Fake::with(&[("a", "1")]);
    fake.state().invented = vec![
        Entry::Directory { path: path("locked"), error: Some(ErrorCode::Denied), link: false },
        Entry::Directory { path: path("there"), error: None, link: true },
        Entry::omitted(b"caf\xe9\x1b", Omission::Name),
        Entry::omitted(b"fifo", Omission::Special),
        Entry::omitted(b".git", Omission::Hidden),
        Entry::File { path: path("run"), size: 1, modified: modified(), executable: true },
    ];
    fake
}

#[test]
fn whatever_a_listing_leaves_out_is_named_with_its_reason() {
    let lines = [
        "haul-test: locked: what is in it is left out: the server may not read it",
        "haul-test: there: a link to a directory, which is listed only by its own name",
        r"haul-test: caf\u{fffd}\u{1b}: left out: its name or path cannot be sent (rename it on the server)",
        "haul-test: fifo: left out: neither a file nor a directory",
        "haul-test: .git: left out: its name begins with a dot (serve --hidden serves it)",
    ];
    let listed = with_gaps().run(&["ls", "-r"]);
    assert_eq!(listed.stderr.lines().collect::<Vec<_>>(), lines);
    assert_eq!((listed.exit, listed.stdout.as_str()), (Exit::Partial, "a\nlocked/\nrun\nthere/\n"));

    // What is no failure is left to those who want to hear more.
    let quiet = with_gaps().run(&["ls", "-rq"]);
    let told: Vec<&str> = quiet.stderr.lines().collect();
    assert_eq!(told, [lines[0], lines[2], lines[3], lines[4]]);
    assert_eq!(quiet.exit, Exit::Partial);

    // What is in a directory, and what every `ls` leaves out, was not asked for.
    let flat = with_gaps().run(&["ls"]);
    assert_eq!(flat.stderr.lines().collect::<Vec<_>>(), [lines[2], lines[3]]);
    assert_eq!(flat.exit, Exit::Partial);
}

#[test]
fn json_tells_what_is_special_about_an_entry() {
    let listed = with_gaps().run(&["ls", "--json"]);
    let expected = "\
{\"path\":\"a\",\"type\":\"file\",\"size\":1,\"modified\":\"2026-11-22T08:31:25.5Z\"}
{\"path\":\"locked\",\"type\":\"directory\",\"error\":\"denied\"}
{\"path\":\"run\",\"type\":\"file\",\"size\":1,\"modified\":\"2026-11-22T08:31:25.5Z\",\"executable\":true}
{\"path\":\"there\",\"type\":\"directory\",\"link\":true}
";
    assert_eq!(listed.stdout, expected);
}

#[test]
fn a_hostile_name_is_escaped_on_a_terminal_and_raw_in_a_pipe() {
    let fake = Fake::with(&[("a\u{202e}txt.exe", "")]);
    fake.run(&["ls"]).done("a\u{202e}txt.exe\n");
    let shown = |line: &[&str]| Run { terminal: true, ..Run::default() }.run(&fake, line).stdout;
    assert_eq!(shown(&["ls"]), "a\\u{202e}txt.exe\n");
    let json = shown(&["ls", "--json"]);
    assert!(json.starts_with(r#"{"path":"a\u202etxt.exe""#), "{json}");
}

#[test]
fn color_is_only_where_it_is_wanted() {
    let photos = Fake::with(&[("photos/x", "")]);
    photos.run(&["ls"]).done("photos/\n");
    photos.run(&["ls", "--color", "always"]).done("\u{1b}[1m\u{1b}[34mphotos\u{1b}[0m/\n");
    let shown = Run { terminal: true, ..Run::default() }.run(&photos, &["ls", "--color=never"]);
    shown.done("photos/\n");
}

#[test]
fn a_listing_that_takes_too_much_memory_to_sort_is_printed_as_it_comes() {
    let fake = Fake::default();
    let directory = [["x".repeat(250).as_str(); 3].join("/"), "x".repeat(200)].join("/");
    let name = |number: usize| format!("{directory}/{number}");
    let entry =
        |number: usize| Entry::Directory { path: path(&name(number)), error: None, link: false };
    fake.state().invented = (0..40_000).rev().map(entry).collect();
    let listed = fake.run(&["ls", "-r"]);
    listed.failed(Exit::Done, &["not sorted"]);
    let mut lines = listed.stdout.lines();
    assert_eq!(lines.next(), Some(format!("{}/", name(39_999)).as_str()));
    assert_eq!(lines.next_back(), Some(format!("{}/", name(0)).as_str()));
    assert_eq!(lines.count(), 39_998);

    fake.state().invented.truncate(20_000);
    let listed = fake.run(&["ls", "-r"]);
    listed.done(&listed.stdout);
    assert!(listed.stdout.lines().is_sorted());
}

#[test]
fn a_name_from_elsewhere_is_a_broken_promise() {
    let fake = tree();
    fake.state().invented = vec![Entry::Directory { path: path("etc"), error: None, link: false }];
    let listed = fake.run(&["ls", "--server", "test/photos"]);
    listed.failed(Exit::Integrity, &["broke the protocol"]);
    assert_eq!(listed.stdout, "");
}

#[test]
fn failures_are_told_by_their_kind() {
    let listed = tree().run(&["ls", "nowhere"]);
    listed.failed(Exit::NotFound, &["nowhere: not-found: no", "with ls"]);
    tree().run(&["ls", "../x"]).failed(Exit::Usage, &["../x: a path has no . or .."]);
    let lost = tree().fails("/", Failure::Disconnected).run(&["ls"]);
    lost.failed(Exit::Network, &["connection ended"]);
    let busy = tree().fails("connect", refusal(ErrorCode::Busy)).run(&["ls"]);
    busy.failed(Exit::Network, &["haul://test:4285: busy: no", "try again"]);
}

#[test]
fn a_hostile_refusal_is_escaped_and_cut() {
    let text = format!("\u{1b}[2J{}", "x".repeat(1 << 20));
    let refusal = Refusal { word: "not-found".into(), text: text.into(), retry_after: None };
    let listed = tree().fails("/", refusal.into()).run(&["ls"]);
    listed.failed(Exit::NotFound, &[r"\u{1b}[2Jxxx"]);
    assert!(listed.stderr.len() < 500, "{}", listed.stderr.len());
}

#[test]
fn a_closed_stdout_ends_it_without_a_word() {
    let fake = Fake::default();
    let entry = |number: usize| Entry::File {
        path: path(&format!("{number}")),
        size: 1,
        modified: modified(),
        executable: false,
    };
    fake.state().invented = (0..200_000).map(entry).collect();
    for room in [0, 5, 100_000] {
        let run = Run { stdout_closes_after: Some(room), ..Run::default() };
        let listed = run.run(&fake, &["ls", "-l"]);
        assert_eq!((listed.exit, listed.stderr.as_str()), (Exit::Local, ""), "{room}");
    }
}
