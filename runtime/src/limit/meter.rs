//! One rate of a limit on one node: what went, and what has been leased.

use super::rules::Rate;
use super::window::Window;
use std::collections::VecDeque;
use tokio::time::Instant;

/// What a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Units,
    Calls,
}

impl What {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Units => "units",
            Self::Calls => "calls",
        }
    }

    /// What a call costs that asks for so many units.
    pub(super) const fn cost(self, units: u64) -> u64 {
        match self {
            Self::Units => units,
            Self::Calls => 1,
        }
    }
}

/// How much of a limit a node has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// All: there is no other node.
    Alone,
    /// What it has leased.
    Leased,
    /// Its share, for nobody says what the others have.
    Away {
        /// The nodes that are known, this one among them.
        nodes: u64,
    },
}

impl Reach {
    /// What is for us of so many: never nothing.
    pub(super) fn share(self, most: u64) -> u64 {
        match self {
            Self::Alone | Self::Leased => most,
            Self::Away { nodes } => (most / nodes.max(1)).max(1),
        }
    }
}

/// Units that were leased of the directory.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// The name under which they are held there, with that of the node.
    pub(super) number: u64,
    pub(super) left: u64,
    pub(super) used: u64,
    /// Until when they may be used.
    pub(super) until: Instant,
    /// When one of them was used last.
    pub(super) last: Instant,
}

#[derive(Debug)]
pub(super) struct Meter {
    pub(super) what: What,
    pub(super) rate: Rate,
    window: Window,
    pub(super) batches: VecDeque<Batch>,
    since: Instant,
}

/// A batch may be used for this fraction of the stretch of its rate: what is leased and not used is missing to others for
/// so long, and a node needs so many batches in a stretch at most.
pub(super) const BATCHES: u64 = 128;

impl Meter {
    pub(super) fn new(what: What, rate: Rate, since: Instant) -> Self {
        let window = Window::new(rate.per.as_nanos() as u64, rate.most, rate.burst);
        Self { what, rate, window, batches: VecDeque::new(), since }
    }

    /// How often so many units may go now.
    pub(super) fn room(&mut self, reach: Reach, now: Instant, units: u64) -> u64 {
        let (at, cost) = (self.nanos(now), self.what.cost(units));
        match reach {
            Reach::Leased if cost > 0 => (self.leased(now) / cost).min(self.window.paced(at, cost)),
            reach => self.window.room(at, cost, reach.share(self.rate.most)),
        }
    }

    pub(super) fn leased(&self, now: Instant) -> u64 {
        self.batches.iter().filter(|batch| batch.until > now).map(|batch| batch.left).sum()
    }

    pub(super) fn take(&mut self, now: Instant, units: u64) {
        let (at, mut cost) = (self.nanos(now), self.what.cost(units));
        self.window.take(at, cost);
        for batch in self.batches.iter_mut().filter(|batch| batch.until > now && batch.left > 0) {
            let taken = cost.min(batch.left);
            (batch.left, batch.used, batch.last) = (batch.left - taken, batch.used + taken, now);
            cost -= taken;
            if cost == 0 {
                break;
            }
        }
    }

    /// When so many units may go at the earliest, as far as time alone makes room.
    pub(super) fn next(&self, reach: Reach, now: Instant, units: u64) -> Instant {
        let (at, cost) = (self.nanos(now), self.what.cost(units));
        let next = self.window.next(at, cost, reach.share(self.rate.most));
        now + std::time::Duration::from_nanos(next - at)
    }

    /// How many went in the last stretch, on this node.
    pub(super) fn went(&mut self, now: Instant) -> u64 {
        let at = self.nanos(now);
        self.window.sum(at)
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.since).as_nanos()).unwrap_or(u64::MAX)
    }
}
