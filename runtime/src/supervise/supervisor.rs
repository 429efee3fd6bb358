//! The supervisor as its users see it.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorRef};
use tokio::sync::{mpsc, oneshot};

use super::child::{ChildSpec, Ending};
use super::tree::{Condition, Msg, TreeActor};
use super::{Alarm, Event, Policy, Report, Slot, Stopped};

/// What a supervisor is made of.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// For logs and events.
    pub(crate) name: Arc<str>,
    /// How long each child may drain when the tree ends otherwise than by [`Supervisor::shutdown`]: because a child gave
    /// up, or because its parent ends it.
    pub(crate) drain_limit: Duration,
    /// The children it begins with, started in this order without waiting for one another.
    pub(crate) children: Vec<ChildSpec>,
    /// Where it tells what happens. A full channel misses events ([`super::EventKind::Missed`]).
    pub(crate) events: mpsc::Sender<Event>,
    /// Sounded when the tree is about to end by itself.
    pub(crate) alarm: Alarm,
}

/// A handle to a running supervisor; cheap to clone. Dropping it ends nothing.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor(ActorRef<Msg>);

/// Why a child was not added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddError {
    /// There is a child of that name.
    #[error("the name is taken: {0}")]
    NameTaken(Arc<str>),
    /// The supervisor is ending or has ended.
    #[error("the supervisor is ending")]
    Ending,
}

impl From<ActorRef<Msg>> for Supervisor {
    fn from(actor: ActorRef<Msg>) -> Self {
        Self(actor)
    }
}

/// A tree that is the child of another, whichever incarnation of it runs.
#[derive(Clone, Debug)]
pub(crate) struct Subtree(Slot<Msg>);

impl Subtree {
    /// Its supervisor, or `None` while it is down.
    pub(crate) fn current(&self) -> Option<Supervisor> {
        self.0.current().map(Supervisor)
    }
}

impl From<Slot<Msg>> for Subtree {
    fn from(slot: Slot<Msg>) -> Self {
        Self(slot)
    }
}

impl Supervisor {
    /// Starts the root of a tree. Its children are being started when this returns; their slots tell when they run.
    ///
    /// # Errors
    /// [`Stopped::Refused`] when two children have one name.
    pub(crate) async fn start(settings: Settings) -> Result<Self, Stopped> {
        let (actor, _task) = TreeActor::spawn(None, TreeActor, settings).await?;
        Ok(Self(actor))
    }

    /// A tree that is the child of another. The slots of its children survive its restarts.
    ///
    /// A parent gives it the parent's limit to shut down in, which should be longer than its children take together:
    /// see [`ChildSpec::drained_within`].
    pub(crate) fn child(policy: Policy, settings: Settings) -> (ChildSpec, Slot<Msg>) {
        let name = Arc::clone(&settings.name);
        let (spec, slot) = ChildSpec::actor(name, policy, move || (TreeActor, settings.clone()));
        (spec.ended_as_a_tree(), slot)
    }

    /// Adds a child. It is being started when this returns.
    ///
    /// # Errors
    /// See [`AddError`].
    pub(crate) async fn add(&self, spec: ChildSpec) -> Result<(), AddError> {
        let (reply, answer) = oneshot::channel();
        self.tell(Msg::Add { spec: Box::new(spec), reply });
        answer.await.unwrap_or(Err(AddError::Ending))
    }

    /// Ends a child for good: drains it for at most `limit`, then stops it, then kills it. Says what that did, or `None` when
    /// there is no such child. The ending goes on when the future is dropped.
    pub(crate) async fn remove(&self, name: &str, limit: Duration) -> Option<Ending> {
        let (reply, answer) = oneshot::channel();
        self.tell(Msg::Remove { name: name.to_owned(), limit, reply });
        answer.await.ok()
    }

    /// The children and where they stand, in the order in which they were added; none when the supervisor has ended.
    pub(crate) async fn children(&self) -> Vec<(Arc<str>, Condition)> {
        let (reply, answer) = oneshot::channel();
        self.tell(Msg::Children { reply });
        answer.await.unwrap_or_default()
    }

    /// Ends the tree: one child after the other, the last added first, each as in [`Supervisor::remove`], and then the
    /// supervisor. No actor of the tree is alive on return but those that the report calls [`Ending::Stuck`]. The
    /// shutdown goes on when the future is dropped, and a second call reports the same.
    pub(crate) async fn shutdown(&self, limit: Duration) -> Report {
        let (reply, answer) = oneshot::channel();
        self.tell(Msg::Shutdown { limit: Some(limit), reply: Some(reply) });
        let report = answer.await.unwrap_or_default();
        self.ended().await;
        report
    }

    /// Sends a message. One that comes too late is dropped here and now, and with it the way to answer: whoever waits for
    /// the answer is told.
    pub(super) fn tell(&self, message: Msg) {
        drop(self.0.cast(message));
    }

    #[cfg(feature = "test")]
    pub(super) fn cell(&self) -> ractor::ActorCell {
        self.0.get_cell()
    }

    /// Waits until the supervisor has ended.
    pub(crate) async fn ended(&self) {
        // Without a limit it cannot time out.
        let _never = self.0.wait(None).await;
    }
}
