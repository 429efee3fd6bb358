use super::fold::{Fold, Span, spent};
use super::phase::Phase;
use super::times::RunTimes;
use callboard_core::{Event, Limits, Millis, RunId};
use std::time::Duration;

const RUN: &str = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5";
const TOKEN: &str = r#""token":{"attempt":1,"activation":1},"holder":"n/a#1""#;

/// Folds events that are written as their time in milliseconds, their kind and their data.
fn folded(events: &[(i64, &str, &str)]) -> Fold {
    let mut fold = Fold::new(RUN.parse::<RunId>().unwrap(), Limits::default());
    for (seq, (at, kind, data)) in (1..).zip(events) {
        let data = data.replace("TOKEN", TOKEN);
        let line = format!(r#"{{"v":1,"seq":{seq},"at":{at},"run":"{RUN}","kind":"{kind}","data":{data}}}"#);
        fold.apply(&Event::decode(line.as_bytes()).unwrap());
        assert_eq!(fold.run().and_then(|run| run.quarantined.clone()), None, "{line}");
    }
    fold
}

fn ms(times: &super::TimeSpent) -> Vec<(&'static str, u128)> {
    times.iter().map(|(phase, time)| (phase.as_str(), time.as_millis())).collect()
}

/// Two tasks beside one another, and a third that needs both; the second is tried twice.
const DIAMOND: &[(i64, &str, &str)] = &[
    (
        0,
        "run_submitted",
        r#"{"graph":{"name":"w","tasks":[{"name":"a","capability":"x","input":null},{"name":"b","capability":"x","input":null},{"name":"c","capability":"x","input":null,"after":["a","b"]}]}}"#,
    ),
    (10, "task_accepted", r#"{"task":0,TOKEN}"#),
    (20, "task_accepted", r#"{"task":1,TOKEN}"#),
    (50, "task_completed", r#"{"task":0,TOKEN,"output":{"json":1}}"#),
    (60, "attempt_failed", r#"{"task":1,TOKEN,"failure":{"class":"retryable","message":"busy"},"then":{"again":100}}"#),
    (130, "task_accepted", r#"{"task":1,"token":{"attempt":2,"activation":1},"holder":"n/a#1"}"#),
    (200, "task_completed", r#"{"task":1,"token":{"attempt":2,"activation":1},"holder":"n/a#1","output":{"json":1}}"#),
    (205, "task_accepted", r#"{"task":2,TOKEN}"#),
    (300, "task_completed", r#"{"task":2,TOKEN,"output":{"json":1}}"#),
    (300, "run_ended", r#"{"outcome":"completed"}"#),
];

#[test]
fn the_critical_path_adds_up_to_the_whole() {
    let times = RunTimes::of(&folded(DIAMOND), Millis(9_999));
    let path: Vec<(&str, i64, i64)> = times.path.iter().map(|leg| (&*leg.task, leg.from.0, leg.until.0)).collect();
    assert_eq!(path, [("b", 0, 200), ("c", 200, 300)], "the one that took longer made the last one ready");
    assert_eq!(ms(&times.path[0].spent), [("work", 70), ("retries", 80), ("queue", 50)]);
    assert_eq!(ms(&times.spent), [("work", 165), ("retries", 80), ("queue", 55)]);
    assert_eq!(times.spent.values().sum::<Duration>(), times.whole());
    assert_eq!(ms(&times.of_tasks), [("work", 205), ("retries", 80), ("queue", 65)]);
}

#[test]
fn a_run_that_goes_on_is_told_up_to_now() {
    let times = RunTimes::of(&folded(&DIAMOND[..6]), Millis(170));
    assert!(!times.has_ended);
    let path: Vec<(&str, i64, i64)> = times.path.iter().map(|leg| (&*leg.task, leg.from.0, leg.until.0)).collect();
    assert_eq!(path, [("b", 0, 170)]);
    assert_eq!(times.spent.values().sum::<Duration>(), Duration::from_millis(170));
}

#[test]
fn every_prefix_of_a_history_adds_up() {
    for many in 1..=DIAMOND.len() {
        let times = RunTimes::of(&folded(&DIAMOND[..many]), Millis(400));
        assert_eq!(times.spent.values().sum::<Duration>(), times.whole(), "{many} events: {times:?}");
        for leg in &times.path {
            assert_eq!(leg.spent.values().sum::<Duration>(), leg.until.since(leg.from), "{many} events: {leg:?}");
        }
    }
}

#[test]
fn gaps_between_spans_are_something_else() {
    let span = |phase, from, until| Span { phase, from: Millis(from), until: Millis(until) };
    let spans = [span(Phase::Work, 0, 10), span(Phase::Queue, 20, 30), span(Phase::Work, 30, 99)];
    let spent = spent(spans.into_iter(), Millis(5), Millis(40));
    assert_eq!(ms(&spent), [("work", 15), ("queue", 10), ("other", 10)]);
    assert!(super::fold::spent(std::iter::empty(), Millis(5), Millis(5)).is_empty());
}
