//! Forgetting on order, for tests.

use tokio::time::Instant;

use super::{Expiring, MemoryDirectory};
use crate::port::directory::fault::{Fact, Forgetful};

impl Forgetful for MemoryDirectory {
    fn forget(&self, which: &mut dyn FnMut(Fact<'_>) -> bool) -> usize {
        let mut inner = self.lock();
        let entries = inner.entries.forget(&mut |(kind, id)| which(Fact::Entry { kind, id }));
        let leases = inner.leases.forget(&mut |name| which(Fact::Lease { name }));
        let parts = inner.parts.forget(&mut |(pool, holder)| which(Fact::Part { pool, holder }));
        entries + leases + parts
    }
}

impl<K: Ord, V> Expiring<K, V> {
    /// Forgets the live ones whose keys are chosen, asked in ascending order.
    fn forget(&mut self, chosen: &mut dyn FnMut(&K) -> bool) -> usize {
        let now = Instant::now();
        let mut forgotten = 0;
        self.map.retain(|key, held| {
            let goes = held.until > now && chosen(key);
            forgotten += usize::from(goes);
            !goes
        });
        forgotten
    }
}
