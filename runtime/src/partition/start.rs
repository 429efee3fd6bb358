//! The start of a tenure: claim, replay, and then an actor.

use super::actor::Partition;
use super::health::Health;
use super::message::Message;
use super::recover::Recovery;
use super::tenure::{Surroundings, Tenure};
use crate::cluster::Member;
use crate::journal::claim::{self, Owner};
use crate::journal::ids::Ids;
use crate::journal::{Journal, manifest, walk};
use crate::port::store::Store;
use crate::supervise::{Backoff, ChildSpec, Failure, FailureKind, OnGiveUp, Policy, Ruling, Slot, Stopped};
use callboard_core::Limits;
use futures::FutureExt;
use ractor::{Actor, ActorCell, ActorRef};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a tenure of a partition needs to begin.
#[derive(Clone)]
pub(crate) struct Deed {
    pub(crate) surroundings: Surroundings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) namespace: Arc<str>,
    pub(crate) node: Arc<str>,
    pub(crate) journal: crate::journal::Settings,
    pub(crate) limits: Limits,
    pub(crate) health: Arc<Health>,
    /// Who decides which node claims the partition; nobody, where there is but one node.
    pub(crate) member: Option<Member>,
}

/// A snapshot is taken when the log behind the last one runs through more epochs than this: each is a few objects to read
/// at the next start, however little happened in it.
const EPOCHS_MAX: u64 = 64;

/// The partition as a child of its node, and the slot where it is found.
pub(crate) fn partition(deed: Deed) -> (ChildSpec, Slot<Message>) {
    let spread = Some(deed.surroundings.number.into());
    let backoff = Backoff { first: Duration::from_millis(50), cap: Duration::from_secs(5), spread };
    let policy = Policy { backoff, on_give_up: OnGiveUp::GiveUpChild, ..Policy::default() };
    let (health, member, number) = (deed.health.clone(), deed.member.clone(), deed.surroundings.number);
    let (spec, slot) = ChildSpec::new(format!("partition {}", deed.surroundings.number), policy, move |supervisor| {
        let deed = deed.clone();
        async move { begin(deed, supervisor).await.map_err(Stopped::from) }.boxed()
    });
    let judged = spec.judged_by(move |stopped| {
        let panicked = || Failure::new(FailureKind::Unavailable, stopped.to_string());
        health.down(stopped.failure().cloned().unwrap_or_else(panicked));
        let Some(member) = &member else { return ruling(stopped) };
        // Whether it is claimed again, when and by whom is decided over all nodes.
        member.failed(number, stopped.failure().cloned());
        Ruling::Done
    });
    (judged, slot)
}

/// A store that is away, or another owner, is no fault of the partition: it tries again for as long as it takes. What
/// no other try would mend is given up at once, loudly, and the rest of the node goes on.
fn ruling(stopped: &Stopped) -> Ruling {
    match stopped.failure().map(|failure| failure.kind) {
        Some(FailureKind::Unavailable | FailureKind::Conflict | FailureKind::Fenced | FailureKind::Unknown) => {
            Ruling::RestartUncounted
        }
        Some(FailureKind::Corrupt | FailureKind::Invalid | FailureKind::Denied | FailureKind::NotFound) => {
            Ruling::GiveUp
        }
        None => Ruling::Restart,
    }
}

async fn begin(deed: Deed, supervisor: ActorCell) -> Result<ActorRef<Message>, Failure> {
    let number = deed.surroundings.number;
    let started = Instant::now();
    let journal = Journal::new(deed.store, Ids::random(), &deed.namespace, number.into(), deed.journal);
    let archive = journal.archive();
    let mut recovery = Recovery::new(deed.limits);
    let meters = deed.surroundings.meters.clone();
    let Owner { appender, keeper, start } = journal.claim(&deed.node, &mut recovery).await.map_err(|error| {
        let failure = failure(&error);
        meters.not_recovered(failure.kind);
        failure
    })?;
    meters.recovered(started.elapsed());
    let snapshot_at = recovery.snapshot_at();
    let Recovery { state, history, mut tail, diverged, .. } = recovery;
    deed.surroundings.breaches.report(Some(number), diverged);
    if start.position().epoch > keeper.newest_snapshot().epoch + EPOCHS_MAX {
        tail.events = u64::MAX / 2; // due with the next batch
    }
    let (runs, events) = (state.runs().count(), state.seq());
    let took_ms = started.elapsed().as_millis() as u64;
    tracing::info!(partition = number, epoch = start.position().epoch, runs, events, took_ms, "partition owned");
    deed.health.up(start.position().epoch, appender.status());
    let epoch = start.position().epoch;
    // A folder has one owner at a time, so whoever held a task on another node is gone. Nodes that share a store may
    // live: each holder is given a lease to speak up.
    let nodes = deed.member.is_none().then(|| vec![deed.node.clone()]);
    let clock = deed.surroundings.clock.not_before(state.at());
    let surroundings = Surroundings { clock, ..deed.surroundings };
    let tenure = Tenure { surroundings, appender, keeper, archive, state, history, tail, snapshot_at, nodes };
    if let Some(member) = &deed.member {
        member.is_up().await; // or it does not hear that the tenure has begun
    }
    let spawned = Actor::spawn_linked(None, Partition, tenure, supervisor).await;
    let (actor, _task) = spawned.map_err(|error| Failure::new(FailureKind::Conflict, error.to_string()))?;
    if let Some(member) = &deed.member {
        member.began(number, epoch);
    }
    Ok(actor)
}

fn failure(error: &claim::Error) -> Failure {
    let kind = match error {
        claim::Error::InvalidOwner(_) => FailureKind::Invalid,
        claim::Error::Superseded { .. } => FailureKind::Conflict,
        claim::Error::Unknown { .. } => FailureKind::Unknown,
        claim::Error::Refused { .. } => FailureKind::Unavailable,
        claim::Error::Manifest(manifest::Error::Unavailable(_)) => FailureKind::Unavailable,
        claim::Error::Walk(walk::Error::Unavailable { .. }) => FailureKind::Unavailable,
        claim::Error::Manifest(_) | claim::Error::Walk(_) => FailureKind::Corrupt,
    };
    Failure::new(kind, error.to_string())
}
