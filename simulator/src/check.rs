//! Checks what a client was told against what is true.

use haul_core::client::Failure;
use haul_core::message::Summary;
use haul_core::{Checksum, Entry, ErrorCode, RequestId};

use crate::client::Asked;
use crate::connection::{Actor, Connection};
use crate::disk::{Disk, Fetched, Inode, SharedDisk};
use crate::history::State;
use crate::op::Op;
use crate::oracle::{Oracle, Since};
use crate::plan::{Peers, Plan, SessionPlan, What, path};
use crate::refusal::is_explained;
use crate::store::LOCKED;

/// Checks how the request `id` of the session `at` ended.
pub(super) fn check_result(
    plan: &Plan,
    connection: &mut Connection,
    (disk, oracle): (&SharedDisk, &mut Oracle),
    (at, id): (usize, RequestId),
    result: &Result<Summary, Failure>,
) -> Result<(), String> {
    let honest = plan.sessions[at].peers == Peers::Honest;
    check_order(connection, id, result)?;
    let Connection { touched, flipped, .. } = *connection;
    let Actor::Client(client) = &connection.client.actor else { return Ok(()) };
    let Some(asked) = client.request(id) else { return Ok(()) };
    let sound = honest && !flipped;
    if honest {
        check_failure(result, touched, flipped)?;
    }
    if let Err(Failure::Refused(refusal)) = result
        && sound
        && let Some(code) = refusal.code().filter(|code| !code.closes())
        && !is_explained(plan, at, oracle, asked, code)
    {
        return Err(format!("{code} is not true"));
    }
    let fetched = disk.lock().fetched.get(&(at, id)).cloned();
    // A hostile client's file has the executable bit that it announced. A client whose line was damaged takes the
    // server for one that does not know the bit.
    let hostile = |session: &SessionPlan| session.peers == Peers::HostileClient;
    let told = oracle.flipped.is_empty() && !plan.sessions.iter().any(hostile);
    let bits_are_known = sound && told;
    match (&asked.what, result) {
        (What::Download { name, offset, length, .. }, Ok(summary)) => {
            let got = fetched.ok_or("a download succeeded without a file")?;
            let Fetched { data, executable } = got;
            check_figures(summary.length, summary.checksum, &data)?;
            if honest {
                check_fetched(oracle, asked, &data, flipped)?;
            }
            let whole = *offset == 0 && !data.is_empty() && *length != Some(0);
            if bits_are_known && whole && executable != disk.lock().is_executable(&data) {
                return Err(format!("{name:?} arrived with another executable bit"));
            }
        }
        (_, Err(failure)) if fetched.is_some() => {
            return Err(format!("{failure:?}, and the file has its name"));
        }
        (What::Checksum { .. }, Ok(summary)) if sound => {
            check_checksum(oracle, asked, summary)?;
        }
        (What::List { .. }, Ok(summary)) => {
            let left_out = |entry: &&Entry| matches!(entry, Entry::Omitted { .. });
            let omitted = asked.entries.iter().filter(left_out).count();
            if summary.entries != Some((asked.entries.len() - omitted) as u64) {
                return Err(String::from("entries are missing"));
            }
            if sound {
                check_listing(&disk.lock(), oracle, &asked.entries, omitted, bits_are_known)?;
            }
        }
        _ => {}
    }
    if let (Some(data), Ok(summary)) = (&asked.data, result) {
        check_figures(summary.size, summary.checksum, data)?;
    }
    if let Some(op) = asked.op.as_ref().filter(|_| sound) {
        check_change(oracle, (at, op), asked, result, plan.durable)?;
        if asked.data.is_some() && result.is_ok() {
            check_stored(&disk.lock(), asked)?;
        }
    }
    Ok(())
}

/// What an honest server lists exists, or existed.
fn check_listing(
    disk: &Disk,
    oracle: &Oracle,
    entries: &[Entry],
    omitted: usize,
    bits_are_known: bool,
) -> Result<(), String> {
    let mut locked = 0;
    for entry in entries {
        match entry {
            Entry::File { path, size, executable, .. } => {
                let fits = |data: &[u8]| {
                    data.len() as u64 == *size
                        && (!bits_are_known || disk.is_executable(data) == *executable)
                };
                if !oracle.had(path, &Since::default(), None, fits) {
                    return Err(format!("{path:?} was never as it is listed"));
                }
            }
            Entry::Directory { path, error, .. } if path.as_str() == LOCKED => {
                locked += usize::from(*error == Some(ErrorCode::Denied));
            }
            Entry::Directory { path, error, .. } => {
                let was_there = |state| state == State::Directory;
                if error.is_some() || !oracle.states(path, &Since::default()).any(was_there) {
                    return Err(format!("{path:?} was never the directory that is listed"));
                }
            }
            Entry::Omitted { .. } => {}
        }
    }
    if (locked, omitted) == (usize::from(disk.oddities), usize::from(disk.oddities)) {
        return Ok(());
    }
    Err(String::from("what a listing leaves out is not told"))
}

/// The stored file is executable if the one that was sent is.
fn check_stored(disk: &Disk, asked: &Asked) -> Result<(), String> {
    let Some(data) = &asked.data else { return Ok(()) };
    let executable = disk.is_executable(data);
    let fits = |inode: &Inode| inode.data == *data && inode.executable == executable;
    // Meanwhile another program may have changed it.
    if disk.inodes.iter().any(|inode| fits(inode) || inode.changes > 0) {
        return Ok(());
    }
    Err(String::from("it is stored with another executable bit"))
}

