//! Whether this owner is known to serve still.
//!
//! A deposed owner learns of that when it appends; until then it may not have whoever holds a task begin anything, for the
//! next owner may have given the task to another, and it may not say that something is not there which its successor has
//! acknowledged. So it answers a command that has changed nothing only when it knew shortly before that nobody serves in its
//! place: by a commit, or by a look at the slot that a successor would have sealed first. And one that nobody asks looks now
//! and then, so that it does not answer for ever what its successor knows better.
//!
//! Shortly before is enough for what stays true whoever serves. **That something is not there does not stay true**: that is
//! said by what was put to the store after the question had come, be the owner ever so certain. Such questions are counted,
//! and so is what is put to the store; moments would not do, for clocks are coarser than what happens.

use super::batch::Told;
use super::message::{Refusal, Reply};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// What an owner knows of its own standing.
#[derive(Debug)]
pub(super) struct Proof {
    lease: Duration,
    /// Nobody else can own it: where a folder is locked there is nothing to look at.
    is_alone: bool,
    /// When it was certain; `None` before the first time.
    certain_at: Option<Instant>,
    /// When the batch in flight was sent.
    sent_at: Instant,
    /// When it is to be looked next, if nothing is committed before.
    look_at: Instant,
    is_looking: bool,
    /// The number of what was put to the store last; of the batch in flight, and of the look.
    put: u64,
    batch: u64,
    look: u64,
    /// And of what has told last that nobody serves in this owner's place.
    told: u64,
    /// What is told when it is certain.
    waiting: Vec<(Since, Reply, Result<(), Refusal>)>,
    /// The same of what is no answer to a command; the first in comes first.
    untold: VecDeque<(Since, Told)>,
}

/// By what an owner is to know of its standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// By what was put to the store shortly before.
    Shortly,
    /// By what is put to it with this number, or later.
    Put(u64),
}

/// What waits to be told at most: behind that the oldest is dropped, and whoever waits for it asks again.
const UNTOLD_MAX: usize = 1_000;

impl Proof {
    pub(super) fn new(lease: Duration, is_alone: bool) -> Self {
        let (now, waiting, untold) = (Instant::now(), Vec::new(), VecDeque::new());
        let mut proof = Self {
            lease,
            is_alone,
            certain_at: None,
            sent_at: now,
            look_at: now,
            is_looking: false,
            put: 0,
            batch: 0,
            look: 0,
            told: 0,
            waiting,
            untold,
        };
        proof.rest(now);
        proof
    }

    /// What was known so long ago is known: a holder begins nothing later than half a lease after it has asked
    /// (`Floor::ours_for`), and the sixth that is left is for clocks of other speeds.
    fn fresh_for(&self) -> Duration {
        self.lease / 3
    }

    /// Nothing needs to be looked at for a while.
    fn rest(&mut self, now: Instant) {
        self.look_at = now + 5 * self.lease;
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.is_alone || self.certain_at.is_some_and(|at| now.saturating_duration_since(at) <= self.fresh_for())
    }

    /// What is not there now: by what is put to the store from now on.
    pub(super) fn afterwards(&self) -> Since {
        Since::Put(self.put + 1)
    }

    /// Whether it is certain by now, where `last` was put to the store last of what has told.
    fn suffices(&self, since: Since, last: u64, now: Instant) -> bool {
        match since {
            _ if self.is_alone => true,
            Since::Shortly => self.is_fresh(now),
            Since::Put(number) => number <= last,
        }
    }

    /// Tells whoever gave a command what came of it, as soon as it is certain that it is for this owner to say.
    pub(super) fn vouch(&mut self, since: Since, reply: Reply, answer: Result<(), Refusal>) {
        let now = Instant::now();
        if self.suffices(since, self.told, now) {
            let _gone = reply.send(answer);
        } else {
            self.waiting.push((since, reply, answer));
            self.look_at = self.look_at.min(now);
        }
    }

    /// Tells that something is not there, as soon as it is certain that it is for this owner to say; whoever is told nothing
    /// asks again.
    pub(super) fn tell(&mut self, since: Since, told: Told) {
        let now = Instant::now();
        if self.suffices(since, self.told, now) {
            return (told.0)();
        }
        if self.untold.len() == UNTOLD_MAX {
            self.untold.pop_front();
        }
        self.untold.push_back((since, told));
        self.look_at = self.look_at.min(now);
    }

