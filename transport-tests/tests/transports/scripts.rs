//! Every script. The transcripts are those of the state machine alone, byte for byte.

use haul_core::server::ServerConfig;
use haul_store::{Directory, Options};
use haul_transport::ServerOptions;

use super::running::Running;

#[test]
fn transcripts_are_those_of_the_machine() {
    check(true);
}

#[test]
fn transcripts_are_the_same_without_pass_through() {
    check(false);
}

fn check(pass_through: bool) {
    let checked = haul_scripts::tcp::check(|setup, directory| {
        let store = Directory::open(directory, Options { hidden: setup.hidden, ..Options::default() })?;
        let config = ServerConfig { pass_through, ..setup.config.clone() };
        Ok(Running::start(store, ServerOptions { config, impatient: true, ..ServerOptions::default() }))
    });
    checked.unwrap();
}
