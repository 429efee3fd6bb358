//! What a handler asks of others.

use super::cancel::stop_holder;
use super::without_result;
use crate::command::Draft;
use crate::event::{AttemptFailed, EventKind, Then};
use crate::record::{Child, ChildSpec, ChildrenSubmitted, OnCycle, TaskFailed};
use crate::{
    Effect, Failure, FailureClass, Priority, Rejected, Run, Speaker, State, Status, StopReason, TaskIndex, TaskRef,
    TaskSpec, Token,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Adds tasks to the run, as children of the speaker's. A call whose child is there already gets no other.
///
/// Where they would close a cycle and a task fails for that, nothing is added yet: repeat the command once the events are
/// applied.
pub(super) fn submit(
    state: &State,
    draft: &mut Draft,
    run: &Run,
    speaker: &Speaker,
    asked: Vec<Child>,
) -> Result<(), Rejected> {
    let parent = speaker.index();
    let record = run.record(parent);
    // The child of an earlier attempt that has failed is tried once more, as another task.
    let is_there = |child: &Child| {
        let Some(record) = record else { return false };
        let known = record.children.get(&child.key).and_then(|child| run.task(*child));
        known.is_some_and(|task| !task.status().is_without_result()) || record.outcome(&child.key).is_some()
    };
    let (there, asked): (Vec<Child>, Vec<Child>) = asked.into_iter().partition(is_there);
    if asked.is_empty() {
        return Ok(());
    }
    admit(state, run, speaker.task, &asked)?;
    let name = |child: &Child| {
        let again = record.is_some_and(|record| record.children.contains_key(&child.key));
        let again = if again { format!("~{}", speaker.token.attempt) } else { String::new() };
        format!("{}/{}{again}", run.tasks[parent.at()].spec.name, child.key)
    };
    let priority = run.tasks[parent.at()].spec.priority;
    let children: Vec<ChildSpec> = asked
        .into_iter()
        .map(|child| {
            let name = name(&child);
            let Child { key, alias, hash, priority: own, spec } = child;
            let spec = Arc::new(TaskSpec { name, priority: own.unwrap_or(priority), ..spec });
            ChildSpec { key, alias, hash, spec }
        })
        .collect();
    let place = |child: Child| Some((child.alias?, *record?.children.get(&child.key)?));
    let known = there.into_iter().filter_map(place).collect();
    let Speaker { task, token, holder } = speaker.clone();
    let submitted = ChildrenSubmitted { task: task.task, token, holder, children, known };
    let planned = run.plan_children(&submitted).map_err(|reasons| Rejected::Children { task, reasons })?;
    let first = run.tasks.len();
    let mut skipped = BTreeMap::<TaskIndex, Vec<TaskIndex>>::new();
    let mut doomed = BTreeMap::<TaskIndex, TaskIndex>::new();
    let mut ready = Vec::new();
    for (n, (_, needs)) in planned.iter().enumerate() {
        let index = TaskIndex((first + n) as u32);
        if let Some(need) = needs.iter().find(|need| need.at() >= first + n) {
            let of = |index: TaskIndex| submitted.children[index.at() - first].spec.name.clone();
            let reason = format!("{:?} refers to {:?}, which comes behind it", of(index), of(*need));
            return Err(Rejected::Children { task, reasons: vec![reason] });
        }
        let spoilt = |need: &TaskIndex| {
            let ended = run.task(*need).is_some_and(|task| task.status().is_without_result());
            if ended { Some(*need) } else { doomed.get(need).copied() }
        };
        if let Some(cause) = needs.iter().find_map(spoilt) {
            doomed.insert(index, cause);
            skipped.entry(cause).or_default().push(index);
        } else if needs.iter().all(|need| run.task(*need).is_some_and(|task| task.status() == Status::Completed)) {
            ready.push((index, submitted.children[n].spec.clone()));
        }
    }
    let outside: Vec<(usize, TaskIndex)> = planned
        .iter()
        .enumerate()
        .flat_map(|(n, (_, needs))| needs.iter().filter(|need| need.at() < first).map(move |need| (n, *need)))
        .collect();
    if let Some((n, path)) = outside.iter().find_map(|(n, need)| Some((*n, waits_for(run, *need, parent)?))) {
        return cycle(state, draft, run, speaker, &submitted, n, &path);
    }
    draft.event(Some(run.id), EventKind::ChildrenSubmitted(submitted));
    for (cause, tasks) in skipped {
        draft.event(Some(run.id), EventKind::TasksSkipped(crate::event::TasksSkipped { tasks, cause }));
    }
    for (index, spec) in ready {
        draft.effect(Effect::Offer(spec.ready(TaskRef { run: run.id, task: index }, Token::FIRST, None)));
    }
    Ok(())
}

/// Whether there is room for so many more tasks, so deep.
fn admit(state: &State, run: &Run, task: TaskRef, asked: &[Child]) -> Result<(), Rejected> {
    let (live, more, limit) = (state.live_tasks(), asked.len(), state.limits.live_tasks_max);
    if live.saturating_add(more) > limit {
        return Err(Rejected::Full { live, more, limit });
    }
    let mut reasons = Vec::new();
    let (tasks, limit) = (run.tasks.len().saturating_add(more), state.limits.graph.tasks_max);
    if tasks > limit {
        reasons.push(format!("the run would have {tasks} tasks, more than the limit of {limit} (graph_tasks_max)"));
    }
    let (depth, limit) = (run.tasks[task.task.at()].depth().saturating_add(1), state.limits.depth_max);
    if depth > limit {
        reasons.push(format!(
            "{depth} tasks would wait for one below the other, more than the limit of {limit} (depth_max)"
        ));
    }
    for child in asked {
        reasons.extend(state.limits.graph.spec_faults(&child.spec));
    }
    if reasons.is_empty() { Ok(()) } else { Err(Rejected::Children { task, reasons }) }
}

/// How `from` waits for `to`, if it does: the tasks on the way, both included. A task waits for what it needs and for what
/// it has asked of others.
fn waits_for(run: &Run, from: TaskIndex, to: TaskIndex) -> Option<Vec<TaskIndex>> {
    let mut came_from: BTreeMap<TaskIndex, TaskIndex> = BTreeMap::new();
    let mut todo = vec![from];
    while let Some(task) = todo.pop() {
        if task == to {
            let mut path = vec![to];
            while let Some(before) = came_from.get(&path[path.len() - 1]).filter(|_| path[path.len() - 1] != from) {
                path.push(*before);
            }
            path.reverse();
            return Some(path);
        }
        if run.task(task).is_none_or(|task| task.status().is_ended()) {
            continue;
        }
        for &next in run.needs(task).iter().chain(run.children(task)) {
            if next != from && !came_from.contains_key(&next) {
                came_from.insert(next, task);
                todo.push(next);
            }
        }
    }
    None
}

/// What comes of a cycle that child number `n` would close: its parent waits for it, and it for the tasks on `path`, whose
/// last is the parent.
fn cycle(
    state: &State,
    draft: &mut Draft,
    run: &Run,
    speaker: &Speaker,
    submitted: &ChildrenSubmitted,
    n: usize,
    path: &[TaskIndex],
) -> Result<(), Rejected> {
    let child = &submitted.children[n].spec;
    let names = path.iter().map(|task| run.tasks[task.at()].spec.name.clone());
    let parent = run.tasks[speaker.index().at()].spec.name.clone();
    let names: Vec<String> = [parent, child.name.clone()].into_iter().chain(names).collect();
    let victim = match state.limits.on_cycle {
        OnCycle::Reject => None,
        OnCycle::FailLeastUrgent => victim(run, child.priority, path),
    };
    let Some(victim) = victim else { return Err(Rejected::Cycle { path: names }) };
    let message =
        format!("tasks would wait for one another, and this one was the least urgent: {}", names.join(" -> "));
    let failure = Failure::new(FailureClass::Terminal, message);
    let task = &run.tasks[victim.at()];
    match task.holder() {
        Some(holder) => {
            stop_holder(draft, run, victim, StopReason::Cancelled);
            let (token, holder) = (task.token, Some(holder.clone()));
            let failed = AttemptFailed { task: victim, token, holder, failure, then: Then::Failed };
            draft.event(Some(run.id), EventKind::AttemptFailed(failed));
        }
        None => draft.event(Some(run.id), EventKind::TaskFailed(TaskFailed { task: victim, failure })),
    }
    without_result(draft, run, &[victim], Status::Failed);
    Ok(()) // what was asked for is asked again, of the run as it is then
}

/// The least urgent of the tasks on a cycle, and of equals the one that came last; `None` for the child itself, which is
/// the last of all.
fn victim(run: &Run, child: Priority, path: &[TaskIndex]) -> Option<TaskIndex> {
    let least = path.iter().min_by_key(|task| (run.tasks[task.at()].spec.priority, std::cmp::Reverse(**task)))?;
    (run.tasks[least.at()].spec.priority < child).then_some(*least)
}
