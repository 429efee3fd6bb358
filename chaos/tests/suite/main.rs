//! The suite against a cluster of its own, and against one that it has not built.

#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

mod attached;
mod theirs;

use std::path::Path;
use std::process::{Command, Output};

/// What the command itself says.
fn chaos(words: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_callboard-chaos")).args(words).arg("--report").arg(folder).output().unwrap()
}

/// What `make test` runs of the suite: one scenario, short.
#[test]
fn a_short_scenario_holds_and_leaves_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let output = chaos(&["run", "node-kill", "--seed", "1", "--duration", "8s"], folder.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    let of = folder.path().join("node-kill-1");
    for file in ["history.jsonl", "ledger.jsonl", "report.html", "report.json"] {
        assert!(of.join(file).metadata().unwrap().len() > 0, "{file}");
    }
}

/// Nodes that run recorded steps again, of which they themselves see nothing.
#[cfg(feature = "sabotage")]
#[test]
fn a_broken_promise_is_found_and_one_that_is_kept_is_not() {
    let folder = tempfile::tempdir().unwrap();
    for (words, expected) in [
        (&["sabotage", "recorded_steps_ignored"][..], "found by steps with seed 1"),
        (&["sabotage", "recorded_steps_ignored", "--kept"], "nothing is found where it is kept"),
    ] {
        let output = chaos(words, folder.path());
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(expected), "{said}");
    }
}

/// What can not be seen from outside is no word, and a build that keeps its promises breaks none.
#[test]
fn a_promise_that_can_not_be_broken_is_refused_in_words() {
    let output = chaos(&["sabotage", "nonsense"], Path::new("nowhere"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = if cfg!(feature = "sabotage") {
        "\"nonsense\" is no promise whose breach can be seen from outside: these are recorded_steps_ignored, "
    } else {
        "this build keeps its promises: build it with `--features sabotage`, or say `make chaos-sabotage`"
    };
    assert!(said.contains(expected), "{said}");
}
