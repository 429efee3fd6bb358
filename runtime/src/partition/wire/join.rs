//! Requests put together again at the owner of their partition.

use super::{Past, Request, schedule};
use crate::partition::history::lines_of;
use crate::partition::message::{Comeback, Message, Refusal, Room, Verdict};
use callboard_core::{CheckedGraph, Graph, GraphFault, GraphLimits, Json, RunId, RunRestored};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use std::fmt::Display;
use tokio::sync::oneshot;

/// The body of the answer, once there is one; `None` if the partition ended without. Dropped, it tells the partition that
/// nobody waits any more.
pub(crate) type Answering = BoxFuture<'static, Option<Vec<u8>>>;

/// The body of the answer to what no partition needs to hear: it was refused.
#[derive(Debug)]
pub(crate) struct Answered(pub(crate) Vec<u8>);

/// The largest graph or history that is looked at on a thread that actors share: 32 KiB, into which no graph of a thousand
/// tasks fits.
const LOOKED_AT_ONCE: usize = 32 << 10;
/// Faults that a refusal names.
const FAULTS_TOLD: usize = 20;

impl Request {
    /// Puts a message together again at its partition.
    ///
    /// A graph is checked again, because what was worked out of it does not travel; its limits were those of the node that
    /// took it. That is done on a thread of its own if it is large. What follows on the message is told to `owner`.
    ///
    /// # Errors
    ///
    /// What can not be carried out is answered at once: it has no room though it needs some, or its graph or history can not
    /// be read.
    pub(crate) async fn join(
        self,
        room: Option<Room>,
        owner: impl FnOnce(Message) + Send + 'static,
    ) -> Result<(Message, Answering), Answered> {
        let needed = || room.ok_or_else(|| Refusal::Unavailable("the partition's inbox has no room for it".into()));
        Ok(match self {
            Self::Submit { run, graph, key, checked } => {
                let room = needed()?;
                let graph = checked_graph(graph).await.map_err(Refusal::Unavailable)?;
                waits(|reply| Message::Submit { run, graph, key, checked, room, reply })
            }
            Self::Perform { run, graph, key, checked, target } => {
                let room = needed()?;
                let graph = checked_graph(graph).await.map_err(Refusal::Unavailable)?;
                let (reply, submitted) = oneshot::channel();
                let performed = async move {
                    if let Err(refusal) = submitted.await.ok()? {
                        return Some(body(&Err::<Verdict, _>(refusal)));
                    }
                    let (reply, verdict) = oneshot::channel();
                    owner(Message::Await { run, target, reply });
                    Some(body(&Ok::<_, Refusal>(verdict.await.ok()?)))
                };
                (Message::Submit { run, graph, key, checked, room, reply }, performed.boxed())
            }
            Self::Speak { speaker, say } => waits(|reply| Message::Speak { speaker, say, reply }),
            Self::Heartbeat { speaker, alive } => waits(|reply| Message::Heartbeat { speaker, alive, reply }),
            Self::Follow { speaker, after, when } => waits(|reply| Message::Follow { speaker, after, when, reply }),
            Self::Answer { run, answer } => {
                let room = needed()?;
                waits(|reply| Message::Answer { run, answer, room, reply })
            }
            Self::Control { run, wish } => waits(|reply| Message::Control { run, wish, reply }),
            Self::Retry { task, token, input, comeback } => {
                let room = needed()?;
                let comeback = match comeback {
                    Some(past) => Some(past.comeback(task.run).await.map_err(Refusal::Unavailable)?),
                    None => None,
                };
                waits(|reply| Message::Retry { task, token, input, comeback, room, reply })
            }
            Self::Ask(asked) => asked.join(),
            Self::Await { run, target } => waits(|reply| Message::Await { run, target, reply }),
            Self::Events { run, after } => waits(|reply| Message::Events { run, after, reply }),
            Self::Feed { after, since, when } => waits(|reply| Message::Feed { after, since, when, reply }),
            Self::Progress { run } => waits(|reply| Message::Progress { run, reply }),
            Self::Schedule { name, wish } => {
                let room = needed()?;
                let wish = schedule::checked(&name, wish).await?;
                waits(|reply| Message::Schedule { name, wish, room, reply })
            }
        })
    }
}

impl From<Refusal> for Answered {
    fn from(refusal: Refusal) -> Self {
        Self(body(&Err::<(), _>(refusal)))
    }
}

impl Past {
    async fn comeback(self, run: RunId) -> Result<Box<Comeback>, String> {
        let Self { events, checked } = self;
        let bytes = events.as_str().len();
        let unreadable = move |why: &dyn Display| format!("the history of run {run} can not be read: {why}");
        let read = move || {
            let lines = lines_of(&events).map_err(|error| unreadable(&error))?;
            let folded =
                RunRestored::fold(run, &events).ok_or_else(|| unreadable(&"its events are those of another"))?;
            Ok(Box::new(Comeback { restored: RunRestored::new(events, folded), lines, checked }))
        };
        aside(bytes, read).await
    }
}

/// Gives a message a way back that ends in a body.
pub(super) fn waits<T>(message: impl FnOnce(oneshot::Sender<T>) -> Message) -> (Message, Answering)
where
    T: Serialize + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (message(reply), async move { answer.await.ok().map(|answer| body(&answer)) }.boxed())
}

fn body<T: Serialize>(answer: &T) -> Vec<u8> {
    // Every map in an answer has strings as keys, and every line of a journal is JSON.
    serde_json::to_vec(answer).expect("an answer always has a JSON form")
}

/// Reads and checks a graph; what is wrong with it in words.
pub(super) async fn checked_graph(graph: Json) -> Result<CheckedGraph, String> {
    let bytes = graph.as_str().len();
    let check = move || {
        let graph: Graph = serde_json::from_str(graph.as_str()).map_err(|error| format!("not a workflow: {error}"))?;
        graph.check(&GraphLimits::NONE).map_err(|faults| in_words(&faults))
    };
    aside(bytes, check).await
}

fn in_words(faults: &[GraphFault]) -> String {
    let told: Vec<String> = faults.iter().take(FAULTS_TOLD).map(ToString::to_string).collect();
    told.join("; ")
}

/// Looks at so many bytes: on a thread of its own, if that takes longer than an actor may.
async fn aside<T: Send + 'static>(
    bytes: usize,
    look: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    if bytes <= LOOKED_AT_ONCE {
        return look();
    }
    tokio::task::spawn_blocking(look).await.map_err(|error| error.to_string())?
}
