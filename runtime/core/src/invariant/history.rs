//! A whole journal held against the promises, by a fold of its own.

use super::past::{At, EffectAt, Past, PastTask};
use super::{Breach, Invariant};
use crate::record::Decision;
use crate::schedule::{FiredBy, ScheduleEvent};
use crate::{
    AttemptFailed, AttemptLost, Event, EventKind, InstanceId, Json, LossReason, Millis, Payload, RunEnded, RunId,
    RunOutcome, RunRestored, StepRecorded, TaskCompleted, TaskIndex, TaskRef, TaskResumed, TasksSkipped, Then, Token,
    Wait, WaitElapsed,
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that is wrong with the events of a partition, in order and from the first.
pub fn check_history<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Breach> {
    let mut history = History::new();
    events.into_iter().for_each(|event| history.follow(event));
    history.breaches
}

/// What the events of one partition come to, folded without a [`State`](crate::State): an oracle for whoever has them.
///
/// The calls: [`follow`](Self::follow) each event in order; then ask. What is asked of is what is durable, so whatever was
/// acknowledged is to be found here, and whatever was reported as failed is not.
#[derive(Clone, Debug, Default)]
pub struct History {
    runs: BTreeMap<RunId, Past>,
    /// Pages of the archive that were written, forgotten ones included.
    pages: u64,
    seq: u64,
    at: Millis,
    /// Whether events may be missing between those that are there, as in a snapshot.
    is_sparse: bool,
    breaches: Vec<Breach>,
}

impl History {
    /// Of a journal that is there from its first event on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of a snapshot's lines, run by run: numbers only grow within a run. Continue with
    /// [`continued`](Self::continued).
    pub fn of_snapshot() -> Self {
        Self { is_sparse: true, ..Self::default() }
    }

    /// The same, behind a snapshot that held everything up to event `seq`, which was dated `at`.
    #[must_use]
    pub fn continued(self, seq: u64, at: Millis) -> Self {
        Self { seq, at, is_sparse: false, ..self }
    }

    /// What is wrong so far.
    pub fn breaches(&self) -> &[Breach] {
        &self.breaches
    }

    /// The number of the last event.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether a run was submitted and is not forgotten.
    pub fn has_run(&self, run: RunId) -> bool {
        self.runs.contains_key(&run)
    }

    /// The runs that have not ended: none, once nothing fails any more and all have had time.
    pub fn open(&self) -> impl Iterator<Item = RunId> {
        self.runs.iter().filter(|(_, run)| run.ended.is_none()).map(|(id, _)| *id)
    }

    /// How a run ended, if it has.
    pub fn outcome(&self, run: RunId) -> Option<RunOutcome> {
        self.runs.get(&run)?.ended
    }

    /// The result of a task, if it has one.
    pub fn result(&self, task: TaskRef) -> Option<&Payload> {
        match &self.task(task)?.at {
            At::Completed(output) => Some(output),
            _ => None,
        }
    }

    /// Whether a call of a handler has a recorded value.
    pub fn has_value(&self, task: TaskRef, key: &str) -> bool {
        self.task(task).is_some_and(|task| task.values.contains(key))
    }

    /// Whether a run has received a signal or an answer.
    pub fn has_received(&self, run: RunId, id: uuid::Uuid) -> bool {
        self.runs.get(&run).is_some_and(|run| run.received.contains(&id))
    }

    /// The tasks of a run that somebody holds.
    pub fn held(&self, run: RunId) -> impl Iterator<Item = TaskIndex> {
        let tasks = self.runs.get(&run).into_iter().flat_map(|run| &run.tasks);
        (0..).map(TaskIndex).zip(tasks).filter(|(_, task)| matches!(task.at, At::Held(_))).map(|(index, _)| index)
    }

    fn task(&self, task: TaskRef) -> Option<&PastTask> {
        self.runs.get(&task.run)?.task(task.task)
    }

    /// Takes the next event, and notes what is wrong with it.
    pub fn follow(&mut self, event: &Event) {
        if !self.is_sparse && (event.seq != self.seq + 1 || event.at < self.at) {
            let what = format!("event {} of {} follows event {} of {}", event.seq, event.at.0, self.seq, self.at.0);
            self.breach(Breach { run: event.run, ..Breach::new(Invariant::OneHistory, what) });
        }
        (self.seq, self.at) = (event.seq, event.at.max(self.at));
        match (&event.kind, event.run) {
            (EventKind::Schedule(what), _) => self.schedule(event.at, what),
            (EventKind::RunsArchived(it), _) => {
                self.pages += 1;
                it.runs.iter().for_each(|run| self.archive(*run));
            }
            (EventKind::PagesForgotten(it), _) => self.forget(it.kept),
            (EventKind::RunSubmitted(it), Some(id)) => {
                if self.runs.insert(id, Past::submitted(&it.graph, event.at)).is_some() {
                    self.breach(Breach::of_run(Invariant::OneHistory, id, "it was submitted twice"));
                }
            }
            (EventKind::RunRestored(it), Some(id)) => self.restore(id, it),
            (_, None) => self.breach(Breach::new(Invariant::OneHistory, format!("{} of no run", event.kind.name()))),
            (kind, Some(id)) => {
                let Some(past) = self.runs.get_mut(&id) else {
                    return self.breach(Breach::of_run(
                        Invariant::OneHistory,
                        id,
                        format!("{} of no run", kind.name()),
                    ));
                };
                let mut follower = Follower { id, past, at: event.at, breaches: &mut self.breaches };
                follower.follow(kind);
            }
        }
    }

    fn breach(&mut self, breach: Breach) {
        self.breaches.push(breach);
    }

    fn archive(&mut self, id: RunId) {
        let what = match self.runs.get_mut(&id) {
            Some(past) if past.ended.is_some() && past.page.is_none() => return past.page = Some(self.pages),
            Some(past) if past.page.is_some() => "it was archived twice",
            _ => "an open run was archived",
        };
        self.breach(Breach::of_run(Invariant::NothingAcknowledgedIsLost, id, what));
    }

    /// A run is on the page that it was put on last, and whoever was on one that is forgotten may be submitted again.
    fn forget(&mut self, kept: u64) {
        if kept == 0 {
            let what = "the newest page of the archive was forgotten";
            self.breach(Breach::new(Invariant::NothingAcknowledgedIsLost, what));
        }
        let forgotten = self.pages.saturating_sub(kept);
        self.runs.retain(|_, past| past.page.is_none_or(|page| page > forgotten));
    }

    fn restore(&mut self, id: RunId, it: &RunRestored) {
        match self.runs.get_mut(&id) {
            Some(past) if past.ended.is_some() => past.page = None,
            Some(_) => self.breach(Breach::of_run(Invariant::OneHistory, id, "it was restored while it was open")),
            None => {
                let mut whole = Self::of_snapshot();
                let lines: Vec<&RawValue> = serde_json::from_str(Json::as_str(&it.events)).unwrap_or_default();
                for line in lines {
                    match Event::decode(line.get().as_bytes()) {
                        Ok(event) => whole.follow(&event),
                        Err(error) => self.breach(Breach::of_run(Invariant::OneHistory, id, error.to_string())),
                    }
                }
                self.breaches.append(&mut whole.breaches);
                self.runs.extend(whole.runs.remove(&id).map(|past| (id, past)));
            }
        }
    }

    fn schedule(&mut self, at: Millis, what: &ScheduleEvent) {
        let (name, due) = match what {
            ScheduleEvent::Fired(it) if it.by != FiredBy::Hand => (&it.name, it.due),
            ScheduleEvent::Queued(it) => (&it.name, it.due),
            ScheduleEvent::Skipped(it) => (&it.name, it.last),
            _ => return,
        };
        if due > at {
            let what = format!("the schedule {name:?} came {:?} early", due.since(at));
            self.breach(Breach::new(Invariant::TimersNeverEarly, what));
        }
    }
}

/// One event of one run.
struct Follower<'a> {
    id: RunId,
    past: &'a mut Past,
    at: Millis,
    breaches: &'a mut Vec<Breach>,
}

