//! The walkthrough of README.md, run as it is written.
//!
//! Every `console` block of the page is run, in order. A line that begins with `$ ` is a command, and the lines below it
//! are all that the command prints, on stdout and stderr. These may differ from the page:
//!
//! - `haul-std` stands for the program under test,
//! - ports 4285 and 4286 for the port that the server got, and 192.0.2.7 for this machine,
//! - `/home/me` for the directory that commands run in,
//! - any version, fingerprint or invitation for any other, and any addresses of this machine for others,
//! - a UTC time such as `2026-11-22T14:11:44Z` for any time, and a number before ` s` for any number of seconds.
//!
//! A command that begins with `haul-std serve` starts the server that all following commands use, and stops the one
//! before. The line that an operator sends to a user is that of this run.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Bench, Serving};
use crate::requirements::or_skip;
use crate::running::Running;

/// A command of the page, and what it prints there.
struct Example {
    command: String,
    prints: String,
}

/// The commands of the page do what the page says.
pub fn the_walkthrough_is_what_happens(program: &Path) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let examples = examples(&fs::read_to_string(page).unwrap());
    assert!(examples.len() > 5, "README.md has only {} commands", examples.len());
    let bench = Bench::new(program);
    let bin = bench.place().join("bin");
    fs::create_dir(&bin).unwrap();
    let name = program.file_name().unwrap();
    symlink(program, bin.join(name)).unwrap();
    let path = std::env::join_paths(
        [bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let here = fs::canonicalize(bench.here()).unwrap();
    let name = name.to_str().unwrap();
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .env("PATH", &path)
            .env("NO_COLOR", "1")
            .env_remove("HAUL_LOG")
            .env_remove("STATE_DIRECTORY")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_STATE_HOME")
            .env("HOME", &here)
            .current_dir(&here);
        command
    };

    let mut server: Option<(Serving, &Example)> = None;
    let mut invitation: Option<String> = None;
    let stop = |server: &mut Option<(Serving, &Example)>| {
        let Some((mut serving, example)) = server.take() else { return };
        let expected = translated(&example.prints, name, serving.address().port(), &here);
        let printed = format!("listening on {}\n{}", serving.url(), serving.stopped());
        assert_same(&example.command, &printed, &expected);
    };
    for example in &examples {
        if example.command.starts_with("haul-std serve") {
            stop(&mut server);
            let line = match example.command.replace("haul-std", name) {
                line if line.contains(" --listen 0.0.0.0") => format!("{line}:0"),
                line => format!("{line} --listen 127.0.0.1:0"),
            };
            let mut command = shell(&format!("exec {line}"));
            let log = tempfile::tempfile().unwrap();
            let serving = Serving::start(command.env_remove("HAUL_SERVER"), log)
                .unwrap_or_else(|status| panic!("{}: {status}", example.command));
            server = Some((serving, example));
            continue;
        }
        let (serving, _) = server.as_ref().expect("README.md starts a server first");
        if example.command.contains("| nc ") && !can_type_by_hand() {
            continue;
        }
        let port = serving.address().port();
        let translated = |text: &str| translated(text, name, port, &here);
        let line = match &invitation {
            // The page has another one.
            Some(line) if example.command.starts_with("haul-std login") => translated(line),
            _ if example.command.starts_with("haul-std user add") => {
                translated(&example.command) + " --address 127.0.0.1"
            }
            _ => translated(&example.command),
        };
        let mut command = shell(&format!("exec 2>&1; {line}"));
        // Who is logged in need not say where.
        match serving.url() {
            url if url.starts_with("haul://") => command.env("HAUL_SERVER", url),
            _ => command.env_remove("HAUL_SERVER"),
        };
        let ended = Running::start(&mut command, b"").ended();
        let printed = String::from_utf8(ended.stdout).unwrap();
        if printed.contains(",invite=") {
            invitation = Some(printed.trim_end().to_owned());
            // The port is the default one, whichever server runs.
            let default = |text: &str| text.replace("127.0.0.1:4286", "192.0.2.7:4286");
            assert_same(
                &example.command,
                &default(&printed),
                &example.prints.replace("haul-std", name),
            );
            continue;
        }
        assert_same(&example.command, &printed, &translated(&example.prints));
    }
    stop(&mut server);
}

/// The commands of all `console` blocks.
fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for block in page.split("\n```console\n").skip(1) {
        let (block, _) = block.split_once("\n```").expect("a block has an end");
        assert!(block.starts_with("$ "), "a console block begins with a command: {block}");
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                examples.push(Example { command: command.to_owned(), prints: String::new() });
            } else if let Some(example) = examples.last_mut() {
                example.prints.extend([line, "\n"]);
            }
        }
    }
    examples
}

/// What the page says, as it is for this program, port and directory.
fn translated(text: &str, program: &str, port: u16, here: &Path) -> String {
    text.replace("haul-std", program)
        .replace("192.0.2.7", "127.0.0.1")
        .replace(":4285", &format!(":{port}"))
        .replace(":4286", &format!(":{port}"))
        .replace(" 4285", &format!(" {port}"))
        .replace("/home/me", here.to_str().unwrap())
}

#[track_caller]
fn assert_same(command: &str, printed: &str, expected: &str) {
    let constant = |text: &str| text.lines().map(constant).collect::<Vec<_>>();
    assert!(
        constant(printed) == constant(expected),
        "README.md is wrong about this command:\n$ {command}\nIt prints:\n{printed}\nREADME.md says:\n{expected}"
    );
}

/// A line without its end and without what varies.
fn constant(line: &str) -> String {
    const FINGERPRINT: &str = "SHA256:";
    const INVITATION: &str = ",invite=";
    if let Some((before, _)) = line.split_once("from other machines:") {
        return format!("{before}from other machines: (addresses)");
    }
    if let Some((before, key)) = line.split_once(FINGERPRINT) {
        let rest = key.get(FINGERPRINT_DIGITS..).unwrap_or("(no fingerprint)");
        let rest = match rest.strip_prefix(INVITATION) {
            Some(secret) => format!("{INVITATION}{}", secret.trim_start_matches(is_secret)),
            None => rest.to_owned(),
        };
        return format!("{before}(a fingerprint){rest}");
    }
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    let next = words.iter().skip(1).copied().chain([""]);
    let constant = words.iter().copied().zip(next).map(|(word, next)| {
        let (key, value) = word.rsplit_once('=').map_or(("", word), |(key, value)| (key, value));
        if is_time(value) {
            format!("{key} (a time)")
        } else if key == "version" {
            String::from("(a version)")
        } else if next == "s" && value.parse::<f64>().is_ok() {
            String::from("(a number)")
        } else {
            word.to_owned()
        }
    });
    constant.collect::<Vec<_>>().join(" ")
}

/// The length of 32 bytes in base64.
const FINGERPRINT_DIGITS: usize = 43;

fn is_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Whether it is a time in UTC.
fn is_time(word: &str) -> bool {
    word.len() > "2026-11-22T14:11:44".len()
        && word.as_bytes()[10] == b'T'
        && word.strip_suffix('Z').is_some_and(|time| {
            time.bytes().all(|byte| byte.is_ascii_digit() || b"-T:.".contains(&byte))
        })
}

/// Whether `nc` is here.
///
/// # Panics
/// When it is not and `HAUL_TESTS_MUST_RUN` is set.
fn can_type_by_hand() -> bool {
    let started = Command::new("nc").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status();
    or_skip(started.map_err(|error| format!("nc does not run here: {error}"))).is_some()
}
