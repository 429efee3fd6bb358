//! Requests of other nodes, to partitions and to the mailroom: each is carried out once, and answered as often as it is asked.

use super::{Desk, Order, answer_envelope};
use crate::message::Mailroom;
use crate::partition::door::Door;
use crate::partition::wire::{Answered, Request};
use crate::port::bus::{self, Envelope, QueueName};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

/// Answers that are kept, in case they are asked for again: how many, of how many bytes, and for how long.
const KEPT_MAX: usize = 20_000;
const KEPT_BYTES_MAX: usize = 32 << 20;
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Requests that are being carried out at once; whoever asks for more tries again later.
const SERVED_MAX: usize = 100_000;
/// How often an answer is sent that the bus does not take.
const TRIES: u32 = 5;

/// What a request to the mailroom of a node is about, in the place of the number of a partition.
pub(super) const MAILROOM: &str = "mailroom";

/// For whom a request is.
enum Addressee {
    Partition(Arc<Door>),
    Mailroom(Arc<Mailroom>),
    /// For nobody who could be here.
    Nobody,
}

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Here is the answer.
    Answered,
    /// The partition is not owned here.
    NotHere,
    /// The partition has ended without one.
    NoAnswer,
    /// It can not be read.
    Unreadable,
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotHere => "not_here",
            Self::NoAnswer => "no_answer",
            Self::Unreadable => "unreadable",
        }
    }

    pub(super) fn of(text: Option<&str>) -> Self {
        let all = [Self::Answered, Self::NotHere, Self::Unreadable];
        all.into_iter().find(|verdict| text == Some(verdict.as_str())).unwrap_or(Self::NoAnswer)
    }
}

/// A request that was carried out, or could not be.
#[derive(Debug)]
pub(crate) struct Served {
    call: String,
    answer: Envelope,
}

/// What becomes of the requests of others.
#[derive(Default)]
pub(super) struct Log {
    /// Being carried out, by the ids of the calls, each with the node that waits.
    open: BTreeMap<String, (Arc<str>, AbortHandle)>,
    /// Answered.
    answered: BTreeMap<String, Envelope>,
    /// In the order of their answers.
    order: VecDeque<(Instant, String)>,
    bytes: usize,
}

impl Log {
    /// Nobody waits for this any more.
    pub(super) fn forget(&mut self, from: &str, call: &str) {
        if self.open.get(call).is_some_and(|(node, _)| **node == *from)
            && let Some((_, task)) = self.open.remove(call)
        {
            task.abort();
        }
    }

    /// A node is dead, and waits for nothing.
    pub(super) fn dead(&mut self, node: &str) {
        self.open.retain(|_, (from, task)| {
            let is_dead = **from == *node;
            if is_dead {
                task.abort();
            }
            !is_dead
        });
    }

    fn keep(&mut self, call: String, answer: Envelope) {
        self.open.remove(&call);
        self.bytes += answer.body.len();
        self.order.push_back((Instant::now(), call.clone()));
        self.answered.insert(call, answer);
        while self.order.len() > KEPT_MAX || self.bytes > KEPT_BYTES_MAX {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, call)) = self.order.pop_front() else { return };
        if let Some(answer) = self.answered.remove(&call) {
            self.bytes -= answer.body.len();
        }
    }

    pub(super) fn forget_old(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) > KEPT_FOR) {
            self.forget_oldest();
        }
    }
}

impl Desk {
    /// Carries out a request, unless that is being done or was done.
    pub(super) fn serve(&mut self, from: Arc<str>, envelope: Envelope) {
        let call = envelope.head.id.clone();
        let Some(reply_to) = envelope.head.reply_to.clone() else { return };
        if self.served.open.contains_key(&call) {
            return;
        }
        let (bus, node, desk) = (self.around.bus.clone(), self.around.node.clone(), self.myself.clone());
        if let Some(answer) = self.served.answered.get(&call).cloned() {
            self.tasks.spawn(async move { deliver(&*bus, &reply_to, &answer).await });
            return;
        }
        if self.served.open.len() >= SERVED_MAX {
            tracing::warn!(%from, limit = SERVED_MAX, "too many requests of other nodes wait; one is left for later");
            return;
        }
        let addressee = self.addressee(envelope.head.subject.as_deref());
        let id = call.clone();
        let task = self.tasks.spawn(async move {
            let (verdict, body) = match addressee {
                Addressee::Partition(door) => carry_out(&door, &envelope.body).await,
                Addressee::Mailroom(mailroom) => take_in(&mailroom, envelope.body).await,
                Addressee::Nobody => (Verdict::Unreadable, Bytes::new()),
            };
            let answer = answer_envelope(&node, &id, verdict, body);
            // Noted before it is sent: an answer that is lost is asked for again.
            let _ended = desk.cast(Order::Served(Box::new(Served { call: id, answer: answer.clone() })));
            deliver(&*bus, &reply_to, &answer).await;
        });
        self.served.open.insert(call, (from, task));
    }

    fn addressee(&self, subject: Option<&str>) -> Addressee {
        if subject == Some(MAILROOM) {
            return Addressee::Mailroom(self.around.mailroom.clone());
        }
        let number = subject.and_then(|number| number.parse::<usize>().ok());
        let door = number.and_then(|number| self.around.doors.get(number));
        door.cloned().map_or(Addressee::Nobody, Addressee::Partition)
    }

    pub(super) fn was_served(&mut self, served: Served) {
        let Served { call, answer } = served;
        // What was not carried out may be, if it is asked again.
        if Verdict::of(answer.head.subject.as_deref()) == Verdict::NotHere {
            self.served.open.remove(&call);
        } else {
            self.served.keep(call, answer);
        }
    }
}

async fn carry_out(door: &Door, body: &[u8]) -> (Verdict, Bytes) {
    let Some(actor) = door.slot.current() else { return (Verdict::NotHere, Bytes::new()) };
    let request: Request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            tracing::warn!(%error, "a request of another node can not be read");
            return (Verdict::Unreadable, Bytes::new());
        }
    };
    let room = match request.room() {
        None => None,
        Some(bytes) => door.room(bytes).await.ok(), // without any it is answered that there is none
    };
    let owner = actor.clone();
    match request.join(room, move |message| drop(owner.cast(message))).await {
        Ok((message, answer)) => {
            drop(actor.cast(message));
            match answer.await {
                Some(body) => (Verdict::Answered, body.into()),
                None => (Verdict::NoAnswer, Bytes::new()),
            }
        }
        Err(Answered(body)) => (Verdict::Answered, body.into()),
    }
}

async fn take_in(mailroom: &Mailroom, body: Bytes) -> (Verdict, Bytes) {
    match mailroom.serve(body).await {
        Ok(Some(answer)) => (Verdict::Answered, answer),
        Ok(None) => (Verdict::NoAnswer, Bytes::new()),
        Err(error) => {
            tracing::warn!(error, "a message of another node can not be read");
            (Verdict::Unreadable, Bytes::new())
        }
    }
}

/// Sends an answer. One that does not arrive is asked for again.
async fn deliver(bus: &dyn bus::Bus, reply_to: &QueueName, answer: &Envelope) {
    for _ in 0..TRIES {
        match bus.publish(reply_to, answer.clone()).await {
            Ok(()) | Err(bus::Error::Unroutable { .. }) => return,
            Err(error) => tracing::debug!(%error, "an answer was not taken by the bus"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}
