//! Lines: what is written is what is parsed, and nothing else is taken for it.

use bytes::BytesMut;
use haul_core::ErrorCode;
use haul_core::message::ServerLine;
use haul_core::verb::Exit;
use haul_core::{ClientLine, Command};
use haul_harness::reference_parser::{self, Reading};
use proptest::prelude::*;

use crate::strategies::{any_line, client_line, near_line, server_line};

fn encode_client(line: &ClientLine) -> String {
    let mut out = BytesMut::new();
    line.encode(&mut out);
    text_of(&out)
}

fn encode_server(line: &ServerLine) -> String {
    let mut out = BytesMut::new();
    line.encode(&mut out);
    text_of(&out)
}

fn text_of(line: &[u8]) -> String {
    assert!(line.len() <= 4096, "a line of {} bytes", line.len());
    let text = std::str::from_utf8(line).expect("lines are UTF-8");
    text.strip_suffix("\r\n").expect("lines end with CRLF").to_owned()
}

proptest! {
    #[test]
    fn client_lines_survive_the_wire(line in client_line()) {
        prop_assert_eq!(ClientLine::parse(&encode_client(&line)), Ok(line));
    }

    #[test]
    fn server_lines_survive_the_wire(line in server_line()) {
        prop_assert_eq!(ServerLine::parse(&encode_server(&line)), Ok(line));
    }

    /// However a client's line is written, its canonical form means the same.
    #[test]
    fn the_canonical_form_of_a_client_line_is_stable(text in any_line()) {
        if let Ok(line) = ClientLine::parse(&text) {
            let canonical = encode_client(&line);
            prop_assert_eq!(ClientLine::parse(&canonical), Ok(line.clone()));
            prop_assert_eq!(encode_client(&line), canonical);
        }
    }

    /// A server's texts may be cut when they are written; from then on nothing changes.
    #[test]
    fn the_canonical_form_of_a_server_line_is_stable(text in any_line()) {
        if let Ok(line) = ServerLine::parse(&text) {
            let canonical = encode_server(&line);
            let again = ServerLine::parse(&canonical);
            prop_assert!(again.is_ok(), "{:?} was written as {:?}", line, canonical);
            prop_assert_eq!(again.map(|line| encode_server(&line)), Ok(canonical));
        }
    }

    #[test]
    fn the_parser_agrees_with_the_naive_one(text in near_line()) {
        let read = match ClientLine::parse(&text) {
            Ok(line) => Reading::Line(line),
            Err(error) if error.code == ErrorCode::Protocol => Reading::Fatal,
            Err(_) => Reading::Refused,
        };
        prop_assert_eq!(read, reference_parser::read(&text));
    }

    /// Replies may grow: unknown options change nothing.
    #[test]
    fn unknown_options_of_replies_are_ignored(line in server_line(), value in "[a-z0-9]{0,6}") {
        let grown = format!("{} x-new={value} x-other=\"a b\"", encode_server(&line));
        prop_assert_eq!(ServerLine::parse(&grown), Ok(line));
    }

    /// Refusals repeat almost nothing of the input, and nothing that is not allowed in a line.
    #[test]
    fn refusals_are_short_and_plain(text in any_line()) {
        if let Err(error) = ClientLine::parse(&text) {
            prop_assert!(error.text.len() <= 100, "{:?}", error.text);
            prop_assert!(error.text.is_ascii() && !error.text.contains(|c: char| c.is_ascii_control()), "{:?}", error.text);
        }
    }
}

#[test]
fn a_quoted_name_with_http_in_it_is_no_browser() {
    assert!(ClientLine::parse("DOWNLOAD \"about HTTP/2.txt\"").is_ok());
    let error = ClientLine::parse("GET \"/\" HTTP/1.1").expect_err("a browser is sent away");
    assert_eq!(error.code, ErrorCode::Protocol);
}

#[test]
fn an_err_needs_a_code() {
    for line in ["ERR", "ERR \"\"", "ERR \"not found\" \"text\"", "ERR Busy", "ERR x=y"] {
        assert!(ServerLine::parse(line).is_err(), "{line}");
    }
    assert!(ServerLine::parse("ERR some-new-code").is_ok());
}

fn text_of_refusal(line: &str) -> String {
    ClientLine::parse(line).expect_err("it is refused").text.into_owned()
}

#[test]
fn a_session_ends_by_any_of_three_words() {
    for word in ["EXIT", "quit", "Bye"] {
        assert_eq!(ClientLine::parse(word), Ok(ClientLine::Command(Command::Exit(Exit))), "{word}");
    }
}

/// A refusal repeats a word of the input only if it can only be a mistyped word.
#[test]
fn an_unknown_word_is_echoed_if_it_is_short_and_plain() {
    assert!(text_of_refusal("FROB-2").starts_with("FROB-2 is not"));
    assert!(text_of_refusal(&"X".repeat(16)).starts_with("XXXX"));
    for word in ["X".repeat(17), "a\u{e4}".into(), "a.b".into(), "a<b>".into()] {
        assert!(text_of_refusal(&word).starts_with("that is not"), "{word}");
    }
    assert!(text_of_refusal("").starts_with("an empty line"));
    assert!(text_of_refusal("LIST frob=1").starts_with("frob= is not"));
    assert!(text_of_refusal(&format!("LIST {}=1", "x".repeat(17))).starts_with("that is not"));
}

#[test]
fn what_an_option_needs_is_told() {
    for (line, needs) in [
        ("LIST depth=x", "depth= needs a number from 1, or all"),
        ("UPLOAD a mode=x", "mode= needs replace or create"),
        ("UPLOAD a modified=x", "modified= needs a time such as"),
        ("UPLOAD a size=x", "size= needs a number of at most 9223372036854775807"),
    ] {
        let text = text_of_refusal(line);
        assert!(text.starts_with(needs), "{text}");
    }
}

#[test]
fn a_refusal_tells_when_to_try_again() {
    let Ok(ServerLine::Err(refusal)) = ServerLine::parse("ERR busy \"later\" retry-after=5") else {
        panic!("it is a refusal")
    };
    assert_eq!(refusal.retry_after, Some(5));
}

#[test]
fn a_depth_is_written_unless_it_is_one() {
    for (line, written) in [
        ("LIST depth=1", "LIST\r\n"),
        ("LIST depth=3", "LIST depth=3\r\n"),
        ("LIST depth=all", "LIST depth=all\r\n"),
    ] {
        let mut out = BytesMut::new();
        ClientLine::parse(line).unwrap().encode(&mut out);
        assert_eq!(out, written);
    }
}

/// A backslash that escapes nothing, in the middle and at the end.
#[test]
fn a_backslash_stands_before_what_it_quotes() {
    assert!(ClientLine::parse(r#"LIST "a\"b""#).is_ok());
    for text in [r#"LIST "a\b""#, r#"LIST "a\"#, r#"LIST "a\""#] {
        assert!(ClientLine::parse(text).is_err(), "{text}");
    }
}
