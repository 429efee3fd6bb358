//! Where the time of a run went.

use super::fold::{Fold, spent};
use super::phase::TimeSpent;
use callboard_core::{Millis, RunId, TaskIndex};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

/// Where the time of a run went, from its submission to its end, or to now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunTimes {
    /// The run.
    pub run: RunId,
    /// When it was submitted.
    pub from: Millis,
    /// When it ended, or when this was asked if it goes on.
    pub until: Millis,
    /// Whether it has ended.
    pub has_ended: bool,
    /// The critical path: the chain of tasks each of which made the next one ready, from the submission to the task that
    /// ended last, or that is under way for the longest. Had one of them taken less time, so had the run.
    pub path: Vec<Leg>,
    /// What the time of the run went to along that path: it adds up to the whole.
    pub spent: TimeSpent,
    /// What the time of all tasks together went to, from when they had what they need.
    pub of_tasks: TimeSpent,
}

/// A task on the critical path.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Leg {
    /// The task.
    pub index: TaskIndex,
    /// Its name.
    pub task: String,
    /// When the one before it ended, or the run was submitted.
    pub from: Millis,
    /// When it ended, or when this was asked.
    pub until: Millis,
    /// What the time in between went to: it adds up.
    pub spent: TimeSpent,
}

impl RunTimes {
    /// How long the run took, or has taken so far.
    pub fn whole(&self) -> Duration {
        self.until.since(self.from)
    }

    pub(super) fn of(fold: &Fold, now: Millis) -> Self {
        let run = fold.run().expect("it was folded up to its submission at least");
        let (id, from) = (run.id, run.submitted_at);
        let until = run.ended.map_or_else(|| now.max(fold.at()), |(_, at)| at);
        let path = path(fold, from, until);
        let mut all = TimeSpent::new();
        let mut add =
            |spent: &TimeSpent| spent.iter().for_each(|(phase, time)| *all.entry(*phase).or_default() += *time);
        path.iter().for_each(|leg| add(&leg.spent));
        // Behind the last task.
        let covered = path.last().map_or(from, |leg| leg.until);
        add(&spent(std::iter::empty(), covered, until));
        let spent_in_all = all;
        let mut of_tasks = TimeSpent::new();
        for line in fold.lines() {
            let end = if line.is_under_way() { until } else { line.ends.last().copied().unwrap_or(from) };
            let begins = line.unblocked(end).unwrap_or_else(|| line.began());
            for (phase, time) in spent(line.until(end), begins.min(end), end) {
                *of_tasks.entry(phase).or_default() += time;
            }
        }
        Self { run: id, from, until, has_ended: run.ended.is_some(), path, spent: spent_in_all, of_tasks }
    }
}

/// The chain of tasks that led to the last one, backwards from it.
fn path(fold: &Fold, from: Millis, until: Millis) -> Vec<Leg> {
    let run = fold.run().expect("it was folded up to its submission at least");
    let lines = fold.lines();
    let authored = |index: &usize| run.tasks[*index].parent.is_none();
    let all = || (0..lines.len()).filter(authored);
    let longest = all().filter(|index| run.ended.is_none() && lines[*index].is_under_way());
    let longest = longest.min_by_key(|index| lines[*index].unblocked(until).unwrap_or(from));
    let ended = |index: usize, by: Millis| lines[index].ends.iter().rev().find(|end| **end <= by).copied();
    let last = || all().filter_map(|index| Some((ended(index, until)?, index))).max();
    let mut next = longest.map(|index| (until, index)).or_else(last);
    let (mut path, mut seen) = (Vec::new(), BTreeSet::new());
    while let Some((end, index)) = next.filter(|(_, index)| seen.insert(*index)) {
        let line = &lines[index];
        let ready_at = line.unblocked(end).unwrap_or_else(|| line.began());
        let task = TaskIndex(index as u32);
        let needs = run.needs(task).iter().map(|need| need.0 as usize);
        let before = |index: usize| Some((ended(index, ready_at)?, Reverse(index)));
        next = match run.needs(task).is_empty() {
            false => needs.filter_map(before).max(),
            // What undoes comes after all else.
            true if ready_at > from => all().filter(|other| !seen.contains(other)).filter_map(before).max(),
            true => None,
        }
        .map(|(end, Reverse(index))| (end, index));
        let begins = next.map_or(from, |(end, _)| end);
        let spent = spent(line.until(end), begins, end);
        path.push(Leg { index: task, task: run.tasks[index].spec.name.clone(), from: begins, until: end, spent });
    }
    // A chain that comes back to where it was begins here.
    if let Some(first) = path.last_mut().filter(|first: &&mut Leg| first.from > from) {
        let line = &lines[first.index.0 as usize];
        (first.from, first.spent) = (from, spent(line.until(first.until), from, first.until));
    }
    path.reverse();
    path
}
