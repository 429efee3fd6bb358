//! A lock as programs and handlers have it.

use super::keeper::{Held, Wish};
use super::record::Ticket;
use crate::state::chain::{Documents, Fence};
use crate::state::version::in_words;
use crate::state::{Author, Document, TaskDocument};
use crate::{Ctx, Error, ErrorKind, Result};
use callboard_core::Millis;
use futures::future::BoxFuture;
use serde::Serialize;
use std::fmt;
use std::future::IntoFuture;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// How long a lock is held at the longest, if nothing else is said.
const LONGEST: Duration = Duration::from_secs(300);
/// How long it is waited for.
const WAIT: Duration = Duration::from_secs(60);
/// The shortest time to live: the store has to hear from the holder three times within it.
const TTL_MIN: Duration = Duration::from_secs(1);

/// What becomes of tasks that wait for each other's locks in a circle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDeadlock {
    /// The one that came last gives way: its attempt fails with a retryable `Conflict`, which lets go what it holds.
    #[default]
    GiveWay,
    /// It waits on: another of the circle gives way, or its time runs out.
    Wait,
}

/// A lock that is held: for one holder at a time, on whichever node. Dropped, it is let go.
///
/// While it is held the node says so to the store, three times within its time to live. It is **lost** when that could not be
/// done in time, or when it was held for the longest that it may be. What makes it safe is what is written under it:
/// [`state`](Self::state) gives documents that refuse a holder that has been followed by another, however late it wakes.
#[derive(Debug)]
pub struct Lock {
    documents: Documents,
    held: Held,
    by: Author,
}

impl Lock {
    /// Its key.
    pub fn key(&self) -> &str {
        &self.held.key
    }

    /// Its fencing token: every later holder has a larger one. For whatever is not a document, and can refuse a smaller one.
    pub fn token(&self) -> u64 {
        self.held.token
    }

    /// Whether it is still held, as far as is known here.
    pub fn is_held(&self) -> bool {
        self.held.lost().is_none()
    }

    /// Waits until it is lost; why that is.
    pub async fn lost(&self) -> Arc<str> {
        self.held.until_lost().await
    }

    /// Lets it go, and waits until the next one can have it, 10 s at most: then it expires.
    pub async fn release(mut self) {
        self.held.release().await;
    }

    /// A document, used under this lock: the first access, be it a [`load`](Document::load), writes a version that says so, and
    /// whoever held the lock before is refused with `Fenced` from then on.
    pub fn state<T>(&self, key: impl AsRef<str>) -> Document<T> {
        Document::under(self.documents.clone(), key.as_ref(), self.by.clone(), self.fence())
    }

    fn fence(&self) -> Fence {
        Fence { lock: self.held.key.clone(), token: self.held.token }
    }
}

/// A lock in the hands of a handler: see [`Lock`], which it is, too.
///
/// It is held while the handler runs. A handler that parks lets it go, and takes it again, with another token, when it goes on.
/// A later activation of the same task has it at once, and fences the one before.
#[derive(Debug)]
pub struct TaskLock {
    lock: Lock,
    ctx: Ctx,
}

impl TaskLock {
    /// A document, used under this lock: as [`Lock::state`], and what is written is written once, as by [`Ctx::state`].
    pub fn state<T>(&self, key: impl AsRef<str>) -> TaskDocument<T> {
        TaskDocument::under(self.ctx.clone(), key.as_ref(), self.lock.fence())
    }

    /// Lets it go, and waits until the next one can have it.
    pub async fn release(self) {
        self.lock.release().await;
    }
}

impl Deref for TaskLock {
    type Target = Lock;

    fn deref(&self) -> &Lock {
        &self.lock
    }
}

/// A lock that is wanted; `.await` it.
#[must_use = "it is taken by .await"]
#[derive(Clone, Debug)]
pub struct LockRequest {
    documents: Documents,
    wish: Wish,
}

impl LockRequest {
    pub(crate) fn new(documents: Documents, key: &str, ttl: Duration) -> Self {
        let (by, key) = (Author::default(), key.into());
        let wish = Wish { key, ttl, longest: LONGEST, wait: WAIT, by, activation: None, yields: true };
        Self { documents, wish }
    }

    /// How long it is waited for, 60 s by default; those who wait have it in the order in which they came.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wish.wait = limit;
        self
    }

    /// Does not wait: if another has it, that is a `Conflict`, which names both.
    pub fn or_conflict(self) -> Self {
        self.wait(Duration::ZERO)
    }

    /// After how long it is taken away, 5 minutes by default, however lively its holder is.
    pub fn longest(mut self, limit: Duration) -> Self {
        self.wish.longest = limit;
        self
    }

    /// Says who wants it, for who does not get it.
    pub fn by(mut self, who: impl Into<Arc<str>>) -> Self {
        self.wish.by.name = Some(who.into());
        self
    }

    async fn take(self) -> Result<Lock> {
        let Self { documents, wish } = self;
        if wish.ttl < TTL_MIN {
            return Err(Error::invalid(format!("a lock lives for {TTL_MIN:?} at least, not {:?}", wish.ttl)));
        }
        let held = documents.locks().take(&wish).await?;
        Ok(Lock { documents, held, by: wish.by })
    }
}

