//! Walks through the model, played on the real journal: the same calls, the same outcomes.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use callboard_model::{
    model::{
        documents::Documents,
        log::Log,
        store::Rules,
        trace::{Scripted, Told, Trace, trace},
    },
    scripted::driver::{Cast, play},
};

/// The longest walk, in steps of the model.
const STEPS_MAX: usize = 300;

fn rules(keep: u8) -> Rules {
    Rules { keep, all_answers: true, late_seals_go: false, broken: None }
}

fn log(processes: u8, appends: u8, snapshots: u8, keep: u8) -> (Log, Cast) {
    (Log { processes, appends, snapshots, reader: true, rules: rules(keep) }, Cast::Log { appends })
}

fn documents(writers: u8, increments: u8, attempts: u8, keep: u8) -> (Documents, Cast) {
    let model = Documents { writers, increments, attempts, reader: true, rules: rules(keep) };
    (model, Cast::Documents { increments, attempts })
}

fn seeds() -> u64 {
    let long = std::env::var("MODEL_DEPTH").is_ok_and(|depth| depth == "long");
    if long { 10_000 } else { 500 }
}

/// Draws and plays the walks of many seeds, all of which must be equal, and counts what actors were told.
fn play_all<M: Scripted + Debug>((model, cast): (M, Cast)) -> BTreeMap<&'static str, usize> {
    let seeds = seeds();
    let (mut met, mut failures) = (BTreeMap::new(), Vec::new());
    for seed in 0..seeds {
        let trace = trace(&model, seed, STEPS_MAX);
        failures.extend(play(cast, &trace).err());
        count(&trace, &mut met);
    }
    assert!(failures.is_empty(), "{} of {seeds} differ; first:\n{}", failures.len(), failures[0]);
    println!("{model:?}: {met:?}");
    met
}

fn count(trace: &Trace, met: &mut BTreeMap<&'static str, usize>) {
    *met.entry("steps").or_default() += trace.steps.len();
    for told in trace.steps.iter().filter_map(|step| step.told.as_ref()) {
        let name = match told {
            Told::Claimed(batches) if batches.is_empty() => "claimed",
            Told::Claimed(_) => "claimed, something replayed",
            Told::NotClaimed => "not claimed",
            Told::Appended => "appended",
            Told::Failed => "failed",
            Told::Unknown => "unknown",
            Told::Snapshotted => "snapshotted",
            Told::Deposed => "deposed",
            Told::Read(_) => "read",
        };
        *met.entry(name).or_default() += 1;
    }
}

#[test]
fn the_real_journal_follows_the_model() {
    let mut kinds = BTreeSet::new();
    for part in [log(2, 2, 2, 1), log(3, 2, 1, 2), log(4, 1, 1, 1)] {
        kinds.extend(play_all(part).into_keys());
    }
    assert_eq!(kinds.len(), 10, "some outcome never came: {kinds:?}");
}

#[test]
fn the_real_register_follows_the_model() {
    let mut kinds = BTreeSet::new();
    for part in [documents(2, 2, 2, 1), documents(3, 1, 3, 1), documents(3, 2, 2, 2)] {
        kinds.extend(play_all(part).into_keys());
    }
    assert_eq!(kinds.len(), 5, "some outcome never came: {kinds:?}");
}
