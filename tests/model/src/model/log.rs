//! Family B: processes that claim, walk, seal, append, snapshot and collect, and a fresh reader.
use stateright::{Model, Property};

use super::{
    control::Broken,
    process::{Lane, Process, Stop},
    properties::{self, Violation, Violations},
    reader::Reader,
    sequence::Sequence,
    store::{Call, Chain, Name, Object, PROCESSES, Position, Rules, SLOTS, Slots, WRITES},
};

/// A configuration: each process claims once, so a takeover or a restart is the next process.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Processes, at most 4.
    pub processes: u8,
    /// Appends of each after its ownership record, at most 3.
    pub appends: u8,
    /// Snapshots of each, at most 3.
    pub snapshots: u8,
    /// Whether a fresh reader reads once.
    pub reader: bool,
    /// How the store behaves. Garbage goes up to the *newest* snapshot, which is more than J8 allows.
    pub rules: Rules,
}

/// What the writes of the manifest say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Manifests {
    epoch: [u8; WRITES],
    snapshot_at: [Position; WRITES],
    snapshot_len: [u8; WRITES],
}

/// What one version of the manifest says. A snapshot is a prefix of the log (checked when an owner serves, and
/// the log only grows), so its length is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The epoch, 0 before the first claim.
    pub epoch: u8,
    /// The position of the newest snapshot.
    pub snapshot_at: Position,
    /// How many batches it holds.
    pub snapshot_len: u8,
}

impl Manifests {
    /// What `write` says; the empty register for 0.
    pub fn of(&self, write: u8) -> Manifest {
        let Some(at) = usize::from(write).checked_sub(1) else {
            return Manifest { epoch: 0, snapshot_at: Position::START, snapshot_len: 0 };
        };
        Manifest { epoch: self.epoch[at], snapshot_at: self.snapshot_at[at], snapshot_len: self.snapshot_len[at] }
    }

    /// Fixes what `write` says.
    pub fn set(&mut self, write: u8, manifest: Manifest) {
        let at = usize::from(write) - 1;
        self.epoch[at] = manifest.epoch;
        self.snapshot_at[at] = manifest.snapshot_at;
        self.snapshot_len[at] = manifest.snapshot_len;
    }
}

/// One moment of the search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The manifest's register.
    pub chain: Chain,
    /// What its writes say.
    pub manifests: Manifests,
    /// The slots.
    pub slots: Slots,
    /// The log that a fresh reader would see at this moment.
    pub log: Sequence,
    /// The processes.
    pub processes: [Process; PROCESSES],
    /// The fresh reader.
    pub reader: Reader,
    /// What was found broken.
    pub violations: Violations,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A call of a process, in its main line or in its snapshot's.
    Process(u8, Lane, Call),
    /// A call of the reader.
    Reader(Call),
    /// What was sent takes effect late.
    Late(Name, Object),
    /// The collector's boundary comes from this stale write; only under [`Broken::CollectorNoSecondList`].
    Collect(u8),
    /// Every version vanishes; only under [`Broken::NewestPruned`].
    Vanish,
}

/// The number of the batch that `process` made for a slot.
pub fn batch(process: u8, at: Position) -> u8 {
    process * 6 + at.slot() - 1
}

impl State {
    /// Whether the record that `process` made for `at` names the last one of `state` as the one before it.
    pub fn follows(&self, state: Sequence, process: u8, at: Position) -> bool {
        let before = match at.slot() {
            1 => self.processes[usize::from(process)].previous,
            slot => Some(batch(process, Position::new(at.epoch(), slot - 1))),
        };
        before == state.last()
    }

    /// What the newest version of the manifest says.
    pub fn manifest(&self) -> Manifest {
        self.manifests.of(self.chain.history(self.chain.newest()))
    }

    /// All batches that were acknowledged, as a set of bits.
    pub fn acknowledged(&self) -> u32 {
        self.union(|process| process.acknowledged)
    }

    fn union(&self, slots: impl Fn(&Process) -> u8) -> u32 {
        (0..).zip(&self.processes).fold(0, |set, (at, process)| set | u32::from(slots(process)) << (at * SLOTS))
    }

    /// What a fresh reader would return if nobody else did anything.
    fn fresh(&self) -> Sequence {
        let manifest = self.manifest();
        let mut log = self.log.first(manifest.snapshot_len);
        let mut at = manifest.snapshot_at.next();
        loop {
            match self.slots.content(at) {
                Some(Object::Batch(process) | Object::Reencoded(process)) => {
                    log.push(batch(process, at));
                    at = at.next();
                }
                Some(_) => at = Position::new(at.epoch() + 1, 1),
                None => return log,
            }
        }
    }

    /// Checks what is to hold after each step.
    fn check(&mut self, last: &Self, rules: Rules) {
        let log = self.fresh();
        let members = log.set();
        let (before, now) = (last.manifest(), self.manifest());
        let broken = [
            (Violation::Shrunk, !last.log.is_prefix_of(log)),
            (Violation::Repeated, log.repeats()),
            (Violation::Acknowledged, self.acknowledged() & !members != 0),
            (Violation::Failed, self.union(|process| process.failed) & members != 0),
            (Violation::Chain, !self.chain.is_sound()),
            (Violation::Back, now.epoch < before.epoch || now.snapshot_at < before.snapshot_at),
            (Violation::Serving, self.serving().any(|owner| !owner.state.is_prefix_of(log))),
            (Violation::TwoOwners, !rules.broken(Broken::OneSequence) && self.two_owners()),
        ];
        for (violation, _) in broken.iter().filter(|(_, broken)| *broken) {
            self.violations.set(*violation);
        }
        self.log = log;
    }

