//! The directory in process, for `dev`, tests and single nodes. Time is tokio's, so paused time works.

#[cfg(any(test, feature = "test"))]
mod forget;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{Ask, Directory, Entry, Error, Lease, Release, Share, check_names, check_ttl, share_of};

/// Below this many entries nobody sweeps.
const SWEEP_MIN: usize = 64;

/// A directory within one process; clones share everything.
#[derive(Clone, Debug, Default)]
pub struct MemoryDirectory(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// By kind and id.
    entries: Expiring<(String, String), Bytes>,
    /// The holder, by name.
    leases: Expiring<String, String>,
    /// What is held and what is wanted of each pool, by the pool and the holder.
    parts: Expiring<(String, String), (u64, u64)>,
}

impl MemoryDirectory {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything, as an emptied server does.
    pub fn wipe(&self) {
        *self.lock() = Inner::default();
    }

    /// What has not expired: entries as `kind/id`, leases by their names, parts as `pool/holder`.
    pub fn live(&self) -> Vec<String> {
        let inner = self.lock();
        let now = Instant::now();
        let entries = inner.entries.map.iter().filter(|(_, held)| held.until > now);
        let leases = inner.leases.map.iter().filter(|(_, held)| held.until > now);
        let entries = entries.map(|((kind, id), _)| format!("{kind}/{id}"));
        let parts = inner.parts.map.iter().filter(|(_, held)| held.until > now);
        let parts = parts.map(|((pool, holder), _)| format!("part {pool}/{holder}"));
        entries.chain(leases.map(|(name, _)| format!("lease {name}"))).chain(parts).collect()
    }

    /// No foreign code runs under the lock, so a poisoned map is a whole one.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acquire_now(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, Error> {
        check_names(&[name, holder])?;
        check_ttl(ttl)?;
        let mut inner = self.lock();
        match inner.leases.live(name) {
            Some(other) if other != holder => Ok(Lease::HeldBy(other.clone())),
            _ => {
                inner.leases.put(name.to_owned(), holder.to_owned(), ttl);
                Ok(Lease::Held)
            }
        }
    }

    fn renew_now(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, Error> {
        check_names(&[name, holder])?;
        check_ttl(ttl)?;
        let mut inner = self.lock();
        match inner.leases.live(name) {
            None => Ok(Lease::Free),
            Some(other) if other != holder => Ok(Lease::HeldBy(other.clone())),
            Some(_) => {
                inner.leases.put(name.to_owned(), holder.to_owned(), ttl);
                Ok(Lease::Held)
            }
        }
    }

    fn release_now(&self, name: &str, holder: &str) -> Result<Release, Error> {
        check_names(&[name, holder])?;
        let mut inner = self.lock();
        if inner.leases.live(name).is_some_and(|held| held == holder) {
            inner.leases.map.remove(name);
            Ok(Release::Released)
        } else {
            Ok(Release::NotHeld)
        }
    }

    fn hold_now(&self, pool: &str, holder: &str, ask: Ask, ttl: Duration) -> Result<Share, Error> {
        check_names(&[pool, holder])?;
        check_ttl(ttl)?;
        let (now, mut inner) = (Instant::now(), self.lock());
        let from = (pool.to_owned(), String::new());
        let of_pool = inner.parts.map.range(from..).take_while(|((of, _), _)| of == pool);
        let others = of_pool.filter(|((_, of), held)| of != holder && held.until > now).map(|(_, held)| held.value);
        let share = share_of(ask, others);
        let key = (pool.to_owned(), holder.to_owned());
        // Who takes none rather than fewer is not waited for.
        if ask.wanted == 0 || (share.held == 0 && ask.least > 0) {
            inner.parts.map.remove(&key);
        } else {
            inner.parts.put(key, (share.held, ask.wanted), ttl);
        }
        Ok(share)
    }

    fn list_now(&self, kind: &str) -> Result<Vec<Entry>, Error> {
        check_names(&[kind])?;
        let now = Instant::now();
        let inner = self.lock();
        let from = (kind.to_owned(), String::new());
        let of_kind = inner.entries.map.range(from..).take_while(|((k, _), _)| k == kind);
        let live = of_kind.filter(|(_, held)| held.until > now);
        Ok(live.map(|((_, id), held)| Entry { id: id.clone(), value: held.value.clone() }).collect())
    }
}

impl Directory for MemoryDirectory {
    fn put<'a>(&'a self, kind: &'a str, id: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            check_names(&[kind, id])?;
            check_ttl(ttl)?;
            self.lock().entries.put((kind.to_owned(), id.to_owned()), value, ttl);
            Ok(())
        })
    }

    fn remove<'a>(&'a self, kind: &'a str, id: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            check_names(&[kind, id])?;
            self.lock().entries.map.remove(&(kind.to_owned(), id.to_owned()));
            Ok(())
        })
    }

    fn list<'a>(&'a self, kind: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, Error>> {
        Box::pin(async move { self.list_now(kind) })
    }

    fn acquire<'a>(&'a self, name: &'a str, holder: &'a str, ttl: Duration) -> BoxFuture<'a, Result<Lease, Error>> {
        Box::pin(async move { self.acquire_now(name, holder, ttl) })
    }

    fn renew<'a>(&'a self, name: &'a str, holder: &'a str, ttl: Duration) -> BoxFuture<'a, Result<Lease, Error>> {
        Box::pin(async move { self.renew_now(name, holder, ttl) })
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<Release, Error>> {
        Box::pin(async move { self.release_now(name, holder) })
    }

    fn hold<'a>(
        &'a self,
        pool: &'a str,
        holder: &'a str,
        ask: Ask,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Share, Error>> {
        Box::pin(async move { self.hold_now(pool, holder, ask, ttl) })
    }
}

/// A map whose entries expire. The dead are swept out when the map has doubled since the last sweep, which costs a constant
/// per entry and keeps the map within twice the live ones.
#[derive(Debug)]
struct Expiring<K, V> {
    map: BTreeMap<K, Held<V>>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Held<V> {
    value: V,
    until: Instant,
}

impl<K, V> Default for Expiring<K, V> {
    fn default() -> Self {
        Self { map: BTreeMap::new(), sweep_at: SWEEP_MIN }
    }
}

impl<K: Ord, V> Expiring<K, V> {
    fn live<Q>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.map.get(key).filter(|held| held.until > Instant::now()).map(|held| &held.value)
    }

    fn put(&mut self, key: K, value: V, ttl: Duration) {
        let now = Instant::now();
        if self.map.len() >= self.sweep_at {
            self.map.retain(|_, held| held.until > now);
            self.sweep_at = SWEEP_MIN.max(2 * self.map.len());
        }
        self.map.insert(key, Held { value, until: now + ttl });
    }
}
