//! The lines of the journal: format v1, for ever.
//!
//! `golden/events-v1.jsonl` has a line of every kind and variant as format 1 writes it. Its lines are never changed and
//! never taken away: every later release must read them, and while it writes format 1 it must write them byte for byte.
//! A kind that gets a field gets a new line, with the field; the old line stays and is read with the field's default. A
//! format 2 gets a file of its own, and this one is then decoded only.

use crate::{DecodeError, Event, EventKind, FailureClass, LossReason, Payload, RunOutcome, State, Then};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const GOLDEN: &str = include_str!("golden/events-v1.jsonl");

fn decode(line: &str) -> Result<Event, DecodeError> {
    Event::decode(line.as_bytes())
}

#[test]
fn format_1_is_read_and_written_as_ever() {
    for line in GOLDEN.split_inclusive('\n') {
        let event = decode(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(decode(line.trim_end()).unwrap(), event, "with or without its line break");
        let mut written = Vec::new();
        event.encode(&mut written);
        assert_eq!(String::from_utf8(written).unwrap(), line);
    }
}

#[test]
fn format_1_is_followed_as_ever() {
    let mut state = State::default();
    let mut shown = String::new();
    let mut show = |state: &State| {
        for run in state.runs() {
            assert_eq!(run.quarantined, None);
            let tasks: Vec<_> = run.tasks.iter().map(|task| format!("{} {}", task.status(), task.token)).collect();
            let digest = &run.digest()[..8];
            writeln!(shown, "{} {:?} {digest}: {}", run.name, run.ended, tasks.join(", ")).unwrap();
        }
    };
    for line in GOLDEN.lines() {
        let event = decode(line).unwrap();
        if let EventKind::RunsArchived(_) = event.kind {
            show(&state);
        }
        state.apply(&event);
    }
    show(&state);
    assert_eq!(
        shown,
        "release notes Some((Failed, Millis(1790000000012))) 0cd4623d: completed 2.4, completed 2.1, dead 1.1\n\
         small Some((Cancelled, Millis(1790000000021))) 0121d652: failed 1.1, skipped 1.1, failed 1.1, failed 1.1, \
         failed 1.1, dead 1.1, cancelled 1.1, cancelled 1.1\n\
         least Some((Completed, Millis(1790000000024))) 4609a755: completed 1.1\n\
         release notes Some((Completed, Millis(1790000000031))) 1e75c629: completed 2.4, completed 2.1, completed 2.1\n\
         small None 67865bb1: ready 2.1, blocked 1.1, failed 1.1, failed 1.1, failed 1.1, dead 1.1, ready 2.1, \
         cancelled 1.1\n\
         least Some((Completed, Millis(1790000000024))) 4609a755: completed 1.1\n"
    );
    assert_eq!((state.runs().count(), state.pages().len(), state.seq()), (3, 1, 33));
}

#[test]
fn format_1_is_covered() {
    let seen: BTreeSet<String> = GOLDEN.lines().flat_map(|line| variants(&decode(line).unwrap().kind)).collect();
    let mut wanted: BTreeSet<String> = [
        "run_submitted",
        "task_accepted",
        "task_completed",
        "attempt_failed",
        "attempt_lost",
        "tasks_skipped",
        "tasks_cancelled",
        "run_ended",
        "runs_archived",
        "run_restored",
        "run_paused",
        "run_resumed",
        "task_resumed",
        "edited",
        "edited to null",
        "as before",
        "reopened",
        "key",
        "json",
        "stored",
        "holder",
        "no holder",
        "again",
        "failed",
        "dead",
        "lease",
        "gone",
        "released",
        "timeout_ms",
        "tenant",
        "labels",
        "after",
        "priority",
        "retry",
        "start_ms",
        "attempt_ms",
        "heartbeat_ms",
        "losses_max",
        "causes",
        "retry_after_ms",
    ]
    .map(str::to_owned)
    .into();
    let classes = ["retryable", "terminal", "timeout", "panic", "budget", "cancelled", "diverged"];
    wanted.extend(classes.map(|class| format!("class {class}")));
    wanted.extend(["completed", "failed", "cancelled"].map(|outcome| format!("outcome {outcome}")));
    assert_eq!(seen, wanted);
}

/// What of the format the event shows. A new variant does not compile here until the golden file has it.
fn variants(kind: &EventKind) -> Vec<String> {
    let mut seen = vec![kind.name().to_owned()];
    let mut say = |word: &str, is: bool| seen.extend(is.then(|| word.to_owned()));
    match kind {
        EventKind::RunSubmitted(e) => {
            say("key", e.key.is_some());
            say("timeout_ms", e.graph.timeout_ms.is_some());
            say("tenant", e.graph.tenant.is_some());
            say("labels", !e.graph.labels.is_empty());
            for task in &e.graph.tasks {
                say("after", !task.after.is_empty());
                say("priority", !task.priority.is_default());
                say("retry", task.retry.is_some());
                say("start_ms", task.timeouts.start_ms.is_some());
                say("attempt_ms", task.timeouts.attempt_ms.is_some());
                say("heartbeat_ms", task.timeouts.heartbeat_ms.is_some());
                say("losses_max", task.losses_max.is_some());
            }
        }
        EventKind::TaskCompleted(e) => match &e.output {
            Payload::Json(_) => say("json", true),
            Payload::Stored { .. } => say("stored", true),
        },
        EventKind::AttemptFailed(e) => {
            say(if e.holder.is_some() { "holder" } else { "no holder" }, true);
            say("causes", !e.failure.causes.is_empty());
            say("retry_after_ms", e.failure.retry_after_ms.is_some());
            let class = match e.failure.class {
                FailureClass::Retryable => "class retryable",
                FailureClass::Terminal => "class terminal",
                FailureClass::Timeout => "class timeout",
                FailureClass::Panic => "class panic",
                FailureClass::Budget => "class budget",
                FailureClass::Cancelled => "class cancelled",
                FailureClass::Diverged => "class diverged",
            };
            say(class, true);
            say(then(e.then), true);
        }
        EventKind::AttemptLost(e) => {
            let reason = match e.reason {
                LossReason::Lease => "lease",
                LossReason::Gone => "gone",
                LossReason::Released => "released",
            };
            say(reason, true);
            say(then(e.then), true);
        }
        EventKind::RunEnded(e) => {
            let outcome = match e.outcome {
                RunOutcome::Completed => "outcome completed",
                RunOutcome::Failed => "outcome failed",
                RunOutcome::Cancelled => "outcome cancelled",
            };
            say(outcome, true);
        }
        EventKind::TaskResumed(e) => {
            let word = e.input.as_ref().map_or("as before", |input| match input.as_str() {
                "null" => "edited to null",
                _ => "edited",
            });
            say(word, true);
            say("reopened", !e.reopened.is_empty());
        }
        EventKind::TaskAccepted(_)
        | EventKind::TasksSkipped(_)
        | EventKind::TasksCancelled(_)
        | EventKind::RunPaused(_)
        | EventKind::RunResumed(_)
        | EventKind::RunRestored(_)
        | EventKind::RunsArchived(_)
        | EventKind::Schedule(_) => {} // they have a golden file of their own
    }
    seen
}

fn then(then: Then) -> &'static str {
    match then {
        Then::Again(_) => "again",
        Then::Failed => "failed",
        Then::Dead => "dead",
    }
}

