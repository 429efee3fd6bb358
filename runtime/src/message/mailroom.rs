//! All inboxes of a node: finds the addressee, delivers, broadcasts, asks. What is for another node goes by `post`.

use super::address::Address;
use super::counters::{Counters, MessageCounters};
use super::error::{Unanswered, Undelivered};
use super::id::Ids;
use super::letter::{Answer, Letter};
use super::place::{Name, Place};
use super::post::Post;
use super::watch::{Filter, Observers, Subscription};
use super::{Kind, Limits, Message, MessageId};
use crate::clock::Clock;
use crate::{Error, Result};
use callboard_core::closest;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tokio::sync::oneshot;

/// What all inboxes of a node have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) ids: Ids,
    pub(super) clock: Clock,
    pub(super) counters: Counters,
    pub(super) observers: Arc<Observers>,
    pub(super) limits: Limits,
}

/// The inboxes of a node.
///
/// Delivery on the node is a look-up and a push: no bus, no JSON, no task in between. Its lock is held for that long and never
/// across an await.
#[derive(Debug)]
pub(crate) struct Mailroom {
    pub(super) node: Arc<str>,
    pub(super) shared: Arc<Shared>,
    /// The way to other nodes, where there are any.
    pub(super) post: OnceLock<Post>,
    desks: RwLock<BTreeMap<Arc<str>, Desk>>,
    /// Whether the node stops: an agent that is not there any more was not misspelt then.
    stops: AtomicBool,
}

/// The instances of one agent.
#[derive(Debug, Default)]
struct Desk {
    /// In the order of their numbers; never empty.
    places: Vec<Arc<Place>>,
    /// Where the search for an instance begins next.
    turn: AtomicUsize,
}

/// What became of a broadcast, as far as the node knows that sent it: of its own inboxes exactly, of those of other nodes
/// what they have answered within a second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broadcast {
    /// How many inboxes it is in for certain.
    pub delivered: usize,
    /// The addresses of the instances whose inboxes were full; they do not hear of it. `<agent>#<n>` on this node,
    /// `<node>/<agent>#<n>` on another.
    pub full: Vec<Arc<str>>,
    /// The nodes that have not answered in time: it may be in their inboxes, in some of them, or in none.
    pub silent: Vec<Arc<str>>,
}

impl Broadcast {
    /// Adds what another node says of its inboxes.
    pub(super) fn add(&mut self, delivered: usize, full: impl IntoIterator<Item = Arc<str>>) {
        // Its number is its own word.
        self.delivered = self.delivered.saturating_add(delivered);
        self.full.extend(full);
    }
}

impl Mailroom {
    /// The inboxes of the node life `node`.
    pub(crate) fn new(node: Arc<str>, clock: Clock, limits: Limits) -> Self {
        let (counters, observers) = (Counters::default(), Arc::new(Observers::new(limits)));
        let shared = Shared { ids: Ids::random(), clock, counters, observers, limits };
        let (post, desks) = (OnceLock::new(), RwLock::default());
        Self { node, shared: Arc::new(shared), post, desks, stops: AtomicBool::new(false) }
    }

    /// Says how other nodes are reached: before there are instances.
    pub(crate) fn join(&self, post: Post) {
        let _first = self.post.set(post);
    }

    /// The inbox of instance `number`, from 1, of `agent`; made when it is not there yet.
    pub(crate) fn open(&self, agent: &Arc<str>, number: usize) -> Arc<Place> {
        let mut desks = self.write();
        let places = &mut desks.entry(agent.clone()).or_default().places;
        match places.binary_search_by_key(&number, |place| place.name.number) {
            Ok(at) => places[at].clone(),
            Err(at) => {
                let place = Place::new(Name::new(&self.node, agent.clone(), number), self.shared.clone());
                places.insert(at, place.clone());
                place
            }
        }
    }

    /// Removes an instance for good. Whoever asked it and waits is told at once; tells that wait are lost.
    pub(crate) fn close(&self, place: &Arc<Place>) {
        let mut desks = self.write();
        if let Some(desk) = desks.get_mut(&place.name.agent) {
            desk.places.retain(|other| !Arc::ptr_eq(other, place));
            if desk.places.is_empty() {
                desks.remove(&place.name.agent);
            }
        }
        drop(desks);
        place.close();
    }

