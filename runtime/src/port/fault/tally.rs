//! Counters by kind.

use std::fmt;

/// How often each kind was counted, in the order in which they came first.
pub(crate) struct Tally<K>(Vec<(K, u64)>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq> Tally<K> {
    pub(crate) fn add(&mut self, kind: K, times: u64) {
        match self.0.iter_mut().find(|(counted, _)| *counted == kind) {
            Some((_, count)) => *count += times,
            None => self.0.push((kind, times)),
        }
    }

    pub(crate) fn of(&self, kind: K) -> u64 {
        self.0.iter().find(|(counted, _)| *counted == kind).map_or(0, |(_, count)| *count)
    }

    pub(crate) fn all(&self) -> Vec<(K, u64)>
    where
        K: Copy,
    {
        self.0.clone()
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

impl<K: fmt::Debug> fmt::Debug for Tally<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(kind, count)| (kind, count))).finish()
    }
}
