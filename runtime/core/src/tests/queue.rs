//! The backlog, against a list that is searched from the front.

use super::board::name_id;
use crate::{Lane, Priority, Ready, ReadyQueue, Requirements, RunId, TaskIndex, TaskRef, Token};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A task of a run at a priority, with its number as the note.
fn ready(run: RunId, task: u32, capability: &str, priority: u8) -> Ready {
    let task = TaskRef { run, task: TaskIndex(task) };
    let (capability, priority) = (capability.into(), Priority::new(priority).unwrap());
    let requires = Requirements::default();
    Ready { task, token: Token::FIRST, capability, requires, priority, avoid: None, gate: None, share: None }
}

/// Takes the next task of one capability, whatever it requires.
fn take<T>(queue: &mut ReadyQueue<T>, capability: &str) -> Option<(Ready, T)> {
    queue.pop([capability], |_, _| true)
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

impl Naive {
    fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        self.waiting.retain(|(_, note)| keep(*note));
        for ((capability, priority), turns) in &mut self.turns {
            turns.retain(|run| {
                self.waiting.iter().any(|(ready, _)| {
                    ready.task.run == *run && *ready.capability == **capability && ready.priority == *priority
                })
            });
        }
    }

    fn withdraw(&mut self, run: RunId) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|(ready, _)| ready.task.run != run);
        self.turns.values_mut().for_each(|turns| turns.retain(|turn| *turn != run));
        before - self.waiting.len()
    }
}

fn runs() -> Vec<RunId> {
    ["p", "q", "r", "s"].map(name_id).into()
}

