//! The breakers of a node, by name, and how one is used.

use super::actor::Order;
use super::gate::{Gate, Pass, Ticket, Way};
use super::info::Published;
use super::machine::Heard;
use super::rules::BreakerRules;
use super::{BreakerChanges, BreakerInfo, BreakerState, actor};
use crate::breaches::Breaches;
use crate::port::directory::check_names;
use crate::query::Cause;
use crate::supervise::Slot;
use crate::{Error, ErrorClass, ErrorKind, Result};
use callboard_core::{Breach, Invariant};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{Notify, broadcast, oneshot};
use tokio::time::Instant;

/// What a breaker is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An agent of this node.
    Agent(Arc<str>),
    /// Something outside that handlers call, or several nodes do.
    Dependency,
    /// What this node sends to the bus, the directory or the store.
    Port,
}

/// A breaker, as whoever calls through it has it.
pub(crate) struct Breaker {
    pub(crate) name: Arc<str>,
    pub(super) subject: Subject,
    pub(super) rules: BreakerRules,
    pub(super) gate: Gate,
    pub(super) published: Mutex<Published>,
    /// Told with every change, and every step of a ramp.
    pub(super) changed: Notify,
    /// One more than the generation of the probe that is under way, 0 without one. A probe whose time is over is none.
    probe: AtomicU64,
    pub(super) breaches: Breaches,
    actor: Arc<OnceLock<Slot<Order>>>,
}

/// The breakers of a node; a cheap handle.
#[derive(Clone)]
pub(crate) struct Breakers(Arc<Inner>);

struct Inner {
    /// Read by every call that is guarded, and written when there is a breaker more or less.
    all: RwLock<BTreeMap<Arc<str>, Arc<Breaker>>>,
    rules: BreakerRules,
    named: BTreeMap<String, BreakerRules>,
    breaches: Breaches,
    actor: Arc<OnceLock<Slot<Order>>>,
    changes: broadcast::Sender<BreakerInfo>,
}

/// The longest name of a breaker, in bytes: its lease and its key in the directory have some more.
const NAME_BYTES_MAX: usize = 180;
/// Changes that whoever follows them may be behind.
const BEHIND_MAX: usize = 1_024;
/// Dependencies of a node that have a breaker, at most: a name is made in code, and may be made of data by mistake.
const BREAKERS_MAX: usize = 10_000;

impl Breakers {
    /// None yet. `named` has the rules of those that do not go by `rules`.
    pub(crate) fn new(rules: BreakerRules, named: BTreeMap<String, BreakerRules>, breaches: Breaches) -> Self {
        Self(Arc::new(Inner {
            all: RwLock::default(),
            rules,
            named,
            breaches,
            actor: Arc::default(),
            changes: broadcast::Sender::new(BEHIND_MAX),
        }))
    }

