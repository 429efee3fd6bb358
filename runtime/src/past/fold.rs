//! The events of one run, folded: how it stood, and what each of its tasks was at and when.

use super::phase::{Phase, TimeSpent};
use callboard_core::{Event, EventKind, Limits, Millis, Run, RunId, State, TaskIndex, TaskState};
use std::collections::BTreeSet;

/// A run as its events lead to it, with the times of its tasks.
pub(super) struct Fold {
    id: RunId,
    state: State,
    lines: Vec<Line>,
    /// The tasks that wait for room in the budget: they get it by events that do not name them.
    on_budget: BTreeSet<TaskIndex>,
}

/// What a task was at, in order and without gaps.
#[derive(Clone, Debug)]
pub(super) struct Line {
    spans: Vec<Span>,
    /// What it is at, since when, and until when it may not start.
    now: Phase,
    since: Millis,
    not_before: Millis,
    /// When it ended, each time.
    pub(super) ends: Vec<Millis>,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) phase: Phase,
    pub(super) from: Millis,
    pub(super) until: Millis,
}

impl Fold {
    pub(super) fn new(id: RunId, limits: Limits) -> Self {
        Self { id, state: State::new(limits), lines: Vec::new(), on_budget: BTreeSet::new() }
    }

    pub(super) fn run(&self) -> Option<&Run> {
        self.state.run(self.id)
    }

    /// The number of the last event.
    pub(super) fn seq(&self) -> u64 {
        self.state.seq()
    }

    /// When the last event happened.
    pub(super) fn at(&self) -> Millis {
        self.state.at()
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn apply(&mut self, event: &Event) {
        let mut touched = self.run().map_or_else(Vec::new, |run| run.touched_by(&event.kind));
        touched.extend(&self.on_budget);
        self.state.apply(event);
        let Some(run) = self.state.run(self.id) else { return };
        let known = self.lines.len();
        self.lines.extend((known..run.tasks.len()).map(|_| Line::new(event.at)));
        touched.extend((known..run.tasks.len()).map(|index| TaskIndex(index as u32)));
        // What was begun with an attempt that came to nothing is begun again.
        let in_vain = match &event.kind {
            EventKind::AttemptFailed(failed) => Some(failed.task),
            EventKind::AttemptLost(lost) => Some(lost.task),
            _ => None,
        };
        for index in touched {
            let (phase, task) = (Phase::of(run, index), run.task(index));
            let not_before = match task.map(|task| &task.state) {
                Some(TaskState::Ready { not_before, .. }) => *not_before,
                _ => event.at,
            };
            match phase {
                Phase::Budget => self.on_budget.insert(index),
                _ => self.on_budget.remove(&index),
            };
            if let Some(line) = self.lines.get_mut(index.0 as usize) {
                line.moves(phase, event.at, not_before, in_vain == Some(index));
            }
        }
    }
}

impl Line {
    fn new(at: Millis) -> Self {
        Self { spans: Vec::new(), now: Phase::Other, since: at, not_before: at, ends: Vec::new() }
    }

    fn moves(&mut self, phase: Phase, at: Millis, not_before: Millis, in_vain: bool) {
        if in_vain && self.now == Phase::Work {
            self.now = Phase::Retries;
        }
        if phase == self.now && not_before == self.not_before {
            return;
        }
        let spans = self.present(at);
        self.spans.extend(spans);
        if phase == Phase::Ended && self.now != Phase::Ended {
            self.ends.push(at);
        }
        (self.now, self.since, self.not_before) = (phase, at, not_before);
    }

    /// What it has been at since it moved the last time, until `at`.
    fn present(&self, at: Millis) -> impl Iterator<Item = Span> + use<> {
        let (phase, from, until) = (self.now, self.since, at.max(self.since));
        // The delay before an attempt is no queue yet.
        let starts = if phase == Phase::Queue { self.not_before.clamp(from, until) } else { from };
        let delay = Span { phase: Phase::Retries, from, until: starts };
        let rest = Span { phase, from: starts, until };
        [delay, rest].into_iter().filter(|span| span.from < span.until)
    }

    /// All that it was at until a moment.
    pub(super) fn until(&self, at: Millis) -> impl Iterator<Item = Span> {
        self.spans.iter().copied().chain(self.present(at))
    }

    /// The last moment up to `end` at which it had what it needs; `None` if it never lacked anything.
    pub(super) fn unblocked(&self, end: Millis) -> Option<Millis> {
        let mut needs = self.spans.iter().filter(|span| span.phase == Phase::Needs && span.until <= end);
        needs.next_back().map(|span| span.until)
    }

    /// When it was there.
    pub(super) fn began(&self) -> Millis {
        self.spans.first().map_or(self.since, |span| span.from)
    }

    /// Whether it has neither ended nor lacks anything.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.now, Phase::Ended | Phase::Needs)
    }
}

/// What went to what between two moments; what no span covers is something else.
pub(super) fn spent(spans: impl Iterator<Item = Span>, from: Millis, until: Millis) -> TimeSpent {
    let (mut spent, mut covered) = (TimeSpent::new(), from);
    let mut add = |phase, from: Millis, until: Millis| {
        if from < until {
            *spent.entry(phase).or_default() += until.since(from);
        }
    };
    for span in spans {
        let (start, end) = (span.from.max(covered), span.until.min(until));
        if start < end {
            add(Phase::Other, covered, start);
            add(span.phase, start, end);
            covered = end;
        }
    }
    add(Phase::Other, covered, until);
    spent
}
