//! How a lock is taken, kept and let go.

use super::record::{Record, Ticket, circle};
use crate::clock::Clock;
use crate::journal::name::padded;
use crate::journal::register::{Advance, Verified};
use crate::partition::door::only_a_copy;
use crate::state::Author;
use crate::state::chains::Chains;
use crate::state::key::{self, segment};
use crate::{Error, ErrorClass, ErrorKind, Result, telemetry};
use callboard_core::Token;
use futures::StreamExt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How soon who waits looks again, at first and at the longest: one listing of the store each.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// So many of those who wait are soon next: how soon they look again at the longest. Nobody tells another node that a lock is let go,
/// and who is handed it must say that it knows within its time to live.
const NEXT: (usize, Duration) = (3, Duration::from_millis(200));
/// How long one that was handed a lock may take to say that it knows.
const GRACE: Duration = Duration::from_secs(5);
/// After how long it is looked for circles, and how often then: each looks at all locks.
const CIRCLES: Duration = Duration::from_secs(2);
/// How many locks are looked at at a time.
const AT_ONCE: usize = 16;
/// How soon a holder says again that it lives, when that could not be said.
const AGAIN: Duration = Duration::from_millis(200);
/// How long it is tried to let a lock go; then it expires.
const RELEASE_MAX: Duration = Duration::from_secs(10);

/// The locks of a name space, as one node reaches them; a cheap handle.
#[derive(Clone, Debug)]
pub(in crate::state) struct Locks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chains: Chains,
    clock: Clock,
    node: Arc<str>,
    is_frozen: bool,
    /// What was seen of each when all were looked at: those that are still at that version need not be read again.
    seen: Mutex<BTreeMap<Arc<str>, (u64, Record)>>,
    /// Told when a lock was let go here.
    changed: Notify,
    /// Those being let go.
    releasing: Mutex<JoinSet<()>>,
}

/// How somebody wants a lock.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) key: Arc<str>,
    pub(super) ttl: Duration,
    /// After how long it is taken away.
    pub(super) longest: Duration,
    /// How long it is waited for.
    pub(super) wait: Duration,
    pub(super) by: Author,
    /// Of which activation of its task it is.
    pub(super) activation: Option<Token>,
    pub(super) yields: bool,
}

/// A lock that is held.
#[derive(Debug)]
pub(super) struct Held {
    locks: Locks,
    pub(super) key: Arc<str>,
    id: Arc<str>,
    pub(super) token: u64,
    /// Why it is not held any more.
    lost: watch::Receiver<Option<Arc<str>>>,
    /// Says that it lives; ends with it.
    watchdog: JoinSet<()>,
}

/// What a lock says at one moment.
struct Look {
    version: Verified,
    record: Record,
}

impl Locks {
    pub(in crate::state) fn new(chains: Chains, clock: Clock, node: Arc<str>, is_frozen: bool) -> Self {
        let (seen, changed, releasing) = (Mutex::default(), Notify::new(), Mutex::default());
        Self(Arc::new(Inner { chains, clock, node, is_frozen, seen, changed, releasing }))
    }

    pub(in crate::state) fn chains(&self) -> &Chains {
        &self.0.chains
    }

    async fn look(&self, key: &str, known: Option<&Verified>) -> Result<Look> {
        let version = self.0.chains.register(&segment(key)?).read(known).await.map_err(|error| {
            let kind = match &error {
                crate::journal::register::Error::Unavailable { .. } => ErrorKind::Unavailable,
                crate::journal::register::Error::Corrupt(_) => ErrorKind::Corrupt,
            };
            Error::new(kind, format!("lock {key:?} could not be read")).because(error)
        })?;
        let record = version.parse::<Record>().map_err(|error| {
            let message = format!("version {} of lock {key:?} is none that this build can read", version.number());
            Error::new(ErrorKind::Corrupt, message).because(error)
        })?;
        Ok(Look { version, record: record.unwrap_or_default() })
    }

