//! The machine by itself, and the gate with many threads before it.

use super::gate::{Gate, Way};
use super::machine::{Heard, Machine, State};
use super::{BreakerRules, Ticket};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn failed() -> Heard {
    Heard::Failed("no answer".into())
}

/// One that has just opened, and when.
fn opened(rules: BreakerRules) -> (Machine, Instant) {
    let (mut machine, now) = (Machine::new(rules), Instant::now());
    let opens = (1..=5).map(|_| machine.hear(now, machine.generation, failed())).collect::<Vec<_>>();
    assert_eq!(opens, [false, false, false, false, true]);
    (machine, now)
}

#[tokio::test(start_paused = true)]
async fn it_opens_after_five_failures_in_a_row_for_sixty_seconds() {
    let (machine, now) = opened(BreakerRules::default());
    assert_eq!(machine.state, State::Open { until: Some(now + 60 * SECOND) });
    assert_eq!(&*machine.reason, "5 failures in a row, the last: no answer");
}

#[tokio::test(start_paused = true)]
async fn a_success_between_begins_the_count_anew_and_timeouts_do_not_count() {
    let (mut machine, now) = (Machine::new(BreakerRules::default()), Instant::now());
    for _ in 0..20 {
        for _ in 0..4 {
            assert!(!machine.hear(now, 0, failed()));
            assert!(!machine.hear(now, 0, Heard::Slow { trips: false }));
        }
        assert!(!machine.hear(now, 0, Heard::Well));
    }
    assert_eq!(machine.state, State::Closed);
}

/// The timer comes a little late, as timers do.
#[tokio::test(start_paused = true)]
async fn a_ramp_lets_twice_as_many_through_with_each_step() {
    let (mut machine, now) = opened(BreakerRules::default());
    machine.probe(now);
    assert!(machine.hear(now, machine.generation, Heard::Well));
    let mut steps = vec![machine.climb(now)];
    while let Some(due) = machine.due() {
        steps.push(machine.climb(due + Duration::from_millis(3)));
    }
    let expected: Vec<Option<u32>> = (0..10).map(|step| Some(1 << step)).chain([None]).collect();
    assert_eq!((steps, machine.state), (expected, State::Closed));
}

#[tokio::test(start_paused = true)]
async fn what_has_begun_before_it_opened_neither_closes_nor_opens_it() {
    let (mut machine, now) = opened(BreakerRules::default());
    let before = 0;
    let later = now + 60 * SECOND;
    machine.probe(later);
    for heard in [Heard::Well, failed(), Heard::Dropped, Heard::Slow { trips: true }] {
        assert!(!machine.hear(later, before, heard));
    }
    assert_eq!(machine.state, State::HalfOpen { since: later });
    assert!(machine.hear(later, machine.generation, failed()), "the probe itself");
    assert_eq!(machine.state, State::Open { until: Some(later + 60 * SECOND) });
}

