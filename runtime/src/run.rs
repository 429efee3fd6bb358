//! A run as a program sees it.

use crate::dispatch::courier::fetch;
use crate::node::Node;
use crate::partition::message::{Progress, Target, Verdict, Wish};
use crate::query::{RunInfo, TaskInfo, Tasks, Why};
use crate::run_event::{Names, Position, RunEvent, What};
use crate::task::author;
use crate::workflow::{self, Workflow};
use crate::{Error, ErrorKind, Result};
use callboard_core::{Event, EventKind, Json, Millis, RunId, RunOutcome, TaskIndex};
use futures::future::BoxFuture;
use futures::future::{Either, select};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

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

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
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

    /// Waits for the output of the task of this name, without its type.
    ///
    /// # Errors
    ///
    /// As [`output`](Self::output).
    pub async fn output_json(&self, task: &str) -> Result<Json> {
        self.output_of(Target::Task { name: task.to_owned(), at: TaskIndex(0) }).await
    }

    pub(crate) async fn output_of<O: DeserializeOwned>(&self, target: Target) -> Result<O> {
        self.read(self.node.partitions.end_of(self.id, &target).await?, &target).await
    }

    /// The output, if that is how its task has ended.
    pub(crate) async fn read<O: DeserializeOwned>(&self, verdict: Verdict, target: &Target) -> Result<O> {
        match verdict {
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
            Verdict::NoTask => Err(no_task(self.id, target)),
            Verdict::Quarantined(reason) => Err(quarantined(self.id, &reason)),
            Verdict::Run(_) | Verdict::Full(_) | Verdict::Elsewhere(_) => {
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

    /// The workflow as it was submitted: to be shown, written as a document, or started again.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such run, `Corrupt` if its history can not be read, `Unavailable` if the node has
    /// stopped.
    pub async fn graph(&self) -> Result<Workflow> {
        let events = self.node.partitions.events(self.id, 0).await?.unwrap_or_default();
        match events.into_iter().next().map(|event| event.kind) {
            Some(EventKind::RunSubmitted(submitted)) => Ok(Workflow::of_graph(Arc::unwrap_or_clone(submitted.graph))),
            _ => Err(self.node.partitions.no_run(self.id)),
        }
    }

    /// Cancels every open task of the run, and so ends it. Durable when it answers; handlers are stopped at their next
    /// await.
    ///
    /// # Errors
    ///
    /// `Conflict` if it has ended, `NotFound` if it is not there, `Invalid` for a reason of more than 4 KiB, `Unknown` if
    /// that is not known.
    pub async fn cancel(&self, reason: impl Into<Arc<str>>) -> Result<()> {
        self.node.partitions.control(self.id, Wish::Cancel(checked(reason.into())?)).await
    }

    /// Cancels one task that is still open, by its name or else by its place: what it has asked for is cancelled with it, what
    /// needs it is skipped, and a handler that has asked for it is told, as of a failure. The other tasks go on; a run of which a
    /// task was cancelled ends as cancelled, unless another has failed. The task can be [retried](Self::retry). Durable when it
    /// answers; a handler is stopped at its next await.
    ///
    /// # Errors
    ///
    /// `Conflict` if the task or the run has ended, or what the run has done is being undone; `NotFound` if it is not there;
    /// `Invalid` for a reason of more than 4 KiB; `Corrupt` if the run is quarantined; `Unavailable` if nothing has changed;
    /// `Unknown` if that is not known.
    pub async fn cancel_task(&self, task: &str, reason: impl Into<Arc<str>>) -> Result<()> {
        let reason = checked(reason.into())?;
        let index = self.task(task).await?.index;
        self.node.partitions.control(self.id, Wish::CancelTask(index, reason)).await
    }

    /// Starts no more tasks of the run until it is [resumed](Self::resume). Durable when it answers, and over restarts.
    ///
    /// What runs goes on, and its result counts. How long it is paused counts toward the timeout of the run and toward
    /// no other. Pausing what is paused changes nothing, and the first reason stands.
    ///
    /// # Errors
    ///
    /// `Conflict` if it has ended, `NotFound` if it is not there, `Invalid` for a reason of more than 4 KiB, `Corrupt` if
    /// it is quarantined, `Unavailable` if nothing has changed, `Unknown` if that is not known.
    pub async fn pause(&self, reason: impl Into<Arc<str>>) -> Result<()> {
        self.node.partitions.control(self.id, Wish::Pause(checked(reason.into())?)).await
    }

    /// Starts the tasks of a paused run again. Durable when it answers. Resuming what is not paused changes nothing.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub async fn resume(&self) -> Result<()> {
        self.node.partitions.control(self.id, Wish::Resume).await
    }

    /// Gives a task that has failed, is dead or was cancelled another life; await the result. Durable when it answers.
    ///
    /// It has all its retries again; its failures stay in its history. The tasks that were skipped because of it wait for
    /// it again, as far as nothing else keeps them from running. A run that had ended is open again, and its timeout
    /// counts from now; one that was archived comes back, if its history and the input take 48 MiB at most.
    ///
    /// # Errors
    ///
    /// `Conflict` if the task is in another state, needs a task that has no result itself, or has moved on meanwhile;
    /// `NotFound` if there is no such run or task; `Corrupt` if the run is quarantined or can not be read; `Invalid` for an
    /// [edited input](Retrying::input) that can not be used or does not fit the schema of the capability, or a history that is too long; `Unavailable` if nothing has
    /// changed; `Unknown` if that is not known: it may be repeated.
    pub fn retry(&self, task: impl Into<String>) -> Retrying {
        Retrying { run: self.clone(), task: task.into(), input: None }
    }

    /// How it stands.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such run, `Unavailable` if its partition is down or the archive can not be read,
    /// `Corrupt` if what that holds can not be.
    pub async fn info(&self) -> Result<RunInfo> {
        self.node.partitions.info(self.id).await
    }

    /// Its tasks and how they stand; await the result for a page.
    pub fn tasks(&self) -> Tasks {
        Tasks::new(self.node.clone(), self.id)
    }

    /// How the task of this name stands, or else the one at this place.
    ///
    /// # Errors
    ///
    /// As [`info`](Self::info); `NotFound` as well if there is no such task.
    pub async fn task(&self, task: &str) -> Result<TaskInfo> {
        let index = match (self.node.partitions.task_named(self.id, task).await, task.parse()) {
            (Ok(index), _) => index,
            (Err(error), Ok(index)) if error.kind() == ErrorKind::NotFound => TaskIndex(index),
            (Err(error), _) => return Err(error),
        };
        let mut tasks = self.tasks().limit(1);
        if let Some(before) = index.0.checked_sub(1) {
            tasks = tasks.after(TaskIndex(before));
        }
        let found = tasks.await?.items.into_iter().next().filter(|found| found.index == index);
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no task {task:?} in run {}", self.id)))
    }

    /// Why a task does not run, as far as it is known; `None` if it does, or has ended.
    ///
    /// ```
    /// # use callboard::prelude::*;
    /// # async fn example(run: Run) -> Result<()> {
    /// if let Some(why) = run.why("draft").await? {
    ///     println!("{why}"); // retry 2 of 3 in 4.0s, after: no disk
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`task`](Self::task).
    pub async fn why(&self, task: &str) -> Result<Option<Why>> {
        Ok(self.task(task).await?.why)
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
        self.events_after(Position::START)
    }

    /// The same, but for everything up to `position`: the rest for whoever has kept the
    /// [position](RunEvent::position) of the last event that they have dealt with.
    pub fn events_after(&self, position: Position) -> Events {
        let start = Some(Reading::behind(self, position));
        let pages = stream::unfold(start, |reading| async move {
            let mut reading = reading?;
            match reading.next().await {
                Ok(Some(told)) => Some((told, Some(reading))),
                Ok(None) => None,
                // That the end was told is enough: the node may be gone before anybody says that nothing followed.
                Err(error) if reading.has_ended && error.kind() == ErrorKind::Unavailable => None,
                Err(error) => {
                    let names = reading.names.unwrap_or_default();
                    Some((vec![names.unreadable(reading.told, &error)], None))
                }
            }
        });
        Events(pages.flat_map(stream::iter).boxed())
    }
}

