//! A run as a program sees it.

#[cfg(doc)]
use crate::What;
use crate::dispatch::courier::fetch;
use crate::node::Node;
use crate::partition::message::{Progress, Target, Verdict};
use crate::run_event::{Names, RunEvent};
use crate::workflow;
use crate::{Error, ErrorKind, Result};
use callboard_core::{RunId, RunOutcome};
use futures::Stream;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde::de::DeserializeOwned;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// One execution of a workflow; a cheap handle. Dropping it stops nothing.
#[derive(Clone)]
pub struct Run {
    node: Arc<Node>,
    id: RunId,
}

impl Run {
    pub(crate) fn new(node: Arc<Node>, id: RunId) -> Self {
        Self { node, id }
    }

    /// Its id.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// Waits for the output of a task.
    ///
    /// # Errors
    ///
    /// `Failed` or `Cancelled` if the task ended without one: the message says which task failed and why. `Invalid` if
    /// the output is not of this type. `NotFound` if there is no such run or task. `Unavailable` if the node has stopped or
    /// the store can not be read, `Corrupt` if what it holds can not be.
    pub async fn output<O: DeserializeOwned>(&self, task: &workflow::Node<O>) -> Result<O> {
        self.output_of(task.target()).await
    }

    pub(crate) async fn output_of<O: DeserializeOwned>(&self, target: Target) -> Result<O> {
        match self.node.partitions.end_of(self.id, &target).await? {
            Verdict::Output(payload) => {
                let bytes = fetch(&self.node.payloads, &payload).await?;
                serde_json::from_slice(&bytes).map_err(|error| {
                    Error::new(ErrorKind::Invalid, "the output is not of the type that was asked for").because(error)
                })
            }
            Verdict::TaskFailed { task, cancelled, failure } => {
                let error = Error::of_task(&task, &failure);
                Err(if cancelled { error.of_kind(ErrorKind::Cancelled) } else { error })
            }
            Verdict::NoTask => {
                Err(Error::new(ErrorKind::NotFound, format!("there is no such task in run {}", self.id)))
            }
            Verdict::Quarantined(reason) => Err(quarantined(self.id, &reason)),
            Verdict::Run(_) | Verdict::Elsewhere(_) => {
                Err(Error::new(ErrorKind::Corrupt, "a task was asked for and a run was answered"))
            }
        }
    }

    /// Waits for the end of the run: until no task of it is open.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such run, `Corrupt` if its history can not be followed, `Unavailable` if the node has
    /// stopped.
    pub async fn outcome(&self) -> Result<RunOutcome> {
        match self.node.partitions.end_of(self.id, &Target::Run).await? {
            Verdict::Run(outcome) => Ok(outcome),
            Verdict::Quarantined(reason) => Err(quarantined(self.id, &reason)),
            _ => Err(Error::new(ErrorKind::Corrupt, "a run was asked for and a task was answered")),
        }
    }

    /// Cancels every open task of the run, and so ends it. Durable when it answers; handlers are stopped at their next
    /// await.
    ///
    /// # Errors
    ///
    /// `Conflict` if it has ended, `NotFound` if it is not there, `Unknown` if that is not known.
    pub async fn cancel(&self, reason: impl Into<Arc<str>>) -> Result<()> {
        self.node.partitions.cancel(self.id, reason.into()).await
    }

    /// How much of it is done; `None` if it has ended long ago or is not there.
    ///
    /// # Errors
    ///
    /// `Unavailable` if its partition is down.
    pub async fn progress(&self) -> Result<Option<Progress>> {
        self.node.partitions.progress(self.id).await
    }

    /// Everything that has happened to the run and will, in order, from its submission to its end.
    ///
    /// An event is shown when it is durable. The stream ends with the run, or, when its history can not be read any
    /// further, with [`What::Unreadable`].
    pub fn events(&self) -> Events {
        let start = Some((self.clone(), 0, Names::default()));
        let pages = stream::unfold(start, |at| async move {
            let (run, after, mut names) = at?;
            match run.node.partitions.events(run.id, after).await {
                Ok(Some(events)) => {
                    let last = events.last().map_or(after, |event| event.seq);
                    let told: Vec<RunEvent> = events.iter().flat_map(|event| names.tell(event)).collect();
                    Some((told, Some((run, last, names))))
                }
                Ok(None) => None,
                Err(error) => Some((vec![names.unreadable(after, &error)], None)),
            }
        });
        Events(pages.flat_map(stream::iter).boxed())
    }
}

fn quarantined(run: RunId, reason: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("run {run} is quarantined")).because(reason)
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Run").field(&self.id).finish()
    }
}

/// The events of a run; see [`Run::events`].
pub struct Events(BoxStream<'static, RunEvent>);

impl Stream for Events {
    type Item = RunEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<RunEvent>> {
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
