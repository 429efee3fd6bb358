//! An actor that does as it is told, and a count of those that are alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::supervise::{ChildSpec, Failure, FailureKind, Policy, Slot};

/// What a probe is told.
pub(super) enum Say {
    /// Answers how many messages this incarnation has handled before.
    Count(oneshot::Sender<usize>),
    /// Takes this long.
    Take(Duration),
    Panic,
    Fail(FailureKind),
    /// Returns an error that is no [`Failure`].
    FailOddly,
    Stop,
}

/// How a start goes.
pub(super) enum Start {
    Well,
    Fail(FailureKind),
    Panic,
    /// Never ends.
    Hang,
}

/// All the probes of one test.
#[derive(Default)]
pub(super) struct Company {
    alive: AtomicUsize,
    starts: AtomicUsize,
    handled: AtomicUsize,
}

impl Company {
    pub(super) fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }

    pub(super) fn starts(&self) -> usize {
        self.starts.load(Ordering::SeqCst)
    }

    pub(super) fn handled(&self) -> usize {
        self.handled.load(Ordering::SeqCst)
    }

    pub(super) fn probe(
        self: &Arc<Self>,
        name: &str,
        policy: Policy,
        how: impl Fn(usize) -> Start + Send + Sync + 'static,
    ) -> (ChildSpec, Slot<Say>) {
        let (company, starts) = (Arc::clone(self), AtomicUsize::new(0));
        ChildSpec::actor(name, policy, move || {
            let start = how(starts.fetch_add(1, Ordering::SeqCst));
            company.starts.fetch_add(1, Ordering::SeqCst);
            (Probe, (Arc::clone(&company), start))
        })
    }
}

pub(super) struct Probe;

/// Counts as alive from the beginning of the start.
pub(super) struct Alive {
    company: Arc<Company>,
    handled: usize,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.company.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Actor for Probe {
    type Msg = Say;
    type State = Alive;
    type Arguments = (Arc<Company>, Start);

    async fn pre_start(
        &self,
        _: ActorRef<Say>,
        (company, start): Self::Arguments,
    ) -> Result<Alive, ActorProcessingErr> {
        company.alive.fetch_add(1, Ordering::SeqCst);
        let alive = Alive { company, handled: 0 };
        match start {
            Start::Well => Ok(alive),
            Start::Fail(kind) => Err(Failure::new(kind, "as told").into()),
            Start::Panic => panic!("stage fright"),
            Start::Hang => std::future::pending().await,
        }
    }

    async fn handle(&self, myself: ActorRef<Say>, say: Say, alive: &mut Alive) -> Result<(), ActorProcessingErr> {
        match say {
            Say::Count(reply) => drop(reply.send(alive.handled)),
            Say::Take(time) => sleep(time).await,
            Say::Panic => panic!("ouch"),
            Say::Fail(kind) => return Err(Failure::new(kind, "as told").into()),
            Say::FailOddly => return Err("odd".into()),
            Say::Stop => myself.stop(Some("as told".into())),
        }
        alive.handled += 1;
        alive.company.handled.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
