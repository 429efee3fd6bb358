//! A workflow as its author wrote it, and everything that can be wrong with it.

use crate::input::{BadReference, Compiled, Input};
use crate::limits::{GraphLimits, shown};
use crate::name::closest;
use crate::plan::{Edges, Plan};
use crate::{Budget, InstanceId, Json, Priority, Ready, Requirements, Retry, TaskIndex, TaskRef, Token, TraceParent};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A workflow: tasks, whose edges are the references in their inputs and their `after` lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// What the author calls it; 1 to 128 bytes.
    pub name: String,
    /// The tasks; names are unique.
    pub tasks: Vec<Arc<TaskSpec>>,
    /// The longest the whole run may take from submission, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The tenant on whose behalf it runs; at most 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What the run may cost with all that it starts; without a limit, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What the author wants to find it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The span from outside to which the run belongs; its trace is derived from its id, if absent. What is started again
    /// is not of the same trace, so it says nothing of which graph this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceParent>,
}

/// A task of a workflow as its author wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// Unique in its workflow; 1 to 128 bytes.
    pub name: String,
    /// What an agent must be able to do; 1 to 128 bytes of `[A-Za-z0-9._-]`.
    pub capability: Arc<str>,
    /// The request, perhaps with references.
    pub input: Json,
    /// Tasks that must have completed first, beside those referred to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// What the agent that performs it must have.
    #[serde(default, skip_serializing_if = "Requirements::is_empty")]
    pub requires: Requirements,
    /// How urgent it is.
    #[serde(default, skip_serializing_if = "Priority::is_default")]
    pub priority: Priority,
    /// When a failed attempt is followed by another; the policy of the partition, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How long its parts may take.
    #[serde(default, skip_serializing_if = "Timeouts::is_default")]
    pub timeouts: Timeouts,
    /// How many activations may be cut short (a lost node, an expired lease) before it is dead-lettered; the
    /// limit of the partition, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub losses_max: Option<u32>,
}

impl TaskSpec {
    /// A task with the default policy and no order-only edge.
    pub fn new(name: impl Into<String>, capability: impl Into<Arc<str>>, input: Json) -> Self {
        Self {
            name: name.into(),
            capability: capability.into(),
            input,
            after: Vec::new(),
            requires: Requirements::default(),
            priority: Priority::default(),
            retry: None,
            timeouts: Timeouts::default(),
            losses_max: None,
        }
    }
}

impl TaskSpec {
    /// Whether both ask for the same. A policy of retries that is the default was once left out of the journal like
    /// one that was never said.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let retries = |spec: &Self| spec.retry.unwrap_or_default();
        let rest = |spec: &Self| Self { retry: None, ..spec.clone() };
        self == other || (retries(self) == retries(other) && rest(self) == rest(other))
    }

    /// What the backlog has to know of a task that waits for an instance.
    pub(crate) fn ready(&self, task: TaskRef, token: Token, avoid: Option<InstanceId>) -> Ready {
        let (capability, requires) = (self.capability.clone(), self.requires.clone());
        Ready { task, token, capability, requires, priority: self.priority, avoid, gate: None, share: None }
    }
}

/// That one task waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The task that is waited for.
    pub from: TaskIndex,
    /// The task that waits.
    pub to: TaskIndex,
    /// What for.
    pub kind: EdgeKind,
}

/// What an edge carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeKind {
    /// The output of the one is input of the other.
    Data,
    /// Nothing: the one comes first.
    Order,
}

/// How long the parts of a task may take, in milliseconds; absent means for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// From being ready (after a delay, if one is due) to being accepted by an instance. Ends the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<u64>,
    /// From acceptance to the result, for each attempt. A failed attempt of class timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_ms: Option<u64>,
    /// Between two heartbeats of the handler itself, for each attempt. A failed attempt of class timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_ms: Option<u64>,
}

