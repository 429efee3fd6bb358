//! What a handler has in its hands.

use callboard_core::{InstanceId, RunId, TaskRef, Token};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Notify;

/// The task at hand, as its handler sees it; cheap to clone.
#[derive(Clone)]
pub struct Ctx(Arc<Inner>);

struct Inner {
    task: TaskRef,
    token: Token,
    name: String,
    capability: Arc<str>,
    instance: InstanceId,
    heartbeat: Notify,
}

impl Ctx {
    pub(super) fn new(task: TaskRef, token: Token, name: String, capability: Arc<str>, instance: InstanceId) -> Self {
        Self(Arc::new(Inner { task, token, name, capability, instance, heartbeat: Notify::new() }))
    }

    /// The run to which the task belongs.
    pub fn run_id(&self) -> RunId {
        self.0.task.run
    }

    /// The name of the task in its workflow.
    pub fn task_name(&self) -> &str {
        &self.0.name
    }

    /// What the task asks for: one of the capabilities of the agent.
    pub fn capability(&self) -> &str {
        &self.0.capability
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.token.attempt
    }

    /// The instance that performs it.
    pub fn instance(&self) -> &InstanceId {
        &self.0.instance
    }

    /// Says that the handler makes progress, for a task with a heartbeat timeout.
    ///
    /// Never blocks; several calls at once count as one. The lease of the task is kept without it.
    pub fn heartbeat(&self) {
        self.0.heartbeat.notify_one();
    }

    pub(super) async fn heartbeats(&self) {
        self.0.heartbeat.notified().await;
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("task", &self.0.task).field("token", &self.0.token).finish_non_exhaustive()
    }
}
