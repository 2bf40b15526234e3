//! How many sessions there are, and how many there may be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places for sessions: so many in all, and so many for each address.
#[derive(Debug)]
pub struct Slots {
    most: usize,
    most_per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    /// Only addresses that have one, so it is no longer than `total`.
    by_address: HashMap<IpAddr, usize>,
}

impl Slots {
    /// So many places in all, and so many for each address.
    pub fn new(most: usize, most_per_address: usize) -> Self {
        Self { most, most_per_address, taken: Mutex::default() }
    }

    /// Takes a place for a session from `address`, if there is one.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let address = address.to_canonical();
        let mut taken = self.lock();
        let here = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.total >= self.most || here >= self.most_per_address {
            return None;
        }
        taken.total += 1;
        taken.by_address.insert(address, here + 1);
        Some(Slot { slots: Arc::clone(self), address })
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing panics while it is held, so what is in it is right.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for a session, given back when it is dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    address: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        taken.total -= 1;
        if let Some(here) = taken.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn slots() -> Arc<Slots> {
        Arc::new(Slots::new(3, 2))
    }

    #[test]
    fn places_are_counted_in_all_and_for_each_address() {
        let slots = slots();
        let first = slots.take(HERE).unwrap();
        let _second = slots.take(HERE).unwrap();
        assert!(slots.take(HERE).is_none());
        assert!(slots.take(IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped())).is_none());
        let _third = slots.take(THERE).unwrap();
        assert!(slots.take(THERE).is_none());
        drop(first);
        assert!(slots.take(THERE).is_some());
        assert_eq!(slots.taken(), 2);
    }

    #[test]
    fn nothing_is_remembered_of_an_address_without_sessions() {
        let slots = slots();
        drop(slots.take(HERE));
        assert!(slots.lock().by_address.is_empty());
    }
}
