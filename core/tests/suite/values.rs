//! Paths, numbers, times, checksums and escaped text.

use haul_core::verb::Download;
use haul_core::{
    Checksum, Depth, ErrorCode, Escaped, FilePath, Hasher, PathError, StoreErrorKind, Timestamp,
};
use haul_core::{ClientLine, Command};
use haul_harness::reference_parser;
use proptest::collection::vec;
use proptest::prelude::*;
use regex_syntax::hir::{Class, HirKind};

use crate::strategies::{path, timestamp};

fn near_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z./\\\\ ]{0,6}",
        "\\PC{0,4}",
        Just("..".to_owned()),
        Just("\u{7f}".to_owned()),
        Just("\u{85}".to_owned()),
        (250..260_usize).prop_map(|length| "n".repeat(length)),
        (84..86_usize).prop_map(|length| "水".repeat(length)),
    ];
    vec(piece, 0..7).prop_map(|pieces| pieces.join("/"))
}

/// The number that is parsed from `offset=`, if it is valid.
fn read_number(text: &str) -> Option<u64> {
    match ClientLine::parse(&format!("DOWNLOAD f offset={text}")) {
        Ok(ClientLine::Command(Command::Download(Download { offset, .. }))) => Some(offset),
        _ => None,
    }
}

fn is_canonical(text: &str) -> bool {
    text.parse::<u128>().is_ok_and(|value| value.to_string() == text && value < 1 << 63)
}

proptest! {
    #[test]
    fn paths_are_exactly_those_of_the_rules(text in near_path()) {
        let parsed = FilePath::parse(&text);
        prop_assert_eq!(parsed.is_ok(), reference_parser::is_path(&text), "{:?}", &text);
        if let Ok(path) = parsed {
            prop_assert_eq!(path.as_str(), &text);
            prop_assert_eq!(path.components().collect::<Vec<_>>().join("/"), text);
        }
    }

    #[test]
    fn a_path_is_its_parent_and_its_name(path in path()) {
        if let Some(parent) = path.parent() {
            prop_assert_eq!(parent.join(path.file_name()), Ok(path));
        } else {
            prop_assert_eq!(path.as_str(), path.file_name());
        }
    }

    #[test]
    fn numbers_are_canonical_and_below_2_to_the_63(text in "[0-9]{1,22}|[+-]?0{0,2}[0-9]{0,3}") {
        prop_assert_eq!(read_number(&text), is_canonical(&text).then(|| text.parse().ok()).flatten());
    }

    #[test]
    fn numbers_near_the_bound_are_exact(delta in -300_i128..300) {
        let text = ((1_i128 << 63) + delta).to_string();
        prop_assert_eq!(read_number(&text), is_canonical(&text).then(|| text.parse().ok()).flatten());
    }

    #[test]
    fn times_survive_their_text(time in timestamp()) {
        prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
    }

    /// Without fractions, times sort like their texts.
    #[test]
    fn times_sort_as_their_texts(a in timestamp(), b in timestamp()) {
        let whole = |time: Timestamp| Timestamp::new(time.seconds(), 0).expect("the same second").to_string();
        prop_assert_eq!(whole(a).cmp(&whole(b)), a.seconds().cmp(&b.seconds()));
        if a.seconds() != b.seconds() {
            prop_assert_eq!(a.cmp(&b), a.seconds().cmp(&b.seconds()));
        }
    }

    #[test]
    fn what_is_no_time_is_refused(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?Z") {
        if let Some(time) = Timestamp::parse(&text) {
            // The text without redundant zeros is the one that is written.
            let canonical = match text.split_once('.') {
                Some((whole, fraction)) => match fraction.trim_end_matches('Z').trim_end_matches('0') {
                    "" => format!("{whole}Z"),
                    digits => format!("{whole}.{digits}Z"),
                },
                None => text,
            };
            prop_assert_eq!(time.to_string(), canonical);
        }
    }

    /// However the bytes are split, and whoever computed the checksums.
    #[test]
    fn checksums_do_not_depend_on_the_pieces(pieces in vec((vec(any::<u8>(), 0..300), any::<bool>()), 0..12)) {
        let whole: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece.clone()).collect();
        let mut hasher = Hasher::new();
        let mut combined = Checksum::EMPTY;
        for (piece, appended) in &pieces {
            if *appended {
                hasher.append(Checksum::of(piece), piece.len() as u64);
            } else {
                hasher.update(piece);
            }
            combined = combined.combine(Checksum::of(piece), piece.len() as u64);
        }
        prop_assert_eq!(hasher.checksum(), Checksum::of(&whole));
        prop_assert_eq!(combined, Checksum::of(&whole));
        prop_assert_eq!(hasher.length(), whole.len() as u64);
    }

    #[test]
    fn checksums_survive_their_text(value in any::<u64>(), text in "[0-9a-fA-F]{15,17}") {
        let checksum = Checksum::from_u64(value);
        prop_assert_eq!(Checksum::parse(&checksum.to_string()), Some(checksum));
        let canonical = text.len() == 16 && text.to_lowercase() == text;
        prop_assert_eq!(Checksum::parse(&text).is_some(), canonical);
    }

    /// The plain definition, bit by bit.
    #[test]
    fn the_checksum_is_the_one_of_the_specification(data in vec(any::<u8>(), 0..200)) {
        let mut register = u64::MAX;
        for byte in &data {
            register ^= u64::from(*byte);
            for _ in 0..8 {
                register = (register >> 1) ^ (if register & 1 == 1 { 0x9a6c_9329_ac4b_c9b5 } else { 0 });
            }
        }
        prop_assert_eq!(Checksum::of(&data).to_u64(), !register);
    }

    /// No character that controls a terminal or reverses text remains, and the length is bounded.
    #[test]
    fn escaped_text_is_harmless(text in any::<String>(), most in 0..50_usize) {
        let shown = Escaped::new(&text).cut(most).to_string();
        let bad = |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        prop_assert!(!shown.contains(bad), "{:?}", shown);
        prop_assert!(shown.chars().count() <= most * 10 + 1);
        let quoted = Escaped::new(&text).cut(most).quoted().to_string();
        prop_assert!(!quoted.contains(bad), "{:?}", quoted);
        prop_assert_eq!(end_of_quoted(&quoted), Some(quoted.len()));
    }
}

