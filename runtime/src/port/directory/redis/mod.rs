//! The directory on Redis: one server, a master that Sentinels watch, or a cluster.
//!
//! # What is kept, and how it expires
//!
//! A kind is a sorted set of ids, scored by the millisecond at which each expires, and a hash of their values; a lease is a
//! string with a time to live of its own. Each operation is one script, or one transaction, over keys of one hash tag, by
//! the clock of the server.
//!
//! - Why not a key per registration, which Redis would expire by itself: a listing would fetch 10,000 keys that no script
//!   can name beforehand, and the index would still have to be cleaned. Fields of a hash with a time to live of their own
//!   need Redis 7.4.
//! - Each `put` takes up to 100 dead ids out, and more than it puts in, each `list` all of them in the transaction in
//!   which it reads, so that a listing has exactly the living, and no index keeps the dead. Both keys of a kind expire
//!   with the last of its ids.
//! - A value is kept under each kind that it is registered under. It is read by `HGET {cb:NS}:agent/values ID`; who
//!   can do something is `ZRANGEBYSCORE {cb:NS}:capability:NAME (NOW +inf`.
//!
//! # What it costs
//!
//! | call | round trips | commands that the client sends | commands that the script runs |
//! |---|---|---|---|
//! | `put` | 2 | `PING` `EVALSHA` | `TIME` `ZRANGEBYSCORE` `ZADD` `HSET` `ZREVRANGE` 2 x `PEXPIREAT`; `HDEL` `ZREM` if any are dead |
//! | `put_all` | 2 per 100 | as `put`, per 100 | as `put`, per 100 |
//! | `remove` | 2 | `PING` `EVALSHA` | `ZREM` `HDEL` |
//! | `list` | 2 | `PING` `MULTI` `EVALSHA` `HGETALL` `EXEC` | `TIME` `ZRANGEBYSCORE` `ZREMRANGEBYSCORE`; `HDEL` `ZREM` per 1,000 dead |
//! | `acquire` | 2 | `PING` `EVALSHA` | `GET` `SET` |
//! | `renew` | 2 | `PING` `EVALSHA` | `GET` `PEXPIRE` |
//! | `release` | 2 | `PING` `EVALSHA` | `GET` `DEL` |
//! | `hold` | 2 | `PING` `EVALSHA` | `TIME` `HGETALL` `HSET` or `HDEL`, `PEXPIREAT`; `HDEL` per dead holder |
//!
//! The `PING` (with an `UNWATCH` before it on a single server) is the pool's, and what makes an idle connection that has
//! died a connection to be replaced rather than an unclear answer.
//!
//! # What may go wrong
//!
//! A call ends within [`RedisOptions::call`]. Where nothing was sent, or the server has said that it did nothing, it is
//! refused; where a request was sent and nothing came back, it is unclear. One second try is made, on a new connection: by
//! any call that a server has refused because it is a replica, is loading or has lost its place in a cluster, and by `list`
//! also where no answer came. No other call is made again by itself: its first try may be late rather than lost, and would
//! then undo what was done since. (The client of a cluster does that, while it looks for the server that has the keys; a
//! release may then be told `NotHeld` for what it has just released.)
//!
//! A connection that has shown a fault is closed, and with it all that are idle: those to a master that was demoted would
//! pass every `PING`, and refuse every write. Behind Sentinels no connection is used for more than 3 s: they tell a master
//! that was replaced, and lives, only after 8 s, and until then it takes writes that it will lose.

mod address;
mod connect;
mod failure;
mod keys;
mod options;
mod pool;
mod script;
mod tls;

#[cfg(test)]
mod tests;

pub use connect::{ConnectError, Eviction};
pub use options::RedisOptions;

use self::address::Address;
use self::failure::Failure;
use self::keys::Keys;
use self::pool::{Lent, Pool};
use self::script::{Request, Script};
use super::{Ask, Directory, Entry, Error, Lease, Release, Share, check_names, check_ttl};
use bytes::Bytes;
use deadpool_redis::redis::{self, FromRedisValue};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The longest time to live in milliseconds, a thousand years: what is longer is as long.
const TTL_MAX: u64 = 1_000 * 365 * 24 * 3_600_000;
/// Registrations that one script takes: the server does nothing else meanwhile.
const PUT_AT_ONCE: usize = 100;

