use super::*;
use crate::history::{Call, Did, End, Head, History, Line, Memory, Op, Outcome};
use crate::schedule::Schedule;
use std::collections::BTreeMap;

const SECOND: u64 = 1_000_000;

fn of(name: &str) -> Plan {
    Plan::find(name).unwrap()
}

/// A minute in which so many tasks a second are submitted, each done after half a second.
fn history(plan: Plan, per_second: u64) -> History {
    let seconds = plan.duration.as_secs();
    let (mut calls, mut ledger) = (Vec::new(), Vec::new());
    for n in 0..per_second * seconds {
        let (at, run) = (n * SECOND / per_second, format!("run-{n}"));
        let call = Call {
            op: Op::Start,
            run: run.clone(),
            signal: None,
            begin: at,
            end: at + 9,
            outcome: Outcome::Ok,
            seen: None,
            error: None,
        };
        calls.push(call);
        for (at, did) in [
            (at + 100, Did::Began { attempt: 1, inputs: Vec::new() }),
            (at + SECOND / 2, Did::Said { mark: format!("m{n}") }),
        ] {
            ledger.push(Line { at, node: 1, run: run.clone(), task: "t0".into(), life: run.clone(), did });
        }
    }
    ledger.sort_by_key(|line| line.at);
    let memory = (0..seconds).map(|second| Memory { at: second * SECOND, node: 1, bytes: 100 << 20 }).collect();
    let head =
        Head { at: 0, wall: String::new(), seed: 1, plan, file: None, versions: BTreeMap::new(), needs: Vec::new() };
    let end = End { at: seconds * SECOND, ..End::default() };
    History { head, calls, faults: Vec::new(), memory, runs: Vec::new(), end, ledger }
}

fn breached(history: &History) -> Vec<(String, String)> {
    let verdicts = crate::check::all(history).into_iter();
    let of_load =
        verdicts.filter(|verdict| ["errors", "memory-flat"].contains(&&*verdict.check) && verdict.breached > 0);
    of_load.map(|verdict| (verdict.check, verdict.breaches[0].what.clone())).collect()
}

#[test]
fn the_plans_are_those_of_the_files_and_of_their_names() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/chaos/load");
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let mut names: Vec<String> =
        Plan::loads().unwrap().iter().map(|plan| format!("{}.toml", plan.name.trim_start_matches("load-"))).collect();
    files.sort();
    names.sort();
    assert_eq!(names, files);
    for plan in Plan::loads().unwrap() {
        assert_eq!(of(&plan.name), plan);
        assert!(plan.limits.memory_growth_percent.is_some(), "{}", plan.name);
    }
}

#[test]
fn as_much_is_submitted_as_the_plans_say() {
    let count = |name: &str| Schedule::draw(&of(name), 1).runs.len();
    let near = |is: usize, expected: usize| assert!(is.abs_diff(expected) * 50 < expected, "{is}, not {expected}");
    near(count("load-steady"), 6_000);
    near(count("load-hour"), 180_000);
    // Each for 21 seconds: more than a thousand at the same time, and fewer than there are instances.
    near(count("load-concurrent") * 21 / 300, 1_050);
    let ramp = Schedule::draw(&of("load-ramp"), 1).runs;
    let within = |from: u64| ramp.iter().filter(|run| (from..from + 1_000).contains(&run.at_ms)).count();
    assert_eq!((ramp.len(), within(0), within(30_000), within(59_000)), (3_300, 11, 56, 99));
    assert!(ramp.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms));
}

#[test]
fn what_is_too_much_is_twice_what_was_measured_for_as_long_as_is_said() {
    let minute = Duration::from_secs(60);
    assert_eq!(measuring(&of("load-steady")).unwrap(), None);
    let plan = lasting(of("load-overload"), minute).unwrap();
    let before = measuring(&plan).unwrap().unwrap();
    assert_eq!((before.duration.as_secs(), before.faults[0].lasts), (50, Some(MEASURED)));
    assert_eq!(before.cluster, plan.cluster);
    let mut history = history(before, 40);
    let flood = |begin, end| crate::history::Felt {
        kind: FaultKind::Flood,
        target: crate::plan::Target::Clients,
        begin,
        end,
        published: 0,
        error: None,
        said: Vec::new(),
    };
    history.faults.push(flood(10 * SECOND, 30 * SECOND));
    // What it does before it is warm, and behind the flood, is another matter.
    history.ledger.retain(|line| (15..30).contains(&(line.at / SECOND)));
    let report = Report::of(&history);
    assert_eq!(capacity(&report), 40);
    let plan = twice(plan, &report);
    assert_eq!(
        (plan.faults[0].per_second, plan.faults[0].lasts, plan.duration.as_secs()),
        (Some(80), Some(minute), 90)
    );
    let flooded = Schedule::draw(&plan, 1).runs.into_iter().filter(|run| run.work.name.starts_with("flood-"));
    assert_eq!(flooded.count(), 80 * 60);
}

#[test]
fn what_was_done_and_how_soon_is_counted() {
    let history = history(lasting(of("load-steady"), Duration::from_secs(60)).unwrap(), 10);
    let report = Report::of(&history);
    let figures = &report.figures;
    assert_eq!((figures.offered, figures.p50_ms, figures.p99_ms, figures.at_once), (10.0, 500, 500, 5));
    assert!((9.9..10.0).contains(&figures.done), "{}", figures.done);
    let table = table(&[report]);
    let row = table.lines().nth(2).unwrap();
    assert!(
        row.starts_with("| steady | 1m | 10.0 | 9.9 | 5 | 0.00 % | 0 | 500 ms | 500 ms | 100 → 100, most 100 |"),
        "{row}"
    );
    assert_eq!(table.lines().map(|line| line.matches('|').count()).collect::<Vec<_>>(), [13, 13, 13]);
}

#[test]
fn more_errors_than_a_plan_allows_are_found() {
    let mut history = history(lasting(of("load-steady"), Duration::from_secs(100)).unwrap(), 10);
    history.calls[7].outcome = Outcome::Failed;
    assert_eq!(breached(&history), [], "one of a thousand");
    history.calls[8].outcome = Outcome::Unknown;
    let what = "2 of 1000 submissions and probes were not answered well: 0.20 % of 0.10 %";
    assert_eq!(breached(&history), [("errors".to_owned(), what.to_owned())]);
    for n in [7, 8] {
        history.calls[n].run = format!("flood-{n}");
    }
    assert_eq!(breached(&history), [], "a flood is to be refused");
}

#[test]
fn memory_that_grows_is_found_once_it_has_had_time() {
    let grows = |history: &mut History| {
        for (second, seen) in history.memory.iter_mut().enumerate() {
            seen.bytes = (100 + 100 * second as u64 / 300) << 20;
        }
    };
    let mut short = history(lasting(of("load-steady"), Duration::from_secs(60)).unwrap(), 10);
    grows(&mut short);
    assert_eq!(breached(&short), []);
    let mut long = history(lasting(of("load-steady"), Duration::from_secs(300)).unwrap(), 10);
    assert_eq!(breached(&long), []);
    grows(&mut long);
    let what = "node 1 has grown from 137 MiB to 187 MiB, by more than 20 %";
    assert_eq!(breached(&long), [("memory-flat".to_owned(), what.to_owned())]);
}
