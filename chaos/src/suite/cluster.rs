//! A cluster of our own: the servers, what lies between, and the nodes.

use super::brokers::Brokers;
use super::node::{INSTANCES, LEDGER, NUMBER, READY, SABOTAGE};
use super::redis::Servers;
use super::wall_clock::WallClock;
use super::{Error, Options};
use crate::history::LEDGER as LEDGER_FILE;
use crate::plan::{FaultKind, Plan, Server};
use crate::proxy::Proxy;
use crate::servers::{self, Process, RadosGw};
use crate::store_proxy::StoreProxy;
use callboard::Callboard;
use callboard::backup::NameSpace;
use callboard::port::bus::rabbitmq::{QueueKind, RabbitMqBus, RabbitMqOptions};
use callboard::port::directory::redis::{RedisDirectory, RedisOptions};
use callboard::port::store::s3::{S3Key, S3Options, S3Store};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// The bucket of the nodes.
const BUCKET: &str = "callboard-chaos";
/// Their name space.
const NAMESPACE: &str = "chaos";
/// For a node to start, again and again while a server is away.
const START: Duration = Duration::from_secs(120);
/// For a clean end.
const STOP: Duration = Duration::from_secs(40);
/// How often a node is started at the beginning, if it does not start.
const NODE_STARTS: usize = 3;
/// How often the store is started, if it does not start.
const STORE_STARTS: usize = 3;
/// For each partition to have an owner.
const WHOLE: Duration = Duration::from_secs(60);

/// What a node logs that finds an invariant of its own broken.
const BROKEN: &str = "an invariant does not hold";

/// Everything that runs. All of it ends when it is dropped.
pub(super) struct Cluster {
    pub(super) broker: Mutex<Brokers>,
    pub(super) redis: Mutex<Servers>,
    pub(super) store: Mutex<RadosGw>,
    /// What lies before the store, for all nodes.
    pub(super) store_proxy: StoreProxy,
    nodes: Vec<Node>,
    access: Access,
}

/// A node and what lies between it and the servers.
pub(super) struct Node {
    /// Locked by what is done to it.
    pub(super) process: Mutex<Option<Process>>,
    wires: Wires,
    number: usize,
    variables: Vec<(String, String)>,
    program: PathBuf,
    log: PathBuf,
    /// What its wall clock is, if that is wrong at times.
    clock: Option<WallClock>,
}

struct Wires {
    /// One before each broker.
    brokers: Vec<Proxy>,
    /// None before Sentinels: whom they name is reached by its own address.
    redis: Option<Proxy>,
    store: Proxy,
}

/// With what clients reach the servers.
struct Access {
    broker: String,
    queues: QueueKind,
    redis: String,
    endpoint: String,
    key: S3Key,
    partitions: u16,
}