    /// Says which actor hears how calls went, once, before there is any.
    pub(super) fn heard_by(&self, actor: Slot<Order>) {
        let _first = self.0.actor.set(actor);
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Arc<str>, Arc<Breaker>>> {
        self.0.all.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Arc<str>, Arc<Breaker>>> {
        self.0.all.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whoever follows that one has changed.
    pub(super) fn has_changed(&self, breaker: &Breaker, now: Instant) {
        if self.0.changes.receiver_count() > 0 {
            let _nobody = self.0.changes.send(breaker.info(now));
        }
    }

    /// Every change from now on.
    pub(crate) fn changes(&self) -> BreakerChanges {
        BreakerChanges(self.0.changes.subscribe())
    }

    /// The breaker of a dependency, which is made if there is none.
    ///
    /// # Errors
    ///
    /// `Invalid` for a name that no breaker can have, or for one too many.
    pub(crate) fn dependency(&self, name: &str) -> Result<Arc<Breaker>> {
        let found = self.read().get(name).cloned();
        if let Some(found) = found.filter(|found| found.subject == Subject::Dependency) {
            return Ok(found);
        }
        if name.len() > NAME_BYTES_MAX || check_names(&[name]).is_err() {
            let message =
                format!("the name of a breaker is 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ : = -, not {name:?}");
            return Err(Error::invalid(message));
        }
        if [AGENT, CAPABILITY, PORT].iter().any(|own| name.starts_with(own)) {
            return Err(Error::invalid(format!("breaker {name:?} is one of Callboard itself: take another name")));
        }
        let mut all = self.write();
        if all.len() >= BREAKERS_MAX {
            let message =
                format!("there are {BREAKERS_MAX} breakers; name them by what they guard, not by what is asked");
            return Err(Error::invalid(message));
        }
        let rules = self.0.named.get(name).unwrap_or(&self.0.rules).clone();
        Ok(self.make(&mut all, name.into(), Subject::Dependency, rules))
    }

    /// The breaker of an agent, closed: an agent of this id begins. What is said of it by name counts, or else of the first
    /// of its capabilities that something is said of, or else what it says itself, or else what is said of all.
    pub(crate) fn agent<'a>(
        &self,
        id: &Arc<str>,
        mut capabilities: impl Iterator<Item = &'a str>,
        own: Option<&BreakerRules>,
    ) -> Arc<Breaker> {
        let name: Arc<str> = format!("{AGENT}{id}").into();
        let named = &self.0.named;
        let of_capability = || capabilities.find_map(|capability| named.get(&format!("{CAPABILITY}{capability}")));
        let rules = named.get(&*name).or_else(of_capability).or(own).unwrap_or(&self.0.rules).clone();
        let mut all = self.write();
        all.remove(&name);
        self.make(&mut all, name.clone(), Subject::Agent(id.clone()), rules)
    }

    /// The breaker of what is sent to a port.
    pub(super) fn port(&self, name: &str, rules: BreakerRules) -> Arc<Breaker> {
        let name: Arc<str> = format!("{PORT}{name}").into();
        let rules = self.0.named.get(&*name).cloned().unwrap_or(rules);
        self.make(&mut self.write(), name, Subject::Port, rules)
    }

    fn make(
        &self,
        all: &mut BTreeMap<Arc<str>, Arc<Breaker>>,
        name: Arc<str>,
        subject: Subject,
        rules: BreakerRules,
    ) -> Arc<Breaker> {
        let made = || {
            Arc::new(Breaker {
                name: name.clone(),
                subject,
                rules,
                gate: Gate::default(),
                published: Mutex::new(Published::closed(Instant::now())),
                changed: Notify::new(),
                probe: AtomicU64::new(0),
                breaches: self.0.breaches.clone(),
                actor: self.0.actor.clone(),
            })
        };
        all.entry(name.clone()).or_insert_with(made).clone()
    }

    /// The agent is gone, and its breaker with it.
    pub(crate) fn forget_agent(&self, id: &str) {
        self.write().remove(&*format!("{AGENT}{id}"));
    }

    /// One by its name, if it was ever used.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Breaker>> {
        self.read().get(name).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Breaker>> {
        self.read().values().cloned().collect()
    }

    /// All of them as they stand, by name.
    pub(crate) fn list(&self) -> Vec<BreakerInfo> {
        let now = Instant::now();
        self.all().iter().map(|breaker| breaker.info(now)).collect()
    }

    /// One as it stands.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none of that name.
    pub(crate) fn info(&self, name: &str) -> Result<BreakerInfo> {
        Ok(self.used(name)?.info(Instant::now()))
    }

    fn used(&self, name: &str) -> Result<Arc<Breaker>> {
        self.find(name).ok_or_else(|| {
            let message = format!("there is no breaker {name:?} on this node; it is made when it is used first");
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// Opens, closes or resets one by hand; as it stands then.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none of that name, `Unavailable` if the actor is down.
    pub(crate) async fn put(&self, name: &str, by_hand: actor::ByHand, by: &str) -> Result<BreakerInfo> {
        let breaker = self.used(name)?;
        let (reply, answer) = oneshot::channel();
        breaker.order(Order::Put { name: breaker.name.clone(), by_hand, by: by.into(), reply });
        answer.await.map_err(|_| Error::new(ErrorKind::Unavailable, "the breakers are being restarted"))?;
        Ok(breaker.info(Instant::now()))
    }

    /// Another node says where one stands.
    pub(crate) fn told(&self, from: &Arc<str>, told: super::Told) {
        if let Some(actor) = self.0.actor.get().and_then(Slot::current) {
            let _down = actor.cast(Order::Told { from: Some(from.clone()), told });
        }
    }
}

/// What the name of the breaker of an agent begins with.
const AGENT: &str = "agent:";
/// What counts for the agents that have a capability is said of this and the capability.
const CAPABILITY: &str = "capability:";
/// And that of a port.
const PORT: &str = "port:";

impl Breaker {
    /// Lets a call through, or not. `ticket` is what its task was let through with.
    #[inline]
    pub(crate) fn enter(self: &Arc<Self>, ticket: Option<&Ticket>) -> Option<Pass> {
        let ticket = ticket.filter(|ticket| ticket.gate == self.name).map(|ticket| ticket.generation);
        let (generation, way) = self.gate.enter(ticket)?;
        if way == Way::Shut {
            self.order(Order::Begun { name: self.name.clone(), generation });
        }
        Some(self.passed(generation, way))
    }

    /// Begins a task that the agent was given.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<Pass> {
        self.gate.begin().map(|(generation, way)| self.passed(generation, way))
    }

    /// A call that was let through; whether it is the only one that may be is looked at beside the gate that has decided it.
    fn passed(self: &Arc<Self>, generation: u64, way: Way) -> Pass {
        let is_probe = match way {
            Way::Free => false,
            Way::Some => self.lock().is_probed_in(generation),
            Way::One | Way::Probing | Way::Shut => true,
        };
        if is_probe && self.probe.swap(generation + 1, Ordering::AcqRel) > 0 {
            let what = format!("breaker {:?} has let another call through beside its probe", self.name);
            self.breaches.report(None, [Breach { invariant: Invariant::OneProbe, run: None, task: None, what }]);
        }
        Pass::new(self.clone(), generation, is_probe)
    }

    /// The probe of this generation has ended.
    pub(super) fn probed(&self, generation: u64) {
        let _other = self.probe.compare_exchange(generation + 1, 0, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whatever probe there is, it decides nothing any more: its time is over, or somebody else has decided.
    pub(super) fn is_decided(&self) {
        self.probe.store(0, Ordering::Release);
    }

    /// How many tasks that wait here the backlog may let through now.
    pub(crate) fn lets_through(&self) -> usize {
        self.gate.lets_through()
    }

    /// Lets one task of the backlog through.
    pub(crate) fn take(&self) -> Option<Ticket> {
        Some(Ticket { generation: self.gate.take()?, gate: self.name.clone() })
    }

    /// How many tasks of the backlog wait here.
    pub(crate) fn waits(&self, waiting: usize) {
        self.gate.waits(waiting);
    }

    /// After how long a call is slow.
    pub(crate) fn slow_after(&self) -> Option<std::time::Duration> {
        self.rules.slow
    }

    /// Waits for the next change, or the next step of a ramp.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn hear(&self, generation: u64, heard: Heard) {
        self.order(Order::Heard { name: self.name.clone(), generation, heard });
    }

    /// Without an actor it is lost: calls are counted again when it is back.
    fn order(&self, order: Order) {
        if let Some(actor) = self.actor.get().and_then(Slot::current) {
            let _down = actor.cast(order);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn info(&self, now: Instant) -> BreakerInfo {
        self.lock().info(&self.name, self.gate.waiting(), now)
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> BreakerState {
        self.lock().state.as_seen()
    }

    /// Why nothing goes through, in words; `None` if it does.
    pub(crate) fn reason(&self, now: Instant) -> Option<Cause> {
        self.lock().cause(&self.name, now)
    }
}

/// What an error says of the one who was called: only what another attempt may mend is its fault.
impl From<&Error> for Heard {
    fn from(error: &Error) -> Self {
        match error.class() {
            _ if error.is_of_another() => Self::Dropped,
            ErrorClass::Retryable { .. } => Self::Failed(error.message().into()),
            ErrorClass::Timeout => Self::Slow { trips: false },
            ErrorClass::Terminal => Self::Well,
            ErrorClass::Budget | ErrorClass::Cancelled | ErrorClass::Diverged => Self::Dropped,
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Breaker").field(&self.name).field(&self.gate).finish()
    }
}