impl Follower<'_> {
    fn run_breach(&mut self, invariant: Invariant, what: impl Into<String>) {
        self.breaches.push(Breach::of_run(invariant, self.id, what));
    }

    fn breach(&mut self, invariant: Invariant, task: TaskIndex, what: impl Into<String>) {
        self.breaches.push(Breach::of_task(invariant, TaskRef { run: self.id, task }, what));
    }

    /// Notes a breach unless `holds`.
    fn hold(&mut self, holds: bool, invariant: Invariant, task: TaskIndex, what: &str) {
        if !holds {
            self.breach(invariant, task, what);
        }
    }

    fn follow(&mut self, kind: &EventKind) {
        let reopens = matches!(kind, EventKind::TaskResumed(_) | EventKind::UndoBegun(_) | EventKind::EffectDecided(_));
        if self.past.page.is_some() || (self.past.ended.is_some() && !reopens) {
            self.run_breach(Invariant::OneHistory, format!("{} after its end", kind.name()));
        }
        match kind {
            EventKind::TaskAccepted(it) => {
                self.takes_up(it.task, it.token);
                self.change(it.task, |task| task.at = At::Held(it.holder.clone()));
                self.past.purse.taken(it.task);
            }
            EventKind::TaskCompleted(it) => self.completed(it),
            EventKind::AttemptFailed(it) => self.failed(it),
            EventKind::AttemptLost(it) => self.lost(it),
            EventKind::TasksSkipped(it) => self.skipped(it),
            EventKind::TasksCancelled(it) => it.tasks.iter().for_each(|&task| {
                let open = self.past.task(task).is_some_and(|task| !task.is_ended());
                self.hold(open, Invariant::OneHistory, task, "it had ended and was cancelled");
                self.end(task, At::Spoilt { skipped: false });
            }),
            EventKind::RunEnded(it) => self.ended(it),
            EventKind::TaskResumed(it) => self.resumed(it),
            EventKind::TaskFailed(it) => {
                let is_free = self.past.task(it.task).is_some_and(|task| task.at == At::Open);
                self.hold(is_free, Invariant::OneHistory, it.task, "it was failed while it was held or after its end");
                self.end(it.task, At::Spoilt { skipped: false });
            }
            _ => self.follow_record(kind),
        }
        self.past.let_go();
        let excess = self.past.purse.excess();
        if !excess.is_none() {
            self.run_breach(Invariant::BudgetsAreKept, format!("it has used {excess} more than its budget"));
        }
    }

    fn follow_record(&mut self, kind: &EventKind) {
        match kind {
            EventKind::StepRecorded(it) => self.step(it),
            EventKind::ChildrenSubmitted(it) => {
                self.held(it.task, it.token, &it.holder, "children");
                for child in &it.children {
                    self.once(it.task, &child.key, "submitted");
                    let there = self.past.task(it.task).and_then(|task| task.children.get(&child.key)).copied();
                    let is_spoilt = there.is_none_or(|there| self.past.is_spoilt(there));
                    self.hold(is_spoilt, Invariant::RecordedStepsRunOnce, it.task, "a call has two children");
                }
                self.past.adopt(it);
            }
            EventKind::EffectBegun(it) => {
                self.held(it.task, it.token, &it.holder, "an effect");
                self.once(it.task, &it.key, "begun");
                self.effect(it.task, &it.key, &[EffectAt::NotDone], true, EffectAt::Begun);
            }
            EventKind::EffectUnknown(it) => {
                self.held(it.task, it.token, &it.holder, "an effect");
                self.effect(it.task, &it.key, &[EffectAt::Begun], false, EffectAt::Unknown);
            }
            EventKind::EffectDecided(it) => {
                let to = match it.decision {
                    Decision::Happened(_) => EffectAt::Done,
                    Decision::DidNotHappen => EffectAt::NotDone,
                };
                self.effect(it.task, &it.key, &[EffectAt::Begun, EffectAt::Unknown], false, to);
                if to == EffectAt::Done {
                    self.change(it.task, |task| task.values.extend([it.key.clone()]));
                }
            }
            EventKind::WaitBegun(it) => {
                self.held(it.task, it.token, &it.holder, "a wait");
                self.once(it.task, &it.key, "waited for");
                let waits = self.past.task(it.task).is_some_and(|task| task.waits.contains_key(&it.key));
                self.hold(!waits, Invariant::RecordedStepsRunOnce, it.task, "a call waits twice");
                self.change(it.task, |task| task.waits.extend([(it.key.clone(), it.wait.clone())]));
                if let Wait::Budget { cost, .. } = &it.wait {
                    self.past.purse.wants((it.task, it.key.clone()), *cost);
                }
            }
            EventKind::WaitElapsed(it) => self.elapsed(it),
            EventKind::WaitsWithdrawn(it) => {
                self.held(it.task, it.token, &it.holder, "a withdrawal");
                self.change(it.task, |task| task.waits.retain(|key, _| !it.keys.contains(key)));
                for key in &it.keys {
                    self.past.purse.wants_no_more(it.task, key);
                    self.past.purse.give_up(it.task, key);
                }
            }
            EventKind::TaskProgressed(it) => self.held(it.task, it.token, &it.holder, "progress"),
            EventKind::TaskParked(it) => {
                self.held(it.task, it.token, &it.holder, "a wish to be parked");
                self.change(it.task, |task| task.again(it.token.next_activation()));
                self.past.purse.give_up_all(it.task, false);
            }
            EventKind::SignalReceived(it) => self.received(it.id),
            EventKind::ApprovalAnswered(it) => self.received(it.id),
            EventKind::UndoBegun(it) => {
                for undo in &it.undos {
                    let effect = self.past.task(undo.of).and_then(|task| task.effects.get(&undo.key)).copied();
                    let may = effect.is_some_and(|(at, undone)| !undone && at != EffectAt::NotDone);
                    self.hold(
                        may,
                        Invariant::ContractsAreKept,
                        undo.of,
                        "an effect was undone twice, or had not happened",
                    );
                }
                self.past.undo(it);
                self.past.ended = None;
            }
            EventKind::BudgetToppedUp(it) => {
                let is_counted = self.past.purse.top_up(it.id, self.at, &it.amount);
                if !is_counted {
                    self.run_breach(
                        Invariant::BudgetsAreKept,
                        "it was topped up twice, or what it has no limit of was",
                    );
                }
            }
            EventKind::WallTimeSpent(_) => self.past.purse.wall_time_spent(),
            _ => {}
        }
    }

    fn change(&mut self, index: TaskIndex, change: impl FnOnce(&mut PastTask)) {
        match self.past.tasks.get_mut(index.at()) {
            Some(task) => change(task),
            None => self.breach(Invariant::OneHistory, index, "there is no such task"),
        }
    }

    fn end(&mut self, index: TaskIndex, at: At) {
        let waits: Vec<Arc<str>> =
            self.past.task(index).map_or(Vec::new(), |task| task.waits.keys().cloned().collect());
        waits.iter().for_each(|key| self.past.purse.wants_no_more(index, key));
        self.past.purse.give_up_all(index, true);
        self.change(index, |task| task.end(at));
        self.past.tell_parent(index);
    }

    /// Somebody begins to work on a task that nobody holds.
    fn takes_up(&mut self, index: TaskIndex, token: Token) {
        let is_current = self.past.task(index).is_some_and(|task| task.at == At::Open && task.token == token);
        self.hold(
            is_current,
            Invariant::FencedWritesHaveNoEffect,
            index,
            "it was taken up with a token that is not its own",
        );
        if let Some(need) = self.past.missing(index) {
            let what = format!("it was taken up before task {need}, which it needs, had completed");
            self.breach(Invariant::DependenciesFirst, index, what);
        }
    }

    fn held(&mut self, index: TaskIndex, token: Token, holder: &InstanceId, said: &str) {
        let by = |at: &At| matches!(at, At::Held(by) if by == holder);
        if !self.past.task(index).is_some_and(|task| by(&task.at) && task.token == token) {
            let what = format!("{said} of {holder} with token {token} counted, and it did not hold it");
            self.breach(Invariant::FencedWritesHaveNoEffect, index, what);
        }
    }

    /// What ends an attempt is said by the holder, or of what nobody holds.
    fn ends(&mut self, index: TaskIndex, token: Token, holder: Option<&InstanceId>, said: &str) {
        match self.past.task(index).map(|task| &task.at) {
            Some(At::Held(by)) => {
                let holder = holder.cloned().unwrap_or_else(|| by.clone());
                self.held(index, token, &holder, said);
            }
            _ => self.takes_up(index, token),
        }
    }

    fn completed(&mut self, it: &TaskCompleted) {
        if self.past.is_completed(it.task) {
            return self.breach(Invariant::OneAcceptedResult, it.task, "it has a result and was given another");
        }
        self.ends(it.task, it.token, Some(&it.holder), "a result");
        self.end(it.task, At::Completed(it.output.clone()));
    }

    fn failed(&mut self, it: &AttemptFailed) {
        self.ends(it.task, it.token, it.holder.as_ref(), "a failure");
        let Then::Again(again) = it.then else { return self.end(it.task, At::Spoilt { skipped: false }) };
        let asked = std::time::Duration::from_millis(it.failure.retry_after_ms.unwrap_or(0));
        let in_time = again >= self.at.after(asked);
        self.hold(in_time, Invariant::TimersNeverEarly, it.task, "it is tried again before its time");
        let may = it.failure.class.is_retryable();
        self.hold(may, Invariant::ContractsAreKept, it.task, "it is tried again after what no retry mends");
        self.change(it.task, |task| task.again(it.token.next_attempt()));
        self.past.purse.give_up_all(it.task, true);
    }

    fn lost(&mut self, it: &AttemptLost) {
        self.ends(it.task, it.token, Some(&it.holder), "a loss");
        let Then::Again(_) = it.then else { return self.end(it.task, At::Spoilt { skipped: false }) };
        self.change(it.task, |task| {
            task.losses += u32::from(it.reason != LossReason::Released);
            task.again(it.token.next_activation());
        });
        self.past.purse.give_up_all(it.task, false);
    }

    fn skipped(&mut self, it: &TasksSkipped) {
        let is_spoilt = self.past.is_spoilt(it.cause);
        self.hold(
            is_spoilt,
            Invariant::OneHistory,
            it.cause,
            "others are skipped because of it, and it has not failed",
        );
        for &index in &it.tasks {
            let open = self.past.task(index).is_some_and(|task| task.at == At::Open);
            self.hold(open, Invariant::OneHistory, index, "it was held or had ended, and was skipped");
            let needs = self.past.task(index).map_or(&[][..], |task| &task.needs);
            let doomed = needs.iter().any(|need| it.tasks.contains(need) || self.past.is_spoilt(*need));
            self.hold(doomed, Invariant::EveryRunEnds, index, "it could have run and was skipped");
        }
        it.tasks.iter().for_each(|&task| self.end(task, At::Spoilt { skipped: true }));
    }

    fn ended(&mut self, it: &RunEnded) {
        let open = self.past.tasks.iter().filter(|task| !task.is_ended()).count();
        if open > 0 {
            self.run_breach(Invariant::OneHistory, format!("it ended with {open} open tasks"));
        }
        let mut own = self.past.tasks.iter().filter(|task| task.parent.is_none());
        if it.outcome == RunOutcome::Completed && !own.all(|task| matches!(task.at, At::Completed(_))) {
            self.run_breach(Invariant::OneHistory, "it is completed and not all of its tasks are");
        }
        self.past.ended = Some(it.outcome);
        self.past.purse.ended();
    }

    fn resumed(&mut self, it: &TaskResumed) {
        if self.past.is_completed(it.task) {
            return self.breach(Invariant::OneAcceptedResult, it.task, "it has a result and was given another life");
        }
        let (is_spoilt, token) = self
            .past
            .task(it.task)
            .map_or((false, Token::FIRST), |task| (task.at == At::Spoilt { skipped: false }, task.token));
        self.hold(is_spoilt, Invariant::OneHistory, it.task, "it had not ended and was given another life");
        self.hold(it.token > token, Invariant::FencedWritesHaveNoEffect, it.task, "its token did not grow");
        self.change(it.task, |task| {
            task.again(it.token);
            task.first_attempt = it.token.attempt;
            task.losses = 0;
        });
        for &index in &it.reopened {
            let skipped = self.past.task(index).is_some_and(|task| task.at == At::Spoilt { skipped: true });
            self.hold(skipped, Invariant::OneAcceptedResult, index, "it was not skipped and was opened again");
            self.change(index, |task| task.at = At::Open);
        }
        self.past.ended = None;
    }

    fn step(&mut self, it: &StepRecorded) {
        self.held(it.task, it.token, &it.holder, "a step");
        let had_room = self.past.purse.settle(it.task, &it.key, it.cost);
        self.hold(
            had_room,
            Invariant::BudgetsAreKept,
            it.task,
            "it says what a call has cost that nothing was reserved for",
        );
        self.once(it.task, &it.key, "recorded");
        let effect = self.past.task(it.task).and_then(|task| task.effects.get(&it.key)).map(|(at, _)| *at);
        let decided = effect == Some(EffectAt::Unknown);
        self.hold(!decided, Invariant::ContractsAreKept, it.task, "what is for a person to decide was recorded");
        let to = match (&it.value, it.unsure) {
            (Some(_), _) => EffectAt::Done,
            (None, true) => EffectAt::Begun,
            (None, false) => EffectAt::NotDone,
        };
        self.change(it.task, |task| {
            let _new = if it.value.is_some() {
                task.values.insert(it.key.clone())
            } else {
                task.failed.insert(it.key.clone())
            };
            if let Some(effect) = task.effects.get_mut(&it.key) {
                effect.0 = to;
            }
        });
    }

    /// A call comes to something once: a value for ever, a failure in its attempt.
    fn once(&mut self, index: TaskIndex, key: &Arc<str>, verb: &str) {
        let known = self.past.task(index).is_some_and(|task| task.values.contains(key) || task.failed.contains(key));
        if known {
            self.breach(Invariant::RecordedStepsRunOnce, index, format!("{key:?} was {verb} again"));
        }
    }

    /// Moves an effect from one of `from`, or from nothing.
    fn effect(&mut self, index: TaskIndex, key: &Arc<str>, from: &[EffectAt], may_be_new: bool, to: EffectAt) {
        let at = self.past.task(index).and_then(|task| task.effects.get(key)).copied();
        let may = at.map_or(may_be_new, |(at, _)| from.contains(&at));
        if !may {
            let what = format!("the effect {key:?} went from {:?} to {to:?}", at.map(|(at, _)| at));
            self.breach(Invariant::ContractsAreKept, index, what);
        }
        let undone = at.is_some_and(|(_, undone)| undone && !may_be_new);
        self.change(index, |task| task.effects.extend([(key.clone(), (to, undone))]));
    }

    fn elapsed(&mut self, it: &WaitElapsed) {
        self.past.purse.wants_no_more(it.task, &it.key);
        let Some(task) = self.past.tasks.get_mut(it.task.at()) else { return };
        match task.elapse(&it.key) {
            Some(Some(until)) if until <= self.at => {}
            Some(_) => self.breach(Invariant::TimersNeverEarly, it.task, format!("the wait {:?} ended early", it.key)),
            None => self.breach(Invariant::OneHistory, it.task, format!("no wait {:?} could end", it.key)),
        }
    }

    fn received(&mut self, id: uuid::Uuid) {
        if !self.past.received.insert(id) {
            self.run_breach(Invariant::OneHistory, format!("{id} counted twice"));
        }
    }
}

impl<'a> Extend<&'a Event> for History {
    fn extend<I: IntoIterator<Item = &'a Event>>(&mut self, events: I) {
        events.into_iter().for_each(|event| self.follow(event));
    }
}
