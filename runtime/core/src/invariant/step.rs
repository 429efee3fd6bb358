//! One step held against the state before it.

use super::effect;
use super::view::{Now, Phase, View};
use super::{Breach, Invariant};
use crate::record::EffectState;
use crate::schedule::{FiredBy, ScheduleEvent};
use crate::{
    AttemptFailed, AttemptLost, Cost, Effect, Event, EventKind, InstanceId, Ledger, LossReason, Millis, Run, RunId,
    State, Status, Step, TaskIndex, TaskRef, Then, Token,
};
use std::sync::Arc;

/// What a step breaks, before its events are applied to the state that it was decided on; empty if all is well, and then
/// nothing was allocated unless the events build upon one another.
///
/// It costs what the events cost, and where a task is handed out or accepted what it needs is looked at.
pub fn check_step(state: &State, now: Millis, step: &Step) -> Vec<Breach> {
    let mut check = Check::new(state, now);
    let last = step.events.len().saturating_sub(1);
    for (place, event) in step.events.iter().enumerate() {
        check.numbers(place as u64, event);
        check.event(event);
        if place < last || !step.effects.is_empty() {
            check.view.follow(event);
        }
    }
    step.effects.iter().for_each(|effect| effect::check(&mut check, &step.events, effect));
    check.breaches
}

/// What is wrong with what a state that was just replayed owes the world: what [`State::recover`] has said.
pub fn check_owed(state: &State, now: Millis, owed: &[Effect]) -> Vec<Breach> {
    let mut check = Check::new(state, now);
    owed.iter().for_each(|effect| effect::check(&mut check, &[], effect));
    for run in state.runs().filter(|run| run.quarantined.is_none()) {
        check.budget(run);
        for (task, key, cost) in run.ledger().into_iter().flat_map(Ledger::held) {
            if run.task(task).is_none_or(|task| task.status().is_ended()) {
                let what = format!("{cost} are reserved for {key:?}, and it has ended");
                check.breach(Invariant::BudgetsAreKept, run, task, what);
            }
        }
    }
    check.breaches
}

/// What is known while a step is looked at.
pub(super) struct Check<'a> {
    pub(super) view: View<'a>,
    pub(super) now: Millis,
    breaches: Vec<Breach>,
}

impl<'a> Check<'a> {
    fn new(state: &'a State, now: Millis) -> Self {
        Self { view: View::new(state), now: now.max(state.at()), breaches: Vec::new() }
    }

    pub(super) fn run_breach(&mut self, invariant: Invariant, run: RunId, what: impl Into<String>) {
        self.breaches.push(Breach::of_run(invariant, run, what));
    }

    pub(super) fn breach(&mut self, invariant: Invariant, run: &Run, task: TaskIndex, what: impl Into<String>) {
        self.breaches.push(Breach::of_task(invariant, TaskRef { run: run.id, task }, what));
    }

    fn numbers(&mut self, place: u64, event: &Event) {
        let expected = self.view.state.seq().saturating_add(1 + place);
        if event.seq != expected {
            let what = format!("event {} stands in the place of event {expected}", event.seq);
            self.breaches.push(Breach { run: event.run, ..Breach::new(Invariant::OneHistory, what) });
        }
        if event.at < self.view.state.at() {
            let what = format!("{} is dated before the event that precedes it", event.kind.name());
            self.breaches.push(Breach { run: event.run, ..Breach::new(Invariant::OneHistory, what) });
        }
        if event.at > self.now {
            let late = event.at.since(self.now);
            let what = format!("{} is dated {late:?} ahead of the clock", event.kind.name());
            self.breaches.push(Breach { run: event.run, ..Breach::new(Invariant::TimersNeverEarly, what) });
        }
    }

