//! Observers: what they want to see, and the bounded queue between them and the messages.

use super::{Limits, Message};
use futures::Stream;
use futures::task::AtomicWaker;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll};

/// Which messages a [subscription](crate::Callboard::subscribe) sees: those that pass every condition that was set.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    topic: Option<Topic>,
    from: Option<Arc<str>>,
    to: Option<Arc<str>>,
    broadcasts: Option<()>,
}

#[derive(Clone, Debug)]
enum Topic {
    Exact(Arc<str>),
    Prefix(Arc<str>),
}

impl Filter {
    /// All messages: tells, asks, answers and broadcasts.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those about this topic. It takes the place of an earlier condition on the topic.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<Arc<str>>) -> Self {
        self.topic = Some(Topic::Exact(topic.into()));
        self
    }

    /// Only those whose topic begins like this. It takes the place of an earlier condition on the topic.
    #[must_use]
    pub fn topic_prefix(mut self, prefix: impl Into<Arc<str>>) -> Self {
        self.topic = Some(Topic::Prefix(prefix.into()));
        self
    }

    /// Only those from this agent, or from this instance of one.
    #[must_use]
    pub fn from(mut self, sender: impl Into<Arc<str>>) -> Self {
        self.from = Some(sender.into());
        self
    }

    /// Only those to this agent, whichever of its instances got it, or to this instance of one. No broadcasts: they are to
    /// nobody in particular.
    #[must_use]
    pub fn to(mut self, addressee: impl Into<Arc<str>>) -> Self {
        self.to = Some(addressee.into());
        self
    }

    /// Only broadcasts.
    #[must_use]
    pub fn broadcasts(mut self) -> Self {
        self.broadcasts = Some(());
        self
    }

    fn passes(&self, message: &Message) -> bool {
        let topic = match &self.topic {
            None => true,
            Some(Topic::Exact(topic)) => **topic == *message.topic,
            Some(Topic::Prefix(prefix)) => message.topic.starts_with(&**prefix),
        };
        let from = self.from.as_ref().is_none_or(|wanted| message.from.as_ref().is_some_and(|name| name.is(wanted)));
        let to = self.to.as_ref().is_none_or(|wanted| message.to.as_ref().is_some_and(|name| name.is(wanted)));
        topic && from && to && (self.broadcasts.is_none() || message.is_broadcast())
    }
}

/// What a subscription sees.
#[derive(Clone, Debug)]
pub enum Observed {
    /// A message that was put into an inbox, or an answer that has come back.
    Message(Message),
    /// The observer was too slow: so many messages that passed the filter, older than the next one, are missing here.
    Missed(u64),
}

/// A stream of the messages that pass a filter; see [`Callboard::subscribe`](crate::Callboard::subscribe). It ends when
/// the node has stopped.
pub struct Subscription {
    watcher: Arc<Watcher>,
    observers: Arc<Observers>,
}

/// One observer.
struct Watcher {
    filter: Filter,
    limits: Limits,
    backlog: Mutex<Backlog>,
    waker: AtomicWaker,
}

/// What an observer has not seen yet.
#[derive(Default)]
struct Backlog {
    messages: VecDeque<Message>,
    bytes: usize,
    missed: u64,
    is_ended: bool,
}

/// All observers of a node.
pub(super) struct Observers {
    limits: Limits,
    watchers: RwLock<Vec<Arc<Watcher>>>,
    /// How many there are, so that a message that nobody observes costs nothing.
    count: AtomicUsize,
    is_closed: AtomicBool,
}

impl Observers {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, watchers: RwLock::default(), count: AtomicUsize::new(0), is_closed: AtomicBool::new(false) }
    }

    pub(super) fn subscribe(self: &Arc<Self>, filter: Filter) -> Subscription {
        let watcher =
            Arc::new(Watcher { filter, limits: self.limits, backlog: Mutex::default(), waker: AtomicWaker::new() });
        self.change(|watchers| watchers.push(watcher.clone()));
        if self.is_closed.load(Ordering::SeqCst) {
            self.close(); // it came too late: its stream ends as well
        }
        Subscription { watcher, observers: self.clone() }
    }

    /// Whether anybody observes.
    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    pub(super) fn publish(&self, message: &Message) {
        let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().filter(|watcher| watcher.filter.passes(message)).for_each(|watcher| watcher.see(message));
    }

    /// Ends all streams.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.change(|watchers| watchers.drain(..).for_each(|watcher| watcher.end()));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Watcher>>)) {
        let mut watchers = self.watchers.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut watchers);
        self.count.store(watchers.len(), Ordering::Relaxed);
    }
}

impl Watcher {
    fn see(&self, message: &Message) {
        let mut backlog = self.lock();
        backlog.bytes += message.body_bytes();
        backlog.messages.push_back(message.clone());
        while backlog.is_over(&self.limits) {
            let oldest = backlog.messages.pop_front();
            backlog.bytes -= oldest.map_or(0, |oldest| oldest.body_bytes());
            backlog.missed += 1;
        }
        drop(backlog);
        self.waker.wake();
    }

    fn end(&self) {
        self.lock().is_ended = true;
        self.waker.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backlog {
    fn is_over(&self, limits: &Limits) -> bool {
        let waiting = self.messages.len();
        waiting > limits.inbox_max || (waiting > 1 && self.bytes > limits.inbox_bytes_max)
    }

    fn next(&mut self) -> Poll<Option<Observed>> {
        if self.missed > 0 {
            return Poll::Ready(Some(Observed::Missed(std::mem::take(&mut self.missed))));
        }
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= message.body_bytes();
            return Poll::Ready(Some(Observed::Message(message)));
        }
        if self.is_ended { Poll::Ready(None) } else { Poll::Pending }
    }
}

impl Stream for Subscription {
    type Item = Observed;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Observed>> {
        self.watcher.waker.register(cx.waker());
        self.watcher.lock().next()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.observers.change(|watchers| watchers.retain(|watcher| !Arc::ptr_eq(watcher, &self.watcher)));
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("filter", &self.watcher.filter).finish_non_exhaustive()
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers").field("count", &self.count).finish_non_exhaustive()
    }
}
