//! What the store and the network do: names, objects, the calls of a process and their answers.
use std::fmt;

use super::control::Broken;

/// The most writes and versions of a register.
pub const WRITES: usize = 16;
/// The most processes.
pub const PROCESSES: usize = 4;
const EPOCHS: usize = PROCESSES;
/// The most slots of an epoch: a record, up to four appends, a seal.
pub const SLOTS: usize = 6;

/// A place in the log: epoch and slot. Ordered as the log is.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u8);

impl Position {
    /// Where a log begins: before the first slot of epoch 1.
    pub const START: Self = Self::new(1, 0);

    /// The place `slot` in `epoch`.
    pub const fn new(epoch: u8, slot: u8) -> Self {
        Self(epoch << 3 | slot)
    }

    /// The epoch, from 1.
    pub fn epoch(self) -> u8 {
        self.0 >> 3
    }

    /// The slot, from 1; 0 is before the first.
    pub fn slot(self) -> u8 {
        self.0 & 7
    }

    /// The next slot of the same epoch.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.epoch(), self.slot())
    }
}

/// The name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A version of the register, from 1.
    Version(u8),
    /// A slot of the log.
    Slot(Position),
    /// The snapshot that a write of the register will name.
    Snapshot(u8),
}

/// What an object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// A version with this write id.
    Write(u8),
    /// The record that a process made for this slot.
    Batch(u8),
    /// The same events in other bytes; only under [`Broken::OtherBytes`].
    Reencoded(u8),
    /// A seal.
    Seal,
    /// A snapshot's state.
    State,
}

/// How a create was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It took effect now.
    Created,
    /// The name is taken, perhaps by itself.
    Exists,
    /// No answer; it may take effect later.
    Unclear,
}

/// One call of a process, with what it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// A list of the register's versions.
    List {
        /// The last name shown, 0 for none.
        last: u8,
    },
    /// A get.
    Get {
        /// Of which name.
        name: Name,
        /// What was shown.
        found: Option<Object>,
    },
    /// A create.
    Create {
        /// Of which name.
        name: Name,
        /// With which bytes.
        object: Object,
        /// What was answered.
        answer: Answer,
    },
    /// A get or a list whose answer is lost.
    Lost,
    /// Not a call: the process gives a create up as unknown.
    GiveUp,
}

/// How the store of one search behaves, and which rule is broken.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How many of the newest versions are safe from pruning (R8), at least 1.
    pub keep: u8,
    /// Whether answers that lead nowhere new are told apart: *Exists* from an unclear create, and a lost answer to
    /// a get or list from a later call. A search leaves them out, a trace has them.
    pub all_answers: bool,
    /// Whether a seal that was created in an already collected slot may be deleted. J8 says never; the collector of
    /// the journal cannot always tell such a seal from a record, and this is the search that it may not matter.
    pub late_seals_go: bool,
    /// The broken rule, if any.
    pub broken: Option<Broken>,
}

impl Rules {
    /// Whether this rule is broken.
    pub fn broken(self, rule: Broken) -> bool {
        self.broken == Some(rule)
    }

    /// The answers of a create: *Created* if it may take effect now, and unclear always.
    pub fn answers(self, may_create: bool, taken: bool) -> impl Iterator<Item = Answer> {
        let exists = self.all_answers || self.broken(Broken::ExistsIsForeign);
        [may_create.then_some(Answer::Created), (taken && exists).then_some(Answer::Exists), Some(Answer::Unclear)]
            .into_iter()
            .flatten()
    }
}

/// A register's versions: what was the newest once, and what still flies. Write ids start at 1, 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Chain {
    newest: u8,
    history: [u8; WRITES],
    version: [u8; WRITES],
    predecessor: [u8; WRITES],
    moved: u16,
}

impl Chain {
    /// The newest version, 0 for none.
    pub fn newest(&self) -> u8 {
        self.newest
    }

    /// The write that was the newest at `version` when it was created, 0 for none.
    pub fn history(&self, version: u8) -> u8 {
        if version == 0 || version > self.newest { 0 } else { self.history[usize::from(version) - 1] }
    }

