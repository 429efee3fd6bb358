//! Folds the events of handlers.

use super::signal::{Begun, Met, Waiter};
use super::{
    ApprovalAnswered, ChildrenSubmitted, Decision, Effect, EffectBegun, EffectDecided, EffectState, EffectUnknown,
    Noted, Record, SignalReceived, StepRecorded, TaskFailed, TaskParked, TaskProgressed, UndoBegun, Wait, WaitBegun,
    WaitElapsed, WaitsWithdrawn,
};
use crate::input::Input;
use crate::sabotage::{self, Sabotage};
use crate::task::{FailedAttempt, Parent};
use crate::{
    Failure, FailureClass, InstanceId, Json, Millis, Payload, Run, Status, Task, TaskIndex, TaskSpec, TaskState, Token,
};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

/// When an event happened, and its number.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) at: Millis,
    pub(crate) seq: u64,
}

impl Run {
    /// The task, if this holder has it in hand.
    fn held(&mut self, index: TaskIndex, token: Token, holder: &InstanceId) -> Option<&mut Task> {
        if sabotage::is(Sabotage::NoHolderCheck) {
            return self.tasks.get_mut(index.at()).filter(|task| !task.status().is_ended());
        }
        let task = self.tasks.get_mut(index.at()).filter(|task| task.token == token)?;
        matches!(&task.state, TaskState::Running { holder: held, .. } if held == holder).then_some(task)
    }

    /// Gives the record of a task one more entry, and wakes the task if it is parked.
    pub(crate) fn note(&mut self, index: TaskIndex, moment: Moment, key: &Arc<str>, what: Noted) {
        let Some(task) = self.tasks.get_mut(index.at()) else { return };
        let wakes = matches!(what, Noted::Value(_) | Noted::Failed(_) | Noted::NotDone | Noted::Reserved(_));
        task.record_mut().push(moment.seq, moment.at, key, what);
        let is_parked = matches!(task.state, TaskState::Parked { .. } | TaskState::Ready { gate: Some(_), .. });
        if wakes && is_parked {
            self.put(index, TaskState::ready(moment.at));
        }
        self.has_news(index);
    }

    fn has_news(&mut self, index: TaskIndex) {
        if self.news.last() != Some(&index) {
            self.news.push(index);
        }
    }

    pub(crate) fn step_recorded(&mut self, moment: Moment, event: &StepRecorded) -> Option<()> {
        let record = self.held(event.task, event.token, &event.holder)?.record_mut();
        (!record.is_settled(&event.key)).then_some(())?;
        if let Some(effect) = record.effects.get_mut(&event.key) {
            (!matches!(effect.state, EffectState::Unknown(_))).then_some(())?;
            effect.state = match (&event.value, event.unsure) {
                (Some(_), _) => EffectState::Done,
                (None, true) => EffectState::Begun,
                (None, false) => EffectState::NotDone,
            };
        }
        let what = match (&event.value, &event.failure) {
            (Some(value), None) => Noted::Value(value.clone()),
            (None, Some(failure)) => Noted::Failed(failure.clone()),
            _ => return None,
        };
        self.settle(event.task, &event.key, event.cost)?;
        self.note(event.task, moment, &event.key, what);
        Some(())
    }

    pub(crate) fn children_submitted(&mut self, moment: Moment, event: &ChildrenSubmitted) -> Option<()> {
        self.held(event.task, event.token, &event.holder)?;
        let depth = self.task(event.task)?.depth().saturating_add(1);
        let planned = self.plan_children(event).ok()?;
        for (child, (input, needs)) in event.children.iter().zip(planned) {
            let index = self.next_index()?;
            // Nobody refers to what comes behind: so nobody waits for itself.
            (needs.iter().all(|need| *need < index) && !self.has_asked(event.task, &child.key)).then_some(())?;
            let parent = Parent { task: event.task, key: child.key.clone(), depth, token: event.token };
            self.grow(moment.at, index, child.spec.clone(), input, needs, Some(parent));
            self.grown.adopt(event.task, index);
            let record = self.tasks[event.task.at()].record_mut();
            record.children.insert(child.key.clone(), index);
            record.open_children += 1;
            let what = Noted::Submitted { child: index, hash: child.hash.clone() };
            record.push(moment.seq, moment.at, &child.key, what);
        }
        self.has_news(event.task);
        Some(())
    }