    /// Removes all instances of an agent.
    pub(crate) fn remove(&self, agent: &str) {
        let desk = self.write().remove(agent);
        desk.iter().flat_map(|desk| &desk.places).for_each(|place| place.close());
    }

    /// Says that the node stops, while its instances leave one by one.
    pub(crate) fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    /// Ends it all: every inbox is closed as by [`close`](Self::close), every subscription ends.
    pub(crate) fn close_all(&self) {
        self.stop();
        let desks = std::mem::take(&mut *self.write());
        desks.values().flat_map(|desk| &desk.places).for_each(|place| place.close());
        self.shared.observers.close();
    }

    /// Puts an ask into the inbox of `to`. If that fails, `letter` has it still.
    pub(super) fn pose(
        &self,
        to: &str,
        letter: &mut Option<Letter>,
        message: Message,
    ) -> Result<Question, Undelivered> {
        let (id, topic) = (message.id, message.topic.clone());
        let (asker, answer) = oneshot::channel();
        *letter = Some(Letter { message, asker: Some(asker) });
        let place = self.deliver(to, letter)?;
        Ok(Question { place, id, topic, answer, is_open: true })
    }

    /// Puts a broadcast into every inbox of this node but the sender's.
    pub(super) fn spread(&self, message: &Message) -> Broadcast {
        // First, as for any message: an observer hears of what is said before what is made of it.
        if self.shared.observers.any() {
            self.shared.observers.publish(message);
        }
        let desks = self.read();
        let (mut told, mut lost) = (Broadcast::default(), 0);
        for place in desks.values().flat_map(|desk| &desk.places) {
            if message.from.as_ref().is_some_and(|sender| *sender == place.name) {
                continue;
            }
            match place.offer(&mut Some(Letter { message: message.clone(), asker: None }), |_published| ()) {
                Ok(()) => told.delivered += 1,
                Err(Undelivered::Full { to, .. }) => told.full.push(to),
                Err(_closed) => lost += 1, // it is on its way out, and no addressee any more
            }
        }
        drop(desks);
        tracing::debug!(id = %message.id, delivered = told.delivered, full = told.full.len(), lost, "broadcast");
        self.shared.counters.delivered.add(told.delivered as u64);
        self.shared.counters.full.add(told.full.len() as u64);
        told
    }

    /// A stream of the messages that pass `filter`, from now on.
    pub(crate) fn subscribe(&self, filter: Filter) -> Subscription {
        self.shared.observers.subscribe(filter)
    }

    /// What has become of messages so far.
    pub(crate) fn counters(&self) -> MessageCounters {
        self.shared.counters.read()
    }

    #[cfg(test)]
    pub(super) fn is_observed(&self) -> bool {
        self.shared.observers.any()
    }

    /// Fills in what the sender does not.
    pub(super) fn stamp(&self, kind: Kind, from: Option<&Arc<Name>>, message: Message) -> Result<Message, Undelivered> {
        let (bytes, limit) = (message.body_bytes(), self.shared.limits.body_bytes_max);
        if bytes > limit {
            return Err(Undelivered::TooLarge { topic: message.topic, bytes, limit });
        }
        let (id, sent_at) = (self.shared.ids.next(), self.shared.clock.now());
        Ok(Message { id, kind, from: from.cloned(), to: None, sent_at, ..message })
    }

    /// Puts a letter into an inbox of `to`, if that is on this node; else it stays in `letter`.
    pub(super) fn deliver(&self, to: &str, letter: &mut Option<Letter>) -> Result<Arc<Place>, Undelivered> {
        let address = Address::of(to);
        if address.node.is_some_and(|node| *node != *self.node) {
            return Err(Undelivered::Elsewhere { to: to.to_owned(), here: self.node.clone() });
        }
        let desks = self.read();
        let Some((agent, desk)) = desks.get_key_value(address.agent) else {
            return Err(match self.stops.load(Ordering::Relaxed) {
                true => Undelivered::Stopped { to: to.to_owned() },
                false => Undelivered::Nobody { to: to.to_owned() },
            });
        };
        let delivered = match address.instance {
            None => desk.offer_any(letter),
            Some(number) => match desk.places.binary_search_by_key(&number, |place| place.name.number) {
                Ok(at) => offer(&desk.places[at], letter),
                Err(_) => {
                    let instances = desk.places.len();
                    return Err(Undelivered::NoSuchInstance { to: to.to_owned(), agent: agent.clone(), instances });
                }
            },
        };
        match &delivered {
            Ok(_) => self.shared.counters.delivered.add(1),
            Err(_) => self.shared.counters.full.add(1),
        }
        delivered
    }

