//! One set of servers for all tests of a checkout, and for trying things out: it outlives the command that starts it.

mod identity;
#[cfg(test)]
mod tests;

use super::{Error, RabbitMq, RadosGw, Redis};
use identity::Identity;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The bucket that is there from the beginning.
const BUCKET: &str = "callboard";

/// What is running, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// RabbitMQ: `amqp://...`.
    pub rabbitmq: Service<String>,
    /// Redis: `redis://...`.
    pub redis: Service<String>,
    /// radosgw.
    pub s3: Service<S3>,
}

/// One of the servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service<T> {
    /// How clients reach it.
    pub at: T,
    processes: Vec<Identity>,
}

/// What a client of S3 is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3 {
    /// `http://...`; buckets are in the path.
    pub endpoint: String,
    /// The only one.
    pub region: String,
    /// The access key.
    pub key: String,
    /// The secret key.
    pub secret: String,
    /// A bucket that is there.
    pub bucket: String,
}

impl<T> Service<T> {
    fn new(at: T, ids: Vec<u32>) -> Self {
        Self { at, processes: ids.into_iter().filter_map(Identity::of).collect() }
    }

    fn lives(&self) -> bool {
        self.processes.iter().all(Identity::lives)
    }
}

impl Running {
    /// What a node of Callboard is told to use them, in the environment.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let s3 = &self.s3.at;
        vec![
            ("CALLBOARD_BUS__URL", self.rabbitmq.at.clone()),
            ("CALLBOARD_DIRECTORY__URL", self.redis.at.clone()),
            ("CALLBOARD_STORE__URL", format!("s3://{}", s3.bucket)),
            ("AWS_ENDPOINT_URL", s3.endpoint.clone()),
            ("AWS_REGION", s3.region.clone()),
            ("AWS_ACCESS_KEY_ID", s3.key.clone()),
            ("AWS_SECRET_ACCESS_KEY", s3.secret.clone()),
        ]
    }
}

/// What was started, and is written down: all of it, unless one of them failed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct State {
    rabbitmq: Option<Service<String>>,
    redis: Option<Service<String>>,
    s3: Option<Service<S3>>,
}

/// How it is with one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Running,
    Ended,
    NeverStarted,
}

impl Health {
    fn words(self) -> &'static str {
        match self {
            Self::Running => "is running",
            Self::Ended => "has ended",
            Self::NeverStarted => "could not be started",
        }
    }
}

impl State {
    fn read(folder: &Path) -> Result<Self, Error> {
        let path = file(folder);
        let no_servers = |seen: String| Error::NoServers { seen: format!("{}: {seen}", path.display()) };
        let text = std::fs::read_to_string(&path).map_err(|error| no_servers(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| no_servers(error.to_string()))
    }

    fn write(&self, folder: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::file(file(folder))(error.into()))?;
        std::fs::write(file(folder), text).map_err(Error::file(file(folder)))
    }

    fn health(&self) -> [(&'static str, Health); 3] {
        let of = |lives: Option<bool>| match lives {
            Some(true) => Health::Running,
            Some(false) => Health::Ended,
            None => Health::NeverStarted,
        };
        [
            ("rabbitmq", of(self.rabbitmq.as_ref().map(Service::lives))),
            ("redis", of(self.redis.as_ref().map(Service::lives))),
            ("radosgw", of(self.s3.as_ref().map(Service::lives))),
        ]
    }

    fn processes(self) -> Vec<Identity> {
        let of = |service: Service<String>| service.processes;
        let (rabbitmq, redis) = (self.rabbitmq.map(of), self.redis.map(of));
        let s3 = self.s3.map(|service| service.processes);
        [rabbitmq, redis, s3].into_iter().flatten().flatten().collect()
    }
}

/// The servers of this checkout, which `make services` has started.
///
/// # Errors
///
/// [`Error::NoServers`] when they have not been started, or one of them is gone.
pub fn running() -> Result<Running, Error> {
    running_in(&folder())
}

fn running_in(folder: &Path) -> Result<Running, Error> {
    let state = State::read(folder)?;
    if let Some((name, health)) = state.health().into_iter().find(|(_, health)| *health != Health::Running) {
        return Err(Error::NoServers { seen: format!("{name} {}", health.words()) });
    }
    match state {
        State { rabbitmq: Some(rabbitmq), redis: Some(redis), s3: Some(s3) } => Ok(Running { rabbitmq, redis, s3 }),
        _ => Err(Error::NoServers { seen: "some never started".to_owned() }),
    }
}

/// Below the checkout, wherever a build goes.
fn folder() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).join("target/services")
}

