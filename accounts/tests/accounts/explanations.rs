//! Why a user may do something.

use haul_accounts::{Place, explain};
use haul_core::account::Right;

use crate::support::{State, user};

#[test]
fn an_answer_names_the_mount_and_the_right_that_decide() {
    let state = State::new();
    state.write(
        "version = 1
        [users.alice]
        home = 'people/alice'
        mounts = { photos = 'read', 'photos/secret' = '', all = { directory = '.', rights = 'get' } }
        [users.bob]
        disabled = true",
    );
    let users = state.file.read().unwrap();
    let asked = |name: &str, right: Right, path: &str| {
        let account = users.accounts().get(&user(name)).map(AsRef::as_ref);
        let decision = explain(account, right, &path.parse::<Place>().unwrap());
        assert_eq!(decision.is_allowed(), decision.to_string().starts_with("yes"));
        decision.to_string()
    };
    for (name, right, path, answer) in [
        (
            "alice",
            Right::Put,
            "a/b",
            "yes: the mount . has the right put; in the share the path is people/alice/a/b",
        ),
        (
            "alice",
            Right::List,
            ".",
            "yes: the mount . has the right list; in the share the path is people/alice",
        ),
        (
            "alice",
            Right::Get,
            "photos/a",
            "yes: the mount photos has the right get; in the share the path is photos/a",
        ),
        (
            "alice",
            Right::Get,
            "photos",
            "yes: the mount photos has the right get; in the share the path is photos",
        ),
        (
            "alice",
            Right::Get,
            "all/x",
            "yes: the mount all has the right get; in the share the path is x",
        ),
        (
            "alice",
            Right::Get,
            "all",
            "yes: the mount all has the right get; in the share the path is .",
        ),
        ("alice", Right::Put, "photos/a", "no: the mount photos has no right put, only list get"),
        (
            "alice",
            Right::List,
            "photos/secret/a",
            "no: the mount photos/secret has no right list, and no other",
        ),
        (
            "alice",
            Right::Delete,
            "photos2",
            "yes: the mount . has the right delete; in the share the path is people/alice/photos2",
        ),
        ("bob", Right::Get, "a", "no: the account is disabled"),
        ("carol", Right::Get, "a", "no: there is no such account"),
    ] {
        assert_eq!(asked(name, right, path), answer);
    }
}
