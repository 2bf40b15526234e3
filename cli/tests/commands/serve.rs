use std::fs;
use std::time::Duration;

use haul_cli::{Exit, ListenOn, ServeOptions};

use crate::fake::{Fake, Run};

fn plain(host: &str, port: u16) -> ListenOn {
    ListenOn { host: host.to_owned(), port, layer: None }
}

fn served(line: &[&str]) -> ServeOptions {
    let directory = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    let ran = fake.run(&[&["serve", directory.path().to_str().unwrap()], line].concat());
    assert_eq!((ran.exit, ran.stderr.as_str()), (Exit::Done, ""), "{ran:?}");
    assert!(ran.stdout.starts_with("listening on haul://"), "{ran:?}");
    fake.state().served.take().unwrap()
}

#[test]
fn it_serves_with_what_was_asked_for() {
    let options = served(&[]);
    assert_eq!(options.listen_on, [plain("127.0.0.1", 4285)]);
    assert_eq!((options.anonymous, options.accounts_required), (None, false));
    assert_eq!((options.server.max_clients, options.server.max_clients_per_address), (256, 128));
    assert_eq!(
        (
            options.sharing.hidden,
            options.server.config.durable,
            options.server.config.limits.max_file_size
        ),
        (false, true, None)
    );
    assert!(!options.sharing.read_only);
    assert_eq!(options.server.config.banner, "Welcome");
    assert_eq!(
        (options.server.grace, options.server.config.timing.idle),
        (Duration::from_secs(30), Duration::from_mins(10))
    );
    let timing = &options.server.config.timing;
    assert_eq!([timing.line, timing.window], [Duration::from_secs(30); 2]);

    let options = served(&[
        "--listen",
        "[::1]:0",
        "--listen",
        "127.0.0.1:9",
        "--max-clients",
        "20",
        "--hidden",
        "--read-only",
        "--sync=none",
        "--max-file-size",
        "2G",
        "--banner",
        "Hello",
        "--grace",
        "0",
        "--idle",
        "5",
        "--patience",
        "7",
    ]);
    assert_eq!(options.listen_on, [plain("::1", 0), plain("127.0.0.1", 9)]);
    assert_eq!((options.server.max_clients, options.server.max_clients_per_address), (20, 10));
    assert_eq!(
        (
            options.sharing.hidden,
            options.server.config.durable,
            options.server.config.limits.max_file_size
        ),
        (true, false, Some(2 << 30))
    );
    assert!(options.sharing.read_only);
    assert_eq!(options.server.config.banner, "Hello");
    assert_eq!(
        (options.server.grace, options.server.config.timing.idle),
        (Duration::ZERO, Duration::from_secs(5))
    );
    let timing = &options.server.config.timing;
    assert_eq!([timing.line, timing.window], [Duration::from_secs(7); 2]);

    let sync = |when| {
        let config = served(&["--sync", when]).server.config;
        (config.durable, config.limits.commit_batch)
    };
    assert_eq!([sync("batch"), sync("always"), sync("none")], [(true, 64), (true, 1), (false, 64)]);

    assert_eq!(served(&["--max-clients", "1"]).server.max_clients_per_address, 1);
    assert_eq!(served(&["--max-clients", "9"]).server.max_clients_per_address, 8);
    assert_eq!(served(&["--max-clients-per-address", "3"]).server.max_clients_per_address, 3);
}

#[test]
fn a_named_directory_that_is_missing_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let fake = Fake::default();
    fake.run(&["serve", missing.to_str().unwrap()])
        .failed(Exit::Local, &["no such directory", "mkdir -p"]);
    assert!(!missing.exists());
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    fake.run(&["serve", file.to_str().unwrap()]).failed(Exit::Local, &["not a directory"]);
    assert!(fake.state().served.is_none());
}

#[test]
fn a_port_in_use_says_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    fake.state().cannot_listen = true;
    let ran = fake.run(&["serve", directory.path().to_str().unwrap()]);
    ran.failed(Exit::Network, &["cannot listen on 127.0.0.1:4285", "--listen"]);
    assert_eq!(ran.stdout, "");
}

#[test]
fn quiet_and_json_print_only_where_it_listens() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().to_str().unwrap();
    Fake::default().run(&["serve", here, "-q"]).done("listening on haul://127.0.0.1:4999\n");
    Fake::default()
        .run(&["serve", here, "--json"])
        .done("{\"listening\":\"haul://127.0.0.1:4999\"}\n");
    let both = ["serve", here, "--listen", "127.0.0.1", "--listen", "[::1]", "-q"];
    let expected = "listening on haul://127.0.0.1:4999\nlistening on haul://[::1]:4999\n";
    Fake::default().run(&both).done(expected);
}

#[test]
fn a_closed_stdout_does_not_stop_it() {
    let directory = tempfile::tempdir().unwrap();
    let run = Run { stdout_closes_after: Some(0), ..Run::default() };
    let ran = run.run(&Fake::default(), &["serve", directory.path().to_str().unwrap()]);
    assert_eq!(ran.exit, Exit::Done);
}