#[test]
fn what_a_newer_release_has_written_is_refused_and_never_skipped() {
    let line = |v: &str, kind: &str, data: &str| {
        format!("{{\"v\":{v},\"seq\":7,\"at\":1,\"kind\":\"{kind}\",\"data\":{data}}}")
    };
    let error = |line: String| decode(&line).unwrap_err().to_string();
    assert!(decode(&line("1", "run_ended", r#"{"outcome":"failed"}"#)).is_ok());
    assert_eq!(
        error(line("2", "run_ended", r#"{"outcome":"failed"}"#)),
        "event 7 has version 2, newer than 1; a newer release has written this journal"
    );
    assert_eq!(
        error(line("1", "run_parked", "{}")),
        "event 7 is of the unknown kind \"run_parked\"; a newer release has written this journal"
    );
    for malformed in [
        line("1", "run_ended", r#"{"outcome":"failed","by":"me"}"#),
        line("1", "run_ended", r#"{"outcome":"paused"}"#),
        line("1", "run_ended", "{}"),
        line("1", "run_ended", r#"{"outcome":"failed"}"#).replace("\"at\"", "\"when\""),
        line("1", "run_ended", r#"{"outcome":"failed"}"#).replace("\"at\":1", "\"at\":1,\"at\":1"),
        line("1", "run_ended", r#"{"outcome":"failed"}"#) + "{}",
        line("-1", "run_ended", r#"{"outcome":"failed"}"#),
        line("0", "run_ended", r#"{"outcome":"failed"}"#),
        String::new(),
    ] {
        assert!(matches!(decode(&malformed), Err(DecodeError::Malformed(_))), "{malformed}");
    }
    // A kind may be spelt with escapes like any other string.
    assert!(decode(&line("1", "run_ende\\u0064", r#"{"outcome":"failed"}"#)).is_ok());
}

/// A result is never looked into, so its depth costs nothing and ends nobody.
#[test]
fn a_deep_result_passes_through_the_journal() {
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let data = format!(
        "{{\"task\":0,\"token\":{{\"attempt\":1,\"activation\":1}},\"holder\":\"n/a\",\"output\":{{\"json\":{deep}}}}}"
    );
    let line = format!("{{\"v\":1,\"seq\":1,\"at\":1,\"kind\":\"task_completed\",\"data\":{data}}}\n");
    let mut written = Vec::new();
    decode(&line).unwrap().encode(&mut written);
    assert_eq!(written, line.as_bytes());
    let elsewhere = line.replace("\"seq\":1", &format!("\"seq\":{deep}"));
    assert!(matches!(decode(&elsewhere), Err(DecodeError::Malformed(_))));
    let elsewhere = line.replace("\"task\":0", &format!("\"task\":{deep}"));
    assert!(matches!(decode(&elsewhere), Err(DecodeError::Malformed(_))));
}

proptest! {
    #![proptest_config(super::config(256))]

    #[test]
    fn no_bytes_make_decode_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Event::decode(&bytes);
    }

    /// A line with a few bytes changed, cut out or doubled: read or refused, and what is read can be written and read.
    #[test]
    fn no_mutated_line_makes_decode_or_apply_panic(
        line in 0..GOLDEN.lines().count(),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), 0..4, any::<u8>()), 1..6),
    ) {
        let mut bytes = GOLDEN.lines().nth(line).unwrap().as_bytes().to_vec();
        for (at, edit, byte) in edits {
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, bytes[at]),
                _ => bytes[at] = b"0123456789{}[]\",:"[usize::from(byte) % 17],
            }
            if bytes.is_empty() {
                break;
            }
        }
        if let Ok(event) = Event::decode(&bytes) {
            let mut written = Vec::new();
            event.encode(&mut written);
            prop_assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1);
            prop_assert_eq!(&Event::decode(&written).unwrap(), &event);
            // Behind all the others, and alone: `apply` is total.
            for history in [GOLDEN, ""] {
                let mut state = State::default();
                history.lines().for_each(|line| state.apply(&decode(line).unwrap()));
                state.apply(&event);
                let _ = state.recover(event.at);
            }
        }
    }
}
