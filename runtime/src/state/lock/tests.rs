use super::record::{Record, Ticket, circle};
use crate::state::Author;
use callboard_core::{Millis, RunId, Token};
use proptest::prelude::*;
use std::sync::Arc;

fn ticket(id: u64) -> Ticket {
    Ticket {
        id: id.to_string().into(),
        node: "node".into(),
        by: Author::default(),
        at: Millis(i64::try_from(id).expect("small")),
        ttl_ms: 1_000,
        activation: None,
        yields: true,
    }
}

fn of_task(id: u64, task: &str, activation: u32) -> Ticket {
    let by = Author { run: Some(RunId::from_key("default", "run")), task: Some(task.into()), ..Author::default() };
    Ticket { by, activation: Some(Token { attempt: activation, activation: 1 }), ..ticket(id) }
}

proptest! {
    /// Whatever is done to a lock: tokens only grow, with each new holder; who waits has it in order; nobody is there twice.
    #[test]
    fn one_after_the_other(steps in prop::collection::vec((0..4_u8, 0..6_u64), 1..200)) {
        let (mut record, mut number, mut token) = (Record::default(), 0, 0);
        for (what, who) in steps {
            let id = who.to_string();
            let is_there = record.held_by(&id).is_some() || record.place_of(&id).is_some();
            let next = match what {
                0 if is_there => None,
                0 => record.wanted(&ticket(who), who % 3 > 0, number + 1),
                1 => record.renewed(&id),
                2 => record.without(&id, number + 1),
                _ => Some(record.handed_over(number + 1)),
            };
            let Some(next) = next else { continue };
            number += 1;
            let (before, after) = (record.holder.as_ref(), next.holder.as_ref());
            let is_another = before.map(|holder| &holder.ticket.id) != after.map(|holder| &holder.ticket.id);
            match after {
                Some(holder) if is_another => {
                    prop_assert_eq!(holder.token, number);
                    prop_assert!(holder.token > token);
                    token = holder.token;
                    // Nobody was before it.
                    prop_assert_eq!(record.waiting.front().map_or(&holder.ticket.id, |first| &first.id), &holder.ticket.id);
                }
                Some(holder) => prop_assert_eq!(holder.token, token),
                None => prop_assert!(next.waiting.is_empty(), "nobody waits for what nobody has"),
            }
            let mut ids: Vec<Arc<str>> = next.waiting.iter().map(|ticket| ticket.id.clone()).collect();
            ids.extend(after.map(|holder| holder.ticket.id.clone()));
            ids.sort();
            let all = ids.len();
            ids.dedup();
            prop_assert_eq!(ids.len(), all);
            record = next;
        }
    }
}

#[test]
fn a_later_activation_of_a_task_follows_the_one_before_at_once() {
    let held = Record::default().wanted(&of_task(1, "a", 1), true, 1).expect("free");
    let held = held.wanted(&of_task(2, "b", 1), true, 2).expect("it waits");
    let again = held.wanted(&of_task(3, "a", 2), true, 3).expect("it follows");
    assert_eq!(again.held_by("3").map(|holder| (holder.token, holder.signs)), Some((3, 1)));
    assert_eq!(again.place_of("2"), Some(0), "who waits goes on waiting");
    let twice = again.wanted(&of_task(4, "a", 2), true, 4).expect("it waits");
    assert_eq!(twice.place_of("4"), Some(1), "the same activation waits for itself");
    let other = again.wanted(&of_task(5, "b", 2), true, 4).expect("it waits");
    assert_eq!((other.place_of("2"), other.place_of("5")), (None, Some(0)), "one place for a task");
    assert_eq!(again.wanted(&of_task(6, "c", 1), false, 4), None);
}

#[test]
fn in_a_circle_the_youngest_that_does_gives_way() {
    let lock = |holder: Ticket, waiting: &[Ticket]| {
        let held = Record::default().wanted(&holder, true, 1).expect("free");
        waiting.iter().fold(held, |record, ticket| record.wanted(ticket, true, 2).expect("room"))
    };
    let (a, b, c) = (of_task(11, "a", 1), of_task(12, "b", 1), of_task(13, "c", 1));
    let free = of_task(14, "d", 1);
    // a has 1 and waits for 2, which b has, who waits for 3, which c has, who waits for 1.
    let mut locks: Vec<(Arc<str>, Record)> = vec![
        ("1".into(), lock(of_task(1, "a", 1), &[free.clone(), c.clone()])),
        ("2".into(), lock(of_task(2, "b", 1), std::slice::from_ref(&a))),
        ("3".into(), lock(of_task(3, "c", 1), std::slice::from_ref(&b))),
    ];
    for (lock, waiter) in [("2", &a), ("3", &b), ("1", &c)] {
        let found = circle(&locks, lock, waiter).expect("a circle");
        assert_eq!((found.locks.len(), found.victim.as_deref()), (3, Some("13")), "all see the same");
        assert_eq!(&*found.locks[0], lock);
    }
    assert_eq!(circle(&locks, "1", &free), None, "who waits for a circle is not in it");
    let stubborn = Ticket { yields: false, ..c.clone() };
    locks[0].1 = lock(of_task(1, "a", 1), std::slice::from_ref(&stubborn));
    assert_eq!(circle(&locks, "1", &stubborn).expect("a circle").victim.as_deref(), Some("12"));
    locks[0].1 = lock(of_task(1, "a", 1), &[]);
    assert_eq!(circle(&locks, "2", &a), None, "c waits for nothing");
    let itself = of_task(15, "a", 1);
    assert_eq!(circle(&locks, "1", &itself).expect("a circle").victim.as_deref(), Some("15"), "for what it has itself");
}

/// Who waits looks at its lock, and then at all locks: it may have become the holder in between.
#[test]
fn who_was_handed_the_lock_meanwhile_does_not_give_way_to_itself() {
    let (first, second) = (of_task(1, "a", 1), of_task(2, "b", 1));
    let held = Record::default().wanted(&first, true, 1).expect("free").wanted(&second, true, 2).expect("it waits");
    assert_eq!(circle(&[("lock".into(), held.clone())], "lock", &second), None);
    let handed = held.without("1", 3).expect("it held it");
    assert_eq!(handed.held_by("2").map(|holder| holder.signs), Some(0));
    assert_eq!(circle(&[("lock".into(), handed)], "lock", &second), None);
}
