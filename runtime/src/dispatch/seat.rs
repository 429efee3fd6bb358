//! An instance at the desk of its agent, and the task that it has in hand.

use super::backlog::Backlog;
use super::desks::DeskId;
use std::sync::Arc;

/// An instance that takes tasks; it leaves when this is dropped, however it ends.
pub(crate) struct Seat {
    backlog: Arc<Backlog>,
    desk: DeskId,
}

/// A task, or a message, in the hands of an instance; its slot is free when this is dropped.
pub(crate) struct Work {
    backlog: Arc<Backlog>,
    desk: DeskId,
}

impl Seat {
    /// Sits down at the desk of `agent`.
    pub(crate) fn take(backlog: &Arc<Backlog>, agent: &Arc<str>) -> Self {
        Self { backlog: backlog.clone(), desk: backlog.sit(agent) }
    }

    /// Begins a task that was delivered. One that comes again had its slot freed by the instance that had it before.
    pub(crate) fn begin(&self, redelivered: bool) -> Work {
        if redelivered {
            return self.occupy();
        }
        self.work()
    }

    /// Takes a slot for something that the backlog has not given out.
    pub(crate) fn occupy(&self) -> Work {
        self.backlog.occupy(&self.desk);
        self.work()
    }

    fn work(&self) -> Work {
        Work { backlog: self.backlog.clone(), desk: self.desk.clone() }
    }
}

impl Work {
    /// Notes how the attempt went; an attempt that says nothing of the agent is not noted.
    pub(crate) fn note(&self, completed: bool) {
        self.backlog.note(&self.desk, completed);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.backlog.free(&self.desk);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.backlog.stand_up(&self.desk);
    }
}
