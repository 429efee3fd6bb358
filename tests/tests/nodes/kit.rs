//! A town: the servers, the nodes on them, and one client in this process.

mod load;
mod process;

pub(crate) use load::Load;
pub(crate) use process::Process;

use callboard::Builder;
use callboard::port::bus::rabbitmq::{RabbitMqBus, RabbitMqOptions};
use callboard::port::directory::redis::{RedisDirectory, RedisOptions};
use callboard::port::store::s3::{S3Key, S3Options, S3Store};
use callboard::prelude::*;
use callboard_chaos::proxy::Proxy;
use callboard_chaos::servers::{RabbitMq, RadosGw, Redis};
use callboard_chaos::store_proxy::StoreProxy;
use callboard_tests::{Add, How};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::{Instant, sleep, timeout};

/// How long a state may take to come true.
const PATIENCE: Duration = Duration::from_secs(120);
/// How soon a partition has another owner, and how soon after a server's return a call comes through. The aim is 10 s and 5 s,
/// and what it was is printed; on a machine that does other things at the same time it is several times that.
pub(crate) const RETURN_MAX: Duration = Duration::from_secs(40);
/// The bucket of all tests.
const BUCKET: &str = "callboard-nodes";

/// Real servers.
pub(crate) struct Servers {
    pub(crate) rabbitmq: RabbitMq,
    pub(crate) redis: Redis,
    pub(crate) radosgw: RadosGw,
    _folder: TempDir,
}

impl Servers {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let (rabbitmq, redis, radosgw) = (of("rabbitmq"), of("redis"), of("radosgw"));
        let started = Instant::now();
        let (rabbitmq, redis, radosgw) =
            tokio::try_join!(RabbitMq::start(&rabbitmq), Redis::start(&redis), RadosGw::start(&radosgw)).unwrap();
        radosgw.make_bucket(BUCKET).await.unwrap();
        println!("servers: {:?}", started.elapsed());
        Self { rabbitmq, redis, radosgw, _folder: folder }
    }
}

async fn all() -> &'static RwLock<Servers> {
    static SERVERS: OnceCell<RwLock<Servers>> = OnceCell::const_new();
    SERVERS.get_or_init(async || RwLock::new(Servers::start().await)).await
}

/// The servers of all tests, for one that breaks them, or counts what they do: it is alone with them.
pub(crate) async fn servers() -> RwLockWriteGuard<'static, Servers> {
    all().await.write().await
}

/// The same for one that leaves them alone, beside others that do.
pub(crate) async fn shared() -> RwLockReadGuard<'static, Servers> {
    all().await.read().await
}

/// A cluster of processes in a name space of its own.
pub(crate) struct Town {
    /// The name space.
    pub(crate) name: String,
    /// What lies between the nodes and the store.
    pub(crate) store: StoreProxy,
    /// The bucket that nodes and clients are joined to from now on.
    pub(crate) bucket: &'static str,
    folder: TempDir,
    rabbitmq: String,
    redis: String,
    key: S3Key,
}

