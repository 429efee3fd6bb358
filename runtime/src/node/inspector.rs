//! The inspector: probes the store now and then while the node lives, as the node itself did at its start.
//!
//! A store that keeps its contract today may be reconfigured tomorrow. One that is found to lie ends the node: whatever it
//! would acknowledge from then on may be lost.

use crate::port::store::Store;
use crate::port::store::probe::{ProbeError, probe};
use crate::supervise::{ChildSpec, Failure, FailureKind, OnGiveUp, Policy, Ruling, Stopped};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What an inspector works with.
#[derive(Clone)]
pub(super) struct Beat {
    pub(super) store: Arc<dyn Store>,
    pub(super) namespace: Arc<str>,
    pub(super) every: Duration,
}

/// The inspector as a child of its node.
pub(super) fn inspector(beat: Beat) -> ChildSpec {
    // No restart is allowed, and only that after a lie is counted.
    let policy = Policy { restarts_max: 0, on_give_up: OnGiveUp::StopTree, ..Policy::default() };
    let (spec, _nobody_asks_it) = ChildSpec::actor("inspector", policy, move || (Inspector, beat.clone()));
    spec.judged_by(|stopped| match stopped {
        Stopped::Failed(Failure { kind: FailureKind::Invalid, .. }) => Ruling::Restart,
        Stopped::Finished(_) => Ruling::Done,
        _ => Ruling::RestartUncounted,
    })
}

/// The type of the actor.
struct Inspector;

/// What one probe has found.
struct Found(Result<(), ProbeError>);

impl Actor for Inspector {
    type Msg = Found;
    type State = JoinSet<()>;
    type Arguments = Beat;

    async fn pre_start(&self, myself: ActorRef<Found>, beat: Beat) -> Result<JoinSet<()>, ActorProcessingErr> {
        let mut rounds = JoinSet::new();
        rounds.spawn(async move {
            loop {
                sleep(beat.every).await;
                let found = probe(&*beat.store, &beat.namespace).await;
                if myself.cast(Found(found)).is_err() {
                    return;
                }
            }
        });
        Ok(rounds)
    }

    async fn handle(&self, _: ActorRef<Found>, found: Found, _: &mut JoinSet<()>) -> Result<(), ActorProcessingErr> {
        match found.0 {
            Ok(()) => tracing::debug!("the store keeps its contract"),
            Err(error @ ProbeError::Unavailable(_)) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the store could not be probed, and is probed again later"
                );
            }
            Err(error @ ProbeError::Lies { .. }) => {
                tracing::error!(%error, "the node ends: nothing that this store acknowledges is safe");
                return Err(Failure::new(FailureKind::Invalid, error.to_string()).into());
            }
        }
        Ok(())
    }
}
