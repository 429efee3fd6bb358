//! What is told before a tree ends by itself.

use std::fmt;
use std::sync::Arc;

type Tell = dyn Fn(&str) + Send + Sync;

/// Tells whoever has to know that a tree ends by itself, and why, before the first of its children is asked to end: what
/// waits for work, and would wait for ever, hears from somebody that there is none any more.
#[derive(Clone, Default)]
pub(crate) struct Alarm(Option<Arc<Tell>>);

impl Alarm {
    /// An alarm that tells by this function, which does not block.
    pub(crate) fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(super) fn sound(&self, why: &str) {
        if let Some(tell) = &self.0 {
            tell(why);
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Alarm" } else { "no alarm" })
    }
}
