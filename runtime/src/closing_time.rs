//! The clean stop of a node, as those who are to end see it.

#[cfg(test)]
mod tests;

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Says once that the node stops.
#[derive(Debug)]
pub(crate) struct Bell(watch::Sender<Option<Ends>>);

/// Tells when the node stops, and how long is left; a clone tells the same.
#[derive(Clone, Debug)]
pub(crate) struct ClosingTime(watch::Receiver<Option<Ends>>);

/// One moment for everybody, so that a stop takes no longer with many partitions than with one.
#[derive(Clone, Copy, Debug)]
struct Ends {
    handlers: Instant,
    commits: Instant,
}

impl Bell {
    pub(crate) fn new() -> (Self, ClosingTime) {
        let (bell, heard) = watch::channel(None);
        (Self(bell), ClosingTime(heard))
    }

    /// Begins the stop: handlers have `drain` to finish, the last commits `commit` behind that. Only the first call
    /// counts.
    pub(crate) fn ring(&self, drain: Duration, commit: Duration) {
        self.0.send_if_modified(|ends| {
            let handlers = Instant::now() + drain;
            let first = ends.is_none();
            ends.get_or_insert(Ends { handlers, commits: handlers + commit });
            first
        });
    }
}

impl ClosingTime {
    /// Whether the stop has begun: no more tasks are taken.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits until the stop begins.
    pub(crate) async fn begun(&self) {
        let _ends = self.ends().await;
    }

    /// Waits until handlers have to hand back what they have not done.
    pub(crate) async fn handlers_are_over(&self) {
        sleep_until(self.ends().await.handlers).await;
    }

    /// Waits until what is not committed is left to the next life.
    pub(crate) async fn commits_are_over(&self) {
        sleep_until(self.ends().await.commits).await;
    }

    async fn ends(&self) -> Ends {
        let mut heard = self.0.clone();
        let ends = heard.wait_for(Option::is_some).await.ok().and_then(|ends| *ends);
        match ends {
            Some(ends) => ends,
            None => std::future::pending().await, // the node is gone without a stop, and what waits here with it
        }
    }
}
