//! The naive machine of `model.rs`, for what handlers record: notes, children, waits, answers, effects and what undoes them.

use super::model::{Model, No, Run, Spec, Task, Word};
use crate::{RunId, RunOutcome, Status, StopReason, Token};
use std::collections::{BTreeMap, BTreeSet};

/// What a handler wants, in the model's words. Keys, names and values are numbers.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    Value(u8, u8),
    Failed(u8),
    Children(Vec<Asked>),
    Begin { key: u8, keyed: bool, undo: bool },
    Unknown(u8),
    Sleep(u8, i64),
    Signal(u8, u8, Option<i64>),
    Approval(u8, Option<i64>),
    Barrier { key: u8, name: u8, parties: usize, value: u8, limit: Option<i64> },
    Withdraw(Vec<u8>),
    Progress,
    Park(usize, bool),
    Spend(u8, u64, Option<i64>),
    Settle(u8, u64, bool),
}

/// A child that is asked for: it needs tasks of the run, and earlier siblings by their places in the note.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) key: u8,
    pub(super) needs: BTreeSet<usize>,
    pub(super) siblings: BTreeSet<usize>,
    pub(super) spec: Spec,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Submitted(usize),
    Begun,
    Unknown,
    NotDone,
    Waits,
    Value(String),
    Failed,
    Reserved(u64),
    Charged(u64),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Sleep,
    Signal(u8),
    Approval(u32),
    Barrier(u8),
    Budget(u64),
}

/// What a run may cost, in calls and time, and has cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Purse {
    pub(super) calls: Option<u64>,
    pub(super) wall: Option<i64>,
    pub(super) submitted: i64,
    pub(super) spent: u64,
    /// What calls have cost beyond what was reserved for them.
    pub(super) beyond: u64,
    pub(super) wall_spent: bool,
    /// Whether that is why the run is paused.
    pub(super) pauses: bool,
    pub(super) seen: BTreeSet<u16>,
}

#[derive(Clone, Debug)]
pub(super) struct Wait {
    pub(super) what: What,
    pub(super) until: Option<i64>,
    since: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Is {
    Begun,
    Unknown,
    Done,
    NotDone,
}

#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) keyed: bool,
    pub(super) undo: bool,
    pub(super) is: Is,
    pub(super) undone: bool,
    begun: u64,
}

/// What a task has recorded.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) entries: Vec<(u8, Said)>,
    pub(super) waits: BTreeMap<u8, Wait>,
    pub(super) effects: BTreeMap<u8, Effect>,
    pub(super) approvals: u32,
    /// What is reserved for its calls, and whether an instance has had it in hand.
    pub(super) held: BTreeMap<u8, (u64, bool)>,
    /// Whether it has ever recorded anything.
    pub(super) any: bool,
}

/// What was sent to a run, and where its tasks meet.
#[derive(Clone, Debug, Default)]
pub(super) struct Post {
    signals: Vec<(u8, String)>,
    answers: Vec<(Option<usize>, Option<u32>, bool)>,
    seen: BTreeSet<u16>,
    gates: BTreeMap<u8, Gate>,
    clock: u64,
}

#[derive(Clone, Debug, Default)]
struct Gate {
    arrived: Vec<(usize, u8, u8)>,
    opened: Option<String>,
}

pub(super) const DEPTH_MAX: usize = 3;
pub(super) const TASKS_MAX: usize = 30;

fn without(task: &Task) -> bool {
    task.status.is_ended() && task.status != Status::Completed
}

