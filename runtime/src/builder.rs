//! A runtime before it runs.

use crate::agent::pool::PoolSpec;
use crate::agent::{Agent, Ctx, Pool};
use crate::board::Callboard;
use crate::breaker::BreakerRules;
use crate::cluster::view::Standing;
use crate::limit::{self, Limit};
#[cfg(feature = "api")]
use crate::node::Recorder;
use crate::node::{self, Node, Ports};
use crate::port::bus::Bus;
use crate::port::directory::Directory;
use crate::port::store::Store;
use crate::settings::{Settings, StoreSettings};
use crate::{Error, ErrorKind, Result, Task};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A runtime that is being put together.
#[must_use = "a builder does nothing before `.start().await`"]
pub struct Builder {
    settings: Settings,
    /// What was wrong with the settings, told at the start.
    fault: Option<Error>,
    ports: Ports,
    pools: Vec<PoolSpec>,
}

impl Builder {
    pub(crate) fn new(settings: Settings, fault: Option<Error>) -> Self {
        Self { settings, fault, ports: Ports::default(), pools: Vec::new() }
    }

    /// Keeps the journal in this folder.
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.store = StoreSettings::Folder(folder.into());
        self
    }

    /// Keeps the journal in memory: everything is gone when the process ends.
    pub fn ephemeral(mut self) -> Self {
        self.settings.store = StoreSettings::Memory;
        self
    }

    /// Keeps the journal in a store of your own, in the place of the one that the settings name.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.ports.store = Some(store);
        self
    }

    /// Spools writes of documents in a store of your own, in the place of the folder that `state.spool` names.
    pub fn spool(mut self, store: Arc<dyn Store>) -> Self {
        self.ports.spool = Some(store);
        self
    }

    /// Registers agents in a directory of your own, in the place of the one that the settings name.
    pub fn directory(mut self, directory: Arc<dyn Directory>) -> Self {
        self.ports.directory = Some(directory);
        self
    }

    /// Joins the nodes that share this bus, and the [directory](Self::directory) and the [store](Self::store) with it: they
    /// divide the partitions among them and perform one another's tasks.
    pub fn bus(mut self, bus: Arc<dyn Bus>) -> Self {
        self.ports.bus = Some(bus);
        self
    }

    /// Owns no partitions: submits, watches and steers through the other nodes, and may host agents.
    pub fn client(mut self) -> Self {
        self.ports.standing = Standing::Client;
        self
    }

    /// Says when the breaker of a dependency opens, which handlers [guard](Ctx::guard) by this name; as the settings
    /// `breaker.*` say, by default. What the settings `breaker.of` say of this name counts before this.
    pub fn breaker(mut self, name: impl Into<String>, rules: BreakerRules) -> Self {
        self.ports.breakers.insert(name.into(), rules);
        self
    }

    /// Limits what handlers take by this name with [`Ctx::limit`]: 1 to 128 of `A-Za-z0-9._:=-`. What is over the limit waits in
    /// order and is never refused. The nodes of a cluster share it: give all of them the same.
    pub fn limit(mut self, name: impl Into<Arc<str>>, limit: Limit) -> Self {
        self.ports.limits.insert(name.into(), limit);
        self
    }

    /// Limits the tasks of a capability, each of which counts as one unit: what is over the limit waits in the backlog, in
    /// the order of priority and in turns of the runs, and is handed out when it may go. A task counts until its attempt
    /// has ended, or is parked. The nodes of a cluster share the limit: give all of them the same.
    pub fn limit_capability(mut self, capability: impl Into<Arc<str>>, limit: Limit) -> Self {
        self.ports.capability_limits.insert(capability.into(), limit);
        self
    }

    /// Says how documents whose keys begin so come together: `merge` makes of the newest value, if there is one, and of one
    /// that is [merged](crate::Document::merge), perhaps much later, the next. Of several beginnings the longest counts.
    ///
    /// ```
    /// # use callboard::prelude::*;
    /// # async fn example() -> Result<()> {
    /// let add = |newest: Option<u64>, mine: u64| newest.unwrap_or(0) + mine;
    /// let board = Callboard::dev().merge("visits/", add).start().await?;
    /// board.state::<u64>("visits/2026").merge(&3).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn merge<T, F>(mut self, beginning: impl Into<Arc<str>>, merge: F) -> Self
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>, T) -> T + Send + Sync + 'static,
    {
        self.ports.merges.insert(beginning.into(), merge);
        self
    }

    /// Serves what is [counted](https://docs.rs/metrics) at `GET /metrics`, in the format of Prometheus, where the HTTP API is
    /// [served](Callboard::serve).
    ///
    /// For that the start installs a recorder for the whole process, if there is none. One that the program has installed before
    /// stays, and is told everything; then there is nothing at `/metrics`. One that is to be installed afterwards comes too
    /// late, so a library should leave this to the program.
    #[cfg(feature = "api")]
    pub fn metrics(mut self) -> Self {
        self.ports.recorder = Recorder::Ours;
        self
    }

    /// Traces to where this sends, and lets whoever asks the [served](Callboard::serve) API look at the log and change its filter.
    #[cfg(feature = "log")]
    pub fn telemetry(mut self, telemetry: &crate::Telemetry) -> Self {
        self.ports.telemetry = Some(telemetry.clone());
        self
    }

    /// Changes the settings.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Adds an agent, of which there is one instance. The factory makes its value, at the start and after a panic.
    pub fn agent<T: Task, A: Agent<T>>(self, factory: impl Fn() -> A + Send + Sync + 'static) -> Self {
        self.agents(1, factory)
    }

    /// Adds an agent of which there are several instances.
    pub fn agents<T: Task, A: Agent<T>>(
        self,
        instances: usize,
        factory: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        self.add(Pool::new(factory).handles::<T>().instances(instances))
    }

    /// Adds an agent that performs several types of tasks: say next which it [handles](PoolBuilder::handles).
    pub fn pool<A: Send + 'static>(self, factory: impl Fn() -> A + Send + Sync + 'static) -> PoolBuilder<A> {
        PoolBuilder { builder: self, pool: Pool::new(factory) }
    }

    /// Adds an agent.
    #[expect(clippy::should_implement_trait, reason = "it reads as what it does, and nothing is summed up")]
    pub fn add<A>(mut self, pool: Pool<A>) -> Self {
        self.pools.push(pool.spec);
        self
    }

    /// Makes a plain async function an agent that performs 32 tasks at a time.
    pub fn task_fn<T, F, R>(mut self, function: F) -> Self
    where
        T: Task,
        F: Fn(Ctx, T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T::Output>> + Send + 'static,
    {
        self.pools.push(Pool::task_fn(function).spec);
        self
    }

    /// Starts it: opens the store, claims every partition, goes on with what is not done.
    ///
    /// # Errors
    ///
    /// `Invalid` for settings or agents with faults, all of them named; `Unavailable` if the store is held by another
    /// process or can not be used; `Corrupt` if nothing of what it holds can be read. If that is so of some partitions
    /// only, they are refused with an error in the log, and whoever asks for a run of them is told `Corrupt`.
    pub async fn start(self) -> Result<Callboard> {
        let (settings, ports, pools) = self.parts()?;
        // What starts a node is large, and is awaited in many futures that are not.
        Ok(Callboard(Box::pin(Node::start(settings, ports, pools)).await?))
    }

    /// What it was given, if that has no faults.
    pub(crate) fn parts(mut self) -> Result<(Settings, Ports, Vec<PoolSpec>)> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        self.check_agents()?;
        let faults = limit::faults(&self.ports.limits, &self.ports.capability_limits);
        if !faults.is_empty() {
            let error = Error::new(ErrorKind::Invalid, "the limits have faults");
            return Err(faults.into_iter().fold(error, Error::because));
        }
        Ok((self.settings, self.ports, self.pools))
    }

    /// Looks at the agents, as [`start`](Self::start) does before it opens anything.
    ///
    /// # Errors
    ///
    /// `Invalid` for agents with faults, all of them named.
    pub fn check_agents(&self) -> Result<()> {
        let faults = self.agent_faults();
        if faults.is_empty() {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Invalid, "the agents have faults");
        Err(faults.into_iter().fold(error, Error::because))
    }

    /// Every fault of the agents, in words.
    fn agent_faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.pools.iter().flat_map(node::faults).collect();
        let mut ids: Vec<_> = self.pools.iter().filter_map(|pool| pool.id.as_deref()).collect();
        ids.sort_unstable();
        let doubles = ids.chunk_by(|a, b| a == b).filter(|same| same.len() > 1);
        faults.extend(doubles.map(|same| format!("two agents have the id {:?}", same[0])));
        faults
    }
}

