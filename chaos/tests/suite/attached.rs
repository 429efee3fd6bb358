//! The suite against a cluster that it has not built.

use crate::theirs::{Theirs, until};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const WORKFLOW: &str = r#"
name = "three"
[tasks.first]
capability = "chaos.part"
input = { run = "three", task = "first", ms = 100 }
[tasks.second]
capability = "chaos.part"
input = { run = "three", task = "second", ms = 200 }
after = ["first"]
[tasks.third]
capability = "chaos.part"
input = { run = "three", task = "third", ms = 50 }
after = ["first", "second"]
"#;

const PROBE: &str = r#"{"name": "probe", "tasks": {"probe": {"capability": "chaos.probe", "input": null}}}"#;

/// Writes a plan for the cluster, with its workflows, and gives its path.
fn plan(theirs: &Theirs, faults: &str) -> String {
    std::fs::write(theirs.path("three.toml"), WORKFLOW).unwrap();
    std::fs::write(theirs.path("probe.json"), PROBE).unwrap();
    let restart = theirs.path("restart-2");
    let plan = format!(
        "name = \"theirs\"\nabout = \"A node of theirs is killed.\"\nduration = \"10s\"\n\
         [attached]\ncluster = \"theirs\"\naddresses = {:?}\nworkflow = \"three.toml\"\nprobe = \"probe.json\"\n\
         allow = [\"command\"]\nprograms = [{restart:?}, \"false\", \"sleep\", \"touch\"]\n{faults}",
        theirs.addresses
    );
    let file = theirs.path("plan.toml");
    std::fs::write(&file, plan).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The suite, with the token of their cluster.
fn suite(words: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard-chaos"));
    command.args(words).arg("--report").arg(folder).env("CALLBOARD_TOKEN", Theirs::TOKEN);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// One cluster for all of it: what takes long is to start one.
#[tokio::test]
async fn a_cluster_of_somebody_else_is_held_to_its_promises_and_left_as_it_was() {
    let theirs = Theirs::start().await;
    let folder = theirs.path("reports");
    a_node_is_killed_by_a_command(&theirs, &folder);
    a_command_that_fails_is_no_breach(&theirs, &folder);
    what_was_done_is_undone_by_whoever_is_interrupted(&theirs, &folder).await;
    a_cluster_that_is_not_meant_is_not_touched(&theirs, &folder);
}

fn a_node_is_killed_by_a_command(theirs: &Theirs, folder: &Path) {
    let restart = theirs.path("restart-2");
    let plan = plan(theirs, &format!("[[fault]]\nkind = \"command\"\nat = \"2s\"\nrun = [{restart:?}]\n"));
    let before = theirs.id(2);
    let output = suite(&["run", &plan, "--seed", "1", "--attached", "theirs"], folder).output().unwrap();
    let said = said(&output);
    println!("{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_ne!(theirs.id(2), before);
    for line in
        ["node 2 is back", "(exit status: 0, after ", "order                holds (", "one-result           holds ("]
    {
        assert!(said.contains(line), "{line}");
    }
    // Three tasks, of which two need others: all of them were looked at.
    let report = std::fs::read_to_string(folder.join("theirs-1/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let looked_at = |check: &str| {
        let verdicts = report["verdicts"].as_array().unwrap();
        let verdict = verdicts.iter().find(|verdict| verdict["check"] == check);
        verdict.and_then(|verdict| verdict["looked_at"].as_u64()).unwrap_or_default()
    };
    let completed = report["runs"]["completed"].as_u64().unwrap();
    assert!(completed > 10, "{completed}");
    assert!(looked_at("ends") >= completed && looked_at("one-result") >= 3 * completed, "{completed}");
    // An acceptance for whose durability nobody waits may be lost with the node that is killed: such a task has no beginning.
    assert!(looked_at("order") >= 2 * completed, "{} of {completed} runs", looked_at("order"));
    assert_eq!(looked_at("holder"), 0, "what needs a ledger is not held against anybody");
}

fn a_command_that_fails_is_no_breach(theirs: &Theirs, folder: &Path) {
    let plan = plan(theirs, "[[fault]]\nkind = \"command\"\nat = \"1s\"\nrun = [\"false\"]\n");
    let words = ["run", &plan, "--seed", "2", "--duration", "3s", "--attached", "theirs"];
    let output = suite(&words, folder).output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("could not be tried: false at "), "{said}");
    assert!(said.contains("`false` has failed: exit status: 1") && !said.contains("BREACHED"), "{said}");
}

async fn what_was_done_is_undone_by_whoever_is_interrupted(theirs: &Theirs, folder: &Path) {
    let (done, undone) = (theirs.path("done"), theirs.path("undone"));
    let faults = format!(
        "[[fault]]\nkind = \"command\"\nat = \"0s\"\nfor = \"1h\"\nrun = [\"touch\", {done:?}]\nundo = [\"touch\", {undone:?}]\n"
    );
    let plan = plan(theirs, &faults);
    let mut running =
        suite(&["run", &plan, "--seed", "3", "--attached", "theirs"], folder).stdout(Stdio::null()).spawn().unwrap();
    assert!(until(|| done.exists()).await, "the fault has not begun");
    assert!(!undone.exists());
    assert!(Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap().success());
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(undone.exists());
}

fn a_cluster_that_is_not_meant_is_not_touched(theirs: &Theirs, folder: &Path) {
    let plan = plan(theirs, "[[fault]]\nkind = \"command\"\nat = \"0s\"\nrun = [\"touch\", \"/nowhere/at-all\"]\n");
    for (words, expected) in [
        (&["run", &plan][..], "say `--attached theirs` if it is meant"),
        (&["run", &plan, "--attached", "other"], "say `--attached theirs` if it is meant, not \"other\""),
        (&["run", "baseline", "--attached", "theirs"], "the plan baseline builds a cluster of its own"),
    ] {
        let before = listing(folder);
        let output = suite(words, folder).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
        assert_eq!(listing(folder), before, "not even a report");
    }
    let output = suite(&["run", &plan, "--dry"], folder).output().unwrap();
    assert!(said(&output).contains("touch /nowhere/at-all"), "{}", said(&output));
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
