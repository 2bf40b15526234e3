//! Limits the number of clients whose handshake is not complete.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::net::{Shutdown, shutdown};

use crate::server::limiter::counted_as;

/// The places of clients whose handshake is not complete. A client always gets one: if none is free, from the address
/// that has the most of them. So clients that never complete a handshake only keep out each other.
#[derive(Debug)]
pub(crate) struct HandshakePlaces {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// The number of places so far.
    count: u64,
    /// In the order in which they were taken.
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    number: u64,
    address: IpAddr,
    socket: Arc<OwnedFd>,
}

impl HandshakePlaces {
    /// At most `most` places.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// Takes a place for the client at the other end of `socket`. If there is none, another handshake is ended: its
    /// socket is shut down.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr, socket: &Arc<OwnedFd>) -> HandshakePlace {
        let (address, socket) = (counted_as(address), Arc::clone(socket));
        let number = self.with(|Taken { count, places }| {
            if places.len() >= self.most
                && let Some(at) = oldest_of_the_most(places)
            {
                // It may be gone already.
                let _ = shutdown(&places.remove(at).socket, Shutdown::Both);
            }
            *count += 1;
            places.push(Place { number: *count, address, socket });
            *count
        });
        HandshakePlace { places: Arc::clone(self), number }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Taken) -> T) -> T {
        // Nothing panics while the lock is held, so the state is consistent.
        look(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The oldest place of the address that has the most of them.
fn oldest_of_the_most(places: &[Place]) -> Option<usize> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for place in places {
        *counts.entry(place.address).or_default() += 1;
    }
    let most = counts.values().max()?;
    places.iter().position(|place| counts[&place.address] == *most)
}

/// A place, which becomes free when this is dropped.
#[derive(Debug)]
pub(crate) struct HandshakePlace {
    places: Arc<HandshakePlaces>,
    number: u64,
}

impl Drop for HandshakePlace {
    fn drop(&mut self) {
        // Another client may have taken it.
        self.places.with(|taken| taken.places.retain(|place| place.number != self.number));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    /// The two ends of a connection.
    fn connection() -> (Arc<OwnedFd>, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nonblocking(true).unwrap();
        (Arc::new(listener.accept().unwrap().0.into()), client)
    }

    fn is_ended(mut client: &TcpStream) -> bool {
        matches!(client.read(&mut [0]), Ok(0))
    }

    #[test]
    fn the_oldest_handshake_of_the_address_with_the_most_is_ended() {
        let [few, many] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        let places = Arc::new(HandshakePlaces::new(3));
        let connections: Vec<_> = (0..5).map(|_| connection()).collect();
        let mut taken: Vec<_> = [few, many, many, many, few]
            .into_iter()
            .zip(&connections)
            .map(|(address, (socket, _))| places.take(address, socket))
            .collect();
        let ended = || connections.iter().map(|(_, client)| is_ended(client)).collect::<Vec<_>>();
        assert_eq!(ended(), [false, true, true, false, false]);
        // Whoever was ended has no place to return.
        taken.drain(1..3);
        assert_eq!(places.with(|taken| taken.places.len()), 3);
        drop(taken.remove(0));
        let _another = places.take(few, &connections[0].0);
        assert_eq!(ended(), [false, true, true, false, false]);
    }
}
