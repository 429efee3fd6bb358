//! Tests of whole trees. Hazards S1 to S11 of supervision are named in the tests that answer them.

mod endings;
mod probe;
mod restarts;

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorRef};
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::probe::{Company, Say, Start};
use super::tree::{Msg, TreeActor};
use super::{Alarm, ChildSpec, Event, EventKind, Policy, Settings, Slot, Supervisor};

/// A tree, its events, and everybody who plays in it.
struct Fixture {
    actor: ActorRef<Msg>,
    tree: Supervisor,
    events: mpsc::Receiver<Event>,
    company: Arc<Company>,
}

const LIMIT: Duration = Duration::from_secs(5);

fn settings(children: Vec<ChildSpec>, capacity: usize) -> (Settings, mpsc::Receiver<Event>) {
    let (events, told) = mpsc::channel(capacity);
    (Settings { name: "tree".into(), drain_limit: LIMIT, children, events, alarm: Alarm::default() }, told)
}

impl Fixture {
    async fn new() -> Self {
        Self::with_capacity(1024).await
    }

    async fn with_capacity(capacity: usize) -> Self {
        let (settings, events) = settings(Vec::new(), capacity);
        let (actor, _task) = TreeActor::spawn(None, TreeActor, settings).await.unwrap();
        Self { tree: Supervisor::from(actor.clone()), actor, events, company: Arc::default() }
    }

    /// Adds a probe whose n-th start, from 0, goes as `how` says.
    async fn add_with(
        &self,
        name: &str,
        policy: Policy,
        how: impl Fn(usize) -> Start + Send + Sync + 'static,
    ) -> Slot<Say> {
        let (spec, slot) = self.company.probe(name, policy, how);
        self.tree.add(spec).await.unwrap();
        slot
    }

    async fn add(&self, name: &str, policy: Policy) -> Slot<Say> {
        let slot = self.add_with(name, policy, |_| Start::Well).await;
        slot.wait().await.unwrap();
        slot
    }

    /// The next thing told of `child`, which has to come.
    async fn told(&mut self, child: &str) -> EventKind {
        let next = async {
            loop {
                let event = self.events.recv().await.expect("the tree runs");
                if &*event.child == child {
                    return event.kind;
                }
            }
        };
        timeout(Duration::from_secs(3600), next).await.expect("told in time")
    }

    /// Ends the tree and finds nobody alive and nothing gone wrong.
    async fn end(self) {
        let report = self.tree.shutdown(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(self.company.alive(), 0, "actors are left");
    }
}
