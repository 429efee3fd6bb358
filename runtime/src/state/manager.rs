//! The state manager: the actor that keeps what is asked for up to date, removes versions that nobody needs, and brings home
//! what was spooled.

use super::chain::Documents;
use super::chains::Seen;
use super::spool::{BRING, Brought};
use crate::journal::late::Late;
use crate::supervise::{ChildSpec, OnGiveUp, Policy, Reminder};
use futures::StreamExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often a document that somebody has asked for is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How many documents are looked at at a time.
const LOOKS_AT_ONCE: usize = 16;

/// What is said to the actor.
#[derive(Debug)]
pub(crate) enum Order {
    /// Somebody asks for what is remembered of a document.
    Watch,
    /// Something was spooled.
    Spooled,
    /// What was looked at.
    Looked,
    /// What has become of what was spooled.
    Brought(Brought),
    /// What is garbage was deleted; what was seen of it.
    Swept(Garbage),
    /// Time has passed.
    Tick,
}

/// What was seen of the garbage of documents and of locks, and is not acted upon yet.
type Garbage = [Late<Seen>; 2];

/// How the actor looks for garbage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collect {
    /// How often.
    pub(crate) every: Duration,
    /// How long it stays.
    pub(crate) late: Duration,
}

/// The actor as a child of its node.
pub(crate) fn state(documents: &Documents, collect: Collect) -> ChildSpec {
    let policy = Policy { on_give_up: OnGiveUp::StopTree, ..Policy::default() };
    let given = documents.clone();
    let (spec, slot) = ChildSpec::actor("state", policy, move || (StateManager, (given.clone(), collect)));
    documents.managed_by(slot);
    spec
}

/// The type of the actor.
struct StateManager;

/// The state of the actor.
struct Manager {
    documents: Documents,
    collect: Collect,
    myself: ActorRef<Order>,
    look: Duty,
    bring: Duty,
    sweep: Duty,
    garbage: Garbage,
    tasks: JoinSet<()>,
    reminder: Reminder,
}

impl Actor for StateManager {
    type Msg = Order;
    type State = Manager;
    type Arguments = (Documents, Collect);

    async fn pre_start(
        &self,
        myself: ActorRef<Order>,
        (documents, collect): (Documents, Collect),
    ) -> Result<Manager, ActorProcessingErr> {
        let now = Instant::now();
        let mut manager = Manager {
            documents,
            collect,
            myself,
            // What was said to the last incarnation may be lost.
            look: Duty::at(now),
            bring: Duty::at(now),
            sweep: Duty::at(now + collect.every),
            garbage: [Late::new(collect.late), Late::new(collect.late)],
            tasks: JoinSet::new(),
            reminder: Reminder::default(),
        };
        manager.arm();
        Ok(manager)
    }

    async fn handle(&self, _: ActorRef<Order>, order: Order, manager: &mut Manager) -> Result<(), ActorProcessingErr> {
        // A job that has panicked is begun anew by the next incarnation.
        while let Some(ended) = manager.tasks.try_join_next() {
            ended?;
        }
        manager.take(order);
        manager.arm();
        Ok(())
    }
}

impl Manager {
    fn take(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Watch => self.look.wants(now + LOOK),
            Order::Spooled => self.bring.wants(now + BRING),
            Order::Looked => {
                let is_watched = !self.documents.0.cache.watched(now).is_empty();
                self.look.is_done(is_watched.then(|| now + LOOK));
            }
            Order::Brought(brought) => self.bring.is_done(brought.again().map(|pause| now + pause)),
            Order::Swept(garbage) => {
                self.garbage = garbage;
                self.sweep.is_done(Some(now + self.collect.every));
            }
            Order::Tick => {
                self.reminder.has_told();
                if self.look.begins(now) {
                    self.begin(Job::Look);
                }
                if self.bring.begins(now) {
                    self.begin(Job::Bring);
                }
                if self.sweep.begins(now) {
                    // It comes back with `Swept`.
                    let empty = || Late::new(self.collect.late);
                    let garbage = std::mem::replace(&mut self.garbage, [empty(), empty()]);
                    self.begin(Job::Sweep(garbage));
                }
            }
        }
    }

    fn begin(&mut self, job: Job) {
        let (documents, myself) = (self.documents.clone(), self.myself.clone());
        self.tasks.spawn(async move {
            let done = job.run(&documents).await;
            let _ended = myself.cast(done);
        });
    }

    fn arm(&mut self) {
        let next = [&self.look, &self.bring, &self.sweep].into_iter().filter_map(Duty::next).min();
        self.reminder.set(next, &self.myself, Order::Tick);
    }
}

/// What is done now and then, once at a time.
#[derive(Debug, Default)]
struct Duty {
    at: Option<Instant>,
    is_under_way: bool,
}

impl Duty {
    fn at(at: Instant) -> Self {
        Self { at: Some(at), is_under_way: false }
    }

    /// It is to be done at that time, if not before; also if it is under way, and has perhaps not seen what it is wanted for.
    fn wants(&mut self, at: Instant) {
        self.at = self.at.or(Some(at));
    }

    /// When it is to be begun.
    fn next(&self) -> Option<Instant> {
        self.at.filter(|_| !self.is_under_way)
    }

    /// Whether it begins now.
    fn begins(&mut self, now: Instant) -> bool {
        let is_due = self.next().is_some_and(|at| at <= now);
        if is_due {
            *self = Self { at: None, is_under_way: true };
        }
        is_due
    }

    /// It is done, and is to be done again then, unless it is wanted before.
    fn is_done(&mut self, again: Option<Instant>) {
        *self = Self { at: self.at.or(again), is_under_way: false };
    }
}

/// What takes time.
enum Job {
    Look,
    Bring,
    Sweep(Garbage),
}

impl Job {
    async fn run(self, documents: &Documents) -> Order {
        match self {
            Self::Look => {
                let watched = documents.0.cache.watched(Instant::now());
                let each = futures::stream::iter(watched).for_each_concurrent(LOOKS_AT_ONCE, async |key| {
                    // The store may be away: whoever asks is told how old it is.
                    let _away = documents.read(&key).await;
                });
                each.await;
                Order::Looked
            }
            Self::Bring => Order::Brought(documents.bring().await),
            Self::Sweep(mut garbage) => {
                let chains = [&documents.0.chains, documents.locks().chains()];
                for (chains, late) in chains.into_iter().zip(&mut garbage) {
                    chains.sweep(late, Instant::now()).await;
                }
                Order::Swept(garbage)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_while_it_is_done_is_done_once_more() {
        let now = Instant::now();
        let [soon, later] = [1, 2].map(|seconds| now + Duration::from_secs(seconds));
        let mut duty = Duty::at(now);
        assert!(duty.begins(now) && !duty.begins(later), "once at a time");
        duty.wants(soon);
        assert_eq!(duty.next(), None, "it is under way");
        duty.is_done(None);
        assert_eq!(duty.next(), Some(soon));
        assert!(!duty.begins(now) && duty.begins(soon));
        duty.is_done(Some(later));
        assert_eq!(duty.next(), Some(later));
    }
}
