//! What is built for use breaks no promise.

use crate::sabotage::{self, Sabotage};
use std::collections::BTreeSet;

#[cfg(not(feature = "sabotage"))]
#[test]
fn nothing_is_broken_without_the_feature() {
    const {
        assert!(!sabotage::is(Sabotage::NoFence));
    }
    assert!(Sabotage::ALL.into_iter().all(|sabotage| !sabotage::is(sabotage)));
}

#[cfg(feature = "sabotage")]
#[test]
fn one_promise_is_broken_at_a_time_and_on_one_thread() {
    assert!(Sabotage::ALL.into_iter().all(|sabotage| !sabotage::is(sabotage)));
    sabotage::set(Some(Sabotage::NoFence));
    let broken: Vec<Sabotage> = Sabotage::ALL.into_iter().filter(|sabotage| sabotage::is(*sabotage)).collect();
    assert_eq!(broken, [Sabotage::NoFence]);
    let elsewhere = std::thread::spawn(|| sabotage::is(Sabotage::NoFence)).join();
    assert!(!elsewhere.unwrap());
    sabotage::set(None);
    assert!(!sabotage::is(Sabotage::NoFence));
}

#[test]
fn names_are_distinct() {
    let names: BTreeSet<&str> = Sabotage::ALL.into_iter().map(Sabotage::name).collect();
    assert_eq!(names.len(), Sabotage::ALL.len());
}