    /// Whether a call has come to something in this attempt, or has a child that may still have a result or has it.
    pub(crate) fn has_asked(&self, index: TaskIndex, key: &str) -> bool {
        let Some(record) = self.record(index) else { return false };
        let child = record.children.get(key).and_then(|child| self.task(*child));
        record.is_settled(key) || child.is_some_and(|child| !child.status().is_without_result())
    }

    /// Whether a call is known: then a note of it changes nothing.
    pub(crate) fn is_known(&self, index: TaskIndex, key: &str) -> bool {
        self.has_asked(index, key) || self.record(index).is_some_and(|record| record.waits.contains_key(key))
    }

    /// The place of the next task.
    pub(crate) fn next_index(&self) -> Option<TaskIndex> {
        u32::try_from(self.tasks.len()).ok().map(TaskIndex)
    }

    fn grow(
        &mut self,
        at: Millis,
        index: TaskIndex,
        spec: Arc<TaskSpec>,
        input: Input,
        needs: Vec<TaskIndex>,
        parent: Option<Parent>,
    ) {
        let open = |need: &&TaskIndex| self.task(**need).is_some_and(|task| task.status() != Status::Completed);
        let waiting = needs.iter().filter(open).count() as u32;
        let task = Task { parent, ..Task::new(spec, waiting, at) };
        self.counts.add(task.status());
        if task.parent.is_none() {
            self.own.add(task.status());
        }
        self.grown.add(index, &task.spec.name, input, needs);
        self.tasks.push(task);
    }

    /// The inputs and needs of children that are about to be added.
    ///
    /// # Errors
    ///
    /// What is wrong with them, in words.
    pub(crate) fn plan_children(&self, event: &ChildrenSubmitted) -> Result<Vec<(Input, Vec<TaskIndex>)>, Vec<String>> {
        let first = self.tasks.len() as u32;
        let mut names: HashMap<&str, TaskIndex> = event.known.iter().map(|(alias, known)| (&**alias, *known)).collect();
        for (child, index) in event.children.iter().zip((first..).map(TaskIndex)) {
            names.extend(child.alias.as_deref().map(|alias| (alias, index)));
        }
        let child = |name: &str| name.strip_prefix('#')?.parse().ok().map(TaskIndex);
        let there = |name: &str| child(name).filter(|child| child.0 < first);
        let known = |name: &str| names.get(name).or_else(|| event.known.get(name)).copied();
        let lookup = |name: &str| known(name).or_else(|| there(name)).or_else(|| self.find(name));
        let mut faults = Vec::new();
        let planned = event.children.iter().map(|child| {
            let compiled = Input::compile(&child.spec.input, &lookup);
            faults.extend(compiled.faults.into_iter().map(|fault| fault.in_words(&child.spec.name)));
            let mut needs: Vec<TaskIndex> = compiled.input.references().collect();
            for name in &child.spec.after {
                match lookup(name) {
                    Some(need) => needs.push(need),
                    None => faults
                        .push(format!("{:?} is to come after {name:?}, which is no task of this run", child.spec.name)),
                }
            }
            needs.sort_unstable();
            needs.dedup();
            (compiled.input, needs)
        });
        let planned: Vec<_> = planned.collect();
        if faults.is_empty() { Ok(planned) } else { Err(faults) }
    }

