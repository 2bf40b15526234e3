//! Fault injection.

use std::time::Duration;

use bytes::Bytes;

use crate::connection::{Actor, Connection, End};
use crate::drive::DriverState;
use crate::fault::Fault;
use crate::op::{Made, Op};
use crate::oracle::By;
use crate::world::World;

const FEW: u32 = 20;
const HOUR: Duration = Duration::from_hours(1);

impl Fault {
    /// Whether it hits a file that is being served.
    pub(super) fn waits_for_a_reader(self) -> bool {
        matches!(self, Self::FileCut | Self::FileOverwritten | Self::FileReplaced)
    }

    /// Whether it happens when its session next asks for such an effect.
    pub(super) fn waits_for_an_effect(self) -> bool {
        self >= Self::SlowStorage && !self.waits_for_a_reader()
    }
}

impl World<'_> {
    /// Injects a fault, or lets it wait for its effect. Returns whether it had a target.
    pub(super) fn inject(&mut self, session: usize, fault: Fault) -> Result<bool, String> {
        if fault.waits_for_an_effect() {
            self.disk.lock().arm(session, fault);
            return Ok(true);
        }
        let met = match fault {
            Fault::PowerCut => {
                if self.plan.durable {
                    self.cut_power()?;
                }
                return Ok(self.plan.durable);
            }
            Fault::DrainWithGrace => self.drain(Duration::from_secs(20)),
            Fault::DrainAtOnce => self.drain(Duration::ZERO),
            Fault::ClockJump => {
                self.pass(HOUR);
                true
            }
            _ if fault.waits_for_a_reader() => self.change_file(fault)?,
            _ => self.inject_into_connection(session, fault),
        };
        if met && counts_at_once(fault) {
            self.tally.note(fault);
            self.tell(|| format!("session {session}: {}", fault.name()));
        }
        Ok(met)
    }

    fn inject_into_connection(&mut self, session: usize, fault: Fault) -> bool {
        let Some(connection) = self.connections.get_mut(session).and_then(Option::as_mut) else {
            return false;
        };
        if connection.is_over() {
            return false;
        }
        let (now, random) = (self.now, &mut self.random);
        match fault {
            Fault::ShortReads => return each(connection, |driver| driver.short_reads += FEW),
            Fault::ShortWrites => return each(connection, |driver| driver.short_writes += FEW),
            Fault::WouldBlock => return each(connection, |driver| driver.would_block += FEW),
            Fault::FlipUp => {
                connection.up.flip();
                return true;
            }
            Fault::FlipDown => {
                connection.down.flip();
                return true;
            }
            Fault::Delay => {
                let pipe = if random.one_in(2) { &mut connection.up } else { &mut connection.down };
                pipe.hold(now + Duration::from_millis(random.next_u64() % 25_000));
            }
            Fault::ClientStopsWriting => connection.up.hold(now + HOUR),
            Fault::ClientStopsReading => connection.down.hold(now + HOUR),
            Fault::ClientFreezes | Fault::ServerFreezes => {
                let end = if fault == Fault::ClientFreezes { End::Client } else { End::Server };
                let endpoint = connection.endpoint(end);
                if endpoint.actor.is_gone() {
                    return false;
                }
                endpoint.frozen_until = now + Duration::from_millis(random.next_u64() % 3_600_000);
            }
            Fault::ClientReset => {
                if connection.client.actor.is_gone() {
                    return false;
                }
                connection.client.actor = Actor::Gone;
                connection.reset(random);
            }
            Fault::SessionDropped => {
                if connection.server.actor.is_gone() {
                    return false;
                }
                connection.server.actor = Actor::Gone;
                connection.reset(random);
            }
            Fault::NetworkReset => connection.reset(random),
            Fault::ClientHalfClose => connection.up.end(),
            Fault::ServerHalfClose => connection.down.end(),
            _ => return false,
        }
        connection.touched = true;
        connection.wake();
        true
    }

    /// The server shuts down. Sessions that begin later are refused.
    fn drain(&mut self, grace: Duration) -> bool {
        self.draining = true;
        let by = self.now + grace;
        let mut met = false;
        for connection in self.connections.iter_mut().flatten() {
            connection.touched = true;
            if let Actor::Server(server) = &mut connection.server.actor {
                server.shut_down(by);
                met = true;
            }
            connection.wake();
        }
        met
    }

    /// All sessions end where they are, and a server starts on what survives.
    pub(super) fn cut_power(&mut self) -> Result<(), String> {
        self.tally.note(Fault::PowerCut);
        self.tell(|| String::from("power cut"));
        self.draining = false;
        // The disk comes first, so that open files cannot clean up.
        self.disk.lock().cut_power(&mut self.random);
        for connection in self.connections.iter_mut().flatten() {
            if let Actor::Server(_) = connection.server.actor {
                connection.server.actor = Actor::Gone;
                connection.up.close_reader();
                // Bytes on their way to the client may still arrive.
                if self.random.one_in(2) {
                    connection.down.end();
                } else {
                    connection.down.reset(&mut self.random);
                }
                connection.touched = true;
                connection.wake();
            }
        }
        let mut disk = self.disk.lock();
        disk.touched = false;
        self.oracle.observe_power_cut(&disk)
    }

    /// Another program changes a file that is being served.
    fn change_file(&mut self, fault: Fault) -> Result<bool, String> {
        let mut disk = self.disk.lock();
        let Some(path) = disk.reading.last().cloned() else { return Ok(false) };
        let Some(mut data) = disk.file(&path).map(<[u8]>::to_vec) else { return Ok(false) };
        match fault {
            Fault::FileCut => data.truncate(self.random.below(data.len())),
            Fault::FileOverwritten => {
                let from = self.random.below(data.len());
                let noise = self.random.bytes(data.len() - from);
                data.splice(from.., noise);
            }
            _ => data = self.random.bytes(data.len() / 2),
        }
        let op = Op::Upload { path: path.clone(), data: Bytes::from(data.clone()) };
        if fault == Fault::FileReplaced {
            disk.place(&path, data);
        } else {
            disk.change(&path, data);
        }
        drop(disk);
        self.look_at_disk(Some((By::Program, Made { op, copied: None })))?;
        Ok(true)
    }
}

/// The other kinds are counted at each read, write or bit that they hit.
fn counts_at_once(fault: Fault) -> bool {
    !matches!(
        fault,
        Fault::ShortReads
            | Fault::ShortWrites
            | Fault::WouldBlock
            | Fault::FlipUp
            | Fault::FlipDown
    )
}

fn each(connection: &mut Connection, change: impl Fn(&mut DriverState)) -> bool {
    for end in [End::Client, End::Server] {
        match &mut connection.endpoint(end).actor {
            Actor::Client(client) => change(&mut client.driver),
            Actor::Server(server) => change(&mut server.driver),
            Actor::Hostile(_) | Actor::Gone => {}
        }
    }
    true
}
