//! The receiving connection of a node, and all that ends with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::port::fault::{Link, Up};

/// Something that ends when the connection is cut: a consumer, a subscription, a delivery.
pub(super) trait End: Send + Sync {
    /// Gives up what it has of the shared bus, for good.
    fn sever(&self);
}

/// A connection and what is open on it.
#[derive(Default)]
pub(super) struct Ends {
    link: Link,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// In the order they began: a consumer before its deliveries.
    ends: BTreeMap<u64, Arc<dyn End>>,
    next: u64,
}

impl Ends {
    pub(super) fn up(&self) -> Option<Up> {
        self.link.up()
    }

    pub(super) fn heal(&self) {
        self.link.heal();
    }

    /// Cuts the connection and ends what is open on it. Answers how much that was.
    pub(super) fn cut(&self) -> u64 {
        let mut open = self.lock();
        self.link.cut();
        let ends = std::mem::take(&mut open.ends);
        drop(open);
        ends.values().for_each(|end| end.sever());
        u64::try_from(ends.len()).unwrap_or(u64::MAX)
    }

    /// Has `end` end with the connection `up`. Answers the number to [`remove`](Self::remove) it by, or `None` when that
    /// connection is over already.
    pub(super) fn add(&self, up: &Up, end: Arc<dyn End>) -> Option<u64> {
        let mut open = self.lock();
        if up.is_over() {
            return None;
        }
        open.next += 1;
        let number = open.next;
        open.ends.insert(number, end);
        Some(number)
    }

    pub(super) fn remove(&self, number: u64) {
        let removed = self.lock().ends.remove(&number);
        drop(removed);
    }

    /// No foreign code runs under the lock, so a poisoned map is a whole one.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