impl IntoFuture for LockRequest {
    type Output = Result<Lock>;
    type IntoFuture = BoxFuture<'static, Result<Lock>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.take())
    }
}

/// A lock that a handler wants; `.await` it.
#[must_use = "it is taken by .await"]
#[derive(Clone, Debug)]
pub struct TaskLockRequest {
    request: Result<LockRequest, Arc<str>>,
    ctx: Ctx,
}

impl TaskLockRequest {
    fn with(self, change: impl FnOnce(LockRequest) -> LockRequest) -> Self {
        Self { request: self.request.map(change), ..self }
    }

    /// As [`LockRequest::wait`].
    pub fn wait(self, limit: Duration) -> Self {
        self.with(|request| request.wait(limit))
    }

    /// As [`LockRequest::or_conflict`].
    pub fn or_conflict(self) -> Self {
        self.with(LockRequest::or_conflict)
    }

    /// As [`LockRequest::longest`].
    pub fn longest(self, limit: Duration) -> Self {
        self.with(|request| request.longest(limit))
    }

    /// What becomes of it where tasks wait for each other's locks in a circle.
    pub fn on_deadlock(self, policy: OnDeadlock) -> Self {
        self.with(|mut request| {
            request.wish.yields = policy == OnDeadlock::GiveWay;
            request
        })
    }
}

impl IntoFuture for TaskLockRequest {
    type Output = Result<TaskLock>;
    type IntoFuture = BoxFuture<'static, Result<TaskLock>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { request, ctx } = self;
            let request = request.map_err(|why| Error::new(ErrorKind::Unavailable, &*why))?;
            Ok(TaskLock { lock: request.take().await?, ctx })
        })
    }
}

impl Ctx {
    /// A lock of this key, with this time to live (30 s is a good one, 1 s the least): one holder at a time among all tasks and
    /// programs of the name space. The key may name whatever two must not use at once: a file, a branch, an account.
    ///
    /// ```
    /// # use callboard::prelude::*;
    /// # use std::time::Duration;
    /// # async fn example(ctx: &Ctx) -> Result<()> {
    /// let lock = ctx.lock("branch/main", Duration::from_secs(30)).await?;
    /// lock.state::<u64>("merges").update(|merges| *merges += 1).await?;    // refused if the lock is another's by now
    /// lock.release().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Conflict` when it is not had within the [time](TaskLockRequest::wait), with who has it, or where tasks wait for each
    /// other in a circle; `Unavailable` if the store is away for that long; `Invalid` for a key or a time that can not be.
    pub fn lock(&self, key: impl AsRef<str>, ttl: Duration) -> TaskLockRequest {
        let request = match &self.passage().documents {
            Some(documents) => {
                let mut request = LockRequest::new(documents.clone(), key.as_ref(), ttl);
                request.wish.by = Author::of_task(self);
                request.wish.activation = Some(self.token());
                Ok(request)
            }
            None => Err("there is no store here: a history is played".into()),
        };
        TaskLockRequest { request, ctx: self.clone() }
    }
}

/// A lock as it is seen from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LockInfo {
    /// Its key.
    pub key: Arc<str>,
    /// The token of its holder.
    pub token: u64,
    /// Who holds it.
    pub holder: LockTicket,
    /// For how long it holds it without a sign of life, by the clock of who waits. It gives three within that time.
    pub ttl: Duration,
    /// Who waits, in order.
    pub waiting: Vec<LockTicket>,
}

/// Who holds a lock, or waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LockTicket {
    /// Who, or which task.
    pub by: Author,
    /// On which node.
    pub node: Arc<str>,
    /// Since when it wants it, by the clock of that node.
    pub since: Millis,
}

impl From<&Ticket> for LockTicket {
    fn from(ticket: &Ticket) -> Self {
        Self { by: ticket.by.clone(), node: ticket.node.clone(), since: ticket.at }
    }
}

/// In words.
impl fmt::Display for LockTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_words(std::iter::once(&self.by), &self.node))
    }
}

impl Documents {
    /// All locks that are held, by their keys.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the store gives no answer.
    pub(crate) async fn held_locks(&self) -> Result<Vec<LockInfo>> {
        let locks = self.locks().all().await?;
        let infos = locks.into_iter().filter_map(|(key, record)| {
            let holder = record.holder?;
            let waiting = record.waiting.iter().map(LockTicket::from).collect();
            let ttl = Duration::from_millis(holder.ticket.ttl_ms);
            Some(LockInfo { key, token: holder.token, holder: (&holder.ticket).into(), ttl, waiting })
        });
        Ok(infos.collect())
    }
}
