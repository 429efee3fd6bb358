//! The examples are run as programs, and what they print is held against what they claim.
#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

use crate::program::{self, root};
use std::path::Path;
use std::{fs, str};

const EXAMPLES: [&str; 9] =
    ["discovery", "messaging", "broadcast", "priorities", "chain", "workflow_file", "word_count", "jury", "replay"];

/// Runs an example in a folder, and gives the lines that it prints.
#[track_caller]
fn run_in(folder: &Path, name: &str, arguments: &[&str]) -> Vec<String> {
    let output = program::command(program::example(name)).args(arguments).current_dir(folder).output().unwrap();
    let (said, complaints) = (str::from_utf8(&output.stdout).unwrap(), str::from_utf8(&output.stderr).unwrap());
    assert!(output.status.success(), "{name} {arguments:?}: {}\n{said}{complaints}", output.status);
    said.lines().map(str::to_owned).collect()
}

/// The same in a folder of its own, in which it must leave nothing.
#[track_caller]
fn run(name: &str, arguments: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let lines = run_in(folder.path(), name, arguments);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{name} has left something behind");
    lines
}

/// The place of the line that begins like this.
#[track_caller]
fn at(lines: &[String], start: &str) -> usize {
    let at = lines.iter().position(|line| line.starts_with(start));
    at.unwrap_or_else(|| panic!("no line begins with {start:?}:\n{}", lines.join("\n")))
}

/// What stands behind `start` on the line that begins so.
#[track_caller]
fn behind<'a>(lines: &'a [String], start: &str) -> &'a str {
    &lines[at(lines, start)][start.len()..]
}

/// A path below the root of the repository, and a file with this text.
fn of_repository(path: &str) -> String {
    root().join(path).to_str().unwrap().to_owned()
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.md");
    fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

#[test]
fn the_command_at_the_head_of_each_example_works() {
    for name in EXAMPLES {
        let source = fs::read_to_string(root().join(format!("examples/{name}.rs"))).unwrap();
        let command = format!("//!     cargo run --example {name} -- ");
        let arguments: Vec<&str> =
            source.lines().find_map(|line| line.strip_prefix(&command)).unwrap().split(' ').collect();
        let told = run_in(root(), name, &arguments);
        assert_eq!(told.len(), run_in(root(), name, &[]).len(), "{name}: the arguments there are the defaults");
    }
}

#[test]
fn discovery_finds_by_capability_health_and_load_and_waits_for_a_label() {
    let (_folder, text) = file("one two\nthree");
    let agents = of_repository("config/agents");
    let lines = run("discovery", &[&agents, &text]);
    for entry in fs::read_dir(&agents).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            at(&lines, &format!("registered: {} offers ", path.file_stem().unwrap().to_str().unwrap()));
        }
    }
    assert_eq!(behind(&lines, "registered: good offers "), "survey and text.count, health 1.0, load 0.0");
    let failed = at(&lines, "task \"count\" failed: the disk is not mounted");
    assert_eq!(behind(&lines, "healthy: "), "good, spare");
    assert_eq!(behind(&lines, "at leisure while \"good\" works: "), "spare");
    let waiting = behind(&lines, "waiting: ");
    assert!(waiting.contains("broken: zone=eu (it is \"us\")"), "{waiting}");
    let words = at(&lines, &format!("{text} has 3 words"));
    assert!(failed < at(&lines, "waiting: ") && at(&lines, "waiting: ") < words);
    assert_eq!(behind(&lines, "in Europe after \"newcomer\" has left: "), "0 agents");
}