impl Run {
    /// Everything that has happened to the run so far, again, at a speed: 1 as it was, 10 ten times as fast, infinity at
    /// once. The first event comes at once, and the stream ends with the last that there is.
    ///
    /// # Errors
    ///
    /// `Invalid` for a speed that is not above zero.
    pub fn replay(&self, speed: f64) -> Result<Events> {
        self.replay_after(Position::START, speed)
    }

    /// The same, but for everything up to `position`.
    ///
    /// # Errors
    ///
    /// As [`replay`](Self::replay).
    pub fn replay_after(&self, position: Position, speed: f64) -> Result<Events> {
        if speed.is_nan() || speed <= 0.0 {
            return Err(Error::new(ErrorKind::Invalid, format!("the speed of a replay is above zero, not {speed}")));
        }
        let pages = stream::unfold(Some(Reading::behind(self, position)), |reading| async move {
            let mut reading = reading?;
            match reading.next_if_any().await {
                Ok(Now::Told(told)) => Some((told, Some(reading))),
                Ok(Now::Nothing | Now::End) => None,
                Err(error) => {
                    let names = reading.names.unwrap_or_default();
                    Some((vec![names.unreadable(reading.told, &error)], None))
                }
            }
        });
        let paced = pages.flat_map(stream::iter).scan(None, move |last: &mut Option<Millis>, event: RunEvent| {
            let since = last.map_or(Duration::ZERO, |last| event.at.since(last));
            *last = Some(event.at);
            let wait = Duration::try_from_secs_f64(since.as_secs_f64() / speed).unwrap_or(Duration::MAX);
            async move {
                tokio::time::sleep(wait).await;
                Some(event)
            }
        });
        Ok(Events(paced.boxed()))
    }

