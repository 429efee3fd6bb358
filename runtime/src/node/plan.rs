//! A node on paper, and its start.

use super::bells::Bells;
use super::inspector::{Inspection, inspector};
use super::{COMMIT_MAX, Node, Stage};
use crate::agent::instance::Floor;
use crate::breaches::Breaches;
use crate::breaker::{self, BreakerRules, Breakers};
use crate::clock::Clock;
use crate::closing_time::{Bell, ClosingTime};
use crate::cluster::view::Standing;
use crate::cluster::{Member, Routes, Switchboard, member, switchboard};
use crate::dispatch::backlog::Backlog;
use crate::dispatch::courier::{Courier, CourierActor, Route};
use crate::durable::trap::Trap;
use crate::journal::Journal;
use crate::journal::archive::Archive;
use crate::journal::ids::Ids;
use crate::journal::payload::Payloads;
use crate::limit::{self, Limit, Limits};
use crate::message::{self, Home, Mailroom, Post};
use crate::partition::door::Door;
use crate::partition::handle::{Partition, Partitions};
use crate::partition::health::Health;
use crate::partition::start::{Deed, partition};
use crate::partition::tenure::{Counters, Surroundings, Tuning};
use crate::partition::way::Elsewhere;
use crate::port::bus::Bus;
use crate::port::bus::again::Again;
use crate::port::bus::bundle::Bundles;
use crate::port::bus::memory::MemoryBus;
use crate::port::directory::Directory;
use crate::port::store::Store;
use crate::registry::{self, Registry, registry};
use crate::root::Root;
use crate::settings::{Settings, StoreMode};
use crate::state::{self, Documents, Given, Merges};
use crate::stops::Stops;
use crate::supervise::{self, Alarm, ChildSpec, Failure, FailureKind, OnGiveUp, Policy, Restart, Supervisor};
use crate::telemetry::{self, Meters, Tracer};
use crate::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

/// How long a node waits for its partitions at start.
const START_MAX: Duration = Duration::from_secs(60);
/// Events of the tree that may wait to be logged.
const EVENTS_MAX: usize = 256;

/// A node on paper: everything that its children share.
pub(super) struct Plan {
    settings: Settings,
    node: Arc<str>,
    namespace: Arc<str>,
    store: Arc<dyn Store>,
    /// The bus of this process, where the queues of its agents are.
    bus: Arc<dyn Bus>,
    cluster: Option<Cluster>,
    backlog: Arc<Backlog>,
    stops: Arc<Stops>,
    mailroom: Arc<Mailroom>,
    counters: Arc<Counters>,
    meters: Arc<Meters>,
    tracer: Tracer,
    #[cfg(feature = "log")]
    telemetry: Option<crate::Telemetry>,
    breaches: Breaches,
    breakers: Breakers,
    limits: Limits,
    journal: crate::journal::Settings,
    payloads: Payloads,
    documents: Documents,
    directory: Arc<dyn Directory>,
    root: Root,
    trap: Option<Arc<dyn Trap>>,
    clock: Clock,
    pace: Pace,
}

/// What a program says beside the settings: what guards a node, what is limited there, what merges.
pub(super) struct Rules {
    /// When the breakers of these dependencies open.
    pub(super) breakers: BTreeMap<String, BreakerRules>,
    /// What handlers take of, and what limits the tasks of capabilities.
    pub(super) limits: (BTreeMap<Arc<str>, Limit>, BTreeMap<Arc<str>, Limit>),
    /// How documents that were written apart come together.
    pub(super) merges: Merges,
    /// Where writes of documents wait while the store is away.
    pub(super) spool: Option<Arc<dyn Store>>,
    /// The log and the traces of the process.
    #[cfg(feature = "log")]
    pub(super) telemetry: Option<crate::Telemetry>,
}

/// What a node needs to be one of several.
#[derive(Clone)]
pub(super) struct Cluster {
    /// The bus that the nodes share.
    pub(super) bus: Arc<dyn Bus>,
    /// Whether it takes partitions.
    pub(super) standing: Standing,
    /// The identity of the name space in the store.
    pub(super) home: Uuid,
}

