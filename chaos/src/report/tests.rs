use super::*;
use crate::history::{Call, End, Felt};
use crate::plan::{FaultKind, Plan, Target};

fn history() -> History {
    let plan = Plan::parse("p", "name = \"p\"\nabout = \"a < b\"\nduration = \"1m 30s\"\n").unwrap();
    let probe = |n: u64, outcome| Call {
        op: Op::Probe,
        run: format!("probe-{n}"),
        signal: None,
        begin: n * 1_000_000,
        end: n * 1_000_000 + 20_000,
        outcome,
        seen: None,
        error: None,
    };
    History {
        head: Head {
            at: 0,
            wall: "then".into(),
            seed: 12,
            plan,
            file: None,
            versions: BTreeMap::new(),
            needs: Vec::new(),
        },
        calls: vec![probe(0, Outcome::Ok), probe(1, Outcome::Unknown), probe(2, Outcome::Ok), probe(3, Outcome::Ok)],
        faults: vec![Felt {
            kind: FaultKind::NodeKill,
            target: Target::Node(2),
            begin: 500_000,
            end: 2_000_000,
            published: 0,
            error: None,
            said: Vec::new(),
        }],
        memory: Vec::new(),
        runs: Vec::new(),
        end: End { at: 4_000_000, left: vec!["<b>a lock</b>".into()], ..End::default() },
        ledger: Vec::new(),
    }
}

#[test]
fn the_page_shows_what_is_breached_and_asks_for_nothing_outside() {
    let report = Report::of(&history());
    assert!(!report.is_good());
    let page = html::page(&report);
    for said in [
        "1 of 23 checks are breached",
        "node-kill of node 2",
        "75.0 % (3 of 4 windows)",
        "a &lt; b",
        "&lt;b&gt;a lock&lt;/b&gt;",
    ] {
        assert!(page.contains(said), "{said}");
    }
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn a_machine_that_is_too_busy_is_told() {
    use crate::history::Memory;
    let mut history = history();
    let seen = |second: u64| Memory { at: second * 1_000_000, node: 1, bytes: 1 };
    history.memory = vec![seen(1), seen(2)];
    assert!(!Report::of(&history).words().contains("stood still"));
    history.memory.push(seen(9));
    assert!(Report::of(&history).words().contains("the machine is too busy: the suite itself stood still for 6.0 s"));
}

#[test]
fn it_says_how_to_do_it_again_and_is_read_as_it_is_written() {
    let report = Report::of(&history());
    assert_eq!(report.again(), "callboard-chaos run p --seed 12 --duration 1m30s");
    let mut of_file = history();
    of_file.head.file = Some("plans/mine.toml".into());
    assert_eq!(Report::of(&of_file).again(), "callboard-chaos run plans/mine.toml --seed 12 --duration 1m30s");
    let folder = tempfile::tempdir().unwrap();
    report.write(folder.path()).unwrap();
    let json = std::fs::read(folder.path().join(JSON)).unwrap();
    assert_eq!(serde_json::from_slice::<Report>(&json).unwrap(), report);
    assert!(folder.path().join(PAGE).is_file());
}

#[test]
fn a_terminal_is_told_what_was_felt_and_what_does_not_hold() {
    let words = Report::of(&history()).words();
    for said in [
        "node-kill of node 2 (1.5 s), felt for 1.5 s behind it",
        "left-behind          BREACHED 1 times",
        "    <b>a lock</b>",
    ] {
        assert!(words.contains(said), "{said}\n{words}");
    }
}