    /// Makes the next version; `None` if it has to be looked again.
    async fn advance(&self, key: &str, base: &Verified, record: Record) -> Result<Option<Look>> {
        match self.0.chains.register(&segment(key)?).advance(base, &record).await {
            Advance::Advanced { version, superseded: false } => Ok(Some(Look { version, record })),
            // What nobody knows is seen when it is looked again: the record names its ticket.
            Advance::Advanced { .. } | Advance::Moved | Advance::Unknown { .. } => Ok(None),
            Advance::Refused { reason } => {
                let message = format!("lock {key:?} was not changed: the store refused: {reason}");
                Err(Error::new(ErrorKind::Unavailable, message))
            }
        }
    }

    /// Takes a lock, or says why not.
    ///
    /// # Errors
    ///
    /// `Conflict` if others have it for too long, or wait for us in a circle; `Unavailable` if the store is away for too long;
    /// `Invalid` for a key that none can have.
    pub(super) async fn take(&self, wish: &Wish) -> Result<Held> {
        segment(&wish.key)?;
        if self.0.is_frozen {
            return Err(only_a_copy());
        }
        let ticket = Ticket {
            id: self.0.chains.ids.next().simple().to_string().into(),
            node: self.0.node.clone(),
            by: wish.by.clone(),
            at: self.0.clock.now(),
            ttl_ms: u64::try_from(wish.ttl.as_millis()).unwrap_or(u64::MAX),
            activation: wish.activation,
            yields: wish.yields,
        };
        // Whoever is dropped while it waits leaves its place.
        let mut place = Place { locks: self.clone(), key: wish.key.clone(), id: ticket.id.clone(), is_taken: false };
        let taken = self.wait(wish, &ticket).await;
        place.is_taken = taken.is_ok();
        let (token, valid_from) = taken?;
        Ok(self.held(wish, ticket.id, token, valid_from))
    }

    /// Waits until the ticket holds the lock: its token, and since when it is known to.
    async fn wait(&self, wish: &Wish, ticket: &Ticket) -> Result<(u64, Instant)> {
        let (key, began) = (&*wish.key, Instant::now());
        let (mut look_again, mut circles_at) = (LOOK.0, began + CIRCLES);
        let mut known: Option<Look> = None;
        let mut seen: Option<(Arc<str>, u64, Instant)> = None;
        // Since when a version may be there that says that it holds the lock, and behind which.
        let mut signed: Option<(u64, Instant)> = None;
        loop {
            let now = Instant::now();
            let is_late = now.saturating_duration_since(began) >= wish.wait;
            let look = match self.look(key, known.as_ref().map(|look| &look.version)).await {
                Ok(look) => look,
                Err(error) if error.kind() != ErrorKind::Unavailable || is_late => return Err(error),
                Err(_) => {
                    sleep(LOOK.1).await;
                    continue;
                }
            };
            let (record, next) = (&look.record, look.version.number() + 1);
            let changed = match (record.held_by(&ticket.id), record.place_of(&ticket.id)) {
                (Some(holder), _) if holder.signs > 0 => {
                    return Ok((holder.token, signed.map_or(now, |(_, since)| since)));
                }
                (Some(_), _) => record.renewed(&ticket.id),
                (None, None) => match record.wanted(ticket, !wish.wait.is_zero(), next) {
                    Some(changed) => Some(changed),
                    None => return Err(taken_by_another(key, ticket, record)),
                },
                (None, Some(_)) if is_late => return Err(taken_by_another(key, ticket, record)),
                (None, Some(_)) => match &record.holder {
                    None => Some(record.handed_over(next)),
                    Some(holder) => {
                        let since = match &seen {
                            Some((id, signs, since)) if (id, *signs) == (&holder.ticket.id, holder.signs) => *since,
                            _ => now,
                        };
                        seen = Some((holder.ticket.id.clone(), holder.signs, since));
                        let ttl = Duration::from_millis(holder.ticket.ttl_ms);
                        let silent_max = if holder.signs == 0 { ttl.min(GRACE) } else { ttl };
                        (now.saturating_duration_since(since) > silent_max).then(|| {
                            tracing::warn!(lock = key, holder = %holder.ticket, "a lock has expired");
                            record.handed_over(next)
                        })
                    }
                },
            };
            if let Some(changed) = changed {
                if changed.held_by(&ticket.id).is_some() && signed.is_none_or(|(base, _)| base + 1 < next) {
                    signed = Some((look.version.number(), now));
                }
                known = match self.advance(key, &look.version, changed).await {
                    Ok(changed) => changed,
                    Err(error) if is_late => return Err(error),
                    Err(_) => {
                        sleep(LOOK.1).await;
                        None
                    }
                };
                look_again = LOOK.0;
                continue;
            }
            if now >= circles_at && ticket.by.run.is_some() {
                circles_at = now + CIRCLES;
                if let Some(error) = self.circle(key, ticket).await {
                    return Err(error);
                }
            }
            let longest = if record.place_of(&ticket.id).is_some_and(|place| place < NEXT.0) { NEXT.1 } else { LOOK.1 };
            known = Some(look);
            look_again = look_again.min(longest);
            let left = wish.wait.saturating_sub(now.saturating_duration_since(began));
            let _told_or_not = timeout(look_again.min(left.max(LOOK.0)), self.0.changed.notified()).await;
            look_again *= 2;
        }
    }

