//! What must hold of documents.

use super::{Facts, Found};
use crate::history::{Did, Op, Outcome};
use std::collections::BTreeSet;

/// The document that counts.
pub(crate) const COUNT: &str = "count";
/// The document that is written under the lock.
pub(crate) const LOCK: &str = "lock";

/// What is said of a document of which nobody says what it holds: nothing of its content.
fn not_told(facts: &Facts<'_>, document: &str) -> Option<Found> {
    facts.history.end.not_told.iter().find(|name| *name == document)?;
    let mut found = Found { looked_at: 1, ..Found::default() };
    found.breach(format!("nobody says at the end what the document {document:?} holds"), Vec::new());
    Some(found)
}

pub(super) fn counter(facts: &Facts<'_>) -> Found {
    if let Some(found) = not_told(facts, COUNT) {
        return found;
    }
    let increments = || facts.history.calls.iter().filter(|call| call.op == Op::Increment);
    let of = |outcome| increments().filter(|call| call.outcome == outcome).count() as u64;
    // A task's increment is written once, however often it is tried: it has happened when its handler was told so.
    let (tried, done) = (tasks_that(facts, COUNT, false), tasks_that(facts, COUNT, true));
    let least = of(Outcome::Ok) + done.len() as u64;
    let most = least + of(Outcome::Unknown) + tried.difference(&done).count() as u64;
    let counted = facts.history.end.counter.unwrap_or(0);
    let mut found = Found { looked_at: most as usize, ..Found::default() };
    if !(least..=most).contains(&counted) {
        let of_tasks = format!("of tasks: {} acknowledged, {} tried", done.len(), tried.len());
        let (ok, failed, unknown) = (of(Outcome::Ok), of(Outcome::Failed), of(Outcome::Unknown));
        let of_clients = format!("of clients: {ok} acknowledged, {failed} failed, {unknown} unknown");
        let evidence = vec![of_clients, of_tasks];
        found.breach(format!("the document has counted {counted}, and should have from {least} to {most}"), evidence);
    }
    found
}

pub(super) fn lock(facts: &Facts<'_>) -> Found {
    if let Some(found) = not_told(facts, LOCK) {
        return found;
    }
    let entries = &facts.history.end.locked;
    let mut found = Found { looked_at: entries.len(), ..Found::default() };
    let around = |at: usize| {
        let near = entries.iter().enumerate().skip(at.saturating_sub(2)).take(4);
        near.map(|(n, entry)| format!("entry {n}: {}, which had read {} entries", entry.task, entry.saw)).collect()
    };
    let mut names = BTreeSet::new();
    for (at, entry) in entries.iter().enumerate() {
        if entry.saw != at {
            let what =
                format!("{} had read {} entries under the lock, and wrote the entry {at}", entry.task, entry.saw);
            found.breach(what, around(at));
        }
        if !names.insert(&*entry.task) {
            found.breach(format!("{} has written twice", entry.task), around(at));
        }
    }
    for task in tasks_that(facts, LOCK, true) {
        if !names.contains(&*task) {
            found.breach(format!("{task} was told that it has written, and its entry is not there"), Vec::new());
        }
    }
    found
}

/// The tasks that say that they try something, or that they were told that it is done: before the document was read, for
/// what has not ended by then goes on.
fn tasks_that(facts: &Facts<'_>, what: &str, is_done: bool) -> BTreeSet<String> {
    let read_at = facts.history.end.at;
    let lines = facts.history.ledger.iter().filter(|line| match &line.did {
        Did::Tries { document } => !is_done && document == what,
        Did::Wrote { document } => document == what && (!is_done || line.at <= read_at),
        _ => false,
    });
    lines.map(|line| format!("{}/{}", line.run, line.task)).collect()
}