impl Run {
    /// The next attempt of a task: it knows what came to something, or may still do so, and makes the rest anew.
    pub(super) fn begin_anew(&mut self, index: usize) {
        let entries = self.tasks[index].record.entries.clone();
        let Record { waits, effects, .. } = &self.tasks[index].record;
        let newest = |key: u8| {
            entries.iter().rev().find_map(|(k, said)| match said {
                Said::Submitted(child) if *k == key => Some(*child),
                _ => None,
            })
        };
        let has_value = |key: u8| entries.iter().any(|(k, said)| *k == key && matches!(said, Said::Value(_)));
        let keep = |(key, said): &&(u8, Said)| match said {
            Said::Value(_) => true,
            Said::Failed => false,
            Said::Submitted(child) => newest(*key) == Some(*child) && !without(&self.tasks[*child]),
            Said::Waits => waits.contains_key(key) || has_value(*key),
            Said::Reserved(_) | Said::Charged(_) => has_value(*key),
            Said::Begun | Said::Unknown | Said::NotDone => effects[key].is != Is::NotDone,
        };
        self.tasks[index].record.entries = entries.iter().filter(keep).cloned().collect();
    }

    fn tick(&mut self) -> u64 {
        self.post.clock += 1;
        self.post.clock
    }

    /// An entry, which wakes who is parked if it says what came of something.
    fn say(&mut self, at: i64, index: usize, key: u8, said: Said) {
        let task = &mut self.tasks[index];
        let wakes = matches!(said, Said::Value(_) | Said::Failed | Said::NotDone | Said::Reserved(_));
        task.record.entries.push((key, said));
        task.record.any = true;
        if wakes && task.shown() == Status::Parked {
            (task.status, task.not_before, task.offered, task.gated) = (Status::Ready, at, false, false);
        }
    }

    /// Whether a call has come to something that the present attempt sees.
    fn settled(&self, index: usize, key: u8) -> bool {
        let entries = &self.tasks[index].record.entries;
        entries.iter().any(|(call, said)| *call == key && matches!(said, Said::Value(_) | Said::Failed))
    }

    /// The newest child of a call.
    fn child(&self, index: usize, key: u8) -> Option<usize> {
        self.tasks.iter().rposition(|task| task.parent == Some((index, key)))
    }

    fn known(&self, index: usize, key: u8) -> bool {
        let child = self.child(index, key).is_some_and(|child| !without(&self.tasks[child]));
        child || self.settled(index, key) || self.tasks[index].record.waits.contains_key(&key)
    }

    fn depth(&self, index: usize) -> usize {
        self.tasks[index].parent.map_or(0, |(parent, _)| 1 + self.depth(parent))
    }

    fn is_below(&self, index: usize, root: usize) -> bool {
        self.tasks[index].parent.is_some_and(|(parent, _)| parent == root || self.is_below(parent, root))
    }

    /// Ends a task: it waits for nothing, and whoever has asked for it is told.
    pub(super) fn finish(&mut self, at: i64, index: usize, status: Status) {
        let task = &mut self.tasks[index];
        task.status = status;
        task.gated = false;
        task.record.waits.clear();
        self.give_up_all(at, index, true);
        let task = &mut self.tasks[index];
        if status != Status::Completed {
            task.holder = None;
        }
        if let Some((parent, key)) = self.tasks[index].parent
            && !self.tasks[parent].status.is_ended()
        {
            let said = if status == Status::Completed { Said::Value("null".into()) } else { Said::Failed };
            self.say(at, parent, key, said);
        }
    }

    /// What is spent and what is reserved, together.
    pub(super) fn used(&self) -> u64 {
        let held = self.tasks.iter().flat_map(|task| task.record.held.values());
        self.purse.spent + held.map(|(cost, _)| cost).sum::<u64>()
    }

    /// Reserves for whoever waits the longest, and then for the next, as long as there is room.
    pub(super) fn let_go(&mut self, at: i64) {
        loop {
            let budget = |wait: &Wait| matches!(wait.what, What::Budget(_));
            let all = self.tasks.iter().enumerate().flat_map(|(index, task)| {
                let of_task = task.record.waits.iter().filter(|(_, wait)| budget(wait));
                of_task.map(move |(key, wait)| (wait.since, index, *key, wait.what.clone()))
            });
            let Some((_, index, key, What::Budget(cost))) = all.min_by_key(|(since, ..)| *since) else { return };
            let is_full = cost > 0 && self.purse.calls.is_some_and(|limit| self.used() + cost > limit);
            if is_full || self.purse.wall_spent || self.ended.is_some() {
                return;
            }
            let record = &mut self.tasks[index].record;
            record.waits.remove(&key);
            let taken = self.tasks[index].status == Status::Running;
            self.tasks[index].record.held.insert(key, (cost, taken));
            self.say(at, index, key, Said::Reserved(cost));
        }
    }

