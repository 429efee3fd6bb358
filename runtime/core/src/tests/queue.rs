//! The backlog, against a list that is searched from the front.

use super::board::name_id;
use crate::{Priority, Ready, ReadyQueue, RunId, TaskIndex, TaskRef, Token};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A task of a run at a priority, with its number as the note.
fn ready(run: RunId, task: u32, capability: &str, priority: u8) -> Ready {
    let task = TaskRef { run, task: TaskIndex(task) };
    Ready { task, token: Token::FIRST, capability: capability.into(), priority: Priority::new(priority).unwrap() }
}

/// The same in one list, with the order of the runs' turns for each capability and priority.
#[derive(Default)]
struct Naive {
    waiting: Vec<(Ready, usize)>,
    turns: BTreeMap<(String, Priority), VecDeque<RunId>>,
}

impl Naive {
    fn push(&mut self, ready: Ready, note: usize) {
        let turns = self.turns.entry((ready.capability.to_string(), ready.priority)).or_default();
        if !turns.contains(&ready.task.run) {
            turns.push_back(ready.task.run);
        }
        self.waiting.push((ready, note));
    }

    fn pop(&mut self, capability: &str) -> Option<(Ready, usize)> {
        let able = |ready: &Ready| *ready.capability == *capability;
        let priority = self.waiting.iter().filter(|(ready, _)| able(ready)).map(|(ready, _)| ready.priority).max()?;
        let turns = self.turns.get_mut(&(capability.to_owned(), priority))?;
        let run = turns.pop_front()?;
        let first = |(ready, _): &(Ready, usize)| able(ready) && ready.priority == priority && ready.task.run == run;
        let place = self.waiting.iter().position(first)?;
        let popped = self.waiting.remove(place);
        if self.waiting.iter().any(first) {
            turns.push_back(run);
        }
        Some(popped)
    }
}

fn runs() -> Vec<RunId> {
    ["p", "q", "r", "s"].map(name_id).into()
}

proptest! {
    #![proptest_config(super::config(128))]

    #[test]
    fn the_backlog_hands_out_as_the_naive_one_does(
        ops in proptest::collection::vec((any::<bool>(), 0..4_usize, 0..2_usize, 4..7_u8), 0..200),
    ) {
        let (mut queue, mut naive, runs) = (ReadyQueue::default(), Naive::default(), runs());
        for (note, (push, run, capability, priority)) in ops.into_iter().enumerate() {
            let capability = ["draft", "review"][capability];
            if push {
                let ready = ready(runs[run], note as u32, capability, priority);
                queue.push(ready.clone(), note);
                naive.push(ready, note);
            } else {
                prop_assert_eq!(queue.pop(capability), naive.pop(capability));
            }
            let waiting: BTreeSet<_> = naive.waiting.iter().map(|(ready, _)| ready.capability.clone()).collect();
            prop_assert_eq!(queue.len(), naive.waiting.len());
            prop_assert_eq!(queue.is_empty(), naive.waiting.is_empty());
            prop_assert!(queue.capabilities().eq(&waiting));
        }
    }

    /// Over any window in which two runs of one priority both have work waiting, they are served equally, but for one.
    #[test]
    fn runs_of_one_priority_are_served_evenly(
        ops in proptest::collection::vec((0..4_u8, 0..4_usize), 0..200),
    ) {
        let (mut queue, runs) = (ReadyQueue::default(), runs());
        let mut waiting: BTreeMap<RunId, usize> = BTreeMap::new();
        // For each pair: how often each was served since both have had work waiting.
        let mut windows: BTreeMap<(RunId, RunId), Vec<i64>> = BTreeMap::new();
        for (note, (op, run)) in ops.into_iter().enumerate() {
            if op > 0 {
                queue.push(ready(runs[run], note as u32, "work", 5), note);
                *waiting.entry(runs[run]).or_default() += 1;
            } else if let Some((served, _)) = queue.pop("work") {
                let served = served.task.run;
                *waiting.get_mut(&served).unwrap() -= 1;
                for (&(a, b), balance) in &mut windows {
                    let by = i64::from(served == a) - i64::from(served == b);
                    balance.iter_mut().for_each(|window| *window += by);
                    prop_assert!(balance.iter().all(|window| window.abs() <= 1), "{balance:?}");
                }
            }
            let busy = |run: &RunId| waiting.get(run).is_some_and(|waiting| *waiting > 0);
            windows.retain(|(a, b), _| busy(a) && busy(b));
            for (n, &a) in runs.iter().enumerate() {
                for &b in runs[n + 1..].iter().filter(|b| busy(&a) && busy(b)) {
                    windows.entry((a, b)).or_default().push(0); // a window begins at every moment
                }
            }
        }
    }
}

#[test]
fn the_more_urgent_always_goes_first_and_a_run_keeps_its_order() {
    let (mut queue, run) = (ReadyQueue::default(), name_id("r"));
    for (task, priority) in [(0, 5), (1, 0), (2, 10), (3, 5), (4, 10), (5, 7)] {
        queue.push(ready(run, task, "work", priority), ());
    }
    let order: Vec<u32> = std::iter::from_fn(|| queue.pop("work")).map(|(ready, ())| ready.task.task.0).collect();
    assert_eq!(order, [2, 4, 5, 0, 3, 1]);
    assert!(queue.pop("work").is_none() && queue.is_empty() && queue.capabilities().next().is_none());
}

#[test]
fn a_large_run_does_not_keep_a_small_one_waiting() {
    let mut queue = ReadyQueue::default();
    (0..1_000).for_each(|task| queue.push(ready(name_id("large"), task, "work", 5), ()));
    queue.push(ready(name_id("small"), 0, "work", 5), ());
    let served: Vec<bool> = (0..3).map(|_| queue.pop("work").unwrap().0.task.run == name_id("small")).collect();
    assert_eq!(served, [false, true, false]);
    // Whoever was away for a while has not saved up turns.
    (0..3).for_each(|task| queue.push(ready(name_id("small"), task, "work", 5), ()));
    let served: Vec<bool> = (0..6).map(|_| queue.pop("work").unwrap().0.task.run == name_id("small")).collect();
    assert_eq!(served, [false, true, false, true, false, true]);
}
