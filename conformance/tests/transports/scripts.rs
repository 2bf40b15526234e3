//! Every script of the conformance suite; the transcripts are those of the bare machine, to the byte.

use haul_store::{Directory, Options};
use haul_transport::ServerOptions;

use super::running::Running;

#[test]
fn transcripts_are_those_of_the_machine() {
    let checked = haul_conformance::tcp::check(|setup, directory| {
        let store = Directory::open(directory, Options { hidden: setup.hidden, ..Options::default() })?;
        let options = ServerOptions { config: setup.config.clone(), ..ServerOptions::default() };
        Ok(Running::start(store, options))
    });
    checked.unwrap();
}