    fn give_up(&mut self, at: i64, index: usize, key: u8) -> bool {
        let Some((cost, taken)) = self.tasks[index].record.held.remove(&key) else { return false };
        let charged = if taken { cost } else { 0 };
        self.purse.spent += charged;
        if !self.tasks[index].status.is_ended() {
            self.say(at, index, key, Said::Charged(charged));
        }
        true
    }

    /// Nothing will settle what is reserved for the calls of a task: all of them, or those that were in hand.
    pub(super) fn give_up_all(&mut self, at: i64, index: usize, all: bool) {
        let held = self.tasks[index].record.held.clone();
        for (key, _) in held.into_iter().filter(|(_, (_, taken))| all || *taken) {
            self.give_up(at, index, key);
        }
    }

    /// A call that is recorded: what was reserved for it is settled, with what it cost if that is said.
    fn pay(&mut self, index: usize, key: u8, cost: Option<u64>) {
        if let Some((reserved, _)) = self.tasks[index].record.held.remove(&key) {
            let cost = cost.unwrap_or(reserved);
            self.purse.spent += cost;
            self.purse.beyond += cost.saturating_sub(reserved);
        }
    }

    /// Skips, in their order, the open tasks that need one of `spoilt`, or one another.
    fn doom(&mut self, at: i64, mut spoilt: BTreeSet<usize>, cause: usize) {
        loop {
            let dooms =
                |task: &Task| !task.status.is_ended() && task.spec.needs.iter().any(|need| spoilt.contains(need));
            let more = (0..self.tasks.len()).find(|index| !spoilt.contains(index) && dooms(&self.tasks[*index]));
            let Some(more) = more else { break };
            spoilt.insert(more);
        }
        for index in spoilt {
            if !self.tasks[index].status.is_ended() {
                self.tasks[index].cause = Some(cause);
                self.finish(at, index, Status::Skipped);
            }
        }
    }

    /// Whether one task waits for another, over tasks that are open: it needs it, or has asked for it.
    fn waits_for(&self, from: usize, to: usize) -> bool {
        let mut seen = BTreeSet::from([from]);
        let mut todo = vec![from];
        while let Some(task) = todo.pop() {
            if task == to {
                return true;
            }
            let next = (0..self.tasks.len()).filter(|&next| self.edge(task, next));
            todo.extend(next.filter(|&next| seen.insert(next)));
        }
        false
    }

    pub(super) fn edge(&self, from: usize, to: usize) -> bool {
        let needs = self.tasks[from].spec.needs.contains(&to);
        let asked = self.tasks[to].parent.is_some_and(|(parent, _)| parent == from);
        !self.tasks[from].status.is_ended() && (needs || asked)
    }

    fn arrive(&mut self, at: i64, index: usize, key: u8, value: String) {
        if self.tasks[index].record.waits.remove(&key).is_some() {
            self.say(at, index, key, Said::Value(value));
        }
    }

    /// Whoever waits for this, the one who has waited the longest first.
    fn waiting(&self, what: &What) -> Vec<(usize, u8)> {
        let mut all = Vec::new();
        for (index, task) in self.tasks.iter().enumerate() {
            let of_task = task.record.waits.iter().filter(|(_, wait)| wait.what == *what);
            all.extend(of_task.map(|(key, wait)| (wait.since, index, *key)));
        }
        all.sort_unstable();
        all.into_iter().map(|(_, index, key)| (index, key)).collect()
    }

