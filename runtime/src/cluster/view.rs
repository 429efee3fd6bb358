//! What a node knows of the nodes. Pure: time is given, in measured time since some moment.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

#[cfg(test)]
mod tests;

/// What a node says of itself, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// Its name: a life, not a machine.
    pub(crate) node: Arc<str>,
    /// Counts what it has said.
    pub(crate) number: u64,
    /// Whether it takes part.
    pub(crate) standing: Standing,
    /// The partitions that it owns, each with the epoch of its tenure.
    pub(crate) owns: BTreeMap<u16, u64>,
    /// The partitions that it can not serve, whatever it does: their journals can not be read, or they end it again and
    /// again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) refuses: BTreeSet<u16>,
    /// How long it has been there.
    #[serde(default)]
    pub(crate) up_ms: u64,
    /// Whether the directory hears it: if not, it is to be told of others over the bus.
    #[serde(default)]
    pub(crate) hears_directory: Hears,
    /// The identity of the name space in its store; nil if it says nothing.
    #[serde(default)]
    pub(crate) home: Uuid,
}

/// Whether a node takes part in the ownership of partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// It owns partitions, and takes more.
    #[default]
    Owner,
    /// It cannot own any at present: it does not reach the store, or nobody reaches it.
    Unfit,
    /// It stops: it hands over what it has.
    Leaving,
    /// It has stopped.
    Gone,
    /// It never owns any.
    Client,
}

/// Whether the directory answers a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hears {
    /// It does.
    #[default]
    Yes,
    /// It does not.
    No,
}

/// A node as it was last heard of.
#[derive(Clone, Debug)]
struct Seen {
    beat: Beat,
    /// When its number last grew.
    at: Duration,
    /// Since when messages to it find no queue of its, all of them.
    unreachable_since: Option<Duration>,
    /// It had none for long enough.
    is_unreachable: bool,
}

impl Seen {
    fn now(beat: Beat, at: Duration) -> Self {
        Self { beat, at, unreachable_since: None, is_unreachable: false }
    }
}

/// A node that has no queue for so long is dead: there is nobody who could take its messages. One whose connection was lost
/// has another by then.
pub(super) const UNREACHABLE_MAX: Duration = Duration::from_millis(750);

/// The nodes, as far as one of them knows.
#[derive(Debug)]
pub(crate) struct View {
    life: Duration,
    nodes: BTreeMap<Arc<str>, Seen>,
}

impl View {
    /// Nothing is known yet. A node that is silent for `life` is dead.
    pub(crate) fn new(life: Duration) -> Self {
        Self { life, nodes: BTreeMap::new() }
    }

    /// Somebody was heard of, whichever way. What is old news changes nothing: a directory repeats what dead nodes have
    /// said last.
    pub(crate) fn heard(&mut self, beat: Beat, now: Duration) -> Heard {
        match self.nodes.get_mut(&beat.node) {
            None => {
                let came = beat.standing != Standing::Gone;
                self.nodes.insert(beat.node.clone(), Seen::now(beat, now));
                if came { Heard::Newcomer } else { Heard::News }
            }
            Some(seen) if seen.beat.number < beat.number => {
                let said = |beat: &Beat| (beat.owns.clone(), beat.standing, beat.refuses.clone());
                let is_news = said(&seen.beat) != said(&beat);
                let was_dead = !is_alive(seen, now, self.life);
                *seen = Seen::now(beat, now);
                if is_news || was_dead { Heard::News } else { Heard::SameAgain }
            }
            Some(_) => Heard::Old,
        }
    }

    /// A message to a node found no queue of its.
    pub(crate) fn unreachable(&mut self, node: &str, now: Duration) -> Unreachable {
        let life = self.life;
        let Some(seen) = self.nodes.get_mut(node).filter(|seen| is_alive(seen, now, life)) else {
            return Unreachable::Still;
        };
        let Some(since) = seen.unreachable_since else {
            seen.unreachable_since = Some(now);
            return Unreachable::Perhaps;
        };
        seen.is_unreachable = now.saturating_sub(since) >= UNREACHABLE_MAX;
        if seen.is_unreachable { Unreachable::Dead } else { Unreachable::Still }
    }

