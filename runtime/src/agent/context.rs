//! What a handler has in its hands.

use crate::message::Voice;
use crate::{Broadcast, Callboard, Inbox, Message, Result};
use callboard_core::{InstanceId, RunId, Speaker, TaskRef, Token};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
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
    voice: Voice,
    inbox: Inbox,
}

impl Ctx {
    pub(super) fn new(speaker: &Speaker, name: String, capability: Arc<str>, voice: Voice, inbox: Inbox) -> Self {
        let Speaker { task, token, holder: instance } = speaker.clone();
        Self(Arc::new(Inner { task, token, name, capability, instance, heartbeat: Notify::new(), voice, inbox }))
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

    /// The messages that wait for this instance, **which are not durable**.
    ///
    /// What the handler does not take waits for [`Agent::message`](crate::Agent::message) after the task. When the task
    /// has ended, the inbox gives nothing any more.
    pub fn inbox(&self) -> Inbox {
        self.0.inbox.clone()
    }

    /// Puts a message from this instance into an inbox; as [`Callboard::tell`]. Not durable: an attempt that is made
    /// again tells again.
    ///
    /// # Errors
    ///
    /// As [`Callboard::tell`].
    pub async fn tell(&self, to: impl AsRef<str>, message: Message) -> Result<()> {
        self.0.voice.tell(to.as_ref(), message).await
    }

    /// Asks, and waits for the answer; as [`Callboard::ask`]. Not durable: an attempt that is made again asks again.
    ///
    /// This instance answers nobody meanwhile, but through [`inbox`](Self::inbox): whoever asks in a circle waits until
    /// `limit` has passed.
    ///
    /// # Errors
    ///
    /// As [`Callboard::ask`].
    pub async fn ask(&self, to: impl AsRef<str>, message: Message, limit: Duration) -> Result<Message> {
        self.0.voice.ask(to.as_ref(), message, limit).await
    }

    /// Puts a message into every inbox but its own; as [`Callboard::broadcast`]. Not durable: an attempt that is made
    /// again broadcasts again.
    ///
    /// # Errors
    ///
    /// As [`Callboard::broadcast`].
    pub async fn broadcast(&self, message: Message) -> Result<Broadcast> {
        self.0.voice.broadcast(message).await
    }

    /// The runtime: to submit workflows, and to call other agents.
    ///
    /// **Such a call is not part of this task.** It is not recorded with it: an attempt that is made again calls again,
    /// unless the call has a key. And it blocks this instance until it has its output; an agent that calls itself with
    /// all of its instances waits for ever. A handle that is kept keeps the node alive.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the last handle to the node is gone.
    pub fn board(&self) -> Result<Callboard> {
        self.0.voice.board()
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
