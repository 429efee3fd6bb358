//! A node: ports, partitions and pools, under one supervisor.

use crate::agent::instance::Floor;
use crate::agent::pool::PoolSpec;
use crate::clock::Clock;
use crate::closing_time::{Bell, ClosingTime};
use crate::courier::{Courier, CourierActor, Route};
use crate::journal::Journal;
use crate::journal::ids::Ids;
use crate::journal::payload::Payloads;
use crate::partition::backlog::Backlog;
use crate::partition::handle::{Partition, Partitions};
use crate::partition::health::Health;
use crate::partition::start::{Deed, partition};
use crate::partition::tenure::{Counters, Surroundings, Tuning};
use crate::port::bus::Bus;
use crate::port::bus::memory::MemoryBus;
use crate::port::store::Store;
use crate::port::store::folder::FolderStore;
use crate::port::store::memory::MemoryStore;
use crate::port::store::probe::{ProbeError, probe};
use crate::settings::{Settings, StoreSettings};
use crate::stops::Stops;
use crate::supervise::{self, ChildSpec, OnGiveUp, Policy, Supervisor};
use crate::{Error, ErrorKind, Result, root};
use futures::FutureExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

/// How long a node waits for its partitions at start.
const START_MAX: Duration = Duration::from_secs(60);
/// What a clean stop allows beyond the time for handlers: the last commits.
const COMMIT_MAX: Duration = Duration::from_secs(5);
/// Events of the tree that may wait to be logged.
const EVENTS_MAX: usize = 256;

/// A running node.
pub(crate) struct Node {
    pub(crate) partitions: Partitions,
    pub(crate) counters: Arc<Counters>,
    pub(crate) namespace: Arc<str>,
    pub(crate) payloads: Payloads,
    settings: Settings,
    supervisor: Supervisor,
    bell: Bell,
    /// Held until the node has ended, so that nobody else opens the store while something of it still runs.
    _store: Arc<dyn Store>,
}

impl Node {
    /// Starts a node; when this returns it owns every partition and its agents take tasks.
    pub(crate) async fn start(settings: Settings, store: Option<Arc<dyn Store>>, pools: Vec<PoolSpec>) -> Result<Self> {
        let faults = settings.faults();
        if !faults.is_empty() {
            let error = Error::new(ErrorKind::Invalid, "the settings have faults");
            return Err(faults.into_iter().fold(error, Error::because));
        }
        let store = match store {
            Some(store) => store,
            None => open_store(&settings.store).await?,
        };
        probe(&*store, &settings.namespace).await.map_err(|error| refused_store(&error))?;
        let root = root::open(&*store, &settings.namespace, settings.partitions).await?;
        let plan = Plan::new(settings, store, root.partitions);
        plan.start(pools).await
    }

    /// Stops cleanly: takes no more tasks, lets handlers finish, hands back what is not done in time, commits.
    pub(crate) async fn shutdown(&self) -> Result<()> {
        self.bell.ring(self.settings.drain, COMMIT_MAX);
        let report = self.supervisor.shutdown(self.settings.drain + COMMIT_MAX).await;
        if report.is_clean() {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Unknown, "the node did not stop cleanly");
        let unclean = report.children.iter().filter(|(_, ending)| !ending.is_clean());
        Err(unclean.fold(error, |error, (child, ending)| error.because(format!("{child}: {ending:?}"))))
    }
}

/// Nobody can wait for a drop, so the stop goes on behind it, for as long as there is a tokio runtime to do it.
impl Drop for Node {
    fn drop(&mut self) {
        self.bell.ring(self.settings.drain, COMMIT_MAX);
        // Polled once, the request is sent; the supervisor needs nobody to wait for it.
        let _sent = self.supervisor.shutdown(self.settings.drain + COMMIT_MAX).now_or_never();
    }
}

fn refused_store(error: &ProbeError) -> Error {
    let kind = match error {
        ProbeError::Lies { .. } => ErrorKind::Invalid,
        ProbeError::Unavailable(_) => ErrorKind::Unavailable,
    };
    Error::new(kind, "the store is refused").caused_by(error)
}

async fn open_store(settings: &StoreSettings) -> Result<Arc<dyn Store>> {
    match settings {
        StoreSettings::Memory => Ok(Arc::new(MemoryStore::new())),
        StoreSettings::Folder(root) => {
            let root = root.clone();
            let opened = tokio::task::spawn_blocking(move || FolderStore::open(root)).await?;
            let opened = opened.map(|store| Arc::new(store) as Arc<dyn Store>);
            opened.map_err(|error| Error::new(ErrorKind::Unavailable, "the store can not be used").caused_by(&error))
        }
    }
}

/// A node on paper: everything that its children share.
struct Plan {
    settings: Settings,
    node: Arc<str>,
    namespace: Arc<str>,
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    backlog: Arc<Backlog>,
    stops: Arc<Stops>,
    counters: Arc<Counters>,
    journal: crate::journal::Settings,
    payloads: Payloads,
    partitions: u16,
}

