use super::{Look, frame};
use crate::watch::seen::Seen;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn at(ms: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(13_400)
}

fn run() -> Value {
    json!({ "workflow": "notes", "status": "running", "submitted_at": at(1_000),
        "tasks": { "completed": 1, "total": 8 } })
}

fn tasks() -> Vec<Value> {
    let task = |index: u64, name: &str, status: &str, more: Value| {
        let mut task = json!({ "index": index, "name": name, "status": status, "attempt": 1, "losses": 0 });
        task.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        task
    };
    let failed = json!([{ "attempt": 1, "error": "no disk\nat all" }]);
    vec![
        task(0, "log", "completed", json!({})),
        task(1, "issues", "running", json!({ "progress": { "done": 4, "total": 10 } })),
        task(2, "again", "running", json!({ "attempt": 2, "failures": failed, "losses": 1 })),
        task(3, "later", "ready", json!({ "why": "retry 2 of 3 in 4.0s, after: no disk" })),
        task(4, "sick", "parked", json!({ "why": "breaker \"llm\" is open for 23.0s more" })),
        task(5, "draft", "blocked", json!({ "attempt": 0, "why": "waits for \"log\" (running)" })),
        task(6, "gone", "dead", json!({ "attempt": 4, "failures": failed })),
        task(7, "half", "running", json!({ "progress": 0.5 })),
    ]
}

fn seen() -> Seen {
    let mut seen = Seen::default();
    for (ms, task, kind) in [
        (1_000, "log", "started"),
        (1_250, "log", "completed"),
        (9_000, "issues", "started"),
        (13_000, "again", "started"),
        (99_000, "half", "started"), // by a clock that is ahead
        (2_000, "gone", "started"),
        (3_500, "gone", "failed"),
    ] {
        seen.note(&json!({ "at": at(ms), "task": task, "type": kind }));
    }
    seen
}

#[track_caller]
fn check(columns: usize, rows: usize, expected: &[&str]) {
    let look = Look { columns, rows, in_colour: false, now: now() };
    let lines = frame(&run(), &tasks(), &seen(), look);
    assert_eq!(lines, expected);
    assert!(lines.len() < rows.max(4) && lines.iter().all(|line| line.chars().count() < columns));
}

#[test]
fn every_task_has_a_bar_and_says_what_is_to_be_said() {
    check(
        100,
        24,
        &[
            "notes  running  1 of 8 done  12.4s",
            "  log     ██████████  completed  0.2s",
            "  issues  ████░░░░░░  running    4.4s  4 of 10",
            "  again   ░░██░░░░░░  running    0.4s  attempt 2  cut short 1 time  after: no disk at all",
            "  later   ░░░░░░░░░░  ready      retry 2 of 3 in 4.0s, after: no disk",
            "  sick    ░░░░░░░░░░  parked     breaker \"llm\" is open for 23.0s more",
            "  draft   ░░░░░░░░░░  blocked    waits for \"log\" (running)",
            "  gone    ██████████  dead       1.5s  attempt 4  no disk at all",
            "  half    █████░░░░░  running    0.0s  50 %",
        ],
    );
}

#[test]
fn what_does_not_fit_is_cut_and_counted() {
    check(
        44,
        8,
        &[
            "notes  running  1 of 8 done  12.4s",
            "  issues  ████░░░░░░  running    4.4s  4 o…",
            "  again   ░░██░░░░░░  running    0.4s  att…",
            "  gone    ██████████  dead       1.5s  att…",
            "  half    █████░░░░░  running    0.0s  50 %",
            "  and 4 more: 1 parked, 1 ready, 1 blocked…",
        ],
    );
    check(20, 4, &["notes  running  1 …", "  and 8 more: 3 ru…"]);
}

#[test]
fn a_status_has_its_colour_on_its_bar() {
    let look = Look { columns: 80, rows: 24, in_colour: true, now: now() };
    let lines = frame(&run(), &tasks()[..1], &seen(), look);
    assert_eq!(lines[1], "  log  \u{1b}[32m██████████\u{1b}[0m  \u{1b}[32mcompleted\u{1b}[0m  0.2s");
}
