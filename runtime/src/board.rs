//! The runtime as a program sees it.

use crate::agent::{AgentHandle, Pool};
use crate::breaker::{BreakerChanges, BreakerHandle, BreakerInfo};
use crate::builder::Builder;
use crate::cluster::NodeInfo;
use crate::dispatch::backlog::QueueInfo;
use crate::limit::LimitInfo;
use crate::node::Node;
use crate::partition::handle::Before;
use crate::partition::message::{Target, Verdict};
use crate::query::{AllTasks, DeadLetters, Runs};
use crate::registry::Agents;
use crate::run::Run;
use crate::schedule::{Schedule, ScheduleInfo, Scheduled, SetSchedule};
use crate::settings::Settings;
use crate::state::{Document, LockInfo, LockRequest, SpooledWrite};
use crate::telemetry::tracer;
use crate::workflow::{Node as TaskNode, Workflow};
use crate::{Budget, Error, ErrorKind, Result, Task};
use callboard_core::{Graph, Json, Priority, Requirement, Retry, RunId, TaskIndex, TraceParent};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

/// The runtime; a cheap handle.
///
/// Whatever it has acknowledged is durable: a run once [`start`](Self::start) has answered, a result once anybody has
/// seen it. Dropping the last handle, runs and their streams included, begins a clean stop that nobody waits for;
/// [`shutdown`](Self::shutdown) waits for it.
#[derive(Clone)]
pub struct Callboard(pub(crate) Arc<Node>);

impl Callboard {
    /// A runtime with everything in this process, whose journal is in the folder `.callboard`, unless the environment
    /// says otherwise: see [`Settings::load`].
    pub fn dev() -> Builder {
        match Settings::load(None) {
            Ok(settings) => Self::builder(settings),
            Err(fault) => Builder::new(Settings::default(), Some(fault)),
        }
    }

    /// A runtime with settings of your own.
    pub fn builder(settings: Settings) -> Builder {
        Builder::new(settings, None)
    }

    /// A program that owns no partitions: it submits, watches and steers through the nodes with which it shares the bus, the
    /// directory and the store that are given to the builder next, and may host agents.
    pub fn client(settings: Settings) -> Builder {
        Self::builder(settings).client()
    }

    /// Submits a workflow; await the result for its run.
    ///
    /// Durable when it answers. With a [key](Start::key) it is idempotent.
    ///
    /// # Errors
    ///
    /// `Invalid` for a workflow with faults, all of them named, also those that the schemas of its capabilities tell as far
    /// as agents of this process are known to offer them; `Conflict` if another workflow was started under the
    /// key; `Unavailable` if nothing was submitted; `Unknown` if that is not known.
    pub fn start(&self, workflow: Workflow) -> Start {
        Start { node: self.0.clone(), workflow, key: None, id: None, budget: None, trace: None }
    }

    /// Runs one task and waits for its output; await the result.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); `Failed` or `Cancelled` if the task ended without an output, with the class of its
    /// last failure.
    pub fn call<T: Task>(&self, task: T) -> Call<T::Output> {
        let (workflow, task) = Workflow::of_one(task);
        Call { start: self.start(workflow), task }
    }

    /// Runs one task without its types: the input goes to the capability as it is, the output comes back as it is.
    ///
    /// The input is data: a `$from` in it is no reference.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); `Invalid` as well if the input does not fit the schema of the capability, where that is
    /// known.
    pub fn call_json(&self, capability: impl Into<String>, input: Json) -> Call<Json> {
        let (workflow, task) = Workflow::of_one_json(capability.into(), input);
        Call { start: self.start(workflow), task }
    }

    /// The run with this id, wherever it was started.
    ///
    /// It is not looked up before it is asked something.
    pub fn run(&self, id: RunId) -> Run {
        Run::new(self.0.clone(), id)
    }

    /// The runs, those that go on and those in the archive; await the result for a page.
    pub fn runs(&self) -> Runs {
        Runs::new(self.0.clone())
    }

    /// The tasks of all runs; await the result for a page.
    pub fn tasks(&self) -> AllTasks {
        AllTasks::new(self.0.clone())
    }