    fn open_gate(&mut self, at: i64, name: u8, whole: bool) {
        let arrived: Vec<String> = self.post.gates[&name]
            .arrived
            .iter()
            .map(|(task, _, value)| format!("[\"{}\",{value}]", self.tasks[*task].name))
            .collect();
        let met = format!("{{\"arrived\":[{}],\"whole\":{whole}}}", arrived.join(","));
        self.post.gates.get_mut(&name).unwrap().opened = Some(met.clone());
        for (index, key) in self.waiting(&What::Barrier(name)) {
            self.arrive(at, index, key, met.clone());
        }
    }

    fn wait(&mut self, at: i64, index: usize, key: u8, what: What, until: Option<i64>) {
        let since = self.tick();
        self.say(at, index, key, Said::Waits);
        self.tasks[index].record.waits.insert(key, Wait { what: what.clone(), until, since });
        match what {
            What::Sleep | What::Barrier(_) | What::Budget(_) => {}
            What::Signal(name) => {
                if let Some(kept) = self.post.signals.iter().position(|(kept, _)| *kept == name) {
                    let (_, value) = self.post.signals.remove(kept);
                    self.arrive(at, index, key, value);
                }
            }
            What::Approval(number) => {
                let kept = |wanted| self.post.answers.iter().position(|(task, number, _)| (*task, *number) == wanted);
                let first = kept((Some(index), Some(number))).or(kept((Some(index), None))).or(kept((None, None)));
                if let Some(first) = first {
                    let (_, _, approved) = self.post.answers.remove(first);
                    self.arrive(at, index, key, approved.to_string());
                }
            }
        }
    }

    fn is_undo(&self, index: usize) -> bool {
        match self.tasks[index].parent {
            Some((parent, _)) => self.is_undo(parent),
            None => self.tasks[index].undoes,
        }
    }

    /// What is to be undone, the last that was begun first.
    fn to_undo(&self) -> Vec<(usize, u8)> {
        let mut all = Vec::new();
        for (index, task) in self.tasks.iter().enumerate() {
            for (key, effect) in &task.record.effects {
                let happened = match effect.is {
                    Is::Done => true,
                    Is::Begun | Is::Unknown => effect.keyed,
                    Is::NotDone => false,
                };
                if happened && effect.undo && !effect.undone {
                    all.push((effect.begun, index, *key));
                }
            }
        }
        all.sort_unstable();
        all.into_iter().rev().map(|(_, index, key)| (index, key)).collect()
    }

    fn add_undo(&mut self, (of, key): (usize, u8)) {
        self.tasks[of].record.effects.get_mut(&key).unwrap().undone = true;
        let spec = Spec {
            needs: BTreeSet::new(),
            retries: 0,
            losses_max: 1,
            start: None,
            attempt: None,
            beat: None,
            priority: 5,
        };
        let name = format!("undo {}/k{key}", self.tasks[of].name);
        self.tasks.push(Task { undoes: true, ..Task::new(&spec, name) });
    }

    /// Begins to undo, if there is anything and that was not done before.
    pub(super) fn begin_undo(&mut self, outcome: RunOutcome) -> bool {
        let all = self.to_undo();
        if self.undoing.is_some() || all.is_empty() {
            return false;
        }
        self.undoing = Some(outcome);
        all.into_iter().for_each(|undo| self.add_undo(undo));
        true
    }
}

impl Model {
    /// All that follows from a task that has ended without a result, but what `settle` finds.
    pub(super) fn spoil(&mut self, id: RunId, root: usize) {
        let at = self.at;
        let count = self.runs[&id].tasks.len();
        let open = |run: &Run, index: usize| !run.tasks[index].status.is_ended();
        let run = &self.runs[&id];
        let below: BTreeSet<usize> =
            (0..count).filter(|&index| open(run, index) && run.is_below(index, root)).collect();
        for &index in &below {
            self.stop(id, index, StopReason::Cancelled);
            self.runs.get_mut(&id).unwrap().finish(at, index, Status::Cancelled);
        }
        self.runs.get_mut(&id).unwrap().let_go(at);
        let spoilt = below.into_iter().chain([root]).collect();
        self.runs.get_mut(&id).unwrap().doom(at, spoilt, root);
    }

