//! What is said when a server is not trusted, or does not speak TLS.

use std::io;

use haul_accounts::Fingerprint;
use haul_transport::{ConnectError, HandshakeError, Untrusted};

use super::KnownBy;
use crate::address::{Scheme, ServerAddress};
use crate::error::{self, Error};
use crate::exit::Exit;

const BETWEEN: &str = "nothing was sent to it; somebody may stand between";

/// What a failed handshake means for a person who runs `program` and asked for `server`, which is known by `known_by`.
pub(crate) fn explain(
    program: &str,
    server: &ServerAddress,
    known_by: &KnownBy,
    error: &HandshakeError,
) -> Error {
    let told = |exit, what: &str| Error::new(exit, format!("{server} {what}"));
    match error {
        HandshakeError::Untrusted(untrusted) => {
            explain_untrusted(program, server, known_by, untrusted)
        }
        HandshakeError::PlainText => {
            let plain = ServerAddress { scheme: Scheme::Plain, user: None, ..server.clone() };
            told(Exit::Integrity, "answers in plain text, not over TLS")
                .advise(format!("nothing was sent to it; if that is right, write {plain}"))
        }
        HandshakeError::TimedOut => {
            told(Exit::Network, "did not complete the handshake of TLS in time")
                .advise("is it a HAUL server with TLS? one in plain text is written haul://")
                .may_retry()
        }
        HandshakeError::Io(error) => {
            let what = format!("was lost in the handshake of TLS: {}", error::plain(error));
            let advice = match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                    "is it a HAUL server with TLS? one in plain text is written haul://"
                }
                _ => "try again",
            };
            told(Exit::Network, &what).advise(advice).may_retry()
        }
        other => told(Exit::Integrity, &format!("is not to be spoken to over TLS: {other}"))
            .advise("is it a HAUL server, and of this version?"),
    }
}

fn explain_untrusted(
    program: &str,
    server: &ServerAddress,
    known_by: &KnownBy,
    untrusted: &Untrusted,
) -> Error {
    let told = |what: String| Error::new(Exit::Untrusted, format!("{server} {what}"));
    let named = |shown| ServerAddress { pin: Some(shown), ..server.clone() };
    match untrusted {
        Untrusted::WrongKey { pinned, shown } => {
            let pinned: Vec<String> = pinned.iter().map(Fingerprint::to_string).collect();
            let pinned = pinned.join(" or ");
            let not = "is not the server that it should be: its key is";
            match known_by {
                KnownBy::File(file) => {
                    let known = server.host_and_port();
                    let file = file.display();
                    told(format!("{not} {shown}, and {file} says {pinned}")).advise(format!(
                        "{BETWEEN}; if its operator confirms the new key: {program} trust remove {known}"
                    ))
                }
                _ => told(format!("{not} {shown}, and the address says {pinned}")).advise(format!(
                    "{BETWEEN}; ask its operator for the fingerprint that it prints when it starts"
                )),
            }
        }
        Untrusted::UnknownKey { shown } => told(format!("is not known: its key is {shown}"))
            .advise(format!(
                "if it prints this fingerprint when it starts, name it: {}",
                named(*shown).pinned()
            )),
        Untrusted::Uncertified { shown, reason } => {
            told(format!("has no certificate that counts: {reason}")).advise(format!(
                "{BETWEEN}; if it prints the fingerprint {shown} when it starts, name it: {}",
                named(*shown).pinned()
            ))
        }
        Untrusted::Unproven { shown } => {
            told(format!("shows the key {shown}, and does not have it")).advise(BETWEEN)
        }
        other => told(format!("is not trusted: {other}")).advise(BETWEEN),
    }
}

/// The key of a server that is not known.
pub(crate) fn unknown_key(error: &ConnectError) -> Option<Fingerprint> {
    match error {
        ConnectError::Handshake(HandshakeError::Untrusted(Untrusted::UnknownKey { shown })) => {
            Some(*shown)
        }
        _ => None,
    }
}

/// What a person is asked about a new server.
pub(crate) fn question(server: &ServerAddress, shown: Fingerprint) -> String {
    format!(
        "{server} is not known yet. Its key is {shown}\nIs this the fingerprint that the server prints when it starts? [yes/no] "
    )
}

/// The person said no.
pub(crate) fn refused(server: &ServerAddress) -> Error {
    Error::new(Exit::Untrusted, format!("{server} is not trusted, because you said no"))
        .advise("nothing was sent to it")
        .hopeless()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn explained(address: &str, known_by: &KnownBy, error: &HandshakeError) -> (Exit, String) {
        let error = explain("haul-test", &address.parse().unwrap(), known_by, error);
        (error.exit(), error.to_string())
    }

    #[test]
    fn each_way_in_which_trust_can_fail_says_what_to_do() {
        let (new, old) = (Fingerprint::of_spki(b"new"), Fingerprint::of_spki(b"old"));
        let wrong = || HandshakeError::from(Untrusted::WrongKey { pinned: vec![old], shown: new });
        let [new_text, old_text] = [new, old].map(|key| key.to_string());
        let name_it = format!("hauls://h:4286/#{new}");
        let file = KnownBy::File(PathBuf::from("/k/known-hosts"));
        let reason = String::from("it has expired");
        for (known_by, error, parts) in [
            (&file, wrong(), [&new_text[..], &old_text, "/k/known-hosts", "trust remove h:4286"]),
            (&KnownBy::Address, wrong(), [&new_text, &old_text, "the address says", "nothing was"]),
            (
                &KnownBy::Nothing,
                Untrusted::UnknownKey { shown: new }.into(),
                ["is not known", &new_text, "prints", &name_it],
            ),
            (
                &KnownBy::Authorities,
                Untrusted::Uncertified { shown: new, reason }.into(),
                ["it has expired", &new_text, "nothing was sent", &name_it],
            ),
            (
                &KnownBy::Address,
                Untrusted::Unproven { shown: new }.into(),
                [&new_text, "does not have it", "nothing was sent", "between"],
            ),
        ] {
            let (exit, shown) = explained("h", known_by, &error);
            assert_eq!(exit, Exit::Untrusted, "{shown}");
            for part in parts {
                assert!(shown.contains(part), "{part} in {shown}");
            }
        }
    }

    #[test]
    fn a_server_without_tls_is_not_spoken_to_in_plain_text_but_named() {
        let (exit, shown) =
            explained("hauls://a@h:1/b", &KnownBy::Nothing, &HandshakeError::PlainText);
        assert_eq!(exit, Exit::Integrity);
        assert!(shown.ends_with("if that is right, write haul://h:1/b)"), "{shown}");
        let (exit, shown) = explained("h", &KnownBy::Nothing, &HandshakeError::TimedOut);
        assert_eq!(exit, Exit::Network);
        assert!(shown.contains("haul://"), "{shown}");
    }
}
