//! A small body is sent with its command, a large one only when the server wants it, and none continues after a
//! refusal.

use haul_core::client::{Client, ClientConfig, Request};
use haul_core::{FilePath, Mode};
use haul_harness::{End, LocalFiles, MemoryFiles, Single};

/// What a client sends of a file of this size to a server that sends `said` after its greeting, a line at a time.
fn sent(size: usize, said: &str) -> String {
    let mut client = Client::new(ClientConfig::default());
    client.request(Request::Upload {
        path: FilePath::parse("a").unwrap(),
        mode: Mode::Replace,
        if_match: None,
    });
    let mut files = LocalFiles {
        sources: MemoryFiles::new(true).with_file("a", vec![b'x'; size]),
        targets: MemoryFiles::new(true),
    };
    let said = format!("HAUL/1 \"\" max-data=1000 pipeline=9\n{said}");
    let single = Single::new(said.as_bytes()).by_line().ending(End::Silence);
    single.play(&mut client, &mut files).text()
}

#[test]
fn a_small_body_does_not_wait() {
    for size in [0, 1, 1 << 20] {
        let sent = sent(size, "");
        assert!(
            sent.starts_with("UPLOAD ") && sent.contains("END crc64nvme="),
            "{size}: {sent:.60}"
        );
    }
}

#[test]
fn a_large_body_waits() {
    let sent = sent((1 << 20) + 1, "");
    assert_eq!(sent.lines().count(), 1, "{sent:.60}");
}

#[test]
fn a_body_that_is_refused_ends_at_once() {
    let sent = sent(2_000_000, "READY\nERR no-space \"full\"\n");
    assert!(sent.ends_with("ABORT\r\n"), "{sent:.60}");
    assert!(sent.len() < 200_000, "{} bytes", sent.len());
}
