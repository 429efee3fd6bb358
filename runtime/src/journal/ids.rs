//! Where the random ids of writes come from.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// The source of write ids, batch ids and snapshot names: 128 bits that are never equal twice.
///
/// It is injected, so that a simulation with the same seed writes the same bytes. Safety rests on it:
/// two intents with one id would each take the other's write for its own.
#[derive(Clone)]
pub(crate) struct Ids(Arc<dyn Fn() -> Uuid + Send + Sync>);

impl Ids {
    /// Random ids of the operating system (uuid version 4); what production uses.
    pub(crate) fn random() -> Self {
        Self(Arc::new(crate::chance::id))
    }

    /// Ids from `source`, which must never return one twice, nor the nil id.
    #[cfg(any(test, feature = "test"))]
    pub(crate) fn from_fn(source: impl Fn() -> Uuid + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }

    pub(crate) fn next(&self) -> Uuid {
        (self.0)()
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}
