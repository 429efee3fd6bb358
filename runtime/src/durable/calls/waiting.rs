//! One call, for whoever waits for it.

use super::{Calls, Key, Mark, Outcome, Turn};
use crate::{Error, ErrorKind, Result};
use callboard_core::sabotage::{self, Sabotage};
use std::sync::Arc;

/// That the code of a step runs.
#[derive(Debug)]
pub(crate) struct Running(pub(super) Arc<Calls>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}

/// A call that somebody waits for; dropped with the future that does.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) calls: Arc<Calls>,
    pub(crate) key: Key,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.calls.dropped(&self.key);
    }
}

impl Waiting {
    /// The call as it is when it is polled first: the same.
    pub(crate) fn polled(self) -> Self {
        if !sabotage::is(Sabotage::OccurrenceAtFirstPoll) {
            return self;
        }
        Self { calls: self.calls.clone(), key: self.calls.key_at_poll(&self.key) }
    }

    /// See [`Calls::poll_turn`].
    pub(crate) async fn turn(&self) -> Result<Turn> {
        std::future::poll_fn(|cx| self.calls.poll_turn(&self.key, cx)).await
    }

    /// See [`Calls::poll_ours`].
    pub(crate) async fn ours(&self) -> Result<()> {
        std::future::poll_fn(|cx| self.calls.poll_ours(&self.key, cx)).await
    }

    /// See [`Calls::poll_held`].
    pub(crate) async fn held(&self, gate: &Arc<str>) -> Result<()> {
        let mut has_begun = false;
        std::future::poll_fn(|cx| self.calls.poll_held(&self.key, gate, &mut has_begun, cx)).await
    }

    /// The same for a call whose beginning its handler sees, so that it is seen again where it was seen before.
    pub(crate) async fn turn_or_mark(&self) -> Result<Turn> {
        let Self { calls, key } = self;
        std::future::poll_fn(|cx| match calls.mark(key) {
            Some(_) => calls.poll_news(key, cx, |_| true),
            None => calls.poll_turn(key, cx),
        })
        .await
    }

    /// See [`Calls::poll_news`].
    pub(crate) async fn news(&self, until: impl Fn(&Mark) -> bool) -> Result<Turn> {
        std::future::poll_fn(|cx| self.calls.poll_news(&self.key, cx, &until)).await
    }

    /// Waits for the outcome.
    pub(crate) async fn outcome(&self) -> Result<Outcome> {
        match self.news(|_| false).await? {
            Turn::Outcome(outcome) => Ok(outcome),
            Turn::Go(_) => Err(Error::new(ErrorKind::Corrupt, "a call went on without an outcome")),
        }
    }
}
