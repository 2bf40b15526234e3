//! Connects to any address of a name, each with a head start before the next.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::FutureExt;

use crate::addresses::{HEAD_START, check_zone, no_answer, resolve};
use crate::connect_error::{ConnectError, Unreached};
use crate::runtime::Runtime;
use crate::socket::Socket;
use crate::stream::Interest;
use crate::tcp::{begin_to_connect, is_connected};

/// Connects to the first address of `name` that answers, or fails with the reason for each of them.
pub(crate) async fn connect<R: Runtime>(
    name: impl ToSocketAddrs + Send + 'static,
    timeout: Duration,
) -> Result<Socket<R>, ConnectError> {
    let mut unreached = Vec::new();
    let reached = async {
        let addresses = R::unblock(move || resolve(name)).await??;
        unreached = unanswered(addresses.iter().copied());
        race::<R>(&addresses, &mut unreached).await
    };
    let out_of_time = async {
        R::sleep(timeout).await;
        None
    };
    let outcome = async { Some(reached.await) }.or(out_of_time).await;
    match outcome {
        Some(outcome) => outcome,
        None if unreached.is_empty() => Err(ConnectError::Unknown(no_answer())),
        None => Err(ConnectError::Unreached(unreached)),
    }
}

/// Until more is known about an address, it did not answer.
fn unanswered(addresses: impl Iterator<Item = SocketAddr>) -> Vec<Unreached> {
    addresses.map(|address| Unreached { address, error: no_answer() }).collect()
}

type Attempt<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// `unreached` is updated with the result of each address.
async fn race<R: Runtime>(
    addresses: &[SocketAddr],
    unreached: &mut Vec<Unreached>,
) -> Result<Socket<R>, ConnectError> {
    let mut left = addresses.iter().copied().enumerate();
    let mut under_way: Vec<(usize, Attempt<'_, Socket<R>>)> = Vec::new();
    let mut head_start = Box::pin(R::sleep(Duration::ZERO));
    poll_fn(|cx| {
        loop {
            let mut failed = false;
            let mut at = 0;
            while let Some((number, attempt)) = under_way.get_mut(at) {
                match attempt.as_mut().poll(cx) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(socket)) => return Poll::Ready(Some(socket)),
                    Poll::Ready(Err(error)) => {
                        unreached[*number].error = error;
                        failed = true;
                        drop(under_way.swap_remove(at));
                    }
                }
            }
            let go_on = failed || under_way.is_empty() || head_start.as_mut().poll(cx).is_ready();
            if !go_on {
                return Poll::Pending;
            }
            let Some((number, address)) = left.next() else {
                if under_way.is_empty() {
                    return Poll::Ready(None);
                }
                // Only the running attempts can still succeed.
                head_start = Box::pin(R::sleep(Duration::MAX));
                if head_start.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                continue;
            };
            under_way.push((number, Box::pin(attempt::<R>(address))));
            head_start = Box::pin(R::sleep(HEAD_START));
        }
    })
    .await
    .ok_or_else(|| ConnectError::Unreached(std::mem::take(unreached)))
}

async fn attempt<R: Runtime>(address: SocketAddr) -> io::Result<Socket<R>> {
    check_zone(address)?;
    let mut socket = Socket::<R>::new(begin_to_connect(address)?)?;
    poll_fn(|cx| socket.poll_ready(cx, Interest::Writable)).await?;
    is_connected(socket.descriptor())?;
    Ok(socket)
}
