//! What the format allows.

use haul_accounts::{FormatError, Users};
use haul_core::account::UserName;
use proptest::prelude::*;

const GOOD: &str = r#"
version = 1

[users.alice]
home = "people/alice"
quota = 1000
disabled = false
password = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"

[users.alice.mounts]
photos = "read"
letters = { directory = ".", rights = "put mkdir" }
"." = "write"

[users.alice.keys]
"SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU" = "laptop"

[users.alice.invitations]
47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU = 1764158400

[users.bob]
"#;

fn parse(text: &str) -> Result<Users, FormatError> {
    Users::parse(text.as_bytes())
}

#[test]
fn a_good_file_is_good() {
    assert_eq!(parse(GOOD).unwrap().accounts().len(), 2);
    assert_eq!(parse("version = 1").unwrap(), Users::default());
    assert!(parse("version=1\nusers={alice={},bob={home='.'}}").is_ok());
    assert_eq!(parse(&GOOD.replace('\n', "\r\n")), parse(GOOD));
}

#[test]
fn each_mistake_names_its_line_and_its_account() {
    let key = r#""SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU" = """#;
    for (from, to, line, account, problem) in [
        ("version = 1", "", 1, "", "`version = 1`"),
        ("version = 1", "version = 2", 2, "", "reads version 1"),
        ("version = 1", "version = '1'", 2, "", "reads version 1"),
        ("version = 1", "version = 1\nextra = 1", 3, "", "\"extra\" is unknown"),
        ("version = 1", "version = 1\n\\", 3, "", ""),
        ("[users.alice]", "[users.alice", 4, "", ""),
        ("[users.alice]", "[user.alice]", 4, "", "\"user\" is unknown"),
        ("[users.bob]", "[users.Bob]", 21, "", "\"Bob\" is not one: a user name has"),
        ("[users.bob]", "[users.'../bob']", 21, "", "is not one"),
        ("[users.bob]", "[users.\"b\\u0000\\u202E\"]", 21, "", r#""b\0\u{202e}""#),
        ("[users.bob]", "[users.anonymous]", 21, "", "has no account"),
        ("[users.bob]", "[users.alice]", 21, "", ""),
        ("[users.bob]", "[[users.bob]]", 21, "bob", "must be a table"),
        ("[users.bob]", "[users]\nbob = 1", 22, "bob", "must be a table"),
        ("[users.bob]", "[users.bob]\nhome = 1", 22, "bob", "must be a text"),
        ("home = \"people/alice\"", "home = '../x'", 5, "alice", "not a directory of the share"),
        ("home = \"people/alice\"", "home = ''", 5, "alice", "not a directory of the share"),
        ("home = \"people/alice\"", "home = '/'", 5, "alice", "not a directory of the share"),
        ("home = \"people/alice\"", "hom = 'x'", 5, "alice", "\"hom\" is unknown"),
        ("quota = 1000", "quota = -1", 6, "alice", "not a negative one"),
        ("quota = 1000", "quota = 1e3", 6, "alice", "must be a number"),
        ("quota = 1000", "quota = '1 GB'", 6, "alice", "must be a number"),
        ("quota = 1000", "quota = 1\nquota = 2", 7, "", ""),
        ("disabled = false", "disabled = 0", 7, "alice", "true or false"),
        ("t=2,p=1", "t=1,p=1", 8, "alice", "not the hash of a password"),
        ("photos = \"read\"", "photos = 'reed'", 11, "alice", "the roles are"),
        ("photos = \"read\"", "photos = 'list read'", 11, "alice", "the rights are"),
        ("photos = \"read\"", "photos = 1", 11, "alice", "must be a text"),
        ("photos = \"read\"", "'../photos' = 'read'", 11, "alice", "is not a path"),
        ("photos = \"read\"", "'photos/' = 'read'", 11, "alice", "is not a path"),
        ("photos = \"read\"", "'' = 'read'", 11, "alice", "is not a path"),
        ("rights = \"put mkdir\"", "right = 'get'", 12, "alice", "\"right\" is unknown"),
        (", rights = \"put mkdir\"", "", 12, "alice", "\"letters\" has no rights"),
        (
            "\".\" = \"write\"",
            "'.' = { directory = 'x', rights = 'get' }",
            13,
            "alice",
            "is `home`",
        ),
        ("SHA256:", "sha256:", 16, "alice", "a fingerprint is"),
        ("= \"laptop\"", "= 'lap\ttop'", 16, "alice", "one line"),
        ("= \"laptop\"", "= [1]", 16, "alice", "must be a text"),
        (
            "[users.bob]",
            &format!("[users.bob.keys]\n{key}"),
            22,
            "bob",
            "is a key of alice as well",
        ),
        ("47DEQpj8HBSa-", "47DEQpj8HBSa", 19, "alice", "not the hash of an invitation"),
        ("1764158400", "2025-11-26", 19, "alice", "must be a number"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let error = parse(&text).expect_err(to);
        assert_eq!(error.line, line, "{to}: {error}");
        assert_eq!(error.account.as_ref().map_or("", UserName::as_str), account, "{to}: {error}");
        assert!(error.to_string().contains(problem), "{to}: {error}");
    }
    let error = Users::parse(b"version = 1\n# \xff").unwrap_err();
    assert_eq!(error.to_string(), "line 2: this is not UTF-8");
}

#[test]
fn no_mistake_quotes_a_value() {
    let at = "disabled = false";
    for (to, secret) in [
        ("password = \"hunter2\"", "hunter2"),
        ("password = hunter2", "hunter2"),
        ("password = 123456", "123456"),
        ("password = \"hunter2", "hunter2"),
        ("quota = \"hunter2\"", "hunter2"),
        ("home = \"hunter2/\"", "hunter2"),
        ("invitations.hunter2 = 1", "hunter2"),
    ] {
        let kept = GOOD.lines().filter(|line| !line.starts_with(to.split(" =").next().unwrap()));
        let text = kept.collect::<Vec<_>>().join("\n").replacen(at, to, 1);
        let error = parse(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret), "{to}: {error}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_good_or_not(bytes: Vec<u8>) {
        let _ = Users::parse(&bytes);
    }

    /// A good file with something else in place of a part.
    #[test]
    fn a_file_with_a_damage_is_good_or_not(
        at in 0..GOOD.len(),
        length in 0..20_usize,
        with in "[ -~\\n]{0,8}|.{0,4}",
    ) {
        let mut bytes = GOOD.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, with.bytes());
        if let Err(error) = Users::parse(&bytes) {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            prop_assert!((1..=lines).contains(&error.line), "{error}");
        }
    }
}
