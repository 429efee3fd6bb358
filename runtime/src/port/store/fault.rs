//! A store that fails as it is told, for tests.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::sync::Arc;
//! use callboard::port::store::fault::{Fault, FaultStore, Operation};
//! use callboard::port::store::{Error, MemoryStore, Store};
//!
//! let faults = FaultStore::new(Arc::new(MemoryStore::new()));
//! faults.script(Operation::Create, "*/manifest/*", [Fault::Pass, Fault::LoseAnswer]);
//! let _ = faults.create("p/manifest/1", "one".into()).await?;
//! let lost = faults.create("p/manifest/2", "two".into()).await;
//! assert!(matches!(lost, Err(Error::Unclear { .. })));
//! assert!(faults.get("p/manifest/2").await?.is_some());
//! # Ok::<(), Error>(()) }).unwrap();
//! ```

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Create, Error, Store};
use crate::port::fault::{Dice, Drawn, Held, Plan, Rule, Tally, Waiting, pause};

/// The kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Store::create`]
    Create,
    /// [`Store::get`]
    Get,
    /// [`Store::list`]; its name is the prefix.
    List,
    /// [`Store::delete`]
    Delete,
}

/// What happens to one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing special.
    #[default]
    Pass,
    /// No effect; the caller is told [`Error::Refused`].
    Refuse,
    /// No effect, [`Error::Refused`], and so for every create until [`FaultStore::free_disk`].
    DiskFull,
    /// No effect ever; the caller is told [`Error::Unclear`].
    LoseRequest,
    /// The effect, then [`Error::Unclear`].
    LoseAnswer,
    /// [`Error::Unclear`] at once; the effect when the test releases it.
    Late,
    /// The effect and its true answer; the effect once more when the test releases it.
    Twice,
    /// Nothing until the test releases it, then the effect and its true answer.
    Hang,
    /// The effect at once, its true answer when the test releases it.
    Delay,
    /// A create takes effect on its first try, and a proxy that tried again passes on
    /// [`Create::Exists`]. Other operations pass.
    Exists,
}

/// How often a seeded fault store does what: chances from 0 to 1 per operation, their sum at most 1. All
/// are 0 by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Odds {
    /// Chance of [`Fault::Refuse`].
    pub refuse: f64,
    /// Chance of [`Fault::LoseRequest`].
    pub lose_request: f64,
    /// Chance of [`Fault::LoseAnswer`].
    pub lose_answer: f64,
    /// Chance of [`Fault::Late`]; released by itself, see `late_operations_max`.
    pub late: f64,
    /// Chance of [`Fault::Twice`]; released by itself, see `late_operations_max`.
    pub twice: f64,
    /// Chance of [`Fault::Exists`].
    pub exists: f64,
    /// A late effect takes place before one of the next so many operations.
    pub late_operations_max: u64,
    /// Every request and every answer is under way for up to this long in tokio's time, so under paused
    /// time operations overtake each other at no cost.
    pub delay_max: Duration,
}

/// How many operations of each kind callers began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of [`Store::create`].
    pub create: u64,
    /// Number of [`Store::get`].
    pub get: u64,
    /// Number of [`Store::list`].
    pub list: u64,
    /// Number of [`Store::delete`].
    pub delete: u64,
}

/// Wraps a store and spoils operations as told: by script, by seed, or not at all.
///
/// What happens to an operation is decided in this order: the disk is full (creates only); the first rule
/// of [`script`](Self::script) or [`always`](Self::always) that fits and is not used up; the seeded odds;
/// pass. In the pattern of a rule `*` stands for any characters, slashes too.
///
/// A clone is the same fault store. Two nodes with faults of their own get a wrapper each over clones of
/// one [`MemoryStore`](super::MemoryStore).
#[derive(Clone)]
pub struct FaultStore {
    inner: Arc<dyn Store>,
    state: Arc<State>,
}

impl fmt::Debug for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultStore").field("counts", &self.counts()).field("held", &self.held()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    told: Mutex<Told>,
    held: Held<Operation>,
}

/// What the test has told, and what callers have begun.
#[derive(Default)]
struct Told {
    plan: Plan<Operation, Fault>,
    disk_full: bool,
    counts: Counts,
    injected: Tally<Fault>,
}

impl Told {
    fn draw(&mut self, operation: Operation, name: &str) -> Drawn<Fault> {
        *match operation {
            Operation::Create => &mut self.counts.create,
            Operation::Get => &mut self.counts.get,
            Operation::List => &mut self.counts.list,
            Operation::Delete => &mut self.counts.delete,
        } += 1;
        let mut drawn = self.plan.draw(operation, name);
        self.disk_full |= drawn.fault == Fault::DiskFull;
        if self.disk_full && operation == Operation::Create {
            drawn.fault = Fault::DiskFull;
        }
        if drawn.fault == Fault::Exists && operation != Operation::Create {
            drawn.fault = Fault::Pass;
        }
        if drawn.fault != Fault::Pass {
            self.injected.add(drawn.fault, 1);
        }
        drawn
    }
}

impl FaultStore {
    /// A fault store that passes everything on until told otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// Spoils the next operations of this kind and name by `faults`, one each, in order.
    pub fn script(&self, operation: Operation, pattern: &str, faults: impl IntoIterator<Item = Fault>) {
        self.told().plan.add(Rule::once_each(operation, pattern, faults));
    }

    /// Spoils every operation of this kind and name by `fault`, until [`calm`](Self::calm).
    pub fn always(&self, operation: Operation, pattern: &str, fault: Fault) {
        self.told().plan.add(Rule::always(operation, pattern, fault));
    }

