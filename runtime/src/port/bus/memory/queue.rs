//! One queue in memory.
//!
//! A message that arrives is handed to the consumer that has waited longest, under the queue's lock, so that a busy
//! consumer cannot overtake an idle one and no wake-up can be lost: whoever is woken finds its message set aside. What
//! always holds between two operations: messages wait only while no consumer with room waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use super::tap::Tap;
use crate::port::bus::{Envelope, Error, QueueName};
use crate::sync::{Mutex, MutexGuard};

/// A message in the queue.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) envelope: Envelope,
    pub(super) redelivered: bool,
}

/// A message that has been taken, and the number its receiver settles it by.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) item: Item,
    pub(super) tag: u64,
}

/// What the queue knows of one consumer.
#[derive(Debug, Default)]
struct Member {
    prefetch: usize,
    /// What it has taken and not settled, in the order of taking.
    unsettled: BTreeMap<u64, Envelope>,
    /// The message set aside for it, which it has not picked up yet.
    handed: Option<Item>,
    /// Set while it waits and nothing is set aside for it.
    waker: Option<Waker>,
    /// Whether it stands in `State::idle`.
    in_line: bool,
    /// Takes nothing more, and may still settle what it has.
    cancelled: bool,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Item>,
    members: BTreeMap<u64, Member>,
    /// The consumers that wait and have room, longest first.
    idle: VecDeque<u64>,
    /// The number the next consumer or delivery gets.
    next_number: u64,
    closed: bool,
}

/// Who may consume a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Any number of consumers.
    Shared,
    /// The one it was made for.
    Own,
}

/// A bounded queue.
#[derive(Debug)]
pub(super) struct Queue {
    name: QueueName,
    messages_max: usize,
    access: Access,
    state: Mutex<State>,
}

impl Queue {
    pub(super) fn new(name: QueueName, messages_max: usize, access: Access) -> Arc<Self> {
        Arc::new(Self { name, messages_max, access, state: Mutex::default() })
    }

    pub(super) fn name(&self) -> &QueueName {
        &self.name
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    pub(super) fn messages_max(&self) -> usize {
        self.messages_max
    }

    /// How many messages wait for a consumer.
    pub(super) fn ready(&self) -> usize {
        self.lock().ready.len()
    }

    pub(super) fn publish(&self, envelope: Envelope) -> Result<(), Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Unroutable { queue: self.name.clone() });
        }
        if state.ready.len() >= self.messages_max {
            return Err(Error::Full { queue: self.name.clone(), limit: Some(self.messages_max) });
        }
        state.ready.push_back(Item { envelope, redelivered: false });
        let woken = state.hand_one();
        drop(state);
        wake(woken);
        Ok(())
    }

    /// Adds a consumer.
    pub(super) fn join(self: &Arc<Self>, prefetch: usize) -> Result<Tap, Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Unroutable { queue: self.name.clone() });
        }
        let id = state.number();
        state.members.insert(id, Member { prefetch, ..Member::default() });
        drop(state);
        Ok(Tap::new(Arc::clone(self), id))
    }

    /// Empties the queue and ends its consumers, for good.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ready.clear();
        state.idle.clear();
        let members = std::mem::take(&mut state.members);
        drop(state);
        members.into_values().for_each(|member| wake(member.waker));
    }

    /// Takes a message for consumer `id`, or has it wait in line.
    pub(super) fn poll_take(&self, id: u64, cx: &Context<'_>) -> Poll<Option<Taken>> {
        let mut state = self.lock();
        let tag = state.number();
        let State { ready, members, .. } = &mut *state;
        let Some(member) = members.get_mut(&id) else {
            return Poll::Ready(None);
        };
        let room = member.has_room();
        if let Some(item) = member.handed.take().or_else(|| if room { ready.pop_front() } else { None }) {
            member.waker = None;
            member.unsettled.insert(tag, item.envelope.clone());
            return Poll::Ready(Some(Taken { item, tag }));
        }
        member.waker = Some(cx.waker().clone());
        state.line_up(id);
        Poll::Pending
    }

    /// Consumer `id` no longer waits; what was set aside for it goes to the next in line.
    pub(super) fn stop_waiting(&self, id: u64) {
        let mut state = self.lock();
        let woken = state.stop_waiting(id);
        drop(state);
        wake(woken);
    }

    /// Ends consumer `id` and puts back what it has not settled.
    pub(super) fn leave(&self, id: u64) {
        let mut state = self.lock();
        let mut woken: Vec<Waker> = state.stop_waiting(id).into_iter().collect();
        let left = state.members.remove(&id).map(|member| member.unsettled).unwrap_or_default();
        for envelope in left.into_values().rev() {
            state.ready.push_front(Item { envelope, redelivered: true });
        }
        while let Some(waker) = state.hand_one() {
            woken.push(waker);
        }
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Consumer `id` takes nothing more; its deliveries stay out.
    pub(super) fn cancel(&self, id: u64) {
        let mut state = self.lock();
        let woken = state.stop_waiting(id);
        if let Some(member) = state.members.get_mut(&id) {
            member.cancelled = true;
            if member.unsettled.is_empty() {
                state.members.remove(&id);
            }
        }
        drop(state);
        wake(woken);
    }

    /// Ends delivery `tag` of consumer `id`.
    pub(super) fn settle(&self, id: u64, tag: u64, how: Settled) -> Result<(), Error> {
        let mut state = self.lock();
        let State { ready, members, .. } = &mut *state;
        let settled = members.get_mut(&id).and_then(|member| member.unsettled.remove(&tag).map(|e| (member, e)));
        let Some((member, envelope)) = settled else {
            return Err(Error::Closed { reason: format!("queue deleted or consumer dropped: {}", self.name) });
        };
        if how == Settled::Back {
            ready.push_front(Item { envelope, redelivered: true });
        }
        if member.cancelled && member.unsettled.is_empty() {
            members.remove(&id);
        }
        state.line_up(id);
        let woken = state.hand_one();
        drop(state);
        wake(woken);
        Ok(())
    }

    /// No foreign code runs under the lock (wakers are woken outside), so a poisoned state is a whole one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is done with.
    Acked,
    /// It goes back to the front.
    Back,
}

impl Member {
    fn has_room(&self) -> bool {
        self.unsettled.len() < self.prefetch
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Puts a consumer that waits and has room at the end of the line, if it does not stand there.
    fn line_up(&mut self, id: u64) {
        if let Some(member) = self.members.get_mut(&id)
            && member.waker.is_some()
            && !member.in_line
            && member.has_room()
        {
            member.in_line = true;
            self.idle.push_back(id);
        }
    }

    /// Sets the first message aside for the consumer that has waited longest, and says whom to wake. Every operation adds
    /// at most one message or one idle consumer (but [`Queue::leave`], which loops), so one hand-over restores the balance.
    fn hand_one(&mut self) -> Option<Waker> {
        if self.ready.is_empty() {
            return None;
        }
        let member = self.members.get_mut(&self.idle.pop_front()?)?;
        member.in_line = false;
        member.handed = self.ready.pop_front();
        member.waker.take()
    }

    /// Takes consumer `id` out of the line, and hands what was set aside for it to the next.
    fn stop_waiting(&mut self, id: u64) -> Option<Waker> {
        let member = self.members.get_mut(&id)?;
        member.waker = None;
        if std::mem::take(&mut member.in_line) {
            self.idle.retain(|idle| *idle != id);
        }
        let member = self.members.get_mut(&id)?;
        self.ready.push_front(member.handed.take()?);
        self.hand_one()
    }
}

/// Wakes outside of the lock.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
