//! Penalties for addresses from which others guess.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use haul_core::account::UserName;

/// How many failures cost nothing.
const FREE_FAILURES: u32 = 5;
const FIRST_PENALTY: Duration = Duration::from_secs(2);
const LONGEST_PENALTY: Duration = Duration::from_mins(10);
/// A failure counts for so long.
const MEMORY: Duration = Duration::from_hours(1);
/// An entry takes some 50 bytes.
const MAX_ENTRIES: usize = 10_000;

/// Penalties for addresses from which attempts fail again and again: after five failures an address is refused for two
/// seconds, and for twice as long after each further one, up to ten minutes.
///
/// An IPv4 address counts for itself; an IPv6 address for its /64, which is what one customer gets at least ([RFC
/// 6177]); an IPv4-mapped one as IPv4. A loopback address is like others. A success of the user whom all failures were
/// for, or an hour without a failure, clears it. At most 10,000 addresses are remembered; the one that failed longest ago is forgotten first.
///
/// A server asks before it greets, and again before each attempt: connections that were opened before the first failure
/// would otherwise escape. Times are durations since any fixed moment.
///
/// ```
/// use std::net::Ipv4Addr;
/// use std::time::Duration;
///
/// use haul_accounts::Penalties;
/// use haul_core::account::UserName;
///
/// let alice = UserName::parse("alice").unwrap();
/// let (penalties, address) = (Penalties::default(), Ipv4Addr::new(192, 0, 2, 1).into());
/// for second in 1..=5 {
///     assert_eq!(penalties.check(address, Duration::from_secs(second)), None);
///     penalties.failed(address, &alice, Duration::from_secs(second));
/// }
/// assert_eq!(penalties.check(address, Duration::from_secs(5)), Some(2));
/// assert_eq!(penalties.check(address, Duration::from_secs(7)), None);
/// ```
///
/// [RFC 6177]: https://www.rfc-editor.org/rfc/rfc6177#section-2
#[derive(Debug, Default)]
pub struct Penalties {
    networks: Mutex<HashMap<Network, Failures>>,
}

/// Those who count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

#[derive(Debug, Clone)]
struct Failures {
    count: u32,
    last: Duration,
    /// The user whom all of them were for; `None` if they were for several.
    user: Option<UserName>,
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(prefix(address)),
        }
    }
}

fn prefix(address: Ipv6Addr) -> [u16; 4] {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d]
}

impl Failures {
    /// How long after the last failure the address is refused.
    fn penalty(&self) -> Duration {
        let doublings = self.count.checked_sub(FREE_FAILURES);
        doublings.map_or(Duration::ZERO, |doublings| {
            let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
            FIRST_PENALTY.saturating_mul(factor).min(LONGEST_PENALTY)
        })
    }

    fn is_forgotten(&self, now: Duration) -> bool {
        now.saturating_sub(self.last) >= MEMORY
    }
}

impl Penalties {
    /// In how many seconds the address may try again, rounded up; `None` if it may now.
    pub fn check(&self, address: IpAddr, now: Duration) -> Option<u64> {
        let networks = self.networks();
        let failures = networks.get(&Network::of(address))?;
        let left = (failures.last + failures.penalty()).saturating_sub(now);
        (!left.is_zero()).then(|| left.as_secs() + u64::from(left.subsec_nanos() > 0))
    }

    /// Counts a failed attempt to be `user`.
    pub fn failed(&self, address: IpAddr, user: &UserName, now: Duration) {
        let network = Network::of(address);
        let mut networks = self.networks();
        if let Some(failures) =
            networks.get_mut(&network).filter(|failures| !failures.is_forgotten(now))
        {
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
            failures.user = failures.user.take().filter(|before| before == user);
            return;
        }
        if networks.len() >= MAX_ENTRIES {
            networks.retain(|_, failures| !failures.is_forgotten(now));
        }
        if networks.len() >= MAX_ENTRIES {
            let oldest = networks.iter().min_by_key(|(_, failures)| failures.last);
            if let Some(oldest) = oldest.map(|(network, _)| *network) {
                networks.remove(&oldest);
            }
        }
        networks.insert(network, Failures { count: 1, last: now, user: Some(user.clone()) });
    }

    /// `user` was identified at the address: forgets its failures if all of them were for this user. Otherwise somebody
    /// with an account could guess the passwords of others without end.
    pub fn succeeded(&self, address: IpAddr, user: &UserName) {
        let (network, mut networks) = (Network::of(address), self.networks());
        if networks.get(&network).is_some_and(|failures| failures.user.as_ref() == Some(user)) {
            networks.remove(&network);
        }
    }

