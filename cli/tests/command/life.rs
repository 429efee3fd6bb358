//! Lives of a node: killed and taken up, asked to end, told to.

use super::node::{Node, Watcher, scripts};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder with agents: one counts how often it has run, one waits until a file is there.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let count = format!("echo once >> {}; echo 1", path("counted"));
        let gate = format!("until [ -e {} ]; do sleep 0.02; done; echo 2", path("open"));
        scripts(&folder.path().join("agents"), &[("count", &count), ("gate", &gate)]);
        let text = "name: w\ntasks:\n  first: {capability: count}\n  slow: {capability: gate, after: [first]}\n  \
                    last: {capability: echo, input: {$from: slow}}\n";
        fs::write(folder.path().join("w.yaml"), text).expect("a file");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn node(&self, more: &[&str]) -> Node {
        let mut arguments = vec!["--data".into(), self.path("data"), "--agents".into(), self.path("agents")];
        arguments.extend(more.iter().map(PathBuf::from));
        Node::dev(arguments)
    }

    /// A node whose run is in the middle: the first task is done, the second runs.
    fn in_the_middle(&self, more: &[&str]) -> (Node, String, Watcher) {
        let node = self.node(more);
        let run = node.submit(&self.path("w.yaml"));
        let mut watcher = Watcher::of(&node, &run);
        watcher.sees("slow", "started");
        (node, run, watcher)
    }

    fn open(&self) {
        fs::write(self.path("open"), "").expect("a file");
    }
}

/// Whoever still waits at the gate goes home.
impl Drop for Place {
    fn drop(&mut self) {
        self.open();
    }
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file).expect("a file").lines().count()
}

#[test]
fn what_is_killed_goes_on_where_it_was() {
    let place = Place::new();
    let (node, run, watcher) = place.in_the_middle(&[]);
    node.kill();
    assert_eq!(watcher.code(), Some(4), "the node went away before the run ended");

    let node = place.node(&[]);
    place.open();
    assert_eq!(Watcher::of(&node, &run).code(), Some(0));
    assert_eq!(lines(&place.path("counted")), 1, "what is done is not done again");
    let task = |name: &str| node.ask(["task", "status", &format!("{run}/{name}"), "-o", "json"]).json();
    let slow = task("slow");
    assert_eq!((&slow["attempt"], &slow["losses"]), (&1.into(), &1.into()), "{slow}");
    assert_eq!(task("last")["output"], 2);
}

#[test]
fn a_node_that_is_asked_to_end_does_cleanly() {
    // Its handler does not finish in time: the task is handed back, and open streams keep nobody.
    let place = Place::new();
    let (node, run, watcher) = place.in_the_middle(&["--set", "drain=0s"]);
    node.terminate();
    assert_eq!(node.ended().code(), Some(0));
    assert_eq!(watcher.code(), Some(4));

    // This one may finish, and its result counts.
    let mut node = place.node(&["--set", "drain=1h"]);
    let mut watcher = Watcher::of(&node, &run);
    watcher.sees("slow", "lost");
    watcher.sees("slow", "started");
    node.terminate();
    node.says("stopping: ");
    place.open();
    assert_eq!(node.ended().code(), Some(0));
    let node = place.node(&[]);
    let events = node.ask(["run", "show", &run, "--watch", "-o", "jsonl"]);
    assert_eq!(events.code, Some(0), "{events:?}");
    let lost = events.out.lines().filter(|line| line.contains("\"type\":\"lost\"")).count();
    assert_eq!(lost, 1, "the second life let it finish: {}", events.out);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let place = Place::new();
    let (mut node, _, _) = place.in_the_middle(&["--set", "drain=1h"]);
    node.terminate();
    node.says("stopping: ");
    node.terminate();
    assert_eq!(node.ended().code(), Some(130));
}

/// Something takes away what the node has just written: its inspector sees it, and the node ends in order, with a code.
#[test]
fn a_node_whose_store_is_spoiled_ends_by_itself_and_says_why() {
    let place = Place::new();
    let node = place.node(&["--set", "store.probe_every=1s"]);
    let probes = place.path("data").join("objects/default/probe");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thief = std::thread::spawn(move || {
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            for file in fs::read_dir(&probes).into_iter().flatten().flatten() {
                let _gone_by_itself = fs::remove_file(file.path());
            }
            std::thread::yield_now();
        }
    });
    let (ended, said) = node.ended_saying();
    stop.send(()).expect("it steals still");
    thief.join().expect("it only steals");
    assert_eq!(ended.code(), Some(1), "{said}");
    for words in [
        "error[CB3013]: the node has ended by itself",
        "inspector stopped too often",
        "does not keep its contract",
        "start it again",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
