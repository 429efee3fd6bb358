//! The suite against a cluster of its own.

#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

use std::process::Command;

/// What `make test` runs of the suite: one scenario, short, by the command itself.
#[test]
fn a_short_scenario_holds_and_leaves_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard-chaos"));
    command.args(["run", "node-kill", "--seed", "1", "--duration", "8s", "--report"]).arg(folder.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    let of = folder.path().join("node-kill-1");
    for file in ["history.jsonl", "ledger.jsonl", "report.html", "report.json"] {
        assert!(of.join(file).metadata().unwrap().len() > 0, "{file}");
    }
}