    /// A note of whoever may speak, or nothing at all.
    pub(super) fn note(&mut self, now: i64, word: &Word<'_>, wish: &Wish) -> Result<(), No> {
        let before = self.clone();
        let noted = self.accept(now, word).and_then(|()| self.noted(now, word, wish));
        if noted.is_err() {
            *self = before;
        }
        noted
    }

    fn noted(&mut self, now: i64, word: &Word<'_>, wish: &Wish) -> Result<(), No> {
        let (at, index) = (self.at.max(now), word.task);
        let run = self.runs.get_mut(&word.run).unwrap();
        let is = |run: &Run, key: u8| run.tasks[index].record.effects.get(&key).map(|effect| effect.is);
        let mut changes = true;
        match wish {
            Wish::Value(key, _) | Wish::Failed(key) if run.known(index, *key) || is(run, *key) == Some(Is::Unknown) => {
                changes = false;
            }
            Wish::Value(key, value) => {
                run.pay(index, *key, None);
                run.say(at, index, *key, Said::Value(value.to_string()));
                run.tasks[index].record.effects.entry(*key).and_modify(|effect| effect.is = Is::Done);
            }
            Wish::Failed(key) => {
                run.pay(index, *key, None);
                run.say(at, index, *key, Said::Failed);
                run.tasks[index].record.effects.entry(*key).and_modify(|effect| effect.is = Is::NotDone);
            }
            Wish::Begin { key, keyed, undo } => {
                changes = matches!(is(run, *key), None | Some(Is::NotDone)) && !run.known(index, *key);
                if changes {
                    let begun = run.tick();
                    run.say(at, index, *key, Said::Begun);
                    let effect = Effect { keyed: *keyed, undo: *undo, is: Is::Begun, undone: false, begun };
                    run.tasks[index].record.effects.insert(*key, effect);
                }
            }
            Wish::Unknown(key) => {
                changes = is(run, *key) == Some(Is::Begun);
                if changes {
                    run.say(at, index, *key, Said::Unknown);
                    run.tasks[index].record.effects.get_mut(key).unwrap().is = Is::Unknown;
                }
            }
            Wish::Settle(key, ..) if !run.known(index, *key) && !run.tasks[index].record.held.contains_key(key) => {
                return Err(No::NotReserved);
            }
            Wish::Settle(key, ..) if run.known(index, *key) || is(run, *key) == Some(Is::Unknown) => changes = false,
            Wish::Settle(key, cost, fails) => {
                run.pay(index, *key, Some(*cost));
                run.say(at, index, *key, if *fails { Said::Failed } else { Said::Value("7".into()) });
                let now = if *fails { Is::NotDone } else { Is::Done };
                run.tasks[index].record.effects.entry(*key).and_modify(|effect| effect.is = now);
            }
            Wish::Sleep(key, _)
            | Wish::Signal(key, ..)
            | Wish::Approval(key, _)
            | Wish::Barrier { key, .. }
            | Wish::Spend(key, ..)
                if run.known(index, *key)
                    || is(run, *key).is_some()
                    || run.tasks[index].record.held.contains_key(key) =>
            {
                changes = false;
            }
            Wish::Spend(key, cost, ms) => run.wait(at, index, *key, What::Budget(*cost), ms.map(|ms| at + ms)),
            Wish::Sleep(key, ms) => run.wait(at, index, *key, What::Sleep, Some(at + ms)),
            Wish::Signal(key, name, ms) => run.wait(at, index, *key, What::Signal(*name), ms.map(|ms| at + ms)),
            Wish::Approval(key, ms) => {
                run.tasks[index].record.approvals += 1;
                let number = run.tasks[index].record.approvals;
                run.wait(at, index, *key, What::Approval(number), ms.map(|ms| at + ms));
            }
            Wish::Barrier { key, name, parties, value, limit } => {
                run.wait(at, index, *key, What::Barrier(*name), limit.map(|ms| at + ms));
                let gate = run.post.gates.entry(*name).or_default();
                if let Some(met) = gate.opened.clone() {
                    run.arrive(at, index, *key, met);
                } else {
                    match gate.arrived.iter_mut().find(|party| (party.0, party.1) == (index, *key)) {
                        Some(party) => party.2 = *value,
                        None => gate.arrived.push((index, *key, *value)),
                    }
                    if gate.arrived.len() >= *parties {
                        run.open_gate(at, *name, true);
                    }
                }
            }
            Wish::Withdraw(keys) => changes = self.withdraw(at, word.run, index, keys),
            Wish::Progress => {}
            Wish::Park(seen, at_gate) => {
                let record = &run.tasks[index].record;
                let child = run
                    .tasks
                    .iter()
                    .any(|task| task.parent.is_some_and(|(parent, _)| parent == index) && !task.status.is_ended());
                let unknown = record.effects.values().any(|effect| effect.is == Is::Unknown);
                if record.entries.len() != *seen || (!at_gate && record.waits.is_empty() && !child && !unknown) {
                    return Err(No::News);
                }
                let task = &mut run.tasks[index];
                if *at_gate {
                    task.again(at, Token { activation: task.token.activation + 1, ..task.token });
                    task.gated = true;
                } else {
                    (task.status, task.holder) = (Status::Parked, None);
                    task.token.activation += 1;
                }
                run.give_up_all(at, index, false);
            }
            Wish::Children(asked) => changes = self.ask(at, word.run, index, asked)?,
        }
        if changes {
            self.at = at;
            self.runs.get_mut(&word.run).unwrap().let_go(at);
        }
        self.settle(word.run);
        Ok(())
    }

