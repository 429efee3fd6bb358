//! The inspector: looks now and then, while the node lives, at what the node has looked at at its start.
//!
//! - **The store is probed.** One that keeps its contract today may be reconfigured tomorrow. If it is found to lie the node ends:
//!   whatever it would acknowledge from then on may be lost.
//! - **The root object** is compared with the one that was read at the start, where there may be others. When an operator has put
//!   another name space in the place of this one (a restored one, of a later generation) the node ends: what it knows is of a
//!   history that does not go on.

use crate::ErrorKind;
use crate::port::store::Store;
use crate::port::store::probe::{ProbeError, probe};
use crate::root::{self, Root};
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
    /// The root as it was read at the start, and how often it is looked at again; where nobody else can have changed it, not
    /// at all.
    pub(super) root: Option<(Root, Duration)>,
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

impl Inspection {
    /// Whether the name space is still the one that it was. `None` if the store gives no answer.
    async fn is_the_same(&self, ours: &Root) -> Option<bool> {
        match root::find(&*self.store, &self.namespace).await {
            Ok(found) => Some(found.as_ref() == Some(ours)),
            Err(error) if error.kind() == ErrorKind::Unavailable => None,
            Err(_) => Some(false),
        }
    }

    /// What is there in the place of the root that it was.
    async fn instead(&self) -> String {
        match root::find(&*self.store, &self.namespace).await {
            Ok(Some(root)) => root.to_string(),
            Ok(None) => "none".to_owned(),
            Err(error) => format!("one that can not be read ({error})"),
        }
    }
}

/// The type of the actor.
struct Inspector;

/// What was found.
enum Found {
    /// By a probe.
    Probed(Result<(), ProbeError>),
    /// In the place of the root that was there at the start.
    Another {
        /// The root that it was.
        was: Root,
        /// What is there.
        is: String,
    },
}

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
        if let Some((was, every)) = looks_at.root.clone() {
            let (myself, looks_at) = (myself.clone(), looks_at.clone());
            rounds.spawn(async move {
                loop {
                    sleep(every).await;
                    // Twice: a server that has just been started may show nothing for a moment.
                    if looks_at.is_the_same(&was).await == Some(false)
                        && looks_at.is_the_same(&was).await == Some(false)
                    {
                        let (was, is) = (was.clone(), looks_at.instead().await);
                        let _ends_anyway = myself.cast(Found::Another { was, is });
                        return;
                    }
                }
            });
        }
        rounds.spawn(async move {
            loop {
                sleep(looks_at.every).await;
                let found = looks_at.probed().await;
                if myself.cast(Found::Probed(found)).is_err() {
                    return;
                }
            }
        });
        Ok(rounds)
    }

    async fn handle(&self, _: ActorRef<Found>, found: Found, _: &mut JoinSet<()>) -> Result<(), ActorProcessingErr> {
        match found {
            Found::Another { was, is } => {
                let message = format!("the name space was {was}, and what is in its place in the store is {is}");
                tracing::error!(%message, "the node ends: what it knows is of another history");
                return Err(Failure::new(FailureKind::Invalid, message).into());
            }
            Found::Probed(Ok(())) => tracing::debug!("the store keeps its contract"),
            Found::Probed(Err(error @ ProbeError::Unavailable(_))) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the store could not be probed, and is probed again later"
                );
            }
            Found::Probed(Err(error @ ProbeError::Lies { .. })) => {
                tracing::error!(%error, "the node ends: nothing that this store acknowledges is safe");
                return Err(Failure::new(FailureKind::Invalid, error.to_string()).into());
            }
        }
        Ok(())
    }
}
