//! Limits the number of sessions.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The limits on sessions: a total, and a number for each address.
#[derive(Debug)]
pub(crate) struct Limiter {
    most: usize,
    most_per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    /// When a client was last refused because of the total.
    refused: Option<Duration>,
    /// Contains only addresses with sessions, so its length is at most `total`.
    by_address: HashMap<IpAddr, Here>,
}

#[derive(Debug, Default)]
struct Here {
    count: usize,
    /// When a client from this address was last refused because of the limit for the address.
    refused: Option<Duration>,
}

impl Limiter {
    /// A limit for the total and one for each address.
    pub(crate) fn new(most: usize, most_per_address: usize) -> Self {
        Self { most, most_per_address, taken: Mutex::default() }
    }

    /// Takes a permit for a session from `address`, if one is left. `now` is from any clock that never goes back.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr, now: Duration) -> Option<Permit> {
        let address = counted_as(address);
        let mut taken = self.lock();
        if taken.total >= self.most {
            taken.refused = Some(now);
            return None;
        }
        let here = taken.by_address.get_mut(&address);
        if here.as_ref().map_or(0, |here| here.count) >= self.most_per_address {
            if let Some(here) = here {
                here.refused = Some(now);
            }
            return None;
        }
        taken.by_address.entry(address).or_default().count += 1;
        taken.total += 1;
        Some(Permit { limiter: Arc::clone(self), address })
    }

    /// The number of sessions.
    pub(crate) fn taken(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing panics while the lock is held, so the state is consistent.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key by which the clients of `address` are counted. One host has at least a whole /64 of IPv6 addresses.
pub(super) fn counted_as(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// A permit for a session, returned when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: Arc<Limiter>,
    address: IpAddr,
}

impl Permit {
    /// Whether others may need this place: fewer than a quarter of all places are free, or none of this address, or a
    /// client was refused within `lately`. A client that is alone keeps nobody waiting until then.
    pub(crate) fn is_scarce(&self, now: Duration, lately: Duration) -> bool {
        let Limiter { most, most_per_address, .. } = *self.limiter;
        let lately = |refused: Option<Duration>| {
            refused.is_some_and(|refused| now < refused.saturating_add(lately))
        };
        let taken = self.limiter.lock();
        let few_left = taken.total > 1 && (most - taken.total).saturating_mul(4) < most;
        few_left
            || lately(taken.refused)
            || taken.by_address.get(&self.address).is_some_and(|here| {
                (here.count > 1 && here.count >= most_per_address) || lately(here.refused)
            })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.limiter.lock();
        taken.total -= 1;
        if let Some(here) = taken.by_address.get_mut(&self.address) {
            here.count -= 1;
            if here.count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    const START: Duration = Duration::ZERO;
    const LATELY: Duration = Duration::from_mins(1);

    fn limiter(most: usize, most_per_address: usize) -> Arc<Limiter> {
        Arc::new(Limiter::new(most, most_per_address))
    }

    #[test]
    fn places_are_counted_in_all_and_for_each_address() {
        let limiter = limiter(3, 2);
        let first = limiter.take(HERE, START).unwrap();
        let _second = limiter.take(HERE, START).unwrap();
        assert!(limiter.take(HERE, START).is_none());
        let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
        assert!(limiter.take(mapped, START).is_none());
        let _third = limiter.take(THERE, START).unwrap();
        assert!(limiter.take(THERE, START).is_none());
        drop(first);
        assert!(limiter.take(THERE, START).is_some());
        assert_eq!(limiter.taken(), 2);
    }

    #[test]
    fn ipv6_is_counted_by_the_network_of_a_host() {
        let limiter = limiter(9, 2);
        let from = |address: &str| limiter.take(address.parse().unwrap(), START);
        let _two = [from("2001:db8::1").unwrap(), from("2001:db8::ffff:0:0:2").unwrap()];
        assert!(from("2001:db8::3").is_none());
        assert!(from("2001:db8:0:1::1").is_some());
        assert_eq!(limiter.lock().by_address.len(), 1);
    }

    #[test]
    fn nothing_is_remembered_of_an_address_without_sessions() {
        let limiter = limiter(3, 2);
        drop(limiter.take(HERE, START));
        assert!(limiter.lock().by_address.is_empty());
    }

    #[test]
    fn places_are_scarce_when_few_are_left() {
        let limiter = limiter(8, 8);
        let taken: Vec<_> = (0..6).map(|_| limiter.take(HERE, START).unwrap()).collect();
        assert!(!taken[0].is_scarce(START, LATELY), "a quarter is free");
        let seventh = limiter.take(THERE, START).unwrap();
        assert!(taken[0].is_scarce(START, LATELY) && seventh.is_scarce(START, LATELY));
        drop(seventh);
        assert!(!taken[0].is_scarce(START, LATELY));
    }

    #[test]
    fn places_of_an_address_are_scarce_when_it_has_no_more() {
        let limiter = limiter(100, 2);
        let first = limiter.take(HERE, START).unwrap();
        let other = limiter.take(THERE, START).unwrap();
        assert!(!first.is_scarce(START, LATELY));
        let _second = limiter.take(HERE, START).unwrap();
        assert!(first.is_scarce(START, LATELY) && !other.is_scarce(START, LATELY));
    }

    #[test]
    fn who_is_alone_has_its_place_until_somebody_is_refused() {
        for (most, most_per_address) in [(1, 1), (9, 1)] {
            let limiter = limiter(most, most_per_address);
            let alone = limiter.take(HERE, START).unwrap();
            assert!(!alone.is_scarce(START, LATELY));
            let refused = Duration::from_secs(9);
            assert!(limiter.take(HERE, refused).is_none());
            assert!(alone.is_scarce(refused + LATELY / 2, LATELY));
            assert!(!alone.is_scarce(refused + LATELY, LATELY));
        }
    }
}
