//! What is said to a partition, as it travels to the node that owns it.
//!
//! A [`Message`] has a way back, which does not travel. [`Message::split`] takes it apart: the [`Request`] goes to the
//! owner, the [`Back`] stays. At the owner [`Request::join`] puts a message together whose way back ends in the bytes of
//! an answer, and with these [`Back::answer`] tells the caller. So whoever gives a command does not see where it is carried
//! out, and the partition does not see from where it came.
//!
//! All of it is JSON. Requests are read strictly: one that says more than this release understands is refused, because to
//! carry out a part of a wish may be worse than to carry out none.

mod asked;
mod back;
mod join;
mod schedule;

#[cfg(test)]
mod tests;

pub(crate) use asked::Asked;
pub(crate) use back::Back;
pub(crate) use join::Answered;

use super::follow::When;
use super::message::{Comeback, Message, Say, ScheduleWish, Target, Wish};
use callboard_core::{Alive, Answer, Decision, Json, Millis, RunId, Speaker, TaskRef, Token};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A message to a partition of another node, without its way back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    Submit {
        run: RunId,
        /// As the journal will have it.
        graph: Json,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        checked: u64,
    },
    /// Submit a run, and say how `target` ends: one request and one answer, where a caller waits for nothing else.
    Perform {
        run: RunId,
        graph: Json,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        checked: u64,
        target: Target,
    },
    Speak {
        speaker: Speaker,
        say: Say,
    },
    Heartbeat {
        speaker: Speaker,
        alive: Alive,
    },
    Follow {
        speaker: Speaker,
        after: usize,
        when: When,
    },
    Answer {
        run: RunId,
        answer: Answer,
    },
    Control {
        run: RunId,
        wish: Wish,
    },
    Retry {
        task: TaskRef,
        token: Token,
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "Json::present")]
        input: Option<Json>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comeback: Option<Past>,
    },
    Ask(Asked),
    Await {
        run: RunId,
        target: Target,
    },
    Events {
        run: RunId,
        after: u64,
    },
    Feed {
        after: Option<u64>,
        since: Millis,
        when: When,
    },
    Progress {
        run: RunId,
    },
    Schedule {
        name: Arc<str>,
        wish: ScheduleWish<Json>,
    },
}

/// A run on its way back from the archive: what it was is worked out again where it comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Past {
    /// Its history.
    events: Json,
    checked: u64,
}

/// The room in an inbox that a wish about a schedule takes which carries no workflow.
const WISH_BYTES: usize = 256;

impl Message {
    /// Takes a message apart for the wire.
    ///
    /// # Errors
    ///
    /// Gives back a message that never leaves its process.
    pub(crate) fn split(self) -> Result<(Request, Back), Box<Self>> {
        Ok(match self {
            Self::Submit { run, graph, key, checked, room, reply } => {
                (Request::Submit { run, graph: graph.json().clone(), key, checked }, Back::Done(reply, Some(room)))
            }
            Self::Speak { speaker, say, reply } => (Request::Speak { speaker, say }, Back::Done(reply, None)),
            Self::Heartbeat { speaker, alive, reply } => {
                (Request::Heartbeat { speaker, alive }, Back::Done(reply, None))
            }
            Self::Follow { speaker, after, when, reply } => {
                (Request::Follow { speaker, after, when }, Back::Records(reply))
            }
            Self::Answer { run, answer, room, reply } => {
                (Request::Answer { run, answer }, Back::Done(reply, Some(room)))
            }
            Self::Control { run, wish, reply } => (Request::Control { run, wish }, Back::Done(reply, None)),
            Self::Retry { task, token, input, comeback, room, reply } => {
                let comeback = comeback.map(|comeback| Past::of(*comeback));
                (Request::Retry { task, token, input, comeback }, Back::Done(reply, Some(room)))
            }
            Self::Ask(question) => {
                let (asked, back) = Asked::split(question);
                (Request::Ask(asked), back)
            }
            Self::Await { run, target, reply } => (Request::Await { run, target }, Back::Verdict(reply)),
            Self::Events { run, after, reply } => (Request::Events { run, after }, Back::Page(reply)),
            Self::Feed { after, since, when, reply } => (Request::Feed { after, since, when }, Back::Feed(reply)),
            Self::Progress { run, reply } => (Request::Progress { run }, Back::Progress(reply)),
            Self::Schedule { name, wish, room, reply } => {
                (Request::Schedule { name, wish: schedule::written(wish) }, Back::Done(reply, Some(room)))
            }
            local @ (Self::HandOut(_)
            | Self::NotDelivered(..)
            | Self::NodeIsGone(_)
            | Self::Missed { .. }
            | Self::Appended(_)
            | Self::Looked(..)
            | Self::Doubted
            | Self::Snapshotted(_)
            | Self::Archived { .. }
            | Self::Tick) => return Err(Box::new(local)),
        })
    }
}

impl Request {
    /// The room in the partition's inbox that it takes, in bytes, as at the node that sent it; `None` for what needs none.
    pub(crate) fn room(&self) -> Option<usize> {
        match self {
            Self::Submit { graph, .. } | Self::Perform { graph, .. } => Some(graph.as_str().len()),
            Self::Answer { answer, .. } => Some(answer_bytes(answer)),
            Self::Retry { input, comeback, .. } => {
                let events = comeback.as_ref().map(|past| &past.events);
                Some(input.iter().chain(events).map(|json| json.as_str().len()).sum())
            }
            Self::Schedule { wish: ScheduleWish::Set(new), .. } => Some(new.graph.as_str().len()),
            Self::Schedule { .. } => Some(WISH_BYTES),
            Self::Speak { .. }
            | Self::Heartbeat { .. }
            | Self::Follow { .. }
            | Self::Control { .. }
            | Self::Ask(_)
            | Self::Await { .. }
            | Self::Events { .. }
            | Self::Feed { .. }
            | Self::Progress { .. } => None,
        }
    }
}

/// About how much room an answer takes. What is stored elsewhere may claim any length.
fn answer_bytes(answer: &Answer) -> usize {
    let (text, value) = match answer {
        Answer::Signal { name, value, .. } => (name, value),
        Answer::Effect { key, decision: Decision::Happened(value), .. } => (key, value),
        Answer::Approval { .. } | Answer::Effect { .. } => return 0,
    };
    usize::try_from(value.len()).unwrap_or(usize::MAX).saturating_add(text.len())
}

impl Past {
    fn of(comeback: Comeback) -> Self {
        Self { events: comeback.restored.events, checked: comeback.checked }
    }
}
