//! A graph that has been checked: its edges worked out and its inputs compiled, once, and outside of any partition.

use crate::input::Input;
use crate::{Graph, GraphFault, GraphLimits, Json, Millis, Task, TaskIndex, TaskState};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A graph without faults, ready to be submitted; cheap to clone.
///
/// Checking a large graph takes a while (about 0.1 s for 100,000 tasks), so it is done by whoever submits it and not by
/// the partition, which other runs wait for.
#[derive(Clone, Debug)]
pub struct CheckedGraph {
    pub(crate) graph: Arc<Graph>,
    pub(crate) prepared: Prepared,
}

impl CheckedGraph {
    /// The graph as its author wrote it.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph as the journal has it.
    pub fn json(&self) -> &Json {
        &self.prepared.json
    }

    /// The bytes that it takes in the journal, before compression.
    pub fn bytes(&self) -> usize {
        self.prepared.json.as_str().len()
    }
}

impl Graph {
    /// Checks the whole graph and works out its edges.
    ///
    /// # Errors
    ///
    /// Every fault of the graph.
    pub fn check(self, limits: &GraphLimits) -> Result<CheckedGraph, Vec<GraphFault>> {
        let plan = Arc::new(self.plan(limits)?);
        let tasks = plan.tasks(&self, Millis::default());
        // Every map in a graph has strings as keys, so there is nothing to fail.
        let json = Json::of(&self).expect("a graph always has a JSON form");
        let prepared = Prepared { plan, json, tasks: Arc::new(Mutex::new(Some(tasks))) };
        Ok(CheckedGraph { graph: Arc::new(self), prepared })
    }
}

/// What a submission needs beside the graph.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) plan: Arc<Plan>,
    /// The graph in the journal.
    pub(crate) json: Json,
    /// The tasks of the run, for the first who takes them; nothing but the moment of the submission is missing.
    tasks: Arc<Mutex<Option<Vec<Task>>>>,
}

impl Prepared {
    /// The tasks of a run that was submitted at `at`.
    pub(crate) fn tasks(&self, graph: &Graph, at: Millis) -> Vec<Task> {
        let taken = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut tasks) = taken else { return self.plan.tasks(graph, at) };
        for task in &mut tasks {
            if let TaskState::Ready { not_before, .. } = &mut task.state {
                *not_before = at;
            }
        }
        tasks
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("bytes", &self.json.as_str().len()).finish_non_exhaustive()
    }
}

/// What is worked out of a graph without faults.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The compiled input of each task.
    pub(crate) inputs: Vec<Input>,
    /// The distinct tasks that each task waits for, ascending.
    pub(crate) needs: Edges,
    /// The tasks that wait for each task, ascending.
    pub(crate) dependents: Edges,
    /// All tasks, by name.
    pub(crate) by_name: Vec<TaskIndex>,
}

impl Plan {
    /// The tasks of a run of `graph` that was submitted at `at`.
    pub(crate) fn tasks(&self, graph: &Graph, at: Millis) -> Vec<Task> {
        let waiting = |index: u32| self.needs.of(TaskIndex(index)).len() as u32;
        let tasks = (0..).zip(&graph.tasks);
        tasks.map(|(index, spec)| Task::new(spec.clone(), waiting(index), at)).collect()
    }
}

/// For each task of a graph some other tasks, all in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    /// Where the tasks of each end in `tasks`.
    ends: Vec<u32>,
    tasks: Vec<TaskIndex>,
}

impl Edges {
    pub(crate) fn new<'a>(each: impl Iterator<Item = &'a [TaskIndex]>) -> Self {
        let mut edges = Self::default();
        for tasks in each {
            edges.tasks.extend_from_slice(tasks);
            edges.ends.push(edges.tasks.len() as u32);
        }
        edges
    }

    /// The same edges from their other ends; the tasks of each are ascending.
    pub(crate) fn turned(&self) -> Self {
        let mut starts = vec![0; self.ends.len() + 1];
        for task in &self.tasks {
            starts[task.at() + 1] += 1;
        }
        (1..starts.len()).for_each(|at| starts[at] += starts[at - 1]);
        let ends = starts[1..].to_vec();
        let mut tasks = vec![TaskIndex(0); self.tasks.len()];
        for task in (0..self.ends.len() as u32).map(TaskIndex) {
            for other in self.of(task) {
                tasks[starts[other.at()] as usize] = task;
                starts[other.at()] += 1;
            }
        }
        Self { ends, tasks }
    }

    /// Those of `task`; none if there is no such task.
    pub(crate) fn of(&self, task: TaskIndex) -> &[TaskIndex] {
        let Some(&end) = self.ends.get(task.at()) else { return &[] };
        let start = task.at().checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.tasks[start as usize..end as usize]
    }
}

/// What was prepared of a graph, if it was. It follows from the graph, so any two are equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planned(pub(crate) Option<Prepared>);

impl PartialEq for Planned {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
