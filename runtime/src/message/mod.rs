//! Messages between agents, beside tasks: tell, ask, broadcast, subscribe, and the inbox that they wait in.
//!
//! **Messages are not durable.** They live in the memory of the node that has the inbox: what waits there is lost with its
//! node, and a message that was accepted may never be handled. What must happen is a task.
//!
//! What is promised, and no more:
//!
//! - A [tell](crate::Callboard::tell) that has answered `Ok` is in exactly one inbox, of whichever node, and is handled at most
//!   once. The inbox outlives a panic of its instance; only the message at hand is lost with it.
//! - From one sender to one instance messages are handled in the order in which they were sent. Between nodes that holds for
//!   those that were sent one after another: each when the one before had answered.
//! - An [ask](crate::Callboard::ask) ends: with an answer, or with an error that says whether its message was handled.
//! - Inboxes are bounded, in messages and in bytes ([`Limits`]). A full one refuses at once; nothing blocks. What is under way
//!   to other nodes is bounded as well.
//! - While a task runs, messages wait: the handler may take some through [`crate::Ctx::inbox`], the rest is for
//!   [`crate::Agent::message`] after the task. Messages and tasks take turns, up to [`TURN_MAX`] messages for one task, so
//!   neither starves the other.
//! - An agent of the same node is preferred, and reached without the bus. Which other node has an agent is asked of the
//!   directory, once a second at most while the answer leads to the agent; when the directory is away what it said before is
//!   believed, and the nodes are asked. [Subscriptions](crate::Callboard::subscribe) see the inboxes of their own node only.
//!
//! | file | noun |
//! |---|---|
//! | `letter` | a message on its way, the way back of an ask, and what an agent makes of it |
//! | `queue` | the bounded queue of one instance |
//! | `place` | one instance as an addressee: its queue, whether it is busy |
//! | `mailroom` | all places of a node: finds the addressee, delivers, broadcasts, asks |
//! | `post` | the way to the mailrooms of other nodes, and what comes from them |
//! | `whereabouts` | which nodes have which agents |
//! | `wire` | messages as they travel |
//! | `turn` | the handling of a few messages by an agent |
//! | `watch` | observers: filters and subscriptions |
//! | `inbox` | what a handler sees of its messages during a task |
//! | `board` | what a program has in its hands to send some |
//! | `context` | what a handler has in its hands to send some |

mod address;
mod board;
mod context;
mod counters;
mod error;
#[cfg(feature = "test")]
pub(crate) mod fuzz;
mod id;
mod inbox;
mod letter;
mod mailroom;
mod place;
mod post;
mod queue;
mod turn;
mod watch;
mod whereabouts;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

pub use context::MessageCtx;
pub use counters::MessageCounters;
pub use id::{CorrelationId, MessageId};
pub use inbox::{Inbox, Received};
pub use letter::Reply;
pub use mailroom::Broadcast;
pub use watch::{Filter, Observed, Subscription};

pub(crate) use context::{Home, Voice};
pub(crate) use mailroom::Mailroom;
pub(crate) use place::Place;
pub(crate) use post::Post;
pub(crate) use turn::{Listen, Turn, take_turn};

use crate::{Error, ErrorKind, Result};
use callboard_core::{Json, Millis};
use place::Name;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What messages may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of one body; 16 MiB by default.
    pub(crate) body_bytes_max: usize,
    /// Messages that may wait in the inbox of one instance, or for one subscription; 1,000 by default.
    pub(crate) inbox_max: usize,
    /// Bytes of bodies that may wait there; 64 MiB by default. One that is empty takes any message.
    pub(crate) inbox_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes_max: 16 << 20, inbox_max: 1_000, inbox_bytes_max: 64 << 20 }
    }
}

/// Messages that an instance handles before it looks for a task, and again before the next one.
pub(crate) const TURN_MAX: usize = 32;
/// The longest topic, in bytes.
const TOPIC_BYTES_MAX: usize = 128;

/// Something that is said to an agent, and **not durable**; cheap to clone.
///
/// A program makes one with a topic and a body; who sent it, when and to whom is filled in when it is sent.
///
/// ```
/// use callboard::prelude::*;
///
/// let message = Message::new("stock.changed", &("screws", 12))?;
/// assert_eq!(message.parse::<(String, u32)>()?, ("screws".to_owned(), 12));
/// # Ok::<_, Error>(())
/// ```
#[derive(Clone)]
pub struct Message {
    id: MessageId,
    kind: Kind,
    correlation: Option<CorrelationId>,
    from: Option<Arc<Name>>,
    to: Option<Arc<Name>>,
    topic: Arc<str>,
    body: Json,
    sent_at: Millis,
}

