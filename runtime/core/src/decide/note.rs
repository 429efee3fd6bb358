//! What a handler records.

use super::cancel::draft_cancel_some;
use super::{admit, children};
use crate::command::Draft;
use crate::event::{EventKind, TaskAccepted};
use crate::record::{
    EffectBegun, EffectState, EffectUnknown, Note, Record, StepRecorded, TaskParked, TaskProgressed, Wait, WaitBegun,
    WaitsWithdrawn,
};
use crate::{Cost, Failure, Payload, Rejected, Run, Speaker, State, Task, TaskIndex, TaskState};
use std::sync::Arc;
use std::time::Duration;

/// Records a note of the holder. One that is known already changes nothing.
pub(super) fn note(state: &State, draft: &mut Draft, speaker: Speaker, note: Note) -> Result<(), Rejected> {
    let (run, task) = admit(state, &speaker)?;
    if matches!(task.state, TaskState::Ready { .. }) {
        // Its acceptance was not durable when the owner changed; the first to speak wins.
        if let Some(reason) = &run.paused {
            return Err(Rejected::Paused { run: run.id, reason: reason.clone() });
        }
        let Speaker { task, token, holder } = speaker.clone();
        draft.event(
            Some(run.id),
            EventKind::TaskAccepted(TaskAccepted { task: task.task, token, holder, chosen: None }),
        );
    }
    let scribe = Scribe { run, task, speaker };
    match note {
        Note::Value(key, value) => scribe.step(draft, key, Some(value), None, false, None),
        Note::Failed { key, failure, unsure } => scribe.step(draft, key, None, Some(failure), unsure, None),
        Note::Settled { key, result, cost } => return scribe.settled(draft, key, result, cost),
        Note::Children(asked) => return children::submit(state, draft, run, &scribe.speaker, asked),
        Note::Begin { key, contract, undo, since } => {
            let known = scribe.effect(&key);
            if matches!(known, None | Some(EffectState::NotDone)) && !scribe.is_known(&key) {
                if let Some(undo) = &undo {
                    children::admit_undo(state, scribe.speaker.task, undo)?;
                }
                let Speaker { task, token, holder } = scribe.speaker;
                let begun = EffectBegun { task: task.task, token, holder, key, contract, undo, since };
                draft.event(Some(run.id), EventKind::EffectBegun(begun));
            }
        }
        Note::Unknown { key, reason } => {
            if matches!(scribe.effect(&key), Some(EffectState::Begun)) {
                let Speaker { task, token, holder } = scribe.speaker;
                let unknown = EffectUnknown { task: task.task, token, holder, key, reason };
                draft.event(Some(run.id), EventKind::EffectUnknown(unknown));
            }
        }
        Note::Wait { key, wait, limit } => scribe.wait(draft, key, wait, limit),
        Note::Withdraw(keys) => scribe.withdraw(draft, &keys),
        Note::Progress(progress) => {
            let Speaker { task, token, holder } = scribe.speaker;
            let progressed = TaskProgressed { task: task.task, token, holder, progress };
            draft.event(Some(run.id), EventKind::TaskProgressed(progressed));
        }
        Note::Park { seen, gate } => return scribe.park(draft, seen, gate),
    }
    Ok(())
}

/// Who writes into which record.
struct Scribe<'a> {
    run: &'a Run,
    task: &'a Task,
    speaker: Speaker,
}

impl Scribe<'_> {
    fn record(&self) -> Option<&Record> {
        self.task.record.as_deref()
    }

    fn effect(&self, key: &str) -> Option<&EffectState> {
        Some(&self.record()?.effects.get(key)?.state)
    }

    fn is_known(&self, key: &str) -> bool {
        self.run.is_known(self.speaker.index(), key)
    }

    /// Records what a call came to for which something is reserved, and with it what it cost.
    fn settled(
        self,
        draft: &mut Draft,
        key: Arc<str>,
        result: Result<Payload, Failure>,
        cost: Cost,
    ) -> Result<(), Rejected> {
        if !self.is_known(&key) && !self.run.holds(self.speaker.index(), &key) {
            return Err(Rejected::NotReserved { task: self.speaker.task, key });
        }
        let (value, failure) = match result {
            Ok(value) => (Some(value), None),
            Err(failure) => (None, Some(failure)),
        };
        self.step(draft, key, value, failure, false, Some(cost.bounded()));
        Ok(())
    }

    fn step(
        self,
        draft: &mut Draft,
        key: Arc<str>,
        value: Option<Payload>,
        failure: Option<Failure>,
        unsure: bool,
        cost: Option<Cost>,
    ) {
        // Whether an effect of unknown outcome happened is said by a person, and by nobody who comes late.
        let is_unknown = matches!(self.effect(&key), Some(EffectState::Unknown(_)));
        if !self.is_known(&key) && !is_unknown {
            let Speaker { task, token, holder } = self.speaker;
            let recorded = StepRecorded { task: task.task, token, holder, key, value, failure, unsure, cost };
            draft.event(Some(self.run.id), EventKind::StepRecorded(recorded));
        }
    }

    fn wait(self, draft: &mut Draft, key: Arc<str>, mut wait: Wait, limit: Option<Duration>) {
        if self.is_known(&key) || self.effect(&key).is_some() || self.run.holds(self.speaker.index(), &key) {
            return;
        }
        let end = limit.map(|limit| draft.at().after(limit));
        match &mut wait {
            Wait::Sleep { until } => *until = end.unwrap_or(*until),
            Wait::Signal { until, .. } | Wait::Barrier { until, .. } => *until = end,
            Wait::Budget { until, cost } => (*until, *cost) = (end, cost.bounded()),
            Wait::Approval { until, number, .. } => {
                *until = end;
                *number = self.record().map_or(0, |record| record.approvals).saturating_add(1);
            }
        }
        let Speaker { task, token, holder } = self.speaker;
        draft.event(Some(self.run.id), EventKind::WaitBegun(WaitBegun { task: task.task, token, holder, key, wait }));
    }

    fn withdraw(self, draft: &mut Draft, keys: &[Arc<str>]) {
        let Some(record) = self.record() else { return };
        let children: Vec<TaskIndex> = keys.iter().filter_map(|key| record.children.get(key)).copied().collect();
        let is_open = |key: &&Arc<str>| record.waits.contains_key(*key) || self.run.holds(self.speaker.index(), key);
        let waits: Vec<Arc<str>> = keys.iter().filter(is_open).cloned().collect();
        // First, so that what the end of the children leaves of the budget is given to nobody who wants it no more.
        if !waits.is_empty() {
            let Speaker { task, token, holder } = self.speaker;
            let withdrawn = WaitsWithdrawn { task: task.task, token, holder, keys: waits };
            draft.event(Some(self.run.id), EventKind::WaitsWithdrawn(withdrawn));
        }
        draft_cancel_some(draft, self.run, &children, "it was not needed any more");
    }

    /// Frees the instance, if there is something to wait for and nothing that the handler has not seen.
    fn park(self, draft: &mut Draft, seen: usize, gate: Option<Arc<str>>) -> Result<(), Rejected> {
        let waits = gate.is_some() || self.record().is_some_and(Record::waits_for_something);
        let entries = self.record().map_or(0, |record| record.entries.len());
        if entries != seen || !waits {
            return Err(Rejected::News(self.speaker.task));
        }
        debug_assert!(!matches!(self.task.state, TaskState::Parked { .. }), "a parked task has no holder");
        let Speaker { task, token, holder } = self.speaker;
        draft.event(Some(self.run.id), EventKind::TaskParked(TaskParked { task: task.task, token, holder, gate }));
        Ok(())
    }
}
