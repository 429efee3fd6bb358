//! A node: ports, partitions and pools, under one supervisor.

#[cfg(feature = "test")]
mod actors;
mod bells;
mod inspector;
mod joined;
mod plan;

use bells::Bells;
use plan::{Cluster, Plan, Rules};

use crate::agent::instance::Floor;
use crate::agent::pool::{self, PoolSpec};
use crate::breaches::Breaches;
use crate::breaker::BreakerRules;
use crate::clock::Clock;
use crate::closing_time::Bell;
use crate::cluster::member::no_strangers;
use crate::cluster::view::{Beat, Hears, Standing};
use crate::cluster::{Member, NodeInfo};
use crate::dispatch::backlog::Backlog;
use crate::durable::trap::Trap;
use crate::journal::payload::Payloads;
use crate::limit::Limit;
use crate::message::Mailroom;
use crate::partition::handle::{Before, Partitions};
use crate::partition::message::{Target, Verdict};
use crate::partition::tenure::Counters;
use crate::port::bus::{Bus, QueueName};
use crate::port::directory::Directory;
use crate::port::directory::memory::MemoryDirectory;
use crate::port::store::probe::{ProbeError, probe};
use crate::port::store::{OverlayStore, Store};
use crate::registry::profile::Profile;
use crate::registry::{Capability, Registry};
use crate::settings::{Settings, StoreMode, refuse_all};
use crate::state::{Documents, Merges};
use crate::supervise::{self, Supervisor};
use crate::{Error, ErrorKind, Result, root, schema};
use callboard_core::{CheckedGraph, Graph, GraphFault, RunId, TaskIndex};
use futures::FutureExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What a clean stop allows beyond the time for handlers: the last commits.
const COMMIT_MAX: Duration = Duration::from_secs(5);

/// A running node.
pub(crate) struct Node {
    /// Its name: a life, not a machine.
    pub(crate) id: Arc<str>,
    pub(crate) partitions: Partitions,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) registry: Registry,
    /// Where it is one of several.
    pub(crate) member: Option<Member>,
    /// Schemas that submissions were held against.
    schemas: Arc<schema::Cache>,
    pub(crate) counters: Arc<Counters>,
    /// What was seen that must never be.
    #[cfg_attr(not(feature = "test"), expect(dead_code, reason = "only tests look at the list"))]
    pub(crate) breaches: Breaches,
    pub(crate) mailroom: Arc<Mailroom>,
    pub(crate) namespace: Arc<str>,
    pub(crate) payloads: Payloads,
    pub(crate) documents: Documents,
    settings: Settings,
    supervisor: Supervisor,
    floor: Floor,
    bells: Arc<Bells>,
    events: mpsc::Sender<supervise::Event>,
    started: Instant,
    #[cfg(feature = "log")]
    telemetry: Option<crate::Telemetry>,
    /// Held until the node has ended, so that nobody else opens the store while something of it still runs.
    _store: Arc<dyn Store>,
}

