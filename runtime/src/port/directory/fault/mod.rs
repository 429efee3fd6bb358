//! A directory that fails and forgets as it is told, for tests.
//!
//! Each node of a test gets a [`FaultyDirectory`] of its own around the directory that they share.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! use std::sync::Arc;
//! use std::time::Duration;
//! use callboard::port::directory::fault::{Fault, FaultyDirectory, Operation};
//! use callboard::port::directory::memory::MemoryDirectory;
//! use callboard::port::directory::{Directory, Error, Lease};
//!
//! let shared = Arc::new(MemoryDirectory::new());
//! let (one, two) = (FaultyDirectory::new(shared.clone()), FaultyDirectory::new(shared));
//! let life = Duration::from_secs(5);
//!
//! // Both are told that they hold it.
//! one.faults().nth(Operation::Acquire, "partition.*", 1, Fault::Forget);
//! assert_eq!(one.acquire("partition.1", "one", life).await?, Lease::Held);
//! assert_eq!(two.acquire("partition.1", "two", life).await?, Lease::Held);
//!
//! two.put("node", "two", "here".into(), life).await?;
//! assert_eq!(one.forget_entries("node", "t*"), 1);
//! assert!(two.list("node").await?.is_empty());
//!
//! one.cut();
//! assert!(matches!(one.list("node").await, Err(Error::Refused { .. })));
//! assert_eq!(one.faults().injected(Fault::Cut), 1);
//! # Ok::<(), Error>(()) }).unwrap();
//! ```

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Ask, Directory, Entry, Error, Lease, Release, Share};
use crate::port::fault::{Call, Generator, Kind, Link, Unanswered, matches};
pub use crate::port::fault::{Fault, Faults, Odds};

/// The kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Directory::put`]; its name is `<kind>/<id>`.
    Put,
    /// [`Directory::remove`]; its name is `<kind>/<id>`.
    Remove,
    /// [`Directory::list`]; its name is the kind.
    List,
    /// [`Directory::acquire`]; its name is the lease's.
    Acquire,
    /// [`Directory::renew`]; its name is the lease's.
    Renew,
    /// [`Directory::release`]; its name is the lease's.
    Release,
    /// [`Directory::hold`]; its name is `<pool>/<holder>`.
    Hold,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Put, Self::Remove, Self::List, Self::Acquire, Self::Renew, Self::Release, Self::Hold];
}

/// There are no messages to be doubled or overtaken; everything else can meet any operation.
impl Kind for Operation {
    fn all() -> &'static [Self] {
        &Self::ALL
    }

    fn allows(self, fault: Fault) -> bool {
        !matches!(fault, Fault::Duplicate | Fault::Reorder)
    }
}

/// Something that a directory knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<'a> {
    /// A registration.
    Entry {
        /// What it is.
        kind: &'a str,
        /// Who it is.
        id: &'a str,
    },
    /// A lease that somebody holds.
    Lease {
        /// Its name.
        name: &'a str,
    },
    /// What somebody holds of a pool.
    Part {
        /// Of what.
        pool: &'a str,
        /// Who.
        holder: &'a str,
    },
}

