//! The handlers of a client's connection: for a caller who waits for the greeting, and for the end of calls.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use haul_core::RequestId;
use haul_core::client::{Client as Machine, ClientEvent, Failure};
use haul_core::message::{Greeting, Summary};
use haul_store::Waiting;

use crate::call::{Call, Watch};
use crate::event::Event;
use crate::step::{DriveError, Handler};

/// Waits for the greeting.
#[derive(Debug)]
pub(crate) struct GreetingHandler<'a> {
    wake: Option<&'a Event>,
    outcome: Option<Result<Greeting, Failure>>,
}

impl<'a> GreetingHandler<'a> {
    /// Waits until `wake` is raised.
    pub(crate) fn new(wake: Option<&'a Event>) -> Self {
        Self { wake, outcome: None }
    }

    /// The server's greeting.
    pub(crate) fn outcome(self) -> Result<Greeting, Failure> {
        self.outcome.unwrap_or(Err(match self.wake {
            Some(wake) if wake.is_raised() => Failure::Cancelled,
            _ => Failure::Disconnected,
        }))
    }
}

impl Handler<Machine> for GreetingHandler<'_> {
    fn before_step(&mut self, _: &mut Machine, _: Duration) -> ControlFlow<()> {
        match self.wake {
            Some(wake) if wake.is_raised() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn wake(&self) -> Option<&Event> {
        self.wake
    }

    fn event(&mut self, event: &ClientEvent) -> ControlFlow<()> {
        self.outcome = match event {
            ClientEvent::Greeted(greeting) => Some(Ok(greeting.clone())),
            ClientEvent::Lost(failure) => Some(Err(failure.clone())),
            _ => return ControlFlow::Continue(()),
        };
        ControlFlow::Break(())
    }
}

/// The number of requests that wait in the machine: as many as a server usually answers at once.
const AHEAD: usize = 256;
/// How many of them must end before more are made: an offloaded machine has to return for that.
const MOST_FINISHED: usize = AHEAD / 4;
/// How long to wait for the server to confirm a cancel. It may be gone, or its disk may hang.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits for the end of many calls.
pub(crate) struct CallsHandler<'a, I, W> {
    /// The calls that are still to be made; `None` once there are no more.
    calls: Option<I>,
    /// The number of calls that may run at the same time, at least 1.
    most: usize,
    /// The requests that were made, by their number.
    asked: VecDeque<(RequestId, Watched<W>)>,
    files: Waiting,
    wake: Option<&'a Event>,
    /// When all requests were cancelled.
    cancelled: Option<Duration>,
    /// Requests whose watcher broke, and which the machine does not know yet.
    unwanted: Vec<RequestId>,
    /// The number of requests that ended since more were made.
    finished: usize,
    ended: Option<Failure>,
    greeting: Option<Greeting>,
}

struct Watched<W> {
    watch: W,
    stopped: bool,
}