/// A runtime that is being put together, with an agent that is.
///
/// What is said of the agent comes first; the next agent, or `start`, closes it.
#[must_use = "a builder does nothing before `.start().await`"]
pub struct PoolBuilder<A> {
    builder: Builder,
    pool: Pool<A>,
}

impl<A: Send + 'static> PoolBuilder<A> {
    /// Says that the agent performs tasks of type `T`.
    pub fn handles<T: Task>(self) -> Self
    where
        A: Agent<T>,
    {
        self.change(Pool::handles::<T>)
    }

    /// How many tasks the agent performs at a time: so many instances, 1 by default.
    pub fn instances(self, instances: usize) -> Self {
        self.change(|pool| pool.instances(instances))
    }

    /// Says when the breaker of the agent opens; see [`Pool::breaker`].
    pub fn breaker(self, rules: BreakerRules) -> Self {
        self.change(|pool| pool.breaker(rules))
    }

    /// Names the agent; see [`Pool::id`].
    pub fn id(self, id: impl Into<Arc<str>>) -> Self {
        self.change(|pool| pool.id(id))
    }

    /// Adds a fact that a task may require.
    pub fn label(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.change(|pool| pool.label(key, value))
    }

    /// Says anything else of the agent.
    pub fn change(mut self, change: impl FnOnce(Pool<A>) -> Pool<A>) -> Self {
        self.pool = change(self.pool);
        self
    }

    /// Closes this agent and adds another, of one type of tasks and with one instance.
    pub fn agent<T: Task, B: Agent<T>>(self, factory: impl Fn() -> B + Send + Sync + 'static) -> Builder {
        self.close().agent(factory)
    }

    /// Closes this agent and adds another, of one type of tasks and with several instances.
    pub fn agents<T: Task, B: Agent<T>>(
        self,
        instances: usize,
        factory: impl Fn() -> B + Send + Sync + 'static,
    ) -> Builder {
        self.close().agents(instances, factory)
    }

    /// Closes this agent and begins another.
    pub fn pool<B: Send + 'static>(self, factory: impl Fn() -> B + Send + Sync + 'static) -> PoolBuilder<B> {
        self.close().pool(factory)
    }

    /// Closes this agent and adds another.
    #[expect(clippy::should_implement_trait, reason = "it reads as what it does, and nothing is summed up")]
    pub fn add<B>(self, pool: Pool<B>) -> Builder {
        self.close().add(pool)
    }

    /// Closes this agent and makes a plain async function another; see [`Builder::task_fn`].
    pub fn task_fn<T, F, R>(self, function: F) -> Builder
    where
        T: Task,
        F: Fn(Ctx, T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T::Output>> + Send + 'static,
    {
        self.close().task_fn(function)
    }

    /// Closes this agent.
    pub fn close(self) -> Builder {
        self.builder.add(self.pool)
    }

    /// Closes this agent and starts the runtime: see [`Builder::start`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn start(self) -> Result<Callboard> {
        self.close().start().await
    }
}

impl<A> fmt::Debug for PoolBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
