//! Every entry, with anything at all.

use super::edit::{self, Edit};
use super::{ENTRIES, Entry};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner, contextualize_config};
use std::ops::Range;
use std::panic::catch_unwind;
use std::path::Path;

/// The same `cases` every time, unless `PROPTEST_CASES` or `PROPTEST_RNG_SEED` say otherwise.
fn config(cases: u32) -> Config {
    let rng_seed = RngSeed::Fixed(2026);
    contextualize_config(Config { cases, rng_seed, failure_persistence: None, ..Config::default() })
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    proptest::collection::vec((0..edit::KINDS, any::<u32>(), any::<u32>()), 0..6)
}

/// Feeds an entry with cases; a fault names it.
fn fault<S: Strategy>(entry: &Entry, cases: u32, strategy: &S, bytes: impl Fn(S::Value) -> Vec<u8>) -> Option<String> {
    let done = TestRunner::new(config(cases)).run(strategy, |drawn| {
        (entry.feed)(&bytes(drawn));
        Ok(())
    });
    done.err().map(|fault| format!("{}: {fault}", entry.name))
}

/// Feeds every entry, and tells the faults of all of them.
fn feed_all(fault: impl Fn(&Entry) -> Option<String>) {
    let faults: Vec<String> = ENTRIES.iter().filter_map(fault).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn entries_have_names_of_their_own_and_take_their_samples() {
    let names: std::collections::BTreeSet<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), ENTRIES.len());
    for entry in ENTRIES {
        let samples = (entry.samples)();
        assert!(samples.iter().all(|sample| !sample.is_empty()) && !samples.is_empty(), "{}", entry.name);
        for sample in samples {
            let before = super::times_understood();
            (entry.feed)(&sample);
            assert!(super::times_understood() > before, "{}: {}", entry.name, String::from_utf8_lossy(&sample));
        }
    }
}

#[test]
fn no_bytes_do_harm() {
    feed_all(|entry| fault(entry, 64, &proptest::collection::vec(any::<u8>(), 0..300), |bytes| bytes));
}

#[test]
fn no_text_does_harm() {
    let text = r#"([\[\]{}",:0-9eE.+\-nultrfas$ \\\n'#&*!|>%@=_/]{0,3}|"[a-z$]{0,5}"|[a-z_]{1,8}|.){0,60}"#;
    feed_all(|entry| fault(entry, 24, &text, String::into_bytes));
}

#[test]
fn no_change_of_a_sample_does_harm() {
    feed_all(|entry| {
        let samples = (entry.samples)();
        let which = || 0..samples.len();
        let drawn = (which(), which(), edits());
        fault(entry, 48, &drawn, |(one, other, edits)| edit::edited(&samples[one], &samples[other], &edits))
    });
}

/// What `make fuzz` has found once.
#[test]
fn what_did_harm_does_none_any_more() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    for entry in std::fs::read_dir(corpus).into_iter().flatten().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let Some(known) = super::entry_of(&name) else {
            assert!(name.starts_with("api.") && !cfg!(feature = "api"), "{name} is no entry");
            continue;
        };
        for file in std::fs::read_dir(entry.path()).unwrap() {
            let file = file.unwrap().path();
            let bytes = std::fs::read(&file).unwrap();
            assert!(catch_unwind(|| (known.feed)(&bytes)).is_ok(), "{}", file.display());
        }
    }
}

/// Each number of a sample becomes each of some that are at the end of something; of a large sample so many.
#[test]
fn no_number_does_harm() {
    let most = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    let ends = |place: Range<usize>| edit::EXTREMES.map(|number| (place.clone(), number));
    feed_all(|entry| {
        (entry.samples)().iter().find_map(|sample| {
            let cases: Vec<_> = edit::numbers(sample).into_iter().flat_map(ends).collect();
            let every = cases.len().div_ceil(most).max(1);
            cases.into_iter().step_by(every).find_map(|(place, number)| {
                let mut bytes = sample.clone();
                bytes.splice(place, number.bytes());
                let does_harm = catch_unwind(|| (entry.feed)(&bytes)).is_err();
                does_harm.then(|| format!("{}: {}", entry.name, String::from_utf8_lossy(&bytes)))
            })
        })
    });
}

/// A hundred thousand levels, open and closed.
#[test]
fn no_depth_does_harm() {
    let deep = (0..edit::kinds_of_nesting(), any::<bool>());
    feed_all(|entry| fault(entry, 6, &deep, |(kind, closed)| edit::nested(kind, 100_000, closed).into_bytes()));
}
