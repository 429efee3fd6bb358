//! The next moment of an actor that has many.

use ractor::{ActorRef, Message};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// Tells an actor when the next of its moments has come; the actor's own, dropped with it.
#[derive(Debug, Default)]
pub(crate) struct Reminder {
    tasks: JoinSet<()>,
    set: Option<(Instant, AbortHandle)>,
}

impl Reminder {
    /// Tells it at this moment, and not at the one before; never for `None`.
    pub(crate) fn set<M: Message>(&mut self, next: Option<Instant>, actor: &ActorRef<M>, what: M) {
        while self.tasks.try_join_next().is_some() {}
        if next == self.set.as_ref().map(|(at, _)| *at) {
            return;
        }
        if let Some((_, before)) = self.set.take() {
            before.abort();
        }
        self.set = next.map(|at| {
            let actor = actor.clone();
            let timer = self.tasks.spawn(async move {
                sleep_until(at).await;
                let _ended = actor.cast(what);
            });
            (at, timer)
        });
    }

    /// It has told: the same moment may be set again.
    pub(crate) fn has_told(&mut self) {
        self.set = None;
    }
}
