//! What a node does about the partitions: which it claims, which it lets go of, and when. Pure: time is given.
//!
//! Nothing here is needed for anything to be right: the journal decides who owns a partition. It is there so that every
//! partition has an owner soon, that all have about as many, and that none goes to and fro.

use super::assign::{assign, without};
use super::view::{Standing, View};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What a steward is tuned by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How long an owner keeps a partition before it hands it to another node only because that has fewer.
    pub(crate) tenure_min: Duration,
    /// The pause after a claim that came to nothing or a tenure that was cut short; it doubles each time.
    pub(crate) backoff_first: Duration,
    /// The longest pause.
    pub(crate) backoff_cap: Duration,
}

/// Whether partitions move from one living node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Movement {
    /// They do.
    Free,
    /// They do not: too little is known of the others. What a dead node had is claimed all the same.
    Frozen,
    /// Nor does one that is unfit give any up: the others are not known to fare better.
    Held,
    /// Nothing is claimed either: nothing is known of the others yet.
    Unsettled,
}

/// What is to be done about a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Claim it.
    Claim(u16),
    /// End its tenure.
    Release(u16, Why),
}

/// Why a tenure ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Another node is to have it.
    HandedTo(Arc<str>),
    /// Another node has claimed it since.
    Deposed(Arc<str>),
    /// This node can not serve it at present.
    Unfit,
    /// This node stops.
    Leaving,
}

/// A tenure of this node.
#[derive(Clone, Copy, Debug)]
enum Tenure {
    /// It is being claimed, and replayed.
    Beginning,
    /// It is served.
    Serving { epoch: u64, since: Duration },
    /// It is being ended.
    Ending,
}

/// How far a tenure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is being claimed, and replayed.
    Beginning,
    /// It is served.
    Serving,
    /// It is being ended.
    Ending,
}

/// Claims that came to nothing, and tenures that were cut short.
#[derive(Clone, Copy, Debug)]
struct Setbacks {
    count: u32,
    last: Duration,
}

/// The steward of a node.
#[derive(Debug)]
pub(crate) struct Steward {
    me: Arc<str>,
    partitions: u16,
    pace: Pace,
    tenures: BTreeMap<u16, Tenure>,
    setbacks: BTreeMap<u16, Setbacks>,
    /// Tenures that ended by a panic, and since when they are counted.
    panics: BTreeMap<u16, Setbacks>,
    refuses: BTreeSet<u16>,
    /// Partitions that were given up because this node stops.
    left: BTreeSet<u16>,
}

/// A partition that so many nodes refuse is left alone by all: it is the partition, and not the nodes.
pub(crate) const QUARANTINED_BY: usize = 3;
/// A partition that has ended by a panic more often than that is refused, counted as long as that.
const PANICS: (u32, Duration) = (5, Duration::from_secs(60));

impl Steward {
    pub(crate) fn new(me: Arc<str>, partitions: u16, pace: Pace) -> Self {
        let (tenures, setbacks, panics, refuses, left) = Default::default();
        Self { me, partitions, pace, tenures, setbacks, panics, refuses, left }
    }

    /// What this node owns, with the epochs.
    pub(crate) fn owns(&self) -> BTreeMap<u16, u64> {
        let serving = self.tenures.iter().filter_map(|(partition, tenure)| match tenure {
            Tenure::Serving { epoch, .. } => Some((*partition, *epoch)),
            Tenure::Beginning | Tenure::Ending => None,
        });
        serving.collect()
    }

    /// How far the tenure of a partition is, if there is one.
    pub(crate) fn tenure_of(&self, partition: u16) -> Option<Stage> {
        self.tenures.get(&partition).map(|tenure| match tenure {
            Tenure::Beginning => Stage::Beginning,
            Tenure::Serving { .. } => Stage::Serving,
            Tenure::Ending => Stage::Ending,
        })
    }

    /// The partitions that are being claimed, or served.
    pub(crate) fn under_way(&self) -> Vec<u16> {
        let goes_on = |tenure: &Tenure| !matches!(tenure, Tenure::Ending);
        self.tenures.iter().filter(|(_, tenure)| goes_on(tenure)).map(|(partition, _)| *partition).collect()
    }

