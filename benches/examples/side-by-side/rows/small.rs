//! Many small files.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::Row;
use crate::Result;
use crate::contender::{At, Contender, Kind, Moved, Transfers};
use crate::haul::Sync;
use crate::peers::Peer::{Nginx, Rsyncd, Sshd, Vsftpd};
use crate::rig::Rig;

/// Browsers and curl's manual use this number of parallel transfers.
const CURL: &str = "curl -sSf -Z --parallel-max 16 --create-dirs -K";

pub(crate) fn down(rig: &Rig) -> Result<Row<'_>> {
    let count = rig.sizes.small;
    let transfers = Transfers {
        rig,
        moved: Moved::Files,
        from: rig.place.small_files("small", count)?,
        to: rig.place.down("small"),
    };
    let mut contenders = hauls(&transfers, Sync::None, "get -r small -o $TO");
    contenders.extend(transfers.peers(&[
        (Rsyncd, "rsyncd", "rsync -r -W --inplace rsync://127.0.0.1:$PORT/share/small/ $TO"),
        (Vsftpd, "vsftpd + lftp", "lftp -c 'open ftp://127.0.0.1:$PORT; mirror -P 4 small $TO'"),
        (Sshd, "sshd + scp", "scp -qr -F $SSH peer:$FROM $TO"),
    ]));
    if let Some(at) = rig.peer(Nginx) {
        contenders.push(curl_down(&transfers, "small", at)?);
    }
    contenders.push(transfers.contender("cp -r", Kind::Local, None, "cp -r $FROM $TO"));
    let note =
        "Nobody syncs. `curl -Z` gets a list of all names; the others find the names themselves."
            .into();
    let title = format!("{count} files of 4 KiB, down");
    Ok(Row { id: "small-down", title, note, contenders, proxies: Vec::new() })
}

pub(crate) fn up(rig: &Rig) -> Result<Row<'_>> {
    let count = rig.sizes.small;
    let transfers = to_share(rig)?;
    let mut contenders = hauls(&transfers, Sync::None, "put -r $FROM --as up/small");
    contenders.extend(transfers.peers(&[
        (Rsyncd, "rsyncd", "rsync -r -W --inplace $FROM/ rsync://127.0.0.1:$PORT/share/up/small"),
        (
            Vsftpd,
            "vsftpd + lftp",
            "lftp -c 'open ftp://127.0.0.1:$PORT; mirror -R -P 4 $FROM up/small'",
        ),
        (Sshd, "sshd + scp", "scp -qr -F $SSH $FROM peer:$TO"),
    ]));
    if let Some(at) = rig.peer(Nginx) {
        let lines = |names: &[String]| {
            names.iter().try_fold(String::new(), |mut lines, name| {
                let from = transfers.from.join(name);
                let from = from.display();
                let url = format!("http://127.0.0.1:{}/up/small/{name}", at.port);
                writeln!(lines, "upload-file = \"{from}\"\nurl = \"{url}\"")?;
                Ok(lines)
            })
        };
        contenders.push(curl(&transfers, "small-up", at, lines)?);
    }
    contenders.push(transfers.contender("cp -r", Kind::Local, None, "cp -r $FROM $TO"));
    let note = "Haul's servers are told not to sync, because no peer does.".into();
    let title = format!("{count} files of 4 KiB, up, not synced");
    Ok(Row { id: "small-up", title, note, contenders, proxies: Vec::new() })
}

pub(crate) fn durable(rig: &Rig) -> Result<Row<'_>> {
    let transfers = to_share(rig)?;
    let mut contenders = Vec::new();
    for sync in Sync::ALL {
        for mut contender in hauls(&transfers, sync, "put -r $FROM --as up/small") {
            contender.name = format!("{} {}", contender.name, sync.option());
            contenders.push(contender);
        }
    }
    let line = "sh -c 'cp -r $FROM $TO && find $TO -type f -exec sync {} +'";
    contenders.push(transfers.contender("cp -r + sync", Kind::Local, None, line));
    let note = "The first programs do not sync. The others put each file on stable storage before its `OK`, with one flush for many files or one for each. `cp` finishes before the first `sync`.".into();
    let title = format!("{} files of 4 KiB, up, each on stable storage", rig.sizes.small);
    Ok(Row { id: "small-durable", title, note, contenders, proxies: Vec::new() })
}

fn to_share(rig: &Rig) -> Result<Transfers<'_>> {
    Ok(Transfers {
        rig,
        moved: Moved::Files,
        from: rig.place.small_files("small", rig.sizes.small)?,
        to: rig.place.shared("up/small"),
    })
}

/// Haul's programs with the connections that they choose, and with one.
fn hauls<'a>(transfers: &Transfers<'a>, sync: Sync, rest: &str) -> Vec<Contender<'a>> {
    let mut contenders = transfers.hauls(sync, rest);
    for single in transfers.hauls(sync, &format!("{rest} --jobs 1")) {
        contenders.push(Contender { name: format!("{} --jobs 1", single.name), ..single });
    }
    contenders
}

/// Downloads a shared directory by curl, from a list of all names.
pub(super) fn curl_down<'a>(
    transfers: &Transfers<'a>,
    directory: &str,
    at: At,
) -> Result<Contender<'a>> {
    let lines = |names: &[String]| {
        names.iter().try_fold(String::new(), |mut lines, name| {
            let to = transfers.to.join(name);
            let to = to.display();
            let url = format!("http://127.0.0.1:{}/{directory}/{name}", at.port);
            writeln!(lines, "output = \"{to}\"\nurl = \"{url}\"")?;
            Ok(lines)
        })
    };
    curl(transfers, &format!("{directory}-down"), at, lines)
}

fn curl<'a>(
    transfers: &Transfers<'a>,
    id: &str,
    at: At,
    lines: impl Fn(&[String]) -> Result<String>,
) -> Result<Contender<'a>> {
    let mut names = Vec::new();
    find(&transfers.from, "", &mut names)?;
    let config = transfers.rig.place.run(id);
    fs::write(&config, lines(&names)?)?;
    let line = format!("{CURL} {}", config.display());
    let contender = transfers.contender("nginx + curl -Z", Kind::Peer, Some(at), line);
    Ok(Contender { shown: format!("{CURL} all-names"), ..contender })
}

/// Finds the files below a directory, by their paths from there.
fn find(directory: &Path, above: &str, names: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{above}{}", entry.file_name().display());
        if entry.file_type()?.is_dir() {
            find(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}
