//! One process of the log: it claims, walks, seals, writes its record, appends and snapshots.
use super::{
    control::Broken,
    log::{Log, Manifest, State, batch},
    properties::{self, Violation},
    register::{Client, Next, Role, Verdict},
    store::{Answer, Call, Chain, Name, Object, Position},
    walk::{Found, Look},
};

mod snapshot;

/// Which of a process's two lines makes a call; a snapshot runs beside the appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Claim, walk, record, appends.
    Main,
    /// The snapshot in flight.
    Snapshot,
}

/// Why a process stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stop {
    /// The claim was moved or unknown (J2).
    Claim,
    /// The claim was advanced and superseded (J2).
    Superseded,
    /// A seal was in the place of the ownership record (J4).
    Record,
    /// An append failed (J6).
    Failed,
    /// An append is unknown (J6).
    Unknown,
    /// The manifest had moved under a snapshot (J7).
    Snapshot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Claim(Client),
    Walk(Position, Look),
    Seal(Position),
    Sealed(Position),
    Explain(Client),
    Ready,
    Append(Position, Object),
    Look(Position, Object),
    Settle(Position, Client),
    Stopped(Stop),
}

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    phase: Phase,
    snapshot: Option<Client>,
    version: u8,
    write: u8,
    at: Position,
    appends: u8,
    snapshots: u8,
    /// The epoch it claims or has, 0 for none.
    pub epoch: u8,
    /// The last batch before its ownership record.
    pub previous: Option<u8>,
    /// Whether it serves as an owner.
    pub serving: bool,
    /// The batches that it has applied.
    pub state: super::sequence::Sequence,
    /// The slots it was acknowledged, as bits from slot 1.
    pub acknowledged: u8,
    /// The slot it reported as failed, as a bit.
    pub failed: u8,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            phase: Phase::Claim(Client::List),
            snapshot: None,
            version: 0,
            write: 0,
            at: Position::START,
            appends: 0,
            snapshots: 0,
            epoch: 0,
            previous: None,
            serving: false,
            state: super::sequence::Sequence::default(),
            acknowledged: 0,
            failed: 0,
        }
    }
}

impl Process {
    /// Why it stopped, if it has.
    pub fn stopped(&self) -> Option<Stop> {
        if let Phase::Stopped(why) = self.phase { Some(why) } else { None }
    }

    /// The slot it is about to read on its walk, after it sent a seal to it.
    pub fn sealed(&self) -> Option<Position> {
        if let Phase::Sealed(at) = self.phase { Some(at) } else { None }
    }

    /// Whether its walk met records that do not follow each other.
    pub fn explains(&self) -> bool {
        matches!(self.phase, Phase::Explain(_))
    }

    /// Whether it moves the manifest to a new snapshot.
    pub fn snapshotting(&self) -> bool {
        self.snapshot.is_some()
    }

    /// How many of its snapshots stand.
    pub fn snapshots_taken(&self) -> u8 {
        self.snapshots
    }

    /// The slots it was acknowledged.
    pub fn acknowledged_at(&self) -> impl Iterator<Item = Position> {
        let (epoch, set) = (self.epoch, self.acknowledged);
        (1..=6u8).filter(move |slot| set & 1 << (slot - 1) != 0).map(move |slot| Position::new(epoch, slot))
    }

    /// Whether one of its clients holds a version that was created again.
    pub fn sees_recreated(&self, chain: &Chain) -> bool {
        let main = match self.phase {
            Phase::Claim(client) | Phase::Settle(_, client) | Phase::Explain(client) => client.sees_recreated(chain),
            _ => false,
        };
        main || self.snapshot.is_some_and(|client| client.sees_recreated(chain))
    }

    fn stop(&mut self, why: Stop) {
        let Self { epoch, previous, acknowledged, failed, .. } = *self;
        *self = Self { phase: Phase::Stopped(why), epoch, previous, acknowledged, failed, ..Self::default() };
    }