    /// The events behind `after` that there are at this moment; `None` if there are none.
    pub(crate) async fn events_there(&self, after: u64) -> Result<Option<Vec<Event>>> {
        Ok(match self.events_if_any(after).await? {
            Now::Told(events) => Some(events),
            Now::Nothing | Now::End => None,
        })
    }

    async fn events_if_any(&self, after: u64) -> Result<Now<Event>> {
        let mut events = pin!(self.node.partitions.events(self.id, after));
        // The partition answers in order: who asks for events first has them when the second answer is there, or waits.
        let asked = pin!(self.info());
        let events = match select(events.as_mut(), asked).await {
            Either::Left((events, _)) => events?,
            Either::Right((info, _)) => {
                // A run that is there has begun, and one that has ended has an end: their answers are on their way.
                let is_certain = info?.ended_at.is_some() || after == 0;
                match events.as_mut().now_or_never() {
                    Some(events) => events?,
                    None if is_certain => events.await?,
                    None => return Ok(Now::Nothing),
                }
            }
        };
        Ok(events.map_or(Now::End, Now::Told))
    }

    /// The events behind `after` that there are by now and that are wanted, at most so many, and where to go on; `None` if
    /// the run has ended and all of them are told.
    #[cfg(feature = "api")]
    pub(crate) async fn events_so_far(
        &self,
        after: Position,
        limit: usize,
        is_wanted: impl Fn(&RunEvent) -> bool,
    ) -> Result<(Vec<RunEvent>, Option<Position>)> {
        let mut reading = Reading::behind(self, after);
        let mut told = Vec::new();
        while told.len() < limit && !reading.has_ended {
            match reading.next_if_any().await? {
                Now::Told(events) => told.extend(events.into_iter().filter(&is_wanted)),
                Now::Nothing => return Ok((told, Some(reading.told))),
                Now::End => return Ok((told, None)),
            }
        }
        let has_more = told.len() > limit || !reading.has_ended;
        told.truncate(limit);
        let last = told.last().map_or(after, |event| event.position);
        Ok((told, Some(last).filter(|_| has_more)))
    }
}

/// What there is to tell at this moment.
enum Now<T> {
    Told(Vec<T>),
    /// The run goes on, and nothing has happened since.
    Nothing,
    End,
}

/// How far somebody has read the events of a run.
struct Reading {
    run: Run,
    /// The last event that was told.
    told: Position,
    /// The last event of the journal of which nothing is left to tell.
    whole: u64,
    names: Option<Names>,
    /// Whether the last event that was told is the end of the run.
    has_ended: bool,
}

impl Reading {
    fn behind(run: &Run, position: Position) -> Self {
        Self { run: run.clone(), told: position, whole: position.whole(), names: None, has_ended: false }
    }

    /// What comes next; `None` if the run has ended and there is no more.
    async fn next(&mut self) -> Result<Option<Vec<RunEvent>>> {
        self.learn().await?;
        let events = self.run.node.partitions.events(self.run.id, self.whole).await?;
        Ok(events.map(|events| self.tell(&events)))
    }