    pub(crate) fn effect_begun(&mut self, moment: Moment, event: &EffectBegun) -> Option<()> {
        let record = self.held(event.task, event.token, &event.holder)?.record_mut();
        let state = record.effects.get(&event.key).map(|effect| &effect.state);
        (matches!(state, None | Some(EffectState::NotDone)) && !record.is_settled(&event.key)).then_some(())?;
        let fresh = Effect {
            contract: event.contract,
            seq: moment.seq,
            at: moment.at,
            undo: event.undo.clone(),
            undone: false,
            state: EffectState::Begun,
        };
        record.effects.insert(event.key.clone(), fresh);
        let begun = match event.since {
            None => Noted::Begun(event.contract),
            Some(since) => Noted::BegunBehind(event.contract, since),
        };
        self.note(event.task, moment, &event.key, begun);
        Some(())
    }

    pub(crate) fn effect_unknown(&mut self, moment: Moment, event: &EffectUnknown) -> Option<()> {
        let record = self.held(event.task, event.token, &event.holder)?.record_mut();
        let effect = record.effects.get_mut(&event.key)?;
        matches!(effect.state, EffectState::Begun).then_some(())?;
        effect.state = EffectState::Unknown(event.reason.clone());
        self.note(event.task, moment, &event.key, Noted::Unknown);
        Some(())
    }

    pub(crate) fn effect_decided(&mut self, moment: Moment, event: &EffectDecided) -> Option<()> {
        let record = self.tasks.get_mut(event.task.at())?.record.as_deref_mut()?;
        let effect = record.effects.get_mut(&event.key)?;
        matches!(effect.state, EffectState::Begun | EffectState::Unknown(_)).then_some(())?;
        let (state, what) = match &event.decision {
            Decision::Happened(value) => (EffectState::Done, Noted::Value(value.clone())),
            Decision::DidNotHappen => (EffectState::NotDone, Noted::NotDone),
        };
        effect.state = state;
        self.note(event.task, moment, &event.key, what);
        Some(())
    }

    pub(crate) fn wait_begun(&mut self, moment: Moment, event: &WaitBegun) -> Option<()> {
        let record = self.held(event.task, event.token, &event.holder)?.record_mut();
        (!record.waits.contains_key(&event.key) && !record.is_settled(&event.key)).then_some(())?;
        (!self.holds(event.task, &event.key)).then_some(())?;
        let record = self.tasks[event.task.at()].record_mut();
        if let Wait::Approval { number, .. } = &event.wait {
            (*number > record.approvals).then_some(())?;
            record.approvals = *number;
        }
        record.wait(event.key.clone(), event.wait.clone());
        self.note(event.task, moment, &event.key, Noted::Waits);
        let waiter = Waiter { task: event.task, key: event.key.clone() };
        if let Wait::Budget { .. } = event.wait {
            self.ledger_mut().waiting.push(waiter); // and goes on at once, if there is room: see `next_grant`
            return Some(());
        }
        match self.signals_mut().begin(waiter.clone(), &event.wait) {
            Begun::Waits => {}
            Begun::Has(value) => self.arrives(moment, &waiter, value),
            Begun::Opens(waiters, met) => self.meets(moment, &waiters, &met),
            Begun::IsOpen(met) => self.meets(moment, &[waiter], &met),
        }
        Some(())
    }

    /// A call has what it waited for.
    fn arrives(&mut self, moment: Moment, waiter: &Waiter, value: Payload) {
        let Some(task) = self.tasks.get_mut(waiter.task.at()) else { return };
        if task.record_mut().end_wait(&waiter.key).is_some() {
            self.note(waiter.task, moment, &waiter.key, Noted::Value(value));
        }
    }

    fn meets(&mut self, moment: Moment, waiters: &[Waiter], met: &Met) {
        let value = Payload::Json(self.met_json(met));
        waiters.iter().for_each(|waiter| self.arrives(moment, waiter, value.clone()));
    }

