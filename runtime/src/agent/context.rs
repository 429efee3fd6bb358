//! What a handler has in its hands.

use crate::breaker::{Breakers, Ticket};
use crate::clock::Clock;
use crate::durable::calls::{Calls, Key, Waiting};
use crate::durable::trap::{Trap, Witness};
use crate::limit::Limits;
use crate::message::Voice;
use crate::state::Documents;
use crate::{Broadcast, Callboard, Inbox, Message, Result};
use callboard_core::{InstanceId, RunId, Speaker, TaskRef, Token};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// The task at hand, as its handler sees it; cheap to clone.
#[derive(Clone)]
pub struct Ctx {
    inner: Arc<Inner>,
    /// What the keys of its durable calls begin with.
    scope: Arc<str>,
}

struct Inner {
    task: TaskRef,
    token: Token,
    name: String,
    capability: Arc<str>,
    instance: InstanceId,
    heartbeat: Notify,
    voice: Voice,
    inbox: Inbox,
    calls: Arc<Calls>,
    clock: Clock,
    passage: Passage,
}

/// A task as it was handed out.
pub(crate) struct Assignment {
    pub(crate) speaker: Speaker,
    pub(crate) name: String,
    pub(crate) capability: Arc<str>,
    /// On whose behalf its run runs.
    pub(crate) tenant: Option<Arc<str>>,
    /// With what it was let through, if it has waited at a gate.
    pub(crate) ticket: Option<Ticket>,
}

/// What the task may pass through.
pub(crate) struct Passage {
    pub(crate) breakers: Breakers,
    /// The limits; none where nothing is limited any more.
    pub(crate) limits: Option<Limits>,
    /// What all nodes share; none where there is no store.
    pub(crate) documents: Option<Documents>,
    pub(crate) tenant: Option<Arc<str>>,
    /// With what the task was let through, if it has waited at a gate.
    pub(crate) ticket: Option<Ticket>,
    /// Whether that was shown at a limit, where it counts once.
    is_shown: AtomicBool,
}

impl Passage {
    /// The ticket for so many units at the gate of a limit, the first time.
    pub(crate) fn ticket_for(&self, gate: &str, units: u64) -> Option<&Ticket> {
        let is_of = |ticket: &&Ticket| crate::limit::units_of(&ticket.gate) == Some((gate, units));
        let ticket = self.ticket.as_ref().filter(is_of)?;
        (!self.is_shown.swap(true, Ordering::AcqRel)).then_some(ticket)
    }
}

impl Ctx {
    pub(crate) fn new(
        assignment: Assignment,
        (breakers, limits, documents): (Breakers, Option<Limits>, Option<Documents>),
        voice: Voice,
        inbox: Inbox,
        clock: Clock,
        trap: Option<Arc<dyn Trap>>,
    ) -> Self {
        let Assignment { speaker, name, capability, tenant, ticket } = assignment;
        let passage = Passage { breakers, limits, documents, tenant, ticket, is_shown: AtomicBool::new(false) };
        let witness = trap.map(|trap| Witness { trap, capability: capability.clone(), speaker: speaker.clone() });
        let Speaker { task, token, holder: instance } = speaker;
        let (heartbeat, calls) = (Notify::new(), Arc::new(Calls::new(witness)));
        let inner = Inner { task, token, name, capability, instance, heartbeat, voice, inbox, calls, clock, passage };
        Self { inner: Arc::new(inner), scope: "".into() }
    }

    /// The same context, whose durable calls have keys of their own: calls of one name in two scopes are never mistaken
    /// for one another. For branches that run beside one another.
    pub fn scope(&self, name: impl AsRef<str>) -> Self {
        let key = self.inner.calls.key(&self.scope, "in", name.as_ref());
        Self { inner: self.inner.clone(), scope: format!("{key}/").into() }
    }

    pub(crate) fn calls(&self) -> &Arc<Calls> {
        &self.inner.calls
    }

