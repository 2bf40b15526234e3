use haul_core::account::Secret;

use super::*;

const FINGERPRINT: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

/// How a server is spoken to, where it is, and what names start from.
type Place = (Scheme, String, u16, Option<String>);

fn server(text: &str) -> Result<Place, AddressError> {
    let ServerAddress { scheme, host, port, base, .. } = text.parse()?;
    Ok((scheme, host, port, base.map(String::from)))
}

fn plain(host: &str, port: u16) -> Place {
    (Scheme::Plain, host.to_owned(), port, None)
}

fn tls(host: &str, port: u16) -> Place {
    (Scheme::Tls, host.to_owned(), port, None)
}

#[test]
fn a_server_is_a_host_with_or_without_scheme_and_port() {
    assert_eq!(server("haul://files.example:99"), Ok(plain("files.example", 99)));
    assert_eq!(server("hauls://files.example:99"), Ok(tls("files.example", 99)));
    assert_eq!(server("HAUL://files.example/"), Ok(plain("files.example", 4285)));
    assert_eq!(server("HAULS://files.example/"), Ok(tls("files.example", 4286)));
    assert_eq!(server("haul://[::1]:99"), Ok(plain("::1", 99)));
    assert_eq!(server("haul:99"), Ok(tls("haul", 99)));
    assert_eq!(server("[fe80::1%2]"), Ok(tls("fe80::1%2", 4286)));
    assert_eq!(server("[fe80::1%eth0]:9"), Ok(tls("fe80::1%eth0", 9)));
}

#[test]
fn without_a_scheme_only_this_machine_is_spoken_to_in_plain_text() {
    for host in ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]
    {
        assert_eq!(
            server(host).map(|(scheme, _, port, _)| (scheme, port)),
            Ok((Scheme::Plain, 4285))
        );
        let listen: ListenAddress = host.parse().unwrap();
        assert_eq!((listen.scheme, listen.port, listen.is_here()), (Scheme::Plain, 4285, true));
    }
    for host in [
        "h",
        "files.example",
        "192.0.2.1",
        "0.0.0.0",
        "[::]",
        "[2001:db8::1]",
        "localhost.example",
        // The resolver may take these for loopback addresses, but then TLS does no harm.
        "127.1",
        "localhost.",
    ] {
        assert_eq!(
            server(host).map(|(scheme, _, port, _)| (scheme, port)),
            Ok((Scheme::Tls, 4286))
        );
        let listen: ListenAddress = host.parse().unwrap();
        assert_eq!((listen.scheme, listen.port, listen.is_here()), (Scheme::Tls, 4286, false));
    }
}

#[test]
fn a_zone_is_written_in_either_way() {
    for (text, host) in [
        ("[fe80::1%25eth0]", "fe80::1%eth0"),
        ("[fe80::1%252]", "fe80::1%2"),
        ("[fe80::1%25]", "fe80::1%25"),
        ("[fe80::1%25251]", "fe80::1%251"),
    ] {
        assert_eq!(server(text), Ok(tls(host, 4286)), "{text}");
        let shown = text.parse::<ServerAddress>().unwrap().to_string();
        assert_eq!(server(&shown), Ok(tls(host, 4286)), "{text}: {shown}");
    }
    for text in ["[fe80::1]:1", "[fe80::1%]", "[febf::1]"] {
        assert_eq!(server(text), Err(AddressError::NoZone), "{text}");
    }
    assert_eq!(server("[fec0::1]"), Ok(tls("fec0::1", 4286)));
}

#[test]
fn its_path_is_what_names_start_from() {
    let based = |path: &str| Ok((Scheme::Tls, String::from("h"), 4286, Some(path.to_owned())));
    assert_eq!(server("hauls://h/a b/100%"), based("a b/100%"));
    assert_eq!(server("h/photos/"), based("photos"));
    assert_eq!(server("h/../x"), Err(AddressError::Path(PathError::DotComponent)));
    assert_eq!(server("h//x/./y//"), based("x/y"));
    assert_eq!(server("h/."), Ok(tls("h", 4286)));
    let sharp = (Scheme::Plain, String::from("h"), 4285, Some(String::from("a#b")));
    assert_eq!(server("haul://h/a#b"), Ok(sharp));
}

#[test]
fn an_address_with_tls_has_a_user_and_a_fingerprint() {
    for (text, user, base) in [
        (format!("hauls://alice@h/#{FINGERPRINT}"), Some("alice"), None),
        (format!("hauls://h#{FINGERPRINT}"), None, None),
        (format!("h/a/b#{FINGERPRINT}"), None, Some("a/b")),
    ] {
        let address: ServerAddress = text.parse().unwrap();
        assert_eq!(address.user.as_ref().map(UserName::as_str), user, "{text}");
        assert_eq!(address.base.as_ref().map(FilePath::as_str), base, "{text}");
        assert_eq!(address.pin.unwrap().to_string(), FINGERPRINT);
        assert!(!address.to_string().contains("SHA256"), "{address}");
        let shown = address.pinned().to_string();
        assert_eq!(shown.parse(), Ok(address), "{text}");
    }
}

