//! What a command comes to, by entity: `submit` for runs, `attempt` for the work on a task, `note` and `children` for what
//! its handler records and asks for, `answer` for what is sent to it, `undo` for what is taken back, `cancel`, `control`
//! for what somebody decides later (pause, another life), `budget` for what is added to a budget, `due` for what comes by time, and `schedule` for schedules.

mod answer;
mod attempt;
mod budget;
mod cancel;
mod children;
mod control;
mod due;
mod note;
mod schedule;
mod submit;
mod undo;

use crate::command::Draft;
use crate::event::{EventKind, PagesForgotten, RunEnded, RunOutcome, RunsArchived, TasksCancelled, TasksSkipped};
use crate::sabotage::{self, Sabotage};
use std::collections::BTreeSet;

use crate::{
    Command, Effect, Millis, Rejected, Run, RunId, Speaker, State, Status, Step, StopReason, Task, TaskIndex, TaskState,
};

/// Says what `command` comes to in `state` at `now`. Changes nothing.
///
/// Time never runs back: a `now` before the last event counts as the moment of that event.
///
/// # Errors
///
/// [`Rejected`] says why the command comes to nothing.
pub fn decide(state: &State, now: Millis, command: Command) -> Result<Step, Rejected> {
    let mut draft = Draft::new(state.seq(), moment(state, now, &command));
    match command {
        Command::Submit { run, graph, key } => submit::submit(state, &mut draft, run, graph, key)?,
        Command::Accept(speaker, chosen) => attempt::accept(state, &mut draft, speaker, chosen)?,
        Command::Complete(speaker, output) => attempt::complete(state, &mut draft, speaker, output)?,
        Command::Fail(speaker, failure) => attempt::fail(state, &mut draft, speaker, failure)?,
        Command::Lose(speaker, reason) => attempt::lose(state, &mut draft, speaker, reason)?,
        Command::Refuse(task, token, failure) => attempt::refuse(state, &mut draft, task, token, failure)?,
        Command::KeepHolders(nodes) => {
            let nodes: BTreeSet<&str> = nodes.iter().map(|node| &**node).collect();
            attempt::take_back(state, &mut draft, |node| !nodes.contains(node));
        }
        Command::LoseHolders(dead) => attempt::take_back(state, &mut draft, |node| *node == *dead),
        Command::Cancel { run, reason } => cancel::cancel(state, &mut draft, run, reason)?,
        Command::CancelTask { task, reason } => cancel::cancel_task(state, &mut draft, task, reason)?,
        Command::Pause { run, reason } => control::pause(state, &mut draft, run, reason)?,
        Command::Unpause { run } => control::unpause(state, &mut draft, run)?,
        Command::Retry { task, token, input } => control::retry(state, &mut draft, task, token, input)?,
        Command::Comeback { restored, task, token, input } => {
            control::comeback(state, &mut draft, restored, task, token, input)?;
        }
        Command::Restore { run, restored } => control::restore(state, &mut draft, run, restored)?,
        Command::Note(speaker, note) => note::note(state, &mut draft, speaker, note)?,
        Command::Answer(run, answer) => answer::answer(state, &mut draft, run, answer)?,
        Command::TopUp { id, run, amount, by } => budget::top_up(state, &mut draft, run, id, amount, by)?,
        Command::Due(timer) => due::due(state, &mut draft, timer),
        Command::Archive { mut runs, page } => {
            runs.sort_unstable();
            runs.dedup();
            runs.iter().try_for_each(|&run| archivable(state, run))?;
            draft.event(None, EventKind::RunsArchived(RunsArchived { runs, page }));
        }
        Command::ForgetPages { kept } => {
            let pages = state.pages().len();
            if kept == 0 || kept >= pages as u64 {
                return Err(Rejected::Pages { kept, pages });
            }
            draft.event(None, EventKind::PagesForgotten(PagesForgotten { kept }));
        }
        Command::Schedule(command) => schedule::schedule(state, &mut draft, command)?,
    }
    Ok(draft.done())
}

/// When the events of `command` happen. That a timer was given out says that its moment has come, so a clock that ran
/// back since does not make it early, and it is not lost either.
fn moment(state: &State, now: Millis, command: &Command) -> Millis {
    let now = now.max(state.at());
    if let Command::Due(timer) = command { now.max(timer.due) } else { now }
}

