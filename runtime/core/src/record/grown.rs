//! What a run has grown beyond its author's graph: children of tasks, and what undoes effects.

use crate::TaskIndex;
use crate::input::Input;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Inputs and edges of the tasks that came later. Derived from the events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grown {
    /// By the place behind the author's tasks.
    inputs: Vec<Input>,
    needs: Vec<Arc<[TaskIndex]>>,
    /// The later tasks that wait for a task, ascending.
    dependents: BTreeMap<TaskIndex, Vec<TaskIndex>>,
    /// The children of a task, ascending.
    children: BTreeMap<TaskIndex, Vec<TaskIndex>>,
    /// By name; of those that have one name the first.
    names: HashMap<String, TaskIndex>,
    /// What undoes effects, in the order in which it is to run.
    pub(crate) undos: Vec<TaskIndex>,
    /// Those that have not ended. They come in the order in which they are to run.
    pub(crate) open_undos: BTreeSet<TaskIndex>,
}

impl Grown {
    /// Adds a task, which must come behind all others.
    pub(crate) fn add(&mut self, index: TaskIndex, name: &str, input: Input, needs: Vec<TaskIndex>) {
        self.names.entry(name.to_owned()).or_insert(index);
        for need in &needs {
            self.dependents.entry(*need).or_default().push(index);
        }
        self.inputs.push(input);
        self.needs.push(needs.into());
    }

    pub(crate) fn adopt(&mut self, parent: TaskIndex, child: TaskIndex) {
        self.children.entry(parent).or_default().push(child);
    }

    pub(crate) fn find(&self, name: &str) -> Option<TaskIndex> {
        self.names.get(name).copied()
    }

    /// The input of the task that came as number `at`, from 0.
    pub(crate) fn input(&self, at: usize) -> Option<&Input> {
        self.inputs.get(at)
    }

    pub(crate) fn needs(&self, at: usize) -> &[TaskIndex] {
        self.needs.get(at).map_or(&[], |needs| needs)
    }

    pub(crate) fn dependents(&self, index: TaskIndex) -> &[TaskIndex] {
        self.dependents.get(&index).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn children(&self, index: TaskIndex) -> &[TaskIndex] {
        self.children.get(&index).map_or(&[], Vec::as_slice)
    }
}
