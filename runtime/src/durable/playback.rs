//! Plays a record back to a handler, with nobody behind it: no partition, no clock, nothing live.

use super::calls::{Calls, Key, Outcome};
use super::driver::{Driven, Handler};
use super::polled::Polled;
use callboard_core::{Entry, Noted, Payload};
use std::time::Duration;

/// What a handler did with its record.
pub(crate) struct Played {
    /// How it ended; `None` if it waits, for durable calls that have no outcome or for something that does not come.
    pub(crate) end: Option<Driven>,
    /// How many entries it was given.
    pub(crate) given: usize,
    /// The calls that it waits for, and of which nothing is recorded.
    pub(crate) unrecorded: Vec<Key>,
    /// Where the first entry stands whose call it has not made; and those calls.
    pub(crate) unmade: Option<(usize, Vec<Key>)>,
}

/// How long something that is not durable is waited for, when all is played back.
const OTHERS_MAX: Duration = Duration::from_secs(60);

/// Gives a handler what is recorded, one entry at a time, and sees what it does. No step runs, and nothing is sent.
pub(crate) async fn play_back(calls: &Calls, handler: Handler<'_>, entries: &[Entry]) -> Played {
    calls.replay();
    let mut polled = Polled::new(handler);
    let mut given = 0;
    let end = loop {
        if let Some(ended) = polled.rest().await {
            break Some(ended);
        }
        if let Some(entry) = entries.get(given) {
            given += 1;
            calls.deliver(entry, outcome(&entry.what));
            continue;
        }
        let others = calls.waits_for_others(&polled.root);
        if !others || tokio::time::timeout(OTHERS_MAX, polled.root.woken()).await.is_err() {
            break None;
        }
    };
    let mut unmade = Vec::new();
    let mut first = None;
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| !calls.is_made(&entry.key)) {
        first.get_or_insert(at);
        if !unmade.contains(&entry.key) {
            unmade.push(entry.key.clone());
        }
    }
    let unrecorded = if end.is_none() { calls.unrecorded() } else { Vec::new() };
    Played { end, given, unrecorded, unmade: first.map(|at| (at, unmade)) }
}

fn outcome(what: &Noted) -> Option<Outcome> {
    match what {
        Noted::Value(Payload::Json(json)) => Some(Outcome::Value(json.clone())),
        Noted::Failed(failure) => Some(Outcome::Failed(failure.clone())),
        // A history that is played back has its values in place.
        _ => None,
    }
}