    /// The tasks that have failed for good or have spent their attempts; await the result for a page.
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.0.clone())
    }

    /// Starts a workflow by time, again and again or once; await the result.
    ///
    /// The name, 1 to 128 bytes, is unique in the name space. Setting the same again changes nothing, so a program says it
    /// whenever it starts. Durable when it answers. Each moment starts one run, whatever dies; the run has the label
    /// `schedule` with the name, for [`runs`](Self::runs).
    ///
    /// # Errors
    ///
    /// `Invalid` for a name, an expression or a zone that is none, for a schedule that never comes due, and for a workflow
    /// with faults, as [`start`](Self::start) says; `Conflict` if another schedule has the name, unless this one is to take
    /// its [place](SetSchedule::replace); `Unavailable` if nothing has changed; `Unknown` if that is not known: set it again.
    pub fn schedule(&self, name: impl Into<String>, schedule: Schedule, workflow: Workflow) -> SetSchedule {
        SetSchedule::new(self.0.clone(), name.into(), schedule, workflow)
    }

    /// The schedule of this name.
    ///
    /// It is not looked up before it is asked something.
    pub fn scheduled(&self, name: impl Into<Arc<str>>) -> Scheduled {
        Scheduled::new(self.0.clone(), name.into())
    }

    /// How all schedules stand, by name. What is told is durable.
    ///
    /// # Errors
    ///
    /// `Unavailable` if a partition is down.
    pub async fn schedules(&self) -> Result<Vec<ScheduleInfo>> {
        self.0.partitions.schedules().await
    }

    /// The id of the run that is or would be started under `key`.
    pub fn run_id_of_key(&self, key: &str) -> RunId {
        RunId::from_key(&self.0.namespace, key)
    }

    /// The agents that are known: await it for all, or [find](Agents::find) those with a capability.
    pub fn agents(&self) -> Agents {
        Agents { node: self.0.clone() }
    }

    /// The nodes that live, as this one knows them, this one first.
    ///
    /// # Errors
    ///
    /// `Unavailable` while the node stops.
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>> {
        self.0.nodes().await
    }

    /// Adds an agent to this process: its capabilities are offered from now on, and its instances are being started.
    ///
    /// # Errors
    ///
    /// `Invalid` for an agent with faults, all of them named; `Conflict` if its id is taken; `Unavailable` if the node
    /// stops.
    pub async fn add<A>(&self, pool: Pool<A>) -> Result<AgentHandle<A>> {
        let Pool { spec, handlers } = pool;
        let id = self.0.add_agent(spec).await?;
        Ok(AgentHandle { node: self.0.clone(), id, handlers })
    }

    /// The agent of this process with this id.
    ///
    /// It is not looked up before it is asked something.
    pub fn agent(&self, id: impl Into<Arc<str>>) -> AgentHandle {
        AgentHandle { node: self.0.clone(), id: id.into(), handlers: None }
    }

    /// Waits until every agent of this process has an instance that takes tasks: at once if all have.
    ///
    /// Nobody has to wait for that: tasks wait by themselves. An agent whose instances do not start
    /// [says why](crate::AgentInfo::trouble).
    pub async fn ready(&self) {
        self.0.backlog.is_manned().await;
    }

    /// Into how many partitions the runs of the name space are divided. This node owns all of them.
    pub fn partitions(&self) -> usize {
        self.0.partitions.count()
    }

    /// The tasks that wait for an agent of this process, and what for.
    pub fn queue(&self) -> Vec<QueueInfo> {
        self.0.backlog.lanes()
    }

    /// The document of this key: a value that all nodes share. It is not looked up before it is asked something.
    pub fn state<T>(&self, key: impl AsRef<str>) -> Document<T> {
        Document::new(self.0.documents.clone(), key.as_ref())
    }

    /// A lock of this key, with this time to live: one holder at a time, on whichever node. See [`Ctx::lock`](crate::Ctx::lock)
    /// for a handler's.
    ///
    /// ```
    /// # use callboard::prelude::*;
    /// # use std::time::Duration;
    /// # async fn example(board: &Callboard) -> Result<()> {
    /// let lock = board.lock("branch/main", Duration::from_secs(30)).by("the release").or_conflict().await?;
    /// lock.state::<u64>("merges").update(|merges| *merges += 1).await?;
    /// lock.release().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When it is awaited: `Conflict` when it is not had within its [time](LockRequest::wait), with who has it; `Unavailable` if
    /// the store is away for that long; `Invalid` for a key or a time that can not be.
    pub fn lock(&self, key: impl AsRef<str>, ttl: Duration) -> LockRequest {
        LockRequest::new(self.0.documents.clone(), key.as_ref(), ttl)
    }

    /// The locks that are held, by their keys, with who holds them and who waits. One listing of the store, and a look at each.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the store gives no answer.
    pub async fn locks(&self) -> Result<Vec<LockInfo>> {
        self.0.documents.held_locks().await
    }

    /// The writes of documents that wait on this machine for the store to come back, the oldest first.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the spool can not be read.
    pub async fn state_spool(&self) -> Result<Vec<SpooledWrite>> {
        self.0.documents.spooled().await
    }

    /// The keys of the documents that begin so, in their order; those that were deleted, too. The listing of the store has
    /// every version that is kept.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the store gives no answer.
    pub async fn state_keys(&self, beginning: &str) -> Result<Vec<String>> {
        Ok(self.0.documents.keys(beginning).await?.into_keys().collect())
    }

    /// The circuit breakers of this node, by name: those of its agents and those that handlers have
    /// [guarded](crate::Ctx::guard) something with. Those of the agents of other nodes are in [`agents`](Self::agents).
    pub fn breakers(&self) -> Vec<BreakerInfo> {
        self.0.floor().breakers.list()
    }

    /// Every change of a breaker of this node from now on. Those of dependencies are the changes of the whole cluster, as
    /// this node hears of them.
    pub fn breaker_changes(&self) -> BreakerChanges {
        self.0.floor().breakers.changes()
    }

    /// The breaker of this name: that of a dependency, or `agent:` and the id of an agent of this process.
    ///
    /// It is not looked up before it is asked something. What is done to the breaker of a dependency is done on all
    /// nodes.
    pub fn breaker(&self, name: impl Into<String>) -> BreakerHandle {
        BreakerHandle { breakers: self.0.floor().breakers.clone(), name: name.into() }
    }

    /// The limits of this node, by name, as far as they have been used, and those of all tenants together in any case.
    pub fn limits(&self) -> Vec<LimitInfo> {
        self.0.backlog.limits(&self.0.floor().limits)
    }

    /// What the journal has done since the start: for tests and benchmarks.
    pub fn journal_counters(&self) -> JournalCounters {
        self.0.counters.read()
    }

    /// What was seen on this node that must never be, the last of it, oldest first; empty if all is well. For tests with
    /// feature `test`; in production the same is a log line and the metric `callboard_invariant_breaches_total`.
    #[cfg(feature = "test")]
    pub fn breaches(&self) -> Vec<callboard_core::Breach> {
        self.0.breaches.kept()
    }

    /// Stops cleanly: no more tasks are taken, handlers finish or hand their tasks back, everything is committed.
    ///
    /// # Errors
    ///
    /// `Unknown` if something had to be cut short; what was acknowledged is durable all the same.
    pub async fn shutdown(&self) -> Result<()> {
        self.0.shutdown().await
    }

    /// Stops at once, in an emergency: no task is started any more, every handler ends at its next await, its task is
    /// handed back and starts again in the next life, and the node ends, for which it has the
    /// [grace](crate::Settings::emergency_grace) of the settings.
    ///
    /// # Errors
    ///
    /// `Unknown` if something had to be cut short: a handler that never awaits, say. What was acknowledged is durable all
    /// the same.
    pub async fn emergency_stop(&self, reason: &str) -> Result<()> {
        self.0.emergency_stop(reason).await
    }

    /// Dies as a process does that is killed: nothing is finished, handed back, committed or said. For tests with feature
    /// `test`: cut its store and its bus off before, so that nothing that is still under way has an effect.
    #[cfg(feature = "test")]
    pub async fn die(&self) {
        self.0.die().await;
    }

    /// The actors of this node that run, by their paths: `node` itself, `node/registry`, `node/partitions/3`,
    /// `node/agents/summarizer/2`. For tests with feature `test`.
    #[cfg(feature = "test")]
    pub async fn actors(&self) -> Vec<String> {
        self.0.actors().await
    }

    /// Kills an actor of this node, by its path in [`actors`](Self::actors), at whatever it is doing: what it knew is lost,
    /// and its children end with it. It has ended on return. Says whether there was one to kill. For tests with feature `test`.
    #[cfg(feature = "test")]
    pub async fn kill(&self, path: &str) -> bool {
        self.0.kill(path).await
    }

    /// Waits until the runtime has ended, whoever or whatever has ended it.
    pub async fn ended(&self) {
        self.0.ended().await;
    }

    /// Why the runtime stops or has ended, in words: it was shut down, or one of the actors that it can not do without has
    /// stopped too often. `None` while it goes on.
    pub fn end_reason(&self) -> Option<String> {
        self.0.partitions.closed()
    }
}