    /// An append that was in flight when a snapshot found the manifest moved is settled, then it stops.
    fn deposed_by_snapshot(&mut self) {
        self.serving = false;
        self.snapshot = None;
        if self.phase == Phase::Ready {
            self.stop(Stop::Snapshot);
        }
    }
}

/// The write id of a process's claim; its snapshots follow.
fn claim(index: u8) -> u8 {
    index * 4 + 1
}

impl Log {
    /// The calls of one line of a process.
    pub(super) fn calls(&self, state: &State, index: u8, lane: Lane, out: &mut Vec<Call>) {
        let process = &state.processes[usize::from(index)];
        if lane == Lane::Snapshot {
            return self.snapshot_calls(state, index, out);
        }
        match process.phase {
            Phase::Claim(client) | Phase::Settle(_, client) | Phase::Explain(client) => {
                client.calls(&state.chain, self.rules, out)
            }
            Phase::Walk(at, look) => look.calls(at, &state.slots, self.rules, out),
            Phase::Sealed(at) | Phase::Look(at, _) => {
                out.extend(self.rules.all_answers.then_some(Call::Lost));
                out.extend(state.slots.shows(at).map(|found| Call::Get { name: Name::Slot(at), found }));
            }
            Phase::Seal(at) => self.creates(state, at, Object::Seal, out),
            Phase::Append(at, object) => self.creates(state, at, object, out),
            Phase::Ready if process.appends < self.appends => {
                self.creates(state, process.at.next(), Object::Batch(index), out);
            }
            Phase::Ready | Phase::Stopped(_) => {}
        }
    }

    fn creates(&self, state: &State, at: Position, object: Object, out: &mut Vec<Call>) {
        let answers = state.slots.answers(at, self.rules);
        out.extend(answers.map(|answer| Call::Create { name: Name::Slot(at), object, answer }));
    }

    /// Makes a call.
    pub(super) fn take(&self, state: &mut State, index: u8, lane: Lane, call: Call) {
        if lane == Lane::Snapshot {
            return self.snapshot(state, index, call);
        }
        let process = state.processes[usize::from(index)];
        let own = usize::from(index);
        match (process.phase, call) {
            (Phase::Claim(client), _) => self.claim(state, index, client, call),
            (Phase::Walk(at, look), Call::Get { found, .. }) => {
                let found = look.take(at, found, &mut state.slots, self.rules);
                self.walked(state, index, at, found);
            }
            (Phase::Seal(at), Call::Create { answer, .. }) => {
                state.slots.create(at, Object::Seal, answer, self.rules);
                state.processes[own].phase = Phase::Sealed(at);
            }
            (Phase::Sealed(at), Call::Get { found, .. }) => {
                state.slots.seen(at, found, self.rules);
                let held = found.is_some();
                state.processes[own].phase = if held { Phase::Walk(at, Look::First) } else { Phase::Seal(at) };
            }
            (Phase::Explain(client), _) => self.explain(state, index, client, call),
            (Phase::Ready, Call::Create { object, answer, .. }) => {
                self.appended(state, index, process.at.next(), object, answer);
            }
            (Phase::Append(at, object), Call::Create { answer, .. }) => {
                self.appended(state, index, at, object, answer);
            }
            (Phase::Look(at, object), Call::Lost) => state.processes[own].phase = Phase::Append(at, object),
            (Phase::Look(at, object), Call::Get { found, .. }) => {
                state.slots.seen(at, found, self.rules);
                self.looked(state, index, at, object, found);
            }
            (Phase::Settle(at, client), _) => self.settle(state, index, at, client, call),
            _ => {}
        }
    }

