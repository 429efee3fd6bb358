use super::{Beat, Heard, Hears, Standing, UNREACHABLE_MAX, Unreachable, View};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const LIFE: Duration = Duration::from_secs(5);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn beat(node: &str, number: u64, owns: &[(u16, u64)]) -> Beat {
    let owns = owns.iter().copied().collect();
    Beat {
        node: node.into(),
        number,
        standing: Standing::Owner,
        owns,
        refuses: BTreeSet::new(),
        up_ms: 0,
        hears_directory: Hears::Yes,
        home: uuid::Uuid::nil(),
    }
}

fn living(view: &View, now: Duration) -> Vec<&str> {
    view.living(now).map(|beat| &*beat.node).collect()
}

#[test]
fn a_node_lives_for_as_long_as_it_says_something_new() {
    let mut view = View::new(LIFE);
    assert_eq!(view.heard(beat("a", 1, &[]), s(0)), Heard::Newcomer);
    assert_eq!(view.heard(beat("a", 2, &[]), s(3)), Heard::SameAgain);
    // The directory repeats what it said last.
    assert_eq!(view.heard(beat("a", 2, &[]), s(7)), Heard::Old);
    assert_eq!(living(&view, s(7)), ["a"]);
    assert!(living(&view, s(8)).is_empty());
    assert!(view.has_died("a", s(8)) && !view.has_died("b", s(8)));
    assert_eq!(view.heard(beat("a", 3, &[]), s(9)), Heard::News, "it was only silent");
    assert_eq!(living(&view, s(9)), ["a"]);
}

#[test]
fn a_node_that_nobody_can_reach_is_dead_until_it_is_heard_again() {
    let mut view = View::new(LIFE);
    view.heard(beat("a", 1, &[]), s(0));
    let later = |n| s(1) + n * UNREACHABLE_MAX / 2;
    assert_eq!(view.unreachable("a", later(0)), Unreachable::Perhaps, "it may be connecting anew");
    view.reached("a");
    assert_eq!(view.unreachable("a", later(1)), Unreachable::Perhaps);
    assert_eq!(
        view.unreachable("a", later(1)),
        Unreachable::Still,
        "many messages at the same time say no more than one"
    );
    assert_eq!(view.unreachable("a", later(2)), Unreachable::Still);
    assert!(view.lives("a", later(2)));
    assert_eq!(view.unreachable("a", later(3)), Unreachable::Dead);
    assert_eq!(view.unreachable("a", later(3)), Unreachable::Still, "that is known");
    assert!(!view.lives("a", later(3)));
    view.heard(beat("a", 2, &[]), s(3));
    assert!(view.lives("a", s(3)));
    view.suspected("a", s(4));
    assert!(view.lives("a", s(4)), "others may be wrong");
    assert_eq!(view.unreachable("a", s(4)), Unreachable::Dead, "or are not");
}

#[test]
fn of_two_owners_the_one_with_the_higher_epoch_counts() {
    let mut view = View::new(LIFE);
    view.heard(beat("a", 1, &[(0, 3), (1, 1)]), s(0));
    view.heard(beat("b", 1, &[(0, 4)]), s(0));
    let map = view.map(s(0));
    assert_eq!(map[&0], (4, Arc::from("b")));
    assert_eq!(map[&1], (1, Arc::from("a")));
    view.heard(beat("a", 2, &[(1, 1)]), s(4));
    assert!(!view.map(s(5)).contains_key(&0), "b is dead");
}

#[test]
fn who_says_goodbye_is_gone_at_once() {
    let mut view = View::new(LIFE);
    view.heard(beat("a", 1, &[]), s(0));
    assert_eq!(view.heard(Beat { standing: Standing::Gone, ..beat("a", 2, &[]) }, s(1)), Heard::News);
    assert!(view.has_died("a", s(1)));
    let leaving = Beat { standing: Standing::Leaving, ..beat("b", 1, &[]) };
    view.heard(leaving, s(1));
    assert!(view.lives("b", s(1)) && view.owners(s(1)).is_empty());
}
