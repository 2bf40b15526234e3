//! The loop that drives a connection: it makes steps and waits with the runtime.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use haul_core::Machine;
use haul_store::Perform;
use tracing::debug;

use crate::clock::Clock;
use crate::event::Listener;
use crate::offload::Offloadable;
use crate::runtime::Runtime;
use crate::step::{DriveError, Handler, Next};
use crate::tcp::set_user_timeout;

/// The number of steps before other tasks get their turn.
const STEPS: usize = 64;

/// Makes steps until the session is over or the handler breaks. Dropping the future loses nothing: another call
/// continues from there.
pub(crate) async fn drive<R, M, P>(
    connection: &mut Offloadable<R, M, P>,
    handler: &mut impl Handler<M>,
) -> Result<(), DriveError>
where
    R: Runtime,
    M: Machine<Event: Clone + Send> + Send + 'static,
    P: Perform + Send + 'static,
{
    let mut waits = Waits::default();
    let mut awaited = None;
    let mut over = false;
    poll_fn(|cx| {
        for _ in 0..STEPS {
            let offloaded = connection.poll_local(cx)?.is_pending();
            while !over && let Some(event) = connection.event() {
                over = handler.event(&event).is_break();
            }
            if offloaded {
                // Once the connection is local, the handler checks what woke it.
                let woken = waits.poll_woken::<R, M>(cx, handler).is_ready()
                    || waits
                        .poll_late::<R>(cx, connection.clock(), handler.next_check())
                        .is_ready();
                if over || woken || handler.wants_machine() {
                    connection.recall();
                }
                return Poll::Pending;
            }
            if over {
                return Poll::Ready(Ok(()));
            }
            let Poll::Ready((local, socket)) = connection.poll_local(cx)? else { continue };
            if let Some(interest) = awaited {
                let ready = socket.poll_ready(cx, interest)?;
                let (clock, deadline) = (local.clock, local.deadline(handler));
                if ready.is_pending()
                    && waits.poll_woken::<R, M>(cx, handler).is_pending()
                    && waits.poll_late::<R>(cx, clock, deadline).is_pending()
                {
                    return Poll::Pending;
                }
                awaited = None;
            }
            let next = local.step(handler, R::TASKS_MAY_BLOCK)?;
            if let Some(limit) = handler.silence_limit()
                && let Err(error) = set_user_timeout(socket.descriptor(), limit)
            {
                debug!(%error, "cannot say how long the peer's host may be silent");
            }
            match next {
                Next::Step => {}
                Next::Wait(interest) => awaited = Some(interest),
                Next::Offload => connection.offload(cx),
                Next::Return => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// What ends a wait for the peer.
#[derive(Default)]
struct Waits {
    listener: Listener,
    alarm: Option<Alarm>,
}

/// Fires at a deadline. Deadlines move with every byte, so it is reset only when it fired or would fire too late.
struct Alarm {
    at: Duration,
    sleep: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Waits {
    fn poll_woken<R: Runtime, M: Machine>(
        &mut self,
        cx: &mut Context<'_>,
        handler: &impl Handler<M>,
    ) -> Poll<()> {
        match handler.wake() {
            Some(wake) => R::poll_raised(cx, wake, &mut self.listener),
            None => Poll::Pending,
        }
    }

    fn poll_late<R: Runtime>(
        &mut self,
        cx: &mut Context<'_>,
        clock: Clock,
        deadline: Option<Duration>,
    ) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        loop {
            if clock.now() >= deadline {
                return Poll::Ready(());
            }
            let alarm = match &mut self.alarm {
                Some(alarm) if alarm.at <= deadline => alarm,
                late => {
                    let sleep = Box::pin(R::sleep(clock.until(deadline)));
                    late.insert(Alarm { at: deadline, sleep })
                }
            };
            if alarm.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.alarm = None;
        }
    }
}
