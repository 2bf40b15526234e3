//! `trust`: the servers that this client knows by their fingerprints.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::address::ServerAddress;
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::transport::Transport;
use crate::trust::{ConfigDirectory, KnownHost};

/// List or forget the servers that are known by their fingerprints
#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the servers, each with its fingerprint
    List,
    /// Forget a server, which is then new
    Remove {
        /// The server, as the list has it
        #[arg(value_name = "HOST:PORT")]
        server: ServerAddress,
    },
}

/// A known server for programs.
#[derive(Debug, Serialize)]
struct KnownRecord {
    server: String,
    fingerprint: String,
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &TrustArgs) -> Result<(), Error> {
    let known_hosts = ConfigDirectory::required()?.known_hosts();
    match &args.what {
        What::List => {
            for KnownHost { name, fingerprint } in known_hosts.all()? {
                let line = format!("{name}  {fingerprint}");
                let fingerprint = fingerprint.to_string();
                app.answer(
                    haul_core::Escaped::new(&line),
                    &KnownRecord { server: name, fingerprint },
                )?;
            }
            Ok(())
        }
        What::Remove { server } => {
            let name = server.host_and_port();
            let Some(fingerprint) = known_hosts.remove(server)? else {
                return Err(Error::new(Exit::Local, format!("{name} is not known"))
                    .advise("trust list shows which servers are"));
            };
            let (server, fingerprint) = (name.to_string(), fingerprint.to_string());
            app.result(
                format_args!("{server}  {fingerprint}  forgotten"),
                &KnownRecord { server: server.clone(), fingerprint: fingerprint.clone() },
            )
        }
    }
}