    fn event(&mut self, event: &'a Event) {
        match (&event.kind, event.run) {
            (EventKind::Schedule(what), _) => self.schedule(what),
            (EventKind::RunsArchived(it), _) => {
                for &id in &it.runs {
                    if self.view.run(id).is_none_or(|run| run.ended.is_none()) {
                        self.run_breach(Invariant::NothingAcknowledgedIsLost, id, "an open run was archived");
                    }
                }
            }
            (EventKind::PagesForgotten(it), _) => {
                if it.kept == 0 {
                    let what = "the newest page of the archive was forgotten";
                    self.breaches.push(Breach::new(Invariant::NothingAcknowledgedIsLost, what));
                }
            }
            (EventKind::RunSubmitted(it), Some(id)) => {
                if self.view.run(id).is_some() {
                    self.run_breach(Invariant::OneHistory, id, "it was submitted twice");
                }
                self.has_room(id, it.graph.tasks.len());
            }
            (EventKind::RunRestored(_), Some(id)) => {
                if self.view.run(id).is_some() {
                    self.run_breach(Invariant::OneHistory, id, "it was restored while it was in memory");
                }
            }
            (_, Some(id)) if self.view.is_fresh(id) => {} // nothing of it is known here
            (kind, Some(id)) => match self.view.run(id) {
                Some(run) => self.of_run(run, event.at, kind),
                None => self.run_breach(Invariant::OneHistory, id, format!("{} of no run", kind.name())),
            },
            (kind, None) => {
                let what = format!("{} names no run", kind.name());
                self.breaches.push(Breach::new(Invariant::OneHistory, what));
            }
        }
    }

    fn has_room(&mut self, run: RunId, more: usize) {
        let (live, limit) = (self.view.state.live_tasks(), self.view.state.limits.live_tasks_max);
        if live.saturating_add(more) > limit {
            let what = format!("{more} tasks were added to {live}, more than the limit of {limit}");
            self.run_breach(Invariant::ContractsAreKept, run, what);
        }
    }

    fn of_run(&mut self, run: &'a Run, at: Millis, kind: &'a EventKind) {
        let goes_on = matches!(kind, EventKind::TaskResumed(_) | EventKind::UndoBegun(_) | EventKind::EffectDecided(_));
        if run.quarantined.is_some() || (!goes_on && (run.ended.is_some() || self.view.is_over(run.id))) {
            self.run_breach(Invariant::OneHistory, run.id, format!("{} after its end", kind.name()));
        }
        self.budget(run);
        match kind {
            EventKind::TaskAccepted(it) => {
                self.takes_up(run, it.task, it.token, "accepted");
                if run.paused.is_some() {
                    self.breach(Invariant::ContractsAreKept, run, it.task, "it was accepted in a paused run");
                }
            }
            EventKind::TaskCompleted(it) => {
                let Some(now) = self.view.task(run, it.task) else { return self.no_task(run, it.task) };
                if now.phase == Phase::Completed {
                    self.breach(Invariant::OneAcceptedResult, run, it.task, "it has a result and was given another");
                } else if now.phase == Phase::Running {
                    self.held(run, it.task, it.token, &it.holder, "a result");
                } else {
                    self.takes_up(run, it.task, it.token, "completed");
                }
            }
            EventKind::AttemptFailed(it) => self.failed(run, at, it),
            EventKind::AttemptLost(it) => self.lost(run, it),
            EventKind::TasksSkipped(it) => self.skipped(run, &it.tasks, it.cause),
            EventKind::TasksCancelled(it) => {
                for &task in &it.tasks {
                    if self.view.task(run, task).is_none_or(|now| now.phase.is_ended()) {
                        self.breach(Invariant::OneHistory, run, task, "it had ended and was cancelled");
                    }
                }
            }
            EventKind::RunEnded(_) if self.view.open(run) != 0 => {
                let what = format!("it ended with {} open tasks", self.view.open(run));
                self.run_breach(Invariant::OneHistory, run.id, what);
            }
            EventKind::TaskResumed(it) => self.resumed(run, it.task, it.token, &it.reopened),
            EventKind::TaskFailed(it) => {
                let now = self.view.task(run, it.task);
                if now.is_none_or(|now| now.phase.is_ended() || now.phase == Phase::Running) {
                    self.breach(Invariant::OneHistory, run, it.task, "it was failed while it ran or after its end");
                }
            }
            _ => self.of_record(run, at, kind),
        }
    }

