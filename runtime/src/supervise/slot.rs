//! The place of a child, whichever incarnation fills it.

use std::fmt;
use std::marker::PhantomData;

use ractor::{ActorCell, ActorRef, ActorStatus, Message};
use tokio::sync::watch;

/// A cheap handle to a supervised actor that survives its restarts.
pub(crate) struct Slot<M> {
    cell: watch::Receiver<Option<ActorCell>>,
    message: PhantomData<fn(M)>,
}

/// The actor will not come back: it was given up or removed, it is done, or its supervisor has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the actor is gone for good")]
pub(crate) struct Gone;

impl<M: Message> Slot<M> {
    pub(super) fn new(cell: watch::Receiver<Option<ActorCell>>) -> Self {
        Self { cell, message: PhantomData }
    }

    /// The place of a child that there will never be.
    #[cfg(test)]
    pub(crate) fn of_nobody() -> Self {
        Self::new(watch::channel(None).1)
    }

    /// The incarnation that takes messages now, or `None` while it is down. It may stop before it is used.
    pub(crate) fn current(&self) -> Option<ActorRef<M>> {
        self.cell.borrow().as_ref().filter(|cell| accepts(cell)).cloned().map(ActorRef::from)
    }

    /// Waits until there is an incarnation that takes messages. Cancel-safe.
    ///
    /// # Errors
    /// [`Gone`] when there will be none.
    pub(crate) async fn wait(&self) -> Result<ActorRef<M>, Gone> {
        let mut cell = self.cell.clone();
        let up = cell.wait_for(|cell| cell.as_ref().is_some_and(accepts)).await.map_err(|_| Gone)?;
        up.clone().map(ActorRef::from).ok_or(Gone)
    }

    /// Waits until the actor is gone for good. Cancel-safe.
    pub(crate) async fn wait_for_end(&self) -> Gone {
        let mut cell = self.cell.clone();
        while cell.changed().await.is_ok() {}
        Gone
    }
}

/// Whether an actor still takes messages; between its end and the supervisor's knowing it the slot holds a dead one.
fn accepts(cell: &ActorCell) -> bool {
    cell.get_status() < ActorStatus::Draining
}

impl<M> Clone for Slot<M> {
    fn clone(&self) -> Self {
        Self { cell: self.cell.clone(), message: PhantomData }
    }
}

impl<M> fmt::Debug for Slot<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot").field(&*self.cell.borrow()).finish()
    }
}
