//! The lines of every run in memory: a run is its events.
//!
//! They are what a snapshot is made of, what a page of the archive holds, and what `events()` reads from.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use callboard_core::{Json, Millis, RunId, ScheduleState, State};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

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
    order: Order,
}

/// Which run each event is of, in the order of the events. Of runs that are forgotten entries stay for a while.
#[derive(Debug, Default)]
struct Order {
    entries: Vec<(u64, RunId)>,
    /// How many are of runs that are forgotten.
    stale: usize,
    /// Whether one was added that is not behind all others: a snapshot has run after run.
    is_mixed: bool,
}

/// So many entries of forgotten runs are kept anyhow.
const STALE_MAX: usize = 1_024;

impl Order {
    fn push(&mut self, seq: u64, run: RunId) {
        self.is_mixed |= self.entries.last().is_some_and(|(last, _)| *last > seq);
        self.entries.push((seq, run));
    }

    /// The entries behind `after`.
    fn behind(&mut self, after: u64) -> &[(u64, RunId)] {
        if std::mem::take(&mut self.is_mixed) {
            self.entries.sort_unstable();
        }
        let from = self.entries.partition_point(|(seq, _)| *seq <= after);
        &self.entries[from..]
    }
}

impl History {
    pub(crate) fn push(&mut self, run: RunId, line: Line) {
        self.order.push(line.seq, run);
        self.runs.entry(run).or_default().push(line);
    }

    /// Puts back the lines of a run that was on a page of the archive.
    pub(crate) fn restore(&mut self, run: RunId, lines: Vec<Line>) {
        // It may have left some a while ago, and it happens rarely.
        self.order.entries.retain(|(_, of)| *of != run);
        lines.iter().for_each(|line| self.order.push(line.seq, run));
        self.runs.insert(run, lines);
    }

    pub(crate) fn forget(&mut self, run: RunId) {
        self.order.stale += self.runs.remove(&run).map_or(0, |lines| lines.len());
        if self.order.stale > STALE_MAX.max(self.order.entries.len() / 2) {
            self.order.entries.retain(|(_, run)| self.runs.contains_key(run));
            self.order.stale = 0;
        }
    }

    pub(crate) fn of(&self, run: RunId) -> &[Line] {
        self.runs.get(&run).map_or(&[], Vec::as_slice)
    }

    /// The lines of all runs behind `after` and up to `until`, in order: so many, and about so many bytes. With them the last
    /// event up to which there are no others here.
    pub(crate) fn between(&mut self, after: u64, until: u64, (count, bytes): (usize, usize)) -> (Vec<Bytes>, u64) {
        let (mut lines, mut taken) = (Vec::new(), 0);
        for (seq, run) in self.order.behind(after) {
            if *seq > until {
                break;
            }
            let of_run = self.runs.get(run).map_or(&[][..], Vec::as_slice);
            let Ok(at) = of_run.binary_search_by_key(seq, |line| line.seq) else { continue };
            taken += of_run[at].bytes.len();
            lines.push(of_run[at].bytes.clone());
            if lines.len() == count || taken >= bytes {
                return (lines, *seq);
            }
        }
        (lines, until.max(after))
    }

    /// All lines, by run.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Bytes> {
        self.runs.values().flatten().map(|line| &line.bytes)
    }

    /// The number of the last event of a run; 0 if it has none here.
    pub(crate) fn last(&self, run: RunId) -> u64 {
        self.of(run).last().map_or(0, |line| line.seq)
    }
}

/// The lines of a run out of a JSON array of them, as a page of the archive and a restoration have it.
///
/// # Errors
///
/// What of it is no line of a journal.
pub(crate) fn lines_of(events: &Json) -> Result<Vec<Line>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        seq: u64,
    }
    let events: Vec<&RawValue> = serde_json::from_str(events.as_str())?;
    let line = |(event, bytes): (&&RawValue, Bytes)| {
        let Numbered { seq } = serde_json::from_str(event.get())?;
        Ok(Line { seq, bytes })
    };
    events.iter().zip(in_one_piece(&events)).map(line).collect()
}