    pub(crate) fn clock(&self) -> Clock {
        self.inner.clock.clone()
    }

    pub(crate) fn passage(&self) -> &Passage {
        &self.inner.passage
    }

    pub(crate) fn task_ref(&self) -> TaskRef {
        self.inner.task
    }

    /// The key of a durable call that is made now.
    pub(crate) fn key(&self, kind: &str, name: &str) -> Key {
        self.inner.calls.key(&self.scope, kind, name)
    }

    /// A durable call that is made now.
    pub(crate) fn waiting(&self, kind: &str, name: &str) -> Waiting {
        Waiting { calls: self.inner.calls.clone(), key: self.key(kind, name) }
    }

    /// Waits until everything that is recorded was given back. What leaves no record takes no key as long as nothing holds
    /// it up: the call is given only if something has.
    pub(crate) async fn turn(&self, kind: &str, name: &str) -> Result<Option<Waiting>> {
        if self.inner.calls.may_begin()? {
            return Ok(None);
        }
        let call = self.waiting(kind, name);
        call.turn().await?;
        Ok(Some(call))
    }

    /// The run to which the task belongs.
    pub fn run_id(&self) -> RunId {
        self.inner.task.run
    }

    /// The name of the task in its workflow.
    pub fn task_name(&self) -> &str {
        &self.inner.name
    }

    /// What the task asks for: one of the capabilities of the agent.
    pub fn capability(&self) -> &str {
        &self.inner.capability
    }

    /// The activation of its task.
    pub(crate) fn token(&self) -> Token {
        self.inner.token
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.inner.token.attempt
    }

    /// The instance that performs it.
    pub fn instance(&self) -> &InstanceId {
        &self.inner.instance
    }

    /// Says that the handler makes progress, for a task with a heartbeat timeout.
    ///
    /// Never blocks; several calls at once count as one. The lease of the task is kept without it.
    pub fn heartbeat(&self) {
        self.inner.heartbeat.notify_one();
    }

    /// The messages that wait for this instance, **which are not durable**.
    ///
    /// What the handler does not take waits for [`Agent::message`](crate::Agent::message) after the task. When the task
    /// has ended, the inbox gives nothing any more.
    pub fn inbox(&self) -> Inbox {
        self.inner.inbox.clone()
    }

    /// Puts a message from this instance into an inbox; as [`Callboard::tell`]. Not durable: an attempt that is made
    /// again tells again.
    ///
    /// # Errors
    ///
    /// As [`Callboard::tell`].
    pub async fn tell(&self, to: impl AsRef<str>, message: Message) -> Result<()> {
        self.inner.voice.tell(to.as_ref(), message).await
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
        self.inner.voice.ask(to.as_ref(), message, limit).await
    }

    /// Puts a message into every inbox of every node but its own; as [`Callboard::broadcast`]. Not durable: an attempt
    /// that is made again broadcasts again.
    ///
    /// # Errors
    ///
    /// As [`Callboard::broadcast`].
    pub async fn broadcast(&self, message: Message) -> Result<Broadcast> {
        self.inner.voice.broadcast(message).await
    }

    /// The runtime: to submit workflows, and to call other agents.
    ///
    /// **Such a call is not part of this task**: [`call`](Self::call), [`nest`](Self::nest) and [`start`](Self::start) are.
    /// It is not recorded with it: an attempt that is made again calls again, unless the call has a key. And it blocks this
    /// instance until it has its output; an agent that calls itself with all of its instances waits for ever. A handle that
    /// is kept keeps the node alive.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the last handle to the node is gone.
    pub fn board(&self) -> Result<Callboard> {
        self.inner.voice.board()
    }

    pub(super) async fn heartbeats(&self) {
        self.inner.heartbeat.notified().await;
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("task", &self.inner.task).field("token", &self.inner.token).finish_non_exhaustive()
    }
}