    /// It is not for this owner to say: nothing of it has changed anything.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        self.waiting.drain(..).for_each(|(_, reply, _)| drop(reply.send(Err(refusal.clone()))));
        self.untold.clear();
    }

    /// There is a reason to look.
    pub(super) fn doubt(&mut self) {
        self.look_at = self.look_at.min(Instant::now());
    }

    /// A batch is sent: what becomes of it will tell.
    pub(super) fn sent(&mut self) {
        self.sent_at = Instant::now();
        self.put += 1;
        self.batch = self.put;
    }

    /// The batch is committed, so nobody served in this owner's place when it was sent.
    pub(super) fn committed(&mut self) {
        self.is_certain(self.sent_at, self.batch);
    }

    /// Whether it is to be looked now. It is noted as being done.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.next().is_some_and(|at| at <= Instant::now());
        if is_due {
            self.is_looking = true;
            self.put += 1;
            self.look = self.put;
        }
        is_due
    }

    /// When it is to be looked next.
    pub(super) fn next(&self) -> Option<Instant> {
        (!self.is_looking && !self.is_alone).then_some(self.look_at)
    }

    /// The look has told: nobody serves in this owner's place, or nobody knows.
    pub(super) fn looked(&mut self, asked_at: Instant, is_serving: bool) {
        self.is_looking = false;
        if is_serving {
            self.is_certain(asked_at, self.look);
        } else {
            self.waiting.retain(|(_, reply, _)| !reply.is_closed());
            self.look_at = Instant::now() + self.lease / 6;
        }
    }

    fn is_certain(&mut self, at: Instant, number: u64) {
        let now = Instant::now();
        self.certain_at = self.certain_at.max(Some(at));
        self.told = self.told.max(number);
        self.rest(now);
        let (waiting, untold) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.untold));
        waiting.into_iter().for_each(|(since, reply, answer)| self.vouch(since, reply, answer));
        untold.into_iter().for_each(|(since, told)| self.tell(since, told));
    }
}

#[cfg(test)]
mod tests {
    use super::{Proof, Since};
    use crate::partition::batch::Told;
    use crate::partition::message::Refusal;
    use std::time::Duration;
    use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};
    use tokio::time::{Instant, advance};

    const LEASE: Duration = Duration::from_secs(6);

    fn asked(proof: &mut Proof) -> Receiver<Result<(), Refusal>> {
        let (reply, answer) = oneshot::channel();
        proof.vouch(Since::Shortly, reply, Ok(()));
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_fresh_is_said_at_once_and_what_is_not_is_looked_at() {
        let mut proof = Proof::new(LEASE, false);
        let mut first = asked(&mut proof);
        assert_eq!(first.try_recv().unwrap_err(), TryRecvError::Empty);
        assert!(proof.is_due() && !proof.is_due(), "it is looked once");
        let asked_at = Instant::now();
        advance(Duration::from_secs(1)).await;
        proof.looked(asked_at, true);
        assert!(first.try_recv().unwrap().is_ok());
        assert!(asked(&mut proof).try_recv().unwrap().is_ok());
        advance(Duration::from_millis(1_001)).await;
        let mut late = asked(&mut proof);
        assert_eq!(
            late.try_recv().unwrap_err(),
            TryRecvError::Empty,
            "a third of a lease after it was asked, not heard"
        );
        proof.sent();
        advance(Duration::from_millis(10)).await;
        proof.committed();
        assert!(late.try_recv().unwrap().is_ok());
        assert!(!proof.is_due());
    }

    /// However fresh it is what the owner knows, and however coarse the clock.
    #[tokio::test(start_paused = true)]
    async fn that_something_is_not_there_is_said_by_what_was_put_to_the_store_after_the_question() {
        let mut proof = Proof::new(LEASE, false);
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let ask = |proof: &mut Proof, number: u8| {
            let told = told.clone();
            let since: Since = proof.afterwards();
            proof.tell(since, Told(Box::new(move || told.send(number).unwrap())));
        };
        proof.doubt();
        assert!(proof.is_due());
        ask(&mut proof, 1); // while it is being looked already
        proof.looked(Instant::now(), true);
        assert!(heard.try_recv().is_err());
        assert!(proof.is_due(), "so it is looked again");
        proof.looked(Instant::now(), true);
        assert_eq!(heard.try_recv(), Ok(1));
        proof.sent();
        ask(&mut proof, 2); // while a batch is on its way
        proof.committed();
        assert!(heard.try_recv().is_err());
        proof.sent();
        proof.committed();
        assert_eq!(heard.try_recv(), Ok(2));
        let mut alone = Proof::new(LEASE, true);
        ask(&mut alone, 3);
        assert_eq!(heard.try_recv(), Ok(3), "nobody else can serve");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_tells_nothing_is_repeated_and_one_that_took_too_long_too() {
        let mut proof = Proof::new(LEASE, false);
        let (mut waits, gone) = (asked(&mut proof), asked(&mut proof));
        drop(gone);
        assert!(proof.is_due());
        proof.looked(Instant::now(), false);
        assert!(!proof.is_due());
        assert_eq!(proof.waiting.len(), 1);
        advance(LEASE / 6).await;
        assert!(proof.is_due());
        let asked_at = Instant::now();
        advance(LEASE / 2).await;
        proof.looked(asked_at, true);
        assert_eq!(waits.try_recv().unwrap_err(), TryRecvError::Empty);
        assert!(proof.is_due());
        proof.looked(Instant::now(), true);
        assert!(waits.try_recv().unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn whom_nobody_asks_looks_after_five_leases_and_on_doubt() {
        let mut proof = Proof::new(LEASE, false);
        advance(5 * LEASE - Duration::from_millis(1)).await;
        assert!(!proof.is_due());
        advance(Duration::from_millis(1)).await;
        assert!(proof.is_due());
        proof.looked(Instant::now(), true);
        assert!(!proof.is_due());
        proof.doubt();
        assert!(proof.is_due());
    }
}
