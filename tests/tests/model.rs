//! The model of the journal protocol: searches that must find nothing, and controls that must find something.
//!
//! `MODEL_DEPTH=long` adds the larger configurations (some minutes and some GB of memory).
//!
//! Every row of the protocol's table of broken neighbours is run, but for these, which take more than a million
//! states: R2 without a second list in a document of three writers that keeps two versions; and the *consequence* of
//! R2 without it in the manifest, two owners of one epoch. Its cause, a false conclusion about the register, is found
//! after thousands and is run.
use std::collections::BTreeSet;

use callboard_model::model::{
    control::Broken, documents::Documents, log::Log, properties::Violation, search::Report, store::Rules,
};

/// No search of `make test` visits more steps than this.
const STEPS: usize = 40_000_000;

fn rules(keep: u8) -> Rules {
    Rules { keep, all_answers: false, late_seals_go: false, broken: None }
}

fn documents(writers: u8, increments: u8, attempts: u8, keep: u8) -> Documents {
    Documents { writers, increments, attempts, reader: false, rules: rules(keep) }
}

fn log(processes: u8, appends: u8, snapshots: u8, keep: u8) -> Log {
    Log { processes, appends, snapshots, reader: false, rules: rules(keep) }
}

fn long() -> bool {
    std::env::var("MODEL_DEPTH").is_ok_and(|depth| depth == "long")
}

/// Asserts that all searches are exhausted without a violation, and that between them each `sometimes`
/// property was met: a model in which nothing happens proves nothing.
fn all_hold(searches: impl IntoIterator<Item = (String, Report)>) {
    let mut never: Option<BTreeSet<_>> = None;
    for (name, report) in searches {
        println!("{name}: {}", report.readable());
        assert!(report.exhausted, "{name}: {}", report.readable());
        let missing: BTreeSet<_> = report.never.into_iter().collect();
        never = Some(never.map_or(missing.clone(), |never| &never & &missing));
    }
    assert_eq!(never, Some(BTreeSet::new()), "no configuration met these");
}

#[test]
fn documents_count_right() {
    let mut configurations = vec![
        documents(2, 2, 2, 1),
        documents(2, 2, 2, 2),
        documents(2, 2, 3, 1),
        documents(3, 1, 3, 1),
        Documents { reader: true, ..documents(2, 2, 1, 1) },
    ];
    if long() {
        configurations.extend([documents(2, 3, 2, 1), documents(3, 2, 1, 1)]);
        configurations.push(Documents { reader: true, ..documents(2, 2, 2, 1) });
    }
    all_hold(configurations.into_iter().map(|model| (format!("{model:?}"), model.search(steps(), &[]))));
}

#[test]
fn logs_lose_nothing() {
    let mut configurations = vec![
        log(2, 2, 2, 1),
        log(2, 1, 2, 2),
        log(3, 1, 0, 1),
        log(3, 0, 1, 1),
        Log { reader: true, ..log(1, 2, 2, 1) },
        Log { reader: true, ..log(2, 1, 0, 1) },
    ];
    if long() {
        configurations.extend([log(2, 2, 2, 2), log(2, 3, 3, 1), log(4, 0, 0, 1)]);
        configurations.push(Log { reader: true, ..log(2, 1, 1, 1) });
    }
    all_hold(configurations.into_iter().map(|model| (format!("{model:?}"), model.search(steps(), &[]))));
}

/// Too many states to exhaust here: three takeovers with appends and snapshots, as far as 60 million steps go.
#[test]
fn three_takeovers_lose_nothing_so_far() {
    let limit = if long() { 60_000_000 } else { 2_000_000 };
    let report = log(3, 1, 1, 1).search(limit, &[]);
    println!("{}", report.readable());
    assert!(report.violated.is_empty(), "{}", report.readable());
}

