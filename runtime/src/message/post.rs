//! The post: brings messages to the mailrooms of other nodes, and takes in what they send.
//!
//! A request to another mailroom is repeated until it is answered, or its time is up; the switchboards carry it out once,
//! and a message that was seen here before is put into no inbox again, whatever they forget. The next node is tried only when
//! it is certain that the last one has not taken the message. So a message is in one inbox at most, on one node.

use super::address::Address;
use super::error::{Uncarried, Undelivered};
use super::letter::Letter;
use super::mailroom::{Broadcast, Mailroom};
use super::place::Name;
use super::whereabouts::{Known, Need, Whereabouts};
use super::wire::{Caller, Carried, Fault, Outcome, Request, Written};
use super::{Kind, Message, MessageId};
use crate::cluster::{Member, Switchboard};
use crate::registry::Registry;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use futures::future::join_all;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

/// How long it may take until it is known that a message is in an inbox of another node.
const DELIVERY_MAX: Duration = Duration::from_secs(5);
/// How much longer than its limit an ask waits for another node to say whether the message was handled.
const GRACE: Duration = Duration::from_millis(500);
/// How long a broadcast waits for the answers of other nodes.
const BROADCAST_MAX: Duration = Duration::from_secs(1);
/// Messages to other nodes that may be under way at once, and the bytes of their bodies.
const UNDER_WAY_MAX: usize = 10_000;
const UNDER_WAY_BYTES_MAX: usize = 64 << 20;
/// Messages of other nodes that are remembered: far more than can come in before the bus has repeated one.
const SEEN_MAX: usize = 100_000;

/// The way to the mailrooms of other nodes.
pub(crate) struct Post {
    whereabouts: Whereabouts,
    switchboard: Switchboard,
    messages: Semaphore,
    bytes: Semaphore,
    seen: Mutex<Seen>,
}

/// The messages of other nodes that were seen here, whatever became of them.
#[derive(Default)]
struct Seen {
    ids: HashSet<MessageId>,
    order: VecDeque<MessageId>,
}

impl Seen {
    /// Notes a message; says whether it is new.
    fn note(&mut self, id: MessageId) -> bool {
        let is_new = self.ids.insert(id);
        if is_new {
            self.order.push_back(id);
        }
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        is_new
    }
}

impl Mailroom {
    /// Puts `message` into the inbox of `to`, on this node or on another.
    pub(crate) async fn tell_anywhere(&self, from: Option<&Arc<Name>>, to: &str, message: Message) -> Result<()> {
        let message = self.stamp(Kind::Tell, from, message).map_err(Undelivered::into_error)?;
        let mut letter = Some(Letter { message, asker: None });
        let Err(why) = self.deliver(to, &mut letter) else { return Ok(()) };
        match (self.post.get(), letter) {
            (Some(post), Some(letter)) if why.may_be_elsewhere() => {
                Box::pin(post.tell(self, to, why, &letter.message)).await
            }
            _ => Err(self.explained(why, &[])),
        }
    }

    /// Puts `message` into the inbox of `to`, on this node or on another, and waits for the answer, at most for `limit`.
    pub(crate) async fn ask_anywhere(
        &self,
        from: Option<&Arc<Name>>,
        to: &str,
        message: Message,
        limit: Duration,
    ) -> Result<Message> {
        let message = self.stamp(Kind::Ask, from, message).map_err(Undelivered::into_error)?;
        let mut letter = None;
        let why = match self.pose(to, &mut letter, message) {
            Ok(mut question) => return question.answer(limit).await,
            Err(why) => why,
        };
        match (self.post.get(), letter) {
            (Some(post), Some(letter)) if why.may_be_elsewhere() => {
                Box::pin(post.ask(self, to, why, &letter.message, limit)).await
            }
            _ => Err(self.explained(why, &[])),
        }
    }