    fn claim(&self, state: &mut State, index: u8, client: Client, call: Call) {
        let own = usize::from(index);
        match client.take(call, &mut state.chain, self.rules, Role::Writer) {
            Next::Go(Client::Try(version, _)) => {
                state.processes[own].phase = Phase::Claim(Client::Try(version, claim(index)));
            }
            Next::Go(client) => state.processes[own].phase = Phase::Claim(client),
            Next::Read(version, write) => self.claims(state, index, version, write),
            Next::Done(verdict) => {
                let process = &mut state.processes[own];
                let stop = match verdict {
                    Verdict::Advanced => None,
                    Verdict::Superseded => Some(Stop::Superseded),
                    Verdict::Moved | Verdict::Unknown => Some(Stop::Claim),
                };
                let version = process.version;
                match stop {
                    Some(why) => process.stop(why),
                    None => self.walk(state, index, Position::START),
                }
                conclude(state, version, claim(index), verdict);
            }
        }
    }

    /// The claim follows from a verified read (J2).
    fn claims(&self, state: &mut State, index: u8, version: u8, write: u8) {
        check_read(state, version, write);
        let base = state.manifests.of(write);
        let process = &mut state.processes[usize::from(index)];
        process.state = state.log.first(base.snapshot_len);
        process.at = base.snapshot_at;
        if self.rules.broken(Broken::OneSequence) {
            (process.epoch, process.version, process.write) = (1, version, write);
            process.phase = Phase::Walk(base.snapshot_at.next(), Look::First);
            return;
        }
        (process.epoch, process.version, process.write) = (base.epoch + 1, version + 1, claim(index));
        process.phase = Phase::Claim(Client::Try(version + 1, claim(index)));
        state.chain.prepare(claim(index), write);
        state.manifests.set(claim(index), Manifest { epoch: base.epoch + 1, ..base });
    }

    /// Goes on with the walk behind `at`, or ends it (J3).
    fn walk(&self, state: &mut State, index: u8, at: Position) {
        let process = &mut state.processes[usize::from(index)];
        let next = at.max(process.at).next();
        if next.epoch() < process.epoch {
            process.phase = Phase::Walk(next, Look::First);
            return;
        }
        process.previous = process.state.last();
        process.phase = Phase::Append(Position::new(process.epoch, 1), Object::Batch(index));
        if self.rules.broken(Broken::ServeBeforeRecord) {
            serve(state, index);
        }
    }

    fn walked(&self, state: &mut State, index: u8, at: Position, found: Found) {
        let one_sequence = self.rules.broken(Broken::OneSequence);
        let read = state.processes[usize::from(index)].state;
        let follows = |other| one_sequence || state.follows(read, other, at);
        let follows = match found {
            Found::Object(Object::Batch(other) | Object::Reencoded(other)) => follows(other),
            found => found != Found::Hole,
        };
        let process = &mut state.processes[usize::from(index)];
        match found {
            _ if !follows => process.phase = Phase::Explain(Client::Cached(process.version, process.write)),
            Found::Object(Object::Batch(other) | Object::Reencoded(other)) => {
                process.state.push(batch(other, at));
                process.at = at;
                process.phase = Phase::Walk(at.next(), Look::First);
            }
            Found::Look(_) if one_sequence => (process.phase, process.serving) = (Phase::Ready, true),
            Found::Look(look) => process.phase = Phase::Walk(at, look),
            Found::Free if !self.rules.broken(Broken::NoSeal) => process.phase = Phase::Seal(at),
            _ => self.walk(state, index, Position::new(at.epoch() + 1, 0)),
        }
    }

    /// Records that do not follow each other: a newer owner has collected them under the walk, or an alarm.
    fn explain(&self, state: &mut State, index: u8, client: Client, call: Call) {
        let own = usize::from(index);
        match client.take(call, &mut state.chain, self.rules, Role::Writer) {
            Next::Go(client) => state.processes[own].phase = Phase::Explain(client),
            Next::Read(version, _) => {
                if version == state.processes[own].version {
                    state.violations.set(Violation::Alarm);
                }
                state.processes[own].stop(Stop::Superseded);
            }
            Next::Done(_) => {}
        }
    }

