//! The lines of every run in memory: a run is its events.
//!
//! They are what a snapshot is made of, what a page of the archive holds, and what `events()` reads from.

use bytes::Bytes;
use callboard_core::{Millis, RunId, State};
use std::collections::BTreeMap;

/// One event of a run as the journal has it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) seq: u64,
    pub(crate) bytes: Bytes,
}

/// The lines of every run in memory, in order.
#[derive(Debug, Default)]
pub(crate) struct History {
    runs: BTreeMap<RunId, Vec<Line>>,
}

impl History {
    pub(crate) fn push(&mut self, run: RunId, line: Line) {
        self.runs.entry(run).or_default().push(line);
    }

    pub(crate) fn forget(&mut self, run: RunId) {
        self.runs.remove(&run);
    }

    pub(crate) fn of(&self, run: RunId) -> &[Line] {
        self.runs.get(&run).map_or(&[], Vec::as_slice)
    }

    /// The number of the last event of a run; 0 if it has none here.
    pub(crate) fn last(&self, run: RunId) -> u64 {
        self.of(run).last().map_or(0, |line| line.seq)
    }
}

/// A snapshot in the making: the lines up to one event, of one run after the other.
///
/// It is taken while the state moves on. Lines are only ever added, with higher numbers, and a run that is archived
/// meanwhile is missing here but archived again by an event behind the snapshot; so what is collected slice by slice
/// is the state as it was at `seq`.
#[derive(Debug)]
pub(crate) struct SnapshotWalk {
    seq: u64,
    /// The run that comes next, and how many of its lines have been taken.
    next: Option<(RunId, usize)>,
}

/// What a slice holds at most: enough for a frame that compresses well, little enough for a handler's turn.
const SLICE_BYTES: usize = 256 << 10;
const SLICE_LINES: usize = 1_000;

impl SnapshotWalk {
    /// Starts a snapshot at the last event applied; returns it with the line that heads it.
    pub(crate) fn begin(state: &State, history: &History) -> (Self, Bytes) {
        let head = Head { snapshot: HEAD_VERSION, seq: state.seq(), at: state.at(), pages: state.pages().to_vec() };
        let mut line = serde_json::to_vec(&head).expect("a snapshot's head always has a JSON form");
        line.push(b'\n');
        let next = history.runs.first_key_value().map(|(&run, _)| (run, 0));
        (Self { seq: state.seq(), next }, line.into())
    }

    /// The next slice of whole lines; `None` when there is no more.
    pub(crate) fn slice(&mut self, history: &History, state: &State) -> Option<Bytes> {
        let (first, mut taken) = self.next?;
        let (mut slice, mut count) = (Vec::new(), 0);
        for (&run, lines) in history.runs.range(first..) {
            let from = if run == first { std::mem::take(&mut taken) } else { 0 };
            let kept = lines.partition_point(|line| line.seq <= self.seq);
            for (n, line) in lines[..kept].iter().enumerate().skip(from) {
                if slice.len() >= SLICE_BYTES || count >= SLICE_LINES {
                    self.next = Some((run, n));
                    return Some(slice.into());
                }
                slice.extend_from_slice(&line.bytes);
                count += 1;
            }
            if kept == lines.len() {
                prove(&mut slice, run, lines, state);
            }
        }
        self.next = None;
        (!slice.is_empty()).then(|| slice.into())
    }
}

/// Adds the hash of the state of a run that is at rest. The state of one that has moved on is not that of the
/// snapshot, and that of a large one would take longer to hash than a handler may.
fn prove(slice: &mut Vec<u8>, run: RunId, lines: &[Line], state: &State) {
    if lines.is_empty() || lines.len() > SLICE_LINES {
        return;
    }
    if let Some(state) = state.run(run).filter(|run| run.tasks.len() <= SLICE_LINES) {
        let proof = Proof { run, digest: state.digest() };
        serde_json::to_writer(&mut *slice, &proof).expect("a proof always has a JSON form");
        slice.push(b'\n');
    }
}

/// The version of a snapshot's head.
pub(super) const HEAD_VERSION: u32 = 1;

/// The first line of a snapshot: what is no run's.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// The version of this line.
    pub(super) snapshot: u32,
    pub(super) seq: u64,
    pub(super) at: Millis,
    pub(super) pages: Vec<callboard_core::Json>,
}

/// A line behind a run's events: the hash of the state they lead to.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    pub(super) run: RunId,
    pub(super) digest: String,
}
