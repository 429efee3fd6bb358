//! Slots that a node lends to others, and tasks that wait for slots of others.
//!
//! A node whose tasks find no slot says so to all: it *wants* slots. A node with a free slot gives it to its own most
//! urgent task or lends it to the node whose want is the most urgent; among equals they take turns. A slot that is lent is
//! taken: the other node fills it with its most urgent task and sends that, or gives it back at once. So a task never
//! waits before a busy instance while another is idle, and at most as many tasks as an agent has slots are ahead of a
//! more urgent one that comes later.
//!
//! Messages may be lost: a slot that was lent and not filled is taken back after a while, and what is wanted is said
//! again with every beat.

use crate::cluster::note::Wanted;
use callboard_core::{Priority, Requirements, Traits};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a want holds that is not repeated.
const WANT_MAX: Duration = Duration::from_secs(5);
/// How long a slot that was lent may be neither filled nor given back. Whoever fills it later is let in all the same.
const LOAN_MAX: Duration = Duration::from_secs(5);

/// What other nodes want.
#[derive(Debug, Default)]
pub(super) struct Wants(BTreeMap<Arc<str>, Want>);

#[derive(Debug)]
struct Want {
    lanes: Vec<Wanted>,
    since: Instant,
    /// When it was last served, in turns.
    served: u64,
}

impl Wants {
    /// A node wants this now, and nothing else.
    pub(super) fn set(&mut self, node: &Arc<str>, lanes: Vec<Wanted>) {
        if lanes.is_empty() {
            self.0.remove(node);
            return;
        }
        let served = self.0.get(node).map_or(0, |want| want.served);
        self.0.insert(node.clone(), Want { lanes, since: Instant::now(), served });
    }

    /// A node has nothing for such a desk.
    pub(super) fn drop_for<'a>(&mut self, node: &str, offers: impl Fn(&str) -> bool + 'a) {
        if let Some(want) = self.0.get_mut(node) {
            want.lanes.retain(|lane| !offers(&lane.capability));
        }
    }

    pub(super) fn forget_node(&mut self, node: &str) {
        self.0.remove(node);
    }

    pub(super) fn forget_old(&mut self) {
        self.0.retain(|_, want| want.since.elapsed() < WANT_MAX && !want.lanes.is_empty());
    }

    /// The node that is to have the next slot of such a desk, with how urgent its most urgent task is and how many wait.
    pub(super) fn next(&self, traits: &Traits, offers: impl Fn(&str) -> bool) -> Option<Next> {
        let fits = |lane: &&Wanted| lane.waiting > 0 && offers(&lane.capability) && lane.requires.are_met_by(traits);
        let nodes = self.0.iter().filter(|(_, want)| want.since.elapsed() < WANT_MAX);
        let wishes = nodes.filter_map(|(node, want)| {
            let lane = want.lanes.iter().filter(fits).max_by_key(|lane| lane.priority)?;
            Some(Next { node: node.clone(), priority: lane.priority, waiting: lane.waiting, served: want.served })
        });
        let all: Vec<Next> = wishes.collect();
        let many = all.len();
        all.into_iter()
            .max_by(|a, b| a.priority.cmp(&b.priority).then(b.served.cmp(&a.served)))
            .map(|next| Next { waiting: if many > 1 { 1 } else { next.waiting }, ..next })
    }

    /// Notes that slots were lent to a node.
    pub(super) fn lent(&mut self, node: &str, slots: u32, turn: u64, traits: &Traits, offers: impl Fn(&str) -> bool) {
        let Some(want) = self.0.get_mut(node) else { return };
        want.served = turn;
        let fits = |lane: &Wanted| lane.waiting > 0 && offers(&lane.capability);
        if let Some(lane) = want.most_urgent(traits, fits) {
            lane.waiting = lane.waiting.saturating_sub(slots);
        }
    }

    /// Notes that they were not.
    pub(super) fn not_lent(&mut self, node: &str, slots: u32, traits: &Traits, offers: impl Fn(&str) -> bool) {
        let lane = self.0.get_mut(node).and_then(|want| want.most_urgent(traits, |lane| offers(&lane.capability)));
        if let Some(lane) = lane {
            lane.waiting = lane.waiting.saturating_add(slots);
        }
    }
}

