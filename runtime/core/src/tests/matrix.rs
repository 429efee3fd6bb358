//! Every command in every state, one by one: `matrix.txt` has the answers, and no line but these.
//!
//! `TEST_BLESS=1 cargo test -p callboard-core` writes them as they are now; read the difference before it is committed.

use super::board::Board;
use crate::Limits;
use std::fmt::Write as _;

const TEXT: &str = include_str!("matrix.txt");

/// How a task `t` of a run `r` comes to each state, `|` between commands. Another task keeps the run open where it can.
const TASKS: &[(&str, &str)] = &[
    ("unknown", "submit r: z"),
    ("blocked", "submit r: a ; t from=a ; z"),
    ("ready", "submit r: t ; z"),
    ("held by another", "submit r: t ; z | accept t n2/y"),
    ("running", "submit r: t ; z | accept t n1/x"),
    ("waiting", "submit r: t ; z | sleep t n1/x k for=1h"),
    ("parked", "submit r: t ; z | sleep t n1/x k for=1h | park t n1/x"),
    ("parked at a gate", "submit r: t ; z | accept t n1/x | park t n1/x at=llm"),
    ("ready again", "submit r: t ; z | fail t n1/x retryable"),
    ("completed", "submit r: t ; z | complete t n1/x"),
    ("failed", "submit r: t ; z | fail t n1/x terminal"),
    ("dead", "submit r: t retries=0 ; z | fail t n1/x retryable"),
    ("cancelled", "submit r: t ; z | cancel r why"),
    ("skipped", "submit r: a ; t from=a ; z | fail a n1/x terminal"),
    ("paused", "submit r: t ; z | pause r why"),
    ("running and paused", "submit r: t ; z | accept t n1/x | pause r why"),
    ("undoing", "submit r: t ; z | begin t n1/x k keyed undo=u | note t n1/x value k | cancel r why"),
    ("quarantined", "submit r: t ; z | poison r run_ended {\"outcome\":\"completed\"}"),
];

/// What may be said to a task, and to its run.
const COMMANDS: &[&str] = &[
    "accept t n1/x",
    "accept t n1/x token=1.9",
    "complete t n1/x",
    "complete t n1/x token=1.9",
    "fail t n1/x retryable",
    "fail t n1/x terminal",
    "fail t n1/x terminal token=1.9",
    "lose t n1/x gone",
    "lose t n1/x gone token=1.9",
    "refuse t terminal",
    "beat t n1/x handler",
    "beat t n1/x handler token=1.9",
    "note t n1/x value one",
    "note t n1/x value one token=1.9",
    "begin t n1/x e irreversible",
    "unknown t n1/x e",
    "ask t n1/x c",
    "sleep t n1/x s for=1s",
    "withdraw t n1/x k",
    "park t n1/x",
    "park t n1/x at=llm",
    "decide t k not",
    "retry t",
    "gone n1",
    "keep n9",
    "signal r go id=1",
    "approve r yes id=2",
    "cancel r again",
    "cancel-task t why",
    "pause r again",
    "resume r",
    "archive r",
    "submit r: t ; z",
    "tick 24h",
    "restart",
];

#[test]
fn every_command_is_answered_in_every_state() {
    let mut told = String::new();
    for (state, script) in TASKS {
        writeln!(told, "== {state}").unwrap();
        for command in COMMANDS {
            let mut board = Board::new(Limits::default());
            script.split(" | ").for_each(|line| drop(board.say(line)));
            writeln!(told, "{command}\n    {}", board.say(command)).unwrap();
        }
    }
    if std::env::var_os("TEST_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/matrix.txt"), &told).unwrap();
        return;
    }
    let first = told.lines().zip(TEXT.lines()).find(|(told, text)| told != text);
    assert!(told == TEXT, "matrix.txt: the first difference (told and expected): {first:#?}");
}
