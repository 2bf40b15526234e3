//! No secret is where it should not be.

use haul_accounts::{Accounts, NewAccount, Options, PasswordHash};
use haul_core::account::Proof;

use crate::support::{Log, NOW, State, key, origin, secret, user};

/// Neither the log, nor an error, nor what `Debug` prints, nor the file.
#[test]
fn a_secret_is_nowhere_to_be_read() {
    Log::during(|log| {
        let state = State::of(&["bob"]);
        let (alice, right, wrong) = (user("alice"), secret("right-secret"), secret("wrong-secret"));
        let hash = PasswordHash::of(&right).unwrap();
        let password = Some(hash.clone());
        let account = NewAccount { password, ..NewAccount::default() };
        state.file.add(&alice, &account).unwrap();
        let invitation = state.file.invite(&alice, NOW).unwrap();
        let accounts = state.accounts();
        let origin = origin(key("one"));
        let private = haul_accounts::Origin { encrypted: false, key: None, ..origin };

        let mut seen =
            vec![format!("{account:?} {hash:?} {:?} {:?}", state.account("alice"), state.file)];
        for origin in [&private, &origin] {
            for (name, proof) in [
                ("alice", Proof::Password(wrong.clone())),
                ("eve", Proof::Password(wrong.clone())),
                ("bob", Proof::Invite(invitation.clone())),
                ("alice", Proof::Password(right.clone())),
                ("alice", Proof::Invite(invitation.clone())),
                ("alice", Proof::Invite(invitation.clone())),
            ] {
                let outcome = accounts.identify(&user(name), &proof, origin, NOW);
                if let Err(error) = &outcome {
                    seen.push(error.to_string());
                }
                seen.push(format!("{proof:?} {origin:?} {outcome:?}"));
            }
        }
        // The lock can be opened no longer.
        let again = Proof::Invite(state.file.invite(&alice, NOW).unwrap());
        seen.push(state.text());
        std::fs::remove_file(state.path().join("accounts.lock")).unwrap();
        std::fs::create_dir(state.path().join("accounts.lock")).unwrap();
        let failed = accounts.identify(&alice, &again, &origin, NOW).unwrap_err();
        seen.push(format!("{failed} {failed:?}"));
        state.write("version = 1\n[users.alice]\npassword = 'right-secret'");
        assert!(accounts.access(&alice).is_some());
        let error = Accounts::open(&state.path(), Options::default()).map(drop).unwrap_err();
        seen.push(format!("{error} {error:?}"));
        let logged = log.take();
        assert!(logged.contains("the accounts file is bad"), "{logged}");
        seen.push(logged);

        let all = seen.join("\n");
        for secret in [&right, &wrong, &invitation] {
            assert!(!all.contains(secret.expose()), "{} in {all}", secret.expose());
        }
    });
}
