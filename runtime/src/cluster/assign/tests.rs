use super::assign;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn nodes(names: impl IntoIterator<Item = u8>) -> BTreeSet<Arc<str>> {
    names.into_iter().map(|n| Arc::from(format!("node-{n}"))).collect()
}

fn owners(assigned: &[Option<Arc<str>>]) -> BTreeMap<u16, Arc<str>> {
    (0..).zip(assigned).filter_map(|(partition, node)| Some((partition, node.clone()?))).collect()
}

fn moved(before: &[Option<Arc<str>>], after: &[Option<Arc<str>>]) -> usize {
    before.iter().zip(after).filter(|(before, after)| before != after).count()
}

fn counts(assigned: &[Option<Arc<str>>], nodes: &BTreeSet<Arc<str>>) -> Vec<usize> {
    nodes.iter().map(|node| assigned.iter().flatten().filter(|owner| *owner == node).count()).collect()
}

proptest! {
    #[test]
    fn everybody_has_as_many_as_everybody_else_or_one_more(
        partitions in 1_u16..300,
        names in prop::collection::btree_set(0_u8..40, 1..20),
        owned in prop::collection::btree_map(0_u16..300, 0_u8..50, 0..300),
    ) {
        let nodes = nodes(names);
        let owners = owned.into_iter().map(|(partition, n)| (partition, Arc::from(format!("node-{n}")))).collect();
        let assigned = assign(partitions, &nodes, &owners);
        prop_assert!(assigned.iter().all(Option::is_some));
        let counts = counts(&assigned, &nodes);
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
        prop_assert_eq!(&assigned, &assign(partitions, &nodes, &owners), "the same for everybody who sees the same");
    }

    #[test]
    fn who_comes_or_goes_moves_no_more_than_it_has_to(
        partitions in 1_u16..300,
        names in prop::collection::btree_set(0_u8..40, 2..20),
        pick in 0_usize..20,
    ) {
        let all = nodes(names.clone());
        let one = all.iter().nth(pick % all.len()).unwrap().clone();
        let mut fewer = all.clone();
        fewer.remove(&one);

        let before = assign(partitions, &fewer, &BTreeMap::new());
        let after = assign(partitions, &all, &owners(&before));
        let share = counts(&after, &BTreeSet::from([one.clone()]))[0];
        prop_assert_eq!(moved(&before, &after), share, "only what the newcomer gets");

        let gone = assign(partitions, &fewer, &owners(&after));
        prop_assert_eq!(moved(&after, &gone), share, "only what it had");
        prop_assert_eq!(&after, &assign(partitions, &all, &owners(&after)), "what is even stays as it is");
    }
}

#[test]
fn nobody_owns_anything_where_there_is_no_node() {
    assert_eq!(assign(3, &BTreeSet::new(), &BTreeMap::new()), [None, None, None]);
}