proptest! {
    #![proptest_config(super::config(128))]

    #[test]
    fn the_backlog_hands_out_as_the_naive_one_does(
        ops in proptest::collection::vec((0..9_u8, 0..4_usize, 0..2_usize, 4..7_u8), 0..200),
    ) {
        let (mut queue, mut naive, runs) = (ReadyQueue::default(), Naive::default(), runs());
        for (note, (op, run, capability, priority)) in ops.into_iter().enumerate() {
            let capability = ["draft", "review"][capability];
            if op == 0 && run == 0 {
                queue.retain(|_, note| note % 3 > 0);
                naive.retain(|note| note % 3 > 0);
            } else if op == 0 {
                prop_assert_eq!(queue.withdraw(runs[run]), naive.withdraw(runs[run]));
            } else if op < 5 {
                let ready = ready(runs[run], note as u32, capability, priority);
                queue.push(ready.clone(), note);
                naive.push(ready, note);
            } else {
                prop_assert_eq!(take(&mut queue, capability), naive.pop(capability));
                prop_assert_eq!(queue.passed_over(), None);
            }
            let waiting: BTreeSet<_> = naive.waiting.iter().map(|(ready, _)| ready.capability.clone()).collect();
            prop_assert_eq!(queue.len(), naive.waiting.len());
            prop_assert_eq!(queue.is_empty(), naive.waiting.is_empty());
            prop_assert!(queue.lanes().map(|(capability, _)| capability).eq(&waiting));
            prop_assert_eq!(queue.lanes().map(|(_, lane)| lane.waiting()).sum::<usize>(), queue.len());
        }
    }

    /// A task is preceded by those that are handed out before it, of its lane.
    #[test]
    fn who_is_ahead_is_handed_out_before(
        ops in proptest::collection::vec((0..4_u8, 0..4_usize, 4..7_u8), 1..60),
        most in 1..80_usize,
    ) {
        let (mut queue, runs) = (ReadyQueue::default(), runs());
        for (note, (op, run, priority)) in ops.into_iter().enumerate() {
            match op {
                0 => drop(take(&mut queue, "work")),
                _ => queue.push(ready(runs[run], note as u32, "work", priority), note),
            }
        }
        let mut rest = queue.clone();
        let order: Vec<Ready> =
            std::iter::from_fn(|| take(&mut rest, "work")).map(|(ready, _)| ready).collect();
        for (place, ready) in order.iter().enumerate() {
            prop_assert_eq!(queue.ahead_of(ready, usize::MAX), Some(place));
            prop_assert_eq!(queue.ahead_of(ready, most), Some(place.min(most)));
        }
        prop_assert_eq!(queue.ahead_of(&ready(name_id("z"), 0, "work", 5), most), None);
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
            } else if let Some((served, _)) = take(&mut queue, "work") {
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
    let order: Vec<u32> =
        std::iter::from_fn(|| take(&mut queue, "work")).map(|(ready, ())| ready.task.task.0).collect();
    assert_eq!(order, [2, 4, 5, 0, 3, 1]);
    assert!(take(&mut queue, "work").is_none() && queue.is_empty() && queue.lanes().next().is_none());
}

#[test]
fn a_lane_says_what_its_tasks_require() {
    let requires: Requirements = vec!["gpu".parse().unwrap()].into();
    let mut queue = ReadyQueue::default();
    queue.push(Ready { requires: requires.clone(), ..ready(name_id("r"), 0, "work", 5) }, ());
    assert_eq!(queue.lanes().map(|(_, lane)| lane.requires()).collect::<Vec<_>>(), [&requires]);
}

#[test]
fn a_large_run_does_not_keep_a_small_one_waiting() {
    let mut queue = ReadyQueue::default();
    (0..1_000).for_each(|task| queue.push(ready(name_id("large"), task, "work", 5), ()));
    queue.push(ready(name_id("small"), 0, "work", 5), ());
    let served: Vec<bool> = (0..3).map(|_| take(&mut queue, "work").unwrap().0.task.run == name_id("small")).collect();
    assert_eq!(served, [false, true, false]);
    // Whoever was away for a while has not saved up turns.
    (0..3).for_each(|task| queue.push(ready(name_id("small"), task, "work", 5), ()));
    let served: Vec<bool> = (0..6).map(|_| take(&mut queue, "work").unwrap().0.task.run == name_id("small")).collect();
    assert_eq!(served, [false, true, false, true, false, true]);
}

fn requiring(mut ready: Ready, requires: &[&str]) -> Ready {
    ready.requires = requires.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>().into();
    ready
}

#[test]
fn a_slot_takes_the_most_urgent_of_what_its_agent_may_do() {
    let (mut queue, run) = (ReadyQueue::default(), name_id("r"));
    queue.push(requiring(ready(run, 0, "draft", 10), &["zone=eu"]), ());
    queue.push(ready(run, 1, "draft", 5), ());
    queue.push(ready(run, 2, "review", 7), ());
    queue.push(ready(run, 3, "other", 10), ());
    let free_of_needs = |_: &str, lane: &Lane<()>| lane.requires().is_empty();
    let mut next = |admits: &dyn Fn(&str, &Lane<()>) -> bool| {
        queue.pop(["draft", "review"], admits).map(|(ready, ())| ready.task.task.0)
    };
    assert_eq!([next(&free_of_needs), next(&free_of_needs), next(&free_of_needs)], [Some(2), Some(1), None]);
    assert_eq!([next(&|_, _| true), next(&|_, _| true)], [Some(0), None]);
    assert_eq!(queue.len(), 1, "what nobody offers waits");
}

#[test]
fn lanes_of_one_priority_take_turns() {
    let (mut queue, run) = (ReadyQueue::default(), name_id("r"));
    for task in 0..4 {
        queue.push(ready(run, task, "draft", 5), ());
        queue.push(requiring(ready(run, 10 + task, "draft", 5), &["gpu"]), ());
    }
    let order: Vec<bool> =
        std::iter::from_fn(|| take(&mut queue, "draft")).map(|(ready, ())| ready.requires.is_empty()).collect();
    assert_eq!(order, [true, false].repeat(4));
}

/// What the scheduler is broken by on purpose is seen by whoever looks for it.
#[cfg(feature = "sabotage")]
#[test]
fn a_run_that_is_passed_over_is_named() {
    use crate::sabotage::{self, Sabotage};
    let mut queue = ReadyQueue::default();
    let runs = ["r", "s"].map(name_id);
    (0..4).for_each(|n| queue.push(ready(runs[n % 2], n as u32, "work", 5), ()));
    assert!(take(&mut queue, "work").is_some() && queue.passed_over().is_none());
    sabotage::set(Some(Sabotage::UnfairScheduler));
    let (served, ()) = take(&mut queue, "work").unwrap();
    sabotage::set(None);
    assert_eq!((served.task.run, queue.passed_over()), (runs[0], Some(runs[1])));
}

#[test]
fn what_waits_at_a_gate_stands_apart_and_keeps_its_order() {
    let (mut queue, run) = (ReadyQueue::default(), name_id("r"));
    let at = |task: Ready, gate: &str| Ready { gate: Some(gate.into()), ..task };
    queue.push(at(ready(run, 0, "draft", 5), "llm"), ());
    queue.push(ready(run, 1, "draft", 3), ());
    queue.push(at(ready(run, 2, "draft", 10), "llm"), ());
    queue.push(at(ready(run, 3, "draft", 10), "mail"), ());
    let mut next = |open: &[&str]| {
        let admits = |_: &str, lane: &Lane<()>| lane.gate().is_none_or(|gate| open.contains(&&**gate));
        queue.pop(["draft"], admits).map(|(ready, ())| ready.task.task.0)
    };
    assert_eq!(
        [next(&["llm"]), next(&["llm"])],
        [Some(2), Some(0)],
        "by priority, over all lanes that are let through"
    );
    assert_eq!([next(&[]), next(&[]), next(&["mail"])], [Some(1), None, Some(3)]);
}