    /// A claim has succeeded, and the partition is served.
    pub(crate) fn began(&mut self, partition: u16, epoch: u64, now: Duration) {
        // One that is being ended meanwhile goes on being ended.
        if !matches!(self.tenures.get(&partition), Some(Tenure::Ending)) {
            self.tenures.insert(partition, Tenure::Serving { epoch, since: now });
        }
    }

    /// A tenure has ended as it was asked to.
    pub(crate) fn ended(&mut self, partition: u16) {
        self.tenures.remove(&partition);
    }

    /// A claim has come to nothing, or a tenure was cut short.
    pub(crate) fn failed(&mut self, partition: u16, now: Duration) {
        self.tenures.remove(&partition);
        let calm = 4 * self.pace.backoff_cap;
        let setbacks = self.setbacks.entry(partition).or_insert(Setbacks { count: 0, last: now });
        if now.saturating_sub(setbacks.last) > calm {
            setbacks.count = 0;
        }
        *setbacks = Setbacks { count: setbacks.count.saturating_add(1), last: now };
    }

    /// A tenure was ended by another node's claim. Whoever that is lives, and within a life either is heard or has died: a node
    /// that hears nobody must not take it back at once.
    pub(crate) fn fenced(&mut self, partition: u16, now: Duration) {
        self.tenures.remove(&partition);
        self.setbacks.insert(partition, Setbacks { count: u32::MAX, last: now });
    }

    /// The store answers this node again: what has failed without it may go well now. Who was fenced waits all the same.
    pub(crate) fn store_is_back(&mut self) {
        self.setbacks.retain(|_, setbacks| setbacks.count == u32::MAX);
    }

    /// Somebody else means to claim it: it is looked at again soon.
    pub(crate) fn postponed(&mut self, partition: u16, now: Duration) {
        self.tenures.remove(&partition);
        self.setbacks.insert(partition, Setbacks { count: 1, last: now });
    }

    /// The partitions that this node can not serve.
    pub(crate) fn refuses(&self) -> &BTreeSet<u16> {
        &self.refuses
    }

    /// It can not be served here, whatever is done.
    pub(crate) fn refuse(&mut self, partition: u16, now: Duration) {
        self.refuses.insert(partition);
        self.failed(partition, now);
    }

    /// A tenure has ended by a panic. After too many of them the partition is refused.
    pub(crate) fn panicked(&mut self, partition: u16, now: Duration) {
        let panics = self.panics.entry(partition).or_insert(Setbacks { count: 0, last: now });
        if now.saturating_sub(panics.last) > PANICS.1 {
            *panics = Setbacks { count: 0, last: now };
        }
        panics.count += 1;
        if panics.count > PANICS.0 {
            self.refuses.insert(partition);
        }
        self.failed(partition, now);
    }

    /// The partitions that nobody can serve.
    pub(crate) fn quarantined(&self, view: &View, now: Duration) -> Vec<u16> {
        let nodes = self.nodes(view, now, Standing::Owner);
        let refusals = self.refusals(view, now);
        let is_quarantined = |refuse: &BTreeSet<Arc<str>>| refuse.len() >= QUARANTINED_BY || nodes.is_subset(refuse);
        refusals.into_iter().filter(|(_, refuse)| is_quarantined(refuse)).map(|(partition, _)| partition).collect()
    }

    fn refusals(&self, view: &View, now: Duration) -> BTreeMap<u16, BTreeSet<Arc<str>>> {
        let mut refusals = view.refusals(now);
        for partition in &self.refuses {
            refusals.entry(*partition).or_default().insert(self.me.clone());
        }
        refusals
    }

    /// The nodes among which the partitions are divided.
    fn nodes(&self, view: &View, now: Duration, standing: Standing) -> BTreeSet<Arc<str>> {
        let mut nodes = view.owners(now);
        match standing {
            Standing::Owner => drop(nodes.insert(self.me.clone())),
            Standing::Unfit | Standing::Leaving | Standing::Gone | Standing::Client => drop(nodes.remove(&self.me)),
        }
        nodes
    }

