//! The backlog: which of the tasks that wait for an instance starts next.

use crate::{Priority, RunId, TaskRef, Token};
use std::cmp::Reverse;
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
    /// How urgent it is.
    pub priority: Priority,
}

/// Tasks in the order in which they are to be handed out: by priority, and among equals run by run in turn.
///
/// The turn is a round robin: a run that has been served goes to the end of the ring, and so does a run that comes
/// back after a pause, so no run is served twice while another waits. Within a run the order is that of becoming
/// ready.
///
/// A task that is taken back stays in the queue until it is popped; whoever pops it finds that its token is stale.
#[derive(Clone, Debug)]
pub struct ReadyQueue<T> {
    capabilities: BTreeMap<Arc<str>, BTreeMap<Reverse<Priority>, Class<T>>>,
    len: usize,
}

/// The tasks of one capability and one priority.
#[derive(Clone, Debug)]
struct Class<T> {
    ring: VecDeque<RunId>,
    /// The tasks of each run in the ring; never empty.
    runs: BTreeMap<RunId, VecDeque<(Ready, T)>>,
}

impl<T> Default for ReadyQueue<T> {
    fn default() -> Self {
        Self { capabilities: BTreeMap::new(), len: 0 }
    }
}

impl<T> Default for Class<T> {
    fn default() -> Self {
        Self { ring: VecDeque::new(), runs: BTreeMap::new() }
    }
}

impl<T> ReadyQueue<T> {
    /// Adds a task at the end of its run's turn; `note` comes back with it.
    pub fn push(&mut self, ready: Ready, note: T) {
        let classes = match self.capabilities.get_mut(&ready.capability) {
            Some(classes) => classes,
            None => self.capabilities.entry(ready.capability.clone()).or_default(),
        };
        classes.entry(Reverse(ready.priority)).or_default().push(ready, note);
        self.len += 1;
    }

    /// Takes the task of `capability` whose turn it is.
    pub fn pop(&mut self, capability: &str) -> Option<(Ready, T)> {
        let classes = self.capabilities.get_mut(capability)?;
        let mut first = classes.first_entry()?;
        let popped = first.get_mut().pop();
        if first.get().runs.is_empty() {
            first.remove();
            if classes.is_empty() {
                self.capabilities.remove(capability);
            }
        }
        self.len -= usize::from(popped.is_some());
        popped
    }

    /// How many tasks wait, stale ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The capabilities for which tasks wait.
    pub fn capabilities(&self) -> impl Iterator<Item = &Arc<str>> {
        self.capabilities.keys()
    }
}

impl<T> Class<T> {
    fn push(&mut self, ready: Ready, note: T) {
        let run = ready.task.run;
        let tasks = self.runs.entry(run).or_default();
        if tasks.is_empty() {
            self.ring.push_back(run);
        }
        tasks.push_back((ready, note));
    }

    fn pop(&mut self) -> Option<(Ready, T)> {
        let run = self.ring.pop_front()?;
        let tasks = self.runs.get_mut(&run)?;
        let popped = tasks.pop_front();
        if tasks.is_empty() {
            self.runs.remove(&run);
        } else {
            self.ring.push_back(run);
        }
        popped
    }
}
