//! Checks what a client was told against what is true.

use haul_core::client::Failure;
use haul_core::message::Summary;
use haul_core::{Checksum, Entry, ErrorCode, RequestId};

use crate::client::Asked;
use crate::connection::{Actor, Connection};
use crate::disk::{Disk, Fetched, Inode, SharedDisk};
use crate::oracle::Oracle;
use crate::plan::{Peers, Plan, SessionPlan, What, path};
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
    if honest {
        check_failure(result, touched, flipped)?;
    }
    let fetched = disk.lock().fetched.get(&(at, id)).cloned();
    // A hostile client's file has the executable bit that it announced. A client whose line was damaged takes the
    // server for one that does not know the bit.
    let hostile = |session: &SessionPlan| session.peers == Peers::HostileClient;
    let told = !oracle.names_may_differ && !plan.sessions.iter().any(hostile);
    let bits_are_known = honest && !flipped && told;
    match (&asked.what, result) {
        (What::Download { name, offset, length }, Ok(summary)) => {
            let got = fetched.ok_or("a download succeeded without a file")?;
            let Fetched { data, executable } = got;
            check_figures(summary.length, summary.checksum, &data)?;
            if honest {
                oracle.fetched(&path(name), *offset, *length, &asked.since, &data)?;
            }
            let whole = *offset == 0 && !data.is_empty();
            if bits_are_known && whole && executable != disk.lock().is_executable(&data) {
                return Err(format!("{name:?} arrived with another executable bit"));
            }
        }
        (_, Err(failure)) if fetched.is_some() => {
            return Err(format!("{failure:?}, and the file has its name"));
        }
        (What::Upload { .. }, result) => {
            check_upload(oracle, asked, result, plan.durable, honest && !flipped)?;
            if result.is_ok() && honest && !flipped {
                check_stored(&disk.lock(), asked)?;
            }
        }
        (What::List { .. }, Ok(summary)) => {
            let left_out = |entry: &&Entry| matches!(entry, Entry::Omitted { .. });
            let omitted = asked.entries.iter().filter(left_out).count();
            if summary.entries != Some((asked.entries.len() - omitted) as u64) {
                return Err(String::from("entries are missing"));
            }
            if honest && !flipped {
                check_listing(&disk.lock(), oracle, &asked.entries, omitted, bits_are_known)?;
            }
        }
        _ => {}
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
                if !oracle.was_seen(path, fits) {
                    return Err(format!("{path:?} was never as it is listed"));
                }
            }
            Entry::Directory { path, error, .. } => {
                let told = path.as_str() == LOCKED && *error == Some(ErrorCode::Denied);
                locked += usize::from(told);
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
    let Some((_, data)) = &asked.version else { return Ok(()) };
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
                ErrorCode::BadArgument
                | ErrorCode::BadName
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

fn check_upload(
    oracle: &mut Oracle,
    asked: &Asked,
    result: &Result<Summary, Failure>,
    durable: bool,
    sound: bool,
) -> Result<(), String> {
    let Some((version, data)) = &asked.version else { return Ok(()) };
    match result {
        Ok(summary) => {
            check_figures(summary.size, summary.checksum, data)?;
            if sound || oracle.names_may_differ {
                oracle.receipt(*version, &asked.since, durable)?;
            }
        }
        Err(Failure::Refused(refusal))
            if sound && refusal.code() != Some(ErrorCode::OutcomeUnknown) =>
        {
            oracle.void(*version)?;
        }
        Err(Failure::Cancelled | Failure::Local(_)) if sound => oracle.void(*version)?,
        Err(_) => {}
    }
    Ok(())
}
