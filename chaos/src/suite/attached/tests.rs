use super::command::{Undo, Undos, run};
use super::workflow::Workflow;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn what_a_command_writes_and_how_it_ends_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let ran = run(&words(&["sh", "-c", "echo one; echo two >&2"]), LIMIT, &log).await;
    assert_eq!((&ran.said[..3], &ran.error), (&words(&["$ sh -c echo one; echo two >&2", "one", "two"])[..], &None));
    assert!(ran.said[3].starts_with("(exit status: 0, after "), "{:?}", ran.said);
    let ran = run(&words(&["sh", "-c", "echo three; exit 3"]), LIMIT, &log).await;
    assert_eq!(ran.error.as_deref(), Some("`sh -c echo three; exit 3` has failed: exit status: 3"));
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "one\ntwo\nthree\n");
    let ran = run(&words(&["/no/such/program"]), LIMIT, &log).await;
    assert!(ran.error.unwrap().contains("has failed: No such file"), "{:?}", ran.said);
}

/// What it has started and left is somebody's node; a command that is late is killed with all that it has started.
#[tokio::test]
async fn what_a_command_leaves_running_goes_on_unless_it_is_late() {
    let folder = tempfile::tempdir().unwrap();
    let (log, id) = (folder.path().join("log"), folder.path().join("id"));
    let left = |then: &str| words(&["sh", "-c", &format!("sleep 1000 & echo $! >{}; {then}", id.display())]);
    let lives = || {
        let id = std::fs::read_to_string(&id).unwrap().trim().to_owned();
        let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let lives = state.split(' ').nth(2).is_some_and(|state| state != "Z");
        (lives, id)
    };
    assert_eq!(run(&left("true"), LIMIT, &log).await.error, None);
    let (is_alive, process) = lives();
    assert!(is_alive);
    assert_eq!(run(&words(&["kill", &process]), LIMIT, &log).await.error, None);
    let late = run(&left("wait"), Duration::from_millis(500), &log).await;
    assert!(late.error.unwrap().ends_with("killed, for it had not ended within 500ms"));
    let dead = async {
        while lives().0 {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, dead).await.is_ok(), "what a late command has started lives");
}

#[tokio::test]
async fn what_is_left_to_undo_is_undone_once_the_last_first() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let undo = |n: &str| Undo { words: words(&["echo", n]), limit: LIMIT, log: log.clone() };
    let undos = Undos::default();
    for n in ["1", "2", "3"] {
        undos.add(&undo(n));
    }
    assert_eq!(undos.undo(&undo("2")).await.error, None);
    let said = undos.all().await;
    let commands: Vec<&String> = said.iter().filter(|line| line.starts_with('$')).collect();
    assert_eq!(commands, ["$ echo 3", "$ echo 1"]);
    assert_eq!(undos.all().await, [""; 0]);
}

#[test]
fn a_workflow_of_somebody_else_is_read_with_what_needs_what() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.yaml");
    let text = "name: w\nlabels: {team: ours}\ntasks:\n  a: {capability: x}\n  b: {capability: x, input: {n: {$from: a}}}\n  \
                c: {capability: x, after: [a], input: [{$all: [a, b]}, {$literal: {$from: nobody}}]}\n";
    std::fs::write(&file, text).unwrap();
    let workflow = Workflow::read(&file, "abc").unwrap();
    let needs: Vec<(String, String)> =
        [("b", "a"), ("c", "a"), ("c", "b")].map(|(task, need)| (task.to_owned(), need.to_owned())).to_vec();
    assert_eq!(workflow.needs(), needs);
    let document: serde_json::Value = serde_json::from_str(&workflow.document).unwrap();
    assert_eq!(document["labels"], serde_json::json!({ "team": "ours", "chaos": "abc" }));

    std::fs::write(&file, "name: w\ntasks:\n  a: {capability: x, after: [b]}\n").unwrap();
    let said = Workflow::read(&file, "abc").unwrap_err().to_string();
    assert!(said.contains("can not be submitted") && said.contains("w.yaml"), "{said}");
}