#[test]
fn messaging_asks_across_two_agents_and_every_ask_ends() {
    let (_one, one) = file("An agent is an actor. This agent, too.");
    let (_other, other) = file("Agents are many; AGENT is a word.");
    let lines = run("messaging", &["agnet", &one, &other]);
    assert_eq!(behind(&lines, &format!("{one}: ")), "4 words");
    assert_eq!(behind(&lines, "the index knows "), "6 different words");
    at(&lines, "\"agnet\" should be \"agent\", which stands there 3 times");
    at(&lines, "speller says: the most frequent is \"agent\", 3 times");
    at(&lines, "Unknown: speller#1 did not answer the ask \"spell.ponder\": the message was taken, ");
    at(&lines, "Invalid: index#1 did not answer the ask \"index.burn\": the agent does not take such messages");
    at(&lines, "NotFound: no agent has the id \"indx\"; the closest is \"index\"");
    let lines = run("messaging", &["actor", &one]);
    at(&lines, "\"actor\" is right, it stands there 1 times");
}

#[test]
fn broadcast_reaches_every_instance_and_is_observed() {
    let (_folder, text) = file("some considerably longer words");
    let lines = run("broadcast", &[&text]);
    assert_eq!(behind(&lines, &format!("{text}: ")), "4 words, the longest is \"considerably\"");
    assert_eq!(behind(&lines, "the change is in "), "5 inboxes");
    for instance in ["count-words#1", "count-words#2", "count-words#3", "longest-word#1", "longest-word#2"] {
        assert_eq!(behind(&lines, &format!("{instance} has ")), "{\"letters_min\":8}");
    }
    assert_eq!(behind(&lines, "an observer has heard "), "1 broadcast, 5 asks and 5 answers");
    assert_eq!(lines.last().unwrap(), &format!("{text}: 1 words, the longest is \"considerably\""));
}

#[test]
fn priorities_let_critical_tasks_overtake_and_equal_runs_take_turns() {
    let lines = run("priorities", &[&of_repository("runtime/core/src")]);
    assert_eq!(lines[0], "204 tasks wait for \"lines.count\": 1 of 1 slots are taken");
    assert_eq!(behind(&lines, "the critical tasks came last and were number "), "[2, 3, 4, 5, 6] of 205");
    assert_eq!(behind(&lines, "the others were number "), "1, 7 .. 205");
    let turns = behind(&lines, "left and right took turns: ");
    let mut ahead = 0_i32;
    for run in turns.chars() {
        ahead += if run == 'L' { 1 } else { -1 };
        assert!((-1..=2).contains(&ahead), "{turns}");
    }
    assert_eq!((turns.len(), ahead), (20, 0), "{turns}");
}

#[test]
fn chain_documents_every_public_item_and_refuses_a_page_that_lacks_one() {
    let (sources, pages) = (of_repository("runtime/src/agent"), tempfile::tempdir().unwrap());
    let lines = run("chain", &[&sources, pages.path().to_str().unwrap()]);
    let mut functions = 0;
    for entry in fs::read_dir(&sources).unwrap() {
        let source = entry.unwrap().path();
        let name = source.file_name().unwrap().to_str().unwrap();
        at(&lines, &format!("{name}: "));
        let page = fs::read_to_string(pages.path().join(name).with_extension("md")).unwrap();
        assert!(page.starts_with(&format!("# {name}\n")), "{page}");
        // Not by the analyzer: methods that are public, in the layout of this repository.
        for line in fs::read_to_string(&source).unwrap().lines() {
            let line = line.trim_start().replace("pub async fn", "pub fn");
            let Some(function) = line.strip_prefix("pub fn ") else { continue };
            let function = function.split(['(', '<']).next().unwrap();
            assert!(page.contains(&format!("::{function}` (fn, line ")), "{function} of {name} is not on\n{page}");
            functions += 1;
        }
    }
    assert!(functions > 20, "{functions}");
    let pool = fs::read_to_string(pages.path().join("pool.md")).unwrap();
    assert!(pool.contains("): Adds a bound that a task may require."), "{pool}");
    let refused = lines.last().unwrap();
    assert!(
        refused.starts_with("refused: task \"docs.verify\" failed: the page on ") && refused.contains(" lacks fn "),
        "{refused}"
    );
}