    /// Spoils operations by chance. The same seed and the same operations give the same faults.
    ///
    /// # Panics
    ///
    /// If the chances add up to more than 1.
    pub fn random(&self, seed: u64, odds: Odds) {
        let chances = [
            (odds.refuse, Fault::Refuse),
            (odds.lose_request, Fault::LoseRequest),
            (odds.lose_answer, Fault::LoseAnswer),
            (odds.late, Fault::Late),
            (odds.twice, Fault::Twice),
            (odds.exists, Fault::Exists),
        ];
        self.told().plan.roll(Dice::new(seed, chances, odds.late_operations_max, odds.delay_max));
    }

    /// Forgets scripts and odds and frees the disk: from now on operations pass. What is held stays held.
    pub fn calm(&self) {
        let mut told = self.told();
        told.plan.calm();
        told.disk_full = false;
    }

    /// Refuses every create from now on.
    pub fn fill_disk(&self) {
        self.told().disk_full = true;
    }

    /// Ends [`fill_disk`](Self::fill_disk) and [`Fault::DiskFull`].
    pub fn free_disk(&self) {
        self.told().disk_full = false;
    }

    /// How many operations of each kind callers began so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.told().counts
    }

    /// How often this fault has been injected.
    #[must_use]
    pub fn injected(&self, fault: Fault) -> u64 {
        self.told().injected.of(fault)
    }

    /// How often each kind of fault has been injected that has been.
    #[must_use]
    pub fn injected_by_kind(&self) -> Vec<(Fault, u64)> {
        self.told().injected.all()
    }

    /// How many faults of all kinds have been injected.
    #[must_use]
    pub fn injected_total(&self) -> u64 {
        self.told().injected.total()
    }

    /// Kind and name of each operation that waits for its release, in the order they came.
    #[must_use]
    pub fn held(&self) -> Vec<(Operation, String)> {
        self.state.held.list()
    }

    /// Waits until at least `count` operations are held.
    pub async fn until_held(&self, count: usize) {
        self.state.held.until(count).await;
    }

    /// Releases the operation that is held longest; `false` if none is. A late effect has taken place
    /// when this returns; a caller that waited goes on by itself.
    pub async fn release_next(&self) -> bool {
        self.state.held.release_next().await
    }

    /// Releases all held operations of this kind and name, in the order they came. Answers how many.
    pub async fn release(&self, operation: Operation, pattern: &str) -> usize {
        self.state.held.release(operation, pattern).await
    }

    /// Releases everything that is held, in the order it came. Answers how many.
    pub async fn release_all(&self) -> usize {
        self.state.held.release_all().await
    }

    async fn serve<T: 'static>(
        &self,
        operation: Operation,
        name: &str,
        lie: Option<T>,
        effect: impl Fn() -> BoxFuture<'static, Result<T, Error>>,
    ) -> Result<T, Error> {
        let drawn = self.told().draw(operation, name);
        self.state.held.release_due(drawn.number).await;
        pause(drawn.request_delay).await;
        let answer = self.spoil(&drawn, operation, name, lie, effect).await;
        pause(drawn.answer_delay).await;
        answer
    }

    async fn spoil<T: 'static>(
        &self,
        drawn: &Drawn<Fault>,
        operation: Operation,
        name: &str,
        lie: Option<T>,
        effect: impl Fn() -> BoxFuture<'static, Result<T, Error>>,
    ) -> Result<T, Error> {
        let unclear = |what: &str| Err(Error::Unclear { reason: format!("{what} ({operation:?} {name})") });
        let refused = |what: &str| Err(Error::Refused { reason: format!("{what} ({operation:?} {name})") });
        let later = || Waiting::Effect(effect().map(|_| ()).boxed());
        match drawn.fault {
            Fault::Pass => effect().await,
            Fault::Refuse => refused("by order of the test"),
            Fault::DiskFull => refused("disk full"),
            Fault::LoseRequest => unclear("the request may be lost"),
            Fault::LoseAnswer => {
                let _ = effect().await;
                unclear("the answer was lost")
            }
            Fault::Late => {
                self.state.held.hold(operation, name, drawn.due, later());
                unclear("the request is late")
            }
            Fault::Twice => {
                self.state.held.hold(operation, name, drawn.due, later());
                effect().await
            }
            Fault::Hang => {
                self.state.held.hold_caller(operation, name).await;
                effect().await
            }
            Fault::Delay => {
                let answer = effect().await;
                self.state.held.hold_caller(operation, name).await;
                answer
            }
            Fault::Exists => effect().await.map(|answer| lie.unwrap_or(answer)),
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.state.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for FaultStore {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        let effect = move || {
            let (inner, name, bytes) = (Arc::clone(&self.inner), name.to_owned(), bytes.clone());
            async move { inner.create(&name, bytes).await }.boxed()
        };
        self.serve(Operation::Create, name, Some(Create::Exists), effect).boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        let effect = move || {
            let (inner, name) = (Arc::clone(&self.inner), name.to_owned());
            async move { inner.get(&name).await }.boxed()
        };
        self.serve(Operation::Get, name, None, effect).boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        let effect = move || {
            let (inner, prefix, after) = (Arc::clone(&self.inner), prefix.to_owned(), after.to_owned());
            async move { inner.list(&prefix, &after).await }.boxed()
        };
        self.serve(Operation::List, prefix, None, effect).boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        let effect = move || {
            let (inner, name) = (Arc::clone(&self.inner), name.to_owned());
            async move { inner.delete(&name).await }.boxed()
        };
        self.serve(Operation::Delete, name, None, effect).boxed()
    }
}