impl Timeouts {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One fault of a graph. A submission is refused with all of them together, before anything is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphFault {
    /// There is no task in it.
    #[error("the workflow has no tasks")]
    Empty,
    /// There are too many tasks.
    #[error("the workflow has {seen} tasks, more than the limit of {limit} (graph_tasks_max)")]
    TooManyTasks {
        /// Tasks seen.
        seen: usize,
        /// The limit.
        limit: usize,
    },
    /// Its inputs, names, edges and labels are too large together.
    #[error("the workflow takes {seen} bytes, more than the limit of {limit} (graph_bytes_max)")]
    TooManyBytes {
        /// Bytes seen.
        seen: usize,
        /// The limit.
        limit: usize,
    },
    /// One input is too large.
    #[error("task {task:?}: its input takes {seen} bytes, more than the limit of {limit} (payload_bytes_max)")]
    InputTooLarge {
        /// The task.
        task: String,
        /// Bytes seen.
        seen: usize,
        /// The limit.
        limit: usize,
    },
    /// One input has too many levels.
    #[error("task {task:?}: its input has {seen} levels, more than the limit of {limit} (input_depth_max)")]
    InputTooDeep {
        /// The task.
        task: String,
        /// Levels of arrays and objects seen.
        seen: usize,
        /// The limit.
        limit: usize,
    },
    /// A list of a task is too long.
    #[error("task {task:?}: its list {list:?} has {seen} entries, more than the limit of {limit} ({list}_max)")]
    ListTooLong {
        /// The task.
        task: String,
        /// Which list.
        list: &'static str,
        /// Entries seen.
        seen: usize,
        /// The limit.
        limit: usize,
    },
    /// The run has too many labels.
    #[error("the workflow has {seen} labels, more than the limit of {limit} (labels_max)")]
    TooManyLabels {
        /// Labels seen.
        seen: usize,
        /// The limit.
        limit: usize,
    },
    /// A label is too large.
    #[error("label {key:?}: its {part} takes {seen} bytes, more than the limit of {limit} (label_{part}_bytes_max)")]
    LabelTooLarge {
        /// Its key.
        key: String,
        /// Which part of it: the key or the value.
        part: &'static str,
        /// Bytes seen.
        seen: usize,
        /// The limit.
        limit: usize,
    },
    /// A label has no key.
    #[error("the label with the value {value:?} has no key: it takes at least {limit} byte (label_key_bytes_min)")]
    LabelWithoutKey {
        /// The beginning of its value.
        value: String,
        /// The least.
        limit: usize,
    },
    /// A timeout leaves no time.
    #[error("{}: its {which} of {seen} ms leaves no time; the shortest is {limit} ms, and none at all is to leave it out", whose(.task.as_deref()))]
    TimeoutTooShort {
        /// The task; `None` for the run as a whole.
        task: Option<String>,
        /// Which of its timeouts, as a document calls it.
        which: &'static str,
        /// Milliseconds seen.
        seen: u64,
        /// The shortest, in milliseconds.
        limit: u64,
    },
    /// An amount of the budget is too large.
    #[error("the budget says {seen} {what}, more than the limit of {limit}")]
    BudgetTooLarge {
        /// Of what.
        what: &'static str,
        /// The amount seen.
        seen: u64,
        /// The limit.
        limit: u64,
    },
    /// The tenant's name is too long.
    #[error("the tenant {tenant:?} takes {seen} bytes, more than the limit of {limit} (tenant_bytes_max)")]
    TenantTooLong {
        /// The beginning of its name.
        tenant: String,
        /// Bytes seen.
        seen: usize,
        /// The limit.
        limit: usize,
    },
    /// A name of a workflow, task or capability is not usable.
    #[error("{what} {seen:?}: {reason}")]
    BadName {
        /// Whose name.
        what: &'static str,
        /// The name.
        seen: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two tasks have one name.
    #[error("two tasks are named {name:?}")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A task refers to a task that is not there.
    #[error("task {task:?} refers to {reference:?}, which is no task of this workflow{}", hint(.closest.as_deref()))]
    UnknownReference {
        /// The task.
        task: String,
        /// What it refers to.
        reference: String,
        /// The name most like it.
        closest: Option<String>,
    },
    /// A `$from`, `$all` or `$literal` is malformed.
    #[error("task {task:?}: {reason}")]
    BadReference {
        /// The task.
        task: String,
        /// What was seen.
        reason: String,
    },
    /// Tasks wait for one another.
    #[error("tasks wait for one another: {}", .path.join(" -> "))]
    Cycle {
        /// The tasks on the cycle, each waiting for the next; the first stands again at the end.
        path: Vec<String>,
    },
}

fn whose(task: Option<&str>) -> String {
    task.map_or_else(|| "the workflow".to_owned(), |task| format!("task {task:?}"))
}

fn hint(closest: Option<&str>) -> String {
    closest.map_or_else(String::new, |name| format!("; the closest is {name:?}"))
}

/// A task of a graph, its input compiled, and the distinct tasks it waits for, ascending.
#[derive(Debug)]
struct PlannedTask {
    input: Input,
    needs: Vec<TaskIndex>,
}

impl Graph {
    /// Checks the whole graph and works out its edges.
    pub(crate) fn plan(&self, limits: &GraphLimits) -> Result<Plan, Vec<GraphFault>> {
        let mut faults = limits.faults(self);
        faults.extend(self.name_faults());
        let names = self.names(&mut faults);
        let lookup = |name: &str| names.get(name).copied();
        // A task with faults keeps the edges that can be told, so that a cycle is seen beside them.
        let tasks: Vec<PlannedTask> =
            self.tasks.iter().map(|spec| spec.plan(&lookup, &self.tasks, &mut faults)).collect();
        let needs = Edges::new(tasks.iter().map(|task| task.needs.as_slice()));
        let dependents = needs.turned();
        faults.extend(self.cycles(&tasks, &dependents));
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut by_name: Vec<TaskIndex> = (0..self.tasks.len() as u32).map(TaskIndex).collect();
        by_name.sort_by_key(|task| self.tasks[task.at()].name.as_str());
        Ok(Plan { inputs: tasks.into_iter().map(|task| task.input).collect(), needs, dependents, by_name })
    }

