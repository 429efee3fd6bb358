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
        $(#[test] fn $name() { drop(check(FEATURES.iter().find(|feature| feature.name == stringify!($name)).unwrap())); })*
    };
}

features! {
    approvals archive barriers budgets cancel children cycles edges effects fences life losses parking pause poison recovery refusal
    restore resume retries schedules skips steps time timeouts undo waits
}

/// What was seen to happen in a file.
#[derive(Default)]
struct Seen {
    transitions: BTreeSet<String>,
    variants: BTreeSet<String>,
}

impl Seen {
    fn add(&mut self, board: &mut Board) {
        self.transitions.append(&mut board.seen);
        self.variants.append(&mut board.variants);
    }
}

/// Plays a file and compares every answer.
#[track_caller]
fn check(feature: &Feature) -> Seen {
    let (mut board, mut seen, mut played) = (Board::new(Limits::default()), Seen::default(), String::new());
    for line in feature.text.lines() {
        if line.starts_with("==") {
            seen.add(&mut std::mem::replace(&mut board, Board::new(Limits::default())));
        }
        if line.is_empty() || line.starts_with(['=', '#']) {
            writeln!(played, "{line}").unwrap();
        } else if !line.starts_with(' ') {
            writeln!(played, "{line}\n    {}", board.say(line)).unwrap();
        }
    }
    seen.add(&mut board);
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
    "budget_topped_up",
    "cancelled task_resumed",
    "dead task_resumed",
    "failed task_resumed",
    "pages_forgotten",
    "parked task_accepted",
    "parked task_failed",
    "parked tasks_cancelled",
    "parked wait_elapsed",
    "parked woken by approval_answered",
    "parked woken by attempt_failed",
    "parked woken by attempt_lost",
    "parked woken by budget_topped_up",
    "parked woken by effect_decided",
    "parked woken by signal_received",
    "parked woken by step_recorded",
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
    "rejected not_reserved",
    "rejected not_resumable",
    "rejected not_unknown",
    "rejected open",
    "rejected pages",
    "rejected paused",
    "rejected quarantined",
    "rejected schedule_conflict",
    "rejected signals_full",
    "rejected task_ended",
    "rejected top_up",
    "rejected undoing",
    "rejected wall_time_spent",
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
    "running wait_begun budget",
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
    "stop lost",
    "stop silent",
    "stop timeout",
    "timer attempt",
    "timer budget",
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
    "wall_time_spent",
];

#[test]
fn every_transition_is_taken_by_a_scenario_and_there_is_no_other() {
    let (mut seen, mut variants) = (BTreeSet::new(), BTreeSet::new());
    for mut of in FEATURES.iter().map(check) {
        seen.append(&mut of.transitions);
        variants.append(&mut of.variants);
    }
    let possible: BTreeSet<String> = TRANSITIONS.iter().map(ToString::to_string).collect();
    let untaken: Vec<_> = possible.difference(&seen).collect();
    let unforeseen: Vec<_> = seen.difference(&possible).collect();
    assert!(untaken.is_empty() && unforeseen.is_empty(), "not taken: {untaken:#?}\nnot foreseen: {unforeseen:#?}");
    // The list above is written by hand; that no kind of anything is missing in it is read from the source.
    let kinds = ENUMS.iter().flat_map(|(name, source)| variants_of(name, source));
    let unseen: Vec<String> = kinds.filter(|kind| !variants.contains(kind) && !ELSEWHERE.contains(&&**kind)).collect();
    assert!(unseen.is_empty(), "in no scenario: {unseen:?}");
}

/// What goes into the machine and comes out of it, with its source.
const ENUMS: &[(&str, &str)] = &[
    ("Command", include_str!("../command.rs")),
    ("Note", include_str!("../record/note.rs")),
    ("Answer", include_str!("../record/note.rs")),
    ("ScheduleCommand", include_str!("../schedule.rs")),
    ("TimerKind", include_str!("../timer.rs")),
    ("EventKind", include_str!("../event.rs")),
    ("ScheduleEvent", include_str!("../schedule/event.rs")),
    ("Effect", include_str!("../command.rs")),
    ("StopReason", include_str!("../command.rs")),
    ("Rejected", include_str!("../command.rs")),
    ("ScheduleRejected", include_str!("../schedule.rs")),
];

/// What takes too many lines for a scenario, and has a test of its own: `there_are_so_many_schedules_and_no_more`.
const ELSEWHERE: &[&str] = &["ScheduleRejected::Full"];

/// The variants of an enum, by the layout of rustfmt.
fn variants_of(name: &str, source: &str) -> Vec<String> {
    let start = format!("pub enum {name} {{");
    let body = source.lines().skip_while(|line| *line != start).skip(1).take_while(|line| *line != "}");
    let variants =
        body.filter_map(|line| line.strip_prefix("    ").filter(|line| line.starts_with(char::is_uppercase)));
    let names = variants.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default());
    let names: Vec<String> = names.map(|variant| format!("{name}::{variant}")).collect();
    assert!(!names.is_empty(), "no {name}");
    names
}
