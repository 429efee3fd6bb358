//! Redis, as one server or with Sentinels.

use crate::plan::RedisKind;
use crate::servers::{Error, Redis, Reply, Sentinel};
use std::path::Path;

/// What nodes and clients use as their directory.
pub(super) enum Servers {
    Single(Redis),
    Watched(Box<Sentinel>),
}

impl Servers {
    pub(super) async fn start(kind: RedisKind, folder: &Path) -> Result<Self, Error> {
        match kind {
            RedisKind::Single => Redis::start(folder).await.map(Self::Single),
            RedisKind::Sentinel => Sentinel::start(folder).await.map(Box::new).map(Self::Watched),
        }
    }

    /// Where clients find it.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Single(server) => server.url(),
            Self::Watched(all) => format!("redis+sentinel://{}/{}", all.addresses().join(","), Sentinel::NAME),
        }
    }

    /// The port before which a proxy can lie, if there is one.
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::Single(server) => Some(server.port()),
            Self::Watched(_) => None,
        }
    }

    pub(super) async fn ask(&mut self, command: &[&str]) -> Result<Reply, Error> {
        match self {
            Self::Single(server) => server.ask(command).await,
            Self::Watched(all) => all.master().await?.ask(command).await,
        }
    }

    /// All keys and scripts are gone.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        match self {
            Self::Single(server) => server.flush().await,
            Self::Watched(all) => all.master().await?.flush().await,
        }
    }

    /// The keys that are chosen are gone.
    pub(super) async fn evict(&mut self, is_chosen: impl FnMut(&str) -> bool) -> Result<(), Error> {
        match self {
            Self::Single(server) => server.evict(is_chosen).await,
            Self::Watched(all) => all.master().await?.evict(is_chosen).await,
        }
    }

    /// The keys that stay until somebody removes them.
    pub(super) async fn keys_for_ever(&mut self) -> Result<Vec<String>, Error> {
        match self {
            Self::Single(server) => server.keys_for_ever().await,
            Self::Watched(all) => all.master().await?.keys_for_ever().await,
        }
    }

    /// It is killed and started again; with Sentinels that is a failover.
    pub(super) async fn kill_and_start(&mut self) -> Result<(), Error> {
        match self {
            Self::Single(server) => {
                server.kill();
                server.start_again().await
            }
            Self::Watched(_) => self.fail_over().await,
        }
    }

    /// The master is killed, the replica takes over, and the old master comes back; with one server there is no other.
    pub(super) async fn fail_over(&mut self) -> Result<(), Error> {
        let Self::Watched(all) = self else { return Ok(()) };
        all.kill_master().await?;
        for server in all.servers().iter_mut().filter(|server| server.id().is_none()) {
            server.start_again().await?;
        }
        Ok(())
    }
}
