//! The changes of breakers, as whoever follows them sees them.

use super::BreakerInfo;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// The changes of the breakers of a node from when it was asked for, in order; see
/// [`Callboard::breaker_changes`](crate::Callboard::breaker_changes). Whoever is behind by more than 1,024 misses the
/// oldest.
#[derive(Debug)]
pub struct BreakerChanges(pub(super) Receiver<BreakerInfo>);

impl BreakerChanges {
    /// The next one: the breaker as it stands since; `None` when the node has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<BreakerInfo> {
        loop {
            match self.0.recv().await {
                Ok(changed) => return Some(changed),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "whoever follows the changes of breakers has missed some");
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
