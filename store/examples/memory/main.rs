//! A custom store: the files of a server in memory.
//!
//! ```text
//! cargo run -p haul-store --example memory
//! ```
//!
//! A [`Store`] lists, opens and creates files; dropping what it returns closes it. See [`store::Upload::publish`]: everything
//! that must be atomic happens there, under one lock, including the check whether the name is free. Readers keep the
//! bytes that they opened, so nothing changes under them.
//!
//! It is [`Mountable`] too, so that users can have [`View`](haul_store::View)s of it: each name is looked up below a
//! directory.
//!
//! [`converse`] drives a server's machine with a text as its input, and returns the output that `nc` would show.

mod store;

use std::error::Error;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use haul_core::server::Server;
use haul_core::{Machine, Output};
use haul_store::{Identity, Perform, Session, Store};

use self::store::Memory;

/// The output of a server over `store` for a client that sends `input` and then closes its side.
fn converse(store: &Arc<impl Store>, mut input: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut server = Server::new(Arc::default());
    let mut files = Session::new(Arc::clone(store), Identity::nobody());
    let mut said = Vec::new();
    loop {
        match server.poll(Duration::ZERO) {
            Output::Read(_) => {
                let count = input.read(server.read_space())?;
                server.received(count)?;
            }
            Output::Write(segments) => {
                let count = said.write(segments.first())?;
                server.sent(count)?;
            }
            Output::Perform(effect) => {
                let outcome = files.perform(effect);
                server.performed(outcome)?;
            }
            Output::Event(_) => server.acknowledge()?,
            Output::CloseWrite => server.write_closed()?,
            Output::Receive { .. } | Output::Send { .. } => {
                unreachable!("pass-through is off, and a session holds no bytes")
            }
            Output::Closed => return Ok(said),
        }
    }
}

const SCRIPT: &str = "UPLOAD notes.txt modified=2026-11-22T08:31:25Z
DATA 6
hello
END
UPLOAD notes.txt mode=create
UPLOAD notes.txt/below
UPLOAD photos/2026/sea.jpg modified=2026-11-22T09:00:00Z
DATA 3
seaEND
UPLOAD photos
LIST
LIST photos depth=all
DOWNLOAD notes.txt
DOWNLOAD missing.txt
EXIT
";

fn main() -> Result<(), Box<dyn Error>> {
    let said = converse(&Arc::<Memory>::default(), SCRIPT.as_bytes())?;
    println!("The client says:\n\n{SCRIPT}\nThe server says:\n");
    println!("{}", String::from_utf8_lossy(&said));
    Ok(())
}

#[cfg(test)]
mod tests {
    use haul_core::account::{Access, Mount, Rights, Role};
    use haul_core::{Checksum, FilePath, Mode, StoreErrorKind};
    use haul_store::{AccessSource, NewFile, Share, Source, Staged, View};

    use super::*;

    fn said(store: &Arc<impl Store>, input: &str) -> String {
        String::from_utf8(converse(store, input.as_bytes()).unwrap()).unwrap().replace('\r', "")
    }

