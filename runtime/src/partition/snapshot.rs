//! When a snapshot is taken, and how it gets out while the partition works on.

use super::history::{History, SnapshotWalk};
use super::recover::Tail;
use super::tenure::Tuning;
use super::writer::Housekeeper;
use crate::journal::append::Mark;
use crate::journal::snapshot::Slice;
use bytes::Bytes;
use callboard_core::{Millis, RunId, State};
use tokio::sync::mpsc;

/// A snapshot is due behind so many appends, however small: whoever takes the partition over asks the store for each of them, and
/// one without much to do makes one or two for a task. A busy one has 64 MiB by then.
const APPENDS_MAX: u64 = 1_024;
/// Slices that may wait for the keeper.
const SLICES_AHEAD: usize = 8;

/// Where the next snapshot stands.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    tail: Tail,
    stage: Stage,
    /// As of when the one is that is under way.
    as_of: Millis,
}

#[derive(Debug, Default)]
enum Stage {
    /// None is under way.
    #[default]
    Idle,
    /// Begun as of the batch in flight, to be written once that is durable.
    Begun { walk: SnapshotWalk, head: Bytes },
    /// The keeper takes slices.
    Slicing { walk: SnapshotWalk, slices: mpsc::Sender<Slice> },
    /// The keeper has all slices and has not answered yet.
    Writing,
}

impl Snapshots {
    /// Goes on from what the tenures before have left behind the newest snapshot.
    pub(super) fn after(tail: Tail) -> Self {
        Self { tail, ..Self::default() }
    }

    pub(super) fn count(&mut self, events: u64, bytes: u64) {
        self.tail.events += events;
        self.tail.bytes += bytes;
        self.tail.appends += 1;
    }

    /// Begins a snapshot as of the last event applied, which must be the last of the batch that is sent now.
    pub(super) fn begin_if_due(&mut self, tuning: &Tuning, state: &State, history: &History) {
        let due = self.tail.events >= tuning.snapshot_events
            || self.tail.bytes >= tuning.snapshot_bytes
            || self.tail.appends >= APPENDS_MAX;
        if due && matches!(self.stage, Stage::Idle) {
            (self.tail, self.as_of) = (Tail::default(), state.at());
            let (walk, head) = SnapshotWalk::begin(state, history);
            self.stage = Stage::Begun { walk, head };
        }
    }

    /// Starts writing if a snapshot was begun with the batch that is durable now.
    pub(super) fn write_if_begun(&mut self, mark: Mark, keeper: &Housekeeper, history: &History, state: &State) {
        match std::mem::take(&mut self.stage) {
            Stage::Begun { walk, head } => {
                let (slices, taken) = mpsc::channel(SLICES_AHEAD);
                let _has_room = slices.try_send(Slice::Lines(head));
                keeper.snapshot(mark, taken);
                self.stage = Stage::Slicing { walk, slices };
                self.go_on(history, state);
            }
            other => self.stage = other,
        }
    }

    /// A run leaves memory. A snapshot that is under way is to have it.
    pub(super) fn leaves(&mut self, run: RunId, history: &History) {
        if let Stage::Begun { walk, .. } | Stage::Slicing { walk, .. } = &mut self.stage {
            walk.leaves(run, history);
        }
    }

    /// Sends the next slice if the keeper has room for it.
    pub(super) fn go_on(&mut self, history: &History, state: &State) {
        let Stage::Slicing { walk, slices } = &mut self.stage else { return };
        let sent_all = match slices.try_reserve() {
            Ok(room) => match walk.slice(history, state) {
                Some(lines) => {
                    room.send(Slice::Lines(lines));
                    false
                }
                None => {
                    room.send(Slice::End);
                    true
                }
            },
            Err(mpsc::error::TrySendError::Full(())) => false,
            // The keeper has given up; it says why in its answer.
            Err(mpsc::error::TrySendError::Closed(())) => true,
        };
        if sent_all {
            self.stage = Stage::Writing;
        }
    }

    pub(super) fn is_writing_slices(&self) -> bool {
        matches!(self.stage, Stage::Slicing { .. })
    }

    /// The keeper has answered; says as of when the snapshot was.
    pub(super) fn done(&mut self) -> Millis {
        self.stage = Stage::Idle;
        self.as_of
    }
}
