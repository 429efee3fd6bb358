//! The backlog: which of the tasks that wait for an instance starts next.

use crate::sabotage::{self, Sabotage};
use crate::{InstanceId, Priority, Requirements, RunId, TaskRef, Token};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A task that waits for an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The task.
    pub task: TaskRef,
    /// The hand-out it waits for.
    pub token: Token,
    /// What an instance must be able to do.
    pub capability: Arc<str>,
    /// What else its agent must have.
    pub requires: Requirements,
    /// How urgent it is.
    pub priority: Priority,
    /// The instance that failed with it the last time: another agent, or the same on another node, is tried first.
    pub avoid: Option<InstanceId>,
    /// What must let it through before it is handed out: a breaker that has refused its call, say.
    pub gate: Option<Arc<str>>,
    /// Whose share of what its capability is limited to it takes, where each tenant has one.
    pub share: Option<Arc<str>>,
}

/// Tasks in the order in which they are to be handed out: by priority, and among equals run by run in turn.
///
/// Tasks that ask for one capability, require the same, wait at the same gate and take of the same share stand in one *lane*.
/// The turn of a lane is a round robin: a run that has been served goes to the end of the ring, and so does a run that comes back after a pause, so no run is served
/// twice while another waits. Within a run the order is that of becoming ready. Lanes take turns as runs do.
///
/// A task that is taken back stays in the queue until it is popped, unless its whole run is withdrawn; whoever pops it
/// finds that its token is stale.
#[derive(Clone, Debug)]
pub struct ReadyQueue<T> {
    /// By capability; never empty inside.
    capabilities: BTreeMap<Arc<str>, Vec<Lane<T>>>,
    len: usize,
    /// Counts every turn that is given, so that who had one longest ago is known.
    turn: u64,
    /// See [`Self::passed_over`].
    passed_over: Option<RunId>,
}

/// The tasks of one capability that require the same and wait at the same gate, or at none.
#[derive(Clone, Debug)]
pub struct Lane<T> {
    requires: Requirements,
    gate: Option<Arc<str>>,
    share: Option<Arc<str>>,
    classes: BTreeMap<Reverse<Priority>, Class<T>>,
    len: usize,
}

/// The tasks of one lane and one priority.
#[derive(Clone, Debug)]
struct Class<T> {
    /// The runs in the order of their turns.
    ring: BTreeMap<u64, RunId>,
    /// The turn of each run in the ring, and its tasks; never empty.
    runs: BTreeMap<RunId, (u64, VecDeque<(Ready, T)>)>,
    /// When the class was last served, or began.
    served: u64,
}

/// A task that was taken, and the run that was passed over for it.
type Popped<T> = ((Ready, T), Option<RunId>);

impl<T> Default for ReadyQueue<T> {
    fn default() -> Self {
        Self { capabilities: BTreeMap::new(), len: 0, turn: 0, passed_over: None }
    }
}

impl<T> ReadyQueue<T> {
    /// Adds a task at the end of its run's turn; `note` comes back with it.
    pub fn push(&mut self, ready: Ready, note: T) {
        self.turn += 1;
        let lanes = match self.capabilities.get_mut(&ready.capability) {
            Some(lanes) => lanes,
            None => self.capabilities.entry(ready.capability.clone()).or_default(),
        };
        let place = lanes.iter().position(|lane| lane.is_for(&ready)).unwrap_or_else(|| {
            let (requires, gate, share) = (ready.requires.clone(), ready.gate.clone(), ready.share.clone());
            lanes.push(Lane { requires, gate, share, classes: BTreeMap::new(), len: 0 });
            lanes.len() - 1
        });
        lanes[place].push(ready, note, self.turn);
        self.len += 1;
    }