/// How often a node looks at what needs no looking at as a rule.
struct Pace {
    /// The longest that a partition sleeps.
    sleep_max: Duration,
    /// How often garbage is looked for.
    collect: Duration,
    /// How often a registration is renewed, and how long it lives without that.
    registry: (Duration, Duration),
    /// How often the store is probed, if it is.
    probe: Option<Duration>,
}

impl Pace {
    fn of(settings: &Settings, garbage_late: Duration) -> Self {
        Self {
            sleep_max: Duration::from_secs(1),
            collect: garbage_late / 4,
            registry: (settings.agent_heartbeat, settings.agent_life),
            probe: Some(settings.store_probe_every),
        }
    }

    /// On a stage there is no machine that could be suspended, no other process, and no want of memory: a year of
    /// simulated time must not cost a year's worth of looking.
    fn still() -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 86_400);
        Self { sleep_max: YEAR, collect: YEAR, registry: (YEAR, 2 * YEAR), probe: None }
    }
}

impl Plan {
    pub(super) fn new(
        settings: Settings,
        store: Arc<dyn Store>,
        directory: Arc<dyn Directory>,
        root: Root,
        stage: Option<Stage>,
        cluster: Option<Cluster>,
        rules: Rules,
    ) -> Self {
        let garbage_late = settings.garbage_late_of(cluster.is_some());
        let journal = crate::journal::Settings { garbage_late, ..Default::default() };
        let pace = if stage.is_some() { Pace::still() } else { Pace::of(&settings, garbage_late) };
        let (node, clock, trap) = match stage {
            Some(Stage { name, clock, trap }) => (name, clock, Some(trap)),
            // A life, not a machine: whoever held a task in an earlier life of this process is gone.
            None => (format!("node-{}", crate::chance::timed_id().simple()).into(), Clock::system(), None),
        };
        let (body_bytes_max, inbox_max) = (settings.payload_bytes_max, settings.inbox_max);
        let limits = message::Limits { body_bytes_max, inbox_max, ..Default::default() };
        let (breaches, meters) = (Breaches::default(), Arc::<Meters>::default());
        // What an operator has said counts before what the program says.
        let mut by_name = rules.breakers;
        by_name.extend(settings.breaker_of.iter().map(|(name, said)| (name.clone(), said.into())));
        let breakers = Breakers::new((&settings.breaker).into(), by_name, breaches.clone());
        let (store, inside): (_, Arc<dyn Bus>) = (Meters::of_store(store), Arc::new(MemoryBus::new()));
        // What several nodes share is on other machines, which may be away.
        let (store, bus, directory, cluster) = match cluster {
            None => (store, meters.of_bus(inside), directory, None),
            Some(cluster) => {
                let directory = breakers.of_directory(Meters::of_directory(directory));
                // Given again what it does not take at first, by whatever is measured and may be refused. What is measured is
                // each message, also where several are carried together.
                let shared = Again::new(meters.of_bus(Arc::new(Bundles::new(cluster.bus))));
                let bus = breakers.of_bus(Arc::new(shared));
                (breakers.of_store(store), inside, directory, Some(Cluster { bus, ..cluster }))
            }
        };
        let documents = Documents::new(Given {
            store: store.clone(),
            namespace: &settings.namespace,
            node: node.clone(),
            clock: clock.clone(),
            ids: Ids::random(),
            journal: &journal,
            patience: settings.state.patience,
            merges: rules.merges,
            spool: rules.spool,
            is_frozen: settings.store_mode == StoreMode::ReadOnly,
        });
        let (named, capabilities) = rules.limits;
        let limited = Limits::new(named, capabilities, &node, cluster.is_none());
        Self {
            mailroom: Arc::new(Mailroom::new(node.clone(), clock.clone(), limits)),
            node,
            namespace: settings.namespace.as_str().into(),
            bus,
            cluster,
            backlog: Arc::new(Backlog::watched(breaches.clone(), breakers.clone(), limited.clone(), meters.clone())),
            breakers,
            limits: limited,
            stops: Arc::default(),
            counters: Arc::default(),
            meters,
            #[cfg(feature = "log")]
            tracer: rules.telemetry.as_ref().map(crate::Telemetry::tracer).unwrap_or_default(),
            #[cfg(not(feature = "log"))]
            tracer: Tracer::default(),
            #[cfg(feature = "log")]
            telemetry: rules.telemetry,
            breaches,
            payloads: Payloads::new(store.clone(), &settings.namespace, &journal),
            documents,
            journal,
            store,
            directory,
            root,
            trap,
            clock,
            pace,
            settings,
        }
    }

