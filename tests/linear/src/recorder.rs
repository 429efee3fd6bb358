//! Taking down what clients do.

use crate::op::{Content, Op, Outcome, Try, What};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Takes down what clients do with documents, in the order of one clock that counts; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    now: u64,
    ops: Vec<(Arc<str>, Op)>,
}

/// An operation that has begun: what is never told of it is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call(usize);

impl Recorder {
    /// Each change of what is behind the lock is whole.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A moment between what was taken down before and what will be.
    pub fn now(&self) -> u64 {
        self.taken().tick()
    }

    /// A client is about to call.
    pub fn call(&self, by: &Arc<str>, document: &Arc<str>, what: What) -> Call {
        let now = self.now();
        self.call_at(now, by, document, what)
    }

    /// The same for one that counts from an earlier moment on: its answer may be as old as that.
    pub fn call_at(&self, called: u64, by: &Arc<str>, document: &Arc<str>, what: What) -> Call {
        let op = Op { by: by.clone(), what, called, answered: None, outcome: Outcome::Unknown };
        let mut taken = self.taken();
        taken.ops.push((document.clone(), op));
        Call(taken.ops.len() - 1)
    }

    /// A client was shown `saw`, and makes `makes` of that.
    pub fn tries(&self, call: Call, saw: Content, makes: Content) {
        if let Some((_, Op { what: What::Update(tries), .. })) = self.taken().ops.get_mut(call.0) {
            tries.push(Try { saw, makes });
        }
    }

    /// A client was answered.
    pub fn answer(&self, call: Call, outcome: Outcome) {
        let mut taken = self.taken();
        let now = taken.tick();
        if let Some((_, op)) = taken.ops.get_mut(call.0) {
            (op.answered, op.outcome) = (Some(now), outcome);
        }
    }

    /// What was taken down so far, by document.
    pub fn histories(&self) -> BTreeMap<Arc<str>, Vec<Op>> {
        let mut histories: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (document, op) in &self.taken().ops {
            histories.entry(document.clone()).or_default().push(op.clone());
        }
        histories
    }
}

impl Taken {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }
}