    /// Every fault of the graph, or none.
    pub fn faults(&self, limits: &GraphLimits) -> Vec<GraphFault> {
        self.plan(limits).err().unwrap_or_default()
    }

    /// Its edges, by the task that waits and then by the one it waits for. What refers to no task is left out.
    pub fn edges(&self) -> Vec<Edge> {
        let names = self.names(&mut Vec::new());
        let lookup = |name: &str| names.get(name).copied();
        let mut edges = BTreeMap::new();
        for (to, task) in (0..).map(TaskIndex).zip(&self.tasks) {
            for from in task.after.iter().filter_map(|name| lookup(name)) {
                edges.insert((to, from), EdgeKind::Order);
            }
            for from in Input::compile(&task.input, &lookup).input.references() {
                edges.insert((to, from), EdgeKind::Data);
            }
        }
        edges.into_iter().map(|((to, from), kind)| Edge { from, to, kind }).collect()
    }

    /// What the author has written, in bytes; the journal adds about 100 a task.
    pub fn bytes(&self) -> usize {
        let labels = self.labels.iter().map(|(key, value)| key.len() + value.len());
        let tasks = self.tasks.iter().map(|task| {
            let after: usize = task.after.iter().map(String::len).sum();
            task.input.as_str().len() + task.name.len() + task.capability.len() + after
        });
        let tenant = self.tenant.as_ref().map(String::len);
        tenant.into_iter().chain(labels).chain(tasks).sum()
    }

    fn name_faults(&self) -> impl Iterator<Item = GraphFault> {
        let workflow = bad_name("workflow", &self.name, name_reason(&self.name));
        let tasks = self.tasks.iter().flat_map(|task| {
            let name = bad_name("task", &task.name, name_reason(&task.name));
            name.into_iter().chain(bad_name("capability", &task.capability, capability_reason(&task.capability)))
        });
        workflow.into_iter().chain(tasks)
    }

    fn names<'a>(&'a self, faults: &mut Vec<GraphFault>) -> HashMap<&'a str, TaskIndex> {
        let mut names = HashMap::with_capacity(self.tasks.len());
        for (index, task) in (0..).zip(&self.tasks) {
            if names.insert(task.name.as_str(), TaskIndex(index)).is_some() {
                faults.push(GraphFault::DuplicateName { name: shown(&task.name) });
            }
        }
        names
    }