/// A directory that can be made to forget.
pub trait Forgetful: Directory {
    /// Forgets the facts that `which` chooses, asked once for each in an order that is always the same. Answers how many.
    fn forget(&self, which: &mut dyn FnMut(Fact<'_>) -> bool) -> usize;
}

/// Wraps the directory that nodes share for one of them, and spoils operations as told. A clone is the same faulty directory.
#[derive(Clone)]
pub struct FaultyDirectory(Arc<State>);

struct State {
    inner: Arc<dyn Forgetful>,
    faults: Faults<Operation>,
    link: Link,
}

impl FaultyDirectory {
    /// A faulty directory that passes everything on until told otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn Forgetful>) -> Self {
        Self(Arc::new(State { inner, faults: Faults::new(), link: Link::default() }))
    }

    /// Orders and counts faults of single operations.
    #[must_use]
    pub fn faults(&self) -> &Faults<Operation> {
        &self.0.faults
    }

    /// Cuts this node off: what is under way is told [`Error::Unclear`], and what comes until [`heal`](Self::heal) is
    /// [`Error::Refused`]. What the node has registered expires in its time.
    pub fn cut(&self) {
        self.0.link.cut();
    }

    /// Ends the cut.
    pub fn heal(&self) {
        self.0.link.heal();
    }

    /// Has the shared directory forget everything, of all nodes.
    pub fn wipe(&self) {
        self.0.faults.count(Fault::Wipe, 1);
        self.0.inner.forget(&mut |_| true);
    }

    /// Has the shared directory forget the registrations whose kind and id fit these patterns. Answers how many.
    pub fn forget_entries(&self, kinds: &str, ids: &str) -> usize {
        self.0.inner.forget(&mut |fact| match fact {
            Fact::Entry { kind, id } => matches(kinds, kind) && matches(ids, id),
            Fact::Lease { .. } | Fact::Part { .. } => false,
        })
    }

    /// Has the shared directory forget the leases whose names fit this pattern. Answers how many.
    pub fn forget_leases(&self, names: &str) -> usize {
        self.0.inner.forget(&mut |fact| matches!(fact, Fact::Lease { name } if matches(names, name)))
    }

    /// Has the shared directory forget about this `share` of all it knows, from 0 to 1, chosen by `seed`. Answers how much.
    pub fn forget_share(&self, seed: u64, share: f64) -> usize {
        let mut chance = Generator(seed);
        self.0.inner.forget(&mut |_| chance.fraction() < share)
    }

    async fn serve<T, F>(
        &self,
        operation: Operation,
        name: &str,
        as_if: T,
        operate: impl FnOnce(Arc<dyn Forgetful>) -> F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let faults = &self.0.faults;
        let Some(up) = self.0.link.up() else {
            return faults.turn_away(operation, name);
        };
        let drawn = faults.draw(operation, name);
        match drawn.fault {
            Fault::Cut => self.cut(),
            Fault::Wipe => self.wipe(),
            _ => {}
        }
        let effect = operate(Arc::clone(&self.0.inner)).boxed();
        faults.serve(&up, drawn, Call { operation, name, as_if, effect, again: None }).await
    }
}

impl fmt::Debug for FaultyDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultyDirectory").field(&self.0.faults).finish()
    }
}

impl Unanswered for Error {
    fn refused(reason: String) -> Self {
        Self::Refused { reason }
    }

    fn unclear(reason: String) -> Self {
        Self::Unclear { reason }
    }
}

impl Directory for FaultyDirectory {
    fn put<'a>(&'a self, kind: &'a str, id: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let (of, who) = (kind.to_owned(), id.to_owned());
            let put = |inner: Arc<dyn Forgetful>| async move { inner.put(&of, &who, value, ttl).await };
            self.serve(Operation::Put, &format!("{kind}/{id}"), (), put).await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, kind: &'a str, id: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let (of, who) = (kind.to_owned(), id.to_owned());
            let remove = |inner: Arc<dyn Forgetful>| async move { inner.remove(&of, &who).await };
            self.serve(Operation::Remove, &format!("{kind}/{id}"), (), remove).await
        }
        .boxed()
    }

    fn list<'a>(&'a self, kind: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, Error>> {
        let of = kind.to_owned();
        let list = |inner: Arc<dyn Forgetful>| async move { inner.list(&of).await };
        self.serve(Operation::List, kind, Vec::new(), list).boxed()
    }

    fn acquire<'a>(&'a self, name: &'a str, holder: &'a str, ttl: Duration) -> BoxFuture<'a, Result<Lease, Error>> {
        let (lease, who) = (name.to_owned(), holder.to_owned());
        let acquire = move |inner: Arc<dyn Forgetful>| async move { inner.acquire(&lease, &who, ttl).await };
        self.serve(Operation::Acquire, name, Lease::Held, acquire).boxed()
    }

    fn renew<'a>(&'a self, name: &'a str, holder: &'a str, ttl: Duration) -> BoxFuture<'a, Result<Lease, Error>> {
        let (lease, who) = (name.to_owned(), holder.to_owned());
        let renew = move |inner: Arc<dyn Forgetful>| async move { inner.renew(&lease, &who, ttl).await };
        self.serve(Operation::Renew, name, Lease::Held, renew).boxed()
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<Release, Error>> {
        let (lease, who) = (name.to_owned(), holder.to_owned());
        let release = move |inner: Arc<dyn Forgetful>| async move { inner.release(&lease, &who).await };
        self.serve(Operation::Release, name, Release::Released, release).boxed()
    }

    fn hold<'a>(
        &'a self,
        pool: &'a str,
        holder: &'a str,
        ask: Ask,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Share, Error>> {
        async move {
            let (of, who) = (pool.to_owned(), holder.to_owned());
            let hold = move |inner: Arc<dyn Forgetful>| async move { inner.hold(&of, &who, ask, ttl).await };
            let as_if = Share { held: ask.wanted, fair: u64::MAX };
            self.serve(Operation::Hold, &format!("{pool}/{holder}"), as_if, hold).await
        }
        .boxed()
    }
}
