//! What a test sees of the handlers, and the crashes that it has ordered.

use crate::durable::stem_of;
use crate::durable::trap::{BEGIN, END, Sight, Spot, Trap};
use callboard_core::{Speaker, TaskRef, Token};
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is counted of the tasks of one capability, over all runs and restarts of a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counted {
    /// First tries and retries.
    pub attempts: usize,
    /// How often a handler began: an attempt begins again after it was parked, and after a loss.
    pub activations: usize,
    /// How often an attempt was cut short by a crash, of its instance or of the node.
    pub losses: usize,
    /// How often a task was parked.
    pub parked: usize,
}

/// Which crashes are ordered.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    /// At these calls, once each.
    pub(super) once: Vec<(String, Spot)>,
    /// At the place of this number, from 1.
    pub(super) nth: Option<usize>,
    /// At every place once.
    pub(super) each: bool,
}

/// Counts, and has instances die; one for all lives of a node.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    orders: Orders,
    /// Places that were passed.
    passed: usize,
    /// Where somebody has died, in words.
    crashes: Vec<String>,
    /// Where somebody has died, if everybody dies everywhere.
    died: HashSet<(TaskRef, u32, String, Spot)>,
    counted: BTreeMap<String, Counted>,
    attempts: HashSet<(TaskRef, u32)>,
    /// The activations that go on.
    live: BTreeMap<(TaskRef, Token), String>,
    /// How often the code of steps ran, by the stem of their key without its scope.
    runs: BTreeMap<String, usize>,
}

impl Watch {
    pub(super) fn new(orders: Orders) -> Self {
        Self(Mutex::new(Seen { orders, ..Seen::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn counted(&self, capability: &str) -> Counted {
        self.lock().counted.get(capability).copied().unwrap_or_default()
    }

    pub(super) fn step_runs(&self, name: &str) -> usize {
        let seen = self.lock();
        let of = |kind| seen.runs.get(&stem_of(kind, name)).copied().unwrap_or_default();
        of("step") + of("effect")
    }

    pub(super) fn crashes(&self) -> Vec<String> {
        self.lock().crashes.clone()
    }

    /// The node has died, and with it everything that was under way.
    fn died(&self) {
        let mut seen = self.lock();
        for capability in std::mem::take(&mut seen.live).into_values() {
            seen.counted.entry(capability).or_default().losses += 1;
        }
    }
}

impl Seen {
    fn springs(&mut self, speaker: &Speaker, key: &str, spot: Spot) -> bool {
        self.passed += 1;
        if self.orders.nth == Some(self.passed) {
            return true;
        }
        let place = || (speaker.task, speaker.token.attempt, key.to_owned(), spot);
        if self.orders.each && self.died.insert(place()) {
            return true;
        }
        let meant = |(entry, at): &(String, Spot)| is_meant(entry, key) && at_spot(*at, key) == spot;
        match self.orders.once.iter().position(meant) {
            Some(at) => {
                self.orders.once.remove(at);
                true
            }
            None => false,
        }
    }
}

/// The beginning of a handler has no outcome, and its end nothing behind it.
fn at_spot(spot: Spot, key: &str) -> Spot {
    match key {
        BEGIN => Spot::Begun,
        END => Spot::Unrecorded,
        _ => spot,
    }
}

/// Whether `entry` means this key: the key, its last part in any scope, or the first of many of that name.
fn is_meant(entry: &str, key: &str) -> bool {
    let last = key.rsplit('/').next().unwrap_or(key);
    let of_many = last.split_once('[').map(|(name, _)| name);
    key == entry || last == entry || of_many == Some(entry)
}

/// Watches one life of a node.
#[derive(Debug)]
pub(super) struct Life {
    watch: Arc<Watch>,
    is_over: AtomicBool,
}

impl Life {
    pub(super) fn new(watch: &Arc<Watch>) -> Self {
        Self { watch: watch.clone(), is_over: AtomicBool::new(false) }
    }

    /// It is over: what is seen of it from now on does not count.
    pub(super) fn ends(&self) {
        if !self.is_over.swap(true, Ordering::SeqCst) {
            self.watch.died();
        }
    }
}

impl Trap for Life {
    fn springs(&self, capability: &str, speaker: &Speaker, key: &str, spot: Spot) -> bool {
        if self.is_over.load(Ordering::SeqCst) {
            return false;
        }
        let mut seen = self.watch.lock();
        let springs = seen.springs(speaker, key, spot);
        if springs {
            let place = match spot {
                Spot::Unbegun => "at the beginning of",
                Spot::Unrecorded => "before",
                Spot::Begun => "during",
                Spot::Recorded => "after",
            };
            seen.crashes.push(format!("{capability} {place} {key}"));
        }
        springs
    }

    fn saw(&self, capability: &str, speaker: &Speaker, what: Sight<'_>) {
        if self.is_over.load(Ordering::SeqCst) {
            return;
        }
        let mut seen = self.watch.lock();
        let (task, token) = (speaker.task, speaker.token);
        let is_new = what == Sight::Begins && seen.attempts.insert((task, token.attempt));
        let counted = seen.counted.entry(capability.to_owned()).or_default();
        match what {
            Sight::Begins => {
                counted.attempts += usize::from(is_new);
                counted.activations += 1;
                seen.live.insert((task, token), capability.to_owned());
                return;
            }
            Sight::Runs(key) => {
                let last = key.rsplit('/').next().unwrap_or(key);
                let stem = last.split('#').next().unwrap_or(last);
                *seen.runs.entry(stem.to_owned()).or_default() += 1;
                return;
            }
            Sight::Parked => counted.parked += 1,
            Sight::Crashed => counted.losses += 1,
            Sight::Over => {}
        }
        seen.live.remove(&(task, token));
    }
}
