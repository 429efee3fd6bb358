//! What is said of a Redis before it is used.

use std::path::PathBuf;
use std::time::Duration;

/// How a [`RedisDirectory`](super::RedisDirectory) reaches its Redis.
#[derive(Clone)]
pub struct RedisOptions {
    /// Where it is, in one of these forms; `rediss` instead of `redis` is the same over TLS:
    ///
    /// - `redis://USER:PASSWORD@HOST:PORT/DATABASE`: one server;
    /// - `redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/MASTER/DATABASE`: the master of that name, as these Sentinels
    ///   know it. User and password are those of the master and its replicas; the Sentinels are asked without;
    /// - `redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT`: a cluster that some of these servers belong to.
    ///
    /// User, password and database may be left out, and ports, which are 6379 or a Sentinel's 26379. What is no plain
    /// letter of a password is written `%40`.
    pub url: String,
    /// The name space: the hash tag of all keys is `{cb:NAMESPACE}`. 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub namespace: String,
    /// Trusts only the authorities of this file, in PEM, in the place of the system's. For `rediss://` alone: Sentinels and
    /// clusters go by the system's, which may be set by `SSL_CERT_FILE`.
    pub ca_file: Option<PathBuf>,
    /// The connections at most, each for one call at a time. More of them do more at once, cost the server memory, and
    /// take longer to be made again after a failover: Sentinels are asked for one after the other. 8 if not set.
    pub connections_max: usize,
    /// How long a call waits for a connection while all are taken. 1 s if not set.
    pub wait: Duration,
    /// How long making a connection may take, with names, TLS, authentication and Sentinels. 1 s if not set.
    pub connect: Duration,
    /// How long a connection that has been idle may take to show that it still works. 500 ms if not set.
    pub recycle: Duration,
    /// How long Redis may take to answer one request; with Sentinels 500 ms at most. 1 s if not set.
    pub response: Duration,
    /// How long a call may take, all in all: waiting, connecting, and a second try. 2 s if not set.
    pub call: Duration,
    /// How long [`connect`](super::RedisDirectory::connect) keeps trying to reach a server that is not there or is still
    /// loading its data. 10 s if not set.
    pub start: Duration,
}

impl RedisOptions {
    /// The defaults, for this place and name space.
    pub fn new(url: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            namespace: namespace.into(),
            ca_file: None,
            connections_max: 8,
            wait: Duration::from_secs(1),
            connect: Duration::from_secs(1),
            recycle: Duration::from_millis(500),
            response: Duration::from_secs(1),
            call: Duration::from_secs(2),
            start: Duration::from_secs(10),
        }
    }
}
