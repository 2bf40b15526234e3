//! Every script. The transcripts are those of the state machine alone, byte for byte.

use std::sync::Arc;

use haul_core::server::ServerConfig;
use haul_scripts::Setup;
use haul_store::{Directory, Options};
use haul_transport::{Admission, Penalised, Peer, ServerOptions, Users};

use super::running::Running;

/// The users of a script.
#[derive(Debug)]
struct Listed(Setup);

impl Users for Listed {
    fn admit(&self, _: &Peer) -> Result<Admission, Penalised> {
        Ok(Admission { user: None, auth_required: true, identify: Some(self.0.identify()) })
    }
}

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
        let users = (!setup.users.is_empty()).then(|| Arc::new(Listed(setup.clone())) as Arc<_>);
        let options = ServerOptions { config, impatient: true, users, ..ServerOptions::default() };
        Ok(Running::start(store, options))
    });
    checked.unwrap();
}