/// The collector of the journal may delete a seal that a superseded walk left in a collected slot.
#[test]
fn late_seals_may_go() {
    let mut configurations = vec![log(2, 1, 1, 1), log(3, 0, 1, 1), Log { reader: true, ..log(2, 0, 1, 1) }];
    if long() {
        configurations.push(log(2, 2, 2, 1));
    }
    for model in configurations {
        let rules = Rules { late_seals_go: true, ..model.rules };
        let report = Log { rules, ..model }.search(steps(), &[]);
        println!("{model:?}: {}", report.readable());
        assert!(report.exhausted, "{model:?}: {}", report.readable());
    }
}

fn steps() -> usize {
    if long() { 400_000_000 } else { STEPS }
}

/// Asserts that the search of a broken model finds `violation` within a million states, and prints how.
fn found(rule: Broken, violation: Violation, report: &Report) {
    println!("{rule:?}, {}", report.readable());
    assert!(report.violated.iter().any(|(name, _)| *name == violation.name()), "{rule:?} went unnoticed");
    assert!(report.states <= 1_000_000, "{rule:?} took {} states", report.states);
}

fn document_control(rule: Broken, keep: u8, violation: Violation) {
    let rules = Rules { broken: Some(rule), ..rules(keep) };
    let model = Documents { rules, reader: rule == Broken::ReaderNoSecondList, ..documents(2, 2, 2, keep) };
    found(rule, violation, &model.search(STEPS, &[violation.name()]));
}

fn log_control(rule: Broken, model: Log, violation: Violation) {
    let rules = Rules { broken: Some(rule), ..model.rules };
    found(rule, violation, &Log { rules, ..model }.search(STEPS, &[violation.name()]));
}

#[test]
fn broken_registers_are_found() {
    document_control(Broken::NoListAfterCreated, 1, Violation::Count);
    document_control(Broken::NoListAfterCreated, 2, Violation::Count);
    document_control(Broken::AheadIsMoved, 1, Violation::Count);
    document_control(Broken::PrunedSuccessorIsMoved, 1, Violation::Count);
    document_control(Broken::NoSecondList, 1, Violation::Count);
    document_control(Broken::ReaderNoSecondList, 1, Violation::Conclusion);
    document_control(Broken::ExistsIsForeign, 1, Violation::Count);
    document_control(Broken::AbsentIsFailed, 1, Violation::Count);
    document_control(Broken::OtherBytes, 1, Violation::Count);
    document_control(Broken::NewestPruned, 1, Violation::Count);
    document_control(Broken::ListsLag, 1, Violation::Count);
}

#[test]
fn broken_logs_are_found() {
    log_control(Broken::NoListAfterCreated, log(2, 1, 1, 1), Violation::TwoOwners);
    log_control(Broken::NoSecondList, log(3, 0, 1, 1), Violation::Conclusion);
    log_control(Broken::CollectorNoSecondList, log(3, 1, 1, 1), Violation::Acknowledged);
    log_control(Broken::ExistsIsForeign, log(2, 1, 1, 1), Violation::Failed);
    log_control(Broken::AbsentIsFailed, log(2, 1, 1, 1), Violation::Failed);
    log_control(Broken::OtherBytes, log(2, 1, 1, 1), Violation::Failed);
    log_control(Broken::NewestPruned, log(2, 1, 1, 1), Violation::Back);
    log_control(Broken::NoSeal, log(2, 1, 1, 1), Violation::Acknowledged);
    log_control(Broken::ServeBeforeRecord, log(3, 0, 1, 2), Violation::Start);
    log_control(Broken::ForeignIsFailed, log(2, 1, 1, 1), Violation::Failed);
    log_control(Broken::SealsDeleted, log(2, 1, 1, 1), Violation::Acknowledged);
    log_control(Broken::NoSecondLook, Log { reader: true, ..log(2, 1, 1, 1) }, Violation::Reader);
    log_control(Broken::OneSequence, log(2, 1, 1, 1), Violation::Acknowledged);
}
