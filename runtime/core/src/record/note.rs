//! What a handler wants to be recorded.

use super::{Contract, Wait};
use crate::{Cost, Failure, Json, Payload, Priority, TaskIndex, TaskSpec};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What a handler wants to be recorded. Repeating a note changes nothing: its key is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Note {
    /// A call has its result.
    Value(Arc<str>, Payload),
    /// A call has failed, in this attempt.
    Failed {
        /// The call.
        key: Arc<str>,
        /// Why.
        failure: Failure,
        /// Whether an effect may have happened all the same.
        unsure: bool,
    },
    /// A call for which something is reserved has its result, or has failed in this attempt, and has cost so much.
    Settled {
        /// The call.
        key: Arc<str>,
        /// Its result, or why it failed.
        result: Result<Payload, Failure>,
        /// What it has cost.
        cost: Cost,
    },
    /// Tasks are asked for.
    Children(Vec<Child>),
    /// An effect is about to run.
    Begin {
        /// The call.
        key: Arc<str>,
        /// What is promised of it.
        contract: Contract,
        /// The task that undoes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<Arc<TaskSpec>>,
        /// Behind what a probe is to look for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
    },
    /// Nobody knows whether an effect happened.
    Unknown {
        /// The call.
        key: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// A call waits. Its end and the number of an approval are given out by the machine, whatever the wait says.
    Wait {
        /// The call.
        key: Arc<str>,
        /// What for.
        wait: Wait,
        /// How long, if not for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<Duration>,
    },
    /// Calls that are waited for no more: their children are cancelled and their waits withdrawn.
    Withdraw(Vec<Arc<str>>),
    /// How far it is.
    Progress(Json),
    /// It waits for what is durable only, and has seen so many entries: its instance is free.
    Park {
        /// Entries seen.
        seen: usize,
        /// What has not let it through: it begins again when that does, or when anything else has come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gate: Option<Arc<str>>,
    },
}

/// A task that a handler asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Child {
    /// The call that it stands for.
    pub key: Arc<str>,
    /// What its siblings in the same note call it, if they refer to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Arc<str>>,
    /// The hash of its request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Arc<str>>,
    /// How urgent it is; as urgent as its parent, if that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// What is asked for. Its name is given by the machine.
    pub spec: TaskSpec,
}

/// What happens when tasks would wait for one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCycle {
    /// The submission that would close the cycle is refused.
    #[default]
    Reject,
    /// The least urgent task on the cycle fails, and of equals the one that came last.
    FailLeastUrgent,
}

/// An answer to whoever waits for one in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// A signal.
    Signal {
        /// Tells a repeated signal from another.
        id: Uuid,
        /// Its name.
        name: Arc<str>,
        /// What it brings.
        value: Payload,
    },
    /// The answer to an approval.
    Approval {
        /// Tells a repeated answer from another.
        id: Uuid,
        /// The task that asks or will ask; if absent the only approval that is open, or the next one.
        task: Option<TaskIndex>,
        /// Which of its approvals, from 1; if absent the only one that is open, or the next one.
        number: Option<u32>,
        /// The answer.
        approved: bool,
        /// By whom or why.
        by: Option<Arc<str>>,
    },
    /// Whether an effect happened.
    Effect {
        /// The task.
        task: TaskIndex,
        /// The call.
        key: Arc<str>,
        /// What is decided.
        decision: super::Decision,
        /// By whom or why.
        by: Option<Arc<str>>,
    },
}
