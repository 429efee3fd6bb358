//! Lives of nodes on the same objects: each ends with its store, at a chosen operation, or by itself.

use super::durability::Mortal;
use callboard::port::store::{MemoryStore, Store};
use callboard::{Callboard, Result, Settings, What};
use futures::StreamExt;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// When a life ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Death {
    /// By itself.
    Natural,
    /// At this operation of the store, without its effect.
    Before(usize),
    /// At this operation of the store, which takes effect and is not answered.
    Behind(usize),
}

impl Death {
    /// The n-th of all deaths: before and behind the first operation, before and behind the second, and so on.
    pub(crate) fn number(n: usize) -> Self {
        if n.is_multiple_of(2) { Self::Before(n / 2 + 1) } else { Self::Behind(n / 2 + 1) }
    }
}

/// One life on a tokio of its own; what it came to if it ended by itself, and how many operations it took.
pub(crate) fn life<R>(
    objects: &MemoryStore,
    death: Death,
    live: impl AsyncFnOnce(Arc<dyn Store>) -> R,
) -> (Option<R>, usize) {
    const MANY: usize = 1 << 40;
    let (operations, behind) = match death {
        Death::Natural => (MANY, false),
        Death::Before(operations) => (operations, false),
        Death::Behind(operations) => (operations, true),
    };
    let store = Arc::new(Mortal::new(objects, operations, behind));
    let dead = store.dead();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let given = store.clone();
    let result = tokio.block_on(async {
        tokio::select! {
            () = dead.notified() => None,
            result = live(given) => Some(result),
        }
    });
    (result, operations - store.left())
}

/// The calls of a run whose results are durable, each with the name of its task. It looks with a node that has no agents.
pub(crate) fn recorded(objects: &MemoryStore, key: &str, change: fn(&mut Settings)) -> BTreeSet<(String, String)> {
    let look = async |store: Arc<dyn Store>| -> Result<BTreeSet<(String, String)>> {
        let board = Callboard::dev().store(store).settings(change).start().await?;
        let run = board.run(board.run_id_of_key(key));
        let mut recorded = BTreeSet::new();
        if run.info().await.is_ok() {
            let mut events = run.events();
            while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
                if let (What::Recorded { call }, Some(task)) = (&event.what, &event.task) {
                    recorded.insert((task.to_string(), call.to_string()));
                }
            }
        }
        Ok(recorded)
    };
    life(objects, Death::Natural, look).0.unwrap().unwrap()
}

/// How many of the deaths are tried: all with `TEST_CRASHES=all`.
pub(crate) fn every(default: usize) -> usize {
    match std::env::var("TEST_CRASHES").as_deref() {
        Ok("all") => 1,
        _ => default,
    }
}
