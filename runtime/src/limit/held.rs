//! What is taken of a limit, until it ends.

use super::Limiter;
use callboard_core::sabotage::{self, Sabotage};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One of those that a limit allows at a time: free again when it has ended or nobody has it any more, once.
///
/// It is the partition's from the moment at which its task is handed out, and the handler's too as soon as that comes to
/// the limit: whoever ends it first frees it.
pub(crate) struct Held {
    limiter: Arc<Limiter>,
    pub(super) number: u64,
    pub(super) units: u64,
    is_over: AtomicBool,
}

impl Held {
    pub(super) fn new(limiter: Arc<Limiter>, number: u64, units: u64) -> Arc<Self> {
        limiter.live.fetch_add(1, Ordering::AcqRel);
        Arc::new(Self { limiter, number, units, is_over: AtomicBool::new(false) })
    }

    /// It is not needed any more.
    pub(crate) fn end(&self) {
        if !self.is_over.swap(true, Ordering::AcqRel) {
            self.limiter.live.fetch_sub(1, Ordering::AcqRel);
            self.limiter.free(self.number);
        }
    }

    /// What is wrong with the limit that it is of, in words.
    pub(crate) fn breach(&self) -> Option<String> {
        self.limiter.breach()
    }

    /// Its holder has died.
    pub(crate) fn lost(&self) {
        self.end();
        if sabotage::is(Sabotage::LimitCountedTwice) {
            self.limiter.free(self.number);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.limiter.gate).field(&self.number).finish()
    }
}
