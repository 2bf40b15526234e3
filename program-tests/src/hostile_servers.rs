//! Servers that break the protocol, against the client side of a program.
//!
//! Whatever they do, the program ends with the right code and one readable line, and leaves no file behind, neither
//! under the final name nor a temporary one.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::process::Bench;
use crate::running::Ended;

const GREETING: &str = "HAUL/1 \"Welcome\" max-data=16777216 pipeline=64\r\n";
/// The reply of a server that does not know an option.
const OLDER: &str = "ERR bad-argument \"that is not an option here\"\r\n";
const TIME: &str = "modified=2026-01-02T03:04:05Z";

/// What the program is told to do.
#[derive(Clone, Copy)]
enum Ask {
    Get,
    /// A directory with everything in it.
    GetAll,
    Put,
    /// An executable file.
    PutProgram,
    List,
    ListAll,
    Delete,
    /// A directory with everything in it.
    DeleteAll,
    Copy,
    Sum,
    /// The checksum, to be compared with that of `hello`.
    Check,
}

/// A server, and how the program must end.
struct Case {
    title: &'static str,
    ask: Ask,
    /// What the server sends first.
    greeting: Vec<u8>,
    /// Its reply to the first command.
    reply: Vec<u8>,
    /// Its reply to the second command.
    again: Vec<u8>,
    /// Its reply to the `END` of a body.
    receipt: Vec<u8>,
    /// The exit code.
    code: i32,
}

/// Runs the program against every hostile server.
///
/// # Panics
/// When the program does something wrong.
pub fn hostile_servers(program: &Path) {
    let failures: Vec<String> = cases()
        .iter()
        .filter_map(|case| {
            let reason = run(program, case).err()?;
            Some(format!("- {} [expecting exit code {}]: {reason}", case.title, case.code))
        })
        .collect();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

fn run(path: &Path, case: &Case) -> Result<(), String> {
    let bench = Bench::new(path);
    std::fs::write(bench.share().join("source"), "hello").map_err(|error| error.to_string())?;
    let source = bench.share().join("source");
    if let Ask::PutProgram = case.ask {
        std::fs::set_permissions(&source, Permissions::from_mode(0o755))
            .map_err(|error| error.to_string())?;
    }
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let url = format!("haul://{address}");
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            if let Ok((stream, _)) = listener.accept() {
                // A client that gives up closes early. Its exit code shows whether that is right.
                let _ = play(&stream, case);
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        let source = source.display().to_string();
        let args: &[&str] = match case.ask {
            Ask::Get => &["get", "x"],
            Ask::GetAll => &["get", "-rf", "x", "-o", "."],
            Ask::Put | Ask::PutProgram => &["put", &source, "--as", "x"],
            Ask::List => &["ls"],
            Ask::ListAll => &["ls", "-r"],
            Ask::Delete => &["rm", "x"],
            Ask::DeleteAll => &["rm", "-r", "x"],
            Ask::Copy => &["cp", "x", "copies/"],
            Ask::Sum => &["sum", "x"],
            Ask::Check => &["sum", "x", "--check", "--against", &source],
        };
        let ended = bench.run(&[args, &["--retry", "0", "--server", &url]].concat());
        // Ends the wait for a client that never connected.
        drop(TcpStream::connect(address));
        ended
    });
    judge(&ended, case)?;
    let left: Vec<_> = std::fs::read_dir(bench.here())
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(|error| error.to_string())?;
    match (case.code, left.len()) {
        (0, _) | (_, 0) => Ok(()),
        _ => Err(format!("left behind: {left:?}")),
    }
}

fn judge(ended: &Ended, case: &Case) -> Result<(), String> {
    let said = format!("{}{}", ended.stderr, String::from_utf8_lossy(&ended.stdout));
    if ended.status.code() != Some(case.code) {
        return Err(format!("{}; it said: {said}", ended.status));
    }
    let line = ended.stderr.trim_end_matches('\n');
    let deceives =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if line.chars().any(deceives) {
        return Err(format!("not one clear line: {:?}", ended.stderr));
    }
    if case.code != 0 && (line.is_empty() || line.len() > 1500) {
        return Err(format!("a line of {} bytes on stderr", line.len()));
    }
    Ok(())
}

