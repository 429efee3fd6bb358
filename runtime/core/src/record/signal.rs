//! What is sent to a run from outside, where its tasks meet, and who waits for that.

use super::Wait;
use crate::{Json, Payload, TaskIndex};
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use uuid::Uuid;

/// Signals, answers and barriers of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Signals {
    /// By name: what nobody has waited for yet, oldest first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    kept: BTreeMap<Arc<str>, VecDeque<Payload>>,
    /// By name: who waits, in the order of coming.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    waiting: BTreeMap<Arc<str>, Queue>,
    /// The approvals that wait for an answer, by task and number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    open: BTreeMap<TaskIndex, BTreeMap<u32, Arc<str>>>,
    /// Answers to approvals that are not asked for yet.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    numbered: BTreeMap<TaskIndex, BTreeMap<u32, bool>>,
    /// Answers to whatever a task asks for next.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    of_task: BTreeMap<TaskIndex, VecDeque<bool>>,
    /// Answers to whatever is asked for next.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    of_any: VecDeque<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    barriers: BTreeMap<Arc<str>, Barrier>,
    /// What was received, so that a repetition changes nothing.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    seen: BTreeSet<Uuid>,
}

/// Calls that wait, in the order of coming. A run may end with 100,000 of them, each of which is then taken out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Queue {
    by_number: BTreeMap<u64, Waiter>,
    numbers: BTreeMap<Waiter, u64>,
    next: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, waiter: Waiter) {
        self.remove(&waiter);
        self.numbers.insert(waiter.clone(), self.next);
        self.by_number.insert(self.next, waiter);
        self.next += 1;
    }

    fn pop(&mut self) -> Option<Waiter> {
        let (_, waiter) = self.by_number.pop_first()?;
        self.numbers.remove(&waiter);
        Some(waiter)
    }

    pub(crate) fn remove(&mut self, waiter: &Waiter) {
        if let Some(number) = self.numbers.remove(waiter) {
            self.by_number.remove(&number);
        }
    }

    pub(crate) fn first(&self) -> Option<&Waiter> {
        self.iter().next()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.by_number.values()
    }

    fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }
}

impl Serialize for Queue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// A call that waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Waiter {
    pub(crate) task: TaskIndex,
    pub(crate) key: Arc<str>,
}

/// A place where tasks of a run meet.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Barrier {
    arrived: Vec<(TaskIndex, Json)>,
    /// Where each call stands among those that have come: a task that comes back after a failure is the same party.
    #[serde(skip)]
    places: BTreeMap<Waiter, usize>,
    waiting: Queue,
    /// What was there when it opened, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened: Option<Met>,
}

/// Who has met at a barrier.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Met {
    /// Whether all came in time.
    pub(crate) whole: bool,
    /// Who came, in the order of coming, each with what it brought.
    pub(crate) arrived: Vec<(TaskIndex, Json)>,
}

/// What comes of a wait that begins.
pub(crate) enum Begun {
    /// It waits.
    Waits,
    /// It has what it waits for already.
    Has(Payload),
    /// A barrier opens, for all of these.
    Opens(Vec<Waiter>, Met),
    /// The barrier is open already.
    IsOpen(Met),
}

impl Signals {
    /// Whether this was received before.
    pub(crate) fn has_seen(&self, id: &Uuid) -> bool {
        self.seen.contains(id)
    }

    /// How many signals and answers nobody has waited for yet.
    pub(crate) fn kept(&self) -> usize {
        let signals: usize = self.kept.values().map(VecDeque::len).sum();
        let numbered: usize = self.numbered.values().map(BTreeMap::len).sum();
        let of_task: usize = self.of_task.values().map(VecDeque::len).sum();
        signals + numbered + of_task + self.of_any.len()
    }

    /// Gives a signal to who waits for it the longest, or keeps it.
    pub(crate) fn receive(&mut self, id: Uuid, name: &Arc<str>, value: &Payload) -> Option<Waiter> {
        self.seen.insert(id);
        let first = self.waiting.get_mut(name).and_then(Queue::pop);
        if self.waiting.get(name).is_some_and(Queue::is_empty) {
            self.waiting.remove(name);
        }
        if first.is_none() {
            self.kept.entry(name.clone()).or_default().push_back(value.clone());
        }
        first
    }

    /// Who would get a signal of this name.
    pub(crate) fn waits_for(&self, name: &str) -> impl Iterator<Item = TaskIndex> {
        self.waiting.get(name).and_then(|waiting| waiting.iter().next()).into_iter().map(|waiter| waiter.task)
    }

    /// Who waits at a barrier.
    pub(crate) fn at_barrier(&self, name: &str) -> impl Iterator<Item = TaskIndex> {
        self.barriers.get(name).into_iter().flat_map(|barrier| barrier.waiting.iter()).map(|waiter| waiter.task)
    }

    /// Whether a barrier at which others may wait opens when this call comes to it.
    pub(crate) fn opens(&self, waiter: &Waiter, name: &str, parties: u32) -> bool {
        let Some(barrier) = self.barriers.get(name) else { return false };
        let more = usize::from(!barrier.places.contains_key(waiter));
        barrier.opened.is_none() && barrier.arrived.len() + more >= parties as usize
    }

    /// Those of the open approvals that may be meant by an answer. Ten thousand may be open, so only those are looked at.
    pub(crate) fn meant(&self, task: Option<TaskIndex>, number: Option<u32>) -> impl Iterator<Item = (TaskIndex, u32)> {
        let tasks =
            task.map_or((Bound::Unbounded, Bound::Unbounded), |task| (Bound::Included(task), Bound::Included(task)));
        let numbers = number.map_or((Bound::Unbounded, Bound::Unbounded), |n| (Bound::Included(n), Bound::Included(n)));
        self.open.range(tasks).flat_map(move |(task, open)| open.range(numbers).map(|(number, _)| (*task, *number)))
    }