#[test]
fn workflow_file_runs_a_document_and_tells_its_faults() {
    let lines = run("workflow_file", &[&of_repository("config/workflows/release-notes.yaml")]);
    at(&lines, "  t1 -.-> t3");
    let started = at(&lines, "release-notes: draft started");
    assert!(
        at(&lines, "release-notes: log completed") < started && at(&lines, "release-notes: issues completed") < started
    );
    at(&lines, "release-notes ended: completed");
    assert_eq!(behind(&lines, "draft: "), "\"12 commits in acme/api; closes acme/api#1, acme/api#7 (dry)\"");
    let faults = &lines[at(&lines, "the workflow document has 2 faults") + 1..];
    assert!(
        faults[0].starts_with("  line 5, column ") && faults[0].contains("the closest is \"priority\""),
        "{faults:?}"
    );
    assert!(faults[1].contains("\"logs\" is no task of this workflow; the closest is \"log\""), "{faults:?}");
    assert_eq!(
        faults[2..],
        ["the workflow has 1 fault", "  task \"draft\": input.tone: value is not of type \"string\""]
    );
}

#[test]
fn word_count_adds_up_what_it_can_read_and_names_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..9 {
        fs::write(folder.path().join(format!("{n}.txt")), format!("alpha bravo alpha word{n}")).unwrap();
    }
    fs::write(folder.path().join("z.md"), b"\xff\xfe is no text").unwrap();
    fs::write(folder.path().join("image.png"), "alpha").unwrap();
    let lines = run_in(root(), "word_count", &[folder.path().to_str().unwrap()]);
    assert_eq!(lines[0], "9 files, 36 words, 11 different");
    assert_eq!((lines[1].as_str(), lines[2].as_str()), ("18 times alpha", "9 times bravo"));
    let unread = lines.last().unwrap();
    assert!(unread.starts_with("not read: ") && unread.contains("z.md: ") && unread.contains("UTF-8"), "{unread}");
}

#[test]
fn jury_takes_what_two_of_three_say_and_asks_a_judge_where_all_differ() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.rs"), "//! Small.\nfn one() -> u8 {\n    1\n}\n").unwrap();
    // Few lines of code, one very complex function, of some length: three different answers.
    let arms: String = (0..30).map(|n| format!("        {n} => {n},\n")).collect();
    let odd = format!("fn odd(n: u8) -> u8 {{\n    match n {{\n{arms}        _ => 0,\n    }}\n}}\n");
    fs::write(folder.path().join("odd.rs"), odd).unwrap();
    let lines = run("jury", &[folder.path().to_str().unwrap()]);
    assert_eq!(behind(&lines, "small.rs needs "), "Little care, say 3 of 3");
    assert_eq!(behind(&lines, "odd.rs needs "), "Much care, say 1 of 3");
    assert_eq!(lines.last().unwrap(), "the files of 1 of them differ");
}

#[test]
fn release_asks_once_more_after_a_stop_and_publishes_once() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("crate/src");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("lib.rs"), "//! A crate.\n").unwrap();
    fs::write(folder.path().join("crate/Cargo.toml"), "[package]\nname = \"nice\"\nversion = \"1.2.3\"\n").unwrap();
    let lines = run_in(folder.path(), "release", &["crate", "--later"]);
    at(&lines, "release: release recorded step:version");
    at(&lines, "release: release/call:crate.build completed");
    at(&lines, "release nice 1.2.3 (1 files, 13 bytes, ");
    at(&lines, "it goes on waiting: ");
    assert!(!folder.path().join("releases.txt").exists());
    let lines = run_in(folder.path(), "release", &["crate", "--yes"]);
    assert_eq!(lines.last().unwrap(), "nice 1.2.3 is released");
    let lines = run_in(folder.path(), "release", &["crate", "--yes"]);
    assert_eq!(lines.iter().filter(|line| line.ends_with("release recorded step:version")).count(), 1);
    assert_eq!(lines.iter().filter(|line| line.ends_with("call:crate.build started")).count(), 1, "built once");
    let list = fs::read_to_string(folder.path().join("releases.txt")).unwrap();
    assert!(list.starts_with("nice 1.2.3 ") && list.lines().count() == 1, "{list}");
    // A fault is refused by the checks, and nobody is asked.
    fs::write(source.join("lib.rs"), "fn f() {\n\tdbg!(1);\n}\n").unwrap();
    let lines = run_in(folder.path(), "release", &["crate", "--yes"]);
    let refused = lines.last().unwrap();
    assert!(refused.contains("is not in order: src/lib.rs: no dbg!; src/lib.rs: no tabs"), "{refused}");
}