/// How a message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Not sent yet.
    Draft,
    Tell,
    Ask,
    Broadcast,
    Answer,
}

impl Message {
    /// A message about `topic`, 1 to 128 of `A-Z a-z 0-9 . _ -`, whose body is the JSON of `body`.
    ///
    /// # Errors
    ///
    /// `Invalid` for a topic that is none, and for a body that has no JSON form. A body that is too large (the setting
    /// `payload_bytes_max`) is refused when it is sent.
    pub fn new<T: Serialize + ?Sized>(topic: impl Into<Arc<str>>, body: &T) -> Result<Self> {
        let topic = topic.into();
        if !is_topic(&topic) {
            let message = format!("a topic is 1 to {TOPIC_BYTES_MAX} of A-Z a-z 0-9 . _ -, not {topic:?}");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let body = json(body)?;
        let (id, kind, sent_at) = (MessageId::NONE, Kind::Draft, Millis(0));
        Ok(Self { id, kind, correlation: None, from: None, to: None, topic, body, sent_at })
    }

    /// Says that it belongs to what `correlation` stands for: the caller's own id, or that of a message.
    #[must_use]
    pub fn correlated(mut self, correlation: impl Into<CorrelationId>) -> Self {
        self.correlation = Some(correlation.into());
        self
    }

    /// The body as a value.
    ///
    /// # Errors
    ///
    /// `Invalid` if the body is not of this type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.body.as_str()).map_err(|error| {
            let message = format!("the body of a message on {:?} is not of the type that was asked for", self.topic);
            Error::new(ErrorKind::Invalid, message).because(error)
        })
    }

    /// Its id; all zeros before it is sent. A message that is sent twice has two.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// What it belongs to: as given by [`correlated`](Self::correlated), else its own id. An answer has that of its ask.
    pub fn correlation(&self) -> CorrelationId {
        self.correlation.clone().unwrap_or(CorrelationId::from(self.id))
    }

    /// The id of the agent that sent it; `None` if that was no agent.
    pub fn from(&self) -> Option<&str> {
        self.from.as_ref().map(|name| &*name.agent)
    }

    /// The address of the instance that sent it, `<node>/<agent>#<n>`, to which a message finds its way back; `None` if
    /// that was no agent.
    pub fn from_instance(&self) -> Option<&str> {
        self.from.as_ref().map(|name| &*name.full)
    }

    /// The id of the agent that it is for; `None` for a broadcast, and for an answer to somebody who is no agent.
    pub fn to(&self) -> Option<&str> {
        self.to.as_ref().map(|name| &*name.agent)
    }

    /// The address of the instance that was chosen for it, `<node>/<agent>#<n>`; `None` as for [`to`](Self::to).
    pub fn to_instance(&self) -> Option<&str> {
        self.to.as_ref().map(|name| &*name.full)
    }

    /// What it is about.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The body.
    pub fn body(&self) -> &Json {
        &self.body
    }

    /// When it was sent, in milliseconds since 1970; zero before.
    pub fn sent_at(&self) -> Millis {
        self.sent_at
    }

    /// Whether the sender waits for an answer.
    pub fn is_ask(&self) -> bool {
        self.kind == Kind::Ask
    }

    /// Whether it is meant for everybody.
    pub fn is_broadcast(&self) -> bool {
        self.kind == Kind::Broadcast
    }

    /// Whether it is the answer to an ask.
    pub fn is_answer(&self) -> bool {
        self.kind == Kind::Answer
    }

    fn body_bytes(&self) -> usize {
        self.body.as_str().len()
    }
}

fn is_topic(text: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=TOPIC_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_usual)
}

/// The JSON of what is said.
fn json<T: Serialize + ?Sized>(body: &T) -> Result<Json> {
    Json::of(body)
        .map_err(|error| Error::new(ErrorKind::Invalid, "what was to be said has no JSON form").because(error))
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("topic", &self.topic)
            .field("body_bytes", &self.body_bytes())
            .finish_non_exhaustive()
    }
}