    /// Puts `message` into every inbox of every node but the sender's.
    pub(crate) async fn broadcast_anywhere(&self, from: Option<&Arc<Name>>, message: Message) -> Result<Broadcast> {
        let message = self.stamp(Kind::Broadcast, from, message).map_err(Undelivered::into_error)?;
        let mut told = self.spread(&message);
        if let Some(post) = self.post.get() {
            Box::pin(post.broadcast(&message, &mut told)).await?;
        }
        Ok(told)
    }

    /// Does what another node asks; `None` if nothing can be said of it.
    ///
    /// # Errors
    ///
    /// Why it can not be read, in words. Nothing was done then.
    pub(crate) async fn serve(&self, body: Bytes) -> Result<Option<Bytes>, String> {
        let request: Request = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        drop(body); // an ask may wait for long
        let outcome = match request {
            Request::Agents => Some(Outcome::Agents(self.agents())),
            Request::Tell { to, message } => self.take_in(message)?.map(|message| match message {
                Ok(message) => self.told(&to, message),
                Err(why) => self.refused(why),
            }),
            Request::Ask { to, message, limit_ms } => match self.take_in(message)? {
                None => None,
                Some(Ok(message)) => Some(self.asked(&to, message, Duration::from_millis(limit_ms)).await),
                Some(Err(why)) => Some(self.refused(why)),
            },
            Request::Broadcast { message } => self.take_in(message)?.map(|message| match message {
                Ok(message) => {
                    let told = self.spread(&message);
                    let full = told.full.iter().map(|place| format!("{}/{place}", self.node).into());
                    Outcome::Spread { delivered: told.delivered, full: full.collect() }
                }
                Err(why) => self.refused(why),
            }),
        };
        outcome
            .map(|outcome| serde_json::to_vec(&outcome).map(Bytes::from).map_err(|error| error.to_string()))
            .transpose()
    }

    /// A message of another node, unless it was seen before.
    fn take_in(&self, message: Written) -> Result<Option<Result<Message, Undelivered>>, String> {
        let message = message.read()?;
        let Some(post) = self.post.get() else { return Ok(None) };
        if !post.seen.lock().unwrap_or_else(PoisonError::into_inner).note(message.id) {
            return Ok(None);
        }
        let (bytes, limit) = (message.body_bytes(), self.shared.limits.body_bytes_max);
        let topic = message.topic.clone();
        Ok(Some(if bytes > limit { Err(Undelivered::TooLarge { topic, bytes, limit }) } else { Ok(message) }))
    }

    fn told(&self, to: &str, message: Message) -> Outcome {
        match self.deliver(to, &mut Some(Letter { message, asker: None })) {
            Ok(_) => Outcome::Delivered,
            Err(why) => self.refused(why),
        }
    }

    async fn asked(&self, to: &str, message: Message, limit: Duration) -> Outcome {
        let mut question = match self.pose(to, &mut None, message) {
            Ok(question) => question,
            Err(why) => return self.refused(why),
        };
        match question.answer(limit).await {
            Ok(answer) => Outcome::Answered(Box::new(Written::of(&answer))),
            Err(error) => Outcome::Unanswered(Fault::from(&error)),
        }
    }

    fn refused(&self, why: Undelivered) -> Outcome {
        match why {
            Undelivered::Nobody { .. } => Outcome::NotHere,
            why => Outcome::Refused(Fault::from(&self.explained(why, &[]))),
        }
    }
}

/// A message to another node that is under way.
struct UnderWay<'a> {
    to: &'a str,
    /// Why it is in no inbox of this node.
    why: Undelivered,
    bytes: usize,
    limit: Duration,
    /// Until when the other node is waited for.
    until: Option<Instant>,
}

impl Post {
    /// What brings messages from `node` to others.
    pub(crate) fn new(node: Arc<str>, registry: Registry, member: Member, switchboard: Switchboard) -> Self {
        let whereabouts = Whereabouts::new(node, registry, member, switchboard.clone());
        let (messages, bytes) = (Semaphore::new(UNDER_WAY_MAX), Semaphore::new(UNDER_WAY_BYTES_MAX));
        Self { whereabouts, switchboard, messages, bytes, seen: Mutex::default() }
    }

