//! What the tests of the directory share: servers that belong together, and questions to them.

use bytes::Bytes;
use callboard::port::directory::Directory;
use callboard::port::directory::redis::{RedisDirectory, RedisOptions};
use callboard_chaos::servers::{self, Redis, Reply};
use futures::{StreamExt, stream};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long a state is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough that nothing expires while a test runs.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// The defaults, for a name space of the tests.
pub(crate) fn options(url: &str) -> RedisOptions {
    RedisOptions::new(url, "test")
}

/// Options of somebody whose limits are not what is tested: a debug build on a busy machine takes its time.
pub(crate) fn patient(url: &str) -> RedisOptions {
    let limit = Duration::from_secs(5);
    RedisOptions { wait: limit, connect: limit, response: limit, call: limit * 2, start: PATIENCE, ..options(url) }
}

/// A directory on this server.
pub(crate) async fn directory(redis: &Redis) -> RedisDirectory {
    RedisDirectory::connect(patient(&redis.url())).await.unwrap()
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// Registers `a` of a kind, for long.
pub(crate) async fn put(directory: &dyn Directory, kind: &str) {
    directory.put(kind, "a", Bytes::from_static(b"1"), LONG).await.unwrap();
}

/// Registers so many of a kind, 16 at once.
pub(crate) async fn put_many(directory: &dyn Directory, kind: &str, many: usize, value: &Bytes, life: Duration) {
    let puts = stream::iter((0..many).map(|number| async move {
        directory.put(kind, &format!("agent-{number:05}"), value.clone(), life).await.unwrap();
    }));
    puts.buffer_unordered(16).collect::<()>().await;
}

/// The ids of a kind.
pub(crate) async fn ids(directory: &dyn Directory, kind: &str) -> Vec<String> {
    directory.list(kind).await.unwrap().into_iter().map(|entry| entry.id).collect()
}

/// All keys of a server, in order.
pub(crate) async fn keys(redis: &Redis) -> Vec<String> {
    let Reply::List(keys) = redis.ask(&["KEYS", "*"]).await.unwrap() else { panic!("no list") };
    let mut keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    keys.sort_unstable();
    keys
}

/// A master, a replica of it, and three Sentinels that watch them as `board`.
pub(crate) struct Sentinels {
    pub(crate) servers: [Redis; 2],
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    process: Child,
    port: u16,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}

impl Sentinels {
    pub(crate) async fn start(folder: &Path) -> Self {
        let master = Redis::start(&folder.join("master")).await.unwrap();
        let port = master.port().to_string();
        let more = ["--replicaof", "127.0.0.1", &port].map(str::to_owned).into();
        let options = servers::RedisOptions { more, ..Default::default() };
        let replica = Redis::start_with(&folder.join("replica"), options).await.unwrap();
        until("the replica follows", async || {
            replica.ask(&["INFO", "replication"]).await.unwrap().to_string().contains("master_link_status:up")
        })
        .await;
        let sentinels: Vec<Sentinel> = (0..3).map(|number| Sentinel::start(folder, number, &port)).collect();
        let sentinels = Self { servers: [master, replica], sentinels };
        for sentinel in &sentinels.sentinels {
            until("the sentinels know one another and the replica", async || {
                let known = sentinel.ask("sentinel master board");
                known.contains("num-other-sentinels\n2\n") && known.contains("num-slaves\n1\n")
            })
            .await;
        }
        sentinels
    }

    pub(crate) fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis+sentinel://{}/board", hosts.join(","))
    }

    /// The port of the master, as the first Sentinel sees it.
    pub(crate) fn master(&self) -> u16 {
        let told = self.sentinels[0].ask("sentinel get-master-addr-by-name board");
        told.lines().nth(1).unwrap().parse().unwrap()
    }

    /// Has the replica promoted and the master demoted, and waits until both are.
    pub(crate) async fn fail_over(&self) {
        self.sentinels[0].ask("sentinel failover board");
        until("the replica is promoted", async || self.master() == self.servers[1].port()).await;
        // A server that is demoted closes the connections of its clients, which may be that of the question.
        let role = async || self.servers[0].ask(&["INFO", "replication"]).await;
        until("the master is demoted", async || role().await.is_ok_and(|told| told.to_string().contains("role:slave")))
            .await;
    }
}

impl Sentinel {
    fn start(folder: &Path, number: u16, master: &str) -> Self {
        let port = free_port();
        let file = folder.join(format!("sentinel-{number}.conf"));
        let settings = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor board 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds board 1000\nsentinel failover-timeout board 5000\n",
            folder.display()
        );
        std::fs::write(&file, settings).unwrap();
        let process = Command::new("redis-sentinel")
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-sentinel is not installed: run `make services`, which installs it");
        Self { process, port }
    }

    fn ask(&self, words: &str) -> String {
        let mut command = Command::new("redis-cli");
        let said = command.args(["-p", &self.port.to_string()]).args(words.split(' ')).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    }
}

/// A door to servers that can be led to another one: for connections that come, while those that are there stay.
pub(crate) struct Door {
    at: SocketAddr,
    leads_to: watch::Sender<u16>,
    _open: JoinSet<()>,
}

impl Door {
    pub(crate) async fn open(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, leads_to) = (listener.local_addr().unwrap(), watch::Sender::new(port));
        let (port, mut open) = (leads_to.subscribe(), JoinSet::new());
        open.spawn(async move {
            let mut passages = JoinSet::new();
            loop {
                let (mut here, _) = listener.accept().await.unwrap();
                let port = *port.borrow();
                passages.spawn(async move {
                    let mut there = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let _closed = copy_bidirectional(&mut here, &mut there).await;
                });
            }
        });
        Self { at, leads_to, _open: open }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.at)
    }

    pub(crate) fn lead_to(&self, port: u16) {
        self.leads_to.send_replace(port);
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A cluster of three masters.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Redis>,
}

impl Cluster {
    pub(crate) async fn start(folder: &Path) -> Self {
        let mut servers = Vec::new();
        for number in 0..3 {
            let more = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"].map(str::to_owned).into();
            let options = servers::RedisOptions { more, ..Default::default() };
            servers.push(Redis::start_with(&folder.join(number.to_string()), options).await.unwrap());
        }
        let first = servers[0].port().to_string();
        for (server, slots) in servers.iter().zip([["0", "5461"], ["5462", "10922"], ["10923", "16383"]]) {
            server.ask(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]).await.unwrap();
            server.ask(&["CLUSTER", "MEET", "127.0.0.1", &first]).await.unwrap();
        }
        for server in &servers {
            until("the cluster is whole", async || {
                server.ask(&["CLUSTER", "INFO"]).await.unwrap().to_string().contains("cluster_state:ok")
            })
            .await;
        }
        Self { servers }
    }

    pub(crate) fn url(&self) -> String {
        let hosts: Vec<String> = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }
}
