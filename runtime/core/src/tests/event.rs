//! The lines of the journal: format v1, for ever.
//!
//! `golden/events-v1.jsonl` has a line of every kind and variant as format 1 writes it. Its lines are never changed and
//! never taken away: every later release must read them, and while it writes format 1 it must write them byte for byte.
//! A kind that gets a field gets a new line, with the field; the old line stays and is read with the field's default. A
//! format 2 gets a file of its own, and this one is then decoded only.

use crate::{
    Answer, Child, Command, Contract, Decision, DecodeError, Event, EventKind, FailureClass, InstanceId, Json,
    LossReason, Millis, Note, Payload, RunOutcome, Speaker, State, TaskIndex, TaskRef, TaskSpec, Then, Token, Wait,
    decide,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

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
         least Some((Completed, Millis(1790000000024))) 4609a755: completed 1.1\n\
         durable Some((Cancelled, Millis(1790000000075))) e05d0c69: cancelled 2.1, cancelled 1.1, completed 1.1, \
         failed 1.1, cancelled 1.1, completed 1.1\n\
         paid None e708eb69: running 1.1\n\
         traced None e2a2f5f1: ready 1.1\n"
    );
    assert_eq!((state.runs().count(), state.pages().len(), state.seq()), (6, 1, 84));
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
        "pages_forgotten",
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
        "chosen",
        "step_recorded",
        "step value",
        "step stored",
        "step failure",
        "children_submitted",
        "alias",
        "hash",
        "known",
        "effect_begun",
        "contract keyed",
        "contract checkable",
        "contract irreversible",
        "undo",
        "effect_unknown",
        "effect_decided",
        "happened",
        "did not happen",
        "decided by",
        "wait_begun",
        "sleep",
        "signal",
        "signal until",
        "approval",
        "approval until",
        "barrier",
        "barrier until",
        "wait_elapsed",
        "waits_withdrawn",
        "signal_received",
        "signal json",
        "signal stored",
        "approval_answered",
        "approved",
        "not approved",
        "of a task",
        "with a number",
        "answered by",
        "task_parked",
        "task_progressed",
        "task_failed",
        "undo_begun",
        "budget",
        "step cost",
        "wait for the budget",
        "wait for the budget until",
        "budget_topped_up",
        "topped up by",
        "wall_time_spent",
        "trace",
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
            say("budget", e.graph.budget.is_some());
            say("trace", e.graph.trace.is_some());
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
        EventKind::TaskAccepted(e) => say("chosen", e.chosen.is_some()),
        EventKind::StepRecorded(e) => {
            say("step value", matches!(e.value, Some(Payload::Json(_))));
            say("step stored", matches!(e.value, Some(Payload::Stored { .. })));
            say("step failure", e.failure.is_some());
            say("step cost", e.cost.is_some());
        }
        EventKind::ChildrenSubmitted(e) => {
            say("known", !e.known.is_empty());
            for child in &e.children {
                say("alias", child.alias.is_some());
                say("hash", child.hash.is_some());
            }
        }
        EventKind::EffectBegun(e) => {
            let contract = match e.contract {
                Contract::Keyed => "contract keyed",
                Contract::Checkable => "contract checkable",
                Contract::Irreversible => "contract irreversible",
            };
            say(contract, true);
            say("undo", e.undo.is_some());
        }
        EventKind::EffectDecided(e) => {
            let decision = match &e.decision {
                Decision::Happened(_) => "happened",
                Decision::DidNotHappen => "did not happen",
            };
            say(decision, true);
            say("decided by", e.by.is_some());
        }
        EventKind::WaitBegun(e) => {
            let (word, until) = match &e.wait {
                Wait::Sleep { .. } => ("sleep", "sleep"),
                Wait::Signal { .. } => ("signal", "signal until"),
                Wait::Approval { .. } => ("approval", "approval until"),
                Wait::Barrier { .. } => ("barrier", "barrier until"),
                Wait::Budget { .. } => ("wait for the budget", "wait for the budget until"),
            };
            say(word, true);
            say(until, e.wait.until().is_some());
        }
        EventKind::SignalReceived(e) => match &e.value {
            Payload::Json(_) => say("signal json", true),
            Payload::Stored { .. } => say("signal stored", true),
        },
        EventKind::ApprovalAnswered(e) => {
            say(if e.approved { "approved" } else { "not approved" }, true);
            say("of a task", e.task.is_some());
            say("with a number", e.number.is_some());
            say("answered by", e.by.is_some());
        }
        EventKind::BudgetToppedUp(e) => say("topped up by", e.by.is_some()),
        EventKind::TasksSkipped(_)
        | EventKind::TasksCancelled(_)
        | EventKind::RunPaused(_)
        | EventKind::RunResumed(_)
        | EventKind::RunRestored(_)
        | EventKind::RunsArchived(_)
        | EventKind::PagesForgotten(_)
        | EventKind::EffectUnknown(_)
        | EventKind::WaitElapsed(_)
        | EventKind::WaitsWithdrawn(_)
        | EventKind::TaskParked(_)
        | EventKind::TaskProgressed(_)
        | EventKind::TaskFailed(_)
        | EventKind::UndoBegun(_)
        | EventKind::WallTimeSpent(_)
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

