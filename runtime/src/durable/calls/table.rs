//! What is known of the calls of one activation, under their lock.

use super::super::root::Root;
use super::super::trap::recorded_by;
use super::{Cut, Key, Mark, Outcome, Phase, Turn};
use crate::Result;
use callboard_core::{Child, Json, Note, Noted};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::task::{Context, Waker};
use tokio::time::Instant;

/// All of them.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) phase: Phase,
    /// How often each stem was called.
    pub(super) occurrences: HashMap<String, u32>,
    pub(super) calls: HashMap<Key, Call>,
    /// Those of the calls that a future of the handler waits for: few, however many there were.
    pub(super) awaited: HashSet<Key>,
    pub(super) outbox: Vec<Note>,
    /// What the handler has said last of how far it is, if that is not sent.
    pub(super) progress: Option<Json>,
    /// Steps whose code runs.
    pub(super) running: usize,
    /// Whether calls that are dropped now are taken back.
    pub(super) withdrawing: bool,
    /// Until when the task is known to be the handler's own; `None` where nobody else can have it.
    pub(super) ours_until: Option<Instant>,
    /// Whether a step waits for that.
    pub(super) wants_lease: bool,
    /// How many outcomes were delivered.
    pub(super) delivered: u64,
    /// The number of the last of those that were given to the handler since this was looked at.
    pub(super) consumed: u64,
    /// How much the handler has been given, and by whom that was done.
    pub(super) given: Given,
    /// Whether only what is recorded already is given: nothing is asked for, and nothing begins.
    pub(super) is_peeking: bool,
    /// Calls that a gate has turned away.
    pub(super) held: HashMap<Key, Held>,
    /// The step whose code is being polled.
    pub(super) in_step: Option<Key>,
    /// Why the handler is being dropped, if it is.
    pub(super) cut: Option<Cut>,
    /// Whether it has waited in vain for somebody else.
    pub(super) are_of_another: bool,
}

/// How much a handler has been given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// Outcomes that were recorded before this activation.
    pub(super) replayed: u64,
    /// Outcomes that came meanwhile, and code that runs here.
    pub(super) fresh: u64,
}

impl Given {
    /// Whether all that was given since then is what was recorded before: nothing was done for it.
    pub(crate) fn is_all_replayed_since(self, before: Self) -> bool {
        self.replayed > before.replayed && self.fresh == before.fresh
    }
}

/// A call that a gate has turned away.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) gate: Arc<str>,
    /// The step of whose code it is, if it is of one.
    pub(super) step: Option<Key>,
}

/// What is known of a call.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// What is recorded of its beginning.
    pub(super) mark: Option<Mark>,
    pub(super) outcome: Option<Outcome>,
    /// Which of the delivered outcomes that is, from 1.
    pub(super) number: u64,
    /// Whether it was recorded before this activation.
    pub(super) is_replayed: bool,
    /// Whether the handler has made it, in this activation.
    pub(super) is_made: bool,
    /// Whether what it waits for is known to take long.
    pub(super) is_long: bool,
    /// Whether this activation has sent on what it asks for.
    pub(super) is_asked: bool,
    pub(super) waker: Option<Waker>,
}