#[test]
fn what_is_not_an_address_says_why() {
    for (text, error) in [
        ("", AddressError::NoHost),
        ("haul://", AddressError::NoHost),
        ("hauls://", AddressError::NoHost),
        (":4285", AddressError::NoHost),
        ("http://h", AddressError::Scheme),
        ("4285", AddressError::OnlyPort),
        ("::1", AddressError::Brackets),
        ("::1:4285", AddressError::Brackets),
        ("[::1", AddressError::Brackets),
        ("[::1]4285", AddressError::Brackets),
        ("[host]:1", AddressError::Brackets),
        ("haul://me@h", AddressError::PlainUser),
        ("me@localhost", AddressError::PlainUser),
        ("haul://me:pw@h", AddressError::Password),
        ("hauls://me:pw@h", AddressError::Password),
        ("me:pw@h", AddressError::Password),
        ("@h", AddressError::User(UserNameError)),
        ("Me@h", AddressError::User(UserNameError)),
        ("a@b@h", AddressError::User(UserNameError)),
        ("me@", AddressError::NoHost),
        ("haul:127.0.0.1:7200", AddressError::Slashes),
        ("haul:/127.0.0.1:7200", AddressError::Slashes),
        ("hauls:/127.0.0.1:7200", AddressError::Slashes),
        ("HAUL:h", AddressError::Slashes),
        ("haul:", AddressError::Port),
        ("h h", AddressError::Host),
        ("h\u{1b}[m", AddressError::Host),
        ("h?x", AddressError::Host),
        ("haul://h#x", AddressError::Host),
        ("h:", AddressError::Port),
        ("h:+1", AddressError::Port),
        ("h:65536", AddressError::Port),
        ("h:x", AddressError::Port),
        ("h:0", AddressError::PortZero),
        ("h/a#b", AddressError::Pin(FingerprintError)),
        ("h#", AddressError::Pin(FingerprintError)),
        ("h#SHA256:x", AddressError::Pin(FingerprintError)),
        ("haul://h/#SHA256:x", AddressError::PlainPin),
        ("localhost#SHA256:x", AddressError::PlainPin),
        ("h#SHA256:x,invite=y", AddressError::Invitation),
    ] {
        assert_eq!(server(text), Err(error), "{text:?}");
    }
}

#[test]
fn what_is_displayed_can_be_read_again() {
    for text in [
        "haul://h:1",
        "haul://[::1]:4285",
        "haul://127.0.0.1:4285/a/b c",
        "hauls://h:4286",
        "hauls://h%25x:4286",
        "hauls://alice@[2001:db8::1]:1/x",
    ] {
        assert_eq!(text.parse::<ServerAddress>().unwrap().to_string(), text);
    }
    assert_eq!(ServerAddress::default().to_string(), "haul://127.0.0.1:4285");
}

#[test]
fn listening_takes_port_zero_and_no_path() {
    let listen = |text: &str| text.parse::<ListenAddress>().map(|address| address.to_string());
    assert_eq!(listen("0.0.0.0:0"), Ok("hauls://0.0.0.0:0".to_owned()));
    assert_eq!(listen("haul://0.0.0.0"), Ok("haul://0.0.0.0:4285".to_owned()));
    assert_eq!(listen("hauls://localhost"), Ok("hauls://localhost:4286".to_owned()));
    assert_eq!(listen("[::1]:4285"), Ok("haul://[::1]:4285".to_owned()));
    assert_eq!(listen("localhost"), Ok("haul://localhost:4285".to_owned()));
    assert_eq!(listen("localhost/x"), Err(AddressError::PathInListen));
    assert_eq!(listen("me@h"), Err(AddressError::UserInListen));
    assert_eq!(listen(&format!("h#{FINGERPRINT}")), Err(AddressError::Host));
    assert_eq!(listen(":80"), Err(AddressError::NoHost));
}

#[test]
fn an_invitation_is_a_secret_behind_a_fingerprint() {
    let invitation: Invitation =
        format!("hauls://alice@h:1/#{FINGERPRINT},invite=aB-_9").parse().unwrap();
    assert_eq!(invitation.secret.as_ref().map(Secret::expose), Some("aB-_9"));
    assert_eq!(invitation.server.to_string(), "hauls://alice@h:1");
    assert_eq!(invitation.server.pin.unwrap().to_string(), FINGERPRINT);
    assert!(!format!("{invitation:?}").contains("aB-_9"));
    let without: Invitation = "hauls://alice@h:1".parse().unwrap();
    assert_eq!(without.secret, None);
    let parsed = |text: &str| text.parse::<Invitation>();
    for end in ["", "a b", "a/b", "a,invite=b", &"x".repeat(1025)] {
        let text = format!("hauls://alice@h/#{FINGERPRINT},invite={end}");
        assert_eq!(parsed(&text), Err(AddressError::BadInvitation), "{end}");
    }
    assert_eq!(parsed("hauls://alice@h/,invite=x"), Err(AddressError::BadInvitation));
    assert_eq!(parsed("hauls://alice@h/#invite=x"), Err(AddressError::Invitation));
    let short = parsed("hauls://alice@h/#SHA256:x,invite=x");
    assert_eq!(short, Err(AddressError::Pin(FingerprintError)));
}

#[test]
fn an_invitation_is_not_shown() {
    assert_eq!(without_invitation("'h#SHA256:x,invite=aB-_9' x"), "'h#SHA256:x,invite=…' x");
    assert_eq!(without_invitation("invite=a invite=b"), "invite=… invite=…");
    assert_eq!(without_invitation("no secret"), "no secret");
}