#[test]
fn an_event_has_a_next_one() {
    let line = |seq: u64| GOLDEN.lines().next().unwrap().replacen("\"seq\":1", &format!("\"seq\":{seq}"), 1);
    assert_eq!(decode(&line(crate::SEQ_MAX)).unwrap().seq, crate::SEQ_MAX);
    assert!(matches!(decode(&line(crate::SEQ_MAX + 1)), Err(DecodeError::Malformed(_))));
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

    /// Lines in any order, each with a few tokens changed: whatever was read, `apply` ends, and so does what comes next.
    #[test]
    fn no_history_makes_apply_or_decide_panic(
        lines in proptest::collection::vec((any::<proptest::sample::Index>(), mutations()), 1..60),
        whole in any::<bool>(),
    ) {
        let mut state = State::default();
        if whole {
            GOLDEN.lines().skip(33).take(31).for_each(|line| state.apply(&decode(line).unwrap()));
        }
        for (at, mutations) in lines {
            let golden: Vec<&str> = GOLDEN.lines().skip(if whole { 33 } else { 0 }).collect();
            let line = golden[at.index(golden.len())];
            let Ok(event) = Event::decode(mutated(line, &mutations).as_bytes()) else { continue };
            let mut next = state.clone();
            next.apply(&event);
            // What can not be followed ends a history, so it is left out; what can is where the next one begins.
            if next.runs().all(|run| run.quarantined.is_none()) {
                state = next;
            }
        }
        poke(&state);
    }
}

/// Which token of a line is replaced by what.
fn mutations() -> impl Strategy<Value = Vec<(proptest::sample::Index, usize)>> {
    proptest::collection::vec((any::<proptest::sample::Index>(), 0..VALUES.len()), 0..4)
}

const VALUES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "7",
    "4294967295",
    "4294967294",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1790000000040",
    "\"n1/a\"",
    "\"n1/b\"",
    "\"go\"",
    "\"stop\"",
    "\"gate\"",
    "\"one\"",
    "\"a\"",
    "\"call:1\"",
    "\"call:2\"",
    "\"pay:1\"",
    "\"mail:1\"",
    "\"sleep:1\"",
    "\"signal:2\"",
    "\"barrier:1\"",
    "\"\"",
    "null",
    "[]",
    "[0,0]",
    "[4294967295]",
    "true",
];

/// Replaces numbers and strings that are values, wherever they stand.
fn mutated(line: &str, mutations: &[(proptest::sample::Index, usize)]) -> String {
    let mut line = line.to_owned();
    for (at, value) in mutations {
        let mut places = Vec::new();
        let bytes = line.as_bytes();
        let starts = (1..bytes.len()).filter(|&at| matches!(bytes[at - 1], b':' | b'[' | b','));
        for start in starts {
            let end = match bytes[start] {
                b'"' => line[start + 1..].find('"').map(|len| start + len + 2),
                byte if byte.is_ascii_digit() => line[start..].find([',', '}', ']']).map(|len| start + len),
                _ => None,
            };
            let is_value = |end: usize| bytes.get(end) != Some(&b':');
            places.extend(end.filter(|end| is_value(*end)).map(|end| start..end));
        }
        let place = places[at.index(places.len())].clone();
        line.replace_range(place, VALUES[*value]);
    }
    line
}

