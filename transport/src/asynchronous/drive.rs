//! The loop, where waiting is the runtime's.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use event_listener::EventListener;
use haul_core::Machine;
use haul_store::Perform;

use super::roaming::Roaming;
use super::{Event, Runtime};
use crate::{Awaited, Clock, DriveError, Next, Owner, Socket};

/// Steps until others get their turn.
const STEPS: usize = 64;

/// Steps until all is over or the owner breaks. A dropped future loses nothing: another call goes on from there.
pub(super) async fn drive<R, M, P, S>(
    connection: &mut Roaming<R, M, P, S>,
    owner: &mut impl Owner<M, Wake = Event>,
) -> Result<(), DriveError>
where
    R: Runtime,
    M: Machine<Event: Clone + Send> + Send + 'static,
    P: Perform + Send + 'static,
    S: Socket + Send + Sync + 'static,
{
    let mut listener = None;
    let mut alarm = Alarm::default();
    poll_fn(|cx| {
        for _ in 0..STEPS {
            if connection.poll_here(cx)?.is_pending() {
                // The owner looks at it when the connection is here.
                if poll_woken(cx, owner.wake(), &mut listener).is_ready() {
                    connection.call();
                }
                return Poll::Pending;
            }
            while let Some(event) = connection.told() {
                if owner.event(&event).is_break() {
                    return Poll::Ready(Ok(()));
                }
            }
            let Poll::Ready(here) = connection.poll_here(cx)? else {
                continue;
            };
            match here.step(cx, owner)? {
                Next::Step => continue,
                Next::Return => return Poll::Ready(Ok(())),
                Next::Wait(Awaited::Files) => {
                    connection.leave();
                    continue;
                }
                Next::Wait(Awaited::Readable | Awaited::Writable) => {}
            }
            let (clock, deadline) = (here.clock, here.deadline(owner));
            let woken = poll_woken(cx, owner.wake(), &mut listener);
            let late = alarm.poll::<R>(cx, clock, deadline);
            if woken.is_pending() && late.is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

fn poll_woken(
    cx: &mut Context<'_>,
    wake: Option<&Event>,
    listener: &mut Option<EventListener>,
) -> Poll<()> {
    let Some(wake) = wake else { return Poll::Pending };
    if listener.is_none() {
        *listener = wake.listen();
    }
    let raised = match listener {
        Some(listener) => Pin::new(listener).poll(cx),
        None => Poll::Ready(()),
    };
    if raised.is_ready() {
        *listener = None;
    }
    raised
}

/// Goes off at a deadline. Deadlines move on with every byte, so it is set anew only when it went off or would go off too late.
#[derive(Default)]
struct Alarm(Option<(Duration, Sleep)>);

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Alarm {
    fn poll<R: Runtime>(
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
            let (_, sleep) = match &mut self.0 {
                Some(set) if set.0 <= deadline => set,
                late => late.insert((deadline, Box::pin(R::sleep(clock.until(deadline))))),
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.0 = None;
        }
    }
}
