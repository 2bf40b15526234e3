//! This transport's part in a pair: its server, and its client that transfers files.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;

use haul_scripts::tcp::RunningServer;
use haul_core::{Checksum, Mode};
use haul_store::{StreamSource, StreamTarget};
use haul_transport::{DownloadOptions, ListOptions, ServerOptions};

use super::running::serve;
use super::transport::{Client, ClientOptions};
use crate::pairs::{Checking, MANY, Pattern, SIZES};
use crate::blocking::Calls as _;
use crate::support::{Share, go_on, path, payload, source, target};

pub(crate) fn start(share: &Share) -> Box<dyn RunningServer> {
    Box::new(serve(share, ServerOptions::default()))
}

pub(crate) fn move_files(address: SocketAddr, share: &Share) {
    let mine = Share::new();
    let replace = DownloadOptions { mode: Mode::Replace, ..DownloadOptions::default() };
    let mut client = Client::connect(address, ClientOptions::default()).unwrap();
    for length in SIZES {
        let name = length.to_string();
        mine.write(&name, &payload(length));
        client.upload(&path(&name), Mode::Create, source(&mine, &name), go_on).unwrap();
        assert!(share.read(&name) == payload(length));
        let back = target(&mine, "back");
        client.download(&path(&name), replace, back, go_on).unwrap();
        assert!(mine.read("back") == payload(length));
    }
    for number in 0..MANY {
        let name = format!("many/{number}");
        let source = Box::new(StreamSource::new(io::Cursor::new(name.clone()), "a text"));
        client.upload(&path(&name), Mode::Create, source, go_on).unwrap();
        let back = target(&mine, "back");
        client.download(&path(&name), replace, back, go_on).unwrap();
        assert_eq!(mine.read("back"), name.as_bytes());
    }
    let listed =
        client.list(Some(&path("many")), ListOptions::default(), |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(listed.entries, Some(MANY));
    client.exit().unwrap();
}

pub(crate) fn move_large_file(address: SocketAddr, length: u64) {
    let mut client = Client::connect(address, ClientOptions::default()).unwrap();
    let source = Box::new(StreamSource::new(Pattern::new(length), "a pattern"));
    let up = client.upload(&path("large"), Mode::Replace, source, go_on).unwrap();
    let checking = Checking::default();
    let target = Box::new(StreamTarget::new(checking.clone(), "a comparison"));
    let down = client.download(&path("large"), DownloadOptions::default(), target, go_on).unwrap();
    assert_eq!((up.size, down.length), (Some(length), Some(length)));
    assert_eq!(up.checksum, down.checksum);
    assert_ne!(up.checksum, Some(Checksum::of(b"")));
    assert_eq!(checking.checked(), length);
    client.exit().unwrap();
}
