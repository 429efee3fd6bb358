//! Ids, moments, priorities and the retry policy: their texts, their bounds, and that nothing overflows.

use super::board::name_id;
use crate::{
    Counts, Failure, FailureClass, InstanceId, Millis, ParseIdError, Payload, Priority, Retry, RunId, Status,
    TaskIndex, TaskRef, Token,
};
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn ids_are_read_as_they_are_written() {
    let run = name_id("r");
    let task = TaskRef { run, task: TaskIndex(7) };
    let holder = InstanceId::new("n1", "a/b");
    assert_eq!(run.to_string().parse(), Ok(run));
    assert_eq!(task.to_string(), format!("{run}/7"));
    assert_eq!(task.to_string().parse(), Ok(task));
    assert_eq!("3.2".parse(), Ok(Token { attempt: 3, activation: 2 }));
    assert_eq!((holder.to_string().as_str(), holder.node()), ("n1/a/b", "n1"));
    assert_eq!("n1/a/b".parse(), Ok(holder));
    for bad in ["", "1", "1.", ".1", "0.1", "1.0", "1.1.1", "-1.1", "4294967296.1", "a.b"] {
        assert!(bad.parse::<Token>().is_err(), "{bad}");
    }
    for bad in ["", "n1", "/", "n1/", "/a"] {
        assert!(bad.parse::<InstanceId>().is_err(), "{bad}");
    }
    for bad in ["", "/7", &format!("{run}/"), &format!("{run}/-1"), &format!("{run}/4294967296"), &run.to_string()] {
        assert!(bad.parse::<TaskRef>().is_err(), "{bad}");
    }
    let error: ParseIdError = "x".repeat(1_000).parse::<RunId>().unwrap_err();
    assert_eq!(error.to_string(), format!("not a run id: {:?}", "x".repeat(80)));
}

/// These are written into journals, keys and names of partitions: they never change.
#[test]
fn hashes_are_what_they_always_were() {
    assert_eq!(RunId::from_key("default", "order-42").to_string(), "a9fba15d-ff47-8db6-8410-2c84e0748237");
    assert_ne!(RunId::from_key("a", "bc"), RunId::from_key("ab", "c"));
    let run: RunId = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5".parse().unwrap();
    assert_eq!([1, 2, 16, 1_000].map(|partitions| run.partition(partitions)), [0, 0, 14, 822]);
    let task = TaskRef { run, task: TaskIndex(3) };
    let failure = Failure::new(FailureClass::Retryable, "busy");
    let delays: Vec<u128> =
        (1..=3).map(|attempt| Retry::default().delay(task, attempt, &failure).unwrap().as_millis()).collect();
    assert_eq!(delays, [2164, 3656, 7384]);
}

#[test]
fn priorities_are_0_to_10() {
    let named = [Priority::Background, Priority::Low, Priority::Medium, Priority::High, Priority::Critical];
    assert_eq!(named.map(Priority::level), [1, 3, 5, 7, 10]);
    assert_eq!((Priority::default().level(), Priority::new(0).is_some(), Priority::new(11)), (5, true, None));
    assert_eq!(serde_json::from_str::<Priority>("10").unwrap(), Priority::Critical);
    let error = serde_json::from_str::<Priority>("11").unwrap_err().to_string();
    assert!(error.starts_with("a priority is a number from 0 to 10, not 11"), "{error}");
    assert!(serde_json::from_str::<Priority>("-1").is_err() && serde_json::from_str::<Priority>("5.0").is_err());
}

#[test]
fn moments_and_payloads_do_not_overflow() {
    assert_eq!(Millis(i64::MAX - 1).after(Duration::from_millis(5)), Millis(i64::MAX));
    assert_eq!(Millis(-5).after(Duration::MAX), Millis(i64::MAX - 5));
    assert_eq!(Millis(i64::MIN).since(Millis(i64::MAX)), Duration::ZERO);
    assert_eq!(Millis(i64::MAX).since(Millis(i64::MIN)), Duration::from_millis(i64::MAX as u64));
    assert_eq!(Payload::Stored { hash: "00".into(), bytes: u64::MAX }.len(), u64::MAX);
}

#[test]
fn a_policy_is_built_in_milliseconds() {
    let policy = Retry::never().base(Duration::from_micros(2_500)).cap(Duration::MAX);
    let default = Retry::default();
    assert_eq!(policy, Retry { retries: 0, base_ms: 2, cap_ms: u64::MAX, ..default });
    assert_eq!(Retry::exponential(4), Retry { retries: 4, ..default });
}

