//! From the first submission to the last answer, whosever the cluster is.

use super::{Error, clock};
use crate::history::Moment;
use crate::plan::Plan;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// Between the first moment at which everything is in its place and the first submission.
const BREATH: u64 = 300_000;

/// What goes on, by the clock of a plan.
pub(super) struct Course<'a> {
    pub(super) plan: &'a Plan,
    /// The moment of the first submission.
    pub(super) zero: Moment,
    /// Told once nothing is done any more: until when probes may go on, at the latest.
    pub(super) calm: watch::Sender<Option<Instant>>,
}

impl<'a> Course<'a> {
    /// One that begins in a moment, and where it is told that nothing is done any more.
    pub(super) fn of(plan: &'a Plan) -> (Self, watch::Receiver<Option<Instant>>) {
        let (calm, is_calm) = watch::channel(None);
        (Self { plan, zero: clock::now() + BREATH, calm }, is_calm)
    }

    /// Waits for the faults and then for the runs, which are given up at the deadline; beside it something is looked at all
    /// the time. The deadline by which every run is to have ended.
    ///
    /// # Errors
    ///
    /// Why a fault could not be undone.
    pub(super) async fn run(
        &self,
        runs: &mut JoinSet<()>,
        inflicting: impl Future<Output = Result<(), Error>>,
        looking: impl AsyncFn() -> Infallible,
    ) -> Result<Instant, Error> {
        let end = at(self.zero, self.plan.duration);
        tokio::select! {
            done = inflicting => done?,
            never = looking() => match never {},
        }
        let all_over = Instant::now().max(end);
        let deadline = all_over + self.plan.limits.settle;
        let working = async {
            drop(timeout_at(deadline, ended(runs)).await);
            runs.abort_all(); // whoever still asks for something asks in vain: the check sees that it has not ended
        };
        let calming = async {
            tokio::time::sleep_until(end).await;
            self.calm.send_replace(Some(all_over + self.plan.limits.recovery));
        };
        let settling = async { tokio::join!(working, calming) };
        tokio::select! {
            _ = settling => {}
            never = looking() => match never {},
        }
        Ok(deadline)
    }
}

/// Waits until all have ended.
pub(super) async fn ended(set: &mut JoinSet<()>) {
    while set.join_next().await.is_some() {}
}

/// Waits until that moment of the shared clock.
pub(super) async fn until(moment: Moment) {
    sleep(Duration::from_micros(moment.saturating_sub(clock::now()))).await;
}

fn at(zero: Moment, after: Duration) -> Instant {
    Instant::now() + Duration::from_micros(zero.saturating_sub(clock::now())) + after
}