/// What the journal of a node has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalCounters {
    /// Batches that were sent to the store.
    pub commits: u64,
    /// Those of them that somebody waited for: two a task that is alone, its submission and its result. What nobody
    /// waits for, such as an acceptance, rides along.
    pub awaited: u64,
    /// Events in the batches.
    pub events: u64,
    /// Bytes of the events, before compression.
    pub bytes: u64,
}

impl fmt::Debug for Callboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callboard").field("namespace", &self.0.namespace).finish_non_exhaustive()
    }
}

/// A submission in the making; await it.
#[must_use = "nothing is submitted before it is awaited: write `.await` behind it"]
pub struct Start {
    node: Arc<Node>,
    workflow: Workflow,
    key: Option<String>,
    /// The id of a run without a key, if somebody has chosen it.
    id: Option<RunId>,
    budget: Option<Budget>,
    /// The span within which it is submitted, if somebody has said.
    trace: Option<TraceParent>,
}

impl Start {
    /// Gives the run this id, unless it has a key.
    pub(crate) fn with_id(mut self, id: RunId) -> Self {
        self.id = Some(id);
        self
    }

    /// Makes the submission idempotent: whoever repeats it under this key, 1 to 256 bytes, gets the same run, as long as its
    /// history is kept (`history_kept`).
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Limits what the run may cost with all that it starts, whatever the workflow says: see
    /// [`Ctx::spend`](crate::Ctx::spend).
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Makes the run a part of somebody's trace, which is durable with it: its span is a child of this one. Without it the
    /// span counts that is current in OpenTelemetry, if there is one, and otherwise the run has a trace of its own.
    pub fn trace(mut self, parent: TraceParent) -> Self {
        self.trace = Some(parent);
        self
    }

