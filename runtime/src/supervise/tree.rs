//! The supervisor's actor: what it knows of its children, and what it does when one of them stops.
//!
//! Its handlers never wait: starts, back-offs and limits are tasks in one set that report back by message, so that a stop is
//! judged at once whatever else goes on. The set ends with the actor.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, ActorStatus, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use super::child::{Child, ChildSpec, Ending, Phase, Stage};
use super::event::{EventKind, Outbox};
use super::policy::{Ledger, Next};
use super::shutdown::{Report, Shutdown};
use super::{AddError, Alarm, Failure, FailureKind, Settings, Stopped};
use crate::telemetry;

/// What a supervisor is told.
pub(crate) enum Msg {
    /// See [`super::Supervisor::add`].
    Add { spec: Box<ChildSpec>, reply: oneshot::Sender<Result<(), AddError>> },
    /// See [`super::Supervisor::remove`].
    Remove { name: String, limit: Duration, reply: oneshot::Sender<Ending> },
    /// See [`super::Supervisor::children`].
    Children { reply: oneshot::Sender<Vec<(Arc<str>, Condition)>> },
    /// See [`super::Supervisor::actors`].
    #[cfg(feature = "test")]
    Up { reply: oneshot::Sender<Vec<super::actors::Up>> },
    /// See [`super::Supervisor::shutdown`]; without a limit, that of the settings.
    Shutdown { limit: Option<Duration>, reply: Option<oneshot::Sender<Report>> },
    /// A start has come to an end.
    StartEnded { key: u64, outcome: Result<ActorCell, Stopped> },
    /// A stage of an ending has taken too long.
    Overdue { key: u64, stage: Stage },
}

/// Where a child stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It runs.
    Up,
    /// It is being started, perhaps after a wait.
    Starting,
    /// It is being ended.
    Ending,
}

/// The supervisor's actor.
pub(super) struct TreeActor;

impl Actor for TreeActor {
    type Msg = Msg;
    type State = Tree;
    type Arguments = Settings;

    async fn pre_start(&self, myself: ActorRef<Msg>, settings: Settings) -> Result<Tree, ActorProcessingErr> {
        let children = settings.children.clone();
        let mut tree = Tree::new(myself, settings);
        for spec in children {
            tree.add(spec).map_err(|error| Failure::new(FailureKind::Invalid, error.to_string()))?;
        }
        info!(tree = %tree.name, children = tree.children.len(), "supervisor started");
        Ok(tree)
    }

    async fn handle(&self, _: ActorRef<Msg>, message: Msg, tree: &mut Tree) -> Result<(), ActorProcessingErr> {
        tree.reap();
        match message {
            // Who does not wait for the answer any more needs none.
            Msg::Add { spec, reply } => drop(reply.send(tree.add(*spec))),
            Msg::Remove { name, limit, reply } => tree.remove(&name, limit, reply),
            Msg::Children { reply } => drop(reply.send(tree.conditions())),
            #[cfg(feature = "test")]
            Msg::Up { reply } => drop(reply.send(tree.up())),
            Msg::Shutdown { limit, reply } => tree.shut_down(limit, reply),
            Msg::StartEnded { key, outcome } => tree.on_start_ended(key, outcome),
            Msg::Overdue { key, stage } => tree.on_overdue(key, stage),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        event: SupervisionEvent,
        tree: &mut Tree,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(who) = event.actor_id()
            && let Some(why) = Stopped::of(event)
        {
            tree.on_end(who, why);
        }
        Ok(())
    }

    async fn post_stop(&self, myself: ActorRef<Msg>, tree: &mut Tree) -> Result<(), ActorProcessingErr> {
        tree.end_what_is_left(&myself).await;
        info!(tree = %tree.name, "supervisor ended");
        tree.failure.take().map_or(Ok(()), |failure| Err(failure.into()))
    }
}

/// What the supervisor knows.
pub(super) struct Tree {
    myself: ActorRef<Msg>,
    pub(super) name: Arc<str>,
    pub(super) drain_limit: Duration,
    /// In the order in which they were added.
    pub(super) children: Vec<Child>,
    /// Starts and timers. They report by message; what they return is nothing.
    pub(super) tasks: JoinSet<()>,
    /// Ends that were told before the start they belong to: events overtake messages.
    early: Vec<(ActorId, Stopped)>,
    pub(super) outbox: Outbox,
    alarm: Alarm,
    origin: Instant,
    last_key: u64,
    pub(super) shutdown: Option<Shutdown>,
    /// Why the tree does not end well.
    pub(super) failure: Option<Failure>,
}

impl Tree {
    fn new(myself: ActorRef<Msg>, settings: Settings) -> Self {
        let Settings { name, drain_limit, events, alarm, children: _ } = settings;
        Self {
            myself,
            outbox: Outbox::new(Arc::clone(&name), events),
            name,
            drain_limit,
            alarm,
            children: Vec::new(),
            tasks: JoinSet::new(),
            early: Vec::new(),
            origin: Instant::now(),
            last_key: 0,
            shutdown: None,
            failure: None,
        }
    }