/// A directory on Redis. See the module.
pub struct RedisDirectory {
    address: Address,
    keys: Keys,
    pool: Pool,
    response: Duration,
    call: Duration,
}

/// When a request that was not answered is sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    /// Always: it changes nothing that anybody sees.
    Always,
    /// If nothing was done.
    IfUndone,
}

impl RedisDirectory {
    /// A directory on a Redis that need not be there yet: it is connected to when it is first asked.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Options`].
    pub fn new(options: RedisOptions) -> Result<Self, ConnectError> {
        let refused = |reason| ConnectError::Options { reason };
        if check_names(&[&options.namespace]).is_err() {
            return Err(refused(format!("a name space is 1 to 64 of A-Z a-z 0-9 _ -, not {:?}", options.namespace)));
        }
        let address = Address::read(&options.url).map_err(refused)?;
        let pool = Pool::new(&address, &options).map_err(refused)?;
        let keys = Keys::new(&options.namespace);
        Ok(Self { address, keys, pool, response: options.response, call: options.call })
    }

    /// Has a request done, within the limit of a call.
    async fn call<T: FromRedisValue>(&self, request: &Request, repeat: Repeat) -> Result<T, Failure> {
        let deadline = Instant::now() + self.call;
        match self.attempt(request, deadline).await {
            Err(Failure::Displaced(_)) => self.attempt(request, deadline).await,
            Err(Failure::Unanswered(_)) if repeat == Repeat::Always => self.attempt(request, deadline).await,
            answer => answer,
        }
    }

    async fn attempt<T: FromRedisValue>(&self, request: &Request, deadline: Instant) -> Result<T, Failure> {
        let lent = timeout_at(deadline, self.pool.lend()).await;
        let answer = match lent.unwrap_or_else(|_| Err(Failure::unsent(self.call))) {
            Ok(lent) => self.send(request, lent, deadline).await,
            Err(failure) => Err(failure),
        };
        if answer.as_ref().is_err_and(Failure::blames_the_connection) {
            self.pool.purge();
        }
        answer
    }

    async fn send<T: FromRedisValue>(&self, request: &Request, mut by: Lent, deadline: Instant) -> Result<T, Failure> {
        let until = deadline.min(Instant::now() + self.response);
        let answer = match timeout_at(until, request.send(&mut by)).await {
            Ok(answer) => answer.map_err(|error| Failure::of(&error)),
            Err(_) => Err(Failure::silent(self.response)),
        };
        if !answer.as_ref().is_err_and(Failure::blames_the_connection) {
            by.give_back();
        }
        answer
    }

    /// One script for so many at once.
    async fn put_now(&self, kind: &str, entries: &[(&str, &[u8])], ttl: Duration) -> Result<(), Error> {
        check_names(&[kind])?;
        let ttl = millis(ttl)?;
        let (proper, others): (Vec<_>, Vec<_>) = entries.iter().partition(|(id, _)| check_names(&[id]).is_ok());
        for some in proper.chunks(PUT_AT_ONCE) {
            let request = Request::new(&script::PUT, self.keys.of_kind(kind)).arg(&ttl);
            let request = some.iter().fold(request, |request, (id, value)| request.arg(id).arg(value));
            self.call::<()>(&request, Repeat::IfUndone).await?;
        }
        others.first().map_or(Ok(()), |(id, _)| check_names(&[id]))
    }

    async fn remove_now(&self, kind: &str, id: &str) -> Result<(), Error> {
        check_names(&[kind, id])?;
        let request = Request::new(&script::REMOVE, self.keys.of_kind(kind)).arg(id);
        Ok(self.call(&request, Repeat::IfUndone).await?)
    }

