//! The tests of the machine, by topic. Most are texts: a script goes in, what happened comes out.

mod board;
mod bounds;
mod cost;
mod durable;
mod event;
mod graph;
mod input;
mod invariant;
mod limits;
mod matrix;
mod model;
mod properties;
mod questions;
mod queue;
mod refusal;
mod requirement;
mod sabotage;
mod scenarios;
mod schedule;
mod schema;
mod trace;
mod values;
mod words;

use crate::{Part, Payload};
use proptest::test_runner::{Config, RngSeed, contextualize_config};

/// The same `cases` every time, unless `PROPTEST_CASES` or `PROPTEST_RNG_SEED` say otherwise.
fn config(cases: u32) -> Config {
    let rng_seed = RngSeed::Fixed(2026);
    contextualize_config(Config { cases, rng_seed, failure_persistence: None, ..Config::default() })
}

/// The JSON text of a resolved input whose outputs are all in the journal.
fn text_of(parts: &[Part]) -> String {
    let text = parts.iter().map(|part| match part {
        Part::Text(text) => text.to_string(),
        Part::Value(Payload::Json(json)) => json.as_str().to_owned(),
        Part::Value(Payload::Stored { hash, .. }) => format!("stored {hash}"),
    });
    text.collect()
}