    /// Why the ticket gives way, if it waits in a circle and is the one who does.
    async fn circle(&self, key: &str, ticket: &Ticket) -> Option<Error> {
        let locks = self.all().await.ok()?;
        let found = circle(&locks, key, ticket)?;
        let circle = found.locks.iter().map(|lock| format!("{lock:?}")).collect::<Vec<_>>().join(", then ");
        if found.victim.as_ref() != Some(&ticket.id) {
            return None;
        }
        tracing::warn!(lock = key, task = %ticket, circle, "tasks wait for each other's locks: this one gives way");
        let message = format!("lock {key:?} was not taken: tasks wait for each other's locks in a circle: {circle}");
        Some(Error::new(ErrorKind::Conflict, message).classed(ErrorClass::Retryable { after: None }))
    }

    /// All locks that somebody holds. One listing, and a look at each that has changed since the last time.
    pub(super) async fn all(&self) -> Result<Vec<(Arc<str>, Record)>> {
        let names = self.0.chains.names().await?;
        let versions = names.iter().filter_map(|name| {
            let (name, number) = name.split_once('/')?;
            Some((Arc::<str>::from(key::key(name)?), padded(number)?))
        });
        // In their order: the last of each is the newest.
        let newest: BTreeMap<Arc<str>, u64> = versions.collect();
        let mut seen = std::mem::take(&mut *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner));
        seen.retain(|key, (number, _)| newest.get(key) == Some(number));
        let changed = newest.into_keys().filter(|key| !seen.contains_key(key)).collect::<Vec<_>>();
        let looks = changed.into_iter().map(|key| async move {
            let look = self.look(&key, None).await?;
            Ok::<_, Error>((key, (look.version.number(), look.record)))
        });
        let looks: Vec<_> = futures::stream::iter(looks).buffered(AT_ONCE).collect().await;
        seen.extend(looks.into_iter().collect::<Result<Vec<_>>>()?);
        let held = seen.iter().filter(|(_, (_, record))| record.holder.is_some());
        let held = held.map(|(key, (_, record))| (key.clone(), record.clone())).collect();
        *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(held)
    }

    /// Lets a lock, or a place in its queue, go: by its holder only.
    async fn leave(&self, key: &str, id: &str) {
        let left = async {
            loop {
                let Ok(look) = self.look(key, None).await else {
                    sleep(LOOK.1).await;
                    continue;
                };
                let Some(next) = look.record.without(id, look.version.number() + 1) else { return };
                if let Ok(Some(_)) = self.advance(key, &look.version, next).await {
                    return;
                }
                sleep(LOOK.0).await;
            }
        };
        let _expires = timeout(RELEASE_MAX, left).await;
        self.0.changed.notify_waiters();
    }

    /// The same behind whoever is being dropped.
    fn leave_soon(&self, key: Arc<str>, id: Arc<str>) {
        if tokio::runtime::Handle::try_current().is_err() {
            return; // then it expires
        }
        let locks = self.clone();
        let mut releasing = self.0.releasing.lock().unwrap_or_else(PoisonError::into_inner);
        while releasing.try_join_next().is_some() {}
        releasing.spawn(async move { locks.leave(&key, &id).await });
    }

    fn held(&self, wish: &Wish, id: Arc<str>, token: u64, since: Instant) -> Held {
        let (say, lost) = watch::channel(None);
        let mut watchdog = JoinSet::new();
        let (locks, wish, ticket) = (self.clone(), wish.clone(), id.clone());
        let key = wish.key.clone();
        watchdog.spawn(async move {
            let why = locks.keep(&wish, &ticket, since).await;
            tracing::warn!(lock = &*wish.key, token, why, "a lock is lost");
            metrics::counter!(telemetry::LOCKS_LOST).increment(1);
            let _nobody_holds_it = say.send(Some(why.into()));
        });
        Held { locks: self.clone(), key, id, token, lost, watchdog }
    }

    /// Says again and again that the holder lives, until it holds the lock no more; why that is.
    async fn keep(&self, wish: &Wish, id: &str, since: Instant) -> String {
        let (key, ttl) = (&*wish.key, wish.ttl);
        let end = since + wish.longest;
        let (mut valid_until, mut pause) = (since + ttl, ttl / 3);
        let mut known: Option<Verified> = None;
        loop {
            let now = Instant::now();
            if now >= end {
                self.leave(key, id).await;
                return format!("it was held for {:?}, which is the longest that it may be", wish.longest);
            }
            if now >= valid_until {
                return format!("the store has not heard from its holder for {ttl:?}");
            }
            sleep(pause.min(end - now).min(valid_until - now)).await;
            let began = Instant::now();
            if began >= end {
                continue;
            }
            let renewed = async {
                let look = self.look(key, known.as_ref()).await?;
                let Some(next) = look.record.renewed(id) else { return Ok(None) };
                Ok::<_, Error>(Some(self.advance(key, &look.version, next).await?))
            };
            (known, pause) = match timeout(valid_until.saturating_duration_since(began), renewed).await {
                Ok(Ok(None)) => return "another has it".to_owned(),
                Ok(Ok(Some(Some(look)))) => {
                    valid_until = began + ttl;
                    (Some(look.version), ttl / 3)
                }
                // It is tried again until it is too late.
                Ok(Ok(Some(None)) | Err(_)) | Err(_) => (known, AGAIN),
            };
        }
    }
}

