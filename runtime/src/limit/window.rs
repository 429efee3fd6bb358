//! What went in the last stretch of time. Pure: time is given, in nanoseconds since some moment, and never goes back.
//!
//! A sliding log: it remembers when how many went, so that **no stretch of time of its length has more than the limit in
//! it**, wherever it begins; that holds whether the other side counts in windows that are fixed, that slide, or by a bucket.
//! A token bucket or a GCRA alone would let up to twice as many into such a stretch.
//!
//! A burst that is smaller than the limit is kept by the generic cell rate algorithm beside it (ITU-T I.371, annex A, in
//! the form of a virtual schedule): *tat* is when the next unit would be due if they came evenly.

use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub(super) struct Window {
    /// How long a stretch is.
    per: u64,
    /// How many units the limit allows in one.
    most: u64,
    burst: u64,
    /// When how many went, the oldest first.
    log: VecDeque<(u64, u64)>,
    /// How many they are together.
    sum: u64,
    /// In the measure of [`fine`](Self::fine).
    tat: u128,
}

/// As soon as the log has so many entries it is halved: two neighbours become one, as of the later.
const LOG_MAX: usize = 8_192;

impl Window {
    pub(super) fn new(per: u64, most: u64, burst: u64) -> Self {
        Self { per, most, burst: burst.min(most), log: VecDeque::new(), sum: 0, tat: 0 }
    }

    /// How often `units` may go now, where `allowed` of the limit are for us. Who asks for more than that goes alone.
    pub(super) fn room(&mut self, now: u64, units: u64, allowed: u64) -> u64 {
        self.forget(now);
        if units == 0 {
            return u64::MAX;
        }
        let paced = self.paced(now, units);
        if units > allowed {
            return u64::from(self.sum == 0).min(paced);
        }
        (allowed.saturating_sub(self.sum) / units).min(paced)
    }

    /// How often `units` may go now without coming too close.
    pub(super) fn paced(&self, now: u64, units: u64) -> u64 {
        if self.burst >= self.most || units == 0 {
            return u64::MAX;
        }
        let now = self.fine(now);
        match (now + self.early(units)).checked_sub(self.tat.max(now)) {
            None => 0,
            Some(early) => u64::try_from(early / self.spread(units)).unwrap_or(u64::MAX).saturating_add(1),
        }
    }

    /// So many go now.
    pub(super) fn take(&mut self, now: u64, units: u64) {
        if units == 0 {
            return;
        }
        self.forget(now);
        match self.log.back_mut() {
            Some((at, there)) if *at == now => *there += units,
            _ => self.log.push_back((now, units)),
        }
        self.sum += units;
        self.tat = self.tat.max(self.fine(now)) + self.spread(units);
        if self.log.len() >= LOG_MAX {
            let mut log = std::mem::take(&mut self.log).into_iter();
            while let Some((at, units)) = log.next() {
                let next = log.next();
                self.log.push_back(next.map_or((at, units), |(later, more)| (later, units + more)));
            }
        }
    }

    /// When `units` may go at the earliest, if nothing else goes before.
    pub(super) fn next(&self, now: u64, units: u64, allowed: u64) -> u64 {
        let mut left = self.sum;
        let keeps = allowed.saturating_sub(units);
        let mut at = now;
        for (went, there) in &self.log {
            if left <= keeps {
                break;
            }
            left -= there;
            at = at.max(went.saturating_add(self.per));
        }
        if self.burst >= self.most {
            return at;
        }
        let due = self.tat.saturating_sub(self.early(units)).div_ceil(u128::from(self.most.max(1)));
        at.max(u64::try_from(due).unwrap_or(u64::MAX))
    }

    /// How many went in the last stretch.
    pub(super) fn sum(&mut self, now: u64) -> u64 {
        self.forget(now);
        self.sum
    }

    fn forget(&mut self, now: u64) {
        while let Some((_, units)) = self.log.front().filter(|(at, _)| at.saturating_add(self.per) <= now) {
            self.sum -= units;
            self.log.pop_front();
        }
    }

    /// A moment in the measure of *tat*: so fine that what comes evenly comes at whole numbers.
    fn fine(&self, at: u64) -> u128 {
        u128::from(at) * u128::from(self.most.max(1))
    }

    /// How long so many units take if they come evenly, in that measure.
    fn spread(&self, units: u64) -> u128 {
        u128::from(units) * u128::from(self.per.max(1))
    }

    /// How long before they are due so many units may go.
    fn early(&self, units: u64) -> u128 {
        self.spread(self.burst.saturating_sub(units))
    }
}
