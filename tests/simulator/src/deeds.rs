//! What was really done outside, whoever did it, and what of that must not be.

use crate::log::Log;
use crate::program::Outside;
use callboard::prelude::*;
use callboard::{ApprovalId, RunId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was really done; it outlives processes.
#[derive(Clone, Default)]
pub struct Deeds(Arc<Mutex<Done>>);

/// A task, and one of its calls.
type Call = (String, String);

#[derive(Default)]
struct Done {
    log: Log,
    /// Counts what happens, in order.
    moment: u64,
    /// When a handler was first given the result of a call: it is durable then.
    given: BTreeMap<Call, u64>,
    /// How often each effect happened, and under which keys.
    effects: BTreeMap<Call, (usize, BTreeSet<String>)>,
    bodies: u64,
    /// Calls of what steps depend on.
    asked: u64,
    /// By run: what it may cost at most, and what was really paid, beyond reservations and in all.
    purses: BTreeMap<String, Purse>,
    /// The runs of which code has run, and when it did so last.
    begun: BTreeMap<String, Duration>,
    letters: BTreeMap<u64, Letter>,
    /// By the approval: its task and its name, once it was seen to be open, and which answers were acknowledged.
    answers: BTreeMap<ApprovalId, (Option<Call>, BTreeSet<bool>)>,
    /// The answers that handlers were given.
    acted_upon: BTreeMap<Call, BTreeSet<bool>>,
    breaches: Vec<String>,
}

/// What has become of a letter.
#[derive(Debug, Default)]
struct Letter {
    /// How many instances may handle it; none, if it was refused.
    may_be_heard_by: usize,
    /// How often each instance has.
    heard: BTreeMap<String, usize>,
}

/// What is known outside of the money of a run.
#[derive(Clone, Copy, Debug, Default)]
struct Purse {
    may_cost: u64,
    paid: u64,
    beyond: u64,
}

impl Deeds {
    /// Nothing is done yet; what is done is written down there.
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self(Arc::new(Mutex::new(Done { log, ..Done::default() })))
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What must not be.
    #[must_use]
    pub fn breaches(&self) -> Vec<String> {
        let done = self.done();
        let mut breaches = done.breaches.clone();
        for (number, letter) in &done.letters {
            let is_twice = letter.heard.values().any(|times| *times > 1);
            if is_twice || letter.heard.len() > letter.may_be_heard_by {
                breaches.push(format!("letter {number}: {letter:?}"));
            }
        }
        for (approval, (call, told)) in &done.answers {
            let given = call.as_ref().and_then(|call| done.acted_upon.get(call));
            if told.iter().chain(given.into_iter().flatten()).collect::<BTreeSet<_>>().len() > 1 {
                breaches.push(format!("{approval}: {told:?} acknowledged, handlers were given {given:?}"));
            }
        }
        for ((task, call), (times, keys)) in &done.effects {
            if keys.len() > 1 {
                breaches.push(format!("{call} of {task} under {keys:?}"));
            }
            if *times > 1 && call.ends_with('!') {
                breaches.push(format!("{call} of {task} {times} times"));
            }
        }
        breaches
    }

    /// So much more may be paid for a run, by the time that this is asked for.
    pub fn allow(&self, run: RunId, calls: u64) {
        self.done().purses.entry(run.to_string()).or_default().may_cost += calls;
    }

    /// How often something was paid for.
    #[must_use]
    pub fn paid(&self) -> u64 {
        self.done().purses.values().map(|purse| purse.paid).sum()
    }

    /// An approval waits for an answer, of this task and by this name.
    pub fn asks(&self, approval: ApprovalId, task: String, name: &str) {
        self.done().answers.entry(approval).or_default().0 = Some((task, name.to_owned()));
    }

    /// An answer to an approval was acknowledged.
    pub fn answered(&self, approval: ApprovalId, yes: bool) {
        let mut done = self.done();
        done.log.note(|| format!("{approval} is answered: {yes}"));
        done.answers.entry(approval).or_default().1.insert(yes);
    }

    /// How many approvals were answered so that it was told and came to a handler, and how many before they were seen to be
    /// open.
    #[must_use]
    pub fn answers(&self) -> (u64, u64) {
        let done = self.done();
        let told = done.answers.values().filter(|(_, told)| !told.is_empty());
        let is_acted_upon = |call: &Option<Call>| call.as_ref().is_some_and(|call| done.acted_upon.contains_key(call));
        let open = told.clone().filter(|(call, _)| is_acted_upon(call)).count();
        (open as u64, told.filter(|(call, _)| call.is_none()).count() as u64)
    }

    /// A letter is sent that so many instances may handle, or it is known now that so many may have.
    pub fn sends(&self, letter: u64, may_be_heard_by: usize) {
        self.done().letters.entry(letter).or_default().may_be_heard_by = may_be_heard_by;
    }

    /// Whether code of a run has run.
    #[must_use]
    pub fn have_begun(&self, run: RunId) -> bool {
        self.done().begun.contains_key(&run.to_string())
    }

    /// How long no code of a run has run; `None` if none ever has.
    #[must_use]
    pub fn idle_for(&self, run: RunId) -> Option<Duration> {
        let done = self.done();
        done.begun.get(&run.to_string()).map(|last| done.log.now().saturating_sub(*last))
    }

    /// How many runs have performed a task of this name.
    #[must_use]
    pub fn performed(&self, task: &str) -> usize {
        self.done().given.keys().filter(|(id, _)| id.split_once(' ').is_some_and(|(_, name)| name == task)).count()
    }

    /// How often the code of a step or an effect ran.
    #[must_use]
    pub fn bodies(&self) -> u64 {
        self.done().bodies
    }
}

impl Outside for Deeds {
    fn begins(&self) -> u64 {
        let mut done = self.done();
        done.moment += 1;
        done.moment
    }

    fn body(&self, task: &str, call: &str, begun: u64) {
        let mut done = self.done();
        done.bodies += 1;
        let now = done.log.now();
        done.begun.insert(task.split_once(' ').map_or(task, |(run, _)| run).to_owned(), now);
        done.log.note(|| format!("{call} of {task} runs, for a handler of {begun}"));
        let given = done.given.get(&(task.to_owned(), call.to_owned())).copied();
        if let Some(at) = given.filter(|at| *at < begun) {
            done.breaches.push(format!("{call} of {task} runs for a handler of {begun}: it was recorded at {at}"));
        }
    }

    fn given(&self, task: &str, call: &str) {
        let at = self.begins();
        self.done().log.note(|| format!("{call} of {task} is recorded, at {at}"));
        self.done().given.entry((task.to_owned(), call.to_owned())).or_insert(at);
    }

    fn effect(&self, task: &str, call: &str, key: &str) -> bool {
        let mut done = self.done();
        done.log.note(|| format!("{call} of {task} happens under {key}"));
        let (times, keys) = done.effects.entry((task.to_owned(), call.to_owned())).or_default();
        *times += 1;
        keys.insert(key.to_owned());
        true
    }

    /// Down for five calls in twelve, whoever makes them.
    fn depended_on(&self) -> bool {
        let mut done = self.done();
        done.asked += 1;
        let is_up = done.asked % 12 < 7;
        done.log.note(|| format!("what steps depend on is called, and {}", if is_up { "up" } else { "down" }));
        is_up
    }

    fn pays(&self, task: &str, call: &str, costs: u64, at_most: u64) {
        let mut done = self.done();
        done.log.note(|| format!("{call} of {task} is paid for: {costs}, of {at_most} reserved"));
        let run = task.split_once(' ').map_or(task, |(run, _)| run).to_owned();
        let purse = done.purses.entry(run.clone()).or_default();
        purse.paid += costs;
        purse.beyond += costs.saturating_sub(at_most);
        let Purse { may_cost, paid, beyond } = *purse;
        if paid > may_cost + beyond {
            let what =
                format!("{run} has paid {paid}, may cost {may_cost}, and only {beyond} were beyond reservations");
            done.breaches.push(what);
        }
    }

    fn acts_upon(&self, task: &str, approval: &str, yes: bool) {
        let call = (task.to_owned(), approval.to_owned());
        self.done().acted_upon.entry(call).or_default().insert(yes);
    }

    fn heard(&self, letter: u64, instance: &str) {
        let mut done = self.done();
        done.log.note(|| format!("{instance} handles letter {letter}"));
        *done.letters.entry(letter).or_default().heard.entry(instance.to_owned()).or_default() += 1;
    }

    fn happened(&self, task: &str, call: &str) -> bool {
        self.done().effects.contains_key(&(task.to_owned(), call.to_owned()))
    }
}
