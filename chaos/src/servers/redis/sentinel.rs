//! Redis with Sentinel: a master, a replica, and three that watch over them.

use super::super::process::Process;
use super::super::{Error, port, program};
use super::{READY, Redis, RedisOptions, Reply, SERVER, ask, serves};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What the watchers call the pair.
const NAME: &str = "callboard";
/// How many watchers there are; two of them decide.
const WATCHERS: usize = 3;
/// Until they know one another, or have a new master; measured: 3 s.
const AGREED: Duration = Duration::from_secs(40);
/// How often they are asked meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// A master, a replica and three watchers.
///
/// The watchers take a silent master for dead after one second and make the replica the master then. What the old master
/// had and the replica had not is lost, as it is anywhere.
#[derive(Debug)]
pub struct Sentinel {
    servers: [Redis; 2],
    watchers: Vec<Watcher>,
}

#[derive(Debug)]
struct Watcher {
    port: u16,
    _process: Process,
}

impl Sentinel {
    /// The name of the pair, which clients ask the watchers for.
    pub const NAME: &'static str = NAME;

    /// Starts all five, and returns when the watchers know one another and the replica.
    ///
    /// # Errors
    ///
    /// Words about what is missing or wrong, and which log to read.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        let master = Redis::start(&folder.join("first")).await?;
        let of = ["--replicaof", "127.0.0.1", &master.port().to_string()].map(str::to_owned).to_vec();
        let options = RedisOptions { more: of, ..RedisOptions::default() };
        let replica = Redis::start_with(&folder.join("second"), options).await?;
        until("a replica in step", async || {
            let info = master.ask(&["INFO", "replication"]).await?.to_string();
            Ok(info.contains("state=online"))
        })
        .await?;
        let mut watchers = Vec::new();
        for number in 1..=WATCHERS {
            watchers.push(Watcher::start(&folder.join(format!("watcher-{number}")), master.port()).await?);
        }
        let sentinel = Self { servers: [master, replica], watchers };
        until("three watchers that know one another", async || sentinel.agreed().await).await?;
        Ok(sentinel)
    }

    async fn agreed(&self) -> Result<bool, Error> {
        for watcher in &self.watchers {
            let known = watcher.ask(&["SENTINEL", "MASTER", NAME]).await?;
            if known.field("num-other-sentinels") != Some("2") || known.field("num-slaves") != Some("1") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where the watchers are, such as `127.0.0.1:20817`.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.watchers.iter().map(|watcher| format!("127.0.0.1:{}", watcher.port)).collect()
    }

    /// Both servers, in the order of their first roles.
    pub fn servers(&mut self) -> &mut [Redis; 2] {
        &mut self.servers
    }

    /// The one that is the master now, as the first watcher has it.
    ///
    /// # Errors
    ///
    /// [`Error::NoAnswer`] when the watcher is away, [`Error::Refused`] when it knows no such master.
    pub async fn master(&mut self) -> Result<&mut Redis, Error> {
        let port = self.master_port().await?;
        let strange = || Error::Refused { asked: "the master".to_owned(), said: format!("it has port {port}") };
        self.servers.iter_mut().find(|server| server.port() == port).ok_or_else(strange)
    }

    async fn master_port(&self) -> Result<u16, Error> {
        let address = self.watchers[0].ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).await?;
        let port = match &address {
            Reply::List(parts) => parts.last().and_then(Reply::text).and_then(|port| port.parse().ok()),
            _ => None,
        };
        port.ok_or_else(|| Error::Refused { asked: "the master".to_owned(), said: address.to_string() })
    }

    /// Has the replica take over, and returns when it has; both servers must be running.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the watcher's words.
    pub async fn failover(&mut self) -> Result<(), Error> {
        let before = self.master_port().await?;
        self.watchers[0].ask(&["SENTINEL", "FAILOVER", NAME]).await?;
        self.taken_over_from(before).await
    }

    /// Kills the master (SIGKILL), and returns when the watchers have made the other one master. The killed one is among
    /// [`servers`](Self::servers) and may be started again: it takes itself for the master until they tell it otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when they do not.
    pub async fn kill_master(&mut self) -> Result<(), Error> {
        let before = self.master_port().await?;
        self.master().await?.kill();
        self.taken_over_from(before).await
    }

    async fn taken_over_from(&self, before: u16) -> Result<(), Error> {
        until("a new master", async || {
            let now = self.master_port().await?;
            let new = self.servers.iter().find(|server| server.port() == now && now != before);
            let Some(new) = new else { return Ok(false) };
            Ok(new.ask(&["ROLE"]).await?.to_string().contains("master"))
        })
        .await
    }
}

impl Watcher {
    async fn start(folder: &Path, master: u16) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        port::retry(async || Self::try_start(folder, master).await).await
    }

    async fn try_start(folder: &Path, master: u16) -> Result<Self, Error> {
        let (port, path) = (port::free(), folder.join("sentinel.conf"));
        let file = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {NAME} 127.0.0.1 {master} 2\n\
            sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 3000\n",
            folder.display()
        );
        std::fs::write(&path, file).map_err(Error::file(&path))?;
        let mut command = program::command(SERVER)?;
        command.arg(&path).arg("--sentinel");
        let mut process = Process::spawn("redis-sentinel", command, &folder.join("log"))?;
        let id = process.id();
        process.answers(READY, async || serves(port, &RedisOptions::default(), id).await).await?;
        Ok(Self { port, _process: process })
    }

    async fn ask(&self, command: &[&str]) -> Result<Reply, Error> {
        match ask(self.port, &RedisOptions::default(), command).await? {
            Reply::Error(said) => Err(Error::Refused { asked: command.join(" "), said }),
            reply => Ok(reply),
        }
    }
}

/// Asks until it is so; errors on the way are a no.
pub(super) async fn until(wanted: &str, is: impl AsyncFn() -> Result<bool, Error>) -> Result<(), Error> {
    let end = Instant::now() + AGREED;
    loop {
        let seen = match is().await {
            Ok(true) => return Ok(()),
            Ok(false) => "not yet".to_owned(),
            Err(error) => error.to_string(),
        };
        if Instant::now() >= end {
            return Err(Error::Refused { asked: wanted.to_owned(), said: format!("{seen} after {AGREED:?}") });
        }
        sleep(LOOK).await;
    }
}
