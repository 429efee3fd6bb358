//! The tests of the machine, by topic. Most are texts: a script goes in, what happened comes out.

mod board;
mod cost;
mod event;
mod graph;
mod input;
mod scenarios;

use crate::{Part, Payload};

/// The JSON text of a resolved input whose outputs are all in the journal.
fn text_of(parts: &[Part]) -> String {
    let text = parts.iter().map(|part| match part {
        Part::Text(text) => text.to_string(),
        Part::Value(Payload::Json(json)) => json.as_str().to_owned(),
        Part::Value(Payload::Stored { hash, .. }) => format!("stored {hash}"),
    });
    text.collect()
}
