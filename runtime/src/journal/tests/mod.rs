//! Tests of the journal, named after the rules (R, J) and the hazards (L) they are about.

mod append;
mod archive;
mod claim;
mod copy;
mod documents;
mod garbage;
mod golden;
mod history;
mod payload;
mod reader;
mod register;
mod slot;
mod snapshot;
mod store;
mod survey;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::append::{Appender, Mark, Outcome};
use super::claim::Owner;
use super::ids::Ids;
use super::keeper::{self, Keeper};
use super::manifest;
use super::position::Position;
use super::replay::{Replay, ReplayError};
use super::snapshot::Slice;
use super::{Journal, Settings};
pub(super) use store::{Fault, Op, Scripted};

/// A state that is the list of all events: numbers, one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) all: Vec<u64>,
    pub(super) resets: usize,
    pub(super) batches: Vec<Position>,
}

impl Values {
    fn take(&mut self, lines: &[u8]) -> Result<(), ReplayError> {
        let text = std::str::from_utf8(lines).map_err(ReplayError::new)?;
        for line in text.lines() {
            self.all.push(line.parse().map_err(|_| ReplayError::new(format!("unknown event {line:?}")))?);
        }
        Ok(())
    }
}

impl Replay for Values {
    fn reset(&mut self) {
        *self = Self { resets: self.resets + 1, ..Self::default() };
    }

    fn snapshot(&mut self, lines: &[u8]) -> Result<(), ReplayError> {
        self.take(lines)
    }

    fn batch(&mut self, at: Position, lines: &[u8]) -> Result<(), ReplayError> {
        self.batches.push(at);
        self.take(lines)
    }
}

/// Ids that count up from `seed`.
pub(super) fn ids(seed: u64) -> Ids {
    let next = AtomicU64::new(1);
    Ids::from_fn(move || Uuid::from_u64_pair(seed, next.fetch_add(1, Ordering::Relaxed)))
}

/// Small constants, so that what is rare in production is common here.
pub(super) fn small() -> Settings {
    Settings { tries: 4, garbage_late: Duration::ZERO, keep_versions: 1, read_ahead: 4, ..Settings::default() }
}

/// The journal of partition 3, seen by a process with ids of `seed`.
pub(super) fn journal(store: &Arc<Scripted>, seed: u64) -> Journal {
    Journal::new(store.clone(), ids(seed), "test", 3, small())
}

/// Claims for the process `seed`; panics if that fails.
pub(super) async fn claim(store: &Arc<Scripted>, seed: u64) -> (Owner, Values) {
    let mut values = Values::default();
    let owner = journal(store, seed).claim(&format!("node-{seed}"), &mut values).await.expect("claim");
    (owner, values)
}

pub(super) fn lines(values: &[u64]) -> Bytes {
    values.iter().map(|value| format!("{value}\n")).collect::<String>().into()
}

pub(super) async fn append(appender: &mut Appender, values: &[u64]) -> Outcome {
    appender.append(lines(values), values.len() as u32).await
}

/// Appends one value and expects it to be committed.
pub(super) async fn commit(appender: &mut Appender, value: u64) -> Mark {
    match append(appender, &[value]).await {
        Outcome::Committed(mark) => mark,
        other => panic!("append of {value}: {other:?}"),
    }
}

/// A closed channel with the slices of a snapshot of `values`.
pub(super) fn slices(values: &[u64]) -> mpsc::Receiver<Slice> {
    let (sender, receiver) = mpsc::channel(values.len() + 1);
    for part in values.chunks(2) {
        sender.try_send(Slice::Lines(lines(part))).expect("room");
    }
    sender.try_send(Slice::End).expect("room");
    receiver
}

pub(super) async fn snapshot(keeper: &mut Keeper, at: Mark, values: &[u64]) -> Result<(), keeper::Error> {
    keeper.snapshot(at, slices(values)).await
}

/// What a reader of the journal sees.
pub(super) async fn read(store: &Arc<Scripted>) -> Values {
    let mut values = Values::default();
    journal(store, 99).read(&mut values).await.expect("read");
    values
}

pub(super) const fn at(epoch: u64, slot: u64) -> Position {
    Position { epoch, slot }
}

/// The name of a slot of partition 3.
pub(super) fn slot_name(epoch: u64, slot: u64) -> String {
    format!("test/partitions/0003/log/{epoch:020}/{slot:020}")
}

/// The name of a version of the manifest of partition 3.
pub(super) fn manifest_name(version: u64) -> String {
    format!("test/partitions/0003/manifest/{version:020}")
}

/// How many random histories to run: `TEST_SEEDS`, or `default`.
pub(super) fn seeds(default: u64) -> u64 {
    std::env::var("TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(default)
}

/// Runs a history in virtual time on this thread, and names its seed if it fails.
pub(super) fn by_seed<T, F: Future<Output = T>>(seed: u64, history: impl Fn() -> F) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let run = || runtime.expect("a runtime").block_on(history());
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(figures) => figures,
        Err(panic) => {
            eprintln!("this was seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// An actor runs these in tasks of its own.
#[test]
fn futures_can_be_moved_between_threads() {
    fn check<T: Send>(_: impl FnOnce() -> T) {}
    let store = Arc::new(Scripted::default());
    check(|| async {
        let mut values = Values::default();
        let replay: &mut dyn Replay = &mut values;
        let Owner { mut appender, mut keeper, start } = journal(&store, 1).claim("a", replay).await?;
        let _ = appender.append(lines(&[1]), 1).await;
        let _ = keeper.snapshot(start, slices(&[1])).await;
        let _ = keeper.collect().await;
        let _ = journal(&store, 1).read(&mut values).await;
        Ok::<(), super::claim::Error>(())
    });
}
