//! What must hold of documents.

use super::{Facts, Found};
use crate::history::{Did, Moment, Op, Outcome};
use std::collections::{BTreeMap, BTreeSet};

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
    let of = |outcome| increments(facts, outcome);
    // A task's increment is written once, however often it is tried: it has happened when its handler was told so.
    let (tried, done) = (tasks_that(facts, COUNT, false), tasks_that(facts, COUNT, true));
    let least = of(Outcome::Ok) + done.len() as u64;
    let most = least + perhaps_counted(facts);
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

/// The increments of clients that came to this.
fn increments(facts: &Facts<'_>, outcome: Outcome) -> u64 {
    let increments = facts.history.calls.iter().filter(|call| call.op == Op::Increment);
    increments.filter(|call| call.outcome == outcome).count() as u64
}

/// Increments of which nobody was told whether they were written: of clients, and of tasks that have tried.
fn perhaps_counted(facts: &Facts<'_>) -> u64 {
    let (tried, done) = (tasks_that(facts, COUNT, false), tasks_that(facts, COUNT, true));
    increments(facts, Outcome::Unknown) + tried.difference(&done).count() as u64
}

/// Somebody has read the document that counts, or written it.
struct Use {
    begin: Moment,
    end: Moment,
    version: u64,
    writes: bool,
    told: String,
}

/// The versions have numbers, which are the order: it is right if nobody sees less than was there when they began, what is written
/// comes behind that, and a version has counted what was written until then. Several may be written in one version.
pub(super) fn linearizable(facts: &Facts<'_>) -> Found {
    let mut uses = uses(facts);
    let mut found = Found { looked_at: uses.len(), ..Found::default() };
    let mut written: Vec<u64> = uses.iter().filter(|one| one.writes).map(|one| one.version).collect();
    written.sort_unstable();
    let unknown = perhaps_counted(facts);
    for call in &facts.history.calls {
        let Some(seen) = call.seen else { continue };
        let least = written.partition_point(|version| *version <= seen.version) as u64;
        if !(least..=least + unknown).contains(&seen.count) {
            let should = format!("from {least} to {}", least + unknown);
            let what = format!("version {} has counted {}, and should have {should}", seen.version, seen.count);
            found.breach(what, vec![facts.tell_call(call)]);
        }
    }
    uses.sort_by_key(|one| one.begin);
    let mut ended: Vec<&Use> = uses.iter().collect();
    ended.sort_by_key(|one| one.end);
    let (mut ended, mut newest) = (ended.into_iter().peekable(), None::<&Use>);
    for one in &uses {
        while let Some(before) = ended.next_if(|before| before.end < one.begin) {
            newest = newest.filter(|newest| newest.version >= before.version).or(Some(before));
        }
        let Some(before) = newest else { continue };
        if one.version < before.version || (one.writes && one.version == before.version) {
            let (was, verb) = (before.version, if one.writes { "written" } else { "read" });
            let what = format!("version {was} was there before version {} was {verb}", one.version);
            found.breach(what, vec![before.told.clone(), one.told.clone()]);
        }
    }
    found
}

/// What is known of whom: of a task from when it first tried to when it was first told.
fn uses(facts: &Facts<'_>) -> Vec<Use> {
    let of_clients = facts.history.calls.iter().filter_map(|call| {
        let (version, writes) = (call.seen?.version, call.op == Op::Increment);
        Some(Use { begin: call.begin, end: call.end, version, writes, told: facts.tell_call(call) })
    });
    let (mut tried, mut of_tasks) = (BTreeMap::new(), BTreeMap::new());
    for (at, line) in facts.history.ledger.iter().enumerate() {
        let task = (&*line.run, &*line.task);
        match &line.did {
            Did::Tries { document } if document == COUNT => drop(tried.entry(task).or_insert(line.at)),
            Did::Wrote { document, version: Some(version) } if document == COUNT => {
                let Some(begin) = tried.get(&task).copied() else { continue };
                let one = || Use { begin, end: line.at, version: *version, writes: true, told: facts.tell(at) };
                of_tasks.entry((task, *version)).or_insert_with(one);
            }
            _ => {}
        }
    }
    of_clients.chain(of_tasks.into_values()).collect()
}

/// The tasks that say that they try something, or that they were told that it is done: before the document was read, for
/// what has not ended by then goes on.
fn tasks_that(facts: &Facts<'_>, what: &str, is_done: bool) -> BTreeSet<String> {
    let read_at = facts.history.end.at;
    let lines = facts.history.ledger.iter().filter(|line| match &line.did {
        Did::Tries { document } => !is_done && document == what,
        Did::Wrote { document, .. } => document == what && (!is_done || line.at <= read_at),
        _ => false,
    });
    lines.map(|line| format!("{}/{}", line.run, line.task)).collect()
}
