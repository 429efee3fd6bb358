//! Scenarios: what each feature promises, in words.
//!
//! In a file of `scenarios/` each `== title` begins on an empty partition; then come commands, each with its answer
//! indented below it. `board.rs` has the words. `TEST_BLESS=1 cargo test -p callboard-core` writes the answers
//! as they are now; read the difference before it is committed.

use super::board::Board;
use crate::Limits;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A file of scenarios.
struct Feature {
    name: &'static str,
    text: &'static str,
}

macro_rules! features {
    ($($name:ident)*) => {
        const FEATURES: &[Feature] = &[$(Feature {
            name: stringify!($name),
            text: include_str!(concat!("scenarios/", stringify!($name), ".txt")),
        }),*];
        $(#[test] fn $name() { check(FEATURES.iter().find(|feature| feature.name == stringify!($name)).unwrap()); })*
    };
}

features! {
    approvals archive barriers cancel children cycles edges effects fences life losses parking pause poison recovery refusal
    restore resume retries schedules skips steps time timeouts undo waits
}

/// Plays a file and compares every answer; gives back what was seen to happen.
#[track_caller]
fn check(feature: &Feature) -> BTreeSet<String> {
    let (mut board, mut seen, mut played) = (Board::new(Limits::default()), BTreeSet::new(), String::new());
    for line in feature.text.lines() {
        if line.starts_with("==") {
            seen.append(&mut std::mem::replace(&mut board, Board::new(Limits::default())).seen);
        }
        if line.is_empty() || line.starts_with(['=', '#']) {
            writeln!(played, "{line}").unwrap();
        } else if !line.starts_with(' ') {
            writeln!(played, "{line}\n    {}", board.say(line)).unwrap();
        }
    }
    seen.append(&mut board.seen);
    if std::env::var_os("TEST_BLESS").is_some() {
        let file = format!("{}/src/tests/scenarios/{}.txt", env!("CARGO_MANIFEST_DIR"), feature.name);
        std::fs::write(file, &played).unwrap();
    } else if played != feature.text {
        let lines = played.lines().zip(feature.text.lines()).enumerate();
        let first = lines.into_iter().find(|(_, (played, text))| played != text);
        panic!("{}.txt: the first difference (line, played and expected): {first:#?}\n{played}", feature.name);
    }
    seen
}

/// What can happen at all: each state with the event that leaves it, each refusal, timer and stop.
const TRANSITIONS: &[&str] = &[
    "approval_answered no",
    "approval_answered yes",
    "begun effect_decided happened",
    "begun effect_decided not",
    "blocked task_failed",
    "blocked tasks_cancelled",
    "blocked tasks_skipped",
    "cancelled task_resumed",
    "dead task_resumed",
    "failed task_resumed",
    "parked task_failed",
    "parked tasks_cancelled",
    "parked wait_elapsed",
    "parked woken by approval_answered",
    "parked woken by attempt_failed",
    "parked woken by attempt_lost",
    "parked woken by effect_decided",
    "parked woken by signal_received",
    "parked woken by task_completed",
    "parked woken by task_failed",
    "parked woken by tasks_skipped",
    "parked woken by wait_begun",
    "parked woken by wait_elapsed",
    "ready attempt_failed again",
    "ready attempt_failed dead",
    "ready attempt_failed failed",
    "ready attempt_lost gone again",
    "ready attempt_lost gone dead",
    "ready attempt_lost lease again",
    "ready attempt_lost lease dead",
    "ready attempt_lost released again",
    "ready task_accepted",
    "ready task_completed",
    "ready task_failed",
    "ready tasks_cancelled",
    "ready wait_elapsed",
    "rejected ambiguous",
    "rejected answered",
    "rejected busy",
    "rejected child",
    "rejected children",
    "rejected conflict",
    "rejected cycle",
    "rejected ended",
    "rejected faulty",
    "rejected fenced",
    "rejected full",
    "rejected graph",
    "rejected input",
    "rejected news",
    "rejected no_run",
    "rejected no_schedule",
    "rejected no_task",
    "rejected not_resumable",
    "rejected not_unknown",
    "rejected open",
    "rejected paused",
    "rejected quarantined",
    "rejected schedule_conflict",
    "rejected signals_full",
    "rejected task_ended",
    "rejected undoing",
    "run_ended cancelled",
    "run_ended completed",
    "run_ended failed",
    "run_paused",
    "run_restored",
    "run_resumed",
    "run_submitted",
    "running attempt_failed again",
    "running attempt_failed dead",
    "running attempt_failed failed",
    "running attempt_lost gone again",
    "running attempt_lost gone dead",
    "running attempt_lost lease again",
    "running attempt_lost lease dead",
    "running attempt_lost released again",
    "running children_submitted",
    "running effect_begun checkable",
    "running effect_begun irreversible",
    "running effect_begun keyed",
    "running effect_unknown",
    "running step_recorded failure",
    "running step_recorded value",
    "running task_completed",
    "running task_parked",
    "running task_progressed",
    "running tasks_cancelled",
    "running wait_begun approval",
    "running wait_begun barrier",
    "running wait_begun signal",
    "running wait_begun sleep",
    "running wait_elapsed",
    "running waits_withdrawn",
    "runs_archived",
    "schedule_fired hand",
    "schedule_fired queue",
    "schedule_fired time",
    "schedule_paused",
    "schedule_queued",
    "schedule_removed",
    "schedule_resumed",
    "schedule_set",
    "schedule_skipped missed",
    "schedule_skipped overlap",
    "signal_received",
    "stop cancelled",
    "stop silent",
    "stop timeout",
    "timer attempt",
    "timer heartbeat",
    "timer lease",
    "timer retry",
    "timer run",
    "timer start",
    "timer wait",
    "undo_begun cancelled",
    "undo_begun failed",
    "unknown effect_decided happened",
    "unknown effect_decided not",
];

#[test]
fn every_transition_is_taken_by_a_scenario_and_there_is_no_other() {
    let seen: BTreeSet<String> = FEATURES.iter().flat_map(check).collect();
    let possible: BTreeSet<String> = TRANSITIONS.iter().map(ToString::to_string).collect();
    let untaken: Vec<_> = possible.difference(&seen).collect();
    let unforeseen: Vec<_> = seen.difference(&possible).collect();
    assert!(untaken.is_empty() && unforeseen.is_empty(), "not taken: {untaken:#?}\nnot foreseen: {unforeseen:#?}");
}