    fn withdraw(&mut self, at: i64, id: RunId, index: usize, keys: &[u8]) -> bool {
        let run = self.runs.get_mut(&id).unwrap();
        let waits = &mut run.tasks[index].record.waits;
        let before = waits.len();
        waits.retain(|key, _| !keys.contains(key));
        let mut changes = waits.len() < before;
        let keys_once: BTreeSet<u8> =
            run.tasks[index].record.held.keys().filter(|key| keys.contains(key)).copied().collect();
        for key in keys.iter().filter(|key| keys_once.contains(key)) {
            run.give_up(at, index, *key);
        }
        changes |= !keys_once.is_empty();
        run.let_go(at);
        let run = &self.runs[&id];
        let open = |task: usize| !run.tasks[task].status.is_ended();
        let roots: Vec<usize> =
            keys.iter().filter_map(|key| run.child(index, *key)).filter(|child| open(*child)).collect();
        let is_hit = |task: usize| roots.contains(&task) || roots.iter().any(|root| run.is_below(task, *root));
        let hit: Vec<usize> = (0..run.tasks.len()).filter(|&task| open(task) && is_hit(task)).collect();
        for &task in &hit {
            self.stop(id, task, StopReason::Cancelled);
            self.runs.get_mut(&id).unwrap().finish(at, task, Status::Cancelled);
        }
        let run = self.runs.get_mut(&id).unwrap();
        run.let_go(at);
        hit.iter().for_each(|&task| run.doom(at, BTreeSet::from([task]), task));
        !hit.is_empty() || changes
    }

