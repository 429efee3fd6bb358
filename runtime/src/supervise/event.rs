//! What a supervisor tells its owner.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Stopped;

/// One thing that happened in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The supervisor's name.
    pub(crate) tree: Arc<str>,
    /// The child's name; the supervisor's own for [`EventKind::Missed`].
    pub(crate) child: Arc<str>,
    /// What happened to it.
    pub(crate) kind: EventKind,
}

/// What can happen to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// It runs.
    Started,
    /// It has stopped, or did not start.
    Stopped(Stopped),
    /// It will be started again after this long.
    Restarting(Duration),
    /// It is done: it will not be started again, as it should be.
    Done,
    /// It was removed, or ended with its tree.
    Removed,
    /// It will not be started again, and the tree goes on.
    GaveUp(Stopped),
    /// It has stopped too often, and the tree ends.
    StoppingTree(Stopped),
    /// So many events were not told, because the owner did not take them in time. [`super::Supervisor::children`] says
    /// what is there now.
    Missed(u64),
}

/// The way to the owner. It never waits: a slow owner misses events, and is told how many.
#[derive(Debug)]
pub(super) struct Outbox {
    tree: Arc<str>,
    owner: mpsc::Sender<Event>,
    missed: u64,
}

impl Outbox {
    pub(super) fn new(tree: Arc<str>, owner: mpsc::Sender<Event>) -> Self {
        Self { tree, owner, missed: 0 }
    }

    pub(super) fn tell(&mut self, child: &Arc<str>, kind: EventKind) {
        if self.missed > 0 {
            let missed = EventKind::Missed(self.missed);
            let notice = Event { tree: Arc::clone(&self.tree), child: Arc::clone(&self.tree), kind: missed };
            if self.owner.try_send(notice).is_ok() {
                self.missed = 0;
            }
        }
        let event = Event { tree: Arc::clone(&self.tree), child: Arc::clone(child), kind };
        // An owner that has gone misses nothing.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.owner.try_send(event) {
            self.missed += 1;
        }
    }
}
