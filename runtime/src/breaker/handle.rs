//! A breaker in the hands of a person.

use super::actor::ByHand;
use super::{BreakerInfo, Breakers};
use crate::Result;

/// A breaker by its name: what a person does with it. See [`Callboard::breaker`](crate::Callboard::breaker).
#[derive(Clone)]
pub struct BreakerHandle {
    pub(crate) breakers: Breakers,
    pub(crate) name: String,
}

impl BreakerHandle {
    /// Where it stands.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none of this name on this node: one is made when it is used for the first time.
    pub fn info(&self) -> Result<BreakerInfo> {
        self.breakers.info(&self.name)
    }

    /// Opens it, and keeps it open until it is closed or reset; `by` says who, or why. Not durable: a cluster that starts
    /// anew does not know of it.
    ///
    /// # Errors
    ///
    /// As [`info`](Self::info); `Unavailable` while the breakers of the node are being restarted.
    pub async fn open(&self, by: &str) -> Result<BreakerInfo> {
        self.breakers.put(&self.name, ByHand::Open, by).await
    }

    /// Closes it: calls come back on its ramp, without a probe.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn close(&self, by: &str) -> Result<BreakerInfo> {
        self.breakers.put(&self.name, ByHand::Close, by).await
    }

    /// Makes it as if it were new: closed at once, with no failure counted.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn reset(&self, by: &str) -> Result<BreakerInfo> {
        self.breakers.put(&self.name, ByHand::Reset, by).await
    }
}

impl std::fmt::Debug for BreakerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("BreakerHandle").field(&self.name).finish()
    }
}
