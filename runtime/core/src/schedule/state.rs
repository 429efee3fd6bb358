//! The schedules of a partition, folded from their events.

use super::{Overlap, ScheduleEvent, ScheduleSet, SkipReason};
use crate::schedule::event::{CatchUp, FiredBy};
use crate::{EventKind, Millis, RunId, State};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How a schedule stands. Its JSON form is its line in a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleState {
    /// What it is; `next` in it is the first moment it had.
    pub set: ScheduleSet,
    /// The number of the event that set it.
    pub set_seq: u64,
    /// When it was set.
    pub set_at: Millis,
    /// The moment that comes next, or has come and waits to be looked at; `None` if there is none.
    pub next: Option<Millis>,
    /// The moment that waits for the end of the previous run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<Millis>,
    /// The runs of it that have not ended. One that had ended and is resumed is not counted again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub open: BTreeSet<RunId>,
    /// The moment for which it started a run last, and the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<(Millis, RunId)>,
    /// How many runs it has started.
    pub fired: u64,
    /// How many moments started nothing because a run was open.
    pub overlapped: u64,
    /// How many moments passed without effect because nobody was there, or it was paused.
    pub missed: u64,
    /// How many moments in a row were dealt with when the next had come already.
    #[serde(default)]
    pub behind: u32,
    /// When it was resumed last: what came before was missed.
    #[serde(default)]
    pub resumed_at: Millis,
    /// By whom or why it starts no runs, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Arc<str>>,
    /// When its last moment was dealt with, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Millis>,
}

/// What a schedule that has come due asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Its next moment is this.
    Due(Millis),
    /// This moment waited for the previous run, which has ended.
    Unqueue(Millis),
}

impl ScheduleState {
    fn new(set: ScheduleSet, seq: u64, at: Millis) -> Self {
        Self {
            next: set.next,
            set,
            set_seq: seq,
            set_at: at,
            queued: None,
            open: BTreeSet::new(),
            last: None,
            fired: 0,
            overlapped: 0,
            missed: 0,
            behind: 0,
            resumed_at: Millis::default(),
            paused: None,
            finished_at: None,
        }
    }

    /// What it asks for now, or at the moment in it; `None` if it waits for no moment.
    pub fn turn(&self) -> Option<Turn> {
        if self.paused.is_some() {
            return None;
        }
        match self.queued.filter(|_| self.open.is_empty()) {
            Some(due) => Some(Turn::Unqueue(due)),
            None => self.next.map(Turn::Due),
        }
    }

    /// When it is to be looked at.
    fn armed_at(&self) -> Option<Millis> {
        self.turn().map(|(Turn::Due(at) | Turn::Unqueue(at))| at)
    }

    /// Whether a moment that comes while a run is open has to wait where it is, for want of a place in the queue.
    pub(crate) fn waits_in_place(&self) -> bool {
        self.queued.is_some() && self.set.overlap == Overlap::Queue && self.set.catch_up == CatchUp::All
    }

    fn move_on(&mut self, next: Option<Millis>, at: Millis) {
        self.next = next;
        self.behind = if next.is_some_and(|next| next <= at) { self.behind.saturating_add(1) } else { 0 };
    }

    fn apply(&mut self, at: Millis, event: &ScheduleEvent) {
        match event {
            ScheduleEvent::Fired(fired) => {
                match fired.by {
                    FiredBy::Time => self.move_on(fired.next, at),
                    FiredBy::Queue => self.queued = None,
                    FiredBy::Hand => {}
                }
                self.fired = self.fired.saturating_add(1);
                self.last = Some((fired.due, fired.run));
                self.open.insert(fired.run);
            }
            ScheduleEvent::Queued(queued) => {
                self.queued = Some(queued.due);
                self.move_on(queued.next, at);
            }
            ScheduleEvent::Skipped(skipped) => {
                self.move_on(skipped.next, at);
                match skipped.reason {
                    SkipReason::Overlap => self.overlapped = self.overlapped.saturating_add(skipped.count),
                    SkipReason::Missed => {
                        self.behind = 0; // whatever was behind has been left behind
                        self.missed = self.missed.saturating_add(skipped.count);
                    }
                }
            }
            ScheduleEvent::Paused(paused) => self.paused = Some(paused.reason.clone()),
            ScheduleEvent::Resumed(_) => (self.paused, self.resumed_at) = (None, at),
            ScheduleEvent::Set(_) | ScheduleEvent::Removed(_) => {}
        }
        let is_finished = self.next.is_none() && self.queued.is_none();
        self.finished_at = is_finished.then(|| self.finished_at.unwrap_or(at));
    }
}

/// All schedules of a partition.
#[derive(Clone, Debug, Default)]
pub struct Schedules {
    /// Shared with a snapshot in the making, which wants them as they were.
    all: BTreeMap<Arc<str>, Arc<ScheduleState>>,
    // What follows is derived.
    due: BTreeSet<(Millis, Arc<str>)>,
    armed: BTreeMap<Arc<str>, Millis>,
    open: BTreeMap<RunId, Arc<str>>,
    finished: BTreeSet<(Millis, Arc<str>)>,
}

impl Schedules {
    /// The schedule of this name.
    pub fn get(&self, name: &str) -> Option<&ScheduleState> {
        self.all.get(name).map(|schedule| &**schedule)
    }