    /// The same, but it does not wait for what has not happened yet.
    async fn next_if_any(&mut self) -> Result<Now<RunEvent>> {
        if self.names.is_none() {
            let (mut names, mut read) = (Names::default(), 0);
            while read < self.whole {
                // A position may be ahead of the run: it is anybody's words.
                let events = match self.run.events_if_any(read).await? {
                    Now::Told(events) => events,
                    Now::Nothing => return Ok(Now::Nothing),
                    Now::End => return Ok(Now::End),
                };
                events.iter().filter(|event| event.seq <= self.whole).for_each(|event| names.learn(event));
                read = events.last().map_or(self.whole, |event| event.seq);
            }
            self.names = Some(names);
        }
        Ok(match self.run.events_if_any(self.whole).await? {
            Now::Told(events) => Now::Told(self.tell(&events)),
            Now::Nothing => Now::Nothing,
            Now::End => Now::End,
        })
    }

    /// Learns whom events speak of, also those that are not told any more.
    async fn learn(&mut self) -> Result<()> {
        if self.names.is_some() {
            return Ok(());
        }
        let (mut names, mut read) = (Names::default(), 0);
        while read < self.whole {
            let events = self.run.node.partitions.events(self.run.id, read).await?.unwrap_or_default();
            events.iter().filter(|event| event.seq <= self.whole).for_each(|event| names.learn(event));
            read = events.last().map_or(self.whole, |event| event.seq);
        }
        self.names = Some(names);
        Ok(())
    }

    fn tell(&mut self, events: &[Event]) -> Vec<RunEvent> {
        let names = self.names.get_or_insert_default();
        let told = events.iter().flat_map(|event| names.tell(event)).filter(|event| event.position > self.told);
        let told: Vec<RunEvent> = told.collect();
        self.whole = events.last().map_or(self.whole, |event| event.seq);
        if let Some(last) = told.last() {
            self.told = last.position;
            self.has_ended = matches!(last.what, What::Ended { .. });
        }
        told
    }
}

/// A task that is given another life; await it. See [`Run::retry`].
#[must_use = "nothing is resumed before it is awaited"]
pub struct Retrying {
    run: Run,
    task: String,
    input: Option<Result<Json>>,
}

impl Retrying {
    /// With another input: anything that serialises as a request of the task does.
    ///
    /// It may refer to outputs, but only of tasks that this one needs already.
    pub fn input<T: Serialize>(mut self, input: &T) -> Self {
        self.input = Some(author(input));
        self
    }

    /// With another input, as a document has it: `{"$from": "name"}` in it is a reference.
    pub fn json(mut self, input: Json) -> Self {
        self.input = Some(Ok(input));
        self
    }

    /// Holds an edited input against what the agents say of the task's capability, as at the start of a run.
    async fn check(&self, input: &Json) -> Result<()> {
        let (mut graph, _) = self.run.graph().await?.graph()?;
        let Some(at) = graph.tasks.iter().position(|task| task.name == self.task) else {
            return Ok(()); // whoever looks for the task says that it is not there
        };
        Arc::make_mut(&mut graph.tasks[at]).input = input.clone();
        let misfits = self.run.node.misfits(&graph, &[TaskIndex(u32::try_from(at).unwrap_or(u32::MAX))]);
        if misfits.is_empty() {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Invalid, "the edited input can not be used");
        Err(misfits.into_iter().fold(error, Error::because))
    }

    async fn send(mut self) -> Result<()> {
        let input = self.input.take().transpose().map_err(|error| {
            error.of_kind(ErrorKind::Invalid).context(format!("the input of task {:?} can not be sent", self.task))
        })?;
        if let Some(input) = &input {
            self.check(input).await?;
        }
        self.run.node.partitions.retry(self.run.id, &self.task, input).await
    }
}

impl IntoFuture for Retrying {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        self.send().boxed()
    }
}

impl fmt::Debug for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying").field("run", &self.run).field("task", &self.task).finish_non_exhaustive()
    }
}

/// The longest reason, in bytes: it is told with every task that is cancelled, and kept as long as the run.
const REASON_BYTES_MAX: usize = 4 << 10;

pub(crate) fn checked(reason: Arc<str>) -> Result<Arc<str>> {
    let seen = reason.len();
    if seen <= REASON_BYTES_MAX {
        return Ok(reason);
    }
    let message =
        format!("the reason takes {seen} bytes, more than the limit of {REASON_BYTES_MAX} (reason_bytes_max)");
    Err(Error::new(ErrorKind::Invalid, message))
}

fn no_task(run: RunId, target: &Target) -> Error {
    let task = match target {
        Target::Task { name, .. } => format!("task {name:?}"),
        Target::Run => "such task".to_owned(),
    };
    Error::new(ErrorKind::NotFound, format!("there is no {task} in run {run}"))
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
