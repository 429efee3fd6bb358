//! Family A: writers that count in one document, each increment one advance of its register.
use stateright::{Model, Property};

use super::{
    control::Broken,
    properties::{self, Violation, Violations},
    register::{Client, Next, Role, Verdict},
    store::{Call, Chain, Object, Rules, WRITES},
};

/// The most writers.
const WRITERS: usize = 3;
/// The most increments of a writer.
const INCREMENTS: usize = 3;
/// The most increments in all: two bits of a count each.
const COUNTS: u8 = 8;

/// A configuration: how many writers make how many increments, in how many attempts each.
#[derive(Clone, Copy, Debug)]
pub struct Documents {
    /// Writers, at most 3.
    pub writers: u8,
    /// Increments of each writer, at most 3.
    pub increments: u8,
    /// Attempts at an increment that was told *Moved*.
    pub attempts: u8,
    /// Whether a plain reader reads once.
    pub reader: bool,
    /// How the store behaves.
    pub rules: Rules,
}

/// What a writer knows of one increment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing yet.
    #[default]
    Open,
    /// It counts.
    Ok,
    /// It does not count and never will.
    Failed,
    /// Either.
    Unknown,
}

/// One writer: its client, the increment and attempt it is at, and what it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Writer {
    client: Client,
    increment: u8,
    attempt: u8,
    /// What it was told, increment by increment.
    pub outcomes: [Outcome; INCREMENTS],
}

/// One moment of the search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The document's register.
    pub chain: Chain,
    counts: [u16; WRITES],
    /// The writers.
    pub writers: [Writer; WRITERS],
    /// The reader, until it has read.
    pub reader: Option<Client>,
    violations: Violations,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A writer's call.
    Writer(u8, Call),
    /// The reader's call.
    Reader(Call),
    /// This version is created late, by this write that was sent.
    Late(u8, u8),
    /// The whole register vanishes; only under [`Broken::NewestPruned`].
    Vanish,
}

impl Documents {
    fn write(&self, writer: u8, increment: u8, attempt: u8) -> u8 {
        (writer * self.increments + increment) * self.attempts + attempt + 1
    }

    fn operation(&self, write: u8) -> u8 {
        (write - 1) / self.attempts
    }

    /// The counts of all increments in the version that `write` made.
    fn counts(state: &State, write: u8) -> u16 {
        if write == 0 { 0 } else { state.counts[usize::from(write) - 1] }
    }

    fn count(&self, state: &State, writer: u8, increment: u8) -> u16 {
        let newest = Self::counts(state, state.chain.history(state.chain.newest()));
        newest >> (2 * (writer * self.increments + increment)) & 3
    }

    /// Fixes the bytes of the writer's next write: the base's counts and its own.
    fn prepare(&self, state: &mut State, writer: u8, base: u8) -> u8 {
        let at = state.writers[usize::from(writer)];
        let write = self.write(writer, at.increment, at.attempt);
        let operation = self.operation(write);
        let counts = Self::counts(state, base);
        let one_more = ((counts >> (2 * operation) & 3) + 1).min(3);
        state.counts[usize::from(write) - 1] = counts & !(3 << (2 * operation)) | one_more << (2 * operation);
        state.chain.prepare(write, base);
        write
    }

    fn take(&self, state: &mut State, writer: u8, call: Call) {
        let client = state.writers[usize::from(writer)].client;
        match client.take(call, &mut state.chain, self.rules, Role::Writer) {
            Next::Go(Client::Try(version, write)) => {
                let write = self.again(state, writer, write);
                state.writers[usize::from(writer)].client = Client::Try(version, write);
            }
            Next::Go(next) => state.writers[usize::from(writer)].client = next,
            Next::Read(version, write) => {
                self.check_read(state, version, write);
                let own = self.prepare(state, writer, write);
                state.writers[usize::from(writer)].client = Client::Try(version + 1, own);
            }
            Next::Done(verdict) => self.done(state, writer, client, verdict),
        }
    }

    /// The write of the next try: the same, unless R1 is broken and there is one to spare.
    fn again(&self, state: &mut State, writer: u8, write: u8) -> u8 {
        let at = &mut state.writers[usize::from(writer)];
        let current = self.write(writer, at.increment, at.attempt);
        if write == current || at.attempt + 1 == self.attempts {
            return current;
        }
        at.attempt += 1;
        let base = state.chain.predecessor(current);
        self.prepare(state, writer, base)
    }

    fn check_read(&self, state: &mut State, version: u8, write: u8) {
        if state.chain.history(version) != write {
            state.violations.set(Violation::Conclusion);
        }
    }

    fn done(&self, state: &mut State, writer: u8, client: Client, verdict: Verdict) {
        let (Client::Try(version, write)
        | Client::Confirm(version, write)
        | Client::Ahead(version, write)
        | Client::Judge(version, write, _)) = client
        else {
            return;
        };
        if properties::contradicts(&state.chain, version, write, verdict) {
            state.violations.set(Violation::Conclusion);
        }
        let at = &mut state.writers[usize::from(writer)];
        let outcome = match verdict {
            Verdict::Advanced | Verdict::Superseded => Outcome::Ok,
            Verdict::Unknown => Outcome::Unknown,
            Verdict::Moved => Outcome::Failed,
        };
        if verdict == Verdict::Moved {
            state.chain.told_moved(write);
            if at.attempt + 1 < self.attempts {
                at.attempt += 1;
                at.client = Client::List;
                return;
            }
        }
        at.outcomes[usize::from(at.increment)] = outcome;
        at.increment += 1;
        at.attempt = 0;
        at.client = Client::List;
        if verdict == Verdict::Advanced && at.increment < self.increments {
            let own = self.prepare(state, writer, write);
            state.writers[usize::from(writer)].client = Client::Try(version + 1, own);
        }
    }