    /// What is spent and reserved passes no limit but by what calls have cost beyond their own reservations.
    fn budget(&mut self, run: &'a Run) {
        let Some(ledger) = run.ledger() else { return };
        let used = ledger.used().above(ledger.overshoot);
        if !ledger.limit.has_room(Cost::NONE, used) {
            let what = format!("{used} are spent or reserved of {}", ledger.limit);
            self.run_breach(Invariant::BudgetsAreKept, run.id, what);
        }
    }

    /// What a handler notes, and what comes to it.
    fn of_record(&mut self, run: &'a Run, at: Millis, kind: &'a EventKind) {
        match kind {
            EventKind::StepRecorded(it) => {
                self.held(run, it.task, it.token, &it.holder, "a step");
                self.once(run, it.task, &it.key, "recorded");
                if it.cost.is_some() && !run.holds(it.task, &it.key) {
                    let what = format!("{:?} says what it cost, and nothing is reserved for it", it.key);
                    self.breach(Invariant::BudgetsAreKept, run, it.task, what);
                }
                if matches!(effect_of(run, it.task, &it.key), Some(EffectState::Unknown(_))) {
                    let what = format!("{:?} is for a person to decide and was recorded", it.key);
                    self.breach(Invariant::ContractsAreKept, run, it.task, what);
                }
            }
            EventKind::ChildrenSubmitted(it) => {
                self.held(run, it.task, it.token, &it.holder, "children");
                self.has_room(run.id, it.children.len());
                let depth = run.task(it.task).map_or(0, crate::Task::depth).saturating_add(1);
                if depth > self.view.state.limits.depth_max {
                    self.breach(Invariant::ContractsAreKept, run, it.task, format!("its children stand {depth} deep"));
                }
                for child in &it.children {
                    self.once(run, it.task, &child.key, "submitted");
                    let there = run.record(it.task).and_then(|record| record.children.get(&child.key));
                    if there.and_then(|child| self.view.task(run, *child)).is_some_and(|now| now.phase != Phase::Spoilt)
                    {
                        let what = format!("{:?} has a child and was given another", child.key);
                        self.breach(Invariant::RecordedStepsRunOnce, run, it.task, what);
                    }
                }
            }
            EventKind::EffectBegun(it) => {
                self.held(run, it.task, it.token, &it.holder, "an effect");
                self.once(run, it.task, &it.key, "begun");
                if effect_of(run, it.task, &it.key).is_some_and(|state| *state != EffectState::NotDone) {
                    self.breach(Invariant::ContractsAreKept, run, it.task, format!("{:?} was begun twice", it.key));
                }
            }
            EventKind::EffectUnknown(it) => {
                self.held(run, it.task, it.token, &it.holder, "an effect");
                if effect_of(run, it.task, &it.key) != Some(&EffectState::Begun) {
                    let what = format!("{:?} is unknown and was not under way", it.key);
                    self.breach(Invariant::ContractsAreKept, run, it.task, what);
                }
            }
            EventKind::EffectDecided(it) => {
                let runs = run.task(it.task).is_some_and(|task| task.status() == Status::Running);
                let may = match effect_of(run, it.task, &it.key) {
                    Some(EffectState::Unknown(_)) => true,
                    Some(EffectState::Begun) => !runs,
                    _ => false,
                };
                if !may {
                    let what = format!("{:?} was decided and nobody had to", it.key);
                    self.breach(Invariant::ContractsAreKept, run, it.task, what);
                }
            }
            EventKind::WaitBegun(it) => {
                self.held(run, it.task, it.token, &it.holder, "a wait");
                self.once(run, it.task, &it.key, "waited for");
            }
            EventKind::WaitElapsed(it) => {
                match run.record(it.task).and_then(|record| record.waits.get(&it.key)).map(crate::Wait::until) {
                    Some(Some(until)) if until <= at && until <= self.now => {}
                    Some(Some(until)) => {
                        let what = format!("the wait {:?} ended {:?} early", it.key, until.since(at.min(self.now)));
                        self.breach(Invariant::TimersNeverEarly, run, it.task, what);
                    }
                    Some(None) => {
                        let what = format!("the wait {:?} has no end and ended by time", it.key);
                        self.breach(Invariant::TimersNeverEarly, run, it.task, what);
                    }
                    None => {
                        self.breach(Invariant::OneHistory, run, it.task, format!("no wait {:?} could end", it.key));
                    }
                }
            }
            EventKind::WaitsWithdrawn(it) => self.held(run, it.task, it.token, &it.holder, "a withdrawal"),
            EventKind::TaskProgressed(it) => self.held(run, it.task, it.token, &it.holder, "progress"),
            EventKind::TaskParked(it) => {
                self.held(run, it.task, it.token, &it.holder, "a wish to be parked");
                let is_unknown = |state: &EffectState| matches!(state, EffectState::Unknown(_));
                let waits = run.record(it.task).is_some_and(|record| {
                    let unknown = record.effects.values().any(|effect| is_unknown(&effect.state));
                    !record.waits.is_empty() || record.open_children > 0 || unknown
                });
                if !waits && it.gate.is_none() {
                    self.breach(Invariant::EveryRunEnds, run, it.task, "it was parked and waits for nothing");
                }
            }
            EventKind::SignalReceived(it) if run.signals().has_seen(&it.id) => {
                self.run_breach(Invariant::OneHistory, run.id, format!("the signal {} counted twice", it.id));
            }
            EventKind::ApprovalAnswered(it) if run.signals().has_seen(&it.id) => {
                self.run_breach(Invariant::OneHistory, run.id, format!("the answer {} counted twice", it.id));
            }
            EventKind::BudgetToppedUp(it) if run.ledger().is_none_or(|ledger| ledger.has_seen(&it.id)) => {
                self.run_breach(Invariant::OneHistory, run.id, format!("the top-up {} counted twice", it.id));
            }
            EventKind::WallTimeSpent(_) => {
                let due = run.ledger().and_then(|ledger| ledger.wall_due(run.submitted_at));
                if due.is_none_or(|due| due > at.min(self.now)) {
                    self.run_breach(Invariant::TimersNeverEarly, run.id, "the time of its budget was spent early");
                }
            }
            EventKind::UndoBegun(it) => {
                for undo in &it.undos {
                    let effect = run.record(undo.of).and_then(|record| record.effects.get(&undo.key));
                    if effect.is_none_or(|effect| effect.undone || effect.state == EffectState::NotDone) {
                        let what = format!("{:?} was undone twice, or had not happened", undo.key);
                        self.breach(Invariant::ContractsAreKept, run, undo.of, what);
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn no_task(&mut self, run: &Run, task: TaskIndex) {
        self.breach(Invariant::OneHistory, run, task, "there is no such task");
    }

    /// Somebody works on a task that nobody held.
    fn takes_up(&mut self, run: &'a Run, task: TaskIndex, token: Token, verb: &str) {
        let Some(now) = self.view.task(run, task) else { return self.no_task(run, task) };
        match now.phase {
            Phase::Ready(_) if now.token == token => {}
            phase => {
                let what = format!("it was {verb} with token {token} while it was {phase:?} with {}", now.token);
                self.breach(Invariant::FencedWritesHaveNoEffect, run, task, what);
            }
        }
        self.needs_are_there(run, task, verb);
    }

    /// Everything that a task needs has completed.
    pub(super) fn needs_are_there(&mut self, run: &'a Run, task: TaskIndex, verb: &str) {
        let completed =
            |need: &&TaskIndex| self.view.task(run, **need).is_some_and(|now| now.phase == Phase::Completed);
        if let Some(&need) = run.needs(task).iter().find(|need| !completed(need)) {
            let what = format!("it was {verb} before task {need}, which it needs, had completed");
            self.breach(Invariant::DependenciesFirst, run, task, what);
        }
    }

    /// What is said of a task is said by its holder.
    fn held(&mut self, run: &'a Run, task: TaskIndex, token: Token, holder: &InstanceId, said: &str) {
        let Some(now) = self.view.task(run, task) else { return self.no_task(run, task) };
        if now.phase != Phase::Running || now.token != token || now.holder != Some(holder) {
            self.breach(Invariant::FencedWritesHaveNoEffect, run, task, not_held(now, token, holder, said));
        }
    }

    /// What ends an attempt is said by the holder, or of a task that nobody holds.
    fn ends_attempt(&mut self, run: &'a Run, task: TaskIndex, token: Token, holder: Option<&InstanceId>, said: &str) {
        let Some(now) = self.view.task(run, task) else { return self.no_task(run, task) };
        let may = match now.phase {
            Phase::Running => now.holder == holder,
            Phase::Ready(_) => true,
            _ => false,
        };
        if !may || now.token != token {
            let nobody = InstanceId::new("-", "-");
            let what = not_held(now, token, holder.unwrap_or(&nobody), said);
            self.breach(Invariant::FencedWritesHaveNoEffect, run, task, what);
        }
    }

    fn failed(&mut self, run: &'a Run, at: Millis, it: &'a AttemptFailed) {
        self.ends_attempt(run, it.task, it.token, it.holder.as_ref(), "a failure");
        let Some(task) = run.task(it.task) else { return };
        let retry = task.spec.retry.unwrap_or(self.view.state.limits.retry);
        let tried = it.token.attempt.saturating_sub(task.first_attempt);
        let is_spent = tried >= retry.retries || !it.failure.class.is_retryable();
        let Then::Again(again) = it.then else {
            if !is_spent {
                let what = format!(
                    "it comes to {:?} with {tried} of {} retries and {}",
                    it.then, retry.retries, it.failure.class
                );
                self.breach(Invariant::ContractsAreKept, run, it.task, what);
            }
            return;
        };
        if is_spent {
            let what = format!("it is tried again after retry {tried} of {} and {}", retry.retries, it.failure.class);
            self.breach(Invariant::ContractsAreKept, run, it.task, what);
        }
        let asked = std::time::Duration::from_millis(it.failure.retry_after_ms.unwrap_or(0));
        if again < at.after(asked) {
            self.breach(
                Invariant::TimersNeverEarly,
                run,
                it.task,
                "it is tried again before the time that was asked for",
            );
        }
    }

    fn lost(&mut self, run: &'a Run, it: &'a AttemptLost) {
        self.ends_attempt(run, it.task, it.token, Some(&it.holder), "a loss");
        let Some(task) = run.task(it.task) else { return };
        let limit = task.spec.losses_max.unwrap_or(self.view.state.limits.losses_max);
        let (more, is_last) = (it.reason != LossReason::Released && task.losses >= limit, it.then == Then::Dead);
        if more != is_last {
            let what = format!("after {} losses of at most {limit} it comes to {:?}", task.losses, it.then);
            self.breach(Invariant::ContractsAreKept, run, it.task, what);
        }
    }

    fn skipped(&mut self, run: &'a Run, tasks: &[TaskIndex], cause: TaskIndex) {
        let spoilt =
            |check: &Self, task: TaskIndex| check.view.task(run, task).is_some_and(|now| now.phase == Phase::Spoilt);
        if !spoilt(self, cause) {
            self.breach(
                Invariant::OneHistory,
                run,
                cause,
                "others are skipped because of it, and it is not without a result",
            );
        }
        for &task in tasks {
            let now = self.view.task(run, task);
            if !now.is_some_and(|now| matches!(now.phase, Phase::Blocked | Phase::Added)) {
                self.breach(Invariant::OneHistory, run, task, "it waited for no task and was skipped");
                continue;
            }
            let needs = run.needs(task);
            let doomed = |need: &TaskIndex| tasks.binary_search(need).is_ok() || spoilt(self, *need);
            if task.at() < run.tasks.len() && !needs.iter().any(doomed) {
                self.breach(Invariant::EveryRunEnds, run, task, "it could have run and was skipped");
            }
        }
    }

    fn resumed(&mut self, run: &'a Run, task: TaskIndex, token: Token, reopened: &[TaskIndex]) {
        let Some(now) = self.view.task(run, task) else { return self.no_task(run, task) };
        if now.phase == Phase::Completed {
            self.breach(Invariant::OneAcceptedResult, run, task, "it has a result and was given another life");
        } else if now.phase != Phase::Spoilt {
            self.breach(Invariant::OneHistory, run, task, "it has not ended and was given another life");
        }
        if token <= now.token {
            let what = format!("its token went from {} to {token}", now.token);
            self.breach(Invariant::FencedWritesHaveNoEffect, run, task, what);
        }
        for &task in reopened {
            if self.view.task(run, task).is_none_or(|now| now.phase != Phase::Spoilt) {
                self.breach(Invariant::OneAcceptedResult, run, task, "it was not skipped and was opened again");
            }
        }
    }

    /// A call comes to something once.
    fn once(&mut self, run: &Run, task: TaskIndex, key: &Arc<str>, verb: &str) {
        let known = run.record(task).is_some_and(|record| record.is_settled(key) || record.waits.contains_key(key));
        if known || self.view.has_recorded(TaskRef { run: run.id, task }, key) {
            self.breach(Invariant::RecordedStepsRunOnce, run, task, format!("{key:?} was {verb} again"));
        }
    }

    fn schedule(&mut self, what: &ScheduleEvent) {
        let (name, due) = match what {
            ScheduleEvent::Fired(it) if it.by == FiredBy::Hand => return,
            ScheduleEvent::Fired(it) => (&it.name, it.due),
            ScheduleEvent::Queued(it) => (&it.name, it.due),
            ScheduleEvent::Skipped(it) => (&it.name, it.last),
            _ => return,
        };
        if due > self.now {
            let what = format!("the schedule {name:?} came {:?} early", due.since(self.now));
            self.breaches.push(Breach::new(Invariant::TimersNeverEarly, what));
        }
        let Some(schedule) = self.view.state.schedules().get(name) else {
            let what = format!("the schedule {name:?} is not there and came due");
            return self.breaches.push(Breach::new(Invariant::OneHistory, what));
        };
        let is_before = match what {
            ScheduleEvent::Fired(it) if it.by == FiredBy::Queue => schedule.queued != Some(due),
            _ => schedule.next.is_none_or(|next| due < next),
        };
        if is_before {
            let what = format!("the schedule {name:?} dealt with a moment twice");
            self.breaches.push(Breach::new(Invariant::OneHistory, what));
        }
    }
}

fn effect_of<'a>(run: &'a Run, task: TaskIndex, key: &Arc<str>) -> Option<&'a EffectState> {
    Some(&run.record(task)?.effects.get(key)?.state)
}

fn not_held(now: Now<'_>, token: Token, holder: &InstanceId, said: &str) -> String {
    let (phase, held) = (now.phase, now.token);
    match now.holder {
        Some(by) => format!("{said} of {holder} with token {token} counted while {by} held it with {held}"),
        None => format!("{said} of {holder} with token {token} counted while it was {phase:?} with {held}"),
    }
}