/// Nobody can see these, or distinguish them from a space: the lists are Unicode's own.
#[test]
fn what_cannot_be_seen_is_escaped() {
    let property =
        r"[\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cc}\p{Zs}\p{Zl}\p{Zp}--\x20]";
    let HirKind::Class(Class::Unicode(class)) = regex_syntax::parse(property).unwrap().into_kind()
    else {
        panic!("a class of characters");
    };
    let characters = class.iter().flat_map(|range| range.start()..=range.end());
    for c in characters.chain(['\u{2800}', '\u{13441}', '\u{16fe4}', '\u{1d159}']) {
        for text in [format!("{c}b"), format!("a{c}"), format!("a\"{c}"), format!("a{c}{c}b")] {
            let shown = Escaped::new(&text).to_string();
            assert!(!shown.contains(c), "U+{:04X} comes through as {shown:?}", u32::from(c));
        }
    }
    // A letter keeps its combining marks.
    for text in ["नमस्ते", "e\u{301}", "👍🏽", "日本", "a b"] {
        assert_eq!(Escaped::new(text).to_string(), text);
    }
}

/// The end of the quoted text at the start of `line`, for a parser that knows quotes and backslashes.
fn end_of_quoted(line: &str) -> Option<usize> {
    let mut chars = line.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(at + 2),
            '\\' => drop(chars.next()?),
            _ => {}
        }
    }
    None
}

#[test]
fn the_ends_of_time_are_exact() {
    for text in [
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "2000-02-29T23:59:59Z",
        "1969-12-31T23:59:59.5Z",
    ] {
        assert_eq!(Timestamp::parse(text).map(|time| time.to_string()).as_deref(), Some(text));
    }
    for text in [
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-00-01T00:00:00Z",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01t00:00:00Z",
        "é026-01-01T00:00:00Z",
    ] {
        assert_eq!(Timestamp::parse(text), None, "{text}");
    }
    assert_eq!(Timestamp::new(253_402_300_800, 0), None);
    assert_eq!(Timestamp::new(-62_167_219_201, 0), None);
    assert_eq!(Timestamp::new(0, 1_000_000_000), None);
}

#[test]
fn a_joined_path_keeps_the_rules() {
    let path = FilePath::parse("a").expect("a path");
    for bad in ["", ".", "..", "b/c", "b\\c", "\n", &"n".repeat(256)] {
        assert!(path.join(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_path_is_shown_only_escaped() {
    let path: FilePath = "a\u{202e}b".parse().expect("a path");
    assert_eq!(format!("{path:?}"), "\"a\\u{202e}b\"");
    assert_eq!(path.as_ref(), path.as_str());
    assert_eq!(String::from(path.clone()), path.as_str());
}

#[test]
fn codes_and_checksums_are_shown_as_they_are_written() {
    for &kind in StoreErrorKind::ALL {
        assert_eq!(kind.code().to_string(), kind.code().as_str());
    }
    assert_eq!(format!("[{:>5}]", ErrorCode::Io), "[   io]");
    let checksum = Checksum::of(b"123456789");
    assert!(format!("{checksum:?}").contains("ae8b14860a799888"), "{checksum:?}");
}

#[test]
fn a_depth_counts_levels() {
    let two = Depth::Levels(2.try_into().unwrap());
    let below = |depth: Depth| [1, 2, 3].map(|level| depth.goes_below(level));
    assert_eq!(below(Depth::ONE), [false; 3]);
    assert_eq!(below(two), [true, false, false]);
    assert_eq!(below(Depth::All), [true; 3]);
}

#[test]
fn the_longest_path_is_a_path() {
    let part = "x".repeat(FilePath::MAX_COMPONENT_BYTES);
    let longest = format!("{}xx", "x/".repeat(FilePath::MAX_BYTES / 2 - 1));
    assert_eq!(longest.len(), FilePath::MAX_BYTES);
    assert!(FilePath::parse(&longest).is_ok());
    assert_eq!(FilePath::parse(&format!("{longest}y")), Err(PathError::TooLong));
    assert!(FilePath::parse(&part).is_ok());
    assert_eq!(FilePath::parse(&format!("{part}x")), Err(PathError::ComponentTooLong));
}

#[test]
fn a_path_is_hidden_by_any_of_its_names() {
    for (text, hidden) in [
        ("a", false),
        ("a.b", false),
        ("a./b", false),
        (".a", true),
        ("a/.b", true),
        (".a/b", true),
    ] {
        assert_eq!(FilePath::parse(text).unwrap().is_hidden(), hidden, "{text}");
    }
}
