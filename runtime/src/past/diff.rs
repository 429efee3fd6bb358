//! In what two runs differ.

use super::fold::Fold;
use callboard_core::{Millis, Run, RunId, Status, Task, TaskIndex};
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// In what the tasks of two runs differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunDiff {
    /// The two runs.
    pub runs: [RunId; 2],
    /// The tasks that differ, in the order of the first run, then those that the second alone has.
    pub tasks: Vec<TaskDiff>,
    /// How many tasks agree.
    pub same: usize,
}

/// A task that differs, by its name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskDiff {
    /// Its name.
    pub task: String,
    /// In what it differs: `presence`, `status`, `output`, `attempts`, `duration`.
    pub differs: Vec<&'static str>,
    /// Where it stands in each; `None` where it is not.
    pub status: Sides<Status>,
    /// Which attempt was the last in each.
    pub attempts: Sides<u32>,
    /// How long each has taken, from when it had what it needs to its end; `None` where it has not ended.
    pub duration: Sides<Duration>,
}

/// Something of the first run and of the second.
pub type Sides<T> = [Option<T>; 2];

/// Two times are different if one is a tenth longer, and no less than this.
const NOTICED: Duration = Duration::from_millis(100);

impl RunDiff {
    pub(super) fn of(ours: &Fold, theirs: &Fold, now: Millis) -> Self {
        let folds = [ours, theirs];
        let runs = folds.map(|fold| fold.run().expect("it was folded up to its submission at least"));
        let names = |run: &Run| -> Vec<String> { run.tasks.iter().map(|task| task.spec.name.clone()).collect() };
        let mut seen = BTreeSet::new();
        let (mut tasks, mut same) = (Vec::new(), 0);
        for name in names(runs[0]).into_iter().chain(names(runs[1])) {
            if !seen.insert(name.clone()) {
                continue;
            }
            let places = runs.map(|run| run.find(&name));
            let diff = TaskDiff::of(name, [side(ours, places[0], now), side(theirs, places[1], now)]);
            match diff.differs.is_empty() {
                true => same += 1,
                false => tasks.push(diff),
            }
        }
        Self { runs: runs.map(|run| run.id), tasks, same }
    }
}

/// A task of one run, and how long it has taken.
type Side<'a> = Option<(&'a Task, Option<Duration>)>;

fn side(fold: &Fold, place: Option<TaskIndex>, now: Millis) -> Side<'_> {
    let place = place?;
    let line = fold.lines().get(place.0 as usize)?;
    let task = fold.run()?.task(place)?;
    let took = || {
        let end = line.ends.last().copied().filter(|_| task.status().is_ended())?;
        Some(end.since(line.unblocked(end.min(now)).unwrap_or_else(|| line.began())))
    };
    Some((task, took()))
}

impl TaskDiff {
    fn of(task: String, sides: [Side<'_>; 2]) -> Self {
        let status = sides.map(|side| side.map(|(task, _)| task.status()));
        let attempts = sides.map(|side| side.map(|(task, _)| task.token.attempt));
        let duration = sides.map(|side| side.and_then(|(_, took)| took));
        let mut differs = Vec::new();
        match sides {
            [Some((ours, our_time)), Some((theirs, their_time))] => {
                let is = [
                    ("status", ours.status() != theirs.status()),
                    ("output", ours.output() != theirs.output()),
                    ("attempts", attempts[0] != attempts[1]),
                    ("duration", our_time.zip(their_time).is_some_and(|(a, b)| is_noticed(a, b))),
                ];
                differs.extend(is.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what));
            }
            _ => differs.push("presence"),
        }
        Self { task, differs, status, attempts, duration }
    }
}

fn is_noticed(a: Duration, b: Duration) -> bool {
    let (less, more) = (a.min(b), a.max(b));
    more - less >= NOTICED && more - less > less / 10
}