    /// Takes the task whose turn it is among those that ask for one of `capabilities`, where `admits` lets the tasks of
    /// such a capability in such a lane pass.
    pub fn pop<'a>(
        &mut self,
        capabilities: impl IntoIterator<Item = &'a str>,
        admits: impl Fn(&str, &Lane<T>) -> bool,
    ) -> Option<(Ready, T)> {
        // The first by priority, and among equals by their last turn, which no two have in common.
        let mut best = None;
        for capability in capabilities {
            for (place, lane) in self.capabilities.get(capability).into_iter().flatten().enumerate() {
                let Some((&priority, class)) = lane.classes.first_key_value() else { continue };
                let candidate = (priority, class.served, capability, place);
                if best.is_none_or(|best| candidate < best) && admits(capability, lane) {
                    best = Some(candidate);
                }
            }
        }
        let (.., capability, place) = best?;
        self.turn += 1;
        let lanes = self.capabilities.get_mut(capability)?;
        let (popped, passed_over) = lanes.get_mut(place)?.pop(self.turn)?;
        self.passed_over = passed_over;
        self.len -= 1;
        self.sweep(capability);
        Some(popped)
    }

    /// The run of the same lane and priority that has waited longer for its turn than the one that was served last: there
    /// must be none. For whoever looks for breaches of fairness.
    pub fn passed_over(&self) -> Option<RunId> {
        self.passed_over
    }

    /// How urgent the task is that [`pop`](Self::pop) would take.
    pub fn most_urgent<'a>(
        &self,
        capabilities: impl IntoIterator<Item = &'a str>,
        admits: impl Fn(&str, &Lane<T>) -> bool,
    ) -> Option<Priority> {
        let lanes = capabilities.into_iter().flat_map(|capability| {
            self.capabilities.get(capability).into_iter().flatten().map(move |lane| (capability, lane))
        });
        let admitted = lanes.filter(|(capability, lane)| admits(capability, lane));
        admitted.filter_map(|(_, lane)| lane.priority()).max()
    }

    /// Takes out every task of a run, and says how many they were.
    pub fn withdraw(&mut self, run: RunId) -> usize {
        let mut withdrawn = 0;
        self.capabilities.retain(|_, lanes| {
            lanes.retain_mut(|lane| {
                withdrawn += lane.withdraw(run);
                lane.len > 0
            });
            !lanes.is_empty()
        });
        self.len -= withdrawn;
        withdrawn
    }

    /// Keeps only the tasks that `keep` says.
    pub fn retain(&mut self, keep: impl Fn(&Ready, &T) -> bool) {
        let mut len = 0;
        self.capabilities.retain(|_, lanes| {
            lanes.retain_mut(|lane| {
                lane.retain(&keep);
                len += lane.len;
                lane.len > 0
            });
            !lanes.is_empty()
        });
        self.len = len;
    }

    /// How many tasks of its lane come before this one, stale ones included, counted up to `most`; `None` if it is not here.
    ///
    /// Looks at `most` tasks of its run, and at as many other runs.
    pub fn ahead_of(&self, ready: &Ready, most: usize) -> Option<usize> {
        let lanes = self.capabilities.get(&ready.capability)?;
        lanes.iter().find(|lane| lane.is_for(ready))?.ahead_of(ready, most)
    }

    /// How many tasks wait, stale ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The lanes in which tasks wait, each with its capability.
    pub fn lanes(&self) -> impl Iterator<Item = (&Arc<str>, &Lane<T>)> {
        self.capabilities.iter().flat_map(|(capability, lanes)| lanes.iter().map(move |lane| (capability, lane)))
    }

    /// Drops lanes that have become empty.
    fn sweep(&mut self, capability: &str) {
        let Some(lanes) = self.capabilities.get_mut(capability) else { return };
        lanes.retain(|lane| lane.len > 0);
        if lanes.is_empty() {
            self.capabilities.remove(capability);
        }
    }
}

impl<T> Lane<T> {
    /// What its tasks require.
    pub fn requires(&self) -> &Requirements {
        &self.requires
    }

    /// What must let its tasks through, if they have come to something that did not.
    pub fn gate(&self) -> Option<&Arc<str>> {
        self.gate.as_ref()
    }

    /// Whose share of what the capability is limited to its tasks take, where each tenant has one.
    pub fn share(&self) -> Option<&Arc<str>> {
        self.share.as_ref()
    }

    /// The task whose turn it is, with its note.
    pub fn first(&self) -> Option<(&Ready, &T)> {
        let is_unfair = sabotage::is(Sabotage::UnfairScheduler);
        let (_, class) = if is_unfair { self.classes.last_key_value()? } else { self.classes.first_key_value()? };
        let (_, run) = if is_unfair { class.ring.last_key_value()? } else { class.ring.first_key_value()? };
        let (_, tasks) = class.runs.get(run)?;
        tasks.front().map(|(ready, note)| (ready, note))
    }

    /// How many tasks wait in it, stale ones included; never zero.
    pub fn waiting(&self) -> usize {
        self.len
    }

