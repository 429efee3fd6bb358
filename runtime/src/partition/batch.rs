//! What waits to be durable: events, and what is released once they are.

use super::message::{Refusal, Reply, Room};
use super::proof::Since;
use super::tally::Measured;
use callboard_core::{Effect, Event, Rejected, TaskRef};
use std::collections::VecDeque;
use std::fmt;

/// Events that are appended together, with what waits for them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) lines: Vec<u8>,
    pub(crate) events: Vec<Event>,
    pub(crate) effects: Vec<Effect>,
    /// What is measured of them.
    pub(super) measured: Vec<Measured>,
    /// Tasks whose records have grown.
    pub(crate) news: Vec<TaskRef>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) told: Vec<Told>,
    /// That something is not there, as it was when it was asked.
    pub(super) not_there: Vec<(Since, Told)>,
    /// Holders whose words have counted: what they hold is theirs when this is durable.
    pub(crate) vouched: Vec<Reply>,
    /// Whether anybody waits for it; if not, it may wait for company.
    pub(crate) awaited: bool,
}

/// An answer that is given when all that was decided before it is durable.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) result: Result<(), Rejected>,
    /// By what the owner is to know that it is for it to say.
    pub(super) since: Since,
    /// The room that the command takes up until it is answered.
    pub(crate) _room: Option<Room>,
}

/// Something to be told when all that was decided before it is durable; dropped untold if it never is.
pub(crate) struct Told(pub(crate) Box<dyn FnOnce() + Send>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// What an append carries at most, if it carries more than one command. 4 MiB and 10,000 events.
pub(crate) const BATCH_BYTES_MAX: usize = 4 << 20;
pub(crate) const BATCH_EVENTS_MAX: usize = 10_000;

impl Batch {
    fn is_full(&self) -> bool {
        self.lines.len() >= BATCH_BYTES_MAX || self.events.len() >= BATCH_EVENTS_MAX
    }

    /// Tells everybody who waits that the batch did not become durable.
    pub(crate) fn refuse(self, refusal: &Refusal) {
        for answer in self.answers {
            let _gone = answer.reply.send(Err(refusal.clone()));
        }
    }
}

/// The batches that have not been sent yet; the last is still open.
#[derive(Debug)]
pub(crate) struct Pending(VecDeque<Batch>);

impl Default for Pending {
    fn default() -> Self {
        Self(VecDeque::from([Batch::default()]))
    }
}

impl Pending {
    /// The batch that takes the next command's events; a command's events are never torn apart.
    pub(crate) fn open(&mut self) -> &mut Batch {
        if self.0.back().is_none_or(Batch::is_full) {
            self.0.push_back(Batch::default());
        }
        self.0.back_mut().expect("a batch was added if there was none")
    }

    /// The batch that the last command's events went to.
    pub(crate) fn open_last(&mut self) -> &mut Batch {
        if self.0.is_empty() {
            self.0.push_back(Batch::default());
        }
        self.0.back_mut().expect("a batch was added if there was none")
    }

    /// Whether no event waits here. What else waits then waits for the batch in flight, or for nothing.
    pub(crate) fn is_durable(&self) -> bool {
        self.0.iter().all(|batch| batch.events.is_empty())
    }

    /// Whether somebody waits for any of it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.iter().any(|batch| batch.awaited)
    }

    /// Whether so much waits that what comes by itself had better wait as well.
    pub(crate) fn is_backed_up(&self) -> bool {
        self.0.iter().any(Batch::is_full)
    }

    /// The batch that is to be sent next.
    pub(crate) fn take(&mut self) -> Batch {
        self.0.pop_front().unwrap_or_default()
    }

    /// All batches, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Batch> {
        self.0.iter()
    }

    /// Tells everybody who waits that nothing of it will become durable.
    pub(crate) fn refuse(self, refusal: &Refusal) {
        self.0.into_iter().for_each(|batch| batch.refuse(refusal));
    }
}
