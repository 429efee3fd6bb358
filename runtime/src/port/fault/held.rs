//! Operations that wait until the test releases them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use super::plan::matches;

/// What is held back, in the order it came.
pub(crate) struct Held<O> {
    all: Mutex<Vec<One<O>>>,
    count: watch::Sender<usize>,
}

struct One<O> {
    operation: O,
    name: String,
    /// Number of the operation before which it goes by itself.
    due: Option<u64>,
    what: Waiting,
}

/// What goes on at the release.
pub(crate) enum Waiting {
    /// An effect, nobody waits for it.
    Effect(BoxFuture<'static, ()>),
    /// The same, behind the next operation of its kind and name.
    Overtaken(BoxFuture<'static, ()>),
    /// A caller.
    Caller(oneshot::Sender<()>),
}

impl<O> Default for Held<O> {
    fn default() -> Self {
        let (count, _) = watch::channel(0);
        Self { all: Mutex::default(), count }
    }
}

impl<O: Copy + PartialEq> Held<O> {
    /// Kind and name of each, in the order they came.
    pub(crate) fn list(&self) -> Vec<(O, String)> {
        self.lock().iter().map(|one| (one.operation, one.name.clone())).collect()
    }

    /// Waits until at least `count` are held.
    pub(crate) async fn until(&self, count: usize) {
        let mut held = self.count.subscribe();
        // The sender lives as long as this, so there is no error.
        let _ = held.wait_for(|held| *held >= count).await;
    }

    pub(crate) fn hold(&self, operation: O, name: &str, due: Option<u64>, what: Waiting) {
        let mut all = self.lock();
        all.push(One { operation, name: name.to_owned(), due, what });
        self.count.send_replace(all.len());
    }

    /// Waits for the release.
    pub(crate) async fn hold_caller(&self, operation: O, name: &str) {
        let (release, released) = oneshot::channel();
        self.hold(operation, name, None, Waiting::Caller(release));
        let _ = released.await;
    }

    /// Releases what is held longest; `false` if nothing is. An effect has taken place when this returns.
    pub(crate) async fn release_next(&self) -> bool {
        self.release_one(|_| true).await
    }

    /// Releases all of this kind and name, in the order they came. Answers how many.
    pub(crate) async fn release(&self, operation: O, pattern: &str) -> usize {
        self.release_where(|one| one.operation == operation && matches(pattern, &one.name)).await
    }

    /// Releases everything, in the order it came. Answers how many.
    pub(crate) async fn release_all(&self) -> usize {
        self.release_where(|_| true).await
    }

    /// Releases what goes by itself before the operation of this `number`.
    pub(crate) async fn release_due(&self, number: u64) {
        self.release_where(|one| one.due.is_some_and(|due| due <= number)).await;
    }

    /// Whether something waits for the next operation of this kind and name.
    pub(crate) fn has_overtaken(&self, operation: O, name: &str) -> bool {
        self.lock().iter().any(|one| one.is_overtaken_by(operation, name))
    }

    /// Releases what waits for the next operation of this kind and name.
    pub(crate) async fn release_overtaken(&self, operation: O, name: &str) {
        self.release_where(|one| one.is_overtaken_by(operation, name)).await;
    }

    async fn release_where(&self, chosen: impl Fn(&One<O>) -> bool) -> usize {
        let mut released = 0;
        while self.release_one(&chosen).await {
            released += 1;
        }
        released
    }

    async fn release_one(&self, chosen: impl Fn(&One<O>) -> bool) -> bool {
        let one = {
            let mut all = self.lock();
            let found = all.iter().position(chosen).map(|index| all.remove(index));
            self.count.send_replace(all.len());
            found
        };
        match one.map(|one| one.what) {
            None => return false,
            Some(Waiting::Effect(effect) | Waiting::Overtaken(effect)) => effect.await,
            // Whoever waited may have given up, then its operation never takes effect.
            Some(Waiting::Caller(caller)) => drop(caller.send(())),
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Vec<One<O>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: PartialEq> One<O> {
    fn is_overtaken_by(&self, operation: O, name: &str) -> bool {
        self.operation == operation && self.name == name && matches!(self.what, Waiting::Overtaken(_))
    }
}

/// Lets `delay` pass on tokio's clock.
pub(crate) async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
