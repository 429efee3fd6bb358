//! Connections, lent for one call each.

use super::address::{Address, Topology, Transport};
use super::failure::Failure;
use super::options::RedisOptions;
use super::tls;
use deadpool_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use deadpool_redis::redis::{
    AsyncConnectionConfig, Cmd, ConnectionInfo, IntoConnectionInfo, Pipeline, RedisFuture, RedisResult, Value,
};
use deadpool_redis::sentinel::{self, SentinelNodeConnectionInfo, SentinelServerType, TlsMode};
use deadpool_redis::{Manager, Metrics, PoolConfig, QueueMode, Runtime, Timeouts, cluster};
use std::time::Duration;

/// How long a connection to a master that Sentinels named is used before they are asked again. They tell a master that
/// was replaced while it lives only after 8 s (4 times `SENTINEL_PUBLISH_PERIOD`), and it takes writes until then, which
/// are lost.
const NAMED_FOR: Duration = Duration::from_secs(3);

/// The connections to a Redis.
pub(super) enum Pool {
    Server(deadpool_redis::Pool),
    Sentinel(sentinel::Pool),
    Cluster(cluster::Pool),
}

/// A connection. It goes back to the pool only by [`give_back`](Self::give_back): one that is dropped in the middle of a
/// request is closed.
pub(super) struct Lent(Option<Connection>);

enum Connection {
    Server(deadpool_redis::Connection),
    Sentinel(sentinel::Connection),
    Cluster(cluster::Connection),
}

impl Pool {
    /// A pool that has no connections yet.
    ///
    /// # Errors
    ///
    /// What of the address or the options can not be used.
    pub(super) fn new(address: &Address, options: &RedisOptions) -> Result<Self, String> {
        if address.transport == Transport::Tls {
            tls::choose_cryptography();
        }
        let one = match &options.ca_file {
            Some(authorities) => Some(tls::trusting(address, authorities)?),
            None => None,
        };
        Self::of(address, one, options).map_err(|error| format!("the directory at {address} can not be used: {error}"))
    }

    fn of(address: &Address, one: Option<ConnectionInfo>, options: &RedisOptions) -> RedisResult<Self> {
        let timeouts =
            Timeouts { wait: Some(options.wait), create: Some(options.connect), recycle: Some(options.recycle) };
        // The last one back is the next one out, so that a quiet time leaves few connections to be tried.
        let config = PoolConfig { max_size: options.connections_max, timeouts, queue_mode: QueueMode::Lifo };
        const RUNTIME: Runtime = Runtime::Tokio1;
        let with_runtime = "a pool with a runtime can be built";
        Ok(match &address.topology {
            Topology::Server => {
                let limits = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(options.connect))
                    .set_response_timeout(Some(options.response));
                let place = one.map_or_else(|| address.url().into_connection_info(), Ok)?;
                let manager = Manager::new_with_config(place, limits)?;
                let pool = deadpool_redis::Pool::builder(manager).config(config).runtime(RUNTIME).build();
                Self::Server(pool.expect(with_runtime))
            }
            Topology::Sentinel { master } => {
                let of_master = address.url().into_connection_info()?;
                let info = SentinelNodeConnectionInfo {
                    tls_mode: (address.transport == Transport::Tls).then_some(TlsMode::Secure),
                    redis_connection_info: Some(of_master.redis_settings().clone().into()),
                };
                let sentinels = address.urls();
                let manager =
                    sentinel::Manager::new(sentinels, master.clone(), Some(info), SentinelServerType::Master)?;
                let pool = sentinel::Pool::builder(manager).config(config).runtime(RUNTIME);
                let pool = pool.pre_recycle(sentinel::Hook::sync_fn(named_lately)).build();
                Self::Sentinel(pool.expect(with_runtime))
            }
            Topology::Cluster => {
                let manager = cluster::Manager::new(address.urls(), false)?;
                let pool = cluster::Pool::builder(manager).config(config).runtime(RUNTIME).build();
                Self::Cluster(pool.expect(with_runtime))
            }
        })
    }

    /// Takes a connection that has just shown that it works, or makes one.
    pub(super) async fn lend(&self) -> Result<Lent, Failure> {
        let lent = match self {
            Self::Server(pool) => pool.get().await.map(Connection::Server),
            Self::Sentinel(pool) => pool.get().await.map(Connection::Sentinel),
            Self::Cluster(pool) => pool.get().await.map(Connection::Cluster),
        };
        lent.map(|connection| Lent(Some(connection))).map_err(|error| Failure::without_connection(&error))
    }

    /// Closes every connection that nobody has: what one has met the others will meet.
    pub(super) fn purge(&self) {
        match self {
            Self::Server(pool) => drop(pool.retain(|_, _| false)),
            Self::Sentinel(pool) => drop(pool.retain(|_, _| false)),
            Self::Cluster(pool) => drop(pool.retain(|_, _| false)),
        }
    }
}

fn named_lately(_: &mut MultiplexedConnection, seen: &Metrics) -> Result<(), sentinel::HookError> {
    if seen.age() < NAMED_FOR { Ok(()) } else { Err(sentinel::HookError::message("named too long ago")) }
}

impl Lent {
    /// Puts it back, for the next call.
    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }

    fn connection(&mut self) -> &mut (dyn ConnectionLike + Send) {
        match self.0.as_mut().expect("it is there until it is given back, which takes it") {
            Connection::Server(connection) => connection,
            Connection::Sentinel(connection) => connection,
            Connection::Cluster(connection) => connection,
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        match self.0.take() {
            Some(Connection::Server(connection)) => drop(deadpool_redis::Connection::take(connection)),
            Some(Connection::Sentinel(connection)) => drop(sentinel::Connection::take(connection)),
            Some(Connection::Cluster(connection)) => drop(cluster::Connection::take(connection)),
            None => {}
        }
    }
}

impl ConnectionLike for Lent {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.connection().req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.connection().req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        0 // nobody asks: the scripts name no database
    }
}