#[test]
fn replay_tells_a_run_again_and_how_it_stood() {
    let lines = run("replay", &["1000"]);
    let recorded = &lines[1..at(&lines, "told again, 1000 times as fast: ")];
    let expected = [
        "bread submitted, 3 tasks",
        "bread: knead started",
        "bread: knead completed",
        "bread: bake started",
        "bread: bake failed attempt 1, next in ",
        "bread: bake started, attempt 2",
        "bread: bake completed",
        "bread: slice started",
        "bread: slice completed",
        "bread ended: completed",
    ];
    assert_eq!(lines[0], "recorded 10 events; the output is \"a loaf of 800 g in slices\"");
    for (line, expected) in recorded.iter().zip(expected) {
        assert!(line.split(" ms  ").nth(1).unwrap().starts_with(expected), "{line}");
    }
    assert!(behind(&lines, "told again, 1000 times as fast: ").starts_with("10 of 10 are the same, in "));
    let (before, after) =
        (at(&lines, "right before \"bread: bake failed"), at(&lines, "right after \"bread: bake failed"));
    assert_eq!(lines[before + 1], "  knead is completed, attempt 1");
    assert_eq!(lines[before + 2], "  bake is running, attempt 1");
    assert!(lines[after + 2].starts_with("  bake is ready, attempt 2: retry 1 of 3 in "), "{:?}", lines[after + 2]);
    assert!(lines[after + 2].ends_with(", after: the oven is cold"), "{:?}", lines[after + 2]);
    assert_eq!(lines[after + 3], "  slice is blocked, attempt 1: waits for \"bake\" (ready)");
    at(&lines, "the critical path is knead, bake, slice; ");
}

#[test]
fn monitoring_shows_numbers_and_says_why() {
    let lines = run("monitoring", &["7"]);
    let (first, second) = (at(&lines, "a Prometheus sees:"), lines.len() - 5);
    assert_eq!(lines[second], "a Prometheus sees:");
    let packed = "  callboard_tasks_total{capability=\"pack\",status=\"completed\"} 7";
    let shipped = |many: u32| format!("  callboard_tasks_total{{capability=\"ship\",status=\"completed\"}} {many}");
    let state = |state: u32| format!("  callboard_circuit_breaker_state{{breaker=\"courier\"}} {state}");
    assert_eq!(lines[first + 1..first + 4], [packed.to_owned(), shipped(0), state(1)]);
    assert_eq!(lines[second + 1..second + 4], [packed.to_owned(), shipped(7), state(0)]);
    let waits = behind(&lines, "\"ship ");
    let (_, why) = waits.split_once("\" and 6 more wait; why: ").unwrap();
    assert!(
        why.starts_with("breaker \"courier\" is open for ") && why.contains("the last: the courier does not answer"),
        "{why}"
    );
    at(&lines, "breaker \"courier\" is closed: ");
    at(&lines, "the run completed");
}

#[test]
fn a_cluster_of_three_carries_every_sack_though_one_leaves() {
    let lines = run("cluster", &[]);
    assert!(at(&lines, "Bert goes home") > at(&lines, "Carl has joined"));
    assert_eq!(lines.iter().filter(|line| line.starts_with("a node owns the partitions")).count(), 3);
    let carried = behind(&lines, "Completed: ");
    let all: u32 = carried.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u32>().ok()).sum();
    assert_eq!(all, 120, "{carried}");
}