    fn read(&self, state: &mut State, client: Client, call: Call) {
        state.reader = match client.take(call, &mut state.chain, self.rules, Role::Reader) {
            Next::Go(next) => Some(next),
            Next::Read(version, write) => {
                self.check_read(state, version, write);
                None
            }
            Next::Done(_) => None,
        };
    }

    /// The increments in the version that the reader is about to return, each as often as it counts.
    pub fn increments_read(&self, state: &State) -> Vec<u8> {
        let Some(Client::ListAgain(_, write)) = state.reader else {
            return Vec::new();
        };
        let counts = Self::counts(state, write);
        let times = |operation: u8| usize::from(counts >> (2 * operation) & 3);
        let operations = 0..self.writers * self.increments;
        operations.flat_map(|operation| std::iter::repeat_n(operation, times(operation))).collect()
    }

    fn check(&self, state: &mut State) {
        for writer in 0..self.writers {
            for increment in 0..self.increments {
                let count = self.count(state, writer, increment);
                let kept = match state.writers[usize::from(writer)].outcomes[usize::from(increment)] {
                    Outcome::Ok => count == 1,
                    Outcome::Failed => count == 0,
                    Outcome::Open | Outcome::Unknown => count <= 1,
                };
                if !kept {
                    state.violations.set(Violation::Count);
                }
            }
        }
        if !state.chain.is_sound() {
            state.violations.set(Violation::Chain);
        }
    }

    fn any(state: &State, condition: impl Fn(&Writer) -> bool) -> bool {
        state.writers.iter().any(condition)
    }
}

impl Model for Documents {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        assert!(self.writers * self.increments <= COUNTS, "the configuration is too large");
        let reader = self.reader.then_some(Client::List);
        vec![State { reader, ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let mut calls = Vec::with_capacity(8);
        for (writer, at) in (0..self.writers).zip(&state.writers) {
            // The writers are alike: the next one begins after the one before it.
            let idle = |writer: u8| state.writers[usize::from(writer)] == Writer::default();
            let too_early = writer > 0 && idle(writer) && idle(writer - 1);
            if at.increment == self.increments || too_early {
                continue;
            }
            at.client.calls(&state.chain, self.rules, &mut calls);
            actions.extend(calls.drain(..).map(|call| Action::Writer(writer, call)));
        }
        if let Some(client) = state.reader {
            client.calls(&state.chain, self.rules, &mut calls);
            actions.extend(calls.drain(..).map(Action::Reader));
        }
        actions.extend(state.chain.late().map(|write| Action::Late(state.chain.sent(write), write)));
        if self.rules.broken(Broken::NewestPruned) && state.chain.newest() > 0 {
            actions.push(Action::Vanish);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Writer(writer, call) => self.take(&mut state, writer, call),
            Action::Reader(call) => {
                let client = state.reader?;
                self.read(&mut state, client, call);
            }
            Action::Late(_, write) => state.chain.land(write),
            Action::Vanish => state.chain.wipe(),
        }
        self.check(&mut state);
        (state != *last).then_some(state)
    }

    fn format_action(&self, action: &Action) -> String {
        match action {
            Action::Writer(writer, call) => {
                format!("writer {writer}: {}", properties::readable(call))
            }
            Action::Reader(call) => format!("reader: {}", properties::readable(call)),
            Action::Late(version, write) => {
                format!("late: version {version} is created with {:?}", Object::Write(*write))
            }
            Action::Vanish => "every version vanishes".into(),
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(Violation::Count.name(), |_, state: &State| !state.violations.has(Violation::Count)),
            Property::always(Violation::Conclusion.name(), |_, state: &State| {
                !state.violations.has(Violation::Conclusion)
            }),
            Property::always(Violation::Chain.name(), |_, state: &State| !state.violations.has(Violation::Chain)),
        ];
        if self.rules.broken.is_none() {
            all.extend([
                Property::sometimes("an increment ends unknown", |_, state: &State| {
                    Self::any(state, |writer| writer.outcomes.contains(&Outcome::Unknown))
                }),
                Property::sometimes("an increment fails", |_, state: &State| {
                    Self::any(state, |writer| writer.outcomes.contains(&Outcome::Failed))
                }),
                Property::sometimes("a pruned name is created again", |_, state: &State| {
                    Self::any(state, |writer| writer.client.sees_recreated(&state.chain))
                }),
                Property::sometimes("a writer finds somebody ahead of its own version", |_, state: &State| {
                    Self::any(
                        state,
                        |writer| matches!(writer.client, Client::Ahead(_, write) if state.chain.holds(write)),
                    )
                }),
                Property::sometimes("all increments count", |model: &Documents, state: &State| {
                    (0..model.writers)
                        .all(|writer| (0..model.increments).all(|increment| model.count(state, writer, increment) == 1))
                }),
            ]);
        }
        all
    }
}