    fn add(&mut self, spec: ChildSpec) -> Result<(), AddError> {
        if self.shutdown.is_some() {
            return Err(AddError::Ending);
        }
        if self.children.iter().any(|child| child.spec.name == spec.name) {
            return Err(AddError::NameTaken(spec.name));
        }
        let (key, task) = self.begin_start(&spec, Duration::ZERO);
        let phase = Phase::Starting(task);
        self.children.push(Child { spec, key, phase, ledger: Ledger::default(), removals: Vec::new() });
        Ok(())
    }

    fn conditions(&self) -> Vec<(Arc<str>, Condition)> {
        let condition = |child: &Child| match child.phase {
            Phase::Starting(_) => Condition::Starting,
            Phase::Up(_) => Condition::Up,
            Phase::Ending { .. } => Condition::Ending,
        };
        self.children.iter().map(|child| (Arc::clone(&child.spec.name), condition(child))).collect()
    }

    /// Starts a child after a wait, beside the supervisor. A panic in the start is a failed start.
    fn begin_start(&mut self, spec: &ChildSpec, after: Duration) -> (u64, AbortHandle) {
        let (key, spec, myself) = (self.next_key(), spec.clone(), self.myself.clone());
        let task = self.tasks.spawn(async move {
            if !after.is_zero() {
                sleep(after).await;
            }
            let start = async { spec.start(myself.get_cell()).await };
            let outcome = AssertUnwindSafe(start).catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|panic| Err(Stopped::Panicked(panic_text(panic.as_ref()))));
            // Nobody to tell: the supervisor has ended, and its end has killed what is linked to it.
            let _ended = myself.cast(Msg::StartEnded { key, outcome });
        });
        (key, task)
    }

    /// Has `Overdue` sent after `limit`.
    pub(super) fn begin_timer(&mut self, key: u64, stage: Stage, limit: Duration) -> AbortHandle {
        let myself = self.myself.clone();
        self.tasks.spawn(async move {
            sleep(limit).await;
            let _ended = myself.cast(Msg::Overdue { key, stage });
        })
    }

    fn on_start_ended(&mut self, key: u64, outcome: Result<ActorCell, Stopped>) {
        let Some(at) = self.children.iter().position(|child| child.key == key) else {
            // It was removed while it started.
            if let Ok(cell) = outcome {
                cell.kill();
            }
            return;
        };
        match outcome.and_then(|cell| self.check_link(cell)) {
            Err(why) => self.on_stopped(at, why),
            Ok(cell) => self.on_started(at, cell),
        }
        if !self.children.iter().any(|child| matches!(child.phase, Phase::Starting(_))) {
            self.early.clear();
        }
    }

    /// Refuses an actor that is alive and not ours: we would never hear of its end.
    fn check_link(&self, cell: ActorCell) -> Result<ActorCell, Stopped> {
        // In this order: an actor that ends is marked as stopping before it is unlinked.
        let is_ours = cell.try_get_supervisor().is_some_and(|cell| cell.get_id() == self.myself.get_id());
        if is_ours || cell.get_status() >= ActorStatus::Stopping {
            return Ok(cell);
        }
        cell.kill();
        Err(Stopped::Refused(Failure::new(FailureKind::Invalid, "started without a link to its supervisor")))
    }

