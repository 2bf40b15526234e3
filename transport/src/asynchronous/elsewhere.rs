//! File work where the runtime lets it block.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use haul_core::{Done, Effect, StoreError, StoreErrorKind};
use haul_store::{Held, Perform};

use super::Runtime;
use crate::Files;

/// Carries out effects where they may block. The files are here, or away with the one effect that is under way.
pub struct Elsewhere<R, P> {
    place: Place<P>,
    runtime: PhantomData<fn() -> R>,
}

enum Place<P> {
    Here(P),
    Away(Work<P>),
    /// They went down with a panic or with the runtime.
    Gone,
}

type Work<P> = Pin<Box<dyn Future<Output = io::Result<thread::Result<Finished<P>>>> + Send>>;
type Finished<P> = (P, Result<Done, StoreError>);

impl<R: Runtime, P: Perform + Send + 'static> Elsewhere<R, P> {
    /// Has `files` carry out the effects.
    pub fn new(files: P) -> Self {
        Self { place: Place::Here(files), runtime: PhantomData }
    }

    /// Waits for what is under way and discards what is open, where that may block.
    pub async fn close(self) {
        let files = match self.place {
            Place::Here(files) => files,
            Place::Away(work) => match work.await {
                Ok(Ok((files, _))) => files,
                _ => return,
            },
            Place::Gone => return,
        };
        // If the runtime is ending, the files were dropped with the work.
        let _ = R::unblock(move || drop(files)).await;
    }

    /// The work that is away, begun if there is none; `None` if the files are gone.
    fn work(&mut self, effect: &Effect) -> Option<&mut Work<P>> {
        self.place = match mem::replace(&mut self.place, Place::Gone) {
            Place::Here(mut files) => {
                let effect = effect.clone();
                Place::Away(Box::pin(R::unblock(move || {
                    catch_unwind(AssertUnwindSafe(|| {
                        let outcome = files.perform(&effect);
                        (files, outcome)
                    }))
                })))
            }
            place => place,
        };
        match &mut self.place {
            Place::Away(work) => Some(work),
            Place::Here(_) | Place::Gone => None,
        }
    }
}

impl<R: Runtime, P: Perform + Send + 'static> Files for Elsewhere<R, P> {
    /// # Panics
    /// When the work panicked: with what it panicked with.
    fn poll_perform(
        &mut self,
        cx: &mut Context<'_>,
        effect: &Effect,
    ) -> Poll<Result<Done, StoreError>> {
        let Some(work) = self.work(effect) else {
            return Poll::Ready(Err(gone("the files are gone")));
        };
        match ready!(work.as_mut().poll(cx)) {
            Ok(Ok((files, outcome))) => {
                self.place = Place::Here(files);
                Poll::Ready(outcome)
            }
            Ok(Err(panic)) => {
                self.place = Place::Gone;
                resume_unwind(panic)
            }
            Err(error) => {
                self.place = Place::Gone;
                Poll::Ready(Err(gone(error)))
            }
        }
    }

    fn held(&mut self) -> Option<&mut Held> {
        match &mut self.place {
            Place::Here(files) => files.held(),
            Place::Away(_) | Place::Gone => None,
        }
    }
}

fn gone(detail: impl fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Io, detail.to_string())
}

impl<R, P> fmt::Debug for Elsewhere<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Here(_) => "here",
            Place::Away(_) => "away",
            Place::Gone => "gone",
        };
        f.debug_struct("Elsewhere").field("place", &place).finish_non_exhaustive()
    }
}
