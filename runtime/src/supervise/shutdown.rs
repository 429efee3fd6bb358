//! The orderly end of one child and of the whole tree.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorCell, ActorRef};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::child::{Child, Ending, Farewell, Phase, Stage};
use super::event::EventKind;
use super::tree::{Msg, Tree};
use super::{Failure, FailureKind, Stopped};

/// How long a child that was told to stop may go on with the message at hand.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// How long a child that was killed may take to reach an await.
const KILL_GRACE: Duration = Duration::from_secs(1);

/// What a shutdown did, in the order in which it was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The children by name. Those that did not run come first.
    pub(crate) children: Vec<(Arc<str>, Ending)>,
}

impl Report {
    /// Whether nothing was lost and nothing went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.children.iter().all(|(_, ending)| ending.is_clean())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unclean = self.children.iter().filter(|(_, ending)| !ending.is_clean());
        f.debug_map().entries(unclean.map(|(name, ending)| (name, ending))).finish()
    }
}

/// A shutdown that is going on.
#[derive(Debug)]
pub(super) struct Shutdown {
    limit: Duration,
    report: Report,
    replies: Vec<oneshot::Sender<Report>>,
}

impl Tree {
    pub(super) fn remove(&mut self, name: &str, limit: Duration, reply: oneshot::Sender<Ending>) {
        let Some(at) = self.children.iter().position(|child| &*child.spec.name == name) else {
            return;
        };
        self.children[at].removals.push(reply);
        self.end(at, limit);
    }

    pub(super) fn shut_down(&mut self, limit: Option<Duration>, reply: Option<oneshot::Sender<Report>>) {
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.replies.extend(reply);
            return;
        }
        let limit = limit.unwrap_or(self.drain_limit);
        info!(tree = %self.name, children = self.children.len(), ?limit, "supervisor is ending");
        self.shutdown = Some(Shutdown { limit, report: Report::default(), replies: reply.into_iter().collect() });
        for at in (0..self.children.len()).rev() {
            if matches!(self.children[at].phase, Phase::Starting(_)) {
                self.end(at, limit);
            }
        }
        self.advance();
    }

    /// Ends the next child of a shutdown, or the supervisor itself when none is left.
    pub(super) fn advance(&mut self) {
        let Some(shutdown) = &mut self.shutdown else {
            return;
        };
        let limit = shutdown.limit;
        match self.children.len().checked_sub(1) {
            Some(last) => self.end(last, limit),
            None => {
                let report = &shutdown.report;
                if shutdown.replies.is_empty() && !report.is_clean() {
                    // Nobody else hears of it: the supervisor's own supervisor does.
                    let told = || Failure::new(FailureKind::Unknown, format!("did not end well: {report}"));
                    self.failure.get_or_insert_with(told);
                }
                shutdown.replies.drain(..).for_each(|reply| drop(reply.send(report.clone())));
                self.stop_myself();
            }
        }
    }

    /// Begins to end a child; does nothing when it is being ended.
    fn end(&mut self, at: usize, limit: Duration) {
        let child = &self.children[at];
        match &child.phase {
            Phase::Ending { .. } => {}
            Phase::Starting(task) => {
                task.abort();
                self.finish(at, Ending::NotRunning);
            }
            Phase::Up(cell) => {
                let (cell, key, limit) = (cell.clone(), child.key, child.spec.drain_limit.unwrap_or(limit));
                child.publish(None);
                child.bid_farewell(&cell);
                let timer = self.begin_timer(key, Stage::Drain, limit);
                self.children[at].phase = Phase::Ending { cell, stage: Stage::Drain, timer };
            }
        }
    }

    pub(super) fn on_overdue(&mut self, key: u64, overdue: Stage) {
        let Some(at) = self.children.iter().position(|child| child.key == key) else {
            return;
        };
        let Phase::Ending { cell, stage, .. } = &self.children[at].phase else {
            return;
        };
        if *stage != overdue {
            return;
        }
        let cell = cell.clone();
        warn!(tree = %self.name, child = %self.children[at].spec.name, ?stage, "child is slow to end");
        match overdue {
            Stage::Drain => {
                cell.stop(None);
                let timer = self.begin_timer(key, Stage::Stop, STOP_GRACE);
                self.children[at].phase = Phase::Ending { cell, stage: Stage::Stop, timer };
            }
            Stage::Stop => {
                cell.kill();
                let timer = self.begin_timer(key, Stage::Kill, KILL_GRACE);
                self.children[at].phase = Phase::Ending { cell, stage: Stage::Kill, timer };
            }
            Stage::Kill => {
                self.finish(at, Ending::Stuck);
                self.advance();
            }
        }
    }

    /// A child that was being ended has ended.
    pub(super) fn on_ended(&mut self, at: usize, why: Stopped) {
        let Phase::Ending { stage, timer, .. } = &self.children[at].phase else {
            return;
        };
        timer.abort();
        let ending = match (stage, why) {
            (Stage::Drain, Stopped::Finished(_)) => Ending::Drained,
            (Stage::Stop | Stage::Kill, Stopped::Finished(_)) => Ending::Stopped,
            (Stage::Kill, Stopped::Killed) => Ending::Killed,
            (_, why) => Ending::ByItself(why),
        };
        self.finish(at, ending);
        self.advance();
    }

    /// Forgets a child that has ended, and says so.
    pub(super) fn finish(&mut self, at: usize, ending: Ending) {
        let mut child = self.children.remove(at);
        info!(tree = %self.name, child = %child.spec.name, ?ending, "child ended");
        self.outbox.tell(&child.spec.name, EventKind::Removed);
        child.removals.drain(..).for_each(|reply| drop(reply.send(ending.clone())));
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.report.children.push((Arc::clone(&child.spec.name), ending));
        }
    }

    /// Leaves no actor behind when the supervisor itself was stopped, which skips the orderly shutdown; and after one, ends
    /// what was linked by a start that was dropped too late.
    pub(super) async fn end_what_is_left(&mut self, myself: &ActorRef<Msg>) {
        self.tasks.shutdown().await;
        let mut cells: Vec<ActorCell> = self.children.iter().rev().filter_map(|child| child.cell().cloned()).collect();
        for linked in myself.get_children() {
            if !cells.contains(&linked) {
                cells.push(linked);
            }
        }
        for cell in cells {
            cell.stop(None);
            if cell.wait(Some(STOP_GRACE)).await.is_err() {
                cell.kill();
                // What blocks its thread even now cannot be waited for.
                let _stuck = cell.wait(Some(KILL_GRACE)).await;
            }
        }
        self.children.clear();
    }
}

impl Child {
    /// Asks an actor to end. One that has ended already cannot be asked; the event of its end is on its way.
    fn bid_farewell(&self, cell: &ActorCell) {
        match self.spec.farewell {
            Farewell::Drain => drop(cell.drain()),
            Farewell::Shutdown => drop(cell.send_message(Msg::Shutdown { limit: None, reply: None })),
        }
    }
}