impl<'a, I, W> CallsHandler<'a, I, W>
where
    I: Iterator<Item = Call<W>>,
    W: Watch,
{
    /// Makes all of `calls`, `most` at a time, and waits for them. If `wake` is raised, running requests are cancelled
    /// and no more are made; it does not wait for a server that does not confirm that.
    pub(crate) fn new(calls: I, most: usize, files: Waiting, wake: Option<&'a Event>) -> Self {
        Self {
            calls: Some(calls),
            most: most.max(1),
            asked: VecDeque::new(),
            files,
            wake,
            cancelled: None,
            unwanted: Vec::new(),
            finished: 0,
            ended: None,
            greeting: None,
        }
    }

    /// The greeting that the server has sent meanwhile.
    pub(crate) fn greeting(&mut self) -> Option<Greeting> {
        self.greeting.take()
    }

    /// Why it ended, unless all calls were made and ended on their own. A failure of the loop ends each running call,
    /// because nothing else would inform its watcher.
    pub(crate) fn outcome(mut self, driven: Result<(), DriveError>) -> Result<(), Failure> {
        if let Err(error) = driven {
            let failure = Failure::from(error);
            self.end_all(&failure);
            return Err(failure);
        }
        self.ended.map_or(Ok(()), Err)
    }

    fn end_all(&mut self, failure: &Failure) {
        for (id, Watched { mut watch, .. }) in self.asked.drain(..) {
            let _ = watch.event(&ClientEvent::Finished { id, result: Err(failure.clone()) });
        }
    }

    fn stop_calls(&mut self, because: &Failure) {
        if self.calls.take().is_some() {
            self.ended.get_or_insert_with(|| because.clone());
        }
    }

    fn position(&self, id: RequestId) -> Option<usize> {
        self.asked.binary_search_by_key(&id, |(asked, _)| *asked).ok()
    }

    fn finished(&mut self, id: RequestId, result: &Result<Summary, Failure>) {
        if self.cancelled.is_some() && *result == Err(Failure::Cancelled) {
            self.ended.get_or_insert(Failure::Cancelled);
        }
        self.files.take(id);
        self.finished += 1;
    }

    fn flow(&self) -> ControlFlow<()> {
        if self.calls.is_none() && self.asked.is_empty() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl<I, W> Handler<Machine> for CallsHandler<'_, I, W>
where
    I: Iterator<Item = Call<W>>,
    W: Watch,
{
    fn before_step(&mut self, machine: &mut Machine, now: Duration) -> ControlFlow<()> {
        if let Some(failure) = machine.failure() {
            self.stop_calls(failure);
        }
        if self.cancelled.is_none() && self.wake.is_some_and(Event::is_raised) {
            self.cancelled = Some(now);
            self.stop_calls(&Failure::Cancelled);
            machine.cancel_all();
        }
        // This ends only a wait for the server, not the last work of this side on a file.
        let waits = haul_core::Machine::deadline(machine).is_some();
        if waits && self.next_check().is_some_and(|late| late <= now) {
            // The files are discarded already. The next requests wait for the server's replies.
            self.ended.get_or_insert(Failure::Cancelled);
            self.end_all(&Failure::Cancelled);
            return ControlFlow::Break(());
        }
        for id in self.unwanted.drain(..) {
            machine.cancel(id);
        }
        self.finished = 0;
        while let Some(calls) = self.calls.as_mut()
            && self.asked.len() < self.most
            && machine.waiting() < AHEAD
        {
            let Some(Call { request, files, watch }) = calls.next() else {
                self.calls = None;
                break;
            };
            let id = machine.request(request);
            self.files.give(id, files);
            self.asked.push_back((id, Watched { watch, stopped: false }));
        }
        self.flow()
    }

    fn wake(&self) -> Option<&Event> {
        self.wake.filter(|_| self.cancelled.is_none())
    }

    fn wants_machine(&self) -> bool {
        !self.unwanted.is_empty()
            || (self.calls.is_some() && self.finished >= (self.most / 4).clamp(1, MOST_FINISHED))
    }

    fn next_check(&self) -> Option<Duration> {
        self.cancelled.map(|cancelled| cancelled + CANCEL_TIMEOUT)
    }

    fn event(&mut self, event: &ClientEvent) -> ControlFlow<()> {
        match event {
            ClientEvent::Greeted(greeting) => self.greeting = Some(greeting.clone()),
            ClientEvent::Lost(failure) => {
                self.ended.get_or_insert_with(|| failure.clone());
            }
            _ => {}
        }
        // A request of a dropped future has no watcher any more.
        let Some((id, at)) = event.id().and_then(|id| Some((id, self.position(id)?))) else {
            return ControlFlow::Continue(());
        };
        if let ClientEvent::Finished { result, .. } = event {
            self.finished(id, result);
            if let Some((_, Watched { mut watch, .. })) = self.asked.remove(at) {
                // The request has ended, so a break changes nothing.
                let _ = watch.event(event);
            }
            return self.flow();
        }
        let watched = &mut self.asked[at].1;
        if !watched.stopped && watched.watch.event(event).is_break() {
            watched.stopped = true;
            self.unwanted.push(id);
        }
        ControlFlow::Continue(())
    }
}

impl<I, W> fmt::Debug for CallsHandler<'_, I, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallsHandler")
            .field("asked", &self.asked.len())
            .field("cancelled", &self.cancelled.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::ErrorKind;

    use haul_core::client::{ClientConfig, Request};
    use haul_store::{ClientFiles, FilesById};

    use super::*;

    /// Nothing else would report their end.
    #[test]
    fn what_breaks_the_loop_is_told_to_all_that_wait() {
        let told = RefCell::new(Vec::new());
        let calls = (0..3).map(|_| Call {
            request: Request::Help,
            files: ClientFiles::Nothing,
            watch: |event: &ClientEvent| {
                if let ClientEvent::Finished { result, .. } = event {
                    told.borrow_mut().push(result.clone());
                }
                ControlFlow::Continue(())
            },
        });
        let mut running =
            CallsHandler::new(calls, usize::MAX, FilesById::default().waiting(), None);
        let mut machine = Machine::new(ClientConfig::default());
        assert!(running.before_step(&mut machine, Duration::ZERO).is_continue());
        let broken = DriveError::Wait(ErrorKind::OutOfMemory.into());
        let Err(failure @ Failure::Local(_)) = running.outcome(Err(broken)) else {
            panic!("it was no failure of this side");
        };
        assert_eq!(told.into_inner(), vec![Err(failure); 3]);
    }
}