    /// The last line of the output.
    fn last_line(store: &Arc<impl Store>, input: &str) -> String {
        said(store, input).lines().last().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_transcript() {
        let expected = r#"HAUL/1 "Welcome" max-data=16777216 pipeline=256
READY
OK size=6 crc64nvme=6a43fb4bad5a5607 version=0
ERR exists "the name is taken"
ERR not-a-file "the name is not a regular file's"
READY
OK size=3 crc64nvme=12eca344dbfad86e version=1
ERR is-directory "the name is a directory's"
FILE "notes.txt" size=6 modified=2026-11-22T08:31:25Z
DIR "photos"
OK entries=2
DIR "photos/2026"
FILE "photos/2026/sea.jpg" size=3 modified=2026-11-22T09:00:00Z
OK entries=2
SENDING size=6 offset=0 length=6 modified=2026-11-22T08:31:25Z version=0
DATA 6
hello
OK length=6 crc64nvme=6a43fb4bad5a5607
ERR not-found "nothing of this name is served; LIST shows what is"
OK "bye"
"#;
        assert_eq!(said(&Arc::<Memory>::default(), SCRIPT), expected);
    }

    #[test]
    fn what_did_not_end_is_not_there() {
        let store = Arc::<Memory>::default();
        said(&store, "UPLOAD a\nDATA 5\nhello");
        assert_eq!(last_line(&store, "LIST\n"), "OK entries=0");
    }

    #[test]
    fn listings_go_as_deep_as_they_are_told() {
        let store = Arc::<Memory>::default();
        for path in ["a/b/c", "a/b-c", "a.b", "ab/c"] {
            said(&store, &format!("UPLOAD {path}\nEND\n"));
        }
        for (list, entries) in [
            ("", 3),
            ("depth=2", 6),
            ("depth=3", 7),
            ("depth=all", 7),
            ("a", 2),
            ("a depth=2", 3),
            ("a/b/c", 1),
        ] {
            assert_eq!(
                last_line(&store, &format!("LIST {list}\n")),
                format!("OK entries={entries}")
            );
        }
        assert!(last_line(&store, "LIST b\n").starts_with("ERR not-found"));
        assert!(last_line(&store, "DOWNLOAD a/b\n").starts_with("ERR is-directory"));
    }

    #[test]
    fn the_name_is_taken_by_who_publishes_first() {
        let store = Memory::default();
        let path = FilePath::parse("a").unwrap();
        let file = NewFile {
            path: path.clone(),
            mode: Mode::Create,
            if_match: None,
            size: None,
            modified: None,
            executable: false,
            durable: false,
        };
        let (mut first, mut second) = (store.create(&file).unwrap(), store.create(&file).unwrap());
        first.write(0, b"first").unwrap();
        first.publish(Checksum::of(b"first")).unwrap();
        let error = second.publish(Checksum::EMPTY).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Exists);

        let mut reader = store.open(&path).unwrap();
        let file = NewFile { mode: Mode::Replace, ..file };
        store.create(&file).unwrap().publish(Checksum::EMPTY).unwrap();
        assert_eq!(reader.read(1, 3).unwrap(), "irs");
        assert_eq!(store.open(&path).unwrap().opened().size, Some(0));
    }

    struct User(Access);

    impl AccessSource for User {
        fn access(&self) -> Option<Arc<Access>> {
            Some(Arc::new(self.0.clone()))
        }
    }

    /// The store of a user with a home of 10 bytes, and with a mount of what others share.
    fn view(share: &Arc<Share<Memory>>, name: &str, rights: Rights) -> Arc<View<Memory>> {
        let path = |text: &str| FilePath::parse(text).ok();
        let home = Mount { at: None, directory: path(name), rights: Rights::ALL, home: true };
        let shared = Mount { at: path("all"), directory: path("shared"), rights, home: false };
        let access = Access::new(vec![home, shared], Some(10)).unwrap();
        Arc::new(View::new(share, Arc::new(User(access))))
    }

    #[test]
    fn each_user_has_a_view() {
        let share = Share::new(Memory::default());
        let alice = view(&share, "alice", Role::Write.rights());
        let bob = view(&share, "bob", Role::Read.rights());
        let everything = Arc::new(View::everything(&share));
        said(&everything, "UPLOAD shared/plan\nDATA 4\nplanEND\n");
        said(&alice, "UPLOAD mine\nDATA 6\nsecretEND\n");
        for (user, input, outcome) in [
            (&alice, "DOWNLOAD mine", "OK length=6"),
            (&bob, "DOWNLOAD mine", "ERR not-found"),
            (&bob, "DOWNLOAD ../alice/mine", "ERR bad-name"),
            (&bob, "DOWNLOAD all/plan", "OK length=4"),
            (&bob, "DELETE all/plan", "ERR denied"),
            (&bob, "LIST depth=all", "OK entries=2"),
            (&alice, "LIST depth=all", "OK entries=3"),
            (&alice, "UPLOAD more size=5", "ERR no-space"),
            (&alice, "MOVE mine all/mine", "ERR not-supported"),
            (&alice, "COPY mine all/mine", "OK size=6"),
            (&bob, "DOWNLOAD all/mine", "OK length=6"),
        ] {
            let last = last_line(user, &format!("{input}\n"));
            assert!(last.contains(outcome), "{input}: {last}");
        }
        assert_eq!(last_line(&everything, "LIST depth=all\n"), "OK entries=5");
    }
}