#[tokio::test(start_paused = true)]
async fn after_a_good_probe_twice_as_many_go_with_every_step() {
    let (mut machine, _) = opened(BreakerRules::default());
    let now = Instant::now();
    machine.probe(now);
    assert!(machine.hear(now, machine.generation, Heard::Well));
    let steps: Vec<Option<u32>> = (0..=10).map(|second| machine.climb(now + second * SECOND)).collect();
    let expected: Vec<Option<u32>> = (0..10).map(|step| Some(1 << step)).chain([None]).collect();
    assert_eq!(steps, expected);
    assert_eq!(machine.state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_does_not_end_is_given_as_long_as_it_was_open() {
    let (mut machine, _) = opened(BreakerRules::default());
    let now = Instant::now();
    machine.probe(now);
    assert_eq!(machine.due(), Some(now + 10 * SECOND), "it should have begun by then");
    let looked_at: Vec<u32> = (2..12).map(|n| n * 5).collect();
    for seconds in looked_at {
        let now = now + seconds * SECOND;
        assert!(!machine.keeps_probing(now));
        assert_eq!(machine.due(), Some(now + 5 * SECOND), "others hear that it goes on");
    }
    assert!(machine.keeps_probing(now + 60 * SECOND));
    assert_eq!(machine.state, State::Open { until: Some(now + 120 * SECOND) });
}

#[tokio::test(start_paused = true)]
async fn the_probe_of_another_node_is_heard_here() {
    let (mut machine, now) = opened(BreakerRules::default());
    let theirs = machine.generation + 1;
    assert!(!machine.hear(now, theirs, Heard::Well), "nobody has said that it has begun");
    assert!(machine.begun(now, theirs));
    assert_eq!((machine.state, machine.generation), (State::HalfOpen { since: now }, theirs));
    assert!(machine.hear(now, theirs, Heard::Well));
    assert!(matches!(machine.state, State::Ramping { .. }) && machine.generation > theirs);
    assert!(!machine.begun(now, theirs), "it is over");
}

fn entered(gate: &Gate, ticket: Option<u64>) -> Option<u64> {
    gate.enter(ticket).map(|(generation, _)| generation)
}

fn gate(way: Way, left: u32) -> Gate {
    let gate = Gate::default();
    gate.set(7, way, left);
    gate
}

#[test]
fn a_gate_lets_through_who_may_go() {
    let ticket = Some(7);
    assert_eq!(entered(&gate(Way::Free, 0), None), Some(7));
    assert_eq!(entered(&gate(Way::Shut, 9), None), None);
    assert_eq!(entered(&gate(Way::Shut, 9), Some(6)), None, "let through before it opened");
    assert_eq!(entered(&gate(Way::Probing, 9), ticket), None);
    let probe = gate(Way::One, 1);
    assert_eq!([entered(&probe, None), entered(&probe, None), entered(&probe, ticket)], [Some(7), None, None]);
    let ramp = gate(Way::Some, 2);
    assert_eq!([entered(&ramp, None), entered(&ramp, None), entered(&ramp, None)], [Some(7), Some(7), None]);
    assert_eq!(entered(&ramp, Some(6)), Some(7), "who was the probe goes on");
    let full = gate(Way::Some, 2);
    full.waits(1);
    assert_eq!(entered(&full, None), None, "who waits goes first");
    assert_eq!((full.take(), entered(&full, ticket)), (Some(7), Some(7)));
    let theirs = gate(Way::Shut, 0);
    assert_eq!(
        [entered(&theirs, Some(8)), entered(&theirs, Some(8))],
        [Some(8), None],
        "the probe that another node let through"
    );
}

/// The time for a probe to begin is over just when it begins: then it goes on.
#[test]
fn a_probe_that_has_begun_is_not_shut_out() {
    let one = gate(Way::One, 1);
    assert!(one.shut_before_probe());
    assert_eq!((one.way(), entered(&one, Some(7))), (Way::Shut, None), "who was let through comes too late");
    let begun = gate(Way::One, 1);
    assert_eq!((entered(&begun, Some(7)), begun.shut_before_probe()), (Some(7), false));
    assert_eq!(begun.probed_in(), Some(7));
    let elsewhere = gate(Way::One, 1);
    elsewhere.is_probed_elsewhere(7);
    assert_eq!((entered(&elsewhere, None), elsewhere.probed_in()), (None, Some(7)));
    // What another node has said of it was made known here between the call and the news of it.
    let overtaken = gate(Way::Shut, 0);
    overtaken.is_probed(7);
    assert_eq!(overtaken.probed_in(), Some(7));
    let given_back = gate(Way::One, 1);
    given_back.is_probed(7);
    assert_eq!(given_back.way(), Way::One);
}

#[test]
fn of_many_threads_one_is_the_probe() {
    for _ in 0..200 {
        let (gate, entered) = (Arc::new(gate(Way::One, 1)), Arc::new(AtomicUsize::new(0)));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (gate, entered) = (gate.clone(), entered.clone());
                scope.spawn(move || {
                    let ticket = (thread % 2 == 0).then_some(7);
                    entered.fetch_add(usize::from(gate.enter(ticket).is_some()), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(entered.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn a_ticket_is_a_word() {
    let ticket = Ticket { gate: "llm:groq@eu".into(), generation: 17 };
    assert_eq!(ticket.to_string().parse(), Ok(ticket));
    for odd in ["", "17", "@x", "-1@x", "x@17"] {
        assert_eq!(odd.parse::<Ticket>(), Err(()), "{odd}");
    }
}

/// What may happen to a breaker.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Somebody comes, with a ticket or without one.
    Enter(bool),
    /// The nth of those who are within ends so.
    End(usize, u8),
    /// Milliseconds pass.
    Pass(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => any::<bool>().prop_map(Act::Enter),
        4 => (0..8_usize, 0..5_u8).prop_map(|(n, how)| Act::End(n, how)),
        1 => (0..70_000_u64).prop_map(Act::Pass),
        1 => (0..1_500_u64).prop_map(Act::Pass),
    ];
    proptest::collection::vec(act, 1..200)
}

proptest! {
    /// The machine and the gate together, as the actor joins them: whatever happens, between the opening and the closing of
    /// a breaker no two probes are under way, and none is let through before its time.
    #[test]
    fn there_is_one_probe_at_a_time_and_none_too_early(acts in acts()) {
        let (mut now, mut machine, gate) = (Instant::now(), Machine::new(BreakerRules::default()), Gate::default());
        let publish = |machine: &mut Machine, now| {
            let (way, left) = match machine.state {
                State::Closed => (Way::Free, u32::MAX),
                State::Open { .. } => (Way::Shut, 0),
                State::HalfOpen { .. } => (Way::One, 1),
                State::Ramping { .. } => (Way::Some, machine.climb(now).unwrap_or(u32::MAX)),
            };
            gate.set(machine.generation, way, left);
        };
        // The generation of each call under way, and whether it is a probe.
        let mut within: Vec<(u64, bool)> = Vec::new();
        for act in acts {
            match act {
                Act::Enter(has_ticket) => {
                    let is_probe = gate.way() == Way::One;
                    let may = !matches!(machine.state, State::Open { .. });
                    if let Some((generation, _)) = gate.enter(has_ticket.then_some(machine.generation).filter(|_| may)) {
                        prop_assert!(may, "it is open");
                        let probes = within.iter().filter(|(of, is_probe)| *is_probe && *of == generation).count();
                        prop_assert!(!is_probe || probes == 0, "two probes");
                        within.push((generation, is_probe));
                    }
                }
                Act::End(n, how) if n < within.len() => {
                    let (generation, _) = within.swap_remove(n);
                    let heard = match how {
                        0 => Heard::Well,
                        1 | 2 => failed(),
                        3 => Heard::Slow { trips: false },
                        _ => Heard::Dropped,
                    };
                    if machine.hear(now, generation, heard) {
                        publish(&mut machine, now);
                    }
                }
                Act::End(..) => {}
                Act::Pass(ms) => {
                    now += Duration::from_millis(ms);
                    match machine.state {
                        State::Open { until } => if until.is_some_and(|until| until <= now) {
                            machine.probe(now);
                            publish(&mut machine, now);
                        },
                        State::Ramping { .. } => match machine.climb(now) {
                            Some(left) => gate.allow(left),
                            None => publish(&mut machine, now),
                        },
                        State::Closed | State::HalfOpen { .. } => {}
                    }
                }
            }
        }
    }
}
