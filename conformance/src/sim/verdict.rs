//! What a client was told, held against what is true.

use haul_core::client::Failure;
use haul_core::message::Summary;
use haul_core::{Checksum, Entry, ErrorCode, RequestId};

use super::client::{Asked, path};
use super::connection::{Actor, Connection};
use super::ledger::Ledger;
use super::plan::{Peers, What};
use super::world::World;

/// Judges how a request ended.
pub(super) fn judge(
    world: &mut World<'_>,
    at: usize,
    id: RequestId,
    result: &Result<Summary, Failure>,
) -> Result<(), String> {
    let honest = world.plan.sessions[at].peers == Peers::Honest;
    let Some(connection) = &mut world.connections[at] else { return Ok(()) };
    check_order(connection, id, result)?;
    let Connection { touched, flipped, .. } = *connection;
    let Actor::Client(client) = &connection.client.actor else { return Ok(()) };
    let Some(asked) = client.request(id) else { return Ok(()) };
    if honest {
        check_failure(result, touched, flipped)?;
    }
    let fetched = world.disk.lock().fetched.get(&(at, id)).cloned();
    let ledger = &mut world.ledger;
    match (&asked.what, result) {
        (What::Download { name, offset, length }, Ok(summary)) => {
            let got = fetched.ok_or("a download succeeded without a file")?;
            check_figures(summary.length, summary.checksum, &got)?;
            if honest {
                ledger.fetched(&path(name), *offset, *length, &asked.since, &got)?;
            }
        }
        (_, Err(failure)) if fetched.is_some() => {
            return Err(format!("{failure:?}, and the file has its name"));
        }
        (What::Upload { .. }, result) => {
            check_upload(ledger, asked, result, world.plan.durable, honest && !flipped)?;
        }
        (What::List { .. }, Ok(summary)) => {
            if summary.entries != Some(asked.entries.len() as u64) {
                return Err(String::from("entries are missing"));
            }
            for entry in &asked.entries {
                if let Entry::File { path, size, .. } = entry
                    && honest
                    && !flipped
                    && !ledger.may_list(path, *size)
                {
                    return Err(format!("{path:?} was never as it is listed"));
                }
            }
        }
        _ => {}
    }
    Ok(())
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
    if replied {
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
    ledger: &mut Ledger,
    asked: &Asked,
    result: &Result<Summary, Failure>,
    durable: bool,
    sound: bool,
) -> Result<(), String> {
    let Some((version, data)) = &asked.version else { return Ok(()) };
    match result {
        Ok(summary) => {
            check_figures(summary.size, summary.checksum, data)?;
            if sound || ledger.names_may_differ {
                ledger.receipt(*version, &asked.since, durable)?;
            }
        }
        Err(Failure::Refused(refusal))
            if sound && refusal.code() != Some(ErrorCode::OutcomeUnknown) =>
        {
            ledger.void(*version)?;
        }
        Err(Failure::Cancelled | Failure::Local(_)) if sound => ledger.void(*version)?,
        Err(_) => {}
    }
    Ok(())
}
