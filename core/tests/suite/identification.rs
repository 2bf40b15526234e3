//! Who the client is: AUTH, WHOAMI, and what is refused before.

use std::time::Duration;

use haul_core::account::{Grant, Proof, Rights, Secret, UserName};
use haul_core::client::{Client, ClientConfig, ClientEvent, Failure, Request};
use haul_core::message::{ServerLine, Summary};
use haul_core::server::{Server, ServerEvent};
use haul_core::{Command, ErrorCode, Machine as _, Output};
use haul_harness::{LocalFiles, MemoryFiles, Pair, Run, Single};
use proptest::prelude::*;
use proptest::sample::select;

use crate::joined::{ROOM, results};
use crate::sessions::{config, fill};
use crate::strategies::choices;
use crate::transcript::{Reply, replies};

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn files() -> MemoryFiles {
    fill(MemoryFiles::new(true)).with_user("alice", "o \"pen\" = \\ sesame")
}

const ALICE: &str = r#"AUTH alice password="o \"pen\" = \\ sesame""#;

fn server(required: bool, known: Option<UserName>) -> Server {
    Server::with_accounts(config(20_000), known, required)
}

fn play(input: &str, mut server: Server, files: &mut MemoryFiles) -> Run<ServerEvent> {
    Single::new(input.as_bytes()).play(&mut server, files)
}

fn codes(run: &Run<ServerEvent>) -> Vec<Option<ErrorCode>> {
    replies(&run.output).1.iter().map(Reply::code).collect()
}

#[test]
fn the_greeting_says_whether_a_name_is_needed() {
    for (required, known, options) in [
        (false, None, ""),
        (true, None, " auth=required"),
        (true, Some("alice"), " user=\"alice\""),
        (true, Some("anonymous"), " user=\"anonymous\""),
        (false, Some("bob"), " user=\"bob\""),
    ] {
        let run = play("", server(required, known.map(user)), &mut files());
        let greeting = run.text().lines().next().unwrap().to_owned();
        assert!(greeting.ends_with(&format!(" pipeline=256{options}")), "{greeting}");
        let parsed = replies(&run.output).0.unwrap();
        assert_eq!(parsed.auth_required, options.contains("auth="));
        assert_eq!(parsed.user, known.map(user));
    }
}

/// Bodies that follow are skipped, and what comes after the AUTH is served.
#[test]
fn nothing_is_served_before_the_name() {
    let before = "LIST\nDOWNLOAD notes.txt\nUPLOAD stolen size=3\nDATA 3\nabcEND\nDELETE notes.txt\n\
        MKDIR x\nMOVE notes.txt y\nCOPY notes.txt y\nCHECKSUM notes.txt\nWHOAMI\nHELP\nABORT\n";
    let input = format!("{before}{ALICE}\nUPLOAD stored\nDATA 3\nabcEND\nWHOAMI\nEXIT\n");
    let mut files = files();
    let run = play(&input, server(true, None), &mut files);
    let refused = [Some(ErrorCode::Unauthenticated); 8];
    assert_eq!(codes(&run), [&refused[..], &[None; 6]].concat());
    assert_eq!(files.file("stolen"), None);
    assert_eq!(files.file("stored"), Some(&b"abc"[..]));
    assert_eq!(files.file("notes.txt"), Some(&b"hello world\n"[..]));
    assert!(run.text().contains("OK user=\"alice\"\r\n"));
    let (_, replies) = replies(&run.output);
    assert_eq!(replies[8].last, ServerLine::Ok(Summary::default()), "nobody has no grants");
    let all = ServerLine::Grant(Grant { path: None, rights: Rights::ALL });
    assert_eq!(replies[12].lines, [all]);
}

#[test]
fn a_failed_attempt_leaves_everything_refused() {
    let input = "AUTH alice password=wrong\nUPLOAD x\nDATA 3\nabcEND\nAUTH nobody password=sesame\nLIST\n\
        AUTH alice invite=sesame\nLIST\n";
    let mut files = files();
    let run = play(input, server(true, None), &mut files);
    let refused = Some(ErrorCode::Unauthenticated);
    // The third failure ends the connection.
    assert_eq!(codes(&run), [refused, refused, refused, refused, Some(ErrorCode::Busy)]);
    assert!(run.text().ends_with(" retry-after=10\r\n") && run.over);
    assert_eq!(files.file("x"), None);
    let said = run.text();
    let answers: Vec<&str> = said.lines().filter(|line| line.contains("identify you")).collect();
    assert_eq!(answers[0], answers[1], "one answer, whatever is wrong");
}

#[test]
fn a_user_is_identified_once() {
    let input = format!("{ALICE}\n{ALICE}\nAUTH bob password=x\nLIST\n");
    let run = play(&input, server(true, None), &mut files());
    let denied = Some(ErrorCode::Denied);
    assert_eq!(codes(&run), [None, denied, denied, None]);
    let run = play(&format!("{ALICE}\n"), server(true, Some(user("bob"))), &mut files());
    assert_eq!(codes(&run), [denied], "the key of the connection is an identity too");
    let anonymous = Some(UserName::anonymous());
    let run = play(&format!("LIST\n{ALICE}\n"), server(true, anonymous), &mut files());
    assert_eq!(codes(&run), [None, None], "the anonymous may say who they are");
}

