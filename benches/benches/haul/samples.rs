//! Lines of a client, request lines of the same length, and how to parse both.

use std::hint::black_box;

use haul_core::ClientLine;

/// A name for each length of line, and the line.
pub(crate) const SAMPLES: [(&str, &str); 5] = [
    ("data", "DATA 262144"),
    ("list", "LIST photos/2026"),
    ("download", "DOWNLOAD \"photos/2026/the sea.jpg\" offset=1048576"),
    ("upload", "UPLOAD photos/2026/sea.jpg size=31457280 modified=2026-11-22T08:31:25.5Z"),
    (
        "long path",
        concat!(
            "UPLOAD \"archive/photos/from the old camera/2026-11-22 a walk along the shore at low tide/",
            "raw/DSC_0001 to DSC_0999/before the storm/the one that I like best, with the gulls in front.tiff\" ",
            "size=31457280 mode=create",
        ),
    ),
];

pub(crate) fn read_haul(mut bytes: &[u8]) {
    while let Some(end) = memchr::memchr(b'\n', bytes) {
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        let control = line.iter().fold(false, |found, byte| found | byte.is_ascii_control());
        assert!(!control, "a line has no control characters");
        let line = std::str::from_utf8(line).expect("a line is UTF-8");
        black_box(ClientLine::parse(line)).expect("the line is well-formed");
        bytes = &bytes[end + 1..];
    }
}

pub(crate) fn read_http(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let mut request = httparse::Request::new(&mut []);
        let end = request.parse(bytes).expect("the request is well-formed").unwrap();
        black_box(&request);
        bytes = &bytes[end..];
    }
}

/// A request line of `length` bytes with the two line ends that httparse needs to finish.
pub(crate) fn request_line(length: usize) -> String {
    let around = "GET / HTTP/1.1".len();
    let target: String =
        "photos/2026/sea.jpg?".chars().cycle().take(length.saturating_sub(around)).collect();
    format!("GET /{target} HTTP/1.1\r\n\r\n")
}