    async fn submit(self) -> Result<Run> {
        let Submission { node, id, before, graph, untyped, key } = self.submission()?;
        node.submit(id, graph, untyped, key, before).await?;
        Ok(Run::new(node, id))
    }

    /// Submits it, and waits for the end of `target`.
    async fn perform(self, target: &Target) -> Result<(Run, Verdict)> {
        let Submission { node, id, before, graph, untyped, key } = self.submission()?;
        let verdict = node.perform(id, graph, untyped, key, before, target).await?;
        Ok((Run::new(node, id), verdict))
    }

    fn submission(self) -> Result<Submission> {
        if let Some(key) = self.key.as_ref().filter(|key| key.is_empty() || key.len() > 256) {
            let message = format!("a key has 1 to 256 bytes, not {}", key.len());
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let (id, before) = match (&self.key, self.id) {
            (Some(key), _) => (RunId::from_key(&self.node.namespace, key), Before::Perhaps),
            (None, Some(id)) => (id, Before::Perhaps),
            (None, None) => (RunId::new(crate::chance::timed_id()), Before::Never),
        };
        let (mut graph, untyped) = self.workflow.graph()?;
        if let Some(budget) = &self.budget {
            graph.budget = Some(budget.said()?);
        }
        graph.trace = self.trace.or_else(tracer::current);
        Ok(Submission { node: self.node, id, before, graph, untyped, key: self.key })
    }
}

/// What is submitted.
struct Submission {
    node: Arc<Node>,
    id: RunId,
    before: Before,
    graph: Graph,
    untyped: Vec<TaskIndex>,
    key: Option<String>,
}

impl IntoFuture for Start {
    type Output = Result<Run>;
    type IntoFuture = BoxFuture<'static, Result<Run>>;

    fn into_future(self) -> Self::IntoFuture {
        self.submit().boxed()
    }
}

/// A call in the making; await it.
#[must_use = "nothing is called before it is awaited: write `.await` behind it"]
pub struct Call<O> {
    start: Start,
    task: TaskNode<O>,
}

impl<O> Call<O> {
    /// Makes the call idempotent: whoever repeats it under this key gets the same output.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.start = self.start.key(key);
        self
    }

    /// Limits what the call may cost with all that it starts.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.start = self.start.budget(budget);
        self
    }

    /// Says when a failed attempt is followed by another.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.task = self.task.retry(retry);
        self
    }

    /// Says how urgent it is.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.task = self.task.priority(priority);
        self
    }

    /// Limits each attempt.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.task = self.task.timeout(limit);
        self
    }

    /// Says what the agent that performs it must have; see [`Node::requires`](crate::Node::requires).
    pub fn requires(mut self, requirement: Requirement) -> Self {
        self.task = self.task.requires(requirement);
        self
    }
}

impl<O: DeserializeOwned + 'static> IntoFuture for Call<O> {
    type Output = Result<O>;
    type IntoFuture = BoxFuture<'static, Result<O>>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let target = self.task.target();
            let (run, verdict) = self.start.perform(&target).await?;
            run.read(verdict, &target).await
        }
        .boxed()
    }
}