fn file(folder: &Path) -> PathBuf {
    folder.join("servers.json")
}

/// Starts all that is not running, at the same time, and returns when all of it answers.
///
/// # Errors
///
/// Those of the servers.
pub async fn up() -> Result<Running, Error> {
    up_in(&folder()).await
}

async fn up_in(folder: &Path) -> Result<Running, Error> {
    let _only = lock(folder)?;
    let before = State::read(folder).unwrap_or_default();
    let (rabbitmq, redis, s3) = tokio::join!(
        kept_or(before.rabbitmq, folder.join("rabbitmq"), start_rabbitmq),
        kept_or(before.redis, folder.join("redis"), start_redis),
        kept_or(before.s3, folder.join("radosgw"), start_s3),
    );
    // If one has failed, the others are known to the next `up` or `down`.
    let state = State { rabbitmq: known(&rabbitmq), redis: known(&redis), s3: known(&s3) };
    state.write(folder)?;
    Ok(Running { rabbitmq: rabbitmq?, redis: redis?, s3: s3? })
}

fn known<T: Clone>(started: &Result<Service<T>, Error>) -> Option<Service<T>> {
    started.as_ref().ok().cloned()
}

/// What is running is kept; the rest starts anew, without the data of what was there.
async fn kept_or<T>(
    before: Option<Service<T>>,
    folder: PathBuf,
    start: impl AsyncFnOnce(PathBuf) -> Result<Service<T>, Error>,
) -> Result<Service<T>, Error> {
    if let Some(service) = before {
        if service.lives() {
            return Ok(service);
        }
        service.processes.iter().for_each(Identity::kill);
    }
    remove(&folder)?;
    start(folder).await
}

async fn start_rabbitmq(folder: PathBuf) -> Result<Service<String>, Error> {
    let server = RabbitMq::start(&folder).await?;
    Ok(Service::new(server.url(), server.detach()))
}

async fn start_redis(folder: PathBuf) -> Result<Service<String>, Error> {
    let server = Redis::start(&folder).await?;
    Ok(Service::new(server.url(), server.detach()))
}

async fn start_s3(folder: PathBuf) -> Result<Service<S3>, Error> {
    let server = RadosGw::start(&folder).await?;
    server.make_bucket(BUCKET).await?;
    let at = S3 {
        endpoint: server.url(),
        region: RadosGw::REGION.to_owned(),
        key: server.key().id.clone(),
        secret: server.key().secret.clone(),
        bucket: BUCKET.to_owned(),
    };
    Ok(Service::new(at, server.detach()))
}

/// Ends what is running, by the ids that were written down, and removes all data. Nothing happens when nothing runs.
///
/// # Errors
///
/// [`Error::File`] when the data cannot be removed.
pub async fn down() -> Result<(), Error> {
    down_in(&folder()).await
}

async fn down_in(folder: &Path) -> Result<(), Error> {
    if !folder.exists() {
        return Ok(());
    }
    let _only = lock(folder)?;
    let all = State::read(folder).unwrap_or_default().processes();
    all.iter().for_each(Identity::kill);
    for process in &all {
        process.gone().await;
    }
    remove(folder)
}

/// One line for each server: what it is, and whether it runs.
///
/// # Errors
///
/// [`Error::NoServers`] when they have not been started.
pub fn status() -> Result<String, Error> {
    let health = State::read(&folder())?.health();
    Ok(health.map(|(name, health)| format!("{name} {}", health.words())).join("\n"))
}

/// Held as long as the servers are started or ended, so that nobody else does so.
fn lock(folder: &Path) -> Result<File, Error> {
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let path = folder.with_extension("lock");
    let file = File::create(&path).map_err(Error::file(&path))?;
    file.lock().map_err(Error::file(&path))?;
    Ok(file)
}

fn remove(folder: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(folder)(error)),
        _ => Ok(()),
    }
}