impl Town {
    pub(crate) async fn on(servers: &Servers) -> Self {
        let key = servers.radosgw.key();
        let key = S3Key { id: key.id.clone(), secret: key.secret.clone(), token: None };
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, servers.radosgw.port()));
        Self {
            name: format!("t{}", &uuid::Uuid::new_v4().simple().to_string()[..8]),
            store: StoreProxy::start(at).await.unwrap(),
            bucket: BUCKET,
            folder: tempfile::Builder::new()
                .disable_cleanup(std::env::var_os("TEST_KEEP").is_some())
                .tempdir()
                .unwrap(),
            rabbitmq: servers.rabbitmq.url(),
            redis: servers.redis.url(),
            key,
        }
    }

    /// The file of what is done.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    /// A node as a process, with `instances` of each agent.
    pub(crate) async fn node(&self, instances: usize) -> Process {
        self.node_with(instances, &[]).await
    }

    /// The same with more settings.
    pub(crate) async fn node_with(&self, instances: usize, more: &[(&str, &str)]) -> Process {
        let log = self.folder.path().join(format!("node-{}.log", uuid::Uuid::new_v4().simple()));
        let mut variables: Vec<(&str, String)> = vec![
            ("CALLBOARD_NAMESPACE", self.name.clone()),
            ("CALLBOARD_BUS__URL", self.rabbitmq.clone()),
            ("CALLBOARD_DIRECTORY__URL", self.redis.clone()),
            ("CALLBOARD_STORE__URL", format!("s3://{}/nodes", self.bucket)),
            ("CALLBOARD_STORE__ENDPOINT", self.store.url()),
            ("CALLBOARD_PARTITIONS", "6".to_owned()),
            ("CALLBOARD_TENURE_MIN", "1s".to_owned()),
            ("CALLBOARD_LOSSES_MAX", "1000".to_owned()),
            ("AWS_REGION", "default".to_owned()),
            ("AWS_ACCESS_KEY_ID", self.key.id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.key.secret.clone()),
            ("LEDGER", self.ledger().display().to_string()),
            ("INSTANCES", instances.to_string()),
        ];
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Process::start(&variables, log).await
    }

    /// A node behind wires of its own.
    pub(crate) async fn node_behind(&self, wires: &Wires, instances: usize) -> Process {
        let through = |url: &str, port: u16| {
            let (start, rest) = url.split_once("127.0.0.1:").expect("it is on this machine");
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{start}127.0.0.1:{port}{rest}")
        };
        let bus = through(&self.rabbitmq, wires.bus.port());
        let directory = through(&self.redis, wires.directory.port());
        let store = format!("http://127.0.0.1:{}", wires.store.port());
        let more = [
            ("CALLBOARD_BUS__URL", &*bus),
            ("CALLBOARD_DIRECTORY__URL", &*directory),
            ("CALLBOARD_STORE__ENDPOINT", &*store),
        ];
        self.node_with(instances, &more).await
    }

    /// A client in this process.
    pub(crate) async fn client(&self) -> Callboard {
        self.inside(Builder::client).await
    }

    /// The store of the nodes.
    pub(crate) async fn s3(&self) -> S3Store {
        let mut store = S3Options::new(self.bucket, "nodes").unwrap();
        store.endpoint = Some(self.store.url());
        store.region = Some("default".to_owned());
        store.key = Some(self.key.clone());
        S3Store::connect(store).await.unwrap()
    }

    /// A node in this process, with agents that share what the test can look at. It is told where everything is in words of
    /// its own: the environment is the test's.
    pub(crate) async fn inside(&self, with: impl FnOnce(Builder) -> Builder) -> Callboard {
        let mut bus = RabbitMqOptions::new(&self.rabbitmq);
        bus.namespace = self.name.clone();
        let (bus, directory, store) = (
            RabbitMqBus::connect(bus).await.unwrap(),
            RedisDirectory::connect(RedisOptions::new(&self.redis, &self.name)).await.unwrap(),
            self.s3().await,
        );
        let name = self.name.clone();
        let builder = Callboard::dev().bus(Arc::new(bus)).directory(Arc::new(directory)).store(Arc::new(store));
        let builder = builder.settings(|settings| {
            settings.namespace = name;
            (settings.partitions, settings.tenure_min) = (6, Duration::from_secs(1));
        });
        with(builder).start().await.unwrap()
    }
}

/// What lies between one node and the servers.
pub(crate) struct Wires {
    pub(crate) bus: Proxy,
    pub(crate) directory: Proxy,
    pub(crate) store: Proxy,
}

impl Wires {
    pub(crate) async fn to(servers: &Servers) -> Self {
        let of = async |port| Proxy::start(port).await.unwrap();
        Self {
            bus: of(servers.rabbitmq.port()).await,
            directory: of(servers.redis.port()).await,
            store: of(servers.radosgw.port()).await,
        }
    }
}

/// Waits until a call comes through, and answers how long that took.
pub(crate) async fn traffic(client: &Callboard) -> Duration {
    until("a call comes through", async || {
        let id = format!("traffic-{}", uuid::Uuid::new_v4().simple());
        let call = client.call(Add { id, how: How::AtOnce, ms: 0, parts: Vec::new().into() });
        timeout(Duration::from_secs(3), call).await.is_ok_and(|told| told.is_ok())
    })
    .await
}

/// Waits until it is so, and answers how long that took.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) -> Duration {
    let started = Instant::now();
    let wait = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "not within {PATIENCE:?}: {what}");
    started.elapsed()
}

/// Waits until the client knows as many nodes that own something as there should be, and every partition has an owner.
pub(crate) async fn settled(client: &Callboard, owners: usize) -> Duration {
    until("every partition has an owner", async || {
        let Ok(nodes) = client.nodes().await else { return false };
        let owned: usize = nodes.iter().map(|node| node.partitions.len()).sum();
        let owning = nodes.iter().filter(|node| !node.partitions.is_empty()).count();
        (owned, owning) == (client.partitions(), owners)
    })
    .await
}
