//! Where the time of a run went, and in what two differ, as JSON.

use super::Moment;
use crate::past::{Leg, RunDiff, RunTimes, Sides, TaskDiff, TimeSpent};
use callboard_core::{RunId, Status, TaskIndex};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where the time of a run went; times in milliseconds.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct TimesView {
    run: RunId,
    from: Moment,
    until: Moment,
    has_ended: bool,
    whole_ms: u64,
    spent_ms: BTreeMap<&'static str, u64>,
    of_tasks_ms: BTreeMap<&'static str, u64>,
    path: Vec<LegView>,
}

#[derive(Serialize, JsonSchema)]
struct LegView {
    index: TaskIndex,
    task: String,
    from: Moment,
    until: Moment,
    whole_ms: u64,
    spent_ms: BTreeMap<&'static str, u64>,
}

impl From<RunTimes> for TimesView {
    fn from(times: RunTimes) -> Self {
        Self {
            run: times.run,
            from: Moment(times.from),
            until: Moment(times.until),
            has_ended: times.has_ended,
            whole_ms: ms(times.whole()),
            spent_ms: in_words(&times.spent),
            of_tasks_ms: in_words(&times.of_tasks),
            path: times.path.into_iter().map(LegView::from).collect(),
        }
    }
}

impl From<Leg> for LegView {
    fn from(leg: Leg) -> Self {
        Self {
            index: leg.index,
            whole_ms: ms(leg.until.since(leg.from)),
            spent_ms: in_words(&leg.spent),
            from: Moment(leg.from),
            until: Moment(leg.until),
            task: leg.task,
        }
    }
}

/// In what two runs differ: a list of tasks.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct DiffView {
    runs: [RunId; 2],
    same: usize,
    items: Vec<TaskDiffView>,
    next: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct TaskDiffView {
    task: String,
    differs: Vec<&'static str>,
    status: Sides<Status>,
    attempts: Sides<u32>,
    duration_ms: Sides<u64>,
}

impl From<RunDiff> for DiffView {
    fn from(RunDiff { runs, tasks, same }: RunDiff) -> Self {
        Self { runs, same, items: tasks.into_iter().map(TaskDiffView::from).collect(), next: None }
    }
}

impl From<TaskDiff> for TaskDiffView {
    fn from(TaskDiff { task, differs, status, attempts, duration }: TaskDiff) -> Self {
        Self { task, differs, status, attempts, duration_ms: duration.map(|took| took.map(ms)) }
    }
}

fn in_words(spent: &TimeSpent) -> BTreeMap<&'static str, u64> {
    spent.iter().map(|(phase, time)| (phase.as_str(), ms(*time))).collect()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
