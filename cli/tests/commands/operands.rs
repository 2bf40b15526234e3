use std::fs;

use haul_cli::Exit;

use crate::fake::{Fake, Run};

fn server() -> Fake {
    Fake::with(&[("a", "1"), ("photos/sea.jpg", "123"), ("photos/sky.jpg", "12")])
}

#[test]
fn whole_addresses_are_names_with_their_server() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path().to_str().unwrap();
    let fake = server();
    fake.run(&["ls", "haul://h/photos/"]).done("photos/sea.jpg\nphotos/sky.jpg\n");
    fake.run(&["ls", "HAUL://h:99"]).done("a\nphotos/\n");
    fake.run(&["get", "haul://h/photos/sea.jpg", "-qo", "-"]).done("123");
    fake.run(&["get", "-q", "haul://h/a", "haul://h:4285//photos/./sky.jpg", here]).done("");
    assert_eq!(fs::read_to_string(place.path().join("sky.jpg")).unwrap(), "12");
    let to = place.path().join("tree");
    fake.run(&["get", "-rq", "haul://h/photos", to.to_str().unwrap()]).done("");
    assert_eq!(fs::read_to_string(to.join("sea.jpg")).unwrap(), "123");
    let connected = fake.state().connected.clone();
    assert_eq!(connected, ["h 4285", "h 99", "h 4285", "h 4285", "h 4285"]);
}

#[test]
fn what_is_sent_goes_where_the_last_address_says() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let file = place.path().join(name);
        fs::write(&file, name).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let (one, two) = (file("one"), file("two"));
    let fake = server();
    fake.run(&["put", "-q", &one, &two, "haul://h/in/"]).done("");
    fake.run(&["put", "-q", &one, "haul://h/other"]).done("");
    fake.run(&["put", "-q", &two, "haul://h"]).done("");
    fake.run(&["put", "-q", &one, "haul://h/", "--as", "named"]).done("");
    Run { stdin: "typed", ..Run::default() }
        .run(&fake, &["put", "-q", "-", "haul://h/typed"])
        .done("");
    let state = fake.state();
    for (name, content) in [
        ("in/one", "one"),
        ("in/two", "two"),
        ("other", "one"),
        ("two", "two"),
        ("named", "one"),
        ("typed", "typed"),
    ] {
        assert_eq!(state.files[name], content.as_bytes(), "{name}");
    }
}

#[test]
fn one_command_is_for_one_server() {
    let fake = server();
    for (line, part) in [
        (&["get", "haul://h/a", "haul://other/a"][..], "another name is on haul://h:4285"),
        (&["get", "a", "haul://h/a"], "a: a name without a server"),
        (&["get", "haul://h/a", "--server", "other"], "--server says hauls://other:4286"),
        (&["get", "haul://h/a", "b", "-o", "c"], "two destinations"),
        (&["get", "haul://h:0/a"], "port 0"),
        (&["get", "haul://h/../a"], "no . or .. in it"),
        (&["get", "haul://[fe80::1]/a"], "[fe80::1%eth0]"),
        (&["get", "https://h/a"], "begin with haul://"),
        (&["put", "haul://h/a"], "no file is named"),
        (&["get", "haul://h:99"], "no file is named (name a file, or -r for all)"),
        (&["get", "haul://h:99/"], "no file is named (name a file, or -r for all)"),
        (&["get", ""], "no file is named (name a file, or -r for all)"),
        (&["put", "haul://h/a", "b"], "an address stands last"),
        (&["put", "b", "haul://h/a", "--as", "c"], "two names"),
    ] {
        fake.run(line).failed(Exit::Usage, &[part]);
    }
    assert!(fake.state().connected.is_empty());
}

#[test]
fn names_on_the_server_are_what_they_look_like() {
    let fake = server();
    for name in ["/photos", "./photos", "photos//", "photos/.", "/./photos/"] {
        fake.run(&["ls", name]).done("photos/sea.jpg\nphotos/sky.jpg\n");
    }
    for name in ["/photos/sea.jpg", "./photos//sea.jpg"] {
        fake.run(&["get", name, "-qo", "-"]).done("123");
    }
    for name in ["..", "/../a", "photos/../a"] {
        fake.run(&["ls", name]).failed(Exit::Usage, &["no . or .. in it"]);
    }
    fake.run(&["get", "photos/"]).failed(Exit::Usage, &["only be a directory", "get -r", "-o"]);
    fake.run(&["get", "a", "."]).failed(Exit::Usage, &["only be a directory", "-o says where"]);
}