impl Table {
    /// A future of the handler waits for this call.
    pub(super) fn waits(&mut self, key: &Key, cx: &Context<'_>) {
        let call = self.calls.entry(key.clone()).or_default();
        if call.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            call.waker = Some(cx.waker().clone());
        }
        if !self.awaited.contains(key) {
            self.awaited.insert(key.clone());
        }
    }

    /// Whether the task is known to be the handler's own.
    pub(super) fn is_ours(&self) -> bool {
        self.ours_until.is_none_or(|until| Instant::now() < until)
    }

    /// How many steps run only as far as a gate.
    pub(super) fn held_steps(&self) -> usize {
        self.held.values().filter_map(|held| held.step.as_ref()).collect::<HashSet<_>>().len()
    }

    /// The handler is given what came of a call.
    pub(super) fn gives(&mut self, key: &Key, turn: &Result<Turn>) {
        if let (Ok(Turn::Outcome(_)), Some(call)) = (turn, self.calls.get(key)) {
            self.consumed = self.consumed.max(call.number);
            let given = if call.is_replayed { &mut self.given.replayed } else { &mut self.given.fresh };
            *given += 1;
        }
        self.rest(key);
    }

    /// Nothing waits for it any more.
    pub(super) fn rest(&mut self, key: &Key) {
        if self.awaited.remove(key)
            && let Some(call) = self.calls.get_mut(key)
        {
            call.waker = None;
        }
    }

    pub(super) fn awaited(&self) -> impl Iterator<Item = (&Key, &Call)> {
        self.awaited.iter().filter_map(|key| Some((key, self.calls.get(key)?)))
    }

    /// A call that the handler makes.
    pub(super) fn made(&mut self, key: &Key) -> &mut Call {
        let call = self.calls.entry(key.clone()).or_default();
        call.is_made = true;
        call
    }

    /// How many of the calls that the handler waits for keep its own waker.
    pub(super) fn kept_of(&self, root: &Root) -> usize {
        let keeps = |call: &Call| call.waker.as_ref().is_some_and(|waker| waker.will_wake(root.waker()));
        self.awaited().filter(|(_, call)| keeps(call)).count()
    }

    pub(super) fn wake_all(&mut self) {
        self.calls.values_mut().filter_map(|call| call.waker.take()).for_each(Waker::wake);
    }

    pub(super) fn withdraw(&mut self, keys: Vec<Key>) {
        if matches!(self.phase, Phase::Cancelled | Phase::Over) {
            return;
        }
        for note in &mut self.outbox {
            match note {
                Note::Children(children) => children.retain(|child| !keys.contains(&child.key)),
                Note::Wait { key, .. } if keys.contains(key) => *note = Note::Withdraw(Vec::new()),
                _ => {}
            }
        }
        self.outbox.push(Note::Withdraw(keys));
    }

    /// These notes are on their way.
    pub(super) fn sent(&mut self, notes: &[Note]) {
        for note in notes {
            let (Note::Children(_) | Note::Wait { .. }) = note else { continue };
            keys(note).into_iter().for_each(|key| self.calls.entry(key.clone()).or_default().is_asked = true);
        }
    }

    /// What of a note is not recorded yet.
    pub(super) fn still_wanted(&self, note: Note) -> Option<Note> {
        let call = |key: &Key| self.calls.get(key);
        let mark = |key: &Key| call(key).and_then(|call| call.mark.as_ref());
        let is_over = |key: &Key| call(key).is_some_and(|call| call.outcome.is_some());
        match note {
            Note::Children(mut children) => {
                let is_wanted = |child: &Child| mark(&child.key).is_none() && !is_over(&child.key);
                // Those that refer to one another go together: what is there already is what the others refer to.
                if children.iter().any(|child| child.alias.is_some()) {
                    return children.iter().any(is_wanted).then_some(Note::Children(children));
                }
                children.retain(is_wanted);
                (!children.is_empty()).then_some(Note::Children(children))
            }
            Note::Wait { ref key, .. } => {
                (matches!(mark(key), None | Some(Mark::Charged)) && !is_over(key)).then_some(note)
            }
            Note::Withdraw(mut keys) => {
                let is_asked = |key: &Key| call(key).is_some_and(|call| call.mark.is_some() || call.is_asked);
                keys.retain(|key| !is_over(key) && is_asked(key));
                (!keys.is_empty()).then_some(Note::Withdraw(keys))
            }
            note => Some(note),
        }
    }
}

/// The keys of a note.
pub(super) fn keys(note: &Note) -> Vec<&Key> {
    match note {
        Note::Withdraw(keys) => keys.iter().collect(),
        note => recorded_by(note),
    }
}

pub(super) fn mark_of(what: &Noted, here: bool) -> Option<Mark> {
    match what {
        Noted::Submitted { child, hash } => Some(Mark::Submitted { child: *child, hash: hash.clone() }),
        Noted::Begun(_) => Some(Mark::Begun { here, since: None }),
        Noted::BegunBehind(_, since) => Some(Mark::Begun { here, since: Some(*since) }),
        Noted::Unknown => Some(Mark::Unknown),
        Noted::NotDone => Some(Mark::NotDone),
        Noted::Waits => Some(Mark::Waits),
        Noted::Reserved(_) => Some(Mark::Reserved),
        Noted::Charged(_) => Some(Mark::Charged),
        Noted::Value(_) | Noted::Failed(_) => None,
    }
}
