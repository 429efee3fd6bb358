//! Workflows submitted, waited for, and looked at.

use super::node::{Node, Said, Watcher, program, scripts};
use std::fs;
use std::path::{Path, PathBuf};

fn document(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, text).expect("a file");
    file
}

/// What `task submit FILE --wait` and more ends with.
#[track_caller]
fn waits(node: &Node, file: &Path, more: &[&str], code: i32) -> Said {
    let mut command = node.command(["task", "submit", "--wait", "-o", "json"]);
    let said = Said::of(command.arg(file).args(more));
    assert_eq!(said.code, Some(code), "{said:?}");
    said
}

#[test]
fn waiting_tells_how_the_run_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let agents = folder.path().join("agents");
    scripts(&agents, &[("broken", "echo no disk >&2; exit 64")]);
    let node = Node::dev(["--ephemeral", "--agents", agents.to_str().expect("a name")]);
    assert!(node.report.iter().any(|line| line.ends_with("broken by broken")), "{:?}", node.report);

    // 0: it completed, in any notation, and the output of a task is there.
    let good = "name: good\ntasks:\n  a: {capability: echo, input: {n: 1}}\n  b: {capability: echo, input: {$from: a}}";
    let good = document(folder.path(), "good.yaml", good);
    let run = waits(&node, &good, &[], 0).json();
    assert_eq!((&run["status"], &run["tasks"]["completed"]), (&"completed".into(), &2.into()));
    let id = run["id"].as_str().expect("an id");
    let task = node.ask(["task", "status", &format!("{id}/b"), "-o", "json"]).json();
    assert_eq!((&task["status"], task["output"].to_string().as_str()), (&"completed".into(), "{\"n\":1}"));
    let toml = document(folder.path(), "good.toml", "name = \"good\"\n[tasks.a]\ncapability = \"echo\"");
    waits(&node, &toml, &[], 0);

    // 10: it failed, and the reason is told.
    let bad = document(folder.path(), "bad.json", r#"{"name":"bad","tasks":{"a":{"capability":"broken"}}}"#);
    let said = waits(&node, &bad, &["--timeout", "1h"], 10);
    assert_eq!(said.json()["status"], "failed");
    assert!(said.err.starts_with("error[CB2010]: the run of \"bad\" is failed\n  seen: a failed: "), "{said:?}");
    assert!(said.err.contains("no disk"), "{said:?}");

    // 12: nobody has it done in time; 11: somebody has cancelled it meanwhile.
    let long = document(folder.path(), "long.yaml", "name: long\ntasks:\n  a: {capability: nobody}");
    let said = waits(&node, &long, &["--timeout", "10ms", "--key", "k"], 12);
    assert!(said.err.contains("error[CB2012]: the run has not ended within 10ms"), "{said:?}");
    let id = node.ask(["run", "list", "--status", "running", "-o", "json"]).json();
    let id = id["items"][0]["id"].as_str().expect("an id").to_owned();
    let watcher = Watcher::of(&node, &id);
    assert_eq!(node.ask(["run", "cancel", &id, "--reason", "enough"]).code, Some(0));
    assert_eq!(watcher.code(), Some(11));
    let said = waits(&node, &long, &["--key", "k"], 11);
    assert_eq!(said.json()["id"], id.as_str(), "one key, one run");
    assert!(said.err.contains("a cancelled: enough"), "{said:?}");
    assert_eq!(node.ask(["run", "cancel", &id]).code, Some(6), "it has ended");
}

#[test]
fn the_sample_is_accepted_and_strictly_refused() {
    let node = Node::dev(["--ephemeral"]);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/workflows/release-notes.yaml");
    let id = node.submit(Path::new(sample));
    let run = node.ask(["run", "show", &id, "-o", "json"]).json();
    assert_eq!((&run["status"], &run["tasks"]["ready"]), (&"running".into(), &2.into()));
    let strict = node.ask(["task", "submit", sample, "--strict"]);
    assert_eq!((strict.code, strict.out.as_str()), (Some(7), ""), "{strict:?}");
    let expected = "error[CB1042]: no agent offers \"announce\", \"draft\", \"fetch-issues\", \"fetch-log\"\n  \
                    seen: 3 capabilities on 3 agents\n  try:  callboard agent list\n";
    assert_eq!(strict.err, expected);
    assert_eq!(node.ask(["runs", "l", "-o", "jsonl"]).out.lines().count(), 1, "nothing was submitted by it");
    let faulty =
        node.command(["task", "submit", "-"]).stdin(fs::File::open("/dev/null").expect("it is there")).output();
    assert_eq!(faulty.expect("the program starts").status.code(), Some(2));
    assert_eq!(node.ask(["run", "show", "01a2227b-68ce-7632-88bc-b4df52f54bce"]).code, Some(3));
    assert_eq!(node.ask(["task", "status", &format!("{id}/nothing")]).code, Some(3));
    assert_eq!(node.ask(["task", "submit", "absent.yaml"]).code, Some(3));
}

/// The minute of the README.
#[test]
fn what_the_readme_shows_runs_to_its_end() {
    let of_repository = |path: &str| format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
    let node = Node::dev(["--ephemeral", "--agents", &of_repository("config/agents")]);
    let run = waits(&node, Path::new(&of_repository("config/workflows/morning.yaml")), &[], 0).json();
    let id = run["id"].as_str().expect("an id");
    let note = node.ask(["task", "status", &format!("{id}/note"), "-o", "json"]).json();
    assert!(note["output"]["disks"].is_array() && note["output"]["rules"]["text"].is_string(), "{note}");
    let shown = node.ask(["run", "show", id]);
    assert!(shown.out.contains("\nnote   echo           completed  1\n"), "{shown:?}");
}

#[test]
fn nobody_answers() {
    let said = Said::of(&mut program(["run", "list", "--addr", "127.0.0.1:1"]));
    assert_eq!((said.code, said.out.as_str()), (Some(4), ""), "{said:?}");
    assert!(said.err.starts_with("error[CB3004]: no node answers at 127.0.0.1:1\n"), "{said:?}");
    let said = Said::of(&mut program(["run", "list", "--addr", "somewhere"]));
    assert_eq!(said.code, Some(2), "{said:?}");
}
