use std::time::Duration;

use super::{Backoff, Ledger, Next, OnGiveUp, Policy, Restart, Ruling};
use crate::supervise::{Failure, FailureKind, Stopped};

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Plays stops at the given seconds, and says in words what follows. `+` is a start.
fn check(policy: Policy, script: &str, expected: &str) {
    let mut ledger = Ledger::default();
    let mut found = Vec::new();
    for word in script.split_whitespace() {
        let (what, at) = word.split_at(1);
        let now = secs(at.parse().unwrap());
        let ruling = match what {
            "+" => {
                ledger.started(now);
                continue;
            }
            "x" => Ruling::Restart,
            "w" => Ruling::RestartUncounted,
            "d" => Ruling::Done,
            "g" => Ruling::GiveUp,
            other => panic!("{other}?"),
        };
        found.push(match ledger.stopped(&policy, ruling, now) {
            Next::Restart(after) => format!("{}", after.as_secs_f64()),
            Next::Leave => "leave".into(),
            Next::GiveUpChild => "child".into(),
            Next::StopTree => "tree".into(),
        });
    }
    assert_eq!(found.join(" "), expected, "{script}");
}

fn policy() -> Policy {
    let backoff = Backoff { first: secs(1.0), cap: secs(5.0), spread: None };
    Policy { restarts_max: 3, within: secs(60.0), backoff, ..Policy::default() }
}

#[test]
fn the_wait_doubles_up_to_the_cap() {
    check(Policy { restarts_max: 9, ..policy() }, "x0 x0 x0 x0 x0", "1 2 4 5 5");
}

#[test]
fn one_stop_too_many_within_the_window_gives_up() {
    check(policy(), "x0 x10 x20 x30", "1 2 4 tree");
    check(policy(), "x0 x10 x20 x59.9", "1 2 4 tree");
    check(Policy { on_give_up: OnGiveUp::GiveUpChild, ..policy() }, "x0 x10 x20 x30", "1 2 4 child");
    check(Policy { restarts_max: 0, ..policy() }, "x0", "tree");
}

#[test]
fn stops_leave_the_window_one_by_one() {
    check(policy(), "x0 x10 x20 x60 x69.9", "1 2 4 5 tree");
    check(policy(), "x0 x10 x20 x60 x70 x80", "1 2 4 5 5 5");
}

#[test]
fn what_is_not_counted_waits_longer_but_never_gives_up() {
    check(policy(), "w0 w0 w0 w0 w0 w0 w0 w0", "1 2 4 5 5 5 5 5");
    check(policy(), "x0 x0 x0 w0 w0 x0", "1 2 4 5 5 tree");
}

#[test]
fn who_has_run_for_the_window_begins_again() {
    check(policy(), "x0 x0 +0 x59.9", "1 2 4");
    check(policy(), "x0 x0 +0 x60", "1 2 1");
    check(policy(), "x0 x0 x60", "1 2 4");
}

#[test]
fn done_and_given_up_are_final() {
    check(policy(), "d0", "leave");
    check(policy(), "g0", "child");
}

#[test]
fn the_longest_streak_does_not_overflow() {
    let backoff = policy().backoff;
    assert_eq!(backoff.wait(u32::MAX), secs(5.0));
    let long = Backoff { first: Duration::MAX, cap: secs(5.0), spread: Some(u64::MAX) };
    assert!(long.wait(31) <= secs(5.0));
}

#[test]
fn the_spread_shortens_by_a_fifth_at_most_and_differs() {
    let wait = |seed| Backoff { spread: Some(seed), ..policy().backoff }.wait(9);
    let waits: Vec<Duration> = (0..100).map(wait).collect();
    assert!(waits.iter().all(|wait| (secs(4.0)..=secs(5.0)).contains(wait)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait < secs(4.2)) && waits.iter().any(|wait| *wait > secs(4.8)), "{waits:?}");
    assert_eq!(wait(7), wait(7));
}

#[test]
fn the_default_judgement() {
    let away = Failure::new(FailureKind::Unavailable, "the store is away");
    let stops = [
        Stopped::Finished(None),
        Stopped::Panicked("ouch".into()),
        Stopped::Failed(Failure::new(FailureKind::Corrupt, "a byte")),
        Stopped::Failed(away.clone()),
        Stopped::Refused(away),
        Stopped::Killed,
    ];
    let rulings = |restart: Restart| stops.clone().map(|why| restart.ruling(&why));
    use Ruling::{Done, Restart as Again, RestartUncounted as Wait};
    assert_eq!(rulings(Restart::Permanent), [Again, Again, Again, Wait, Wait, Again]);
    assert_eq!(rulings(Restart::Transient), [Done, Again, Again, Wait, Wait, Again]);
    assert_eq!(rulings(Restart::Temporary), [Done; 6]);
}

#[test]
fn a_failure_says_its_kind_in_the_words_of_the_public_errors() {
    use FailureKind::{Conflict, Corrupt, Denied, Fenced, Invalid, NotFound, Unavailable, Unknown};
    let kinds = [Unavailable, Conflict, Fenced, Invalid, Unknown, Corrupt, NotFound, Denied];
    let words: Vec<String> = kinds.iter().map(FailureKind::to_string).collect();
    assert_eq!(words.join(", "), "unavailable, conflict, fenced, invalid, unknown, corrupt, not found, denied");
    let why = Stopped::Refused(Failure::new(Corrupt, "batch 7"));
    assert_eq!(why.to_string(), "did not start: corrupt: batch 7");
}