fn archivable(state: &State, id: RunId) -> Result<(), Rejected> {
    let run = state.run(id).ok_or(Rejected::NoRun(id))?;
    if run.ended.is_some() { Ok(()) } else { Err(Rejected::Open(id)) }
}

/// The run, if its history can be followed.
fn run(state: &State, id: RunId) -> Result<&Run, Rejected> {
    followed(state.run(id).ok_or(Rejected::NoRun(id))?)
}

fn followed(run: &Run) -> Result<&Run, Rejected> {
    match &run.quarantined {
        Some(reason) => Err(Rejected::Quarantined { run: run.id, reason: reason.clone() }),
        None => Ok(run),
    }
}

/// The one gate: lets through whoever holds the task, or may become its holder by speaking first.
///
/// A ready task with the present token has no holder: either the speaker is about to accept it, or the acceptance
/// was not yet durable when the owner changed, and the first to speak wins.
pub(crate) fn admit<'a>(state: &'a State, speaker: &Speaker) -> Result<(&'a Run, &'a Task), Rejected> {
    let run = run(state, speaker.task.run)?;
    let task = run.task(speaker.index()).ok_or(Rejected::NoTask(speaker.task))?;
    let admitted = task.token == speaker.token
        && match &task.state {
            TaskState::Ready { .. } => true,
            TaskState::Running { holder, .. } => *holder == speaker.holder,
            _ => false,
        };
    let is_open = !task.status().is_ended() && task.status() != Status::Blocked;
    if admitted || (is_open && sabotage::is(Sabotage::NoHolderCheck)) {
        return Ok((run, task));
    }
    Err(Rejected::Fenced { task: speaker.task, status: task.status(), held: task.token, presented: speaker.token })
}

/// Ends `ended` without results: skips what can no longer run, and ends the run if nothing is left.
///
/// `ended` are the tasks that this step ends with `status`; the first of them is named as the cause.
fn without_result(draft: &mut Draft, run: &Run, ended: &[TaskIndex], status: Status) {
    let orphans = run.open_below(ended);
    let all: Vec<TaskIndex> = ended.iter().chain(&orphans).copied().collect();
    let doomed = run.doomed_by(&all);
    let left = run.open().saturating_sub(all.len() + doomed.len());
    if !orphans.is_empty() {
        orphans.iter().for_each(|&task| cancel::stop_holder(draft, run, task, StopReason::Cancelled));
        let reason = "the task that asked for it has ended without a result".into();
        draft.event(Some(run.id), EventKind::TasksCancelled(TasksCancelled { tasks: orphans, reason }));
    }
    if let (false, Some(&cause)) = (doomed.is_empty(), ended.first()) {
        draft.event(Some(run.id), EventKind::TasksSkipped(TasksSkipped { tasks: doomed, cause }));
    }
    ended.iter().for_each(|&task| undo::offer_next_undo(draft, run, task));
    // What another task has asked for says nothing of the run: whoever asked decides what comes of it.
    let is_own = |task: &TaskIndex| run.task(*task).is_some_and(|task| task.parent.is_none());
    end_run(draft, run, left, Some(status).filter(|_| ended.iter().any(is_own)));
}

/// Ends the run if no task of it is left open; `status` is that of the tasks ended in this step, if not completed.
fn end_run(draft: &mut Draft, run: &Run, left: usize, status: Option<Status>) {
    if left > 0 {
        return;
    }
    let any = |wanted: &[Status]| {
        status.is_some_and(|status| wanted.contains(&status))
            || wanted.iter().any(|status| run.own_counts().of(*status) > 0)
    };
    let outcome = if any(&[Status::Failed, Status::Dead]) {
        RunOutcome::Failed
    } else if any(&[Status::Cancelled]) {
        RunOutcome::Cancelled
    } else {
        RunOutcome::Completed
    };
    if outcome != RunOutcome::Completed && undo::begin(draft, run, outcome) {
        return;
    }
    let outcome = undo::outcome(run, status).unwrap_or(outcome);
    draft.event(Some(run.id), EventKind::RunEnded(RunEnded { outcome }));
    if outcome != RunOutcome::Completed {
        draft.effect(Effect::Withdraw { run: run.id }); // what was cancelled or refused may still be offered
    }
    draft.effect(Effect::Ended { run: run.id, outcome });
}
