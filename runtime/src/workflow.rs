//! A workflow as a program writes it: nodes are tasks, edges are the references in their inputs.

use crate::partition::message::Target;
use crate::task::{In, Task, author, literal};
use crate::{Budget, Error, Result};
use callboard_core::{Graph, Json, Priority, Retry, TaskIndex, TaskSpec};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A graph of tasks in the making. Nothing is checked or sent before it is started.
#[derive(Debug)]
pub struct Workflow {
    draft: Arc<Mutex<Draft>>,
}

#[derive(Debug)]
struct Draft {
    graph: Graph,
    /// Tasks that have no JSON form; the graph holds `null` in their place.
    unsendable: Vec<(String, Error)>,
    /// Tasks whose input no type has written, ascending.
    untyped: Vec<TaskIndex>,
    /// What is wrong with the budget.
    miscounted: Option<String>,
}

/// Who has written the input of a task.
#[derive(PartialEq, Eq)]
enum Origin {
    /// A type, so that it fits by construction.
    Typed,
    /// A person, or a program.
    Untyped,
}

impl Workflow {
    /// The same workflow once more.
    pub(crate) fn again(&self) -> Self {
        Self { draft: self.draft.clone() }
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        lock(&self.draft).graph.name.clone()
    }

    /// An empty workflow, named 1 to 128 bytes.
    pub fn new(name: impl Into<String>) -> Self {
        Self::of_graph(Graph {
            name: name.into(),
            tasks: Vec::new(),
            timeout_ms: None,
            budget: None,
            tenant: None,
            labels: BTreeMap::new(),
            trace: None,
        })
    }

    /// The workflow of a graph that no types have written. The trace of a run that it may come from is not its own.
    pub(crate) fn of_graph(graph: Graph) -> Self {
        let graph = Graph { trace: None, ..graph };
        let untyped = (0..).take(graph.tasks.len()).map(TaskIndex).collect();
        Self { draft: Arc::new(Mutex::new(Draft { graph, unsendable: Vec::new(), untyped, miscounted: None })) }
    }

    /// Adds a task. Its name is unique in the workflow, 1 to 128 bytes.
    pub fn task<T: Task>(&self, name: impl Into<String>, task: T) -> Node<T::Output> {
        let name = name.into();
        let input = author(&task).unwrap_or_else(|error| {
            lock(&self.draft).unsendable.push((name.clone(), error));
            Json::null()
        });
        self.add(TaskSpec::new(name, T::CAPABILITY, input), Origin::Typed)
    }

    /// Adds a task without its types. References in the input are written as in a document: `{"$from": "name"}`,
    /// `{"$all": ["a", "b"]}`, and `{"$literal": ...}` around data with such keys.
    pub fn task_json(&self, name: impl Into<String>, capability: impl Into<String>, input: Json) -> Node<Json> {
        self.add(TaskSpec::new(name, capability.into(), input), Origin::Untyped)
    }

    fn add<O>(&self, spec: TaskSpec, origin: Origin) -> Node<O> {
        let mut draft = lock(&self.draft);
        let (at, name) = (draft.graph.tasks.len(), spec.name.clone());
        if origin == Origin::Untyped {
            draft.untyped.push(TaskIndex(u32::try_from(at).unwrap_or(u32::MAX)));
        }
        draft.graph.tasks.push(Arc::new(spec));
        drop(draft);
        Node { draft: self.draft.clone(), at, name, output: PhantomData }
    }

    /// Adds a task for each request, named `name[0]`, `name[1]` and so on.
    pub fn map<T: Task>(&self, name: &str, tasks: impl IntoIterator<Item = T>) -> Vec<Node<T::Output>> {
        (0..).zip(tasks).map(|(n, task)| self.task(format!("{name}[{n}]"), task)).collect()
    }