    /// The write that a write was made to follow.
    pub fn predecessor(&self, write: u8) -> u8 {
        self.predecessor[usize::from(write) - 1]
    }

    /// The version that a write was sent for, 0 before it is sent.
    pub fn sent(&self, write: u8) -> u8 {
        self.version[usize::from(write) - 1]
    }

    /// Fixes the bytes of `write` before its first try.
    pub fn prepare(&mut self, write: u8, predecessor: u8) {
        self.predecessor[usize::from(write) - 1] = predecessor;
    }

    /// Whether `version` may have been pruned, and re-created by whatever flies.
    pub fn prunable(&self, version: u8, rules: Rules) -> bool {
        version + rules.keep <= self.newest
    }

    /// The last names that a list may show.
    pub fn lists(&self, rules: Rules) -> impl Iterator<Item = u8> {
        let oldest = if rules.broken(Broken::ListsLag) { 0 } else { self.newest };
        (oldest..=self.newest).rev()
    }

    /// What a get of `version` may show.
    pub fn shows(&self, version: u8, rules: Rules) -> impl Iterator<Item = Option<u8>> {
        let prunable = self.prunable(version, rules);
        let true_one = self.history(version);
        let settled = (!prunable).then_some((true_one != 0).then_some(true_one));
        let absent = prunable.then_some(None);
        let stale = self.sent_for(if prunable { version } else { 0 }).map(Some);
        settled.into_iter().chain(absent).chain(stale)
    }

    /// The writes that were sent for `version`.
    pub fn sent_for(&self, version: u8) -> impl Iterator<Item = u8> {
        let sent = self.version;
        (1..=16u8).filter(move |write| version != 0 && sent[usize::from(*write) - 1] == version)
    }

    /// How a create of `version` may be answered.
    pub fn answers(&self, version: u8, rules: Rules) -> impl Iterator<Item = Answer> {
        rules.answers(version > self.newest || self.prunable(version, rules), version <= self.newest)
    }

    /// Takes a create with its answer.
    pub fn create(&mut self, version: u8, write: u8, answer: Answer) {
        self.version[usize::from(write) - 1] = version;
        if answer == Answer::Created && version > self.newest {
            self.land(write);
        }
    }

    /// The writes that may take effect late as a new newest version.
    pub fn late(&self) -> impl Iterator<Item = u8> {
        self.sent_for(self.newest + 1)
    }

    /// Lets `write` become the newest version.
    pub fn land(&mut self, write: u8) {
        self.newest = self.sent(write);
        self.history[usize::from(self.newest) - 1] = write;
    }

    /// Empties the register; only under [`Broken::NewestPruned`].
    pub fn wipe(&mut self) {
        self.newest = 0;
        self.history = [0; WRITES];
    }

    /// Remembers that a writer was told *Moved* of `write`.
    pub fn told_moved(&mut self, write: u8) {
        self.moved |= 1 << (write - 1);
    }

    /// Whether `write` was ever the newest.
    pub fn holds(&self, write: u8) -> bool {
        self.history[..usize::from(self.newest)].contains(&write)
    }

    /// Whether each version followed the one before, and none that was told *Moved* is among them.
    pub fn is_sound(&self) -> bool {
        (1..=self.newest).all(|version| {
            let write = self.history(version);
            write != 0 && self.predecessor(write) == self.history(version - 1) && self.moved & (1 << (write - 1)) == 0
        })
    }
}

/// The slots of the log and what still flies towards them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slots {
    content: [[u8; SLOTS]; EPOCHS],
    sent: [[u16; SLOTS]; EPOCHS],
    boundary: Position,
}

/// The bit of an object in a slot's set of what was sent.
fn code(object: Object) -> u8 {
    match object {
        Object::Batch(process) => process + 1,
        Object::Reencoded(process) => process + 5,
        _ => 9,
    }
}

fn object(code: u8) -> Option<Object> {
    match code {
        0 => None,
        1..=4 => Some(Object::Batch(code - 1)),
        5..=8 => Some(Object::Reencoded(code - 5)),
        _ => Some(Object::Seal),
    }
}

