//! A child: how it is started, and where it stands.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use ractor::{Actor, ActorCell, ActorRef, Message};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use super::policy::Ledger;
use super::{Policy, Ruling, Slot, Stopped};

type Start = dyn Fn(ActorCell) -> BoxFuture<'static, Result<ActorCell, Stopped>> + Send + Sync;
type Judge = dyn Fn(&Stopped) -> Ruling + Send + Sync;

/// How one child is started, judged and ended. Clones share the [`Slot`].
#[derive(Clone)]
pub(crate) struct ChildSpec {
    pub(super) name: Arc<str>,
    pub(super) policy: Policy,
    pub(super) farewell: Farewell,
    pub(super) drain_limit: Option<Duration>,
    start: Arc<Start>,
    judge: Option<Arc<Judge>>,
    pub(super) slot: Arc<watch::Sender<Option<ActorCell>>>,
}

/// How a child is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// By draining its mailbox.
    Drain,
    /// By the orderly shutdown of a tree.
    Shutdown,
}

impl ChildSpec {
    /// A child whose start is `start`, and the slot where it will be found.
    ///
    /// `start` is called for every incarnation. It spawns the actor without a name and linked to the supervisor it is
    /// given (`Actor::spawn_linked(None, ..)`), as the last thing it awaits: it may be dropped at any await.
    pub(crate) fn new<M, F>(name: impl Into<Arc<str>>, policy: Policy, start: F) -> (Self, Slot<M>)
    where
        M: Message,
        F: Fn(ActorCell) -> BoxFuture<'static, Result<ActorRef<M>, Stopped>> + Send + Sync + 'static,
    {
        let start: Arc<Start> = Arc::new(move |supervisor| {
            let started = start(supervisor);
            Box::pin(async move { started.await.map(|actor| actor.get_cell()) })
        });
        let (slot, cell) = watch::channel(None);
        let (farewell, slot) = (Farewell::Drain, Arc::new(slot));
        let spec = Self { name: name.into(), policy, farewell, drain_limit: None, start, judge: None, slot };
        (spec, Slot::new(cell))
    }

    /// A child that is made by `make` for every incarnation: the actor and its arguments.
    pub(crate) fn actor<A, F>(name: impl Into<Arc<str>>, policy: Policy, make: F) -> (Self, Slot<A::Msg>)
    where
        A: Actor,
        F: Fn() -> (A, A::Arguments) + Send + Sync + 'static,
    {
        Self::new(name, policy, move |supervisor| {
            let (actor, arguments) = make();
            Box::pin(async move {
                let (actor, _task) = A::spawn_linked(None, actor, arguments, supervisor).await?;
                Ok(actor)
            })
        })
    }

    /// The same child with a judgement of its own, in the place of [`super::Restart`].
    #[must_use]
    pub(crate) fn judged_by(mut self, judge: impl Fn(&Stopped) -> Ruling + Send + Sync + 'static) -> Self {
        self.judge = Some(Arc::new(judge));
        self
    }

    /// The same child with a limit of its own for draining, in the place of the one a removal or shutdown gives.
    #[must_use]
    pub(crate) fn drained_within(mut self, limit: Duration) -> Self {
        self.drain_limit = Some(limit);
        self
    }

    /// The same child, asked to end by the shutdown of the tree that it is.
    pub(super) fn ended_as_a_tree(mut self) -> Self {
        self.farewell = Farewell::Shutdown;
        self
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn start(&self, supervisor: ActorCell) -> BoxFuture<'static, Result<ActorCell, Stopped>> {
        (self.start)(supervisor)
    }

    pub(super) fn ruling(&self, why: &Stopped) -> Ruling {
        match &self.judge {
            Some(judge) => judge(why),
            None => self.policy.restart.ruling(why),
        }
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec").field("name", &self.name).field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// What a removal or a shutdown did to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It worked off its mailbox and stopped.
    Drained,
    /// It was too slow for that and stopped after the message at hand; the rest of its mailbox is lost.
    Stopped,
    /// It did not stop either and was killed at its next await.
    Killed,
    /// It did not even end then: a handler blocks its thread. It is left behind.
    Stuck,
    /// It was not running: it was being started, or waiting for a restart.
    NotRunning,
    /// It ended by itself before its turn, or while it was being ended.
    ByItself(Stopped),
}

impl Ending {
    /// Whether nothing was lost and nothing went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        matches!(self, Self::Drained | Self::NotRunning | Self::ByItself(Stopped::Finished(_)))
    }
}

/// How far the ending of a child has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its mailbox is drained.
    Drain,
    /// It is told to stop.
    Stop,
    /// It is killed.
    Kill,
}

/// Where a child stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// It is being started, perhaps after a wait.
    Starting(AbortHandle),
    /// It runs.
    Up(ActorCell),
    /// It is being ended.
    Ending { cell: ActorCell, stage: Stage, timer: AbortHandle },
}

/// A child in its tree.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) spec: ChildSpec,
    /// Tells the answers to one start or ending from those to an earlier one.
    pub(super) key: u64,
    pub(super) phase: Phase,
    pub(super) ledger: Ledger,
    /// Those who wait for its removal.
    pub(super) removals: Vec<oneshot::Sender<Ending>>,
}

impl Child {
    /// Shows the child's users which incarnation runs.
    pub(super) fn publish(&self, cell: Option<ActorCell>) {
        self.spec.slot.send_replace(cell);
    }

    pub(super) fn cell(&self) -> Option<&ActorCell> {
        match &self.phase {
            Phase::Starting(_) => None,
            Phase::Up(cell) | Phase::Ending { cell, .. } => Some(cell),
        }
    }
}