fn play(mut stream: &TcpStream, case: &Case) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    stream.set_write_timeout(Some(Duration::from_mins(1)))?;
    stream.write_all(&case.greeting)?;
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    if !case.reply.is_empty() && reader.read_until(b'\n', &mut line)? > 0 {
        stream.write_all(&case.reply)?;
    }
    line.clear();
    if !case.again.is_empty() && reader.read_until(b'\n', &mut line)? > 0 {
        stream.write_all(&case.again)?;
    }
    if !case.receipt.is_empty() {
        while !line.starts_with(b"END") && !line.ends_with(b"helloEND\r\n") {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if line.windows(3).any(|window| window == b"END") {
                break;
            }
        }
        stream.write_all(&case.receipt)?;
    }
    stream.shutdown(Shutdown::Write)?;
    // Closing with unread data would reset the connection, and the client could lose the reply.
    std::io::copy(&mut reader.take(1 << 26), &mut std::io::sink())?;
    Ok(())
}

fn cases() -> Vec<Case> {
    let mut cases = greetings();
    cases.extend(downloads());
    cases.extend(refusals());
    cases.extend(listings());
    cases.extend(uploads());
    cases.extend(changes());
    cases
}

fn case(title: &'static str, ask: Ask, reply: impl Into<Vec<u8>>, code: i32) -> Case {
    let (greeting, reply) = (GREETING.into(), reply.into());
    Case { title, ask, greeting, reply, again: Vec::new(), receipt: Vec::new(), code }
}

fn greetings() -> Vec<Case> {
    let greeted = |title, greeting: &[u8], code| Case {
        greeting: greeting.to_vec(),
        ..case(title, Ask::List, "", code)
    };
    vec![
        greeted("closes at once", b"", 5),
        greeted("greets in half", b"HAUL/1 \"Wel", 5),
        greeted("is a web server", b"HTTP/1.1 400 Bad Request\r\n\r\n", 6),
        greeted("is an SSH server", b"SSH-2.0-OpenSSH_9.2\r\n", 6),
        greeted(
            "is of another version",
            b"HAUL/2 \"Welcome\" max-data=16777216 pipeline=64\r\n",
            6,
        ),
        greeted(
            "greets with an escape character",
            b"HAUL/1 \"\x1b[2J\" max-data=16777216 pipeline=64\r\n",
            6,
        ),
        greeted("greets with megabytes", &vec![b'x'; 4 << 20], 6),
        greeted("tells no limits", b"HAUL/1 \"Welcome\"\r\n", 6),
        greeted("is busy", b"ERR busy \"come back later\" retry-after=5\r\n", 5),
        greeted("is stopping", b"ERR shutting-down \"bye\"\r\n", 5),
        greeted("answers what was not asked", b"OK entries=0\r\n", 6),
    ]
}