    fn on_started(&mut self, at: usize, cell: ActorCell) {
        let now = self.origin.elapsed();
        let child = &mut self.children[at];
        child.ledger.started(now);
        child.publish(Some(cell.clone()));
        info!(tree = %self.name, child = %child.spec.name, actor = %cell.get_id(), "child started");
        self.outbox.tell(&child.spec.name, EventKind::Started);
        let early = self.early.iter().position(|(who, _)| *who == cell.get_id());
        child.phase = Phase::Up(cell);
        if let Some(early) = early {
            let (_, why) = self.early.swap_remove(early);
            self.on_stopped(at, why);
        }
    }

    /// An actor that is linked to us has ended.
    fn on_end(&mut self, who: ActorId, why: Stopped) {
        let is_it = |child: &Child| child.cell().is_some_and(|cell| cell.get_id() == who);
        match self.children.iter().position(is_it) {
            Some(at) if matches!(self.children[at].phase, Phase::Ending { .. }) => self.on_ended(at, why),
            Some(at) => self.on_stopped(at, why),
            None if self.children.iter().any(|child| matches!(child.phase, Phase::Starting(_))) => {
                self.early.push((who, why));
            }
            None => {}
        }
    }

    /// A child has stopped by itself, or has not started.
    fn on_stopped(&mut self, at: usize, why: Stopped) {
        let now = self.origin.elapsed();
        let child = &mut self.children[at];
        child.publish(None);
        self.outbox.tell(&child.spec.name, EventKind::Stopped(why.clone()));
        if self.shutdown.is_some() {
            self.finish(at, Ending::ByItself(why));
            return self.advance();
        }
        let ruling = child.spec.ruling(&why);
        match child.ledger.stopped(&child.spec.policy, ruling, now) {
            Next::Restart(after) => self.restart(at, &why, after),
            Next::Leave => {
                let child = self.children.remove(at);
                info!(tree = %self.name, child = %child.spec.name, %why, "child done");
                self.outbox.tell(&child.spec.name, EventKind::Done);
            }
            Next::GiveUpChild => {
                let child = self.children.remove(at);
                error!(tree = %self.name, child = %child.spec.name, %why, "child given up");
                telemetry::count(telemetry::GIVEN_UP, "actor", kind_of(&child.spec.name));
                self.outbox.tell(&child.spec.name, EventKind::GaveUp(why));
            }
            Next::StopTree => self.stop_tree(at, why),
        }
    }

    fn restart(&mut self, at: usize, why: &Stopped, after: Duration) {
        let spec = self.children[at].spec.clone();
        warn!(tree = %self.name, child = %spec.name, %why, ?after, "child stopped, starting it again");
        telemetry::count(telemetry::RESTARTS, "actor", kind_of(&spec.name));
        let (key, task) = self.begin_start(&spec, after);
        self.children[at].key = key;
        self.children[at].phase = Phase::Starting(task);
        self.outbox.tell(&spec.name, EventKind::Restarting(after));
    }

    /// Escalates: ends the others in order, and then this actor with a failure that its own supervisor can judge.
    fn stop_tree(&mut self, at: usize, why: Stopped) {
        let child = self.children.remove(at);
        error!(tree = %self.name, child = %child.spec.name, %why, "child stopped too often, ending the tree");
        telemetry::count(telemetry::GIVEN_UP, "actor", kind_of(&child.spec.name));
        let kind = why.failure().map_or(FailureKind::Unknown, |failure| failure.kind);
        let message = format!("{} stopped too often, at last: {why}", child.spec.name);
        self.alarm.sound(&message);
        self.failure = Some(Failure::new(kind, message));
        self.outbox.tell(&child.spec.name, EventKind::StoppingTree(why));
        self.shut_down(None, None);
    }

    /// Lets go of tasks that have ended, so that the set holds only those that have not.
    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }

    fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }

    pub(super) fn stop_myself(&self) {
        self.myself.stop(None);
    }
}

/// What a child is, without which: a label must not grow with what a cluster has.
fn kind_of(name: &str) -> &str {
    if name.contains('#') { "instance" } else { name.split(' ').next().unwrap_or(name) }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a text".to_owned())
}