    /// Starts the tree; when this returns the node owns every partition that can be read.
    pub(super) async fn start(self) -> Result<Node> {
        telemetry::describe();
        if !self.is_frozen() {
            self.meters.partitions(self.root.partitions);
        }
        let (events, told) = mpsc::channel(EVENTS_MAX);
        let (bell, closing) = Bell::new();
        let (registry_spec, registry) = registry(registry::Surroundings {
            node: self.node.clone(),
            directory: self.directory.clone(),
            backlog: self.backlog.clone(),
            heartbeat: self.pace.registry.0,
            life: self.pace.registry.1,
        });
        let (courier_spec, courier) = self.courier();
        let mut children = vec![registry_spec, courier_spec];
        #[cfg(feature = "api")]
        children.extend(telemetry::exporter::upkeep().filter(|_| self.pace.probe.is_some()));
        if let Some(every) = self.pace.probe.filter(|_| !self.is_frozen()) {
            let (store, namespace) = (self.store.clone(), self.namespace.clone());
            let root = self.cluster.is_some().then(|| (self.root.clone(), self.settings.node_life));
            children.push(inspector(Inspection { store, namespace, every, root }));
        }
        let (partitions, member, switchboard) = match self.cluster.clone() {
            None => {
                let (specs, partitions) = self.partitions(&courier, &closing);
                children.extend(specs);
                (partitions, None, None)
            }
            Some(cluster) => {
                let (specs, partitions, member, switchboard) =
                    self.joined(cluster, &courier, &closing, &events, &registry);
                children.extend(specs);
                (partitions, Some(member), Some(switchboard))
            }
        };
        let others = switchboard.map(|switchboard| breaker::Others { switchboard, directory: self.directory.clone() });
        children.push(breaker::breakers(breaker::Surroundings {
            node: self.node.clone(),
            breakers: self.breakers.clone(),
            backlog: self.backlog.clone(),
            others,
        }));
        let others = member.clone().map(|member| limit::Others { directory: self.directory.clone(), member });
        children.push(limit::limits(limit::Surroundings {
            node: self.node.clone(),
            limits: self.limits.clone(),
            backlog: self.backlog.clone(),
            others,
        }));
        let collect = state::Collect { every: self.pace.collect, late: self.journal.garbage_late };
        children.push(state::state(&self.documents, collect));
        let floor = self.floor(partitions.clone());
        let bells = Arc::new(Bells::new(partitions.clone(), self.mailroom.clone(), bell));
        let (rings, drain) = (bells.clone(), self.settings.drain);
        drop(told); // the supervisors log by themselves; nobody else listens yet
        let limit = self.settings.drain + COMMIT_MAX;
        let tree = supervise::Settings {
            name: self.node.clone(),
            drain_limit: limit,
            children,
            events: events.clone(),
            alarm: Alarm::new(move |why| rings.sound(why, drain)),
        };
        let supervisor = Supervisor::start(tree)
            .await
            .map_err(|stopped| Error::new(ErrorKind::Invalid, "the node did not start").because(stopped))?;
        let node = Node {
            id: self.node,
            partitions,
            backlog: self.backlog,
            registry,
            member,
            schemas: Arc::default(),
            counters: self.counters,
            breaches: self.breaches,
            mailroom: floor.mailroom.clone(),
            namespace: self.namespace,
            payloads: self.payloads,
            documents: self.documents,
            settings: self.settings,
            supervisor,
            floor,
            bells,
            events,
            started: Instant::now(),
            #[cfg(feature = "log")]
            telemetry: self.telemetry,
            _store: self.store,
        };
        match node.partitions.up(START_MAX).await {
            Ok(()) => Ok(node),
            Err(error) => {
                node.bells.ring(Duration::ZERO);
                let _report = node.supervisor.shutdown(COMMIT_MAX).await;
                Err(error)
            }
        }
    }