fn downloads() -> Vec<Case> {
    let sending =
        |length: &str| format!("SENDING size={length} offset=0 length={length} {TIME}\r\n");
    let five = sending("5");
    let get = |title, reply: String, code| case(title, Ask::Get, reply, code);
    let endless = format!("{five}{}", "DATA 5\r\nhello".repeat(100_000));
    vec![
        get(
            "sends what was asked for",
            format!("{five}DATA 5\r\nhelloOK length=5 crc64nvme=3377857006524257\r\n"),
            0,
        ),
        get(
            "tells more than this version knows",
            format!(
                "SENDING size=5 colour=\"a b\" offset=0 length=5 {TIME}\r\nDATA 5\r\nhelloOK new=1 length=5 crc64nvme=3377857006524257\r\n"
            ),
            0,
        ),
        get(
            "sends another checksum",
            format!("{five}DATA 5\r\nhelloOK length=5 crc64nvme=3377857006524258\r\n"),
            6,
        ),
        get("sends no checksum", format!("{five}DATA 5\r\nhelloOK length=5\r\n"), 6),
        get(
            "sends other bytes",
            format!("{five}DATA 5\r\njelloOK length=5 crc64nvme=3377857006524257\r\n"),
            6,
        ),
        get(
            "sends fewer bytes",
            format!("{five}DATA 4\r\nhellOK length=5 crc64nvme=3377857006524257\r\n"),
            6,
        ),
        get(
            "counts fewer bytes",
            format!("{five}DATA 5\r\nhelloOK length=4 crc64nvme=3377857006524257\r\n"),
            6,
        ),
        get(
            "sends more bytes",
            format!("{five}DATA 6\r\nhello!OK length=5 crc64nvme=3377857006524257\r\n"),
            6,
        ),
        get("sends without end", endless, 6),
        get("sends empty chunks", format!("{five}DATA 0\r\n"), 6),
        get("sends huge chunks", format!("{five}DATA 9223372036854775807\r\n"), 6),
        get("sends more than any disk has", sending("9223372036854775807"), 7),
        get("sends negative chunks", format!("{five}DATA -5\r\n"), 6),
        get("sends a negative length", format!("{}DATA 5\r\nhello", sending("-1")), 6),
        get(
            "sends a length beyond all numbers",
            format!("{}DATA 5\r\nhello", sending("18446744073709551621")),
            6,
        ),
        get(
            "sends another range",
            format!(
                "SENDING size=10 offset=5 length=5 {TIME}\r\nDATA 5\r\nhelloOK length=5 crc64nvme=3377857006524257\r\n"
            ),
            6,
        ),
        get(
            "sends half of the file",
            format!(
                "SENDING size=10 offset=0 length=5 {TIME}\r\nDATA 5\r\nhelloOK length=5 crc64nvme=3377857006524257\r\n"
            ),
            6,
        ),
        get(
            "sends before it says so",
            "DATA 5\r\nhelloOK length=5 crc64nvme=3377857006524257\r\n".into(),
            6,
        ),
        get("says so twice", format!("{five}{five}DATA 5\r\nhello"), 6),
        get(
            "says that nothing was to be sent",
            "OK length=0 crc64nvme=0000000000000000\r\n".into(),
            6,
        ),
        get("invents a name", format!("FILE \"../../.bashrc\" size=5 {TIME}\r\n"), 6),
        get("says something unknown", "LOOK here\r\n".into(), 6),
        get("is ready for an upload", "READY\r\n".into(), 6),
        get("closes before it answers", " ".into(), 5),
        get("closes before the bytes", five.clone(), 5),
        get("closes within the bytes", format!("{five}DATA 5\r\nhe"), 5),
        get("closes within a line", format!("{five}DA"), 5),
        get("closes before its receipt", format!("{five}DATA 5\r\nhello"), 5),
        get(
            "finds the file changed",
            format!("{five}DATA 4\r\nhellERR changed \"it changed\"\r\n"),
            6,
        ),
        get("sends megabytes without a line", "x".repeat(4 << 20), 6),
    ]
}

fn refusals() -> Vec<Case> {
    let long = format!("ERR not-found \"{}\"\r\n", "x".repeat(4000));
    vec![
        case("refuses", Ask::Get, "ERR not-found \"no\"\r\n", 3),
        case("refuses in a way not known", Ask::Get, "ERR over-quota \"no\" quota=5\r\n", 4),
        case("refuses at length", Ask::Get, long, 3),
        case("refuses with an escape character", Ask::Get, "ERR not-found \"\x1b[31mno\"\r\n", 6),
        case("refuses from right to left", Ask::Get, "ERR not-found \"no\u{202e}gpj.exe\"\r\n", 3),
        case("refuses without a reason", Ask::Get, "ERR\r\n", 6),
        case("has lost patience", Ask::Get, "ERR timeout \"too slow\"\r\n", 5),
        case("calls it a violation", Ask::Get, "ERR protocol \"no\"\r\n", 6),
    ]
}

fn listings() -> Vec<Case> {
    let file = |path: &str| format!("FILE {path} size=1 {TIME}\r\n");
    let list = |title, reply: String, code| case(title, Ask::List, reply, code);
    let one = |path: &str| format!("{}OK entries=1\r\n", file(path));
    vec![
        case("fills a directory from above", Ask::GetAll, one("\"x/../a\""), 6),
        case("fills a directory from its root", Ask::GetAll, one("\"/etc/passwd\""), 6),
        case("fills a directory from beside it", Ask::GetAll, one("xx/a"), 6),
        case("fills another directory", Ask::GetAll, one("y/a"), 6),
        list("lists", format!("{}OK entries=1\r\n", file("\"a\"")), 0),
        list("lists a path that goes up", format!("{}OK entries=1\r\n", file("\"../a\"")), 6),
        list("lists an absolute path", format!("{}OK entries=1\r\n", file("\"/etc/passwd\"")), 6),
        list("lists an escape character", format!("{}OK entries=1\r\n", file("\"\x1b[2Ja\"")), 6),
        list(
            "lists a name that is too long",
            format!("{}OK entries=1\r\n", file(&"a".repeat(256))),
            6,
        ),
        list("counts more than it lists", format!("{}OK entries=2\r\n", file("\"a\"")), 6),
        list("counts less than it lists", format!("{}OK entries=0\r\n", file("\"a\"")), 6),
        list("does not count", format!("{}OK\r\n", file("\"a\"")), 6),
        list("lists a negative size", format!("FILE \"a\" size=-1 {TIME}\r\nOK entries=1\r\n"), 6),
        list(
            "lists a time that is none",
            "FILE \"a\" size=1 modified=yesterday\r\nOK entries=1\r\n".into(),
            6,
        ),
        list("stops in the middle of a list", file("\"a\""), 5),
        Case {
            again: one("\"a\"").into(),
            ..case("cannot tell what it leaves out", Ask::ListAll, OLDER, 0)
        },
        case("tells less than it leaves out", Ask::ListAll, "OK entries=0 omitted=1\r\n", 6),
        list("sends bytes in a listing", "DATA 5\r\nhelloOK entries=0\r\n".into(), 6),
    ]
}

