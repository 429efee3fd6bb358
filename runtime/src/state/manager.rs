//! The state manager: the actor that keeps what is asked for up to date, removes versions that nobody needs, and brings home
//! what was spooled.

use super::chain::Documents;
use super::chains::Seen;
use super::spool::{BRING, Brought};
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
    /// The garbage that is seen now.
    Swept([Seen; 2]),
    /// Time has passed.
    Tick,
}

/// The actor as a child of its node; `collect` is how often it looks for garbage.
pub(crate) fn state(documents: &Documents, collect: Duration) -> ChildSpec {
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
    collect: Duration,
    myself: ActorRef<Order>,
    look_at: Option<Instant>,
    bring_at: Option<Instant>,
    sweep_at: Option<Instant>,
    /// The newest versions of documents and of locks with garbage, as they were seen a while ago.
    seen: [Seen; 2],
    tasks: JoinSet<()>,
    reminder: Reminder,
}

impl Actor for StateManager {
    type Msg = Order;
    type State = Manager;
    type Arguments = (Documents, Duration);

    async fn pre_start(
        &self,
        myself: ActorRef<Order>,
        (documents, collect): (Documents, Duration),
    ) -> Result<Manager, ActorProcessingErr> {
        let now = Instant::now();
        let mut manager = Manager {
            documents,
            collect,
            myself,
            // What was said to the last incarnation may be lost.
            look_at: Some(now),
            bring_at: Some(now),
            sweep_at: Some(now + collect),
            seen: Default::default(),
            tasks: JoinSet::new(),
            reminder: Reminder::default(),
        };
        manager.arm();
        Ok(manager)
    }

    async fn handle(&self, _: ActorRef<Order>, order: Order, manager: &mut Manager) -> Result<(), ActorProcessingErr> {
        while manager.tasks.try_join_next().is_some() {}
        manager.take(order);
        manager.arm();
        Ok(())
    }
}

impl Manager {
    fn take(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Watch => self.look_at = self.look_at.or(Some(now + LOOK)),
            Order::Spooled => self.bring_at = self.bring_at.or(Some(now + BRING)),
            Order::Looked => {
                let is_watched = !self.documents.0.cache.watched(now).is_empty();
                self.look_at = is_watched.then(|| now + LOOK);
            }
            Order::Brought(brought) => self.bring_at = brought.again().map(|pause| now + pause),
            Order::Swept(seen) => {
                self.seen = seen;
                self.sweep_at = Some(now + self.collect);
            }
            Order::Tick => {
                self.reminder.has_told();
                for (at, begin) in [
                    (&mut self.look_at, Job::Look),
                    (&mut self.bring_at, Job::Bring),
                    (&mut self.sweep_at, Job::Sweep(std::mem::take(&mut self.seen))),
                ] {
                    if at.is_some_and(|at| at <= now) {
                        *at = None;
                        let (documents, myself) = (self.documents.clone(), self.myself.clone());
                        self.tasks.spawn(async move {
                            let done = begin.run(&documents).await;
                            let _ended = myself.cast(done);
                        });
                    } else if let Job::Sweep(seen) = begin {
                        self.seen = seen;
                    }
                }
            }
        }
    }

    fn arm(&mut self) {
        let next = [self.look_at, self.bring_at, self.sweep_at].into_iter().flatten().min();
        self.reminder.set(next, &self.myself, Order::Tick);
    }
}

/// What takes time: one of each kind at a time.
enum Job {
    Look,
    Bring,
    /// Deletes what was garbage already when this was seen.
    Sweep([Seen; 2]),
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
            Self::Sweep([of_documents, of_locks]) => Order::Swept([
                documents.0.chains.sweep(of_documents).await,
                documents.locks().chains().sweep(of_locks).await,
            ]),
        }
    }
}
