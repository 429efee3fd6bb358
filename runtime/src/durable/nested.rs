//! Workflows inside a run: a whole graph of children.

use super::calls::{Key, Turn, Waiting};
use super::child::asked;
use crate::workflow::Node;
use crate::{Ctx, Error, ErrorKind, Result, Workflow};
use callboard_core::{Child as Asked, Graph, GraphLimits, Note, TaskIndex};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

impl Ctx {
    /// Submits a workflow as a part of this run; await the result for a handle, and that for outputs.
    ///
    /// Its tasks are children of this one: cancelled with it, counted and shown with the run. One that goes its own way is
    /// [started](Self::start).
    pub fn nest(&self, workflow: &Workflow) -> Nesting {
        let call = self.waiting("nest", &workflow.name());
        let graph = workflow.graph().map(|(graph, _)| graph);
        let asked = graph.and_then(|graph| children(&call.key, &graph));
        Nesting { call, asked }
    }
}

/// The tasks of a graph as children, each behind those that it needs.
fn children(base: &Key, graph: &Graph) -> Result<Vec<Asked>> {
    if graph.timeout_ms.is_some() {
        return Err(Error::invalid(
            "a nested workflow has no timeout of its own: limit its tasks, or race it with a sleep",
        ));
    }
    let faults = graph.faults(&GraphLimits::default());
    if !faults.is_empty() {
        let error = Error::invalid(format!("the nested workflow {:?} has faults", graph.name));
        return Err(faults.iter().fold(error, |error, fault| error.because(fault)));
    }
    let of = |index: TaskIndex| {
        let spec = &graph.tasks[index.at()];
        let child = asked(key_of(base, &spec.name), &spec.capability, spec.input.clone());
        Asked { alias: Some(spec.name.as_str().into()), priority: Some(spec.priority), spec: (**spec).clone(), ..child }
    };
    Ok(in_order(graph).into_iter().map(of).collect())
}

fn key_of(base: &Key, name: &str) -> Key {
    super::key::stem(&format!("{base}/"), "task", name).into()
}

/// The tasks of a graph without cycles, each behind those that it needs (Kahn 1962).
fn in_order(graph: &Graph) -> Vec<TaskIndex> {
    let mut dependents: BTreeMap<TaskIndex, Vec<TaskIndex>> = BTreeMap::new();
    let mut needs = vec![0_usize; graph.tasks.len()];
    for edge in graph.edges() {
        dependents.entry(edge.from).or_default().push(edge.to);
        needs[edge.to.at()] += 1;
    }
    let all = (0..).map(TaskIndex).take(graph.tasks.len());
    let mut free: VecDeque<TaskIndex> = all.filter(|task| needs[task.at()] == 0).collect();
    let mut ordered = Vec::with_capacity(graph.tasks.len());
    while let Some(task) = free.pop_front() {
        ordered.push(task);
        for dependent in dependents.remove(&task).unwrap_or_default() {
            needs[dependent.at()] -= 1;
            if needs[dependent.at()] == 0 {
                free.push_back(dependent);
            }
        }
    }
    ordered
}

/// A workflow that is submitted as a part of a run; await it for a handle.
#[must_use = "nothing is submitted before it is awaited"]
pub struct Nesting {
    call: Waiting,
    asked: Result<Vec<Asked>>,
}

impl IntoFuture for Nesting {
    type Output = Result<Nested>;
    type IntoFuture = BoxFuture<'static, Result<Nested>>;

    /// # Errors
    ///
    /// `Invalid` for a workflow with faults, all of them named.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let asked = self.asked?;
            let calls = self.call.calls.clone();
            let tasks = asked.iter().map(|asked| {
                let name: Arc<str> = asked.alias.clone().unwrap_or_default();
                (name, Waiting { calls: calls.clone(), key: asked.key.clone() })
            });
            let tasks: BTreeMap<Arc<str>, Waiting> = tasks.collect();
            self.call.calls.want(Note::Children(asked))?;
            Ok(Nested { base: self.call.key.clone(), tasks })
        }
        .boxed()
    }
}

/// A workflow that is a part of a run.
pub struct Nested {
    base: Key,
    tasks: BTreeMap<Arc<str>, Waiting>,
}

impl Nested {
    /// Waits for the output of one of its tasks.
    ///
    /// # Errors
    ///
    /// That of the task; `NotFound` for a task of another workflow.
    pub async fn output<O: DeserializeOwned>(&self, node: &Node<O>) -> Result<O> {
        let not_found =
            || Error::new(ErrorKind::NotFound, format!("there is no task {:?} in {:?}", node.name(), self.base));
        let call = self.tasks.get(node.name()).ok_or_else(not_found)?;
        match call.news(|_| false).await? {
            Turn::Outcome(outcome) => outcome.read(&call.key).map_err(Error::of_another),
            Turn::Go(_) => Err(Error::new(ErrorKind::Corrupt, "a child went on without an outcome")),
        }
    }

    /// Waits until all of its tasks have completed.
    ///
    /// # Errors
    ///
    /// That of the first, in the order of their names, that did not.
    pub async fn all(&self) -> Result<()> {
        let mut first = None;
        for call in self.tasks.values() {
            if let Err(error) = call.outcome().await?.read::<serde::de::IgnoredAny>(&call.key) {
                first = first.or(Some(error));
            }
        }
        first.map_or(Ok(()), Err)
    }
}

impl fmt::Debug for Nesting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Nesting").field(&self.call.key).finish()
    }
}

impl fmt::Debug for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Nested").field(&self.base).finish()
    }
}