    /// The approvals that wait for an answer, of the tasks behind one or of all: the task, and the number among its
    /// approvals.
    pub(crate) fn open_approvals(&self, behind: Option<TaskIndex>) -> impl Iterator<Item = (TaskIndex, u32)> {
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let open = self.open.range((from, Bound::Unbounded));
        open.flat_map(|(task, open)| open.keys().map(|number| (*task, *number)))
    }

    /// Answers an approval: the one that is open, or else the one that is asked for next.
    pub(crate) fn answer(
        &mut self,
        id: Uuid,
        task: Option<TaskIndex>,
        number: Option<u32>,
        approved: bool,
    ) -> Option<Waiter> {
        self.seen.insert(id);
        let open = self.meant(task, number).next();
        if let Some((task, number)) = open {
            return self.close_approval(task, number).map(|key| Waiter { task, key });
        }
        match (task, number) {
            (Some(task), Some(number)) => {
                self.numbered.entry(task).or_default().entry(number).or_insert(approved);
            }
            (Some(task), None) => self.of_task.entry(task).or_default().push_back(approved),
            (None, _) => self.of_any.push_back(approved),
        }
        None
    }

    fn close_approval(&mut self, task: TaskIndex, number: u32) -> Option<Arc<str>> {
        let open = self.open.get_mut(&task)?;
        let key = open.remove(&number);
        if open.is_empty() {
            self.open.remove(&task);
        }
        key
    }

    /// Whether this approval has an answer, though it is not asked for yet.
    pub(crate) fn has_answer(&self, task: TaskIndex, number: u32) -> bool {
        self.numbered.get(&task).is_some_and(|numbered| numbered.contains_key(&number))
    }

    /// The answer that was given before approval `number` of `task` was asked for.
    fn early_answer(&mut self, task: TaskIndex, number: u32) -> Option<bool> {
        if let Some(numbered) = self.numbered.get_mut(&task) {
            let answer = numbered.remove(&number);
            if numbered.is_empty() {
                self.numbered.remove(&task);
            }
            if answer.is_some() {
                return answer;
            }
        }
        if let Some(kept) = self.of_task.get_mut(&task) {
            let answer = kept.pop_front();
            if kept.is_empty() {
                self.of_task.remove(&task);
            }
            return answer;
        }
        self.of_any.pop_front()
    }

    /// Begins to wait.
    pub(crate) fn begin(&mut self, waiter: Waiter, wait: &Wait) -> Begun {
        match wait {
            Wait::Sleep { .. } | Wait::Budget { .. } => Begun::Waits,
            Wait::Signal { name, .. } => {
                let kept = self.kept.get_mut(name).and_then(VecDeque::pop_front);
                if self.kept.get(name).is_some_and(VecDeque::is_empty) {
                    self.kept.remove(name);
                }
                match kept {
                    Some(value) => Begun::Has(value),
                    None => {
                        self.waiting.entry(name.clone()).or_default().push(waiter);
                        Begun::Waits
                    }
                }
            }
            Wait::Approval { number, .. } => match self.early_answer(waiter.task, *number) {
                Some(approved) => Begun::Has(Payload::of_bool(approved)),
                None => {
                    self.open.entry(waiter.task).or_default().insert(*number, waiter.key);
                    Begun::Waits
                }
            },
            Wait::Barrier { name, parties, value, .. } => {
                let barrier = self.barriers.entry(name.clone()).or_default();
                if let Some(met) = &barrier.opened {
                    return Begun::IsOpen(met.clone());
                }
                match barrier.places.get(&waiter).and_then(|place| barrier.arrived.get_mut(*place)) {
                    Some(arrived) => arrived.1 = value.clone(),
                    None => {
                        barrier.places.insert(waiter.clone(), barrier.arrived.len());
                        barrier.arrived.push((waiter.task, value.clone()));
                    }
                }
                barrier.waiting.push(waiter);
                if barrier.arrived.len() < *parties as usize {
                    return Begun::Waits;
                }
                let (waiting, met) = barrier.open(true);
                Begun::Opens(waiting, met)
            }
        }
    }

    /// Ends a wait that has come to nothing. A barrier opens with who is there, for all of them.
    pub(crate) fn elapse(&mut self, waiter: &Waiter, wait: &Wait) -> Option<(Vec<Waiter>, Met)> {
        if let Wait::Barrier { name, .. } = wait {
            let barrier = self.barriers.get_mut(name).filter(|barrier| barrier.opened.is_none())?;
            return Some(barrier.open(false));
        }
        self.withdraw(waiter, wait);
        None
    }

    /// Takes back a wait. Who has come to a barrier has come.
    pub(crate) fn withdraw(&mut self, waiter: &Waiter, wait: &Wait) {
        match wait {
            Wait::Sleep { .. } | Wait::Budget { .. } => {}
            Wait::Signal { name, .. } => {
                if let Some(waiting) = self.waiting.get_mut(name) {
                    waiting.remove(waiter);
                    if waiting.is_empty() {
                        self.waiting.remove(name);
                    }
                }
            }
            Wait::Approval { number, .. } => drop(self.close_approval(waiter.task, *number)),
            Wait::Barrier { name, .. } => {
                if let Some(barrier) = self.barriers.get_mut(name) {
                    barrier.waiting.remove(waiter);
                }
            }
        }
    }
}

impl Barrier {
    fn open(&mut self, whole: bool) -> (Vec<Waiter>, Met) {
        let met = Met { whole, arrived: std::mem::take(&mut self.arrived) };
        self.opened = Some(met.clone());
        self.places.clear();
        (std::mem::take(&mut self.waiting).by_number.into_values().collect(), met)
    }
}
