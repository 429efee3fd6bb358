//! Two states that must be the same: folded live, by a replay, or from a snapshot and the events behind it.

use super::{Breach, Invariant};
use crate::{Run, RunId, State};
use std::collections::BTreeSet;

/// Whether the replay of a journal has led to the state that was folded live.
pub fn check_replay(live: &State, replayed: &State) -> Vec<Breach> {
    compare(Invariant::ReplayEqualsLive, live, replayed)
}

/// Whether a snapshot and the events behind it lead to the state to which the whole journal leads. Ended runs that one of
/// them has in memory and the other has not are no breach: when they leave it is nobody's promise.
pub fn check_snapshot(whole: &State, from_snapshot: &State) -> Vec<Breach> {
    compare(Invariant::SnapshotAndTailEqualJournal, whole, from_snapshot)
}

fn compare(invariant: Invariant, one: &State, other: &State) -> Vec<Breach> {
    let mut breaches = Vec::new();
    if one.seq() != other.seq() {
        let what = format!("one stands at event {} and the other at event {}", one.seq(), other.seq());
        breaches.push(Breach::new(invariant, what));
    }
    let ids: BTreeSet<RunId> = one.runs().chain(other.runs()).map(|run| run.id).collect();
    for id in ids {
        match (one.run(id), other.run(id)) {
            (Some(a), Some(b)) => {
                let (a, b) = (a.digest(), b.digest());
                if a != b {
                    breaches.push(Breach::of_run(invariant, id, format!("one has the digest {a}, the other {b}")));
                }
            }
            (Some(run), None) | (None, Some(run)) if is_open(run) => {
                breaches.push(Breach::of_run(invariant, id, "it is open in one and missing in the other"));
            }
            _ => {}
        }
    }
    if !one.schedules().iter_after(None).eq(other.schedules().iter_after(None)) {
        breaches.push(Breach::new(invariant, "the schedules differ"));
    }
    breaches
}

fn is_open(run: &Run) -> bool {
    run.ended.is_none()
}
