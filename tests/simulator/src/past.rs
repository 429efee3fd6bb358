//! The past of a simulation: runs that have ended are forgotten when they were kept for long enough, not before, and nothing
//! else is.

use crate::case::decide;
use crate::deeds::Deeds;
use crate::matter::{AGAIN, Findings, Matter, PATIENCE};
use crate::program::{Op, Program};
use callboard::prelude::*;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::{sleep, timeout};

/// The pause between two runs that make the others old: a page is forgotten only when there is a newer one.
const PACE: Duration = Duration::from_millis(400);

/// Behind so many of them it is no longer waited for where clocks are wrong.
const ENOUGH: u64 = 200;

/// What becomes of runs when everything is over.
pub struct Past {
    /// Until these are done nothing is forgotten on purpose.
    others: Vec<Arc<dyn Matter>>,
    /// The keys of their runs.
    keys: Vec<String>,
    history_kept: Duration,
    /// Whether all clocks are right but for their drift. One that jumps ahead makes it a part of the time earlier, and time
    /// stands still behind it until the others have come so far.
    has_clocks: bool,
    /// The number of the next run that makes the others old.
    next: AtomicU64,
    /// Those that were not forgotten when somebody looked.
    left: Mutex<Vec<String>>,
    findings: Findings,
}

impl Past {
    /// Behind these matters.
    pub fn of(others: Vec<Arc<dyn Matter>>, keys: Vec<String>, history_kept: Duration, has_clocks: bool) -> Self {
        Self {
            others,
            keys,
            history_kept,
            has_clocks,
            next: AtomicU64::new(0),
            left: Mutex::default(),
            findings: Findings::default(),
        }
    }

    async fn attended(&self, board: &Callboard, deeds: &Deeds) {
        while !self.others.iter().all(|other| other.findings().are_done()) {
            sleep(AGAIN).await;
        }
        loop {
            // A run with an effect of which nobody knows is kept until somebody does, even if it was cancelled.
            decide(board, deeds, |_| true).await;
            let left = self.left(board, deeds).await;
            *self.known_left() = left.clone();
            let n = self.next.fetch_add(1, Ordering::SeqCst);
            if left.is_empty() || (!self.has_clocks && n > ENOUGH) {
                return self.findings.done();
            }
            let workflow = Workflow::new("late");
            let _node = workflow.task("late", Program::new(vec![Op::Step(1)])).losses(1_000);
            let _late = timeout(PATIENCE, board.start(workflow).key(format!("late {n}")).into_future()).await;
            sleep(PACE).await;
        }
    }

    /// The keys of the runs that are not forgotten.
    async fn left(&self, board: &Callboard, deeds: &Deeds) -> Vec<String> {
        let mut left = Vec::new();
        for key in &self.keys {
            let id = board.run_id_of_key(key);
            match timeout(PATIENCE, board.run(id).info()).await {
                Ok(Err(error)) if error.kind() == ErrorKind::NotFound => self.is_forgotten(key, deeds.idle_for(id)),
                Ok(Err(error)) if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown) => {
                    self.findings.breach(format!("{key} can not be asked for: {error:#}"));
                }
                answer => left.push(format!("{key}: {answer:?}")),
            }
        }
        left
    }

    fn is_forgotten(&self, key: &str, age: Option<Duration>) {
        // Clocks drift by a twentieth, and of what nobody has measured a seventh does not count.
        let is_early = age.is_some_and(|age| self.has_clocks && age < self.history_kept * 4 / 5);
        if is_early {
            let kept = self.history_kept;
            self.findings.breach(format!("{key} is forgotten after {age:?}, and was to be kept for {kept:?}"));
        }
    }

    fn known_left(&self) -> MutexGuard<'_, Vec<String>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Matter for Past {
    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn status(&self) -> String {
        let (left, later) = (self.known_left(), self.next.load(Ordering::SeqCst));
        format!("the past: {left:?} are kept for more than {:?}, {later} runs later", self.history_kept)
    }

    fn look_after(self: Arc<Self>, board: Callboard, deeds: Deeds) -> BoxFuture<'static, ()> {
        async move { self.attended(&board, &deeds).await }.boxed()
    }
}