impl Slots {
    fn place(at: Position) -> Option<(usize, usize)> {
        let (epoch, slot) = (usize::from(at.epoch()), usize::from(at.slot()));
        ((1..=EPOCHS).contains(&epoch) && (1..=SLOTS).contains(&slot)).then(|| (epoch - 1, slot - 1))
    }

    /// Up to where slots may have been collected.
    pub fn boundary(&self) -> Position {
        self.boundary
    }

    /// What is in the slot for sure; nothing for a slot that may have been collected.
    pub fn content(&self, at: Position) -> Option<Object> {
        Self::place(at).and_then(|(epoch, slot)| object(self.content[epoch][slot]))
    }

    /// Whether the slot may have been collected, and filled again by whatever flies.
    pub fn collectable(&self, at: Position) -> bool {
        at <= self.boundary && self.content(at).is_none()
    }

    /// What was sent to the slot.
    pub fn sent(&self, at: Position) -> impl Iterator<Item = Object> {
        let sent = Self::place(at).map_or(0, |(epoch, slot)| self.sent[epoch][slot]);
        (1..=9u8).filter(move |code| sent & (1 << code) != 0).filter_map(object)
    }

    /// What a get may show.
    pub fn shows(&self, at: Position) -> impl Iterator<Item = Option<Object>> {
        let collectable = self.collectable(at);
        let settled = (!collectable).then(|| self.content(at));
        let absent = collectable.then_some(None);
        let late = collectable.then(|| self.sent(at).map(Some)).into_iter().flatten();
        settled.into_iter().chain(absent).chain(late)
    }

    /// Takes what a get has shown: a seal seen behind the boundary is there for ever.
    pub fn seen(&mut self, at: Position, found: Option<Object>, rules: Rules) {
        let kept = !rules.late_seals_go && !rules.broken(Broken::SealsDeleted);
        if found == Some(Object::Seal) && kept && self.collectable(at) {
            self.put(at, Object::Seal);
        }
    }

    /// How a create may be answered.
    pub fn answers(&self, at: Position, rules: Rules) -> impl Iterator<Item = Answer> {
        let content = self.content(at);
        let again = self.collectable(at) && self.sent(at).next().is_some();
        rules.answers(content.is_none(), content.is_some() || again)
    }

    /// Takes a create with its answer.
    pub fn create(&mut self, at: Position, object: Object, answer: Answer, rules: Rules) {
        if let Some((epoch, slot)) = Self::place(at) {
            self.sent[epoch][slot] |= 1 << code(object);
        }
        if answer == Answer::Created {
            if self.collectable(at) { self.seen(at, Some(object), rules) } else { self.put(at, object) }
        }
    }

    fn put(&mut self, at: Position, object: Object) {
        if let Some((epoch, slot)) = Self::place(at) {
            self.content[epoch][slot] = code(object);
        }
    }

    /// What may take effect late in a slot that still counts.
    pub fn late(&self) -> impl Iterator<Item = (Position, Object)> {
        Self::all()
            .filter(|at| *at > self.boundary && self.content(*at).is_none())
            .flat_map(|at| self.sent(at).map(move |object| (at, object)))
    }

    /// Lets `object` land in its slot.
    pub fn land(&mut self, at: Position, object: Object) {
        self.put(at, object);
    }

    fn all() -> impl Iterator<Item = Position> {
        (1..=4u8).flat_map(|epoch| (1..=6u8).map(move |slot| Position::new(epoch, slot)))
    }

    /// Lets everything up to `boundary` be collected; seals stay.
    pub fn collect(&mut self, boundary: Position, rules: Rules) {
        if boundary <= self.boundary {
            return;
        }
        self.boundary = boundary;
        for at in Self::all().filter(|at| *at <= boundary) {
            let seal = self.content(at) == Some(Object::Seal);
            if let Some((epoch, slot)) = Self::place(at)
                && (!seal || rules.broken(Broken::SealsDeleted))
            {
                self.content[epoch][slot] = 0;
            }
        }
    }
}
