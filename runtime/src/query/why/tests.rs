use super::{Cause, Elsewhere, Why};
use crate::breaker::BreakerState;
use callboard_core::{Millis, Status};
use std::time::Duration;

/// 2026-11-20T10:36:20Z.
const AT: Millis = Millis(1_795_170_980_125);
const LATER: Millis = Millis(1_795_174_580_000);

#[test]
fn every_cause_is_a_sentence() {
    let name = |name: &str, status| (name.to_owned(), status);
    let breaker =
        |state, left, reason: &str| Cause::Breaker { name: "llm:groq".into(), state, left, reason: reason.into() };
    let secs = Duration::from_secs;
    let agent = Elsewhere { agent: "fixer".into(), node: "n2".into(), taken: 3, of: 3 };
    let budget = |reserved: &str, ahead| Cause::Budget {
        cost: "0.02usd".parse().unwrap(),
        limit: "0.5usd".parse().unwrap(),
        spent: "0.49usd".parse().unwrap(),
        reserved: reserved.parse().unwrap_or_default(),
        ahead,
    };
    let table = [
        (Cause::Needs { tasks: vec![name("draft", Status::Running)], more: 0 }, r#"waits for "draft" (running)"#),
        (
            Cause::Needs { tasks: vec![name("draft", Status::Running), name("log", Status::Ready)], more: 3 },
            r#"waits for "draft" (running), "log" (ready) and 3 more"#,
        ),
        (Cause::UndoneLater, "waits until what came after it is undone"),
        (Cause::Paused { reason: "Ann: the bill".into() }, "the run is paused: Ann: the bill"),
        (
            Cause::Retry { retry: 2, of: 3, left: secs(4), error: "no disk".into() },
            "retry 2 of 3 in 4.0s, after: no disk",
        ),
        (Cause::Later { left: secs(4) }, "starts in 4.0s"),
        (Cause::NoAgent { capability: "x".into(), closest: None }, r#"no agent offers "x""#),
        (
            Cause::NoAgent { capability: "summarise".into(), closest: Some("summarize".into()) },
            r#"no agent offers "summarise"; the closest is "summarize""#,
        ),
        (
            Cause::OtherNodes { capability: "x".into(), agents: vec![agent], more: 0 },
            r#"only agents of other nodes offer "x": "fixer" on n2, 3 of 3 slots taken"#,
        ),
        (
            Cause::Unmet {
                capability: "x".into(),
                lacks: vec!["a: no gpu".into(), "b is being drained".into()],
                more: 1,
            },
            r#"no agent that offers "x" meets what the task requires: a: no gpu; b is being drained; and 1 more"#,
        ),
        (Cause::NoInstance { trouble: None }, "no instance runs yet"),
        (Cause::NoInstance { trouble: Some("no key".into()) }, "no instance runs yet: no key"),
        (Cause::Slots { taken: 3, of: 3 }, "3 of 3 slots are taken"),
        (Cause::SlotsAsked, "no slot is free; other nodes have been asked for one"),
        (Cause::OnItsWay, "is on its way to an agent"),
        (Cause::Ahead { tasks: 41, or_more: false }, "41 of its kind are ahead of it"),
        (Cause::Ahead { tasks: 1, or_more: false }, "1 of its kind is ahead of it"),
        (Cause::Ahead { tasks: 1_000, or_more: true }, "1000 or more of its kind are ahead of it"),
        (
            breaker(BreakerState::Open, Some(secs(23)), "5 failures in a row, the last: busy"),
            r#"breaker "llm:groq" is open for 23.0s more: 5 failures in a row, the last: busy"#,
        ),
        (breaker(BreakerState::Open, None, "Ann"), r#"breaker "llm:groq" is held open by hand: Ann"#),
        (breaker(BreakerState::HalfOpen, None, ""), r#"breaker "llm:groq" is half-open, and a probe is on its way"#),
        (breaker(BreakerState::Ramping, None, ""), r#"breaker "llm:groq" is letting calls come back step by step"#),
        (breaker(BreakerState::Closed, None, ""), r#"breaker "llm:groq" is closed"#),
        (
            Cause::Limit { name: "llm:groq".into(), tenant: None, reached: "10 of 10 at a time".into() },
            r#"limit "llm:groq" is reached: 10 of 10 at a time"#,
        ),
        (
            Cause::Limit { name: "x".into(), tenant: Some("acme".into()), reached: "1 of 1 at a time".into() },
            r#"limit "x" of tenant "acme" is reached: 1 of 1 at a time"#,
        ),
        (budget("", 0), "the budget has no room for 0.02usd: 0.49usd spent of 0.5usd"),
        (
            budget("0.01usd", 2),
            "the budget has no room for 0.02usd: 0.49usd spent and 0.01usd reserved of 0.5usd; 2 calls are ahead of it",
        ),
        (
            Cause::Approval { number: 1, prompt: "ship it?".into(), since: AT, until: None },
            "waits for approval 1 since 2026-11-20T10:36:20Z: ship it?",
        ),
        (
            Cause::Signal { name: "go".into(), since: AT, until: Some(LATER) },
            r#"waits for the signal "go" since 2026-11-20T10:36:20Z until 2026-11-20T11:36:20Z"#,
        ),
        (
            Cause::Barrier { name: "all".into(), parties: 3, since: AT, until: None },
            r#"waits for 3 at the barrier "all" since 2026-11-20T10:36:20Z"#,
        ),
        (Cause::Sleep { until: LATER }, "sleeps until 2026-11-20T11:36:20Z"),
        (
            Cause::Outcome { call: "effect:pay".into(), since: AT, reason: "it was cut short".into() },
            "nobody knows whether effect:pay happened, begun 2026-11-20T10:36:20Z: it was cut short; decide it",
        ),
        (Cause::Child { task: "build".into(), status: Status::Ready }, r#"waits for task "build", which is ready"#),
        (Cause::NotKnown { what: "x".into() }, "not known: x"),
    ];
    for (cause, sentence) in table {
        assert_eq!(cause.to_string(), sentence);
        let written = serde_json::to_string(&cause).unwrap();
        assert_eq!(serde_json::from_str::<Cause>(&written).unwrap(), cause, "{written}");
    }
}

#[test]
fn what_comes_together_is_one_sentence() {
    let slots = vec![Cause::Slots { taken: 3, of: 3 }, Cause::Ahead { tasks: 41, or_more: false }];
    assert_eq!(Why::of(slots).unwrap().to_string(), "3 of 3 slots are taken; 41 of its kind are ahead of it");
    assert_eq!(Why::of(Vec::new()), None);
}

#[test]
fn moments_beyond_the_calendar_are_told_all_the_same() {
    for until in [Millis(i64::MIN), Millis(i64::MAX)] {
        assert!(Cause::Sleep { until }.to_string().starts_with("sleeps until "));
    }
}