    fn courier(&self) -> (ChildSpec, Courier) {
        let route = Route {
            node: self.node.clone(),
            bus: self.bus.clone(),
            shared: self.cluster.as_ref().map(|cluster| cluster.bus.clone()),
            payloads: self.payloads.clone(),
            tracer: self.tracer.clone(),
        };
        let policy = Policy { on_give_up: OnGiveUp::StopTree, ..Policy::default() };
        let (spec, slot) = ChildSpec::actor("courier", policy, move || (CourierActor, route.clone()));
        (spec, Courier::new(slot))
    }

    fn partitions(&self, courier: &Courier, closing: &ClosingTime) -> (Vec<ChildSpec>, Partitions) {
        let (specs, doors) = self.doors(courier, closing, None);
        let handles = (0..).zip(&doors).map(|(number, door)| Partition::new(door.clone(), None, self.archive(number)));
        (
            specs,
            Partitions::new(handles.collect(), self.clock.clone(), self.namespace.clone(), self.settings.history_kept),
        )
    }

    /// Every partition as a child, and its door.
    fn doors(
        &self,
        courier: &Courier,
        closing: &ClosingTime,
        others: Option<&(Member, Switchboard)>,
    ) -> (Vec<ChildSpec>, Vec<Arc<Door>>) {
        let all = (0..self.root.partitions).map(|number| {
            let health = Arc::<Health>::default();
            let (spec, slot) = partition(self.deed(number, courier, closing, &health, others));
            (spec, Arc::new(Door::new(slot, health, self.is_frozen())))
        });
        all.unzip()
    }

    /// Whether it is a copy that is looked at.
    fn is_frozen(&self) -> bool {
        self.settings.store_mode == StoreMode::ReadOnly
    }

    fn archive(&self, number: u16) -> Archive {
        Journal::new(self.store.clone(), Ids::random(), &self.namespace, number.into(), self.journal.clone()).archive()
    }

    /// The partitions of a node that is one of several, and what goes with them: they are claimed when the member says so.
    fn joined(
        &self,
        cluster: Cluster,
        courier: &Courier,
        closing: &ClosingTime,
        events: &mpsc::Sender<supervise::Event>,
        registry: &Registry,
    ) -> (Vec<ChildSpec>, Partitions, Member, Switchboard) {
        // The two know one another and every partition, which knows both; so what they are made of is said afterwards,
        // before anything starts.
        let (for_switchboard, for_member) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let (switchboard_spec, switchboard) = switchboard::switchboard(for_switchboard.clone());
        let (member_spec, member) = member::member(for_member.clone());
        let limit = self.settings.drain + COMMIT_MAX;
        let (tree_spec, tree) = Supervisor::child(
            Policy { on_give_up: OnGiveUp::StopTree, ..Policy::default() },
            supervise::Settings {
                name: "partitions".into(),
                drain_limit: limit,
                children: Vec::new(),
                events: events.clone(),
                alarm: Alarm::default(),
            },
        );
        let (specs, doors) = self.doors(courier, closing, Some(&(member.clone(), switchboard.clone())));
        let (doors, routes): (Arc<[Arc<Door>]>, _) = (doors.into(), Arc::new(Routes::new(self.root.partitions)));
        let tree_spec = partitions_end_with_their_tree(tree_spec, doors.clone(), member.clone());
        let handles = (0..).zip(&*doors).map(|(number, door)| {
            let elsewhere = Elsewhere { number, route: routes.of(number), switchboard: switchboard.clone() };
            Partition::new(door.clone(), Some(elsewhere), self.archive(number))
        });
        let partitions =
            Partitions::new(handles.collect(), self.clock.clone(), self.namespace.clone(), self.settings.history_kept);
        self.backlog.join(self.node.clone(), switchboard.clone());
        self.mailroom.join(Post::new(self.node.clone(), registry.clone(), member.clone(), switchboard.clone()));
        let called = switchboard.clone();
        let _first = for_switchboard.set(switchboard::Surroundings {
            node: self.node.clone(),
            life: self.settings.node_life,
            bus: cluster.bus,
            inside: self.bus.clone(),
            doors: doors.clone(),
            stops: self.stops.clone(),
            backlog: self.backlog.clone(),
            breakers: self.breakers.clone(),
            mailroom: self.mailroom.clone(),
            member: member.clone(),
            calls: Arc::default(),
        });
        let _first = for_member.set(member::Surroundings {
            node: self.node.clone(),
            namespace: self.namespace.clone(),
            home: cluster.home,
            standing: cluster.standing,
            heartbeat: self.settings.node_heartbeat,
            life: self.settings.node_life,
            pace: self.settings.stewardship(),
            directory: self.directory.clone(),
            store: self.store.clone(),
            switchboard,
            routes,
            backlog: self.backlog.clone(),
            doors,
            specs: specs.into(),
            tree: tree.into(),
            closing: closing.clone(),
            beats: Arc::default(),
        });
        (vec![switchboard_spec, member_spec, tree_spec], partitions, member, called)
    }