impl Want {
    /// The most urgent of the lanes that such a desk can serve.
    fn most_urgent(&mut self, traits: &Traits, fits: impl Fn(&Wanted) -> bool) -> Option<&mut Wanted> {
        let lanes = self.lanes.iter_mut().filter(|lane| fits(lane) && lane.requires.are_met_by(traits));
        lanes.max_by_key(|lane| lane.priority)
    }
}

/// The next node to lend to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) node: Arc<str>,
    pub(super) priority: Priority,
    /// How many slots it may have at once: one, if others want some, too.
    pub(super) waiting: u32,
    /// When it was last served, in turns.
    pub(super) served: u64,
}

/// Slots that were lent and are not filled yet, by node and desk.
#[derive(Debug, Default)]
pub(super) struct Loans(BTreeMap<(Arc<str>, u64), (u32, Instant)>);

impl Loans {
    pub(super) fn lend(&mut self, node: &Arc<str>, desk: u64, slots: u32) {
        let loan = self.0.entry((node.clone(), desk)).or_insert((0, Instant::now()));
        *loan = (loan.0 + slots, Instant::now());
    }

    /// Takes up to `slots` off a loan, and says how many there were.
    pub(super) fn take(&mut self, node: &Arc<str>, desk: u64, slots: u32) -> u32 {
        let key = (node.clone(), desk);
        let Some((open, _)) = self.0.get_mut(&key) else { return 0 };
        let taken = slots.min(*open);
        *open -= taken;
        if *open == 0 {
            self.0.remove(&key);
        }
        taken
    }

    /// The desks, with their slots, of loans that `ends` says; they are no loans any more.
    fn end(&mut self, ends: impl Fn(&str, Instant) -> bool) -> Vec<(u64, u32)> {
        let mut ended = Vec::new();
        self.0.retain(|(node, desk), (slots, at)| {
            let is_over = ends(node, *at);
            if is_over {
                ended.push((*desk, *slots));
            }
            !is_over
        });
        ended
    }

    /// Ends the loans to a node.
    pub(super) fn forget_node(&mut self, node: &str) -> Vec<(u64, u32)> {
        self.end(|other, _| other == node)
    }

    /// Ends all loans.
    pub(super) fn forget_all(&mut self) -> Vec<(u64, u32)> {
        self.end(|_, _| true)
    }

    /// Ends the loans that were neither used nor given back in time.
    pub(super) fn forget_old(&mut self) -> Vec<(u64, u32)> {
        self.end(|_, at| at.elapsed() >= LOAN_MAX)
    }
}

/// What this node has said that it wants, so that it is said again only when it is worth it.
#[derive(Debug, Default)]
pub(super) struct Announced(BTreeMap<(Arc<str>, Requirements), u32>);

impl Announced {
    /// Whether what waits now is so much more than what was said that it is to be said again.
    pub(super) fn is_outdated_by(&self, lanes: &[Wanted]) -> bool {
        lanes.iter().any(|lane| {
            let said = self.0.get(&(lane.capability.clone(), lane.requires.clone())).copied().unwrap_or(0);
            said == 0 || lane.waiting >= said.saturating_mul(2)
        })
    }

    pub(super) fn set(&mut self, lanes: &[Wanted]) {
        self.0 = lanes.iter().map(|lane| ((lane.capability.clone(), lane.requires.clone()), lane.waiting)).collect();
    }

    /// A task has been given to another node.
    pub(super) fn served(&mut self, capability: &Arc<str>, requires: &Requirements) {
        if let Some(said) = self.0.get_mut(&(capability.clone(), requires.clone())) {
            *said = said.saturating_sub(1);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
