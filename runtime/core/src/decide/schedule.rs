//! What is decided about schedules: by whoever sets them, and by time.

use super::cancel::draft_cancel;
use super::submit;
use crate::command::Draft;
use crate::event::EventKind;
use crate::schedule::{
    Coming, FINISHED_MAX, FiredBy, Missed, Overlap, Replace, SCHEDULES_MAX, ScheduleCommand, ScheduleEvent,
    ScheduleFired, SchedulePaused, ScheduleQueued, ScheduleRejected, ScheduleRemoved, ScheduleResumed, ScheduleSet,
    ScheduleSkipped, ScheduleState, SkipReason,
};
use crate::{Millis, Rejected, Run, RunId, State, Status, StopReason};
use std::sync::Arc;

pub(super) fn schedule(state: &State, draft: &mut Draft, command: ScheduleCommand) -> Result<(), Rejected> {
    match command {
        ScheduleCommand::Set { set, replace } => put(state, draft, set, replace),
        ScheduleCommand::Come(coming) => come(state, draft, coming),
        ScheduleCommand::Unqueue { name, due, run } => unqueue(state, draft, &name, due, run),
        ScheduleCommand::FireNow { name, run } => fire_now(state, draft, &name, run),
        ScheduleCommand::Pause { name, reason } => {
            if found(state, &name)?.paused.is_none() {
                event(draft, ScheduleEvent::Paused(SchedulePaused { name, reason }));
            }
            Ok(())
        }
        ScheduleCommand::Resume { name } => {
            if found(state, &name)?.paused.is_some() {
                event(draft, ScheduleEvent::Resumed(ScheduleResumed { name }));
            }
            Ok(())
        }
        ScheduleCommand::Remove { name } => {
            found(state, &name)?;
            event(draft, ScheduleEvent::Removed(ScheduleRemoved { name }));
            Ok(())
        }
    }
}

fn event(draft: &mut Draft, event: ScheduleEvent) {
    draft.event(None, EventKind::Schedule(event));
}

fn found<'a>(state: &'a State, name: &Arc<str>) -> Result<&'a ScheduleState, Rejected> {
    state.schedules().get(name).ok_or_else(|| ScheduleRejected::NotFound(name.clone()).into())
}

fn put(state: &State, draft: &mut Draft, set: ScheduleSet, replace: Replace) -> Result<(), Rejected> {
    let found = state.schedules().get(&set.name);
    match found.map(|found| found.set.differs(&set)) {
        // The same again is what a program says whenever it starts.
        Some(None) => return Ok(()),
        Some(Some(differs)) if replace == Replace::No => {
            return Err(ScheduleRejected::Conflict { name: set.name, differs }.into());
        }
        Some(Some(_)) => {}
        None => {
            let is_full = state.schedules().len() >= SCHEDULES_MAX;
            let (oldest, finished) = state.schedules().finished();
            if is_full && oldest.is_none() {
                return Err(ScheduleRejected::Full { limit: SCHEDULES_MAX }.into());
            }
            if let Some(name) = oldest.filter(|_| is_full || finished > FINISHED_MAX) {
                event(draft, ScheduleEvent::Removed(ScheduleRemoved { name: name.clone() }));
            }
        }
    }
    event(draft, ScheduleEvent::Set(Box::new(set)));
    Ok(())
}

/// The runs of a schedule that go on.
fn open<'a>(state: &'a State, schedule: &'a ScheduleState) -> impl Iterator<Item = &'a Run> {
    let goes_on = |run: &&Run| run.ended.is_none() && run.quarantined.is_none();
    schedule.open.iter().filter_map(|run| state.run(*run)).filter(goes_on)
}

fn come(state: &State, draft: &mut Draft, coming: Coming) -> Result<(), Rejected> {
    let Coming { name, seen, missed, due, run, next } = coming;
    let schedule = found(state, &name)?;
    if schedule.next != Some(seen) || schedule.paused.is_some() {
        return Ok(()); // it has changed since it was looked at
    }
    let is_open = open(state, schedule).next().is_some();
    let skip = |reason, Missed { count, more, last }, next| {
        ScheduleEvent::Skipped(ScheduleSkipped { name: name.clone(), reason, count, more, last, next })
    };
    let is_held = is_open && schedule.waits_in_place();
    if let Some(missed) = missed {
        event(draft, skip(SkipReason::Missed, missed, due.or(next)));
    }
    let Some(due) = due.filter(|_| !is_held) else { return Ok(()) };
    // What comes once has no later moment, so it waits rather than being skipped.
    let waits = schedule.set.overlap == Overlap::Queue || schedule.set.timing.is_once();
    match schedule.set.overlap {
        Overlap::Queue | Overlap::Skip if is_open && waits && schedule.queued.is_none() => {
            event(draft, ScheduleEvent::Queued(ScheduleQueued { name: name.clone(), due, next }));
            Ok(())
        }
        Overlap::Queue | Overlap::Skip if is_open => {
            event(draft, skip(SkipReason::Overlap, Missed { count: 1, more: false, last: due }, next));
            Ok(())
        }
        _ => fire(state, draft, schedule, due, run, FiredBy::Time, next),
    }
}

fn unqueue(state: &State, draft: &mut Draft, name: &Arc<str>, due: Millis, run: RunId) -> Result<(), Rejected> {
    let schedule = found(state, name)?;
    let waits = schedule.queued == Some(due) && schedule.paused.is_none() && schedule.open.is_empty();
    if waits { fire(state, draft, schedule, due, run, FiredBy::Queue, None) } else { Ok(()) }
}

fn fire_now(state: &State, draft: &mut Draft, name: &Arc<str>, run: RunId) -> Result<(), Rejected> {
    let schedule = found(state, name)?;
    if schedule.last.is_some_and(|(_, last)| last == run) {
        return Ok(()); // the same again
    }
    let one_at_a_time = matches!(schedule.set.overlap, Overlap::Skip | Overlap::Queue);
    if let Some(open) = open(state, schedule).next().filter(|_| one_at_a_time) {
        return Err(ScheduleRejected::Busy { name: name.clone(), run: open.id }.into());
    }
    let now = draft.at();
    fire(state, draft, schedule, now, run, FiredBy::Hand, None)
}

/// Moves the schedule on and submits its run, in one step.
fn fire(
    state: &State,
    draft: &mut Draft,
    schedule: &ScheduleState,
    due: Millis,
    run: RunId,
    by: FiredBy,
    next: Option<Millis>,
) -> Result<(), Rejected> {
    let name = schedule.set.name.clone();
    if state.run(run).is_some() {
        return Err(Rejected::Conflict { run, key: None }); // it would be submitted by no event
    }
    let faulty = |reason| ScheduleRejected::Faulty { name: name.clone(), reason };
    let graph = schedule.set.graph.checked().map_err(faulty)?;
    if schedule.set.overlap == Overlap::CancelPrevious {
        let reason: Arc<str> = format!("schedule {name:?} starts its next run").into();
        for open in open(state, schedule) {
            draft_cancel(draft, open, reason.clone(), StopReason::Cancelled, Status::Cancelled);
        }
    }
    event(draft, ScheduleEvent::Fired(ScheduleFired { name, due, run, by, next }));
    submit::submit(state, draft, run, graph, None)
}