    /// Limits how long the whole run may take from its submission.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        lock(&self.draft).graph.timeout_ms = Some(millis(limit));
        self
    }

    /// Limits what the run may cost with all that it starts: see [`Ctx::spend`](crate::Ctx::spend).
    #[must_use]
    pub fn budget(self, budget: Budget) -> Self {
        self.set_budget(&budget);
        self
    }

    pub(crate) fn set_budget(&self, budget: &Budget) {
        let mut draft = lock(&self.draft);
        match budget.said() {
            Ok(budget) => draft.graph.budget = Some(budget),
            Err(error) => draft.miscounted = Some(error.message().to_owned()),
        }
    }

    /// Adds something to find the run by.
    #[must_use]
    pub fn label(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        lock(&self.draft).graph.labels.insert(key.into(), value.into());
        self
    }

    /// Says on whose behalf it runs, in 1 to 128 bytes: each tenant may have a [share](crate::Limit::per_tenant) of a limit.
    #[must_use]
    pub fn tenant(self, tenant: impl Into<String>) -> Self {
        lock(&self.draft).graph.tenant = Some(tenant.into());
        self
    }

    /// The graph, and those of its tasks whose input no type has written.
    pub(crate) fn graph(&self) -> Result<(Graph, Vec<TaskIndex>)> {
        let draft = lock(&self.draft);
        if let Some((name, error)) = draft.unsendable.first() {
            let refused = Error::new(error.kind(), format!("task {name:?} can not be sent"));
            return Err(error.causes().fold(refused.because(error.message()), Error::because));
        }
        if let Some(fault) = &draft.miscounted {
            return Err(Error::invalid(fault));
        }
        Ok((draft.graph.clone(), draft.untyped.clone()))
    }

    /// A workflow of one task, as [`Callboard::call`](crate::Callboard::call) submits it.
    pub(crate) fn of_one<T: Task>(task: T) -> (Self, Node<T::Output>) {
        let workflow = Self::new(T::CAPABILITY);
        let node = workflow.task(T::CAPABILITY, task);
        (workflow, node)
    }

    /// The same without types: the input is data, in which nothing is looked for.
    pub(crate) fn of_one_json(capability: String, input: Json) -> (Self, Node<Json>) {
        let workflow = Self::new(capability.clone());
        let node = workflow.task_json(capability.clone(), capability, literal(input));
        (workflow, node)
    }
}

/// A task of a workflow, typed by its output: an edge to draw, and the key to its result.
pub struct Node<O> {
    draft: Arc<Mutex<Draft>>,
    at: usize,
    name: String,
    output: PhantomData<fn() -> O>,
}

impl<O> Node<O> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its end is called in its run.
    pub(crate) fn target(&self) -> Target {
        Target::Task { name: self.name.clone(), at: TaskIndex(u32::try_from(self.at).unwrap_or(u32::MAX)) }
    }

    /// Its output, to be put into another task: the edge comes from the data.
    pub fn out(&self) -> In<O> {
        In::from_task(self.name.clone())
    }

    /// Adds an edge without data: this task starts only when `other` has completed.
    #[must_use]
    pub fn after<P>(self, other: &Node<P>) -> Self {
        self.change(|spec| spec.after.push(other.name.clone()))
    }

    /// Says what the agent that performs it must have; until there is one the task waits, and says for what.
    ///
    /// Several calls add up. See [`Requirement`](crate::Requirement) for the forms.
    #[must_use]
    pub fn requires(self, requirement: crate::Requirement) -> Self {
        self.change(|spec| spec.requires.add(requirement))
    }

    /// Says how urgent it is.
    #[must_use]
    pub fn priority(self, priority: Priority) -> Self {
        self.change(|spec| spec.priority = priority)
    }

    /// Says when a failed attempt is followed by another; without it the settings do.
    #[must_use]
    pub fn retry(self, retry: Retry) -> Self {
        self.change(|spec| spec.retry = Some(retry))
    }

    /// Limits each attempt, from its acceptance by an instance to its result.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        self.change(|spec| spec.timeouts.attempt_ms = Some(millis(limit)))
    }

    /// Limits how long it may wait for an instance, from being ready to acceptance.
    #[must_use]
    pub fn start_timeout(self, limit: Duration) -> Self {
        self.change(|spec| spec.timeouts.start_ms = Some(millis(limit)))
    }

    /// Limits the silence between two heartbeats of its handler.
    #[must_use]
    pub fn heartbeat_timeout(self, limit: Duration) -> Self {
        self.change(|spec| spec.timeouts.heartbeat_ms = Some(millis(limit)))
    }

    /// Says how many times its work may be cut short by the death of its node before it is dead-lettered.
    #[must_use]
    pub fn losses(self, max: u32) -> Self {
        self.change(|spec| spec.losses_max = Some(max))
    }

    fn change(self, change: impl FnOnce(&mut TaskSpec)) -> Self {
        if let Some(spec) = lock(&self.draft).graph.tasks.get_mut(self.at) {
            change(Arc::make_mut(spec));
        }
        self
    }
}

impl<O> Clone for Node<O> {
    fn clone(&self) -> Self {
        Self { draft: self.draft.clone(), at: self.at, name: self.name.clone(), output: PhantomData }
    }
}

impl<O> fmt::Debug for Node<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.name).finish()
    }
}

/// Many nodes of one type as one input.
pub trait Gather<O> {
    /// Their outputs, in their order.
    fn gather(&self) -> In<Vec<O>>;
}

impl<O> Gather<O> for [Node<O>] {
    fn gather(&self) -> In<Vec<O>> {
        In::from_tasks(self.iter().map(|node| node.name.clone()).collect())
    }
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}

fn lock(draft: &Mutex<Draft>) -> MutexGuard<'_, Draft> {
    // A panic while drafting leaves a draft that is still whole: every change is one assignment.
    draft.lock().unwrap_or_else(PoisonError::into_inner)
}