    /// The ids of the agents of this node.
    pub(super) fn agents(&self) -> Vec<Arc<str>> {
        self.read().keys().cloned().collect()
    }

    /// Says why, with the agent that may have been meant: one of this node, or of those that are known `elsewhere`.
    pub(super) fn explained(&self, why: Undelivered, elsewhere: &[Arc<str>]) -> Error {
        let Undelivered::Nobody { to } = why else { return why.into_error() };
        let desks = self.read();
        let known = desks.keys().chain(elsewhere).map(|id| &**id);
        match closest(&to, known) {
            Some(closest) => Undelivered::NoSuchAgent { closest: closest.into(), to }.into_error(),
            None => Undelivered::Nobody { to }.into_error(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Arc<str>, Desk>> {
        self.desks.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Arc<str>, Desk>> {
        self.desks.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mailroom {
    fn drop(&mut self) {
        self.close_all();
    }
}

impl Desk {
    /// Gives the letter to an instance that is idle, else to the next in turn that has room.
    fn offer_any(&self, letter: &mut Option<Letter>) -> Result<Arc<Place>, Undelivered> {
        let count = self.places.len();
        let start = if count > 1 { self.turn.fetch_add(1, Ordering::Relaxed) % count } else { 0 };
        let in_turn = || (start..start + count).map(|at| &self.places[at % count]);
        if count > 1
            && let Some(idle) = in_turn().find(|place| place.is_idle())
            && let Ok(place) = offer(idle, letter)
        {
            return Ok(place);
        }
        let mut refused = None;
        for place in in_turn() {
            match offer(place, letter) {
                Ok(place) => return Ok(place),
                Err(why) => refused = Some(why),
            }
        }
        Err(refused.expect("an agent that has a desk has an instance"))
    }
}

fn offer(place: &Arc<Place>, letter: &mut Option<Letter>) -> Result<Arc<Place>, Undelivered> {
    if let Some(letter) = letter {
        letter.message.to = Some(place.name.clone());
    }
    let observers = &place.shared.observers;
    let publish = |message: &Message| {
        if observers.any() {
            observers.publish(message);
        }
    };
    place.offer(letter, publish).map(|()| place.clone())
}

/// An ask that was delivered. Dropped, it takes its message back, if that still waits.
pub(super) struct Question {
    place: Arc<Place>,
    id: MessageId,
    topic: Arc<str>,
    answer: oneshot::Receiver<Answer>,
    is_open: bool,
}

impl Question {
    /// Waits for the answer, at most for `limit`.
    pub(super) async fn answer(&mut self, limit: Duration) -> Result<Message> {
        let answer = self.hear(limit).await;
        answer.map_err(|why| why.into_error(&self.place.name.short, &self.topic))
    }

    async fn hear(&mut self, limit: Duration) -> Answer {
        let heard = tokio::time::timeout(limit, &mut self.answer).await;
        let answer = match heard {
            Ok(heard) => heard.unwrap_or(Err(Unanswered::Silent)),
            Err(_) => self.give_up(limit),
        };
        self.is_open = false;
        answer
    }

    /// The time has passed: says whether the message was handled, or may have been.
    fn give_up(&mut self, limit: Duration) -> Answer {
        self.answer.close();
        if let Ok(answer) = self.answer.try_recv() {
            return answer;
        }
        Err(if self.place.withdraw(self.id) { Unanswered::Waiting(limit) } else { Unanswered::Slow(limit) })
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if self.is_open {
            self.place.withdraw(self.id);
        }
    }
}
