//! What is remembered of a run by whoever follows its events alone.

use super::purse::Purse;
use crate::input::Input;
use crate::record::{ChildrenSubmitted, UndoBegun};
use crate::{Graph, InstanceId, Millis, Payload, RunOutcome, TaskIndex, TaskSpec, Token, Wait};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A run.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    pub(super) tasks: Vec<PastTask>,
    names: BTreeMap<String, TaskIndex>,
    pub(super) ended: Option<RunOutcome>,
    /// On which page of the archive it is, of all that were written; none if it is in memory.
    pub(super) page: Option<u64>,
    /// Signals and answers that it has received.
    pub(super) received: BTreeSet<uuid::Uuid>,
    pub(super) purse: Purse,
}

/// Where a task stands. Whether one that is open may run follows from what it needs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum At {
    /// Nobody holds it.
    Open,
    /// Held by this instance.
    Held(InstanceId),
    /// Has this result.
    Completed(Payload),
    /// Ended without one: skipped, or not.
    Spoilt { skipped: bool },
}

/// Where an effect stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum EffectAt {
    Begun,
    Unknown,
    Done,
    NotDone,
}

/// A task.
#[derive(Clone, Debug)]
pub(super) struct PastTask {
    pub(super) at: At,
    pub(super) token: Token,
    pub(super) first_attempt: u32,
    pub(super) losses: u32,
    pub(super) needs: Vec<TaskIndex>,
    /// The task that asked for it, and by which call.
    pub(super) parent: Option<(TaskIndex, Arc<str>)>,
    /// What has a value, for ever.
    pub(super) values: BTreeSet<Arc<str>>,
    /// What has failed in this attempt.
    pub(super) failed: BTreeSet<Arc<str>>,
    /// What was waited for and has not elapsed.
    pub(super) waits: BTreeMap<Arc<str>, Wait>,
    /// With whether its undo was begun.
    pub(super) effects: BTreeMap<Arc<str>, (EffectAt, bool)>,
    /// The newest child of each call.
    pub(super) children: BTreeMap<Arc<str>, TaskIndex>,
}

impl PastTask {
    fn new(needs: Vec<TaskIndex>, parent: Option<(TaskIndex, Arc<str>)>) -> Self {
        Self {
            at: At::Open,
            token: Token::FIRST,
            first_attempt: Token::FIRST.attempt,
            losses: 0,
            needs,
            parent,
            values: BTreeSet::new(),
            failed: BTreeSet::new(),
            waits: BTreeMap::new(),
            effects: BTreeMap::new(),
            children: BTreeMap::new(),
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.at, At::Completed(_) | At::Spoilt { .. })
    }

    /// It is open again, with this token. Failures hold for one attempt only.
    pub(super) fn again(&mut self, token: Token) {
        if token.attempt != self.token.attempt {
            self.failed.clear();
        }
        self.token = token;
        self.at = At::Open;
    }

    pub(super) fn end(&mut self, at: At) {
        self.at = at;
        self.waits.clear();
    }

    /// A wait is over by time: what comes of it.
    pub(super) fn elapse(&mut self, key: &Arc<str>) -> Option<Option<Millis>> {
        let wait = self.waits.remove(key)?;
        match &wait {
            Wait::Sleep { .. } | Wait::Barrier { .. } => self.values.insert(key.clone()),
            Wait::Signal { .. } | Wait::Approval { .. } | Wait::Budget { .. } => self.failed.insert(key.clone()),
        };
        Some(wait.until())
    }
}

impl Past {
    pub(super) fn submitted(graph: &Graph, at: Millis) -> Self {
        let mut needs = vec![BTreeSet::new(); graph.tasks.len()];
        for edge in graph.edges() {
            if let Some(needs) = needs.get_mut(edge.to.at()) {
                needs.insert(edge.from);
            }
        }
        let mut past = Self { purse: Purse::new(graph.budget, at), ..Self::default() };
        for (spec, needs) in graph.tasks.iter().zip(needs) {
            past.add(&spec.name, needs.into_iter().collect(), None);
        }
        past
    }