    /// How urgent the most urgent of them is.
    pub fn priority(&self) -> Option<Priority> {
        self.classes.first_key_value().map(|(Reverse(priority), _)| *priority)
    }

    fn is_for(&self, ready: &Ready) -> bool {
        self.requires == ready.requires && self.gate == ready.gate && self.share == ready.share
    }

    fn ahead_of(&self, ready: &Ready, most: usize) -> Option<usize> {
        let class = self.classes.get(&Reverse(ready.priority))?;
        let more_urgent = self.classes.range(..Reverse(ready.priority)).flat_map(|(_, class)| class.runs.values());
        let more_urgent = more_urgent.take(most).fold(0, |ahead: usize, (_, tasks)| ahead.saturating_add(tasks.len()));
        let (turn, tasks) = class.runs.get(&ready.task.run)?;
        let is_it = |(other, _): &(Ready, T)| other.task == ready.task && other.token == ready.token;
        let own = match tasks.iter().take(most).position(is_it) {
            Some(own) => own,
            None if tasks.len() > most => return Some(most), // or behind those that were looked at
            None => return None,
        };
        // A run before it in the ring has one turn more until then.
        let mut ahead = more_urgent.saturating_add(own);
        for (other, run) in class.ring.iter().take(most) {
            let (_, tasks) = class.runs.get(run)?;
            match other.cmp(turn) {
                Ordering::Less => ahead += tasks.len().min(own + 1),
                Ordering::Greater if own > 0 => ahead += tasks.len().min(own),
                Ordering::Equal => {}
                Ordering::Greater => break,
            }
            if ahead >= most {
                return Some(most);
            }
        }
        Some(ahead.min(most))
    }

    fn push(&mut self, ready: Ready, note: T, turn: u64) {
        let begun = || Class { ring: BTreeMap::new(), runs: BTreeMap::new(), served: turn };
        self.classes.entry(Reverse(ready.priority)).or_insert_with(begun).push(ready, note, turn);
        self.len += 1;
    }

    fn pop(&mut self, turn: u64) -> Option<Popped<T>> {
        let is_unfair = sabotage::is(Sabotage::UnfairScheduler);
        let mut first = if is_unfair { self.classes.last_entry()? } else { self.classes.first_entry()? };
        let popped = first.get_mut().pop(turn);
        if first.get().runs.is_empty() {
            first.remove();
        }
        self.len -= usize::from(popped.is_some());
        popped
    }

    fn retain(&mut self, keep: impl Fn(&Ready, &T) -> bool) {
        self.len = 0;
        self.classes.retain(|_, class| {
            let Class { ring, runs, .. } = class;
            runs.retain(|_, (turn, tasks)| {
                tasks.retain(|(ready, note)| keep(ready, note));
                self.len += tasks.len();
                if tasks.is_empty() {
                    ring.remove(turn);
                }
                !tasks.is_empty()
            });
            !runs.is_empty()
        });
    }

    fn withdraw(&mut self, run: RunId) -> usize {
        let mut withdrawn = 0;
        self.classes.retain(|_, class| {
            if let Some((turn, tasks)) = class.runs.remove(&run) {
                class.ring.remove(&turn);
                withdrawn += tasks.len();
            }
            !class.runs.is_empty()
        });
        self.len -= withdrawn;
        withdrawn
    }
}

impl<T> Class<T> {
    fn push(&mut self, ready: Ready, note: T, turn: u64) {
        let run = ready.task.run;
        let (_, tasks) = self.runs.entry(run).or_insert_with(|| {
            self.ring.insert(turn, run);
            (turn, VecDeque::new())
        });
        tasks.push_back((ready, note));
    }

    fn pop(&mut self, turn: u64) -> Option<Popped<T>> {
        self.served = turn;
        let is_unfair = sabotage::is(Sabotage::UnfairScheduler);
        let (had, run) = if is_unfair { self.ring.pop_last()? } else { self.ring.pop_first()? };
        let passed_over = self.ring.first_key_value().filter(|(place, _)| **place < had).map(|(_, run)| *run);
        let (place, tasks) = self.runs.get_mut(&run)?;
        let popped = tasks.pop_front();
        if tasks.is_empty() {
            self.runs.remove(&run);
        } else {
            *place = turn;
            self.ring.insert(turn, run);
        }
        Some((popped?, passed_over))
    }
}