    /// Adds children; says whether there was one to be added.
    fn ask(&mut self, at: i64, id: RunId, parent: usize, asked: &[Asked]) -> Result<bool, No> {
        let run = self.runs.get_mut(&id).unwrap();
        let is_there =
            |asked: &Asked| run.known(parent, asked.key) || run.tasks[parent].record.effects.contains_key(&asked.key);
        let fresh: Vec<bool> = asked.iter().map(|asked| !is_there(asked)).collect();
        let count = fresh.iter().filter(|fresh| **fresh).count();
        if count == 0 {
            return Ok(false);
        }
        let mut keys = BTreeSet::new();
        let twice = asked.iter().zip(&fresh).any(|(asked, fresh)| *fresh && !keys.insert(asked.key));
        if twice || run.depth(parent) + 1 > DEPTH_MAX || run.tasks.len() + count > TASKS_MAX {
            return Err(No::Children);
        }
        let first = run.tasks.len();
        let mut places: Vec<Option<usize>> = Vec::new();
        let mut children = Vec::new();
        for (asked, fresh) in asked.iter().zip(&fresh) {
            if !fresh {
                places.push(run.child(parent, asked.key));
                continue;
            }
            let mut spec = asked.spec.clone();
            spec.needs = asked.needs.clone();
            for sibling in &asked.siblings {
                spec.needs.insert(places[*sibling].ok_or(No::Children)?);
            }
            let again =
                run.child(parent, asked.key).map_or(String::new(), |_| format!("~{}", run.tasks[parent].token.attempt));
            let name = format!("{}/k{}{again}", run.tasks[parent].name, asked.key);
            places.push(Some(first + children.len()));
            children.push(Task { parent: Some((parent, asked.key)), ..Task::new(&spec, name) });
        }
        let needs = || children.iter().flat_map(|child| &child.spec.needs);
        if needs().any(|&need| need < first && run.waits_for(need, parent)) {
            return Err(No::Cycle);
        }
        for child in children {
            let (index, key) = (run.tasks.len(), child.parent.unwrap().1);
            run.tasks.push(child);
            run.say(at, parent, key, Said::Submitted(index));
        }
        // Whoever needs what will never be there is skipped at once, cause by cause.
        let mut skipped = BTreeSet::new();
        for index in first..run.tasks.len() {
            let root = |need: &usize| {
                let known = skipped.iter().find(|(_, skipped)| skipped == need).map(|(cause, _)| *cause);
                let task = &run.tasks[*need];
                let cause = task.cause.filter(|cause| task.status == Status::Skipped && without(&run.tasks[*cause]));
                known.or(without(task).then(|| cause.unwrap_or(*need)))
            };
            let cause = run.tasks[index].spec.needs.iter().find_map(root);
            skipped.extend(cause.map(|cause| (cause, index)));
        }
        for (cause, index) in skipped {
            run.tasks[index].cause = Some(cause);
            run.finish(at, index, Status::Skipped);
        }
        Ok(true)
    }

    /// A task fails because it was the least urgent on a cycle.
    pub(super) fn fail_on_cycle(&mut self, now: i64, word: &Word<'_>, victim: usize) {
        let held = self.runs[&word.run].tasks[word.task].status == Status::Running;
        self.stop(word.run, victim, StopReason::Cancelled);
        self.accept(now, word).unwrap();
        self.at = self.at.max(now);
        let at = self.at;
        let run = self.runs.get_mut(&word.run).unwrap();
        run.tasks[victim].failures += 1;
        run.finish(at, victim, Status::Failed);
        run.let_go(at);
        self.spoil(word.run, victim);
        if !held {
            // Who became the holder by asking is told when it asks again.
            self.released.stops.retain(|stop| (stop.0, stop.1) != (word.run, word.task));
        }
        self.settle(word.run);
    }

    pub(super) fn signal(&mut self, now: i64, id: RunId, signal: u16, name: u8, value: u16) -> Result<(), No> {
        let at = self.at.max(now);
        let run = self.runs.get_mut(&id).ok_or(No::Run)?;
        if run.post.seen.contains(&signal) {
            return Ok(());
        }
        if run.ended.is_some() {
            return Err(No::Ended);
        }
        run.post.seen.insert(signal);
        match run.waiting(&What::Signal(name)).first() {
            Some(&(index, key)) => run.arrive(at, index, key, value.to_string()),
            None => run.post.signals.push((name, value.to_string())),
        }
        self.at = at;
        Ok(())
    }

