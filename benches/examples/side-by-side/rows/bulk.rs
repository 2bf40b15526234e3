//! One big file.

use super::Row;
use crate::Result;
use crate::contender::{Kind, Moved, Transfers};
use crate::data;
use crate::haul::Sync;
use crate::peers::Peer::{Dufs, Miniserve, Nginx, Rsyncd, Sshd, Vsftpd};
use crate::rig::Rig;

const PROTOTYPE: &str = "side-by-side --prototype $FROM $TO";

pub(crate) fn down(rig: &Rig) -> Result<Row<'_>> {
    let transfers = Transfers {
        rig,
        moved: Moved::Bytes(rig.sizes.big),
        from: rig.place.file("big", rig.sizes.big)?,
        to: rig.place.down("big"),
    };
    let mut contenders = transfers.hauls(Sync::None, "get big -o $TO");
    for mut contender in transfers.hauls(Sync::None, "get big -o $TO") {
        contender.name.push_str(", file new to it");
        let from = transfers.from.clone();
        contender.run = Box::new(move || {
            data::renew(&from)?;
            (contender.run)()
        });
        contenders.push(contender);
    }
    contenders.extend(transfers.peers(&[
        (Nginx, "nginx + curl", "curl -sSf -o $TO http://127.0.0.1:$PORT/big"),
        (Vsftpd, "vsftpd + curl", "curl -sSf -o $TO ftp://127.0.0.1:$PORT/big"),
        (Dufs, "dufs + curl", "curl -sSf -o $TO http://127.0.0.1:$PORT/big"),
        (Miniserve, "miniserve + curl", "curl -sSf -o $TO http://127.0.0.1:$PORT/big"),
        (Rsyncd, "rsyncd", "rsync rsync://127.0.0.1:$PORT/share/big $TO"),
        (Rsyncd, "rsyncd -W --inplace", "rsync -W --inplace rsync://127.0.0.1:$PORT/share/big $TO"),
        (Sshd, "sshd + scp", "scp -q -F $SSH peer:$FROM $TO"),
    ]));
    contenders.push(transfers.contender("prototype", Kind::Bare, None, PROTOTYPE));
    contenders.push(transfers.contender("cp", Kind::Local, None, "cp $FROM $TO"));
    Ok(Row {
        id: "down",
        title: format!("One file of {} MiB, down, into a file", rig.sizes.big >> 20),
        note: "Haul, rsync, ssh and the prototype check what arrived. Nobody syncs. Haul's servers remember the checksum of a file that does not change. A server has to read a file that is new to it.".into(),
        contenders,
        proxies: Vec::new(),
    })
}

pub(crate) fn up(rig: &Rig) -> Result<Row<'_>> {
    let transfers = to_share(rig)?;
    let mut contenders = transfers.hauls(Sync::None, "put $FROM --as up/big");
    contenders.extend(transfers.peers(&[
        (Nginx, "nginx + curl", "curl -sSf -H Expect: -T $FROM http://127.0.0.1:$PORT/up/big"),
        (Vsftpd, "vsftpd + curl", "curl -sSf -T $FROM ftp://127.0.0.1:$PORT/up/big"),
        (Dufs, "dufs + curl", "curl -sSf -H Expect: -T $FROM http://127.0.0.1:$PORT/up/big"),
        (
            Miniserve,
            "miniserve + curl",
            "curl -sSf -H Expect: -F path=@$FROM http://127.0.0.1:$PORT/upload?path=/up",
        ),
        (Rsyncd, "rsyncd -W", "rsync -W $FROM rsync://127.0.0.1:$PORT/share/up/big"),
        (
            Rsyncd,
            "rsyncd -W --inplace",
            "rsync -W --inplace $FROM rsync://127.0.0.1:$PORT/share/up/big",
        ),
        (Sshd, "sshd + scp", "scp -q -F $SSH $FROM peer:$TO"),
    ]));
    contenders.push(transfers.contender("prototype", Kind::Bare, None, PROTOTYPE));
    contenders.push(transfers.contender("cp", Kind::Local, None, "cp $FROM $TO"));
    Ok(Row {
        id: "up",
        title: format!("One file of {} MiB, up, not synced", rig.sizes.big >> 20),
        note: "Haul's servers are told not to sync, because no peer does.".into(),
        contenders,
        proxies: Vec::new(),
    })
}

pub(crate) fn durable(rig: &Rig) -> Result<Row<'_>> {
    let transfers = to_share(rig)?;
    let mut contenders = transfers.hauls(Sync::Batch, "put $FROM --as up/big");
    contenders.push(transfers.contender(
        "cp + sync",
        Kind::Local,
        None,
        "sh -c 'cp $FROM $TO && sync $TO'",
    ));
    Ok(Row {
        id: "durable",
        title: format!("One file of {} MiB, up, on stable storage", rig.sizes.big >> 20),
        note: "`sync FILE` syncs only that file, as Haul does. Haul syncs its directory too."
            .into(),
        contenders,
        proxies: Vec::new(),
    })
}

fn to_share(rig: &Rig) -> Result<Transfers<'_>> {
    Ok(Transfers {
        rig,
        moved: Moved::Bytes(rig.sizes.big),
        from: rig.place.file("big", rig.sizes.big)?,
        to: rig.place.shared("up/big"),
    })
}
