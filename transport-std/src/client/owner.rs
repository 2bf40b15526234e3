//! On whose behalf a client's connection is driven: somebody who waits for an event.

use std::ops::ControlFlow;
use std::time::Duration;

use haul_core::RequestId;
use haul_core::client::{Client as Machine, ClientEvent, Failure};
use haul_core::message::{Greeting, Summary};

use crate::drive::Owner;
use crate::wait::Wake;

/// Waits for the greeting.
pub(super) struct Greeted<'a> {
    wake: Option<&'a Wake>,
    outcome: Option<Result<Greeting, Failure>>,
}

impl<'a> Greeted<'a> {
    pub(super) fn new(wake: Option<&'a Wake>) -> Self {
        Self { wake, outcome: None }
    }

    pub(super) fn outcome(self) -> Result<Greeting, Failure> {
        self.outcome.unwrap_or(Err(match self.wake {
            Some(wake) if wake.is_raised() => Failure::Cancelled,
            _ => Failure::Disconnected,
        }))
    }
}

impl Owner<Machine> for Greeted<'_> {
    fn step_in(&mut self, _: &mut Machine, _: Duration) -> ControlFlow<()> {
        match self.wake {
            Some(wake) if wake.is_raised() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn wake(&self) -> Option<&Wake> {
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

/// Waits for the end of a request.
pub(super) struct Running<'a, F> {
    id: RequestId,
    watch: F,
    wake: Option<&'a Wake>,
    /// The watcher wants no more.
    stopped: bool,
    /// The machine knows that the request is to end.
    cancelled: bool,
    outcome: Option<Result<Summary, Failure>>,
}

impl<'a, F> Running<'a, F> {
    pub(super) fn new(id: RequestId, watch: F, wake: Option<&'a Wake>) -> Self {
        Self { id, watch, wake, stopped: false, cancelled: false, outcome: None }
    }

    pub(super) fn outcome(self) -> Result<Summary, Failure> {
        self.outcome.unwrap_or(Err(Failure::Ended))
    }
}

impl<F: FnMut(&ClientEvent) -> ControlFlow<()>> Owner<Machine> for Running<'_, F> {
    fn step_in(&mut self, machine: &mut Machine, _: Duration) -> ControlFlow<()> {
        let wanted = self.stopped || self.wake.is_some_and(Wake::is_raised);
        if wanted && !self.cancelled {
            self.cancelled = true;
            machine.cancel(self.id);
        }
        ControlFlow::Continue(())
    }

    fn wake(&self) -> Option<&Wake> {
        self.wake.filter(|_| !self.cancelled)
    }

    fn event(&mut self, event: &ClientEvent) -> ControlFlow<()> {
        match event {
            ClientEvent::Finished { id, result } if *id == self.id => {
                self.outcome = Some(result.clone());
                return ControlFlow::Break(());
            }
            // Should the machine say no more of this request, this is what became of it.
            ClientEvent::Lost(failure) => self.outcome = Some(Err(failure.clone())),
            _ if self.stopped => {}
            event => self.stopped = (self.watch)(event).is_break(),
        }
        ControlFlow::Continue(())
    }
}