fn uploads() -> Vec<Case> {
    let put = |title, receipt: &str, code| Case {
        receipt: receipt.into(),
        ..case(title, Ask::Put, "READY\r\n", code)
    };
    vec![
        put("takes it", "OK size=5 crc64nvme=3377857006524257\r\n", 0),
        put("took other bytes", "OK size=5 crc64nvme=3377857006524258\r\n", 6),
        put("took fewer bytes", "OK size=4 crc64nvme=3377857006524257\r\n", 6),
        put("found damage", "ERR checksum-mismatch \"no\"\r\n", 6),
        put("is not sure", "ERR outcome-unknown \"published, perhaps\"\r\n", 9),
        put("has no room", "ERR no-space \"full\"\r\n", 4),
        put("is ready again", "READY\r\n", 6),
        Case {
            again: "READY\r\n".into(),
            receipt: "OK size=5 crc64nvme=3377857006524257\r\n".into(),
            ..case("knows no executable files", Ask::PutProgram, OLDER, 0)
        },
        case("closes before the receipt", Ask::Put, "READY\r\n", 5),
        case("refuses before the body", Ask::Put, "ERR denied \"no\"\r\n", 4),
    ]
}

fn changes() -> Vec<Case> {
    let listed = |title, listing: &str, code| Case {
        again: listing.into(),
        ..case(title, Ask::DeleteAll, "ERR not-empty \"no\"\r\n", code)
    };
    let file = |path: &str| format!("FILE {path} size=1 {TIME}\r\nOK entries=1\r\n");
    let sum = |title, reply: &str, code| case(title, Ask::Sum, reply, code);
    vec![
        case("deletes", Ask::Delete, "OK\r\n", 0),
        case("deletes, and says more", Ask::Delete, "OK \"gone\" new=1\r\n", 0),
        case("cannot delete", Ask::Delete, "ERR unknown-command \"no\"\r\n", 4),
        case("is not sure what it deleted", Ask::Delete, "ERR outcome-unknown \"perhaps\"\r\n", 9),
        case("lists what it was to delete", Ask::Delete, file("x"), 6),
        case("is ready for what it was to delete", Ask::Delete, "READY\r\n", 6),
        case("closes before it deletes", Ask::Delete, " ", 5),
        listed("has others deleted", &file("y/a"), 6),
        listed("has others deleted above", &file("\"x/../a\""), 6),
        listed("has others deleted beside", &file("xx"), 6),
        listed("has a directory in itself", "DIR x\r\nOK entries=1\r\n", 6),
        listed("stops in the middle of the list", "DIR x/a\r\n", 5),
        case("copies", Ask::Copy, "OK size=5 crc64nvme=3377857006524257\r\n", 0),
        case("copies without a receipt", Ask::Copy, "OK\r\n", 6),
        case("copies less than nothing", Ask::Copy, "OK size=-1 crc64nvme=3377857006524257\r\n", 6),
        sum("tells a checksum", "OK size=5 length=5 crc64nvme=3377857006524257\r\n", 0),
        sum("tells no checksum", "OK size=5 length=5\r\n", 6),
        sum("tells a checksum that is none", "OK size=5 length=5 crc64nvme=hello\r\n", 6),
        sum("tells an escape character", "OK size=5 crc64nvme=\x1b[2J\r\n", 6),
        case("has the same", Ask::Check, "OK size=5 length=5 crc64nvme=3377857006524257\r\n", 0),
        case("has another", Ask::Check, "OK size=5 length=5 crc64nvme=3377857006524258\r\n", 6),
        case(
            "has a longer one",
            Ask::Check,
            "OK size=6 length=6 crc64nvme=3377857006524257\r\n",
            6,
        ),
    ]
}
