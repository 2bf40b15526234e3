//! A slow network: 50 ms and 1 Gbit/s each way.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use haul_program_tests::proxy::{Plan, Proxy};

use super::{Row, small};
use crate::Result;
use crate::contender::{At, Contender, Kind, Moved, Transfers};
use crate::haul::Sync;
use crate::peers::Peer::{Nginx, Rsyncd};
use crate::rig::Rig;

const DELAY: Duration = Duration::from_millis(50);
const RATE: u64 = 125_000_000;
const NOTE: &str = "The files went through a proxy that holds every byte for 50 ms each way, so a round trip is 100 ms, and passes 125 MB/s each way. The proxy ends TCP on either side, so the figures compare how the protocols wait and not the windows of TCP.";

/// Starts the proxy of a server.
fn far(at: At, proxies: &mut Vec<Proxy>) -> Result<At> {
    let near = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let plan = Plan::default().delayed(DELAY).limited(RATE);
    let proxy = Proxy::start(near(0), near(at.port), move |_| plan.clone())?;
    let port = proxy.address().port();
    proxies.push(proxy);
    Ok(At { port, ..at })
}

pub(crate) fn down(rig: &Rig) -> Result<Row<'_>> {
    let lines = [
        "get slow -o $TO",
        "curl -sSf -o $TO http://127.0.0.1:$PORT/slow",
        "rsync -W --inplace rsync://127.0.0.1:$PORT/share/slow $TO",
    ];
    bulk(rig, "slow-down", "down", rig.place.down("slow"), lines)
}

pub(crate) fn up(rig: &Rig) -> Result<Row<'_>> {
    let lines = [
        "put $FROM --as up/slow",
        "curl -sSf -H Expect: -T $FROM http://127.0.0.1:$PORT/up/slow",
        "rsync -W --inplace $FROM rsync://127.0.0.1:$PORT/share/up/slow",
    ];
    bulk(rig, "slow-up", "up", rig.place.shared("up/slow"), lines)
}

/// One big file over one connection.
fn bulk<'a>(
    rig: &'a Rig,
    id: &'static str,
    way: &str,
    to: PathBuf,
    [haul, nginx, rsyncd]: [&str; 3],
) -> Result<Row<'a>> {
    let length = rig.sizes.slow;
    let from = rig.place.file("slow", length)?;
    let transfers = Transfers { rig, moved: Moved::Bytes(length), from, to };
    let mut proxies = Vec::new();
    let mut contenders = moved(&transfers, haul, &mut proxies)?;
    for (peer, name, line) in [(Nginx, "nginx + curl", nginx), (Rsyncd, "rsyncd", rsyncd)] {
        if let Some(at) = rig.peer(peer) {
            let at = far(at, &mut proxies)?;
            contenders.push(transfers.contender(name, Kind::Peer, Some(at), line));
        }
    }
    let title = format!("One file of {} MiB, {way}, 50 ms away", length >> 20);
    Ok(Row { id, title, note: NOTE.into(), contenders, proxies })
}

pub(crate) fn small(rig: &Rig) -> Result<Row<'_>> {
    let count = rig.sizes.few;
    let transfers = Transfers {
        rig,
        moved: Moved::Files,
        from: rig.place.small_files("few", count)?,
        to: rig.place.down("few"),
    };
    let mut proxies = Vec::new();
    let mut contenders = moved(&transfers, "get -r few -o $TO", &mut proxies)?;
    if let Some(at) = rig.peer(Rsyncd) {
        let at = far(at, &mut proxies)?;
        let line = "rsync -r -W --inplace rsync://127.0.0.1:$PORT/share/few/ $TO";
        contenders.push(transfers.contender("rsyncd", Kind::Peer, Some(at), line));
    }
    if let Some(at) = rig.peer(Nginx) {
        let at = far(at, &mut proxies)?;
        contenders.push(small::curl_down(&transfers, "few", at)?);
    }
    let title = format!("{count} files of 4 KiB, down, 50 ms away");
    Ok(Row { id: "slow-small", title, note: NOTE.into(), contenders, proxies })
}

/// Haul's programs over the slow network.
fn moved<'a>(
    transfers: &Transfers<'a>,
    rest: &str,
    proxies: &mut Vec<Proxy>,
) -> Result<Vec<Contender<'a>>> {
    let hauls = transfers.rig.hauls(Sync::None);
    hauls.map(|haul| Ok(transfers.haul(haul, far(haul.at(), proxies)?, rest))).collect()
}