    async fn list_now(&self, kind: &str) -> Result<Vec<Entry>, Error> {
        check_names(&[kind])?;
        let [index, values] = self.keys.of_kind(kind);
        let mut read = redis::cmd("HGETALL");
        read.arg(&values);
        let request = Request::new(&script::SWEEP, [index, values]).and_read(read);
        let living: Vec<(String, Bytes)> = self.call(&request, Repeat::Always).await?;
        let mut entries: Vec<Entry> = living.into_iter().map(|(id, value)| Entry { id, value }).collect();
        entries.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Ok(entries)
    }

    async fn lease(&self, script: &'static Script, name: &str, holder: &str, ttl: Duration) -> Result<Lease, Error> {
        check_names(&[name, holder])?;
        let request = Request::new(script, [self.keys.lease(name)]).arg(holder).arg(millis(ttl)?);
        let holds: Option<String> = self.call(&request, Repeat::IfUndone).await?;
        Ok(match holds {
            Some(name) if name == holder => Lease::Held,
            Some(other) => Lease::HeldBy(other),
            None => Lease::Free,
        })
    }

    async fn release_now(&self, name: &str, holder: &str) -> Result<Release, Error> {
        check_names(&[name, holder])?;
        let request = Request::new(&script::RELEASE, [self.keys.lease(name)]).arg(holder);
        let released: u8 = self.call(&request, Repeat::IfUndone).await?;
        Ok(if released == 1 { Release::Released } else { Release::NotHeld })
    }

    /// Said twice it changes nothing more, but a late first try would undo what was said since.
    async fn hold_now(&self, pool: &str, holder: &str, ask: Ask, ttl: Duration) -> Result<Share, Error> {
        check_names(&[pool, holder])?;
        let request = Request::new(&script::HOLD, [self.keys.pool(pool)]).arg(holder);
        let numbers = [ask.capacity, ask.kept, ask.wanted, ask.least];
        let request = numbers.iter().fold(request, |request, number| request.arg(number.to_string()));
        let (held, fair): (u64, i64) = self.call(&request.arg(millis(ttl)?), Repeat::IfUndone).await?;
        Ok(Share { held, fair: u64::try_from(fair).unwrap_or(u64::MAX) })
    }
}

/// A time to live in whole milliseconds, not less than it is.
fn millis(ttl: Duration) -> Result<String, Error> {
    check_ttl(ttl)?;
    let whole = ttl.as_nanos().div_ceil(1_000_000);
    Ok(u64::try_from(whole).unwrap_or(TTL_MAX).min(TTL_MAX).to_string())
}

impl Directory for RedisDirectory {
    fn put<'a>(&'a self, kind: &'a str, id: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<(), Error>> {
        async move { self.put_now(kind, &[(id, &value)], ttl).await }.boxed()
    }

    fn put_all<'a>(
        &'a self,
        kind: &'a str,
        entries: &'a [(String, Bytes)],
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let entries: Vec<(&str, &[u8])> = entries.iter().map(|(id, value)| (id.as_str(), value.as_ref())).collect();
        async move { self.put_now(kind, &entries, ttl).await }.boxed()
    }

    fn remove<'a>(&'a self, kind: &'a str, id: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        self.remove_now(kind, id).boxed()
    }

    fn list<'a>(&'a self, kind: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, Error>> {
        self.list_now(kind).boxed()
    }

    fn acquire<'a>(&'a self, name: &'a str, holder: &'a str, ttl: Duration) -> BoxFuture<'a, Result<Lease, Error>> {
        self.lease(&script::ACQUIRE, name, holder, ttl).boxed()
    }

    fn renew<'a>(&'a self, name: &'a str, holder: &'a str, ttl: Duration) -> BoxFuture<'a, Result<Lease, Error>> {
        self.lease(&script::RENEW, name, holder, ttl).boxed()
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<Release, Error>> {
        self.release_now(name, holder).boxed()
    }

    fn hold<'a>(
        &'a self,
        pool: &'a str,
        holder: &'a str,
        ask: Ask,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Share, Error>> {
        self.hold_now(pool, holder, ask, ttl).boxed()
    }
}

impl fmt::Debug for RedisDirectory {
    /// Where it is, without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisDirectory({})", self.address)
    }
}