    async fn tell(&self, mailroom: &Mailroom, to: &str, why: Undelivered, message: &Message) -> Result<()> {
        let (bytes, limit) = (message.body_bytes(), DELIVERY_MAX);
        let until = Some(Instant::now() + limit);
        let request = |to: String| Request::Tell { to, message: Written::of(message) };
        match self.carry(mailroom, UnderWay { to, why, bytes, limit, until }, request).await? {
            Outcome::Delivered => Ok(()),
            other => Err(strange(&other)),
        }
    }

    async fn ask(
        &self,
        mailroom: &Mailroom,
        to: &str,
        why: Undelivered,
        message: &Message,
        limit: Duration,
    ) -> Result<Message> {
        let (bytes, began) = (message.body_bytes(), Instant::now());
        let until = limit.checked_add(GRACE).and_then(|wait| began.checked_add(wait));
        let request = |to: String| {
            let limit_ms = Request::limit_ms(limit.saturating_sub(began.elapsed()));
            Request::Ask { to, message: Written::of(message), limit_ms }
        };
        match self.carry(mailroom, UnderWay { to, why, bytes, limit, until }, request).await? {
            Outcome::Answered(answer) => answer.read().map_err(|reason| {
                Error::new(ErrorKind::Unknown, "the answer to the ask can not be read").because(reason)
            }),
            Outcome::Unanswered(fault) => Err(fault.into()),
            other => Err(strange(&other)),
        }
    }

    /// Brings a message to a node that takes it; gives what that has answered.
    async fn carry(
        &self,
        mailroom: &Mailroom,
        way: UnderWay<'_>,
        request: impl Fn(String) -> Request,
    ) -> Result<Outcome> {
        let address = Address::of(way.to);
        let _room = self.room(way.bytes).map_err(Uncarried::into_error)?;
        let there = || way.to.split_once('/').map_or(way.to, |(_, rest)| rest).to_owned();
        if let Some(node) = address.node {
            if *node == *mailroom.node {
                return Err(mailroom.explained(way.why, &[]));
            }
            let node: Arc<str> = node.into();
            return match call(&self.switchboard, &node, &request(there()), way.until).await {
                Ok(Outcome::NotHere) => Err(Undelivered::NotThere { node, agent: address.agent.into() }.into_error()),
                Ok(Outcome::Refused(fault)) => Err(fault.into()),
                Ok(outcome) => Ok(outcome),
                Err(uncarried) => Err(uncarried.into_error()),
            };
        }
        let (mut tried, mut best) = (BTreeSet::new(), None);
        let mut known = Arc::<Known>::default();
        for need in [Need::Recent, Need::New] {
            let late = |_| Uncarried::NotFoundInTime { to: way.to.to_owned(), limit: way.limit }.into_error();
            known = timeout(way.limit, self.whereabouts.of(&address, need)).await.map_err(late)?;
            for node in known.in_turn(address.agent) {
                if !tried.insert(node.clone()) {
                    continue;
                }
                match call(&self.switchboard, &node, &request(there()), way.until).await {
                    Ok(Outcome::NotHere) => {}
                    Ok(Outcome::Refused(fault)) => Refused::By(fault.into()).or(&mut best)?,
                    Ok(outcome) => return Ok(outcome),
                    Err(silent @ Uncarried::Silent { .. }) => return Err(silent.into_error()),
                    Err(uncarried) => Refused::Away(uncarried.into_error()).or(&mut best)?,
                }
            }
            if matches!(best, Some(Refused::By(_))) {
                break; // it was found, and is full
            }
        }
        Err(match best {
            Some(Refused::By(error) | Refused::Away(error)) => error,
            None => mailroom.explained(way.why, &known.agents()),
        })
    }

