//! Speaking to the store on behalf of a partition: one task appends, one keeps snapshots and collects garbage.
//!
//! An append must not be cut short by the end of a handler, so it lives in a task of its own that the partition joins.

use super::message::Message;
use crate::journal::append::{Appender, Mark, Outcome};
use crate::journal::keeper::{self, Keeper};
use crate::journal::snapshot::Slice;
use crate::telemetry::Meters;
use bytes::Bytes;
use callboard_core::sabotage::{self, Sabotage};
use ractor::ActorRef;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// How soon garbage is collected where that is done too soon on purpose.
const AT_ONCE: Duration = Duration::from_millis(20);

/// The task that appends. Outcomes go to the partition; those it no longer takes are kept for [`Writer::finish`].
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
    task: Joined<Vec<Outcome>>,
}

/// What the appender is asked.
#[derive(Debug)]
enum Job {
    Append(Bytes, u32),
    /// Say whether this owner serves still.
    Look,
}

impl Writer {
    pub(crate) fn start(mut appender: Appender, meters: Arc<Meters>, partition: ActorRef<Message>) -> Self {
        let (jobs, mut queue) = mpsc::channel::<Job>(2);
        let task = Joined::spawn(async move {
            let mut untold = Vec::new();
            while let Some(job) = queue.recv().await {
                let Job::Append(lines, count) = job else {
                    let asked_at = Instant::now();
                    let standing = appender.standing().await;
                    let _stopping = partition.cast(Message::Looked(asked_at, standing));
                    continue;
                };
                let began = Instant::now();
                let outcome = appender.append(lines, count).await;
                meters.appended(&outcome, count, began.elapsed());
                if partition.cast(Message::Appended(outcome.clone())).is_err() {
                    untold.push(outcome);
                }
            }
            untold
        });
        Self { jobs, task }
    }

    /// Appends a batch; the partition has at most one under way, and one look, so there is always room.
    pub(crate) fn append(&self, lines: Bytes, count: u32) {
        let _stopping = self.jobs.try_send(Job::Append(lines, count));
    }

    /// Has the partition told whether its owner serves still.
    pub(crate) fn look(&self) {
        let _stopping = self.jobs.try_send(Job::Look);
    }

    /// Appends what is left, one after the other, and waits for it: the outcomes that the partition was not told.
    pub(crate) async fn finish(self, left: Vec<(Bytes, u32)>) -> Vec<Outcome> {
        for (lines, count) in left {
            let _ended = self.jobs.send(Job::Append(lines, count)).await;
        }
        drop(self.jobs);
        self.task.join().await.unwrap_or_default()
    }
}

/// What the keeper is asked.
#[derive(Debug)]
pub(crate) enum Keep {
    /// Write a snapshot as of this mark from these slices.
    Snapshot(Mark, mpsc::Receiver<Slice>),
}

/// The task that keeps snapshots and collects garbage.
#[derive(Debug)]
pub(crate) struct Housekeeper {
    jobs: mpsc::Sender<Keep>,
    /// The first page of the archive that is not forgotten.
    first_page: Arc<AtomicU64>,
    _task: Joined<()>,
}

impl Housekeeper {
    /// Collects garbage every `period`.
    pub(crate) fn start(mut keeper: Keeper, partition: ActorRef<Message>, period: Duration) -> Self {
        let (jobs, mut queue) = mpsc::channel(1);
        let first_page = Arc::<AtomicU64>::default();
        let first = first_page.clone();
        let period = if sabotage::is(Sabotage::GarbageAtOnce) { AT_ONCE } else { period };
        let task = Joined::spawn(async move {
            let mut collect_at = Instant::now() + period;
            loop {
                tokio::select! {
                    biased;
                    // First, so that a partition that takes one snapshot after the other is swept all the same.
                    () = sleep_until(collect_at) => {
                        keeper.forgotten_before(first.load(Relaxed));
                        match keeper.collect().await {
                            Ok(collected) => tracing::debug!(?collected, "garbage collected"),
                            Err(error) => {
                                tracing::warn!(%error, "garbage was left for the next time");
                                if let keeper::Error::Deposed(_) = error {
                                    let _gone = partition.cast(Message::Doubted);
                                }
                            }
                        }
                        collect_at = Instant::now() + period;
                    }
                    job = queue.recv() => {
                        let Some(Keep::Snapshot(mark, slices)) = job else { return };
                        let result = keeper.snapshot(mark, slices).await.map_err(|error| error.to_string());
                        let _gone = partition.cast(Message::Snapshotted(result));
                    }
                }
            }
        });
        Self { jobs, first_page, _task: task }
    }

    /// Where to note which page of the archive is the first that is not forgotten, when that is durable.
    pub(crate) fn first_page(&self) -> Arc<AtomicU64> {
        self.first_page.clone()
    }

    pub(crate) fn snapshot(&self, mark: Mark, slices: mpsc::Receiver<Slice>) {
        let _busy = self.jobs.try_send(Keep::Snapshot(mark, slices));
    }
}

/// A task that ends with whoever started it.
#[derive(Debug)]
pub(crate) struct Joined<T>(JoinHandle<T>);

impl<T: Send + 'static> Joined<T> {
    #[expect(clippy::disallowed_methods, reason = "this handle is the one that joins it")]
    pub(crate) fn spawn(task: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }

    /// Waits for its end; `None` if it panicked.
    pub(crate) async fn join(mut self) -> Option<T> {
        (&mut self.0).await.ok()
    }
}

impl<T> Drop for Joined<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