    fn deed(
        &self,
        number: u16,
        courier: &Courier,
        closing: &ClosingTime,
        health: &Arc<Health>,
        others: Option<&(Member, Switchboard)>,
    ) -> Deed {
        let settings = &self.settings;
        let tuning = Tuning {
            snapshot_events: settings.snapshot_events,
            snapshot_bytes: settings.snapshot_bytes,
            closed_max: settings.closed_max,
            closed_for: settings.closed_for,
            history_kept: settings.history_kept,
            watchers_max: settings.watchers_max,
            sleep_max: self.pace.sleep_max,
            collect_every: self.pace.collect,
        };
        let surroundings = Surroundings {
            number,
            partitions: self.root.partitions,
            namespace: self.namespace.clone(),
            clock: self.clock.clone(),
            tuning,
            backlog: self.backlog.clone(),
            limits: self.limits.clone(),
            courier: courier.clone(),
            stops: self.stops.clone(),
            node: self.node.clone(),
            others: others.map(|(_, switchboard)| switchboard.clone()),
            counters: self.counters.clone(),
            meters: self.meters.clone(),
            tracer: self.tracer.clone(),
            breaches: self.breaches.clone(),
            closing: closing.clone(),
            is_frozen: self.is_frozen(),
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
            member: others.map(|(member, _)| member.clone()),
        }
    }

    fn floor(&self, partitions: Partitions) -> Floor {
        Floor {
            partitions,
            bus: self.bus.clone(),
            backlog: self.backlog.clone(),
            breakers: self.breakers.clone(),
            limits: self.limits.clone(),
            stops: self.stops.clone(),
            payloads: self.payloads.clone(),
            documents: self.documents.clone(),
            inline_bytes_max: self.settings.payload_inline_max,
            payload_bytes_max: self.settings.payload_bytes_max,
            payload_depth_max: self.settings.input_depth_max,
            lease: self.settings.lease,
            mailroom: self.mailroom.clone(),
            home: Home::default(),
            clock: self.clock.clone(),
            park_after: self.settings.park_after,
            cleanup: self.settings.cleanup,
            trap: self.trap.clone(),
            tracer: self.tracer.clone(),
        }
    }
}

/// Sees to it that it is known of each partition that it has ended, when the tree in which they all are has ended at once.
fn partitions_end_with_their_tree(tree: ChildSpec, doors: Arc<[Arc<Door>]>, member: Member) -> ChildSpec {
    tree.judged_by(move |stopped| {
        for door in doors.iter().filter(|door| door.health.epoch().is_some()) {
            let message = format!("the supervisor of the partitions has ended: {stopped}");
            door.health.down(Failure::new(FailureKind::Unavailable, message));
        }
        member.all_ended();
        Restart::Permanent.ruling(stopped)
    })
}
