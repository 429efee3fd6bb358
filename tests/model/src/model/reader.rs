//! A fresh reader of the log (J9): verified manifest, snapshot, walk, a second look at the end.
use super::{
    control::Broken,
    log::{State, batch},
    properties::Violation,
    register::{Client, Next, Role},
    sequence::Sequence,
    store::{Call, Object, Position, Rules},
    walk::{Found, Look},
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Phase {
    #[default]
    Idle,
    Manifest(Client),
    Walk(Position, Look),
    Again(Client),
    Done,
}

/// One reader, which reads once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reader {
    phase: Phase,
    version: u8,
    write: u8,
    snapshot_at: Position,
    /// Whether the walk ended at a record that does not follow the one before.
    broken: bool,
    state: Sequence,
    /// What had been acknowledged when it began, as a set of bits.
    began: u32,
}

impl Reader {
    /// Whether it has read.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// What it has read so far.
    pub fn state(&self) -> Sequence {
        self.state
    }

    /// Whether it is about to find a newer snapshot at the end of its walk.
    pub fn starts_again(&self, state: &State) -> bool {
        matches!(self.phase, Phase::Again(Client::ListAgain(version, write))
            if state.chain.newest() == version
                && state.manifests.of(write).snapshot_at != self.snapshot_at)
    }

    /// The calls it may make now.
    pub fn calls(&self, state: &State, rules: Rules, out: &mut Vec<Call>) {
        match self.phase {
            Phase::Idle => Client::List.calls(&state.chain, rules, out),
            Phase::Manifest(client) | Phase::Again(client) => client.calls(&state.chain, rules, out),
            Phase::Walk(at, look) => look.calls(at, &state.slots, rules, out),
            Phase::Done => {}
        }
    }

    /// Makes a call.
    pub fn take(state: &mut State, call: Call, rules: Rules) {
        match (state.reader.phase, call) {
            (Phase::Idle, _) => {
                state.reader.began = state.acknowledged();
                Self::manifest(state, Client::List, call, rules);
            }
            (Phase::Manifest(client) | Phase::Again(client), _) => Self::manifest(state, client, call, rules),
            (Phase::Walk(at, look), Call::Get { found, .. }) => {
                let found = look.take(at, found, &mut state.slots, rules);
                Self::walked(state, at, found, rules);
            }
            _ => {}
        }
    }

    fn manifest(state: &mut State, client: Client, call: Call, rules: Rules) {
        let again = matches!(state.reader.phase, Phase::Again(_));
        match client.take(call, &mut state.chain, rules, Role::Reader) {
            Next::Read(version, write) => {
                if state.chain.history(version) != write {
                    state.violations.set(Violation::Conclusion);
                }
                let manifest = state.manifests.of(write);
                if again && manifest.snapshot_at == state.reader.snapshot_at {
                    if state.reader.broken {
                        state.violations.set(Violation::Alarm);
                    }
                    return Self::done(state);
                }
                (state.reader.version, state.reader.write) = (version, write);
                state.reader.broken = false;
                state.reader.snapshot_at = manifest.snapshot_at;
                state.reader.state = state.log.first(manifest.snapshot_len);
                state.reader.phase = Phase::Walk(manifest.snapshot_at.next(), Look::First);
            }
            Next::Go(client) if again => state.reader.phase = Phase::Again(client),
            Next::Go(client) => state.reader.phase = Phase::Manifest(client),
            Next::Done(_) => {}
        }
    }

    fn walked(state: &mut State, at: Position, found: Found, rules: Rules) {
        let follows = |process| rules.broken(Broken::OneSequence) || state.follows(state.reader.state, process, at);
        let broken = match found {
            Found::Object(Object::Batch(process) | Object::Reencoded(process)) => !follows(process),
            found => found == Found::Hole,
        };
        let reader = &mut state.reader;
        reader.broken = broken;
        let again = Phase::Again(Client::Cached(reader.version, reader.write));
        match found {
            _ if broken => reader.phase = again,
            Found::Object(Object::Batch(process) | Object::Reencoded(process)) => {
                reader.state.push(batch(process, at));
                reader.phase = Phase::Walk(at.next(), Look::First);
            }
            Found::Object(_) => reader.phase = Phase::Walk(Position::new(at.epoch() + 1, 1), Look::First),
            Found::Look(look) => reader.phase = Phase::Walk(at, look),
            _ if rules.broken(Broken::NoSecondLook) => Self::done(state),
            _ => reader.phase = again,
        }
    }

    fn done(state: &mut State) {
        let Self { state: read, began, .. } = state.reader;
        if !read.is_prefix_of(state.log) || began & !read.set() != 0 {
            state.violations.set(Violation::Reader);
        }
        state.reader = Self { phase: Phase::Done, ..Self::default() };
    }
}
