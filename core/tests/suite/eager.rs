//! A small body is sent with its command; a large one only when the server wants it.

use haul_conformance::lab::{End, LocalFiles, MemoryFiles, Solo};
use haul_core::client::{Client, ClientConfig, Request};
use haul_core::{FilePath, Mode};

/// What a client sends of a file of this size to a server that says no more than its greeting.
fn unasked(size: usize) -> String {
    let mut client = Client::new(ClientConfig::default());
    client.request(Request::Upload { path: FilePath::parse("a").unwrap(), mode: Mode::Replace });
    let mut files = LocalFiles {
        sources: MemoryFiles::new(true).with_file("a", vec![b'x'; size]),
        targets: MemoryFiles::new(true),
    };
    let greeting = b"HAUL/1 \"\" max-data=99999999 pipeline=9\n";
    Solo::new(greeting).ending(End::Silence).play(&mut client, &mut files).text()
}

#[test]
fn a_small_body_does_not_wait() {
    for size in [0, 1, 64 << 10] {
        let sent = unasked(size);
        assert!(sent.starts_with("UPLOAD ") && sent.contains("END crc64nvme="), "{size}: {sent:.60}");
    }
}

#[test]
fn a_large_body_waits() {
    let sent = unasked((64 << 10) + 1);
    assert_eq!(sent.lines().count(), 1, "{sent:.60}");
}