/// Replies come in the order of their commands.
fn check_order(
    connection: &mut Connection,
    id: RequestId,
    result: &Result<Summary, Failure>,
) -> Result<(), String> {
    let replied = match result {
        Ok(_) => true,
        Err(Failure::Refused(refusal)) => refusal.code().is_some_and(|code| !code.closes()),
        Err(_) => false,
    };
    // If the line of a listing was damaged, the client asks again without its option, after the requests that it made
    // meanwhile.
    let again = connection.flipped
        && matches!(&connection.client.actor, Actor::Client(client)
            if client.request(id).is_some_and(|asked| matches!(asked.what, What::List { .. })));
    if replied && !again {
        if id.0 <= connection.answered {
            return Err(format!("it is answered after request {}", connection.answered));
        }
        connection.answered = id.0;
    }
    Ok(())
}

/// With an honest server, some failures need a fault.
fn check_failure(
    result: &Result<Summary, Failure>,
    touched: bool,
    flipped: bool,
) -> Result<(), String> {
    let Err(failure) = result else { return Ok(()) };
    let excused = match failure {
        Failure::Violation(_) | Failure::Corrupted => flipped,
        Failure::NoGreeting | Failure::TimedOut | Failure::Disconnected => touched,
        Failure::Refused(refusal) => match refusal.code() {
            Some(
                ErrorCode::BadName
                | ErrorCode::UnknownCommand
                | ErrorCode::SizeMismatch
                | ErrorCode::ChecksumMismatch,
            )
            | None => flipped,
            // A line that a half-close cuts is a violation.
            Some(code) => touched || !code.closes(),
        },
        _ => true,
    };
    if excused { Ok(()) } else { Err(format!("{failure:?} for no reason")) }
}

fn check_figures(
    length: Option<u64>,
    checksum: Option<Checksum>,
    data: &[u8],
) -> Result<(), String> {
    if length == Some(data.len() as u64) && checksum == Some(Checksum::of(data)) {
        Ok(())
    } else {
        Err(String::from("success, and the figures are not those of the bytes"))
    }
}

/// A client received bytes of a file that were there since it asked for them, under the version that it was told.
fn check_fetched(oracle: &Oracle, asked: &Asked, got: &[u8], flipped: bool) -> Result<(), String> {
    let What::Download { name, offset, length, .. } = &asked.what else { return Ok(()) };
    let is_it = |whole: &[u8]| range(whole, *offset, *length) == Some(got);
    // Without its line the request may have been for anything.
    if flipped && oracle.ever_had(|whole| whole.windows(got.len().max(1)).any(|part| part == got)) {
        return Ok(());
    }
    if !flipped && asked.announced.is_none() {
        return Err(format!("{name:?} was fetched without a version"));
    }
    if !flipped && asked.if_match.is_some() && asked.if_match != asked.announced {
        return Err(format!("{name:?} was fetched in another version than was asked for"));
    }
    if got.is_empty() || oracle.had(&path(name), &asked.since, asked.announced, is_it) {
        return Ok(());
    }
    Err(format!("{name:?} was fetched with bytes of no whole version"))
}

/// The bytes of a range; `None` if it begins past the end.
fn range(whole: &[u8], offset: u64, length: Option<u64>) -> Option<&[u8]> {
    let [offset, length] = [offset, length.unwrap_or(u64::MAX)]
        .map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    whole.get(offset..whole.len().min(offset.saturating_add(length)))
}

/// The server told the checksum of what the file had at one moment.
fn check_checksum(oracle: &Oracle, asked: &Asked, summary: &Summary) -> Result<(), String> {
    let What::Checksum { name, offset, length, .. } = &asked.what else { return Ok(()) };
    if asked.if_match.is_some() && asked.if_match != summary.version {
        return Err(format!("{name:?} was read in another version than was asked for"));
    }
    let is_it = |whole: &[u8]| {
        range(whole, *offset, *length).is_some_and(|range| {
            summary.size == Some(whole.len() as u64)
                && check_figures(summary.length, summary.checksum, range).is_ok()
        })
    };
    if summary.version.is_some() && oracle.had(&path(name), &asked.since, summary.version, is_it) {
        return Ok(());
    }
    Err(format!("{name:?} never had this checksum"))
}

/// A change was made as its reply says, once or not at all.
fn check_change(
    oracle: &mut Oracle,
    (session, op): (usize, &Op),
    asked: &Asked,
    result: &Result<Summary, Failure>,
    durable: bool,
) -> Result<(), String> {
    match result {
        Ok(summary) => {
            let after = oracle.receipt(session, op, asked.if_match, summary.version, durable)?;
            if !matches!(op, Op::Upload { .. } | Op::Copy { .. }) {
                return Ok(());
            }
            let (content, version) = after.ok_or("what was published is no file")?;
            if summary.version != Some(version) {
                return Err(format!("{op} has the version {version}, and another one was told"));
            }
            check_figures(summary.size, summary.checksum, oracle.data(content))
        }
        Err(Failure::Refused(refusal)) if refusal.code() == Some(ErrorCode::OutcomeUnknown) => {
            oracle.receipt(session, op, asked.if_match, None, false).map(drop)
        }
        Err(Failure::Refused(_) | Failure::Local(_)) => oracle.void(session, op),
        // Other changes may be made though the client does not wait for their reply any more.
        Err(Failure::Cancelled) if asked.data.is_some() => oracle.void(session, op),
        Err(_) => {
            oracle.give_up(session, op);
            Ok(())
        }
    }
}