    /// What the parties of a barrier are told: names and what each has brought.
    fn met_json(&self, met: &Met) -> Json {
        /// As it is written: what a party brings is copied and never looked into.
        #[derive(Serialize)]
        struct Told<'a> {
            arrived: Vec<(&'a str, &'a Json)>,
            whole: bool,
        }
        let name = |task: &TaskIndex| self.task(*task).map_or("", |task| &*task.spec.name);
        let arrived = met.arrived.iter().map(|(task, value)| (name(task), value)).collect();
        Json::of(&Told { arrived, whole: met.whole }).unwrap_or_else(|_| Json::null())
    }

    pub(crate) fn wait_elapsed(&mut self, moment: Moment, event: &WaitElapsed) -> Option<()> {
        let wait = self.tasks.get(event.task.at())?.record.as_deref()?.waits.get(&event.key)?.clone();
        let waiter = Waiter { task: event.task, key: event.key.clone() };
        if let Wait::Sleep { .. } = wait {
            self.arrives(moment, &waiter, Payload::Json(Json::null()));
            return Some(());
        }
        if let Wait::Budget { .. } = wait {
            self.ledger_mut().waiting.remove(&waiter);
        } else if let Some((waiters, met)) = self.signals_mut().elapse(&waiter, &wait) {
            self.meets(moment, &waiters, &met);
            return Some(());
        }
        self.tasks[event.task.at()].record_mut().end_wait(&event.key);
        let message = format!("nothing came in time: the task {}", wait.in_words());
        let failure = Failure::new(FailureClass::Timeout, message);
        self.note(event.task, moment, &event.key, Noted::Failed(failure));
        Some(())
    }

    pub(crate) fn waits_withdrawn(&mut self, moment: Moment, event: &WaitsWithdrawn) -> Option<()> {
        self.held(event.task, event.token, &event.holder)?;
        for key in &event.keys {
            self.withdraw_wait(event.task, key);
            self.give_up(moment, event.task, key);
        }
        Some(())
    }

    fn withdraw_wait(&mut self, task: TaskIndex, key: &Arc<str>) {
        let record = self.tasks[task.at()].record.as_deref_mut();
        let Some(wait) = record.and_then(|record| record.end_wait(key)) else { return };
        if let Wait::Budget { .. } = wait {
            self.ledger_mut().waiting.remove(&Waiter { task, key: key.clone() });
        } else {
            self.signals_mut().withdraw(&Waiter { task, key: key.clone() }, &wait);
        }
    }

    /// What a task that has ended waited for, it waits for no more.
    pub(crate) fn withdraw_all(&mut self, index: TaskIndex) {
        let record = self.tasks[index.at()].record.as_deref();
        let keys: Vec<Arc<str>> = record.map_or(Vec::new(), |record| record.waits.keys().cloned().collect());
        keys.iter().for_each(|key| self.withdraw_wait(index, key));
    }

    /// A child has ended: its parent is told, if it can still hear.
    pub(crate) fn tell_parent(&mut self, moment: Moment, index: TaskIndex) {
        let Some(Parent { task: parent, key, .. }) = self.tasks[index.at()].parent.clone() else { return };
        if let Some(record) = self.tasks.get_mut(parent.at()).and_then(|parent| parent.record.as_deref_mut()) {
            record.open_children = record.open_children.saturating_sub(1);
        }
        if self.task(parent).is_none_or(|task| task.status().is_ended()) {
            return;
        }
        let what = match self.tasks[index.at()].output() {
            Some(output) => Noted::Value(output.clone()),
            None => Noted::Failed(self.failure_of(index)),
        };
        self.note(parent, moment, &key, what);
    }

    /// Why a task has no result.
    pub(crate) fn failure_of(&self, index: TaskIndex) -> Failure {
        let task = &self.tasks[index.at()];
        match &task.state {
            TaskState::Cancelled { reason } => {
                Failure::new(FailureClass::Cancelled, format!("task {:?} was cancelled: {reason}", task.spec.name))
            }
            TaskState::Skipped { cause } => {
                let cause = self.task(*cause).map_or("?", |cause| &*cause.spec.name);
                let message = format!("task {:?} was skipped, because {cause:?} did not complete", task.spec.name);
                Failure::new(FailureClass::Terminal, message)
            }
            _ => match task.failures.last() {
                Some(FailedAttempt { failure, .. }) => {
                    let mut failure = failure.clone();
                    let message = format!("task {:?} failed", task.spec.name);
                    failure.causes.insert(0, std::mem::replace(&mut failure.message, message));
                    failure
                }
                None => Failure::new(FailureClass::Retryable, format!("task {:?} failed", task.spec.name)),
            },
        }
    }

    pub(crate) fn signal_received(&mut self, moment: Moment, event: &SignalReceived) -> Option<()> {
        (self.ended.is_none() && !self.signals().has_seen(&event.id)).then_some(())?;
        let waiter = self.signals_mut().receive(event.id, &event.name, &event.value);
        if let Some(waiter) = waiter {
            self.arrives(moment, &waiter, event.value.clone());
        }
        Some(())
    }

    pub(crate) fn approval_answered(&mut self, moment: Moment, event: &ApprovalAnswered) -> Option<()> {
        (self.ended.is_none() && !self.signals().has_seen(&event.id)).then_some(())?;
        let waiter = self.signals_mut().answer(event.id, event.task, event.number, event.approved);
        if let Some(waiter) = waiter {
            self.arrives(moment, &waiter, Payload::of_bool(event.approved));
        }
        Some(())
    }

    pub(crate) fn parked(&mut self, moment: Moment, event: &TaskParked) -> Option<()> {
        let task = self.held(event.task, event.token, &event.holder)?;
        let waits = event.gate.is_some() || task.record.as_deref().is_some_and(super::Record::waits_for_something);
        waits.then_some(())?;
        task.token = event.token.next_activation();
        self.charge(moment, event.task);
        let parked = match &event.gate {
            Some(gate) => TaskState::Ready { not_before: moment.at, gate: Some(gate.clone()) },
            None => TaskState::Parked { since: moment.at },
        };
        self.put(event.task, parked);
        Some(())
    }

    pub(crate) fn progressed(&mut self, event: &TaskProgressed) -> Option<()> {
        self.held(event.task, event.token, &event.holder)?.progress = Some(event.progress.clone());
        Some(())
    }

    pub(crate) fn task_failed(&mut self, moment: Moment, event: &TaskFailed) -> Option<()> {
        let is_free = |task: &&mut Task| !task.status().is_ended() && task.holder().is_none();
        let task = self.tasks.get_mut(event.task.at()).filter(is_free)?;
        let (attempt, failure) = (task.token.attempt, event.failure.clone());
        task.failures.push(FailedAttempt { attempt, at: moment.at, failure });
        self.end(event.task, moment, TaskState::Failed)
    }

    pub(crate) fn undo_begun(&mut self, moment: Moment, event: &UndoBegun) -> Option<()> {
        (self.open() == 0 || self.undoing.is_some()).then_some(())?;
        self.undoing = Some(event.outcome);
        for undo in &event.undos {
            let record = self.tasks.get_mut(undo.of.at())?.record.as_deref_mut()?;
            let effect = record.effects.get_mut(&undo.key).filter(|effect| !effect.undone)?;
            effect.undone = true;
            let index = self.next_index()?;
            // Only data: what undoes an effect refers to no task.
            let input = Input::compile(&undo.spec.input, &|_| None).input;
            self.grow(moment.at, index, undo.spec.clone(), input, Vec::new(), None);
            self.tasks[index.at()].undoes = Some(undo.of);
            self.grown.undos.push(index);
            self.grown.open_undos.insert(index);
            if self.next_undo() != Some(index) {
                self.put(index, TaskState::Blocked { waiting: 1 });
            }
        }
        if let Some((_, _)) = self.ended.take() {
            self.reopened_at = Some(moment.at);
        }
        Some(())
    }

    /// The tasks that may be let go when this wait begins: the waiter, and who stands at the barrier that it opens.
    pub(crate) fn met_by(&self, task: TaskIndex, key: &Arc<str>, wait: &Wait) -> Vec<usize> {
        let others = match wait {
            Wait::Barrier { name, parties, .. } => {
                let waiter = Waiter { task, key: key.clone() };
                let opens = self.signals().opens(&waiter, name, *parties);
                opens.then(|| self.signals().at_barrier(name))
            }
            _ => None,
        };
        others.into_iter().flatten().chain([task]).map(TaskIndex::at).collect()
    }

    /// The tasks that may be let go when this wait ends: the waiter, and who stands at the same barrier.
    pub(crate) fn met_at(&self, waiter: TaskIndex, wait: &Wait) -> Vec<usize> {
        let others = match wait {
            Wait::Barrier { name, .. } => Some(self.signals().at_barrier(name)),
            _ => None,
        };
        others.into_iter().flatten().chain([waiter]).map(TaskIndex::at).collect()
    }

    /// Whether a task undoes an effect, or was asked for by one that does.
    pub(crate) fn is_undo(&self, mut index: TaskIndex) -> bool {
        while let Some(task) = self.task(index) {
            match &task.parent {
                Some(parent) => index = parent.task,
                None => return task.undoes.is_some(),
            }
        }
        false
    }

    /// What undoes effects.
    pub(crate) fn undos(&self) -> impl Iterator<Item = &Task> {
        self.grown.undos.iter().filter_map(|index| self.task(*index))
    }

    /// What undoes effects and has not ended: the first two that come, for one ends and the next is let go.
    pub(crate) fn undos_left(&self) -> impl Iterator<Item = usize> {
        self.grown.open_undos.iter().take(2).map(|index| index.at())
    }

    /// The first of what undoes effects that has not ended.
    pub(crate) fn next_undo(&self) -> Option<TaskIndex> {
        self.grown.open_undos.first().copied()
    }

    /// When one undo has ended, however, the next may run.
    pub(crate) fn unblock_undo(&mut self, moment: Moment) {
        if let Some(next) = self.next_undo()
            && matches!(self.tasks[next.at()].state, TaskState::Blocked { .. })
        {
            self.put(next, TaskState::ready(moment.at));
        }
    }

    /// The tasks below `roots` that are open, ascending, without `roots`.
    pub(crate) fn open_below(&self, roots: &[TaskIndex]) -> Vec<TaskIndex> {
        let mut todo = roots.to_vec();
        let mut below = Vec::new();
        while let Some(task) = todo.pop() {
            for &child in self.grown.children(task) {
                todo.push(child);
                if self.task(child).is_some_and(|task| !task.status().is_ended()) {
                    below.push(child);
                }
            }
        }
        below.sort_unstable();
        below.dedup();
        below
    }

    /// The effects of which nobody knows whether they happened: the task, the call, and the effect.
    pub fn unknown_effects(&self) -> impl Iterator<Item = (TaskIndex, &Arc<str>, &Effect)> {
        let tasks = (0..).map(TaskIndex).zip(&self.tasks);
        let with_effects = tasks.filter_map(|(index, task)| Some((index, task, task.record.as_deref()?)));
        with_effects.flat_map(|(index, task, record)| {
            let is_unknown = move |effect: &&Effect| match (&effect.state, effect.contract) {
                (EffectState::Unknown(_), _) => true,
                (EffectState::Begun, super::Contract::Irreversible) => task.status() != Status::Running,
                (EffectState::Begun, _) => task.status().is_ended(),
                _ => false,
            };
            let effects = record.effects.iter();
            effects.filter(move |(_, effect)| is_unknown(effect)).map(move |(key, effect)| (index, key, effect))
        })
    }

    /// The record of a task, if it has one.
    pub fn record(&self, index: TaskIndex) -> Option<&Record> {
        self.task(index)?.record.as_deref()
    }
}