#[test]
fn a_secret_is_in_no_event() {
    let input = format!(
        "{ALICE}\nAUTH bob invite=opensesame\nAUTH bob password=sesame x\nAUTH bob sesame=x\n"
    );
    let run = play(&input, server(true, None), &mut files());
    let shown = format!("{:?}", run.events);
    assert!(shown.contains("bob") && !shown.contains("sesame"), "{shown}");
    let named: Vec<_> = run
        .events
        .iter()
        .filter_map(|event| match event {
            ServerEvent::Answered { command: Some(Command::Auth(auth)), .. } => Some(auth.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(named.len(), 2);
    assert!(matches!(&named[1].proof, Proof::Invite(secret) if secret.expose().is_empty()));
    assert!(!run.text().contains("sesame"), "{}", run.text());
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned()).unwrap()
}

fn authenticate(name: &str, password: &str) -> Request {
    Request::Authenticate { user: user(name), proof: Proof::Password(secret(password)) }
}

/// The client's events of these requests.
fn ask(requests: Vec<Request>, choices: &[u8]) -> Vec<ClientEvent> {
    let mut client = Client::new(ClientConfig { early: true, ..ClientConfig::default() });
    for request in requests {
        client.request(request);
    }
    let (local, room) = (LocalFiles::default(), ROOM);
    let mut pair = Pair::new(client, local, server(true, None), files(), room, choices);
    pair.play();
    pair.client_events
}

#[test]
fn a_client_learns_who_it_is() {
    let whole = "o \"pen\" = \\ sesame";
    let events = ask(vec![Request::WhoAmI, authenticate("alice", whole), Request::WhoAmI], &[]);
    let results: Vec<_> =
        results(&events).into_values().map(|result| result.unwrap().user).collect();
    assert_eq!(results, [None, Some(user("alice")), Some(user("alice"))]);
    let grants = events.iter().filter_map(|event| match event {
        ClientEvent::Grant { id, grant } => Some((id.0, grant.clone())),
        _ => None,
    });
    let all = Grant { path: None, rights: Rights::ALL };
    assert_eq!(grants.collect::<Vec<_>>(), [(3, all)]);
}

#[test]
fn a_client_that_fails_goes_on_until_the_third_time() {
    let tries = (0..4).map(|_| authenticate("alice", "no")).collect();
    let failures: Vec<_> =
        results(&ask(tries, &[])).into_values().map(Result::unwrap_err).collect();
    let code = |failure: &Failure| match failure {
        Failure::Refused(refusal) => refusal.code(),
        _ => None,
    };
    let codes: Vec<_> = failures.iter().map(code).collect();
    let again = Some(ErrorCode::Unauthenticated);
    assert_eq!(codes[..3], [again, again, Some(ErrorCode::Busy)]);
}

/// Whoever listens at the address has not shown who it is.
#[test]
fn a_secret_is_not_sent_before_the_greeting() {
    let mut client = Client::new(ClientConfig { early: true, ..ClientConfig::default() });
    client.request(authenticate("alice", "sesame"));
    assert!(matches!(client.poll(Duration::ZERO), Output::Read(_)));
}

#[test]
fn a_client_is_told_of_a_server_that_names_somebody_else() {
    for lie in ["OK user=\"bob\"\r\n", "OK\r\n"] {
        let output = format!("HAUL/1 \"hi\" max-data=1 pipeline=9\r\n{lie}");
        let mut client = Client::new(ClientConfig::default());
        client.request(authenticate("alice", "sesame"));
        let run =
            Single::new(output.as_bytes()).by_line().play(&mut client, &mut LocalFiles::default());
        let lost = run
            .events
            .iter()
            .any(|event| matches!(event, ClientEvent::Lost(Failure::Violation(text)) if text.contains("user")));
        assert!(lost, "{:?}", run.events);
    }
}

/// A hostile server cannot fill the client's memory.
#[test]
fn grants_have_an_end() {
    let many = "GRANT \"a\" rights=\"list\"\r\n".repeat(300);
    let output = format!("HAUL/1 \"hi\" max-data=1 pipeline=9\r\n{many}OK\r\n");
    let mut client = Client::new(ClientConfig::default());
    client.request(Request::WhoAmI);
    let run =
        Single::new(output.as_bytes()).by_line().play(&mut client, &mut LocalFiles::default());
    let grants = run.events.iter().filter(|event| matches!(event, ClientEvent::Grant { .. }));
    assert_eq!(grants.count(), 256);
    assert!(results(&run.events).into_values().all(|result| result.is_err()));
}

proptest! {
    /// However the bytes are cut, only the right password opens the session, and only what comes after it.
    #[test]
    fn commands_are_served_after_the_right_password(tries in proptest::collection::vec(select(vec![ALICE, "AUTH alice password=no", "LIST", "MKDIR a", "WHOAMI"]), 0..12), choices in choices()) {
        let input = tries.iter().fold(String::new(), |input, line| input + line + "\n");
        let mut files = files();
        let run = Single::new(input.as_bytes()).cut(&choices).play(&mut server(true, None), &mut files);
        let (mut known, mut failures, mut expected) = (false, 0, Vec::new());
        let mut made = false;
        for line in tries {
            let code = match (line, known) {
                ("WHOAMI", _) => None,
                (ALICE, false) => { known = true; None }
                (line, false) if line.starts_with("AUTH") => {
                    failures += 1;
                    Some(if failures == 3 { ErrorCode::Busy } else { ErrorCode::Unauthenticated })
                }
                (_, false) => Some(ErrorCode::Unauthenticated),
                (line, true) if line.starts_with("AUTH") => Some(ErrorCode::Denied),
                ("MKDIR a", true) if made => Some(ErrorCode::Exists),
                (line, true) => { made |= line == "MKDIR a"; None }
            };
            expected.push(code);
            if code == Some(ErrorCode::Busy) { break; }
        }
        prop_assert_eq!(codes(&run), expected);
    }
}