/// Each value as a line, all in one piece of memory.
fn in_one_piece(values: &[&RawValue]) -> Vec<Bytes> {
    let mut all = Vec::with_capacity(values.iter().map(|value| value.get().len() + 1).sum());
    let mut ends = Vec::with_capacity(values.len());
    for value in values {
        // In JSON a raw line break is white space. A line has but one, at its end.
        all.extend(value.get().bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        all.push(b'\n');
        ends.push(all.len());
    }
    let (all, mut start) = (Bytes::from(all), 0);
    ends.into_iter().map(|end| all.slice(std::mem::replace(&mut start, end)..end)).collect()
}

/// Lines as a JSON array of the objects that they are, which are not looked into.
pub(super) mod as_json {
    use super::in_one_piece;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
    use serde_json::value::RawValue;

    pub(crate) fn serialize<S: Serializer>(lines: &[Bytes], serializer: S) -> Result<S::Ok, S::Error> {
        let values: Result<Vec<&RawValue>, _> = lines.iter().map(|line| serde_json::from_slice(line)).collect();
        values.map_err(ser::Error::custom)?.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Bytes>, D::Error> {
        Vec::<&RawValue>::deserialize(deserializer).map(|values| in_one_piece(&values))
    }
}

/// A snapshot in the making: the lines up to one event, of one run after the other.
///
/// It is taken while the state moves on. Lines are only ever added, with higher numbers. A run that is archived meanwhile is
/// here all the same: the event that says so is behind the snapshot, and may be lost with this owner. One that comes back
/// from the archive meanwhile may be here as it ended, and comes back, the same, by an event behind the snapshot. So what
/// is collected slice by slice leads to the state as it was at `seq`, and with the events behind it to what followed.
#[derive(Debug)]
pub(crate) struct SnapshotWalk {
    seq: u64,
    /// The schedules as they were at `seq`; they come first.
    schedules: VecDeque<Arc<ScheduleState>>,
    /// Where the runs that come next begin; `None` when there are no more.
    next: Option<Bound<RunId>>,
    /// What comes before that: what is left of a run that did not fit into the last slice, and runs that have left memory
    /// since then. Of a run of which a snapshot holds the half the other would be missing for ever.
    rest: VecDeque<(RunId, VecDeque<Line>)>,
    /// Runs that have left memory, and may come back.
    left: BTreeSet<RunId>,
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
        let next = (!history.runs.is_empty()).then_some(Bound::Unbounded);
        let schedules = state.schedules().iter_after(None).cloned().collect();
        (Self { seq: state.seq(), schedules, next, rest: VecDeque::new(), left: BTreeSet::new() }, line.into())
    }

    /// A run leaves memory.
    pub(crate) fn leaves(&mut self, run: RunId, history: &History) {
        let is_to_come = self.next.is_some_and(|next| (next, Bound::Unbounded).contains(&run));
        if is_to_come && self.left.insert(run) {
            self.rest.push_back((run, self.kept(history.of(run)).iter().cloned().collect()));
        }
    }

    /// Those of a run's lines that the snapshot is to have.
    fn kept<'a>(&self, lines: &'a [Line]) -> &'a [Line] {
        &lines[..lines.partition_point(|line| line.seq <= self.seq)]
    }

    /// The next slice of whole lines; `None` when there is no more.
    pub(crate) fn slice(&mut self, history: &History, state: &State) -> Option<Bytes> {
        let mut slice = Filling::default();
        while !slice.is_full()
            && let Some(schedule) = self.schedules.pop_front()
        {
            slice.keep(&schedule);
        }
        if !slice.bytes.is_empty() {
            return Some(slice.bytes.into());
        }
        let next = self.next?;
        while let Some((run, mut lines)) = self.rest.pop_front() {
            while !slice.is_full()
                && let Some(line) = lines.pop_front()
            {
                slice.push(&line);
            }
            if !lines.is_empty() {
                self.rest.push_front((run, lines));
                return Some(slice.bytes.into());
            }
            self.prove(&mut slice.bytes, run, history.of(run), state);
        }
        let to_come = history.runs.range((next, Bound::Unbounded));
        for (&run, lines) in to_come.filter(|(run, _)| !self.left.contains(run)) {
            let kept = self.kept(lines);
            for (n, line) in kept.iter().enumerate() {
                if slice.is_full() {
                    self.next = Some(Bound::Excluded(run));
                    self.rest.push_back((run, kept[n..].iter().cloned().collect()));
                    return Some(slice.bytes.into());
                }
                slice.push(line);
            }
            self.prove(&mut slice.bytes, run, lines, state);
        }
        self.next = None;
        (!slice.bytes.is_empty()).then(|| slice.bytes.into())
    }

    /// Adds the hash of the state of a run that is at rest. The state of one that has moved on is not that of the
    /// snapshot, and that of a large one would take longer to hash than a handler may.
    fn prove(&self, slice: &mut Vec<u8>, run: RunId, lines: &[Line], state: &State) {
        let is_at_rest = lines.last().is_some_and(|line| line.seq <= self.seq);
        if !is_at_rest || lines.len() > SLICE_LINES {
            return;
        }
        if let Some(state) = state.run(run).filter(|run| run.tasks.len() <= SLICE_LINES) {
            let proof = Proof { run, digest: state.digest() };
            serde_json::to_writer(&mut *slice, &proof).expect("a proof always has a JSON form");
            slice.push(b'\n');
        }
    }
}

/// A slice that is being filled.
#[derive(Default)]
struct Filling {
    bytes: Vec<u8>,
    lines: usize,
}

impl Filling {
    fn is_full(&self) -> bool {
        self.bytes.len() >= SLICE_BYTES || self.lines >= SLICE_LINES
    }

    fn push(&mut self, line: &Line) {
        self.bytes.extend_from_slice(&line.bytes);
        self.lines += 1;
    }

    fn keep(&mut self, schedule: &ScheduleState) {
        serde_json::to_writer(&mut self.bytes, &KeptSchedule { schedule }).expect("a schedule always has a JSON form");
        self.bytes.push(b'\n');
        self.lines += 1;
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

/// A line of a snapshot before all runs: a schedule as it stood.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptSchedule<S = ScheduleState> {
    pub(super) schedule: S,
}

/// A line behind a run's events: the hash of the state they lead to.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    pub(super) run: RunId,
    pub(super) digest: String,
}