/// A place in a queue; dropped, it is left, unless it has led to the lock.
struct Place {
    locks: Locks,
    key: Arc<str>,
    id: Arc<str>,
    is_taken: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_taken {
            self.locks.leave_soon(self.key.clone(), self.id.clone());
        }
    }
}

impl Held {
    /// Why it is not held any more, if that is so.
    pub(super) fn lost(&self) -> Option<Arc<str>> {
        self.lost.borrow().clone()
    }

    /// Waits until it is not held any more; why that is.
    pub(super) async fn until_lost(&self) -> Arc<str> {
        let mut lost = self.lost.clone();
        let why = lost.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        why.unwrap_or_else(|| "the node has ended".into())
    }

    /// Lets it go, and waits until that is so.
    pub(super) async fn release(&mut self) {
        self.watchdog.abort_all();
        self.locks.leave(&self.key, &self.id).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.lost().is_none() {
            self.locks.leave_soon(self.key.clone(), self.id.clone());
        }
    }
}

/// Both sides.
fn taken_by_another(key: &str, ticket: &Ticket, record: &Record) -> Error {
    let holder = record.holder.as_ref().map_or_else(|| "nobody".to_owned(), |holder| holder.ticket.to_string());
    let before = record.place_of(&ticket.id).unwrap_or(record.waiting.len());
    let message =
        format!("lock {key:?} was not taken by {ticket}: {holder} has it, and {before} others wait before it");
    Error::new(ErrorKind::Conflict, message)
}
