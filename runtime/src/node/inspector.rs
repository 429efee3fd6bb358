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

/// What an inspector looks at.
#[derive(Clone)]
pub(super) struct Inspection {
    pub(super) store: Arc<dyn Store>,
    pub(super) namespace: Arc<str>,
    pub(super) every: Duration,
}

/// The inspector as a child of its node.
pub(super) fn inspector(inspection: Inspection) -> ChildSpec {
    // No restart is allowed, and only that after a lie is counted.
    let policy = Policy { restarts_max: 0, on_give_up: OnGiveUp::StopTree, ..Policy::default() };
    let (spec, _nobody_asks_it) = ChildSpec::actor("inspector", policy, move || (Inspector, inspection.clone()));
    spec.judged_by(|stopped| match stopped {
        Stopped::Failed(Failure { kind: FailureKind::Invalid, .. }) => Ruling::Restart,
        Stopped::Finished(_) => Ruling::Done,
        _ => Ruling::RestartUncounted,
    })
}

impl Inspection {
    /// A lie is a lie when it is told twice: something on the way that sends a create again makes a true "exists" of it, and
    /// all creates of a race may meet that.
    async fn probed(&self) -> Result<(), ProbeError> {
        let probed = probe(&*self.store, &self.namespace).await;
        match probed {
            Err(ProbeError::Lies { saw }) => {
                tracing::warn!(saw, "the store seems to lie, and is probed once more");
                probe(&*self.store, &self.namespace).await
            }
            probed => probed,
        }
    }
}

/// The type of the actor.
struct Inspector;

/// What one probe has found.
struct Found(Result<(), ProbeError>);

impl Actor for Inspector {
    type Msg = Found;
    type State = JoinSet<()>;
    type Arguments = Inspection;

    async fn pre_start(
        &self,
        myself: ActorRef<Found>,
        looks_at: Inspection,
    ) -> Result<JoinSet<()>, ActorProcessingErr> {
        let mut rounds = JoinSet::new();
        rounds.spawn(async move {
            loop {
                sleep(looks_at.every).await;
                let found = looks_at.probed().await;
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