/// Puts every command to a state, however odd: each is decided or refused, and what is decided can be followed.
fn poke(state: &State) {
    let mut all = state.clone();
    let mut timers = Vec::new();
    while let Some(timer) = all.pop_due(Millis(i64::MAX)) {
        timers.push(Command::Due(timer));
    }
    let mut commands = timers;
    for run in state.runs() {
        commands.push(Command::Cancel { run: run.id, reason: "enough".into() });
        commands.push(Command::Pause { run: run.id, reason: "enough".into() });
        commands.push(Command::Unpause { run: run.id });
        let id = Uuid::from_u128(7);
        let answer = |answer| Command::Answer(run.id, answer);
        commands.extend(
            ["go", "stop"]
                .map(|name| answer(Answer::Signal { id, name: name.into(), value: Payload::Json(Json::null()) })),
        );
        for index in (0..run.tasks.len() as u32 + 1).map(TaskIndex) {
            let task = TaskRef { run: run.id, task: index };
            let (token, holder) = run.task(index).map_or((Token::FIRST, None), |task| (task.token, task.holder()));
            let holder = holder.cloned().unwrap_or(InstanceId::new("n1", "x"));
            let speaker = || Speaker { task, token, holder: holder.clone() };
            let failure = |class| crate::Failure::new(class, "poked");
            commands.push(Command::Retry { task, token, input: None });
            commands.push(Command::Refuse(task, token, failure(FailureClass::Terminal)));
            commands.push(Command::Complete(speaker(), Payload::Json(Json::null())));
            commands.push(Command::Fail(speaker(), failure(FailureClass::Retryable)));
            commands.push(Command::Fail(speaker(), failure(FailureClass::Terminal)));
            commands.push(Command::Lose(speaker(), LossReason::Gone));
            for number in [None, Some(1), Some(u32::MAX)] {
                commands.push(answer(Answer::Approval { id, task: Some(index), number, approved: true, by: None }));
            }
            for key in ["call:1", "call:2", "pay:1", "mail:1", "put:1", "sleep:1", "signal:2", "barrier:1", "new"] {
                let key: Arc<str> = key.into();
                for decision in [Decision::DidNotHappen, Decision::Happened(Payload::Json(Json::null()))] {
                    commands.push(answer(Answer::Effect { task: index, key: key.clone(), decision, by: None }));
                }
                let spec = TaskSpec { after: vec!["b".into()], ..TaskSpec::new("", "c", Json::null()) };
                let child = Child { key: key.clone(), alias: None, hash: None, priority: None, spec };
                let (value, prompt) = (Payload::Json(Json::null()), "?".into());
                let wait = |wait| Note::Wait { key: key.clone(), wait, limit: Some(Duration::MAX) };
                let gate = Wait::Barrier { name: "gate".into(), parties: u32::MAX, value: Json::null(), until: None };
                let notes = [
                    Note::Value(key.clone(), value),
                    Note::Failed { key: key.clone(), failure: failure(FailureClass::Retryable), unsure: false },
                    Note::Children(vec![child]),
                    Note::Begin { key: key.clone(), contract: Contract::Keyed, undo: None, since: None },
                    Note::Unknown { key: key.clone(), reason: "?".into() },
                    wait(Wait::Sleep { until: Millis(0) }),
                    wait(Wait::Signal { name: "go".into(), until: None }),
                    wait(Wait::Approval { prompt, number: 0, until: None }),
                    wait(gate),
                    Note::Withdraw(vec![key.clone()]),
                    Note::Park { seen: run.record(index).map_or(0, |record| record.entries.len()), gate: None },
                    Note::Park {
                        seen: run.record(index).map_or(0, |record| record.entries.len()),
                        gate: Some("llm".into()),
                    },
                ];
                commands.extend(notes.map(|note| Command::Note(speaker(), note)));
            }
        }
    }
    for command in commands {
        let Ok(step) = decide(state, Millis(1_790_000_001_000), command.clone()) else { continue };
        let mut next = state.clone();
        step.events.iter().for_each(|event| next.apply(event));
        let odd = next.runs().find_map(|run| run.quarantined.clone());
        assert_eq!(odd, None, "{command:?}");
    }
    all.recover(Millis(i64::MAX));
}