    /// Cycles with their paths, no two of which share a task, if there are any (Kahn 1962 finds that there are; a walk
    /// among the rest finds which).
    fn cycles(&self, tasks: &[PlannedTask], dependents: &Edges) -> Vec<GraphFault> {
        let mut waiting: Vec<usize> = tasks.iter().map(|task| task.needs.len()).collect();
        let mut free: Vec<usize> = (0..tasks.len()).filter(|&task| waiting[task] == 0).collect();
        while let Some(task) = free.pop() {
            for dependent in dependents.of(TaskIndex(task as u32)) {
                waiting[dependent.at()] -= 1;
                if waiting[dependent.at()] == 0 {
                    free.push(dependent.at());
                }
            }
        }
        // Each task that is left waits for one that is left, so a walk along such edges meets itself or another walk.
        let mut walked: Vec<Option<usize>> = vec![None; tasks.len()];
        let mut cycles = Vec::new();
        for start in (0..tasks.len()).filter(|&task| waiting[task] > 0) {
            let mut path: Vec<usize> = Vec::new();
            let mut next = Some(start);
            while let Some(task) = next.filter(|&task| walked[task].is_none()) {
                walked[task] = Some(start);
                path.push(task);
                next = tasks[task].needs.iter().map(|need| need.at()).find(|&need| waiting[need] > 0);
            }
            if let Some(met) = next.filter(|&task| walked[task] == Some(start) && !path.is_empty()) {
                let cycle = path.iter().skip_while(|&&task| task != met).chain([&met]);
                cycles.push(GraphFault::Cycle { path: cycle.map(|&task| shown(&self.tasks[task].name)).collect() });
            }
        }
        cycles
    }
}

impl TaskSpec {
    fn plan(
        &self,
        lookup: &dyn Fn(&str) -> Option<TaskIndex>,
        all: &[Arc<TaskSpec>],
        faults: &mut Vec<GraphFault>,
    ) -> PlannedTask {
        let Compiled { input, faults: bad } = Input::compile(&self.input, lookup);
        let mut needs: Vec<TaskIndex> = self.after.iter().filter_map(|name| lookup(name)).collect();
        needs.extend(input.references());
        needs.sort_unstable();
        needs.dedup();
        let unknown = self.after.iter().filter(|name| lookup(name).is_none()).cloned().map(BadReference::Unknown);
        for bad in unknown.chain(bad) {
            // A large graph is not searched for every fault: an error must not cost more than the work it reports on.
            let hints = faults.len() < HINTS_MAX;
            faults.push(match bad {
                BadReference::Unknown(reference) => GraphFault::UnknownReference {
                    task: shown(&self.name),
                    closest: hints.then(|| most_alike(&reference, all)).flatten(),
                    reference: shown(&reference),
                },
                BadReference::Form(reason) => GraphFault::BadReference { task: shown(&self.name), reason },
            });
        }
        PlannedTask { input, needs }
    }
}

fn bad_name(what: &'static str, seen: &str, reason: Option<&'static str>) -> Option<GraphFault> {
    reason.map(|reason| GraphFault::BadName { what, seen: shown(seen), reason })
}

fn name_reason(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("a name must not be empty")
    } else if name.len() > NAME_BYTES_MAX {
        Some("a name has at most 128 bytes (name_bytes_max)")
    } else if name.chars().any(char::is_control) {
        Some("a name has no control characters")
    } else {
        None
    }
}

fn capability_reason(name: &str) -> Option<&'static str> {
    name_reason(name).or_else(|| {
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        (!name.chars().all(usable)).then_some("a capability is written with A-Z, a-z, 0-9, '.', '_' and '-'")
    })
}

/// What is wrong with the name of a capability, if anything is.
pub(crate) fn capability_fault(name: &str) -> Option<GraphFault> {
    bad_name("capability", name, capability_reason(name))
}

/// How many faults may come with the closest name.
const HINTS_MAX: usize = 20;

/// The task whose name is most like `name`.
fn most_alike(name: &str, tasks: &[Arc<TaskSpec>]) -> Option<String> {
    let usable = tasks.iter().take(1_000).map(|task| task.name.as_str()).filter(|name| name_reason(name).is_none());
    closest(name, usable).map(str::to_owned)
}

/// The longest name of a workflow, a task or a capability.
const NAME_BYTES_MAX: usize = 128;