    /// Until when a partition is left alone after its setbacks.
    pub(crate) fn rests_until(&self, partition: u16) -> Duration {
        let Some(Setbacks { count, last }) = self.setbacks.get(&partition) else { return Duration::ZERO };
        let doubled = self.pace.backoff_first.saturating_mul(2_u32.saturating_pow(count.saturating_sub(1)));
        *last + doubled.min(self.pace.backoff_cap)
    }

    /// What is to be done now. It is noted as being done.
    pub(crate) fn acts(&mut self, view: &View, now: Duration, standing: Standing, movement: Movement) -> Vec<Act> {
        let map = view.map(now);
        let nodes = self.nodes(view, now, standing);
        let refusals = self.refusals(view, now);
        let mine = self.owns();
        let others = map.iter().filter(|(_, (_, node))| *node != self.me);
        let mut owners: BTreeMap<u16, Arc<str>> =
            others.map(|(partition, (_, node))| (*partition, node.clone())).collect();
        let mut acts = Vec::new();
        for (&partition, &epoch) in &mine {
            match map.get(&partition).filter(|(other, node)| *other > epoch && *node != self.me) {
                Some((_, node)) => acts.push(Act::Release(partition, Why::Deposed(node.clone()))),
                None => drop(owners.insert(partition, self.me.clone())),
            }
        }
        // What is being claimed is meant to be ours, whatever else has changed since.
        let beginning = self.tenures.iter().filter(|(_, tenure)| matches!(tenure, Tenure::Beginning));
        for (partition, _) in beginning {
            owners.entry(*partition).or_insert_with(|| self.me.clone());
        }
        let assigned = assign(self.partitions, &nodes, &owners);
        for (partition, node) in (0..).zip(assigned) {
            // Whoever refuses it leaves it to another; if that goes round it is the partition, and not the nodes.
            let node = match refusals.get(&partition) {
                Some(refuse) if refuse.len() >= QUARANTINED_BY => None,
                Some(refuse) if node.as_ref().is_some_and(|node| refuse.contains(node)) => {
                    without(partition, &nodes, refuse)
                }
                _ => node,
            };
            let is_owned = owners.contains_key(&partition);
            match (self.tenures.get(&partition), node) {
                (None, Some(node))
                    if node == self.me
                        && !is_owned
                        && movement != Movement::Unsettled
                        && self.rests_until(partition) <= now =>
                {
                    acts.push(Act::Claim(partition));
                }
                // Nobody else is there to take it: it is served to the end.
                (Some(Tenure::Serving { .. }), None) => {}
                // It was left to a node that had died: what is still worked on here has nobody else to tell.
                (None, None)
                    if standing == Standing::Leaving
                        && nodes.is_empty()
                        && self.left.contains(&partition)
                        && !is_owned
                        && movement != Movement::Unsettled
                        && self.rests_until(partition) <= now =>
                {
                    acts.push(Act::Claim(partition));
                }
                (Some(Tenure::Serving { since, .. }), Some(node)) if node != self.me => {
                    let is_mine = owners.get(&partition) == Some(&self.me);
                    let may_move = movement == Movement::Free && now.saturating_sub(*since) >= self.pace.tenure_min;
                    match standing {
                        _ if !is_mine => {} // deposed, above
                        Standing::Owner if may_move => acts.push(Act::Release(partition, Why::HandedTo(node))),
                        Standing::Owner => {}
                        Standing::Unfit if matches!(movement, Movement::Held | Movement::Unsettled) => {}
                        Standing::Unfit => acts.push(Act::Release(partition, Why::Unfit)),
                        Standing::Leaving | Standing::Gone | Standing::Client => {
                            acts.push(Act::Release(partition, Why::Leaving));
                        }
                    }
                }
                _ => {}
            }
        }
        for act in &acts {
            match act {
                Act::Claim(partition) => self.tenures.insert(*partition, Tenure::Beginning),
                Act::Release(partition, why) => {
                    match why {
                        Why::Deposed(_) | Why::Unfit => self.failed(*partition, now),
                        Why::Leaving => drop(self.left.insert(*partition)),
                        Why::HandedTo(_) => {}
                    }
                    self.tenures.insert(*partition, Tenure::Ending)
                }
            };
        }
        acts
    }
}