impl Cluster {
    /// Starts everything below the folder.
    pub(super) async fn start(plan: &Plan, folder: &Path, options: &Options) -> Result<Self, Error> {
        let of = |name: &str| {
            let path = folder.join("servers").join(name);
            std::fs::create_dir_all(&path).map_err(Error::file(&path)).map(|()| path)
        };
        let (broker, redis, store) = (of("rabbitmq")?, of("redis")?, of("radosgw")?);
        let (broker, redis, store) = tokio::try_join!(
            Brokers::start(plan.cluster.brokers, &broker),
            Servers::start(plan.cluster.redis, &redis),
            start_store(&store)
        )?;
        store.make_bucket(BUCKET).await?;
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, store.port()));
        let store_proxy = StoreProxy::start(at).await.map_err(Error::Proxy)?;
        let key = S3Key { id: store.key().id.clone(), secret: store.key().secret.clone(), token: None };
        let (endpoint, partitions) = (store_proxy.url(), plan.cluster.partitions);
        let queues = match plan.cluster.settings.get("bus.queues").map(String::as_str) {
            Some("quorum") => QueueKind::Quorum,
            _ => QueueKind::Classic,
        };
        let access =
            Access { broker: broker.url(&broker.ports()), queues, redis: redis.url(), endpoint, key, partitions };
        let mut nodes = Vec::new();
        for number in 1..=plan.cluster.nodes {
            let wire = async |port| Proxy::start(port).await.map_err(Error::Proxy);
            let of_brokers = broker.ports().into_iter().map(Proxy::start_for_amqp);
            let wires = Wires {
                brokers: futures::future::try_join_all(of_brokers).await.map_err(Error::Proxy)?,
                redis: match redis.port() {
                    Some(port) => Some(wire(port).await?),
                    None => None,
                },
                store: wire(store_proxy.port()).await?,
            };
            let ports: Vec<u16> = wires.brokers.iter().map(Proxy::port).collect();
            nodes.push(Node::new(number, plan, wires, broker.url(&ports), &access, folder, options)?);
        }
        let (broker, redis, store) = (Mutex::new(broker), Mutex::new(redis), Mutex::new(store));
        let cluster = Self { broker, redis, store, store_proxy, nodes, access };
        futures::future::try_join_all(cluster.nodes.iter().map(|node| node.start())).await?;
        Ok(cluster)
    }

    /// The node of this number, from 1.
    pub(super) fn node(&self, number: usize) -> Option<&Node> {
        self.nodes.get(number.checked_sub(1)?)
    }

    /// A client; on a machine that is busy its first questions may have no answer in time.
    pub(super) async fn client_in_time(&self) -> Result<Callboard, Error> {
        let until = Instant::now() + START;
        loop {
            match self.client().await {
                Err(_) if Instant::now() < until => sleep(Duration::from_millis(200)).await,
                done => return done,
            }
        }
    }

    /// A client, which reaches the servers by ways of its own: what is done to nodes is not done to it.
    async fn client(&self) -> Result<Callboard, Error> {
        let Access { broker, queues, redis, partitions, .. } = &self.access;
        let told = |error: &dyn std::fmt::Display| Error::Client(error.to_string());
        let mut bus = RabbitMqOptions::new(broker);
        (bus.namespace, bus.queues) = (NAMESPACE.to_owned(), *queues);
        let bus = RabbitMqBus::connect(bus).await.map_err(|error| told(&error))?;
        let directory =
            RedisDirectory::connect(RedisOptions::new(redis, NAMESPACE)).await.map_err(|error| told(&error))?;
        let store = self.objects().await?;
        let builder = Callboard::builder(callboard::Settings::default()).settings(|settings| {
            settings.namespace = NAMESPACE.to_owned();
            settings.partitions = *partitions;
        });
        let builder = builder.bus(Arc::new(bus)).directory(Arc::new(directory)).store(Arc::new(store)).client();
        builder.start().await.map_err(|error| Error::Client(format!("{error:#}")))
    }

    /// The objects of the nodes.
    async fn objects(&self) -> Result<S3Store, Error> {
        let Access { endpoint, key, .. } = &self.access;
        let told = |error: &dyn std::fmt::Display| Error::Client(error.to_string());
        let mut store = S3Options::new(BUCKET, "nodes").map_err(|error| told(&error))?;
        store.endpoint = Some(endpoint.clone());
        store.region = Some(RadosGw::REGION.to_owned());
        store.key = Some(key.clone());
        S3Store::connect(store).await.map_err(|error| told(&error))
    }

    /// How many objects there are below the journals, and what is wrong with them: `callboard journal verify`.
    pub(super) async fn verify(&self) -> Result<(u64, Vec<String>), Error> {
        let told = |error: callboard::Error| Error::Client(format!("{error:#}"));
        let mut settings = callboard::Settings::default();
        settings.namespace = NAMESPACE.to_owned();
        let name_space = NameSpace::in_store(Arc::new(self.objects().await?), &settings).await.map_err(told)?;
        let verified = name_space.verify().await.map_err(told)?;
        let faults = verified.faults.iter().map(|fault| format!("{}: {}", fault.object, fault.reason));
        Ok((verified.objects, faults.collect()))
    }

    /// Waits until each partition has an owner, and each node is one if there are enough for that.
    pub(super) async fn whole(&self, client: &Callboard, logs: &Path) -> Result<(), Error> {
        let until = Instant::now() + WHOLE;
        let owning = self.nodes.len().min(self.access.partitions as usize);
        while Instant::now() < until {
            if let Ok(nodes) = client.nodes().await {
                let owned: usize = nodes.iter().map(|node| node.partitions.len()).sum();
                let owners = nodes.iter().filter(|node| !node.partitions.is_empty()).count();
                if (owned, owners) == (client.partitions(), owning) {
                    return Ok(());
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(Error::NotWhole { limit: WHOLE, logs: logs.to_owned() })
    }

    /// How much memory the nodes have, each with its number.
    pub(super) fn memory(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.nodes.iter().filter_map(|node| Some((node.number, node.memory()?)))
    }

    /// What the nodes have logged of invariants that do not hold.
    pub(super) fn broken(&self) -> Vec<String> {
        let of = |node: &Node| {
            let log = std::fs::read(&node.log).unwrap_or_default();
            let lines = String::from_utf8_lossy(&log).into_owned();
            let broken = lines.lines().filter(|line| line.contains(BROKEN));
            broken.map(|line| format!("node {}: {line}", node.number)).collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(of).collect()
    }

    /// Ends the nodes, cleanly: those that do not end so are told.
    pub(super) async fn stop_nodes(&self) -> Vec<String> {
        let stops = self.nodes.iter().map(async |node| {
            let status = node.process.lock().await.take()?.stop(STOP).await;
            (!status.success()).then(|| format!("node {} did not end cleanly: {status}", node.number))
        });
        futures::future::join_all(stops).await.into_iter().flatten().collect()
    }

    /// What nodes have left in Redis that does not go by itself.
    pub(super) async fn left_keys(&self) -> Vec<String> {
        match self.redis.lock().await.keys_for_ever().await {
            Ok(keys) => keys.iter().map(|key| format!("the key {key:?} of Redis never goes")).collect(),
            Err(error) => vec![format!("Redis does not say which keys are left: {error}")],
        }
    }

    /// Of what there is.
    pub(super) async fn versions(&self) -> Vec<(&'static str, String)> {
        let broker = self.broker.lock().await.any().evaluate("rabbit_misc:version()").await;
        let redis = self.redis.lock().await.ask(&["INFO", "server"]).await.map(|info| info.to_string());
        let redis = redis.unwrap_or_default();
        let redis = redis.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("?").trim().to_owned();
        vec![
            ("callboard", env!("CARGO_PKG_VERSION").to_owned()),
            ("RabbitMQ", broker.map_or("?".to_owned(), |version| version.trim_matches('"').to_owned())),
            ("Redis", redis),
        ]
    }
}

impl Node {
    fn new(
        number: usize,
        plan: &Plan,
        wires: Wires,
        bus: String,
        access: &Access,
        folder: &Path,
        options: &Options,
    ) -> Result<Self, Error> {
        let directory = match &wires.redis {
            Some(wire) => through(&access.redis, wire.port()),
            None => access.redis.clone(),
        };
        let variables = [
            ("CALLBOARD_NAMESPACE", NAMESPACE.to_owned()),
            ("CALLBOARD_BUS__URL", bus),
            ("CALLBOARD_DIRECTORY__URL", directory),
            ("CALLBOARD_STORE__URL", format!("s3://{BUCKET}/nodes")),
            ("CALLBOARD_STORE__ENDPOINT", format!("http://127.0.0.1:{}", wires.store.port())),
            ("CALLBOARD_PARTITIONS", plan.cluster.partitions.to_string()),
            // A scenario is short: what waits for seconds by default waits for less.
            ("CALLBOARD_TENURE_MIN", "1s".to_owned()),
            ("CALLBOARD_RETRY__BASE", "300ms".to_owned()),
            ("CALLBOARD_RETRY__CAP", "2s".to_owned()),
            ("CALLBOARD_BREAKER__OPEN", "2s".to_owned()),
            ("CALLBOARD_BREAKER__RAMP", "1s".to_owned()),
            // Nodes die on purpose.
            ("CALLBOARD_LOSSES_MAX", "1000".to_owned()),
            ("AWS_REGION", RadosGw::REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", access.key.id.clone()),
            ("AWS_SECRET_ACCESS_KEY", access.key.secret.clone()),
            (LEDGER, folder.join(LEDGER_FILE).display().to_string()),
            (NUMBER, number.to_string()),
            (INSTANCES, plan.cluster.instances.to_string()),
        ];
        // What comes later is what counts.
        let settings = plan.cluster.settings.iter().map(|(name, value)| (variable(name), value.clone()));
        let mut variables: Vec<(String, String)> =
            variables.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(settings).collect();
        variables.extend(options.sabotage.clone().map(|promise| (SABOTAGE.to_owned(), promise)));
        // What stands between a node and its clock is there only where it is needed.
        let is_wrong = plan.faults.iter().any(|fault| fault.kind == FaultKind::ClockSkew);
        let clock = is_wrong.then(|| WallClock::of(&folder.join(format!("clock-{number}")))).transpose()?;
        variables.extend(clock.iter().flat_map(WallClock::variables));
        let log = folder.join(format!("node-{number}.log"));
        Ok(Self { process: Mutex::new(None), wires, number, variables, program: options.program.clone(), log, clock })
    }

    /// Sets its wall clock so far ahead of the right one, or behind it.
    pub(super) fn set_clock(&self, ahead_ms: i64) -> Result<(), Error> {
        match &self.clock {
            Some(clock) => clock.set(ahead_ms),
            None => Err(Error::Node("its clock is that of the machine".to_owned())),
        }
    }

    async fn start(&self) -> Result<(), Error> {
        // Its servers are there: what does not start now does not like its settings, as a rule.
        for _ in 1..NODE_STARTS {
            if let Ok(process) = self.process_once().await {
                *self.process.lock().await = Some(process);
                return Ok(());
            }
        }
        *self.process.lock().await = Some(self.process_once().await?);
        Ok(())
    }

    /// A process of it that is ready. One that ends because it does not reach a server is followed by another, as by whatever
    /// starts nodes elsewhere.
    pub(super) async fn process(&self) -> Result<Process, Error> {
        let until = Instant::now() + START;
        loop {
            match self.process_once().await {
                Err(_) if Instant::now() < until => sleep(Duration::from_millis(500)).await,
                done => return done,
            }
        }
    }

    async fn process_once(&self) -> Result<Process, Error> {
        let mut command = Command::new(&self.program);
        command.arg("node").env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.envs(std::env::var_os("RUST_BACKTRACE").map(|value| ("RUST_BACKTRACE", value)));
        let mut process = Process::spawn("node", command, &self.log)?;
        let ready = process.says(START, READY).await;
        if self.clock.is_some() {
            WallClock::tidy(process.id());
        }
        ready?;
        Ok(process)
    }

    /// What lies between it and a server: nothing before Sentinels, one for each of several brokers.
    pub(super) fn wires(&self, server: Server) -> &[Proxy] {
        match server {
            Server::Broker => &self.wires.brokers,
            Server::Redis => self.wires.redis.as_slice(),
            Server::Store => std::slice::from_ref(&self.wires.store),
        }
    }

    /// How much memory it has, if it is running and nothing is being done to it.
    fn memory(&self) -> Option<u64> {
        let id = self.process.try_lock().ok()?.as_ref()?.id();
        let pages = std::fs::read_to_string(format!("/proc/{id}/statm")).ok()?;
        let resident: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
        Some(resident * rustix::param::page_size() as u64)
    }
}

/// Ceph's programs die now and then on a machine that is busy, which says nothing of anybody else: it is tried again.
async fn start_store(folder: &Path) -> Result<RadosGw, servers::Error> {
    for _ in 1..STORE_STARTS {
        if let Ok(store) = RadosGw::start(folder).await {
            return Ok(store);
        }
    }
    RadosGw::start(folder).await
}

/// The variable of the environment that says this setting.
fn variable(setting: &str) -> String {
    format!("CALLBOARD_{}", setting.replace('.', "__").to_uppercase())
}

/// The same address at another port of this machine.
fn through(url: &str, port: u16) -> String {
    let Some((start, rest)) = url.split_once("127.0.0.1:") else { return url.to_owned() };
    format!("{start}127.0.0.1:{port}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}