    pub(super) fn approve(
        &mut self,
        now: i64,
        id: RunId,
        answer: u16,
        (task, number): (Option<usize>, Option<u32>),
        approved: bool,
    ) -> Result<(), No> {
        let at = self.at.max(now);
        let run = self.runs.get_mut(&id).ok_or(No::Run)?;
        if run.post.seen.contains(&answer) {
            return Ok(());
        }
        if run.ended.is_some() {
            return Err(No::Ended);
        }
        let mut open = Vec::new();
        for (index, asks) in run.tasks.iter().enumerate() {
            for (key, wait) in &asks.record.waits {
                if let What::Approval(n) = wait.what
                    && task.is_none_or(|task| task == index)
                    && number.is_none_or(|number| number == n)
                {
                    open.push((index, *key));
                }
            }
        }
        match (&open[..], task, number) {
            ([(index, key)], ..) => run.arrive(at, *index, *key, approved.to_string()),
            ([_, _, ..], ..) | ([], None, Some(_)) => return Err(No::Ambiguous),
            ([], Some(task), _) if run.tasks[task].status.is_ended() => return Err(No::TaskEnded),
            ([], Some(task), Some(number)) if number <= run.tasks[task].record.approvals => return Err(No::Answered),
            ([], Some(_), Some(_)) if run.post.answers.iter().any(|(of, n, _)| (*of, *n) == (task, number)) => {
                return Err(No::Answered);
            }
            ([], ..) => run.post.answers.push((task, number, approved)),
        }
        run.post.seen.insert(answer);
        self.at = at;
        Ok(())
    }

    pub(super) fn decide(&mut self, now: i64, id: RunId, index: usize, key: u8, happened: bool) -> Result<(), No> {
        let at = self.at.max(now);
        let run = self.runs.get_mut(&id).ok_or(No::Run)?;
        let effect = run.tasks[index].record.effects.get(&key).ok_or(No::NotUnknown)?.clone();
        match (effect.is, happened) {
            (Is::Begun, _) if run.tasks[index].status == Status::Running => return Err(No::NotUnknown),
            (Is::Begun | Is::Unknown, _) => {}
            (Is::Done, true) | (Is::NotDone, false) => return Ok(()),
            (Is::Done, false) | (Is::NotDone, true) => return Err(No::NotUnknown),
        }
        let is = if happened { Is::Done } else { Is::NotDone };
        run.tasks[index].record.effects.get_mut(&key).unwrap().is = is;
        run.say(at, index, key, if happened { Said::Value("null".into()) } else { Said::NotDone });
        let outcome = run.undoing.or(run.ended.filter(|outcome| *outcome != RunOutcome::Completed));
        if let Some(outcome) = outcome.filter(|_| happened && effect.undo && !effect.undone && !run.is_undo(index)) {
            run.undoing = Some(outcome);
            run.ended = None;
            run.add_undo((index, key));
        }
        self.at = at;
        self.settle(id);
        Ok(())
    }

    /// The waits of a task that are over.
    pub(super) fn elapse(&mut self, now: i64, id: RunId, index: usize) {
        let at = self.at.max(now);
        self.at = at;
        let run = self.runs.get_mut(&id).unwrap();
        let waits = &run.tasks[index].record.waits;
        let over = waits.iter().filter_map(|(key, wait)| Some((wait.until.filter(|until| *until <= at)?, *key)));
        let over: BTreeSet<(i64, u8)> = over.collect();
        for (_, key) in over {
            let Some(wait) = run.tasks[index].record.waits.get(&key).cloned() else { continue };
            match wait.what {
                What::Sleep => run.arrive(at, index, key, "null".into()),
                What::Barrier(name) => run.open_gate(at, name, false),
                What::Signal(_) | What::Approval(_) | What::Budget(_) => {
                    run.tasks[index].record.waits.remove(&key);
                    run.say(at, index, key, Said::Failed);
                }
            }
            run.let_go(at);
        }
    }
}

impl Task {
    pub(super) fn is_first_hand_out(&self) -> bool {
        self.token == Token::FIRST
    }
}
