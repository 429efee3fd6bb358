//! One instance as an addressee.

use super::error::{Unanswered, Undelivered};
use super::inbox::{Inbox, Received};
use super::letter::Letter;
use super::mailroom::Shared;
use super::queue::{Next, Offer, Queue};
use super::{Kind, Message};
use callboard_core::{InstanceId, Json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How an instance is called.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The id of its agent.
    pub(super) agent: Arc<str>,
    /// Its number among the instances of the agent on its node, from 1.
    pub(super) number: usize,
    /// `<agent>#<n>`.
    pub(super) short: Arc<str>,
    /// `<node>/<agent>#<n>`.
    pub(super) full: Arc<str>,
    /// The same as an id.
    pub(super) instance: InstanceId,
}

impl Name {
    pub(super) fn new(node: &str, agent: Arc<str>, number: usize) -> Self {
        let short: Arc<str> = format!("{agent}#{number}").into();
        let instance = InstanceId::new(node, &short);
        Self { agent, number, short, full: instance.to_string().into(), instance }
    }

    /// The instance whose address is `full`, if that is one.
    pub(super) fn of_full(full: &str) -> Option<Self> {
        let (node, short) = full.split_once('/')?;
        let (agent, number) = short.rsplit_once('#')?;
        let number = number.parse().ok().filter(|number| *number > 0)?;
        (!node.is_empty() && !agent.is_empty()).then(|| Self::new(node, agent.into(), number))
    }

    /// Whether `wanted` is the id of its agent or one of its addresses.
    pub(super) fn is(&self, wanted: &str) -> bool {
        *self.agent == *wanted || *self.short == *wanted || *self.full == *wanted
    }
}

/// One instance of an agent as an addressee: its inbox, and whether it has something at hand.
///
/// It belongs to the instance for good and not to one incarnation: what waits outlives a panic.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) name: Arc<Name>,
    pub(super) shared: Arc<Shared>,
    queue: Queue,
    /// How many things are at hand: a task, a message.
    busy: AtomicUsize,
}

impl Place {
    pub(super) fn new(name: Name, shared: Arc<Shared>) -> Arc<Self> {
        let limits = shared.limits;
        Arc::new(Self { name: Arc::new(name), shared, queue: Queue::new(limits), busy: AtomicUsize::new(0) })
    }

    /// Whether nothing waits and nothing is at hand.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.waiting() == 0 && self.busy.load(Ordering::Relaxed) == 0
    }

    /// Waits until a message is there, and leaves it there. Never ends when no more will come.
    pub(crate) async fn has_some(&self) {
        loop {
            let changed = self.changed();
            if self.queue.waiting() > 0 {
                return;
            }
            changed.await;
        }
    }

    /// Puts the letter in the inbox; it stays in `letter` if that fails. `accepted` hears of it before the instance does.
    pub(super) fn offer(
        &self,
        letter: &mut Option<Letter>,
        accepted: impl FnOnce(&Message),
    ) -> Result<(), Undelivered> {
        match self.queue.offer(letter, accepted) {
            Offer::Taken => Ok(()),
            Offer::Full => Err(Undelivered::Full {
                to: self.name.short.clone(),
                messages: self.queue.limits.inbox_max,
                bytes: self.queue.limits.inbox_bytes_max,
            }),
            Offer::Closed => Err(Undelivered::Closed { to: self.name.short.clone() }),
        }
    }

    /// Takes back an ask that nobody waits for; says whether it was not taken yet.
    pub(super) fn withdraw(&self, message: super::MessageId) -> bool {
        let was_there = self.queue.withdraw(message);
        if was_there {
            self.shared.counters.expired.add(1);
        }
        was_there
    }

    /// Lends the inbox to the handler of a task, until the loan is dropped.
    pub(crate) fn lend(self: &Arc<Self>) -> Loan {
        Loan(Inbox::new(self.clone(), self.queue.change_reader()), Busy::new(self))
    }

    /// The inbox in the hands of the instance itself, between tasks.
    pub(super) fn inbox(self: &Arc<Self>) -> Inbox {
        Inbox::new(self.clone(), self.queue.change_reader())
    }

    /// Says that the instance has something at hand, until it is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        Busy::new(self)
    }

    /// The next message for `reader`; asks that nobody waits for any more are passed over.
    pub(super) fn take(self: &Arc<Self>, reader: u64) -> Taken {
        loop {
            match self.queue.take(reader) {
                Next::Letter(letter) if letter.is_expired() => self.shared.counters.expired.add(1),
                Next::Letter(letter) => return Taken::Message(Received::new(letter, self.clone())),
                Next::Nothing => return Taken::Nothing,
                Next::Over => return Taken::Over,
            }
        }
    }

    pub(super) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.queue.changed()
    }

    /// Takes no more messages. Whoever asked is told at once; tells are lost, and counted.
    pub(super) fn close(&self) {
        let mut lost = 0;
        for letter in self.queue.close() {
            match letter.asker {
                Some(asker) => drop(asker.send(Err(Unanswered::Closed))),
                None => lost += 1,
            }
        }
        if lost > 0 {
            self.shared.counters.lost.add(lost);
            tracing::warn!(instance = %self.name.full, lost, "messages that waited were lost with the instance");
        }
    }

    /// The answer of this instance to `asked`.
    pub(super) fn answer(&self, asked: &Message, body: Json) -> Message {
        Message {
            id: self.shared.ids.next(),
            kind: Kind::Answer,
            correlation: Some(asked.correlation()),
            from: Some(self.name.clone()),
            to: asked.from.clone(),
            topic: asked.topic.clone(),
            body,
            sent_at: self.shared.clock.now(),
        }
    }
}

/// What [`Place::take`] found.
#[derive(Debug)]
pub(super) enum Taken {
    Message(Received),
    Nothing,
    /// There will be no more for this reader.
    Over,
}

/// While it lives, its instance is not idle.
#[derive(Debug)]
pub(super) struct Busy(Arc<Place>);

impl Busy {
    fn new(place: &Arc<Place>) -> Self {
        place.busy.fetch_add(1, Ordering::Relaxed);
        Self(place.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The inbox of an instance in the hands of a task. When it is dropped, what was not taken is the instance's again, and
/// what the handler has kept of the inbox gives nothing any more.
#[derive(Debug)]
pub(crate) struct Loan(Inbox, Busy);

impl Loan {
    /// What the handler gets.
    pub(crate) fn inbox(&self) -> Inbox {
        self.0.clone()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.1.0.queue.change_reader();
    }
}
