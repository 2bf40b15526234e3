//! Everything that runs while rows are measured.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use crate::Result;
use crate::contender::At;
use crate::data::{Place, Sizes};
use crate::haul::{self, Haul, PROGRAMS, Program, Sync};
use crate::install::Programs;
use crate::peers::Peer;
use crate::process::Server;

pub(crate) struct Rig {
    pub(crate) place: Place,
    pub(crate) sizes: Sizes,
    /// What is missing, and why.
    pub(crate) missing: Vec<String>,
    peers: BTreeMap<Peer, Server>,
    hauls: Vec<Haul>,
    path: OsString,
}

impl Rig {
    /// Builds Haul's programs, and starts them and the peers.
    pub(crate) fn start(
        place: Place,
        sizes: Sizes,
        peers: &[Peer],
        programs: &Programs,
    ) -> Result<Self> {
        let built = haul::build()?;
        let mut hauls = Vec::new();
        for name in PROGRAMS {
            let program = Rc::new(Program::of(name, &built));
            for sync in Sync::ALL {
                hauls.push(program.serve(&place.share(), sync)?);
            }
        }
        let mut running = BTreeMap::new();
        let mut missing = Vec::new();
        for peer in peers {
            match peer.start(programs, &place) {
                Ok(server) => {
                    running.insert(*peer, server);
                }
                Err(why) => {
                    let line = format!("{peer:?} is left out: {why}");
                    eprintln!("{line}");
                    missing.push(line);
                }
            }
        }
        let this = env::current_exe()?;
        let own = [built.as_path(), this.parent().unwrap_or(Path::new("."))];
        let folders = own.into_iter().map(Path::to_path_buf).chain(programs.folders().cloned());
        let path = env::join_paths(folders)?;
        Ok(Self { place, sizes, missing, peers: running, hauls, path })
    }

    /// The server of a peer, if it runs.
    pub(crate) fn peer(&self, peer: Peer) -> Option<At> {
        let server = self.peers.get(&peer)?;
        Some(At { process: server.id(), port: server.port })
    }

    /// Haul's servers that confirm in this way, one of each program.
    pub(crate) fn hauls(&self, sync: Sync) -> impl Iterator<Item = &Haul> {
        self.hauls.iter().filter(move |haul| haul.sync == sync)
    }

    /// Splits a command line as a shell would. `$SSH` is the configuration of ssh's clients.
    pub(crate) fn command(&self, line: &str) -> Result<Command> {
        let line = line.replace("$SSH", &self.place.run("ssh/config").display().to_string());
        let words = shlex::split(&line).ok_or("a command line is not well-formed")?;
        let (program, arguments) = words.split_first().ok_or("a command line is empty")?;
        let mut command = Command::new(program);
        command.args(arguments).env("PATH", &self.path);
        Ok(command)
    }
}