impl Node {
    /// Starts a node; when this returns it owns every partition and its agents take tasks.
    pub(crate) async fn start(settings: Settings, ports: Ports, pools: Vec<PoolSpec>) -> Result<Arc<Self>> {
        refuse_all(settings.faults())?;
        #[cfg(feature = "api")]
        if ports.recorder == Recorder::Ours {
            crate::telemetry::exporter::install(); // before anything that counts
        }
        let is_copy = settings.store_mode == StoreMode::ReadOnly;
        let store = match ports.store {
            Some(store) => store,
            None if is_copy => joined::store_to_read(&settings).await?,
            None => joined::store(&settings).await?,
        };
        let store: Arc<dyn Store> = if is_copy { Arc::new(OverlayStore::new(store)) } else { store };
        probe(&*store, &settings.namespace).await.map_err(|error| refused_store(&error))?;
        let bus = async {
            match ports.bus {
                Some(bus) => Ok(Some(bus)),
                None => joined::bus(&settings).await,
            }
        };
        let directory = async {
            match ports.directory {
                Some(directory) => Ok(Some(directory)),
                None => joined::directory(&settings).await,
            }
        };
        let (bus, directory) = futures::try_join!(bus, directory)?;
        let root = match is_copy {
            true => root::of_copy(&*store, &settings.namespace).await?,
            false => root::open(&*store, &settings.namespace, settings.partitions_of(bus.is_some())).await?,
        };
        let cluster = match (bus, &directory) {
            (None, _) => None,
            (Some(bus), Some(directory)) => {
                no_strangers(&**directory, root.id).await?;
                Some(Cluster { bus, standing: ports.standing, home: root.id })
            }
            (Some(_), None) => {
                let message =
                    "a node that shares a bus with others shares a directory with them, too: bring both, or neither";
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        };
        let directory = directory.unwrap_or_else(|| Arc::new(MemoryDirectory::new()));
        let spool = match ports.spool {
            Some(brought) => Some(brought),
            None => joined::spool(&settings).await?,
        };
        let rules = Rules {
            breakers: ports.breakers,
            limits: (ports.limits, ports.capability_limits),
            merges: ports.merges,
            spool,
            #[cfg(feature = "log")]
            telemetry: ports.telemetry,
        };
        let plan = Plan::new(settings, store, directory, root, ports.stage, cluster, rules);
        let node = Arc::new(plan.start().await?);
        node.floor.home.is(&node);
        for pool in pools {
            node.employ(pool).await?;
        }
        node.registry.publish().await;
        Ok(node)
    }

    /// The nodes that live, this one first.
    pub(crate) async fn nodes(&self) -> Result<Vec<NodeInfo>> {
        let Some(member) = &self.member else { return Ok(vec![self.alone()]) };
        let known = member.known().await;
        let known =
            known.ok_or_else(|| Error::new(ErrorKind::Unavailable, "the node stops, or its member starts again"))?;
        Ok(known.into_iter().map(NodeInfo::of).collect())
    }

    /// This node, where there is no other.
    fn alone(&self) -> NodeInfo {
        let owns = (0..).zip(self.partitions.epochs()).filter_map(|(number, epoch)| Some((number, epoch?)));
        NodeInfo::of(Beat {
            node: self.id.clone(),
            number: 0,
            standing: Standing::Owner,
            owns: owns.collect(),
            refuses: BTreeSet::new(),
            up_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            hears_directory: Hears::Yes,
            home: uuid::Uuid::nil(),
        })
    }

    /// Adds a child that is no agent: the API.
    #[cfg(feature = "api")]
    pub(crate) async fn add_child(&self, child: supervise::ChildSpec) -> Result<()> {
        self.supervisor.add(child).await.map_err(|error| {
            let kind = match error {
                supervise::AddError::NameTaken(_) => ErrorKind::Conflict,
                supervise::AddError::Ending => ErrorKind::Unavailable,
            };
            Error::new(kind, "the node does not take it").caused_by(&error)
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The log and the traces of the process, if its program has said.
    #[cfg(all(feature = "api", feature = "log"))]
    pub(crate) fn telemetry(&self) -> Option<&crate::Telemetry> {
        self.telemetry.as_ref()
    }

    /// What its instances work with.
    pub(crate) fn floor(&self) -> &Floor {
        &self.floor
    }

    /// Adds an agent: its capabilities are offered from now on, and its instances are being started.
    pub(crate) async fn add_agent(&self, spec: PoolSpec) -> Result<Arc<str>> {
        let id = self.employ(spec).await?;
        self.registry.publish().await;
        Ok(id)
    }

    async fn employ(&self, mut spec: PoolSpec) -> Result<Arc<str>> {
        let faults = faults(&spec);
        if !faults.is_empty() {
            let error = Error::new(ErrorKind::Invalid, "the agent has faults");
            return Err(faults.into_iter().fold(error, Error::because));
        }
        let (bell, closing) = Bell::new();
        spec.profile.id = self.desk(&spec)?;
        let id = spec.profile.id.clone();
        let stops = || Error::new(ErrorKind::Unavailable, "the node stops");
        match self.bells.agents().as_mut() {
            Some(agents) => drop(agents.insert(id.clone(), Arc::new(bell))),
            None => {
                self.backlog.remove(&id);
                return Err(stops());
            }
        }
        let limit = self.settings.drain + COMMIT_MAX;
        let capabilities = spec.capabilities.iter().map(|capability| &*capability.name);
        let breaker = self.floor.breakers.agent(&id, capabilities, spec.breaker.as_ref());
        self.backlog.guard(&id, breaker.clone());
        let child = pool::child(&spec, &self.floor, &breaker, &self.id, &closing, limit, self.events.clone());
        if self.supervisor.add(child.drained_within(2 * limit)).await.is_err() {
            self.backlog.remove(&id);
            self.mailroom.remove(&id);
            return Err(stops());
        }
        Ok(id)
    }

    /// Opens the desk of an agent under the id that it is to have, or one that is free.
    fn desk(&self, spec: &PoolSpec) -> Result<Arc<str>> {
        let open = |id: &Arc<str>| {
            let profile = Profile { id: id.clone(), ..spec.profile.clone() };
            self.backlog.open(Arc::new(profile), spec.capabilities.clone())
        };
        if let Some(id) = &spec.id {
            let taken = || Error::new(ErrorKind::Conflict, format!("there is an agent {id:?} already"));
            return if open(id) { Ok(id.clone()) } else { Err(taken()) };
        }
        let first = spec.capabilities.first().map_or_else(|| Arc::from("agent"), |capability| capability.name.clone());
        let numbered = (2_u32..).map(|n| Arc::from(format!("{first}-{n}")));
        let free = std::iter::once(first.clone()).chain(numbered).find(|id| open(id));
        free.ok_or_else(|| Error::new(ErrorKind::Conflict, format!("no id like {first:?} is free")))
    }

    /// Removes an agent: see [`AgentHandle::remove`](crate::AgentHandle::remove).
    pub(crate) async fn remove_agent(&self, id: &Arc<str>, drain: Duration) -> Result<()> {
        // It stays there until it is gone, so that whoever drops this half way leaves an agent that a stop still reaches.
        let bell = self.bells.agents().as_ref().and_then(|agents| agents.get(id).cloned());
        let Some(bell) = bell.filter(|_| self.backlog.close(id)) else {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no agent {id:?} in this process")));
        };
        self.registry.publish().await;
        let is_done = tokio::time::timeout(drain, self.backlog.is_empty(id)).await.is_ok();
        if !self.is_here(id, &bell) {
            return Ok(()); // somebody else has removed it meanwhile; what is there under its id now is another
        }
        bell.ring(Duration::ZERO, COMMIT_MAX);
        let ending = self.supervisor.remove(&pool::child_name(id), 2 * COMMIT_MAX).await;
        if self.is_here(id, &bell) {
            // Its id is free only when nothing of it is left: an agent of the same id has the same queue.
            if let Ok(queue) = QueueName::agent_tasks(id) {
                let _gone = self.floor.bus.delete(&queue).await;
            }
            self.forget(id, &bell);
        }
        self.registry.publish().await;
        match ending {
            Some(ending) if !ending.is_clean() => {
                Err(Error::new(ErrorKind::Unknown, format!("agent {id:?} did not leave cleanly"))
                    .because(format!("{ending:?}")))
            }
            _ if !is_done => Err(Error::new(ErrorKind::Unknown, format!("agent {id:?} was not done in time"))
                .because("what it had in hand was handed back and starts again")),
            _ => Ok(()),
        }
    }

    /// Whether the agent with this bell is still there.
    fn is_here(&self, id: &str, bell: &Arc<Bell>) -> bool {
        let agents = self.bells.agents();
        agents.as_ref().and_then(|agents| agents.get(id)).is_some_and(|found| Arc::ptr_eq(found, bell))
    }

    /// Frees the id of an agent that has ended, once.
    fn forget(&self, id: &str, bell: &Arc<Bell>) {
        let mut agents = self.bells.agents();
        let Some(agents) = agents.as_mut() else { return };
        if agents.get(id).is_some_and(|found| Arc::ptr_eq(found, bell)) {
            agents.remove(id);
            self.mailroom.remove(id);
            self.floor.breakers.forget_agent(id);
            self.floor.stops.forget(id);
            self.backlog.remove(id); // the last: it is what keeps the id
        }
    }

    /// Submits a run. Durable when it answers; submitting the same again changes nothing.
    ///
    /// The inputs of `untyped` are held against what the agents say of their capabilities. A type's own input fits by
    /// construction, and costs nothing here.
    pub(crate) async fn submit(
        &self,
        run: RunId,
        graph: Graph,
        untyped: Vec<TaskIndex>,
        key: Option<String>,
        before: Before,
    ) -> Result<()> {
        let graph = self.admissible(run, graph, untyped, before).await?;
        self.partitions.submit(run, graph, key, before).await
    }

    /// The same, and waits for the end of `target`.
    pub(crate) async fn perform(
        &self,
        run: RunId,
        graph: Graph,
        untyped: Vec<TaskIndex>,
        key: Option<String>,
        before: Before,
        target: &Target,
    ) -> Result<Verdict> {
        let graph = self.admissible(run, graph, untyped, before).await?;
        self.partitions.perform(run, graph, key, before, target).await
    }

    /// A graph without faults, or that of a run that is there: it is found again, whatever the agents say by now.
    async fn admissible(
        &self,
        run: RunId,
        graph: Graph,
        untyped: Vec<TaskIndex>,
        before: Before,
    ) -> Result<CheckedGraph> {
        let (misfits, checked) = self.check(graph, untyped).await?;
        let is_there = !misfits.is_empty() && before == Before::Perhaps && self.partitions.info(run).await.is_ok();
        match checked {
            Ok(graph) if misfits.is_empty() || is_there => Ok(graph),
            Ok(_) => Err(faulty(&[], &misfits)),
            Err(faults) => Err(faulty(&faults, &misfits)),
        }
    }

    /// A graph without faults, as [`submit`](Self::submit) asks for it.
    pub(crate) async fn checked(&self, graph: Graph, untyped: Vec<TaskIndex>) -> Result<CheckedGraph> {
        match self.check(graph, untyped).await? {
            (misfits, Ok(graph)) if misfits.is_empty() => Ok(graph),
            (misfits, Ok(_)) => Err(faulty(&[], &misfits)),
            (misfits, Err(faults)) => Err(faulty(&faults, &misfits)),
        }
    }

    /// What of a graph does not fit the schemas, in words, and what else is wrong with it.
    async fn check(&self, graph: Graph, untyped: Vec<TaskIndex>) -> Result<Checked> {
        let limits = self.settings.limits().graph;
        let (backlog, schemas) = (self.backlog.clone(), self.schemas.clone());
        let check = move |graph: Graph| {
            let known = |capability: &str| backlog.capability(capability);
            (schema::faults(&graph, &untyped, &known, &schemas), graph.check(&limits))
        };
        // Outside of any partition, and of the threads that actors share if it takes longer than one of them may.
        if graph.tasks.len() <= CHECKED_AT_ONCE {
            return Ok(check(graph));
        }
        Ok(tokio::task::spawn_blocking(move || check(graph)).await?)
    }

    /// What of the inputs of `tasks` does not fit what the agents say of their capabilities, in words.
    pub(crate) fn misfits(&self, graph: &Graph, tasks: &[TaskIndex]) -> Vec<String> {
        schema::faults(graph, tasks, &|capability| self.backlog.capability(capability), &self.schemas)
    }

    /// Stops cleanly: takes no more tasks, lets handlers finish, hands back what is not done in time, commits.
    pub(crate) async fn shutdown(&self) -> Result<()> {
        self.partitions.close("it was shut down; start it again to go on");
        self.stop(self.settings.drain, COMMIT_MAX).await
    }

    /// Stops at once: handlers end at their next await, and their tasks are handed back.
    pub(crate) async fn emergency_stop(&self, reason: &str) -> Result<()> {
        tracing::error!(node = %self.id, reason, "emergency stop");
        self.partitions.close(&format!("emergency stop: {reason}"));
        self.stop(Duration::ZERO, self.settings.emergency_grace).await
    }

    /// Dies: nothing is finished, handed back or committed. Whoever does this has cut it off from its store.
    #[cfg(feature = "test")]
    pub(crate) async fn die(&self) {
        self.partitions.close("the node has died");
        self.bells.ring_for(Duration::ZERO, Duration::ZERO);
        let _unclean = self.supervisor.shutdown(Duration::ZERO).await;
        self.mailroom.close_all();
    }

    async fn stop(&self, drain: Duration, grace: Duration) -> Result<()> {
        self.bells.ring(drain);
        let report = self.supervisor.shutdown(drain + grace).await;
        self.mailroom.close_all();
        if report.is_clean() {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Unknown, "the node did not stop cleanly");
        let unclean = report.children.iter().filter(|(_, ending)| !ending.is_clean());
        Err(unclean.fold(error, |error, (child, ending)| error.because(format!("{child}: {ending:?}"))))
    }

    /// Waits until the node has ended, by whatever cause.
    pub(crate) async fn ended(&self) {
        self.supervisor.ended().await;
    }
}

/// What is wrong with a capability's name, if anything is.
pub(crate) fn check_capability(name: &str) -> Result<(), String> {
    QueueName::capability(name)
        .map(drop)
        .map_err(|_| format!("a capability is 1 to 128 of A-Z a-z 0-9 . _ -, not {name:?}"))
}

/// Every fault of an agent, in words.
pub(crate) fn faults(spec: &PoolSpec) -> Vec<String> {
    let mut faults: Vec<String> =
        spec.capabilities.iter().filter_map(|capability| check_capability(&capability.name).err()).collect();
    let name = spec.id.as_deref().or(spec.capabilities.first().map(|capability| &*capability.name)).unwrap_or_default();
    if let Some(id) = spec.id.as_deref().filter(|id| QueueName::agent_tasks(id).is_err()) {
        faults.push(format!("the id of an agent is 1 to 128 of A-Z a-z 0-9 . _ -, not {id:?}"));
    }
    faults.extend(spec.profile.faults(name));
    if spec.capabilities.is_empty() {
        let whose = if name.is_empty() { format!("of type {}", spec.profile.kind) } else { format!("{name:?}") };
        faults.push(format!("agent {whose} has no capability: say what it handles"));
    }
    faults.extend(spec.capabilities.iter().flat_map(schema_faults));
    faults.extend(spec.doubles.iter().map(|double| format!("agent {name:?} handles {double:?} twice")));
    if !(1..=INSTANCES_MAX).contains(&spec.instances) {
        faults.push(format!("agent {name:?} has 1 to {INSTANCES_MAX} instances, not {}", spec.instances));
    }
    faults
}

/// What keeps the schemas of a capability from being used.
pub(crate) fn schema_faults(capability: &Capability) -> Vec<String> {
    let schemas = [("input", &capability.input_schema), ("output", &capability.output_schema)];
    let faults = schemas.iter().filter_map(|(which, schema)| {
        let fault = schema::check(schema.as_ref()?).err()?;
        Some(format!("the {which} schema of {:?} can not be used: {fault}", capability.name))
    });
    faults.collect()
}

/// Instances of one agent in one process.
const INSTANCES_MAX: usize = 10_000;

/// Ports that a program brings itself, in the place of those that the settings name.
#[derive(Default)]
pub(crate) struct Ports {
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) directory: Option<Arc<dyn Directory>>,
    /// The bus that nodes share. Without one there is but one node.
    pub(crate) bus: Option<Arc<dyn Bus>>,
    /// Whether it takes partitions.
    pub(crate) standing: Standing,
    /// When the breakers of these dependencies open.
    pub(crate) breakers: BTreeMap<String, BreakerRules>,
    /// What handlers take of, and what limits tasks, by capability.
    pub(crate) limits: BTreeMap<Arc<str>, Limit>,
    pub(crate) capability_limits: BTreeMap<Arc<str>, Limit>,
    /// How documents that were written apart come together.
    pub(crate) merges: Merges,
    /// Where writes of documents wait while the store is away.
    pub(crate) spool: Option<Arc<dyn Store>>,
    /// Where a test plays.
    pub(crate) stage: Option<Stage>,
    /// The log and the traces of the process.
    #[cfg(feature = "log")]
    pub(crate) telemetry: Option<crate::Telemetry>,
    /// To whom is told what is counted.
    #[cfg(feature = "api")]
    pub(crate) recorder: Recorder,
}

/// To whom is told what is counted.
#[cfg(feature = "api")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Recorder {
    /// To whomever the program has installed; to nobody, if it has not.
    #[default]
    Theirs,
    /// To ours, if it has not.
    Ours,
}

/// What only a test has. Nothing is looked at now and then on it: time passes as tokio says, in leaps.
#[derive(Clone)]
pub(crate) struct Stage {
    /// What the life of this node is called.
    pub(crate) name: Arc<str>,
    pub(crate) clock: Clock,
    /// Watches the handlers.
    pub(crate) trap: Arc<dyn Trap>,
}

/// Nobody can wait for a drop, so the stop goes on behind it, for as long as there is a tokio runtime to do it.
impl Drop for Node {
    fn drop(&mut self) {
        self.bells.ring(self.settings.drain);
        // Polled once, the request is sent; the supervisor needs nobody to wait for it.
        let _sent = self.supervisor.shutdown(self.settings.drain + COMMIT_MAX).now_or_never();
    }
}

/// Opens the store that the settings name.
pub(crate) async fn store(settings: &Settings) -> Result<Arc<dyn Store>> {
    joined::store(settings).await
}

/// Opens the store that the settings name, to read what is there.
pub(crate) async fn store_to_read(settings: &Settings) -> Result<Arc<dyn Store>> {
    joined::store_to_read(settings).await
}

/// That a store does not keep its contract, or gives no answer.
pub(crate) fn refused_store(error: &ProbeError) -> Error {
    let kind = match error {
        ProbeError::Lies { .. } => ErrorKind::Invalid,
        ProbeError::Unavailable(_) => ErrorKind::Unavailable,
    };
    Error::new(kind, "the store is refused").caused_by(error)
}

/// What does not fit the schemas, and the graph, or its faults.
type Checked = (Vec<String>, Result<CheckedGraph, Vec<GraphFault>>);

/// Graphs of up to so many tasks are checked on the spot.
const CHECKED_AT_ONCE: usize = 1_000;

/// The faults of a graph, and what of it does not fit the schemas.
fn faulty(faults: &[GraphFault], misfits: &[String]) -> Error {
    let count = faults.len() + misfits.len();
    let error =
        Error::new(ErrorKind::Invalid, format!("the workflow has {count} fault{}", if count == 1 { "" } else { "s" }));
    misfits.iter().fold(faults.iter().fold(error, Error::because), Error::because)
}
