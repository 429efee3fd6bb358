//! What a handler asks of others.

use super::cancel::stop_holder;
use super::without_result;
use crate::command::Draft;
use crate::event::{AttemptFailed, EventKind, TasksSkipped, Then};
use crate::input::Input;
use crate::record::{Child, ChildSpec, ChildrenSubmitted, OnCycle, TaskFailed};
use crate::{
    Effect, Failure, FailureClass, Priority, Rejected, Run, Speaker, State, Status, StopReason, TaskIndex, TaskRef,
    TaskSpec, TaskState, Token,
};
use std::collections::{BTreeMap, HashSet};
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
    let is_effect = |key: &str| run.record(parent).is_some_and(|record| record.effects.contains_key(key));
    // The child of an earlier attempt that has failed is tried once more, as another task.
    let (there, asked): (Vec<Child>, Vec<Child>) =
        asked.into_iter().partition(|child| run.is_known(parent, &child.key) || is_effect(&child.key));
    if asked.is_empty() {
        return Ok(());
    }
    admit(state, run, speaker.task, &there, &asked)?;
    let submitted = submitted(run, speaker, &there, asked);
    let task = speaker.task;
    let children = |reasons| Rejected::Children { task, reasons };
    let planned = run.plan_children(&submitted).map_err(|reasons| children(told(reasons)))?;
    let first = run.tasks.len();
    for (n, (_, needs)) in planned.iter().enumerate() {
        if let Some(need) = needs.iter().find(|need| need.at() >= first + n) {
            let of = |n: usize| submitted.children[n].spec.name.as_str();
            let reason = format!("{:?} refers to {:?}, which comes behind it", of(n), of(need.at() - first));
            return Err(children(vec![reason]));
        }
    }
    let outside = planned
        .iter()
        .enumerate()
        .flat_map(|(n, (_, needs))| needs.iter().filter(|need| need.at() < first).map(move |need| (n, *need)));
    let outside: Vec<(usize, TaskIndex)> = outside.collect();
    if let Some((n, path)) = waits_for(run, &outside, parent) {
        return cycle(state, draft, run, speaker, &submitted, n, &path);
    }
    let (ready, skipped) = sorted(run, &planned);
    let specs: Vec<(TaskIndex, Arc<TaskSpec>)> =
        ready.into_iter().map(|index| (index, submitted.children[index.at() - first].spec.clone())).collect();
    draft.event(Some(run.id), EventKind::ChildrenSubmitted(submitted));
    for (cause, tasks) in skipped {
        draft.event(Some(run.id), EventKind::TasksSkipped(TasksSkipped { tasks, cause }));
    }
    // In a paused run they wait until it goes on.
    for (index, spec) in specs.into_iter().filter(|_| run.paused.is_none()) {
        draft.effect(Effect::Offer(spec.ready(TaskRef { run: run.id, task: index }, Token::FIRST, None)));
    }
    Ok(())
}

/// The event: each child under its name in the run, and as urgent as it is to be.
fn submitted(run: &Run, speaker: &Speaker, there: &[Child], asked: Vec<Child>) -> ChildrenSubmitted {
    let Speaker { task, token, holder } = speaker.clone();
    let record = run.record(task.task);
    let known_child = |key: &str| record.and_then(|record| record.children.get(key)).copied();
    let parent = &run.tasks[task.task.at()].spec;
    let children = asked.into_iter().map(|Child { key, alias, hash, priority, spec }| {
        let again = known_child(&key).map_or(String::new(), |_| format!("~{}", token.attempt));
        let name = format!("{}/{key}{again}", parent.name);
        let spec = Arc::new(TaskSpec { name, priority: priority.unwrap_or(parent.priority), ..spec });
        ChildSpec { key, alias, hash, spec }
    });
    let children = children.collect();
    let aliases = there.iter().filter_map(|child| Some((child.alias.clone()?, known_child(&child.key)?)));
    ChildrenSubmitted { task: task.task, token, holder, children, known: aliases.collect() }
}

/// The children that may run at once, and by their causes those that never will.
fn sorted(run: &Run, planned: &[(Input, Vec<TaskIndex>)]) -> (Vec<TaskIndex>, BTreeMap<TaskIndex, Vec<TaskIndex>>) {
    let mut ready = Vec::new();
    let mut skipped = BTreeMap::<TaskIndex, Vec<TaskIndex>>::new();
    let mut doomed = BTreeMap::<TaskIndex, TaskIndex>::new();
    for (index, (_, needs)) in (run.tasks.len() as u32..).map(TaskIndex).zip(planned) {
        let root = |need: &TaskIndex| match run.task(*need).map(|task| &task.state) {
            // The cause of a child that stays skipped may have had another life since.
            Some(TaskState::Skipped { cause }) => {
                let is_spoilt = run.task(*cause).is_some_and(|task| task.status().is_without_result());
                Some(if is_spoilt { *cause } else { *need })
            }
            Some(state) => state.status().is_without_result().then_some(*need),
            None => doomed.get(need).copied(),
        };
        let is_done = |need: &TaskIndex| run.task(*need).is_some_and(|task| task.status() == Status::Completed);
        if let Some(cause) = needs.iter().find_map(root) {
            doomed.insert(index, cause);
            skipped.entry(cause).or_default().push(index);
        } else if needs.iter().all(is_done) {
            ready.push(index);
        }
    }
    (ready, skipped)
}

