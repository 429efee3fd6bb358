//! A run on its way back from the archive.

use crate::{Event, EventKind, Json, Limits, Run, RunId, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// See [`EventKind::RunRestored`].
///
/// It holds the run's whole history, as the archive has it: one array of events. Whoever reads that array has folded it
/// already and gives the run along, so that the partition, which other runs wait for, need not.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRestored {
    /// The run's events, in order.
    pub events: Json,
    /// The run that they lead to, until it is taken.
    #[serde(skip)]
    folded: Folded,
}

/// What follows from the events beside it, so any two are equal.
#[derive(Clone, Default)]
struct Folded(Arc<Mutex<Option<Run>>>);

impl PartialEq for Folded {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl RunRestored {
    /// The history of `run`, which is what `events`, a JSON array of lines of the journal, lead to.
    pub fn new(events: Json, run: Run) -> Self {
        Self { events, folded: Folded(Arc::new(Mutex::new(Some(run)))) }
    }

    /// Folds the events of a run, one JSON array; `None` if they are not those of `id`.
    pub fn fold(id: RunId, events: &Json) -> Option<Run> {
        let lines: Vec<&RawValue> = serde_json::from_str(events.as_str()).ok()?;
        let mut state = State::new(Limits::default());
        for line in lines {
            let event = Event::decode(line.get().as_bytes()).ok()?;
            // A history holds no other runs and no other histories, whatever has been read here.
            let is_of_run = !matches!(
                event.kind,
                EventKind::RunRestored(_) | EventKind::RunsArchived(_) | EventKind::PagesForgotten(_)
            );
            (event.run == Some(id) && is_of_run).then(|| state.apply(&event))?;
        }
        state.into_run(id)
    }

    /// What `look` says of the run, if the events are those of `id` and lead to its end.
    pub(crate) fn when_ended<T>(&self, id: RunId, look: impl FnOnce(&Run) -> T) -> Option<T> {
        let mut folded = self.folded.0.lock().unwrap_or_else(PoisonError::into_inner);
        if folded.is_none() {
            *folded = Self::fold(id, &self.events);
        }
        folded.as_ref().filter(|run| run.id == id && run.ended.is_some()).map(look)
    }

    /// The run that the events lead to, if they are those of `id`.
    pub(crate) fn take(&self, id: RunId) -> Option<Run> {
        let folded = self.folded.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        folded.filter(|run| run.id == id).or_else(|| Self::fold(id, &self.events))
    }
}

/// Without the run, whose tasks may be many, and that is there or not.
impl fmt::Debug for RunRestored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunRestored").field("bytes", &self.events.as_str().len()).finish_non_exhaustive()
    }
}
