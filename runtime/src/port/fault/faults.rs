//! The handle by which a test orders faults.

use std::fmt;
use std::iter::{once, repeat_n};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Dice, Drawn, Fault, Held, Kind, Odds, Plan, Rule, Tally};

/// Orders faults for one node's port, and counts them. A clone is the same handle.
///
/// What happens to an operation is decided in this order: the connection is cut; the first rule of [`script`](Self::script),
/// [`nth`](Self::nth) or [`always`](Self::always) that fits and is not used up; the seeded odds; pass. In the pattern of a rule
/// `*` stands for any characters.
#[derive(Clone)]
pub struct Faults<O>(Arc<State<O>>);

struct State<O> {
    told: Mutex<Told<O>>,
    held: Held<O>,
}

/// What the test has told, and what became of it.
struct Told<O> {
    plan: Plan<O, Fault>,
    begun: Tally<O>,
    /// Slow faults of whatever duration are counted together.
    injected: Tally<Fault>,
}

impl<O: Kind> Faults<O> {
    pub(crate) fn new() -> Self {
        let told = Told { plan: Plan::default(), begun: Tally::default(), injected: Tally::default() };
        Self(Arc::new(State { told: Mutex::new(told), held: Held::default() }))
    }

    /// Spoils the next operations of this kind and name by `faults`, one each, in order.
    ///
    /// # Panics
    /// If the operation cannot meet one of them.
    pub fn script(&self, operation: O, pattern: &str, faults: impl IntoIterator<Item = Fault>) {
        let faults = faults.into_iter().inspect(|fault| check(operation, *fault));
        self.told().plan.add(Rule::once_each(operation, pattern, faults));
    }

    /// Spoils the `nth` operation of this kind and name from now on by `fault`, counted from 1; those before it pass.
    ///
    /// # Panics
    /// If the operation cannot meet it, or `nth` is 0.
    pub fn nth(&self, operation: O, pattern: &str, nth: usize, fault: Fault) {
        assert!(nth > 0, "the first operation is number 1");
        self.script(operation, pattern, repeat_n(Fault::Pass, nth - 1).chain(once(fault)));
    }

    /// Spoils every operation of this kind and name by `fault`, until [`calm`](Self::calm).
    ///
    /// # Panics
    /// If the operation cannot meet it.
    pub fn always(&self, operation: O, pattern: &str, fault: Fault) {
        check(operation, fault);
        self.told().plan.add(Rule::always(operation, pattern, fault));
    }

    /// Spoils operations by chance. The same seed and the same operations give the same faults.
    ///
    /// # Panics
    /// If the chances add up to more than 1, or one is given to a fault that no operation of this port can meet.
    pub fn random(&self, seed: u64, odds: Odds) {
        for (chance, fault) in odds.chances() {
            let known = O::all().iter().any(|operation| operation.allows(fault));
            assert!(known || chance == 0.0, "no operation here can meet {fault:?}");
        }
        self.told().plan.roll(Dice::new(seed, odds.chances(), odds.late_operations_max, odds.delay_max));
    }

    /// Forgets scripts and odds: from now on operations pass. What is held stays held, and what is cut stays cut.
    pub fn calm(&self) {
        self.told().plan.calm();
    }

    /// How many operations of this kind callers began so far, without those that a cut turned away.
    #[must_use]
    pub fn begun(&self, operation: O) -> u64 {
        self.told().begun.of(operation)
    }

    /// How often this kind of fault has been injected; for [`Fault::Slow`] whatever its duration.
    ///
    /// [`Fault::Cut`] counts what a cut has hit: operations turned away or interrupted, and consumers, subscriptions and
    /// deliveries that it ended.
    #[must_use]
    pub fn injected(&self, fault: Fault) -> u64 {
        self.told().injected.of(kind(fault))
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
    pub fn held(&self) -> Vec<(O, String)> {
        self.0.held.list()
    }

    /// Waits until at least `count` operations are held.
    pub async fn until_held(&self, count: usize) {
        self.0.held.until(count).await;
    }

    /// Releases the operation that is held longest; `false` if none is. A late effect has taken place when this returns; a
    /// caller that waited goes on by itself.
    pub async fn release_next(&self) -> bool {
        self.0.held.release_next().await
    }

    /// Releases all held operations of this kind and name, in the order they came. Answers how many.
    pub async fn release(&self, operation: O, pattern: &str) -> usize {
        self.0.held.release(operation, pattern).await
    }

    /// Releases everything that is held, in the order it came. Answers how many.
    pub async fn release_all(&self) -> usize {
        self.0.held.release_all().await
    }

    pub(super) fn held_back(&self) -> &Held<O> {
        &self.0.held
    }

    /// Waits until the test releases this.
    pub(crate) async fn hold(self, operation: O, name: String) {
        self.0.held.hold_caller(operation, &name).await;
    }

    /// Begins an operation, and says what is to become of it.
    pub(crate) fn draw(&self, operation: O, name: &str) -> Drawn<Fault> {
        let mut told = self.told();
        told.begun.add(operation, 1);
        let mut drawn = told.plan.draw(operation, name);
        let overtakes = drawn.fault == Fault::Reorder && self.0.held.has_overtaken(operation, name);
        if overtakes || !operation.allows(drawn.fault) {
            drawn.fault = Fault::Pass;
        }
        // What a cut and a wipe have hit is counted where it is hit.
        if !matches!(drawn.fault, Fault::Pass | Fault::Cut | Fault::Wipe) {
            told.injected.add(kind(drawn.fault), 1);
        }
        drawn
    }

    /// Counts what was injected by other ways than [`Faults::draw`].
    pub(crate) fn count(&self, fault: Fault, times: u64) {
        self.told().injected.add(kind(fault), times);
    }

    /// No foreign code runs under the lock, so poisoned counters are whole ones.
    fn told(&self) -> MutexGuard<'_, Told<O>> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Kind> fmt::Debug for Faults<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.held();
        let told = self.told();
        let mut shown = f.debug_struct("Faults");
        shown.field("begun", &told.begun).field("injected", &told.injected).field("held", &held).finish()
    }
}

fn check<O: Kind>(operation: O, fault: Fault) {
    assert!(operation.allows(fault), "{operation:?} cannot meet {fault:?}");
}

/// The fault without how long it takes.
fn kind(fault: Fault) -> Fault {
    match fault {
        Fault::Slow(_) => Fault::Slow(Duration::ZERO),
        other => other,
    }
}
