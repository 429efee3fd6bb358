//! Which node is to own which partition. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Who is to own each partition, by its number; nobody, if there is no node.
///
/// Every node is given as many as every other, or one more. What a living node owns it keeps as far as its share goes,
/// so that a node that comes or goes moves no more than it has to. The rest goes by the highest random weight (Thaler
/// and Ravishankar, "A name-based mapping scheme for rendezvous", 1998) among the nodes whose share is not full. So nodes
/// that see the same come to the same; where they do not, the journal decides.
pub(crate) fn assign(
    partitions: u16,
    nodes: &BTreeSet<Arc<str>>,
    owners: &BTreeMap<u16, Arc<str>>,
) -> Vec<Option<Arc<str>>> {
    let mut assigned: Vec<Option<Arc<str>>> = vec![None; partitions.into()];
    let mut shares = Shares::new(partitions, nodes, owners);
    // Kept first by whoever would be chosen for it anyway.
    let mut kept: Vec<(u64, u16, &Arc<str>)> = owners
        .iter()
        .filter(|(partition, node)| **partition < partitions && nodes.contains(*node))
        .map(|(partition, node)| (weight(*partition, node), *partition, node))
        .collect();
    kept.sort_unstable_by(|a, b| b.cmp(a));
    for (_, partition, node) in kept {
        if shares.take(node) {
            assigned[usize::from(partition)] = Some(node.clone());
        }
    }
    let free = (0..partitions).filter(|partition| assigned[usize::from(*partition)].is_none());
    let mut wishes: Vec<(u64, u16, &Arc<str>)> =
        free.flat_map(|partition| nodes.iter().map(move |node| (weight(partition, node), partition, node))).collect();
    wishes.sort_unstable_by(|a, b| b.cmp(a));
    for (_, partition, node) in wishes {
        let place = &mut assigned[usize::from(partition)];
        if place.is_none() && shares.take(node) {
            *place = Some(node.clone());
        }
    }
    assigned
}

/// The node that is to own a partition, if those that refuse it are left out.
pub(super) fn without(partition: u16, nodes: &BTreeSet<Arc<str>>, refuse: &BTreeSet<Arc<str>>) -> Option<Arc<str>> {
    nodes.difference(refuse).max_by_key(|node| weight(partition, node)).cloned()
}

/// How many partitions each node may still be given.
struct Shares<'n> {
    left: BTreeMap<&'n Arc<str>, usize>,
}

impl<'n> Shares<'n> {
    /// The odd ones go to the nodes that own the most already, so that nothing moves for their sake.
    fn new(partitions: u16, nodes: &'n BTreeSet<Arc<str>>, owners: &BTreeMap<u16, Arc<str>>) -> Self {
        let partitions = usize::from(partitions);
        let (even, odd) = match nodes.len() {
            0 => (0, 0),
            count => (partitions / count, partitions % count),
        };
        let owned = |node: &Arc<str>| owners.values().filter(|owner| *owner == node).count();
        let mut by_owned: Vec<(usize, u64, &Arc<str>)> =
            nodes.iter().map(|node| (owned(node), weight(u16::MAX, node), node)).collect();
        by_owned.sort_unstable_by(|a, b| b.cmp(a));
        let left = by_owned.into_iter().enumerate().map(|(n, (_, _, node))| (node, even + usize::from(n < odd)));
        Self { left: left.collect() }
    }

    fn take(&mut self, node: &Arc<str>) -> bool {
        match self.left.get_mut(node) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// The random weight of a node for a partition: the same on every machine, for ever.
fn weight(partition: u16, node: &str) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("callboard 2026 rendezvous of partitions");
    hasher.update(&partition.to_le_bytes());
    hasher.update(node.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}