impl Plan {
    fn new(settings: Settings, store: Arc<dyn Store>, partitions: u16) -> Self {
        let journal = crate::journal::Settings { garbage_late: settings.garbage_late, ..Default::default() };
        Self {
            // A life, not a machine: whoever held a task in an earlier life of this process is gone.
            node: format!("node-{}", Uuid::now_v7().simple()).into(),
            namespace: settings.namespace.as_str().into(),
            bus: Arc::new(MemoryBus::new()),
            backlog: Arc::default(),
            stops: Arc::default(),
            counters: Arc::default(),
            payloads: Payloads::new(store.clone(), &settings.namespace, &journal),
            journal,
            store,
            partitions,
            settings,
        }
    }

    async fn start(self, pools: Vec<PoolSpec>) -> Result<Node> {
        let (events, told) = mpsc::channel(EVENTS_MAX);
        let (bell, closing) = Bell::new();
        let (courier_spec, courier) = self.courier();
        let (specs, partitions) = self.partitions(&courier, &closing);
        let floor = self.floor(partitions.clone(), closing);
        let mut children = vec![courier_spec];
        children.extend(specs);
        let limit = self.settings.drain + COMMIT_MAX;
        children.extend(
            pools.iter().map(|pool| pool.child(&floor, &self.node, limit, events.clone()).drained_within(2 * limit)),
        );
        drop(told); // the supervisors log by themselves; nobody else listens yet
        let tree = supervise::Settings { name: self.node.clone(), drain_limit: limit, children, events };
        let supervisor = Supervisor::start(tree)
            .await
            .map_err(|stopped| Error::new(ErrorKind::Invalid, "the node did not start").because(stopped))?;
        let node = Node {
            partitions,
            counters: self.counters,
            namespace: self.namespace,
            payloads: self.payloads,
            settings: self.settings,
            supervisor,
            bell,
            _store: self.store,
        };
        match node.partitions.up(START_MAX).await {
            Ok(()) => Ok(node),
            Err(error) => {
                node.bell.ring(Duration::ZERO, COMMIT_MAX);
                let _report = node.supervisor.shutdown(COMMIT_MAX).await;
                Err(error)
            }
        }
    }

    fn courier(&self) -> (ChildSpec, Courier) {
        let route = Route { node: self.node.clone(), bus: self.bus.clone(), payloads: self.payloads.clone() };
        let policy = Policy { on_give_up: OnGiveUp::StopTree, ..Policy::default() };
        let (spec, slot) = ChildSpec::actor("courier", policy, move || (CourierActor, route.clone()));
        (spec, Courier::new(slot))
    }

    fn partitions(&self, courier: &Courier, closing: &ClosingTime) -> (Vec<ChildSpec>, Partitions) {
        let (mut specs, mut handles) = (Vec::new(), Vec::new());
        for number in 0..self.partitions {
            let health = Arc::<Health>::default();
            let journal =
                Journal::new(self.store.clone(), Ids::random(), &self.namespace, number.into(), self.journal.clone());
            let (spec, slot) = partition(self.deed(number, courier, closing, &health));
            specs.push(spec);
            handles.push(Partition::new(slot, health, journal.archive()));
        }
        (specs, Partitions::new(handles))
    }

    fn deed(&self, number: u16, courier: &Courier, closing: &ClosingTime, health: &Arc<Health>) -> Deed {
        let settings = &self.settings;
        let tuning = Tuning {
            snapshot_events: settings.snapshot_events,
            snapshot_bytes: settings.snapshot_bytes,
            closed_max: settings.closed_max,
            closed_for: settings.closed_for,
            collect_every: settings.garbage_late / 4,
        };
        let surroundings = Surroundings {
            number,
            clock: Clock::system(),
            tuning,
            backlog: self.backlog.clone(),
            courier: courier.clone(),
            stops: self.stops.clone(),
            counters: self.counters.clone(),
            closing: closing.clone(),
            input_bytes_max: settings.payload_bytes_max as u64,
        };
        Deed {
            surroundings,
            store: self.store.clone(),
            namespace: self.namespace.clone(),
            node: self.node.clone(),
            journal: self.journal.clone(),
            limits: settings.limits(),
            health: health.clone(),
        }
    }

    fn floor(&self, partitions: Partitions, closing: ClosingTime) -> Floor {
        Floor {
            partitions,
            bus: self.bus.clone(),
            backlog: self.backlog.clone(),
            stops: self.stops.clone(),
            payloads: self.payloads.clone(),
            inline_bytes_max: self.settings.payload_inline_max,
            payload_bytes_max: self.settings.payload_bytes_max,
            heartbeat: self.settings.lease / 3,
            closing,
        }
    }
}
