//! Resolves names to addresses, orders them for a client, and listens on them for a server.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use crate::connect_error::{ConnectError, Unreached};
use crate::tcp::listen;

/// How long to wait for an address before the next one is tried in parallel, as RFC 8305 recommends.
pub(crate) const HEAD_START: Duration = Duration::from_millis(250);
/// How often to look for a port that is free on all addresses of a name.
const PORTS_TRIED: usize = 16;

/// Resolves the addresses of a server, in the order in which a client tries them: that of the system, but with
/// alternating families, so that a broken family costs one head start.
pub(crate) fn resolve(name: impl ToSocketAddrs) -> Result<Vec<SocketAddr>, ConnectError> {
    let addresses = name.to_socket_addrs().map_err(ConnectError::Unknown)?;
    let addresses = interleave_families(addresses);
    if addresses.is_empty() {
        return Err(ConnectError::Unknown(no_address()));
    }
    Ok(addresses)
}

fn interleave_families(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    let first_is_ipv6 = all.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|address| address.is_ipv6() == first_is_ipv6);
    let mut turns = [first.into_iter(), second.into_iter()];
    let mut ordered = Vec::new();
    loop {
        let turn = turns.each_mut().map(Iterator::next);
        if turn == [None, None] {
            return ordered;
        }
        ordered.extend(turn.into_iter().flatten());
    }
}

/// Fails for a link-local address without an interface. The system would only report that it is invalid.
pub(crate) fn check_zone(address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 => {
            let text = "a link-local address needs its interface, such as fe80::1%eth0";
            Err(io::Error::new(ErrorKind::InvalidInput, text))
        }
        _ => Ok(()),
    }
}

fn no_address() -> io::Error {
    io::Error::new(ErrorKind::NotFound, "the name has no address")
}

/// The error of a connection that nobody answered.
pub(crate) fn no_answer() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no answer in time")
}

/// Listens on every address of each of `names`. Port 0 picks one, the same for all addresses of a name. Each listener
/// comes with what stands beside its name.
///
/// An address that this machine does not have, such as one of a disabled family, is skipped if the name has another.
/// An address that stands beside the same twice is used once.
///
/// # Errors
/// The first address that cannot be used, as [`Unreached`].
pub(crate) fn listen_on<T: PartialEq + Clone>(
    names: impl IntoIterator<Item = (impl ToSocketAddrs, T)>,
) -> io::Result<Vec<(TcpListener, T)>> {
    let mut names: Vec<(Vec<SocketAddr>, T)> = names
        .into_iter()
        .map(|(name, beside)| Ok((interleave_families(name.to_socket_addrs()?), beside)))
        .collect::<io::Result<_>>()?;
    let mut seen: Vec<(SocketAddr, T)> = Vec::new();
    for (addresses, beside) in &mut names {
        addresses.retain(|address| {
            let entry = (*address, beside.clone());
            let new = address.port() == 0 || !seen.contains(&entry);
            seen.push(entry);
            new
        });
    }
    let all: Vec<_> = seen.into_iter().map(|(address, _)| address).collect();
    let mut listeners = Vec::new();
    for (addresses, beside) in names.into_iter().filter(|(addresses, _)| !addresses.is_empty()) {
        listeners
            .extend(listen_on_all(&addresses, &all)?.into_iter().map(|it| (it, beside.clone())));
    }
    if listeners.is_empty() {
        return Err(no_address());
    }
    Ok(listeners)
}

/// Listens on the addresses of one name. `all` are the addresses of all names.
fn listen_on_all(addresses: &[SocketAddr], all: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut tries = 1..PORTS_TRIED;
    loop {
        let mut listeners: Vec<TcpListener> = Vec::new();
        let mut missing = None;
        let mut taken = None;
        for address in addresses {
            let mut at = *address;
            if let (0, Some(first)) = (at.port(), listeners.first()) {
                at.set_port(first.local_addr()?.port());
            }
            // A listener for IPv6 would also take IPv4, and then the one for IPv4 would fail.
            let beside_ipv4 =
                all.iter().any(|other| other.is_ipv4() && other.port() == address.port());
            let listening = check_zone(at).and_then(|()| listen(at, at.is_ipv6() && beside_ipv4));
            match listening {
                Ok(listener) => listeners.push(listener),
                Err(error) if is_not_here(&error) => {
                    missing = Some(Unreached { address: at, error });
                }
                Err(error) => {
                    taken = Some(Unreached { address: at, error });
                    break;
                }
            }
        }
        let failure = match taken {
            // This process chose the port: another one may be free on all addresses.
            Some(Unreached { error, .. })
                if error.kind() == ErrorKind::AddrInUse
                    && addresses.iter().all(|address| address.port() == 0)
                    && tries.next().is_some() =>
            {
                continue;
            }
            Some(taken) => taken,
            None if !listeners.is_empty() => return Ok(listeners),
            None => missing.ok_or_else(no_address)?,
        };
        return Err(io::Error::new(failure.error.kind(), failure));
    }
}

/// Whether this machine has no such address.
fn is_not_here(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_are_tried_by_turns() {
        let given = addresses(&[
            "[2001:db8::1]:1",
            "[2001:db8::2]:1",
            "[2001:db8::2]:1",
            "192.0.2.1:1",
            "192.0.2.2:1",
            "192.0.2.3:1",
        ]);
        let ordered = addresses(&[
            "[2001:db8::1]:1",
            "192.0.2.1:1",
            "[2001:db8::2]:1",
            "192.0.2.2:1",
            "192.0.2.3:1",
        ]);
        assert_eq!(interleave_families(given.into_iter()), ordered);
    }

    #[test]
    fn a_link_local_address_without_its_interface_says_so() {
        let [without, with, other] =
            addresses(&["[fe80::1]:4285", "[fe80::1%7]:4285", "[::1]:4285"])[..]
        else {
            unreachable!()
        };
        assert!(check_zone(without).unwrap_err().to_string().contains("%eth0"));
        assert!(check_zone(with).is_ok() && check_zone(other).is_ok());
        let error = listen_on([(without, ())]).unwrap_err();
        assert!(error.to_string().starts_with("[fe80::1]:4285: a link-local"), "{error}");
    }

    #[test]
    fn all_addresses_of_a_name_have_one_port() {
        let name = [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
        let listeners = listen_on([(&name[..], ())]).unwrap();
        let addresses: Vec<_> = listeners.iter().map(|(l, ())| l.local_addr().unwrap()).collect();
        let ports: Vec<_> = addresses.iter().map(SocketAddr::port).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
        assert!(matches!(ports.len(), 1 | 2), "IPv6 may be off");
        let taken = listen_on([(addresses[0], ())]).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        let unreached = taken.get_ref().unwrap().downcast_ref::<Unreached>().unwrap();
        assert_eq!(unreached.address, addresses[0]);
    }

    /// An address cannot be used for two things, and is not used for one of them silently.
    #[test]
    fn an_address_is_used_twice_only_for_the_same() {
        let free = listen_on([((Ipv4Addr::LOCALHOST, 0), ())]).unwrap();
        let address = free[0].0.local_addr().unwrap();
        drop(free);
        assert_eq!(listen_on([(address, 1), (address, 1)]).unwrap().len(), 1);
        let taken = listen_on([(address, 1), (address, 2)]).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    }

    #[test]
    fn everything_can_be_listened_on_in_both_families() {
        let both: [SocketAddr; 2] =
            [(Ipv6Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::UNSPECIFIED, 0).into()];
        assert!(listen_on([(&both[..], ())]).is_ok());
    }
}