    fn serving(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| process.serving)
    }

    fn two_owners(&self) -> bool {
        let epochs = self.serving().fold(0u16, |set, owner| set | 1 << owner.epoch);
        epochs.count_ones() as usize != self.serving().count()
    }
}

impl Model for Log {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        assert!(self.processes * (self.appends + 1) <= 12, "the configuration is too large");
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let mut calls = Vec::with_capacity(8);
        for index in 0..self.processes {
            // The processes are alike: the next one begins after the one before it.
            let idle = |index: u8| state.processes[usize::from(index)] == Process::default();
            if index > 0 && idle(index) && idle(index - 1) {
                continue;
            }
            for lane in [Lane::Main, Lane::Snapshot] {
                self.calls(state, index, lane, &mut calls);
                actions.extend(calls.drain(..).map(|call| Action::Process(index, lane, call)));
            }
        }
        if self.reader {
            state.reader.calls(state, self.rules, &mut calls);
            actions.extend(calls.drain(..).map(Action::Reader));
        }
        let writes = state.chain.late();
        actions.extend(writes.map(|write| Action::Late(Name::Version(state.chain.sent(write)), Object::Write(write))));
        actions.extend(state.slots.late().map(|(at, object)| Action::Late(Name::Slot(at), object)));
        self.wrong_actions(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Process(index, lane, call) => self.take(&mut state, index, lane, call),
            Action::Reader(call) => Reader::take(&mut state, call, self.rules),
            Action::Late(Name::Slot(at), object) => state.slots.land(at, object),
            Action::Late(_, Object::Write(write)) => state.chain.land(write),
            Action::Late(..) => return None,
            Action::Collect(write) => {
                let boundary = state.manifests.of(write).snapshot_at;
                state.slots.collect(boundary, self.rules);
            }
            Action::Vanish => state.chain.wipe(),
        }
        let boundary = state.manifest().snapshot_at;
        state.slots.collect(boundary, self.rules);
        state.check(last, self.rules);
        (state != *last).then_some(state)
    }

    fn format_action(&self, action: &Action) -> String {
        match action {
            Action::Process(index, Lane::Main, call) => {
                format!("process {index}: {}", properties::readable(call))
            }
            Action::Process(index, Lane::Snapshot, call) => {
                format!("process {index}, snapshot: {}", properties::readable(call))
            }
            Action::Reader(call) => format!("reader: {}", properties::readable(call)),
            Action::Late(name, object) => format!("late: {name:?} is created with {object:?}"),
            Action::Collect(write) => {
                format!("collector: takes its boundary from the stale write {write}")
            }
            Action::Vanish => "every version vanishes".into(),
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = always();
        if self.rules.broken.is_none() {
            all.extend(sometimes());
        }
        all
    }
}

impl Log {
    /// The steps that only a broken rule allows.
    fn wrong_actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.rules.broken(Broken::NewestPruned) && state.chain.newest() > 0 {
            actions.push(Action::Vanish);
        }
        if self.rules.broken(Broken::CollectorNoSecondList) {
            let versions = (1..=state.chain.newest()).filter(|version| state.chain.prunable(*version, self.rules));
            let stale = versions.flat_map(|version| state.chain.sent_for(version));
            let further = stale.filter(|write| state.manifests.of(*write).snapshot_at > state.slots.boundary());
            actions.extend(further.map(Action::Collect));
        }
    }
}

fn always() -> Vec<Property<Log>> {
    macro_rules! hold {
        ($($violation:ident),*) => {
            vec![$(Property::always(Violation::$violation.name(), |_, state: &State| {
                !state.violations.has(Violation::$violation)
            })),*]
        };
    }
    hold!(Conclusion, Chain, Acknowledged, Failed, Repeated, Shrunk, Serving, TwoOwners, Start, Back, Reader, Alarm)
}

fn stopped(state: &State, why: Stop) -> bool {
    state.processes.iter().any(|process| process.stopped() == Some(why))
}

fn sometimes() -> Vec<Property<Log>> {
    vec![
        Property::sometimes("a second owner serves", |_, state: &State| state.serving().any(|owner| owner.epoch > 1)),
        Property::sometimes("an owner is deposed by a failed append", |_, state: &State| stopped(state, Stop::Failed)),
        Property::sometimes("an append ends unknown", |_, state: &State| stopped(state, Stop::Unknown)),
        Property::sometimes("an owner is deposed by its snapshot", |_, state: &State| stopped(state, Stop::Snapshot)),
        Property::sometimes("a claim is superseded", |_, state: &State| stopped(state, Stop::Superseded)),
        Property::sometimes("an ownership record finds a seal", |_, state: &State| stopped(state, Stop::Record)),
        Property::sometimes("a takeover finds late data where it sent a seal", |_, state: &State| {
            state
                .processes
                .iter()
                .filter_map(Process::sealed)
                .any(|at| matches!(state.slots.content(at), Some(Object::Batch(_))))
        }),
        Property::sometimes("a collected slot is sealed late", |_, state: &State| {
            (0..).zip(&state.processes).any(|(index, process)| {
                process.acknowledged_at().any(|at| {
                    state.slots.content(at) == Some(Object::Seal)
                        && state.slots.sent(at).any(|object| object == Object::Batch(index))
                })
            })
        }),
        Property::sometimes("a pruned version is created again", |_, state: &State| {
            state.processes.iter().any(|process| process.sees_recreated(&state.chain))
        }),
        Property::sometimes("a walk is overtaken by the collector", |_, state: &State| {
            state.processes.iter().any(Process::explains)
        }),
        Property::sometimes("a reader starts again", |_, state: &State| state.reader.starts_again(state)),
    ]
}