/// As many faults as a refusal tells.
fn told(mut reasons: Vec<String>) -> Vec<String> {
    reasons.truncate(20);
    reasons
}

/// Whether what undoes an effect can be a task.
pub(super) fn admit_undo(state: &State, task: TaskRef, spec: &TaskSpec) -> Result<(), Rejected> {
    let mut reasons = state.limits.graph.spec_faults(spec);
    let compiled = Input::compile(&spec.input, &|_| None);
    reasons.extend(compiled.faults.into_iter().map(|fault| fault.in_words(&spec.name)));
    if reasons.is_empty() { Ok(()) } else { Err(Rejected::Children { task, reasons: told(reasons) }) }
}

/// Whether there is room for so many more tasks, so deep.
fn admit(state: &State, run: &Run, task: TaskRef, there: &[Child], asked: &[Child]) -> Result<(), Rejected> {
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
    let (mut keys, mut aliases) = (HashSet::new(), HashSet::new());
    for child in asked {
        reasons.extend(state.limits.graph.spec_faults(&child.spec));
        if !keys.insert(&child.key) {
            reasons.push(format!("{:?} is asked for twice", child.key));
        }
    }
    for alias in there.iter().chain(asked).filter_map(|child| child.alias.as_ref()) {
        if !aliases.insert(alias) {
            reasons.push(format!("two of them have the alias {alias:?}"));
        }
    }
    if reasons.is_empty() { Ok(()) } else { Err(Rejected::Children { task, reasons: told(reasons) }) }
}

/// How one of `from`, each needed by the child beside it, waits for `to`, if one does: that child, and the tasks on the
/// way, both ends included. A task waits for what it needs and for what it has asked of others.
fn waits_for(run: &Run, from: &[(usize, TaskIndex)], to: TaskIndex) -> Option<(usize, Vec<TaskIndex>)> {
    let is_open = |task: &TaskIndex| run.task(*task).is_some_and(|task| !task.status().is_ended());
    let from: Vec<(usize, TaskIndex)> = from.iter().filter(|(_, need)| is_open(need)).copied().collect();
    if from.is_empty() {
        return None;
    }
    // Mostly few tasks wait for the one that asks, so whoever waits for it is soon known.
    if let Some(waiting) = who_waits_for(run, to, LOOKED_AT_MAX)
        && !from.iter().any(|(_, need)| waiting.contains(need))
    {
        return None;
    }
    let mut came_from: Vec<Option<TaskIndex>> = vec![None; run.tasks.len()];
    for (child, need) in from {
        let mut todo = vec![need];
        if came_from[need.at()].is_some() {
            continue; // an earlier one has led here, and to no cycle
        }
        came_from[need.at()] = Some(need);
        while let Some(task) = todo.pop() {
            if task == to {
                let mut path = vec![to];
                while let Some(before) = came_from[path[path.len() - 1].at()].filter(|_| path[path.len() - 1] != need) {
                    path.push(before);
                }
                path.reverse();
                return Some((child, path));
            }
            for &next in run.needs(task).iter().chain(run.children(task)).filter(|next| is_open(next)) {
                if came_from[next.at()].is_none() {
                    came_from[next.at()] = Some(task);
                    todo.push(next);
                }
            }
        }
    }
    None
}

/// How many tasks are looked at before the search goes the other way.
const LOOKED_AT_MAX: usize = 1_000;

/// The open tasks that wait for `to`, and itself; `None` if those are too many.
fn who_waits_for(run: &Run, to: TaskIndex, limit: usize) -> Option<HashSet<TaskIndex>> {
    let mut waiting = HashSet::from([to]);
    let mut todo = vec![to];
    while let Some(task) = todo.pop() {
        let parent = run.task(task).and_then(|task| task.parent.as_ref()).map(|parent| parent.task);
        for next in run.dependents(task).chain(parent) {
            let is_open = run.task(next).is_some_and(|task| !task.status().is_ended());
            if is_open && waiting.insert(next) {
                todo.push(next);
            }
            if waiting.len() > limit {
                return None;
            }
        }
    }
    Some(waiting)
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
    // Whoever asks may have become the holder by that.
    let asks = (victim == speaker.index()).then_some(&speaker.holder);
    match task.holder().or(asks) {
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
