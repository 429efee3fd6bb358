//! Walks of the log.
use super::{Actor, Event, Scripted, Told};
use crate::model::{
    log::{Action, Log, State},
    process::{Lane, Stop},
    sequence::Sequence,
    store::{Call, Name, Object},
};

/// Batches are numbered by process and slot; see [`crate::model::log::batch`].
const SLOTS_OF_A_PROCESS: u8 = 6;

impl Scripted for Log {
    fn keep(&self) -> u8 {
        self.rules.keep
    }

    fn event(&self, action: &Action) -> Option<Event> {
        let (by, call) = match *action {
            Action::Process(index, Lane::Main, call) => (Actor::Process(index), call),
            Action::Process(index, Lane::Snapshot, call) => (Actor::Keeper(index), call),
            Action::Reader(call) => (Actor::Reader, call),
            Action::Late(name, object) => return Some(Event::Holds(name, Some(object))),
            Action::Collect(_) | Action::Vanish => return None,
        };
        Some(if call == Call::GiveUp { Event::GivesUp(by) } else { Event::Call(by, call) })
    }

    fn open(&self, state: &State, name: Name) -> bool {
        match name {
            Name::Version(version) => state.chain.prunable(version, self.rules),
            Name::Slot(at) => state.slots.collectable(at),
            Name::Snapshot(_) => false,
        }
    }

    fn any_sent(&self, state: &State, name: Name) -> Option<Object> {
        match name {
            Name::Version(version) => state.chain.sent_for(version).next().map(Object::Write),
            Name::Slot(at) => state.slots.sent(at).next(),
            Name::Snapshot(_) => None,
        }
    }

    fn told(&self, before: &State, after: &State, by: Actor) -> Option<Told> {
        told(before, after, by)
    }
}

fn told(before: &State, after: &State, by: Actor) -> Option<Told> {
    let (Actor::Process(index) | Actor::Keeper(index)) = by else {
        let ended = after.reader.is_done() && !before.reader.is_done();
        return ended.then(|| Told::Read(appends(before.reader.state())));
    };
    let (was, is) = (&before.processes[usize::from(index)], &after.processes[usize::from(index)]);
    if by == Actor::Keeper(index) {
        let ended = was.snapshotting() && !is.snapshotting();
        let stands = is.snapshots_taken() > was.snapshots_taken();
        return ended.then_some(if stands { Told::Snapshotted } else { Told::Deposed });
    }
    if is.serving && !was.serving {
        return Some(Told::Claimed(appends(is.state)));
    }
    if is.acknowledged != was.acknowledged {
        return Some(Told::Appended);
    }
    match (was.stopped(), is.stopped()?) {
        (Some(_), _) => None,
        (None, Stop::Claim | Stop::Superseded | Stop::Record) => Some(Told::NotClaimed),
        (None, Stop::Failed) => Some(Told::Failed),
        (None, Stop::Unknown) => Some(Told::Unknown),
        (None, Stop::Snapshot) => None,
    }
}

/// The batches without the ownership records, which are the first of their epochs.
fn appends(batches: Sequence) -> Vec<u8> {
    batches.iter().filter(|batch| batch % SLOTS_OF_A_PROCESS != 0).collect()
}