    fn appended(&self, state: &mut State, index: u8, at: Position, object: Object, answer: Answer) {
        state.slots.create(at, object, answer, self.rules);
        let repeats = self.rules.broken(Broken::ExistsIsForeign);
        let phase = match answer {
            Answer::Created => return durable(state, index, at),
            Answer::Exists if repeats => return self.fail(state, index, at),
            Answer::Unclear if repeats => Phase::Append(at, object),
            Answer::Exists | Answer::Unclear => Phase::Look(at, object),
        };
        state.processes[usize::from(index)].phase = phase;
    }

    /// What the slot showed after an unclear answer (J6).
    fn looked(&self, state: &mut State, index: u8, at: Position, object: Object, found: Option<Object>) {
        let phase = match found {
            Some(found) if found == object => return durable(state, index, at),
            None => match self.rules.broken {
                Some(Broken::AbsentIsFailed) => return self.fail(state, index, at),
                Some(Broken::OtherBytes) => Phase::Append(at, Object::Reencoded(index)),
                _ => Phase::Append(at, object),
            },
            Some(_) if at.slot() == 1 => {
                return state.processes[usize::from(index)].stop(Stop::Record);
            }
            Some(_) if self.rules.broken(Broken::ForeignIsFailed) => {
                return self.fail(state, index, at);
            }
            Some(_) => Phase::Settle(at, Client::List),
        };
        state.processes[usize::from(index)].phase = phase;
    }

    fn fail(&self, state: &mut State, index: u8, at: Position) {
        let process = &mut state.processes[usize::from(index)];
        process.failed |= 1 << (at.slot() - 1);
        process.stop(Stop::Failed);
    }

    fn settle(&self, state: &mut State, index: u8, at: Position, client: Client, call: Call) {
        match client.take(call, &mut state.chain, self.rules, Role::Writer) {
            Next::Read(version, write) => {
                check_read(state, version, write);
                if state.manifests.of(write).snapshot_at < at {
                    self.fail(state, index, at);
                } else {
                    state.processes[usize::from(index)].stop(Stop::Unknown);
                }
            }
            Next::Go(client) => state.processes[usize::from(index)].phase = Phase::Settle(at, client),
            Next::Done(_) => {}
        }
    }
}

/// The batch at `at` is durable: it is applied and acknowledged; the record makes the process serve.
fn durable(state: &mut State, index: u8, at: Position) {
    let process = &mut state.processes[usize::from(index)];
    process.state.push(batch(index, at));
    process.at = at;
    process.acknowledged |= 1 << (at.slot() - 1);
    if process.appends == 0 && !process.serving && at.slot() == 1 {
        process.phase = Phase::Ready;
        return serve(state, index);
    }
    process.phase = Phase::Ready;
    process.appends += u8::from(at.slot() > 1);
    if !process.serving {
        process.stop(Stop::Snapshot);
    }
}

fn serve(state: &mut State, index: u8) {
    let epoch = state.processes[usize::from(index)].epoch;
    let earlier = (0..).zip(&state.processes).filter(|(_, process)| process.epoch < epoch);
    let acknowledged =
        earlier.fold(0, |set, (at, process)| set | u32::from(process.acknowledged) << (at * super::store::SLOTS));
    let process = &mut state.processes[usize::from(index)];
    process.serving = true;
    if acknowledged & !process.state.set() != 0 {
        state.violations.set(Violation::Start);
    }
}

fn check_read(state: &mut State, version: u8, write: u8) {
    if state.chain.history(version) != write {
        state.violations.set(Violation::Conclusion);
    }
}

fn conclude(state: &mut State, version: u8, write: u8, verdict: Verdict) {
    if properties::contradicts(&state.chain, version, write, verdict) {
        state.violations.set(Violation::Conclusion);
    }
    if verdict == Verdict::Moved {
        state.chain.told_moved(write);
    }
}