    async fn broadcast(&self, message: &Message, told: &mut Broadcast) -> Result<()> {
        let until = Instant::now() + BROADCAST_MAX;
        let nodes = timeout_at(until, self.whereabouts.others()).await.unwrap_or_default();
        let request = Request::Broadcast { message: Written::of(message) }.bytes()?;
        let _room = match self.room(message.body_bytes().saturating_mul(nodes.len())) {
            Ok(room) => room,
            Err(crowded) => {
                tracing::warn!(error = %crowded, "a broadcast has not left the node");
                told.silent = nodes;
                return Ok(());
            }
        };
        let answers = join_all(nodes.into_iter().map(|node| {
            let request = request.clone();
            async move {
                let answer = timeout_at(until, send(&self.switchboard, &node, request, Some(until))).await;
                (node, answer)
            }
        }));
        for (node, answer) in answers.await {
            match answer {
                Ok(Ok(Outcome::Spread { delivered, full })) => {
                    told.add(delivered, full);
                }
                // It is in no inbox there, for certain.
                Ok(Ok(Outcome::Refused(_)) | Err(Uncarried::Gone { .. } | Uncarried::Unreadable { .. })) => {
                    tracing::debug!(%node, "a broadcast was not taken by a node");
                }
                Ok(Ok(_) | Err(_)) | Err(_) => told.silent.push(node),
            }
        }
        Ok(())
    }

    /// Takes room for a message of `bytes`. Nothing waits: whoever would have to is refused.
    fn room(&self, bytes: usize) -> Result<[SemaphorePermit<'_>; 2], Uncarried> {
        let bytes = u32::try_from(bytes.min(UNDER_WAY_BYTES_MAX)).unwrap_or(u32::MAX);
        let full = |_| Uncarried::Crowded { messages: UNDER_WAY_MAX, bytes: UNDER_WAY_BYTES_MAX };
        Ok([self.messages.try_acquire().map_err(full)?, self.bytes.try_acquire_many(bytes).map_err(full)?])
    }
}

/// Why a node did not take a message.
enum Refused {
    /// It is not reached.
    Away(Error),
    /// It said so.
    By(Error),
}

impl Refused {
    /// Keeps the one that says more.
    ///
    /// # Errors
    ///
    /// The error, if it would be the same at any other node.
    fn or(self, best: &mut Option<Self>) -> Result<()> {
        match self {
            Self::By(error) if error.kind() == ErrorKind::Invalid => return Err(error),
            // The node has the agent, and not the instance: another may have that.
            Self::By(error) if error.kind() == ErrorKind::NotFound => {
                best.get_or_insert(Self::Away(error));
            }
            by @ Self::By(_) => *best = Some(by),
            away @ Self::Away(_) => {
                best.get_or_insert(away);
            }
        }
        Ok(())
    }
}

/// Asks the mailroom of a node.
pub(super) async fn call(
    switchboard: &Switchboard,
    node: &Arc<str>,
    request: &Request,
    until: Option<Instant>,
) -> Result<Outcome, Uncarried> {
    let unreadable = |error: Error| Uncarried::Unreadable { node: node.clone(), reason: error.to_string() };
    send(switchboard, node, request.bytes().map_err(unreadable)?, until).await
}

async fn send(
    switchboard: &Switchboard,
    node: &Arc<str>,
    request: Bytes,
    until: Option<Instant>,
) -> Result<Outcome, Uncarried> {
    let (caller, carried) = oneshot::channel();
    switchboard.mail(node, request, until, Caller(caller));
    let node = node.clone();
    match carried.await {
        Ok(Carried::Answer(outcome)) => Ok(outcome),
        Ok(Carried::Unheard) => Err(Uncarried::Gone { node }),
        Ok(Carried::Unreadable) => Err(Uncarried::Unreadable { node, reason: "it has said so".to_owned() }),
        Err(_) => Err(Uncarried::Silent { node }),
    }
}

fn strange(outcome: &Outcome) -> Error {
    Error::new(ErrorKind::Unknown, "another node has answered what was not asked").because(format!("{outcome:?}"))
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("whereabouts", &self.whereabouts).finish_non_exhaustive()
    }
}