    /// All of them, by name; those behind `after`, if that is given.
    pub fn iter_after(&self, after: Option<&str>) -> impl Iterator<Item = &Arc<ScheduleState>> {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.all.range::<str, _>((from, Bound::Unbounded)).map(|(_, schedule)| schedule)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The finished one that finished first, and how many have finished.
    pub(crate) fn finished(&self) -> (Option<&Arc<str>>, usize) {
        (self.finished.first().map(|(_, name)| name), self.finished.len())
    }

    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| *at)
    }

    fn arm(&mut self, name: &Arc<str>, at: Option<Millis>) {
        if let Some(before) = self.armed.remove(name) {
            self.due.remove(&(before, name.clone()));
        }
        if let Some(at) = at {
            self.armed.insert(name.clone(), at);
            self.due.insert((at, name.clone()));
        }
    }

    /// Changes a schedule and what is derived of it.
    fn put(&mut self, name: &Arc<str>, change: impl FnOnce(&mut ScheduleState)) {
        let Some(schedule) = self.all.get_mut(name) else { return };
        let before = (schedule.finished_at, schedule.open.len());
        change(Arc::make_mut(schedule));
        let (armed_at, finished_at) = (schedule.armed_at(), schedule.finished_at);
        if before.1 < schedule.open.len()
            && let Some((_, run)) = schedule.last
        {
            self.open.insert(run, name.clone());
        }
        self.arm(name, armed_at);
        self.finish(name, before.0, finished_at);
    }

    fn finish(&mut self, name: &Arc<str>, before: Option<Millis>, now: Option<Millis>) {
        if let Some(at) = before {
            self.finished.remove(&(at, name.clone()));
        }
        if let Some(at) = now {
            self.finished.insert((at, name.clone()));
        }
    }

    fn apply(&mut self, seq: u64, at: Millis, event: &ScheduleEvent) {
        match event {
            ScheduleEvent::Set(set) => {
                let mut schedule = ScheduleState::new(ScheduleSet::clone(set), seq, at);
                // Whatever takes its place is still it: what it has started, and whether it is paused.
                if let Some(before) = self.remove(&set.name) {
                    schedule = ScheduleState {
                        next: schedule.next,
                        set: schedule.set,
                        set_seq: seq,
                        set_at: at,
                        behind: 0,
                        finished_at: None,
                        ..before
                    };
                }
                self.insert(schedule);
            }
            ScheduleEvent::Removed(removed) => drop(self.remove(&removed.name)),
            ScheduleEvent::Fired(e) => self.put(&e.name, |schedule| schedule.apply(at, event)),
            ScheduleEvent::Queued(e) => self.put(&e.name, |schedule| schedule.apply(at, event)),
            ScheduleEvent::Skipped(e) => self.put(&e.name, |schedule| schedule.apply(at, event)),
            ScheduleEvent::Paused(e) => self.put(&e.name, |schedule| schedule.apply(at, event)),
            ScheduleEvent::Resumed(e) => self.put(&e.name, |schedule| schedule.apply(at, event)),
        }
    }

    fn insert(&mut self, schedule: ScheduleState) {
        let name = schedule.set.name.clone();
        self.open.extend(schedule.open.iter().map(|run| (*run, name.clone())));
        self.arm(&name, schedule.armed_at());
        self.finish(&name, None, schedule.finished_at);
        self.all.insert(name, Arc::new(schedule));
    }

    fn remove(&mut self, name: &Arc<str>) -> Option<ScheduleState> {
        let schedule = self.all.remove(name)?;
        schedule.open.iter().for_each(|run| drop(self.open.remove(run)));
        self.arm(name, None);
        self.finish(name, schedule.finished_at, None);
        Some(Arc::unwrap_or_clone(schedule))
    }

    /// A run is open no more; if it was a schedule's, what waited for that may come.
    fn release(&mut self, run: RunId) {
        if let Some(name) = self.open.remove(&run) {
            self.put(&name, |schedule| {
                schedule.open.remove(&run);
            });
        }
    }
}

impl State {
    /// The schedules.
    pub fn schedules(&self) -> &Schedules {
        &self.schedules
    }

    /// Takes out the schedule that has been due the longest, to be asked for its [turn](ScheduleState::turn).
    ///
    /// It comes again by what is decided about it; or after it was [put off](Self::put_off).
    pub fn pop_schedule(&mut self, now: Millis) -> Option<Arc<str>> {
        let (at, name) = self.schedules.due.first()?;
        if *at > now.max(self.at()) {
            return None;
        }
        let name = name.clone();
        self.schedules.arm(&name, None);
        Some(name)
    }

    /// Looks at a schedule again not before `until`: nothing could be decided about it now. Volatile.
    pub fn put_off(&mut self, name: &Arc<str>, until: Millis) {
        let is_armed = self.schedules.get(name).is_some_and(|schedule| schedule.armed_at().is_some());
        self.schedules.arm(name, is_armed.then_some(until));
    }

    /// Takes in a schedule from a snapshot.
    pub fn restore_schedule(&mut self, schedule: ScheduleState) {
        self.schedules.remove(&schedule.set.name.clone());
        self.schedules.insert(schedule);
    }

    pub(crate) fn apply_schedule(&mut self, seq: u64, at: Millis, event: &ScheduleEvent) {
        self.schedules.apply(seq, at, event);
    }

    /// Notes that a run is open no more: it has ended, or nothing can be said of it any longer. It need not be in memory,
    /// as a snapshot may have been taken while it was being archived.
    pub(crate) fn release_schedule(&mut self, run: RunId, kind: &EventKind) {
        let is_lost = || self.run(run).is_some_and(|run| run.quarantined.is_some());
        if !self.schedules.open.is_empty() && (matches!(kind, EventKind::RunEnded(_)) || is_lost()) {
            self.schedules.release(run);
        }
    }
}
