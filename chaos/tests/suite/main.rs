//! The suite against a cluster of its own.

#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs a scenario by the command itself.
fn run(words: &[&str], folder: &Path, sabotage: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard-chaos"));
    command.arg("run").args(words).arg("--report").arg(folder);
    command.envs(sabotage.map(|promise| ("CHAOS_SABOTAGE", promise)));
    command.output().unwrap()
}

/// What `make test` runs of the suite: one scenario, short.
#[test]
fn a_short_scenario_holds_and_leaves_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["node-kill", "--seed", "1", "--duration", "8s"], folder.path(), None);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    let of = folder.path().join("node-kill-1");
    for file in ["history.jsonl", "ledger.jsonl", "report.html", "report.json"] {
        assert!(of.join(file).metadata().unwrap().len() > 0, "{file}");
    }
}

/// Nodes that run recorded steps again, of which the nodes themselves see nothing.
#[cfg(feature = "sabotage")]
#[test]
fn a_broken_promise_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Some("recorded_steps_ignored");
    let output = run(&["agent-crash", "--seed", "1", "--duration", "10s"], folder.path(), broken);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(10), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    assert!(said.contains("  steps                BREACHED"), "{said}");
}
