//! The handshake of a client over a layer: the work of its task before its session.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::task::{Poll, ready};
use std::time::Duration;

use futures_lite::future::FutureExt;
use haul_core::ErrorCode;
use haul_core::message::Refusal;
use haul_store::StoreProvider;
use tracing::{debug, error};

use crate::handshake::{HandshakeError, shake_hands};
use crate::layer::{Layer, Opening, PeerStream};
use crate::runtime::{Runtime, raised};
use crate::server::connection_count::Counted;
use crate::server::handshake_places::HandshakePlace;
use crate::server::host::Host;
use crate::server::peer::Peer;
use crate::server::refuse::refuse;
use crate::server::session::{Admitted, serve};
use crate::socket::Socket;
use crate::stream::StreamError;
use crate::tcp::peek;

/// How long a client may be silent before it is told what this port speaks.
const SILENCE: Duration = Duration::from_secs(5);

/// A client before its handshake.
pub(super) struct Arrived<R: Runtime> {
    pub(super) place: HandshakePlace,
    pub(super) layer: Layer,
    pub(super) socket: Socket<R>,
    pub(super) counted: Counted,
    pub(super) address: SocketAddr,
}

/// What becomes of a client.
enum Outcome {
    /// Its handshake is complete.
    Complete(PeerStream),
    /// It does not begin as clients of the layer do.
    Plain(Opening),
    /// There is nobody to speak to.
    Failed(HandshakeError),
    /// The server stops.
    Stopped,
}

/// Completes the handshake of a client, and serves it. It takes a permit only then, so that clients that never complete
/// a handshake keep out no session.
pub(super) async fn welcome<R: Runtime, P: StoreProvider>(arrived: Arrived<R>, host: Host<P>) {
    let Arrived { place, layer, mut socket, counted, address } = arrived;
    let outcome = AssertUnwindSafe(outcome(&mut socket, &layer, &host)).catch_unwind().await;
    let stop = &host.stop;
    match outcome {
        Ok(Outcome::Complete(stream)) => {
            if let Some(permit) = host.limiter.take(address.ip(), stop.clock.now()) {
                drop(place);
                let peer = Peer { address, security: stream.security() };
                return serve(Admitted { stream, socket, counted, permit, peer }, host).await;
            }
            host.log.refused(address, stop.clock.now(), true);
            refuse(stream, socket, counted, host.busy_machine(), stop).await;
        }
        Ok(Outcome::Plain(opening)) => {
            debug!("it speaks plain text");
            let refusal = Refusal::new(ErrorCode::Protocol, opening.otherwise);
            let (stream, machine) = (socket.plain_stream(), host.refusing_machine(refusal));
            refuse(stream, socket, counted, machine, stop).await;
        }
        Ok(Outcome::Failed(error)) => debug!(%error, "no handshake"),
        Ok(Outcome::Stopped) => debug!("the server stops"),
        Err(_) => error!("panicked"),
    }
    // Those who are refused keep their place, so that their number is limited too.
    drop(place);
}

async fn outcome<R: Runtime, P>(socket: &mut Socket<R>, layer: &Layer, host: &Host<P>) -> Outcome {
    let limit = host.config.timing.line;
    let complete = async {
        if let Some(opening) = layer.opening()
            && !begins_with::<R>(socket, opening.first_byte, limit.min(SILENCE)).await
        {
            return Outcome::Plain(opening);
        }
        match completed(socket, layer).await {
            Ok(stream) => Outcome::Complete(stream),
            Err(error) => Outcome::Failed(error),
        }
    };
    let too_late = async {
        R::sleep(limit).await;
        Outcome::Failed(HandshakeError::TimedOut)
    };
    let stopped = async {
        raised::<R>(&host.stop.drain).await;
        Outcome::Stopped
    };
    complete.or(too_late).or(stopped).await
}

async fn completed<R: Runtime>(
    socket: &mut Socket<R>,
    layer: &Layer,
) -> Result<PeerStream, HandshakeError> {
    let mut stream = socket.layered_stream(layer)?;
    shake_hands(socket, &mut stream).await?;
    Ok(stream)
}

/// Whether the client begins with this byte within the limit. One that is lost does: the handshake reports that.
async fn begins_with<R: Runtime>(socket: &mut Socket<R>, byte: u8, limit: Duration) -> bool {
    let spoken = poll_fn(|cx| {
        loop {
            match peek(socket.descriptor()) {
                Ok(Some(first)) => return Poll::Ready(first == byte),
                Err(StreamError::WouldBlock(interest)) => {
                    if ready!(socket.poll_ready(cx, interest)).is_err() {
                        return Poll::Ready(true);
                    }
                }
                Ok(None) | Err(StreamError::Io(_)) => return Poll::Ready(true),
            }
        }
    });
    let silent = async {
        R::sleep(limit).await;
        false
    };
    spoken.or(silent).await
}