    fn add(&mut self, name: &str, needs: Vec<TaskIndex>, parent: Option<(TaskIndex, Arc<str>)>) -> TaskIndex {
        let index = TaskIndex(u32::try_from(self.tasks.len()).unwrap_or(u32::MAX));
        self.names.entry(name.to_owned()).or_insert(index);
        self.tasks.push(PastTask::new(needs, parent));
        index
    }

    pub(super) fn task(&self, index: TaskIndex) -> Option<&PastTask> {
        self.tasks.get(index.at())
    }

    pub(super) fn is_completed(&self, index: TaskIndex) -> bool {
        self.task(index).is_some_and(|task| matches!(task.at, At::Completed(_)))
    }

    pub(super) fn is_spoilt(&self, index: TaskIndex) -> bool {
        self.task(index).is_some_and(|task| matches!(task.at, At::Spoilt { .. }))
    }

    /// The first need of a task that has not completed.
    pub(super) fn missing(&self, index: TaskIndex) -> Option<TaskIndex> {
        self.task(index)?.needs.iter().copied().find(|need| !self.is_completed(*need))
    }

    /// Lets go whatever calls there is room for in the budget.
    pub(super) fn let_go(&mut self) {
        let Self { purse, tasks, .. } = self;
        let gone = purse.let_go(|index| tasks.get(index.at()).is_some_and(|task| matches!(task.at, At::Held(_))));
        for (index, key) in gone {
            tasks.get_mut(index.at()).into_iter().for_each(|task| drop(task.waits.remove(&key)));
        }
    }

    /// Adds the children of a task, each with what it refers to and comes after.
    pub(super) fn adopt(&mut self, event: &ChildrenSubmitted) {
        let first = self.tasks.len();
        let behind = event
            .children
            .iter()
            .zip(first..)
            .filter_map(|(child, index)| Some((child.alias.clone()?, TaskIndex(u32::try_from(index).ok()?))));
        let known = event.known.iter().map(|(alias, task)| (alias.clone(), *task));
        let aliases: BTreeMap<Arc<str>, TaskIndex> = known.chain(behind).collect();
        for child in &event.children {
            let needs = {
                let numbered = |name: &str| name.strip_prefix('#')?.parse().ok().map(TaskIndex);
                let there = |name: &str| numbered(name).filter(|task| task.at() < first);
                let named = |name: &str| self.names.get(name).copied();
                let lookup = |name: &str| aliases.get(name).copied().or_else(|| there(name)).or_else(|| named(name));
                needs_of(&child.spec, &lookup)
            };
            let index = self.add(&child.spec.name, needs, Some((event.task, child.key.clone())));
            if let Some(parent) = self.tasks.get_mut(event.task.at()) {
                parent.children.insert(child.key.clone(), index);
            }
        }
    }

    /// Adds what undoes effects.
    pub(super) fn undo(&mut self, event: &UndoBegun) {
        for undo in &event.undos {
            self.add(&undo.spec.name, Vec::new(), None);
            let task = self.tasks.get_mut(undo.of.at());
            if let Some(effect) = task.and_then(|task| task.effects.get_mut(&undo.key)) {
                effect.1 = true;
            }
        }
    }

    /// A task has ended: whoever asked for it hears of it, if that is still open.
    pub(super) fn tell_parent(&mut self, index: TaskIndex) {
        let is_completed = self.is_completed(index);
        let Some((parent, key)) = self.task(index).and_then(|task| task.parent.clone()) else { return };
        if let Some(parent) = self.tasks.get_mut(parent.at()).filter(|parent| !parent.is_ended()) {
            let _new = if is_completed { parent.values.insert(key) } else { parent.failed.insert(key) };
        }
    }
}

fn needs_of(spec: &TaskSpec, lookup: &dyn Fn(&str) -> Option<TaskIndex>) -> Vec<TaskIndex> {
    let compiled = Input::compile(&spec.input, &|name| lookup(name));
    let after = spec.after.iter().filter_map(|name| lookup(name));
    let needs: BTreeSet<TaskIndex> = compiled.input.references().chain(after).collect();
    needs.into_iter().collect()
}
