//! What is done when an invariant does not hold: a loud log line, a metric, and a short list for whoever looks.
//!
//! Nothing is stopped. A breach is a bug of ours, and what was decided stands in the journal; to go on and to say so loudly
//! loses less than to end a partition that thousands of runs are in. The tests do end: they look at the list.

use crate::telemetry;
use callboard_core::{Breach, Invariant, RunId, TaskIndex};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many of the last breaches are kept.
const KEPT_MAX: usize = 64;

/// The last breaches that a node has seen; a cheap handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaches(Arc<Mutex<VecDeque<Breach>>>);

impl Breaches {
    /// Says what was seen: in a partition, or where the tasks of all of them meet.
    pub(crate) fn report(&self, partition: Option<u16>, breaches: impl IntoIterator<Item = Breach>) {
        for breach in breaches {
            let Breach { invariant, run, task, what } = &breach;
            let (run, task) = in_words(*run, *task);
            tracing::error!(%invariant, partition, run, task, what, "an invariant does not hold");
            self.count(*invariant);
            self.keep(breach);
        }
    }

    fn count(&self, invariant: Invariant) {
        telemetry::count(telemetry::BREACHES, "invariant", invariant.name());
    }

    fn keep(&self, breach: Breach) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(breach);
    }

    /// The last of them, oldest first.
    #[cfg(feature = "test")]
    pub(crate) fn kept(&self) -> Vec<Breach> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn in_words(run: Option<RunId>, task: Option<TaskIndex>) -> (Option<String>, Option<u32>) {
    (run.map(|run| run.to_string()), task.map(|task| task.0))
}