    /// Another node has found that out, and not in a moment: one message that is not delivered is enough.
    pub(crate) fn suspected(&mut self, node: &str, now: Duration) {
        if let Some(seen) = self.nodes.get_mut(node) {
            seen.unreachable_since = Some(now.saturating_sub(UNREACHABLE_MAX));
        }
    }

    /// A message to it was delivered.
    pub(crate) fn reached(&mut self, node: &str) {
        if let Some(seen) = self.nodes.get_mut(node) {
            (seen.unreachable_since, seen.is_unreachable) = (None, false);
        }
    }

    /// Forgets nodes that have been dead for long, so that only as many are kept as there are.
    pub(crate) fn forget(&mut self, now: Duration) {
        let life = self.life;
        self.nodes.retain(|_, seen| now.saturating_sub(seen.at) < 10 * life);
    }

    /// The nodes that live.
    pub(crate) fn living(&self, now: Duration) -> impl Iterator<Item = &Beat> {
        self.nodes.values().filter(move |seen| is_alive(seen, now, self.life)).map(|seen| &seen.beat)
    }

    /// Whether a node lives.
    pub(crate) fn lives(&self, node: &str, now: Duration) -> bool {
        self.nodes.get(node).is_some_and(|seen| is_alive(seen, now, self.life))
    }

    /// Whether a node is known to be dead: it was there.
    pub(crate) fn has_died(&self, node: &str, now: Duration) -> bool {
        self.nodes.get(node).is_some_and(|seen| !is_alive(seen, now, self.life))
    }

    /// The nodes that are known to be dead.
    pub(crate) fn dead(&self, now: Duration) -> impl Iterator<Item = &Arc<str>> {
        self.nodes.iter().filter(move |(_, seen)| !is_alive(seen, now, self.life)).map(|(node, _)| node)
    }

    /// The names of the nodes that take partitions.
    pub(crate) fn owners(&self, now: Duration) -> BTreeSet<Arc<str>> {
        self.living(now).filter(|beat| beat.standing == Standing::Owner).map(|beat| beat.node.clone()).collect()
    }

    /// The nodes that refuse each partition.
    pub(crate) fn refusals(&self, now: Duration) -> BTreeMap<u16, BTreeSet<Arc<str>>> {
        let mut refusals: BTreeMap<u16, BTreeSet<Arc<str>>> = BTreeMap::new();
        for beat in self.living(now) {
            for partition in &beat.refuses {
                refusals.entry(*partition).or_default().insert(beat.node.clone());
            }
        }
        refusals
    }

    /// Who owns which partition: of those that live and say so, the one with the highest epoch.
    pub(crate) fn map(&self, now: Duration) -> BTreeMap<u16, (u64, Arc<str>)> {
        let mut map: BTreeMap<u16, (u64, Arc<str>)> = BTreeMap::new();
        for beat in self.living(now) {
            for (&partition, &epoch) in &beat.owns {
                let claim = (epoch, beat.node.clone());
                match map.get(&partition) {
                    Some(best) if *best >= claim => {}
                    _ => drop(map.insert(partition, claim)),
                }
            }
        }
        map
    }
}

fn is_alive(seen: &Seen, now: Duration, life: Duration) -> bool {
    let is_fresh = now.saturating_sub(seen.at) < life;
    is_fresh && seen.beat.standing != Standing::Gone && !seen.is_unreachable
}

/// What a message means that found no queue of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// The node may be connecting anew. One more message is to tell, after [`UNREACHABLE_MAX`].
    Perhaps,
    /// Nothing that was not known.
    Still,
    /// The node is dead because of that.
    Dead,
}

/// What hearing of a node has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It was not known.
    Newcomer,
    /// It owns other partitions, or stands otherwise, or was taken for dead.
    News,
    /// It is still there.
    SameAgain,
    /// It has said more since.
    Old,
}
