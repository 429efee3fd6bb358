//! The actor that wakes who waits at a limit: when time makes room, when somebody has ended, when the directory has answered.

use super::lease::Asked;
use super::limiter::Limiter;
use super::meter::Reach;
use super::named::Limits;
use crate::cluster::Member;
use crate::dispatch::backlog::Backlog;
use crate::port::directory::Directory;
use crate::supervise::{ChildSpec, OnGiveUp, Policy, Reminder};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What the actor works with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) node: Arc<str>,
    pub(crate) limits: Limits,
    pub(crate) backlog: Arc<Backlog>,
    /// The other nodes, if there may be any.
    pub(crate) others: Option<Others>,
}

/// How the nodes share limits.
#[derive(Clone)]
pub(crate) struct Others {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) member: Member,
}

/// What is said to the actor, of the limit of this gate.
#[derive(Debug)]
pub(crate) enum Order {
    /// Somebody has found no room.
    Look(Arc<str>),
    /// Somebody has ended, and others wait.
    Freed(Arc<str>),
    /// The directory was asked; with how many nodes are known, if it is away.
    Asked { gate: Arc<str>, asked: Asked, nodes: u64 },
    /// Time has passed.
    Tick,
}

/// How soon the directory is asked again for what it did not have; later by who got something.
const RETRY: Duration = Duration::from_millis(250);
/// And by who got all, and wants more by now.
const AT_ONCE: Duration = Duration::from_millis(5);
/// How often a node says again what it holds, and gives back what it does not need.
const RENEW: Duration = Duration::from_secs(1);

/// The actor as a child of its node.
pub(crate) fn limits(around: Surroundings) -> ChildSpec {
    let policy = Policy { on_give_up: OnGiveUp::StopTree, ..Policy::default() };
    let given = around.clone();
    let (spec, slot) = ChildSpec::actor("limits", policy, move || (LimitsActor, given.clone()));
    around.limits.watched_by(slot);
    spec
}

/// The type of the actor.
struct LimitsActor;

/// The state of the actor.
struct Doorman {
    around: Surroundings,
    myself: ActorRef<Order>,
    /// When to look at which limit again.
    wakes: BTreeMap<Arc<str>, Instant>,
    /// Those of which the directory is being asked.
    asking: BTreeSet<Arc<str>>,
    /// Those of which it has been asked, and until when it is not asked again.
    refused: BTreeMap<Arc<str>, Instant>,
    tasks: JoinSet<()>,
    reminder: Reminder,
}

impl Actor for LimitsActor {
    type Msg = Order;
    type State = Doorman;
    type Arguments = Surroundings;

    async fn pre_start(&self, myself: ActorRef<Order>, around: Surroundings) -> Result<Doorman, ActorProcessingErr> {
        let (wakes, asking, refused) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let now = Instant::now();
        let mut doorman =
            Doorman { around, myself, wakes, asking, refused, tasks: JoinSet::new(), reminder: Reminder::default() };
        // What was said to the last incarnation may be lost.
        for limiter in doorman.around.limits.all() {
            doorman.wakes.insert(limiter.gate.clone(), now);
        }
        doorman.arm();
        Ok(doorman)
    }

    async fn handle(&self, _: ActorRef<Order>, order: Order, doorman: &mut Doorman) -> Result<(), ActorProcessingErr> {
        while doorman.tasks.try_join_next().is_some() {}
        doorman.take(order);
        doorman.arm();
        Ok(())
    }
}

impl Doorman {
    fn take(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Look(gate) => {
                let Some(limiter) = self.around.limits.at(&gate) else { return };
                match limiter.next(now) {
                    Next::Ask => match self.refused.get(&gate).copied().filter(|until| *until > now) {
                        Some(until) => self.wake(gate, until),
                        None => self.ask(&limiter),
                    },
                    Next::At(at) => self.wake(gate, at),
                    Next::WhenFreed => {}
                }
            }
            Order::Freed(gate) => {
                if let Some(limiter) = self.around.limits.at(&gate) {
                    self.open(&limiter);
                }
            }
            Order::Asked { gate, asked, nodes } => {
                self.asking.remove(&gate);
                let Some(limiter) = self.around.limits.at(&gate) else { return };
                let again = match asked {
                    Asked::Answered { got_all: true } => RENEW,
                    Asked::Answered { got_all: false } => RETRY,
                    Asked::Away => {
                        limiter.is_cut_off(nodes);
                        RENEW
                    }
                };
                let pause = if matches!(asked, Asked::Answered { got_all: true }) { AT_ONCE } else { again };
                self.refused.insert(gate.clone(), now + pause);
                self.open(&limiter);
                if limiter.needs_asking() {
                    self.wake(gate, now + again);
                } else {
                    self.refused.remove(&gate);
                }
            }
            Order::Tick => {
                self.reminder.has_told();
                let due = self.wakes.iter().filter(|(_, at)| **at <= now).map(|(gate, _)| gate.clone());
                for gate in due.collect::<Vec<_>>() {
                    self.wakes.remove(&gate);
                    let Some(limiter) = self.around.limits.at(&gate) else { continue };
                    self.open(&limiter);
                    if self.around.others.is_some() && limiter.needs_asking() {
                        self.ask(&limiter);
                    }
                }
            }
        }
    }

    /// Lets in who may go now: the backlog says again who can not.
    fn open(&self, limiter: &Arc<Limiter>) {
        limiter.looked_at();
        self.around.backlog.has_room(limiter);
        limiter.tell_all();
    }

    fn wake(&mut self, gate: Arc<str>, at: Instant) {
        self.wakes.entry(gate).and_modify(|known| *known = at.min(*known)).or_insert(at);
    }

    /// Asks the directory, once at a time.
    fn ask(&mut self, limiter: &Arc<Limiter>) {
        let Some(others) = self.around.others.clone() else { return };
        if !self.asking.insert(limiter.gate.clone()) {
            return;
        }
        let (limiter, node, myself) = (limiter.clone(), self.around.node.clone(), self.myself.clone());
        self.tasks.spawn(async move {
            let asked = limiter.ask(&*others.directory, &node).await;
            let nodes = match asked {
                Asked::Answered { .. } => 1,
                Asked::Away => others.member.known().await.map_or(1, |known| known.len() as u64),
            };
            let _ended = myself.cast(Order::Asked { gate: limiter.gate.clone(), asked, nodes });
        });
    }

    /// Sees to it that the next moment is not missed.
    fn arm(&mut self) {
        let next = self.wakes.values().min().copied();
        self.reminder.set(next, &self.myself, Order::Tick);
    }
}

/// When who waits may go.
pub(super) enum Next {
    /// When the directory has said so.
    Ask,
    At(Instant),
    /// When somebody has ended, who tells.
    WhenFreed,
}

impl Limiter {
    /// When the first of those who wait may go, if nobody ends before.
    fn next(&self, now: Instant) -> Next {
        let state = self.lock();
        let Some(short) = state.short else { return Next::WhenFreed };
        if state.reach == Reach::Leased {
            return Next::Ask;
        }
        let next = state.meters.iter().map(|meter| meter.next(state.reach, now, short.units)).max();
        match next {
            Some(next) if next > now => Next::At(next),
            _ if state.has_no_place(&self.limit, now) => Next::WhenFreed,
            // There is room again, or it is kept for somebody who is about to come.
            _ => Next::At(now + RETRY),
        }
    }

    /// Who finds no room from now on says so again.
    fn looked_at(&self) {
        let mut state = self.lock();
        (state.short, state.is_looked_at) = (None, false);
    }
}