#[test]
fn a_failure_says_what_lay_behind_it_and_how_long_to_wait() {
    let mut failure = Failure::new(FailureClass::Retryable, "no answer");
    assert_eq!((failure.to_string().as_str(), failure.retry_after()), ("no answer", None));
    failure.causes = vec!["refused".into(), "down".into()];
    failure.retry_after_ms = Some(1_500);
    assert_eq!(failure.to_string(), "no answer: refused: down");
    assert_eq!(failure.retry_after(), Some(Duration::from_millis(1_500)));
}

#[test]
fn the_policy_is_read_strictly() {
    assert_eq!(serde_json::from_str::<Retry>("{\"retries\":1}").unwrap(), Retry::exponential(1));
    assert!(serde_json::from_str::<Retry>("{\"retry\":1}").is_err());
    assert!(serde_json::from_str::<crate::Timeouts>("{\"start\":1}").is_err());
    assert!(
        serde_json::from_str::<crate::TaskSpec>("{\"name\":\"a\",\"capability\":\"c\",\"input\":1,\"x\":1}").is_err()
    );
}

proptest! {
    #![proptest_config(super::config(512))]

    /// `base × factor^(n − 1)`, at most the cap, times 0.8 to 1.2, and never before `retry_after`.
    #[test]
    fn a_delay_is_within_its_bounds(
        retries in 0..12_u32,
        base_ms in prop_oneof![0..10_000_u64, Just(u64::MAX)],
        factor_permille in prop_oneof![0..5_000_u32, Just(u32::MAX)],
        cap_ms in prop_oneof![0..100_000_u64, Just(u64::MAX)],
        retry_after_ms in proptest::option::of(prop_oneof![0..100_000_u64, Just(u64::MAX)]),
        attempt in 1..14_u32,
        task in any::<u32>(),
    ) {
        let policy = Retry { retries, base_ms, factor_permille, cap_ms };
        let failure = Failure { retry_after_ms, ..Failure::new(FailureClass::Panic, "drawn") };
        let task = TaskRef { run: name_id("r"), task: TaskIndex(task) };
        let delay = policy.delay(task, attempt, &failure);
        prop_assert_eq!(delay.is_some(), attempt <= retries);
        prop_assert_eq!(delay, policy.delay(task, attempt, &failure));
        prop_assert_eq!(policy.delay(task, attempt, &Failure::new(FailureClass::Budget, "drawn")), None);
        if let Some(delay) = delay {
            let exact = base_ms as f64 * (f64::from(factor_permille) / 1_000.0).powi(attempt as i32 - 1);
            let backoff = exact.min(cap_ms as f64);
            // Every step is rounded down to a millisecond, and what is lost grows with the factor.
            let lost = f64::from(attempt) * (f64::from(factor_permille) / 1_000.0).max(1.0).powi(attempt as i32);
            let after = retry_after_ms.unwrap_or(0) as f64;
            let (low, high) = ((backoff - lost) * 0.8 - 1.0, backoff * 1.2 + 1.0);
            let delay = delay.as_millis() as f64;
            prop_assert!(delay >= low.max(after) * (1.0 - 1e-9) && delay <= high.max(after) * (1.0 + 1e-9), "{low} {delay} {high}");
        }
    }
}

#[test]
fn words_in_json_are_the_words_in_every_surface() {
    for status in Status::ALL {
        assert_eq!(serde_json::to_string(&status).unwrap(), format!("{:?}", status.as_str()));
    }
}

#[test]
fn counts_are_an_object_and_add_up() {
    let read = |text: &str| serde_json::from_str::<Counts>(text);
    let told =
        r#"{"blocked":0,"ready":1,"running":0,"parked":0,"completed":2,"failed":0,"dead":0,"cancelled":0,"skipped":0}"#;
    let counts = read(r#"{"completed":2,"ready":1}"#).unwrap();
    assert_eq!(serde_json::to_string(&counts).unwrap(), told);
    assert_eq!((read(told).unwrap(), counts.total(), counts.open()), (counts, 3, 1));
    for bad in [r#"{"lost":1}"#, r#"{"ready":-1}"#, "[]", "3", r#"{"ready":18446744073709551615,"dead":1}"#] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
