//! The events of handlers, and of those who answer them.

use super::{Contract, Wait};
use crate::{Cost, Failure, InstanceId, Json, Payload, RunOutcome, TaskIndex, TaskSpec, Token};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// See [`EventKind::StepRecorded`](crate::EventKind::StepRecorded).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRecorded {
    /// The task.
    pub task: TaskIndex,
    /// The hand-out that recorded it.
    pub token: Token,
    /// Who did it.
    pub holder: InstanceId,
    /// The call.
    pub key: Arc<str>,
    /// Its result, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Payload>,
    /// Why it failed, if it did; that holds for this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether an effect that failed may have happened all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
    /// What it has cost, if something was reserved for it; all of that, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// See [`EventKind::ChildrenSubmitted`](crate::EventKind::ChildrenSubmitted).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildrenSubmitted {
    /// The task that submits them.
    pub task: TaskIndex,
    /// The hand-out that did.
    pub token: Token,
    /// Who did it.
    pub holder: InstanceId,
    /// Its children; they come behind all tasks of the run, in this order.
    pub children: Vec<ChildSpec>,
    /// By alias, the tasks that were there before and that these may refer to as their siblings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known: BTreeMap<Arc<str>, TaskIndex>,
}

/// A child of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildSpec {
    /// The call that it stands for.
    pub key: Arc<str>,
    /// What its siblings of the same submission call it, if they refer to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Arc<str>>,
    /// The hash of its request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Arc<str>>,
    /// What is asked for.
    pub spec: Arc<TaskSpec>,
}

/// See [`EventKind::EffectBegun`](crate::EventKind::EffectBegun).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectBegun {
    /// The task.
    pub task: TaskIndex,
    /// The hand-out that begins it.
    pub token: Token,
    /// Who does it.
    pub holder: InstanceId,
    /// The call.
    pub key: Arc<str>,
    /// What is promised of it.
    pub contract: Contract,
    /// The task that undoes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Arc<TaskSpec>>,
    /// Behind what a probe is to look for it: a number that means something to whoever does it, such as the version of a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// See [`EventKind::EffectUnknown`](crate::EventKind::EffectUnknown).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectUnknown {
    /// The task.
    pub task: TaskIndex,
    /// The hand-out that found it so.
    pub token: Token,
    /// Who did.
    pub holder: InstanceId,
    /// The call.
    pub key: Arc<str>,
    /// Why nobody knows.
    pub reason: Arc<str>,
}

/// Whether an effect happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decision {
    /// It did, with this result.
    Happened(Payload),
    /// It did not: it may run again.
    DidNotHappen,
}

/// See [`EventKind::EffectDecided`](crate::EventKind::EffectDecided).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectDecided {
    /// The task.
    pub task: TaskIndex,
    /// The call.
    pub key: Arc<str>,
    /// What was decided.
    pub decision: Decision,
    /// By whom or why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
}

/// See [`EventKind::WaitBegun`](crate::EventKind::WaitBegun).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitBegun {
    /// The task.
    pub task: TaskIndex,
    /// The hand-out that waits.
    pub token: Token,
    /// Who does.
    pub holder: InstanceId,
    /// The call.
    pub key: Arc<str>,
    /// What for.
    pub wait: Wait,
}

/// See [`EventKind::WaitElapsed`](crate::EventKind::WaitElapsed).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitElapsed {
    /// The task.
    pub task: TaskIndex,
    /// The call.
    pub key: Arc<str>,
}

/// See [`EventKind::WaitsWithdrawn`](crate::EventKind::WaitsWithdrawn).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitsWithdrawn {
    /// The task.
    pub task: TaskIndex,
    /// The hand-out that withdraws them.
    pub token: Token,
    /// Who does.
    pub holder: InstanceId,
    /// The calls, which wait for nothing any more.
    pub keys: Vec<Arc<str>>,
}

/// See [`EventKind::SignalReceived`](crate::EventKind::SignalReceived).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalReceived {
    /// Tells a repeated signal from another.
    pub id: Uuid,
    /// Its name.
    pub name: Arc<str>,
    /// What it brings.
    pub value: Payload,
}

/// See [`EventKind::ApprovalAnswered`](crate::EventKind::ApprovalAnswered).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalAnswered {
    /// Tells a repeated answer from another.
    pub id: Uuid,
    /// The task that asks, or will; whichever asks next, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskIndex>,
    /// Which of its approvals, from 1; if absent the one that is open, or the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// The answer.
    pub approved: bool,
    /// By whom or why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
}

/// See [`EventKind::TaskParked`](crate::EventKind::TaskParked).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskParked {
    /// The task.
    pub task: TaskIndex,
    /// The hand-out that ends here.
    pub token: Token,
    /// Who held it.
    pub holder: InstanceId,
    /// What has not let its handler through, if it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Arc<str>>,
}

/// See [`EventKind::TaskProgressed`](crate::EventKind::TaskProgressed).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskProgressed {
    /// The task.
    pub task: TaskIndex,
    /// The hand-out that says so.
    pub token: Token,
    /// Who does.
    pub holder: InstanceId,
    /// How far it is, in the handler's own words.
    pub progress: Json,
}

/// See [`EventKind::TaskFailed`](crate::EventKind::TaskFailed).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFailed {
    /// The task: blocked or parked until now.
    pub task: TaskIndex,
    /// Why.
    pub failure: Failure,
}

/// See [`EventKind::UndoBegun`](crate::EventKind::UndoBegun).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoBegun {
    /// How the run ends when everything is undone.
    pub outcome: RunOutcome,
    /// What undoes the effects, in this order, one after the other; they come behind all tasks of the run.
    pub undos: Vec<UndoSpec>,
}

/// What undoes an effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoSpec {
    /// The task that had the effect.
    pub of: TaskIndex,
    /// The call.
    pub key: Arc<str>,
    /// The task that undoes it.
    pub spec: Arc<TaskSpec>,
}
