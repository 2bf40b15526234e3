//! Every script of the conformance suite; the transcripts are those of the bare machine, to the byte.

use haul_store::{Directory, Options};
use haul_transport::ServerOptions;

use super::running::Running;

#[test]
fn transcripts_are_those_of_the_machine() {
    let over_sockets = haul_conformance::tcp::check(|setup, directory| {
        let store = Directory::open(directory, Options { hidden: setup.hidden })?;
        let options = ServerOptions { config: setup.config.clone(), ..ServerOptions::default() };
        Ok(Running::start(store, options))
    });
    let over_sockets = over_sockets.unwrap_or_else(|failures| panic!("{failures}"));
    let in_memory = haul_conformance::memory::check();
    assert_eq!(over_sockets, in_memory.unwrap_or_else(|failures| panic!("{failures}")));
}
