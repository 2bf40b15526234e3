//! One session: a thread's work from the greeting to the end.

use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use haul_store::{Identity, Session, Store};
use haul_transport::Here;
use haul_transport::serving::Served;
use tracing::{debug, error};

use super::{Counted, Host, Slot};
use crate::drive::drive;

/// Serves a client until the session is over. Neither an error nor a panic in it reaches the caller.
pub(super) fn serve<S: Store>(
    socket: TcpStream,
    counted: Counted,
    slot: Slot,
    peer: SocketAddr,
    host: &Host<S>,
) {
    let _span = host.log.session(peer).entered();
    debug!("begun");
    let mut connection =
        host.welcome(Here(Session::new(Arc::clone(&host.store), Identity::anonymous())), socket);
    let mut owner = Served::new(host, &slot);
    // What a panic leaves half done is only dropped, never used.
    match catch_unwind(AssertUnwindSafe(|| drive(&mut connection, &mut owner))) {
        Ok(Ok(())) => debug!("over"),
        Ok(Err(error)) => error!(%error, "given up"),
        Err(_) => error!("panicked"),
    }
    // A client that sees its connection closed finds nothing staged and a free place.
    drop(connection.files);
    drop(owner);
    drop(slot);
    drop(connection.socket);
    drop(counted);
}
