//! A thousand clients at once.

use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;

use haul_core::{Checksum, Mode};
use haul_transport::DownloadOptions;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::running::serve;
use crate::blocking::Calls as _;
use crate::support::{Share, go_on, path, payload, places, source, target};

const CLIENTS: usize = 1000;
/// The stack of a client's thread, in bytes.
const STACK_SIZE: usize = 512 << 10;

/// The sockets and files of so many clients and of the server are more than the usual limit of 1024.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[test]
fn a_thousand_clients_at_once_each_move_files_both_ways() {
    static ONE_CROWD: Mutex<()> = Mutex::new(());
    let _alone = ONE_CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    allow_many_files();
    let (share, mine) = (Share::new(), Share::new());
    let common = payload(256 << 10);
    share.write("common", &common);
    let server = serve(&share, places(CLIENTS));
    let all_are_here = Barrier::new(CLIENTS);
    let one = |number: usize| {
        let mut client = server.client();
        all_are_here.wait();
        let own = payload(40_000 + number);
        let name = format!("{number}");
        mine.write(&name, &own);
        let receipt =
            client.upload(&path(&name), Mode::Create, source(&mine, &name), go_on).unwrap();
        assert_eq!(receipt.checksum, Some(Checksum::of(&own)));
        for (theirs, content) in [(name.as_str(), &own), ("common", &common)] {
            let back = format!("{number} {theirs}");
            let options = DownloadOptions::default();
            client.download(&path(theirs), options, target(&mine, &back), go_on).unwrap();
            assert!(mine.read(&back) == *content);
        }
        client.exit().unwrap();
        assert!(share.read(&name) == own);
    };
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let client = thread::Builder::new().stack_size(STACK_SIZE);
            client.spawn_scoped(scope, move || one(number)).unwrap();
        }
    });
    assert_eq!(share.files().len(), CLIENTS + 1);
}