    fn networks(&self) -> MutexGuard<'_, HashMap<Network, Failures>> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fail(penalties: &Penalties, address: &str, times: usize) {
        for _ in 0..times {
            penalties.failed(address.parse().unwrap(), &user("alice"), seconds(9));
        }
    }

    fn retry_after(penalties: &Penalties, address: &str) -> Option<u64> {
        penalties.check(address.parse().unwrap(), seconds(9))
    }

    #[test]
    fn a_penalty_doubles_up_to_ten_minutes() {
        let penalties = Penalties::default();
        let after: Vec<_> = (0..70)
            .map(|_| {
                penalties.failed(ONE, &user("alice"), seconds(9));
                penalties.check(ONE, seconds(9)).unwrap_or(0)
            })
            .collect();
        assert_eq!(after[..15], [0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert!(after[15..].iter().all(|after| *after == 600));
    }

    #[test]
    fn a_penalty_ends_and_a_part_of_a_second_is_one() {
        let penalties = Penalties::default();
        fail(&penalties, "192.0.2.1", 5);
        assert_eq!(penalties.check(ONE, Duration::from_millis(10_999)), Some(1));
        assert_eq!(penalties.check(ONE, seconds(11)), None);
        penalties.failed(ONE, &user("alice"), seconds(11));
        assert_eq!(penalties.check(ONE, seconds(11)), Some(4));
    }

    #[test]
    fn failures_are_forgotten_after_a_success_or_an_hour() {
        let penalties = Penalties::default();
        fail(&penalties, "192.0.2.1", 8);
        penalties.succeeded(ONE, &user("alice"));
        fail(&penalties, "192.0.2.1", 4);
        assert_eq!(retry_after(&penalties, "192.0.2.1"), None);

        penalties.failed(ONE, &user("alice"), seconds(9 + 3600));
        assert_eq!(penalties.check(ONE, seconds(9 + 3600)), None);
        for _ in 0..4 {
            penalties.failed(ONE, &user("alice"), seconds(8 + 7200));
        }
        assert_eq!(penalties.check(ONE, seconds(8 + 7200)), Some(2));
    }

    #[test]
    fn a_success_does_not_pay_for_guesses_at_others() {
        let penalties = Penalties::default();
        fail(&penalties, "192.0.2.1", 8);
        penalties.succeeded(ONE, &user("bob"));
        assert_eq!(retry_after(&penalties, "192.0.2.1"), Some(16));
        // Failures of one's own do not help either.
        penalties.failed(ONE, &user("bob"), seconds(9));
        penalties.succeeded(ONE, &user("bob"));
        penalties.succeeded(ONE, &user("alice"));
        assert_eq!(retry_after(&penalties, "192.0.2.1"), Some(32));
    }

    #[test]
    fn guesses_from_all_of_a_64_are_one_penalty_and_others_get_in() {
        let penalties = Penalties::default();
        for address in
            ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1", "2001:db8:0:0:8000::", "2001:db8::1"]
        {
            fail(&penalties, address, 1);
        }
        assert_eq!(retry_after(&penalties, "2001:db8::3"), Some(2));
        assert_eq!(retry_after(&penalties, "2001:db8:0:1::1"), None);
        assert_eq!(retry_after(&penalties, "192.0.2.1"), None);

        fail(&penalties, "::ffff:192.0.2.7", 5);
        assert_eq!(retry_after(&penalties, "192.0.2.7"), Some(2));
        assert_eq!(retry_after(&penalties, "192.0.2.6"), None);
        fail(&penalties, "127.0.0.1", 5);
        assert_eq!(retry_after(&penalties, "127.0.0.1"), Some(2));
    }

    #[test]
    fn the_address_that_failed_longest_ago_is_forgotten_first() {
        let penalties = Penalties::default();
        let address = |n: usize| IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(n).unwrap()));
        for n in 0..MAX_ENTRIES + 10 {
            for _ in 0..5 {
                penalties.failed(address(n), &user("alice"), Duration::from_millis(n as u64));
            }
        }
        let now = Duration::from_millis(MAX_ENTRIES as u64);
        assert_eq!(penalties.networks().len(), MAX_ENTRIES);
        assert_eq!(
            penalties.networks().get(&Network::of(address(9))).map(|failures| failures.count),
            None
        );
        assert!(penalties.check(address(MAX_ENTRIES + 9), now).is_some());
        assert_eq!(
            penalties.networks().get(&Network::of(address(10))).map(|failures| failures.count),
            Some(5)
        );

        penalties.failed(ONE, &user("alice"), now + MEMORY + seconds(1));
        assert_eq!(penalties.networks().len(), 1);
    }
}
