//! What the history of a run tells beyond its events: how the run stood at any of them, where its time went, and in what
//! two runs differ.
//!
//! Nothing is kept for it. The events are folded once more, by the same `apply` by which the run came about.

mod diff;
mod fold;
mod phase;
mod times;

#[cfg(test)]
mod tests;

pub use diff::{RunDiff, Sides, TaskDiff};
pub use phase::{Phase, TimeSpent};
pub use times::{Leg, RunTimes};

use crate::dispatch::courier::fetch;
use crate::node::Node;
use crate::partition::why::Waits;
use crate::query::{RunInfo, TaskInfo};
use crate::run::Run;
use crate::run_event::Position;
use crate::{Error, ErrorKind, Result};
use callboard_core::{Json, Millis, RunId, TaskIndex};
use fold::Fold;
use std::fmt;
use std::sync::Arc;

impl Run {
    /// How the run stood right after an event, by its [position](crate::RunEvent::position): of one that is told in parts,
    /// after all of them. A position behind the last event says how it stands now.
    ///
    /// # Errors
    ///
    /// As [`info`](Self::info); `NotFound` as well for a position before its submission.
    pub async fn at(&self, position: Position) -> Result<Past> {
        let fold = self.fold(position.seq()).await?;
        Ok(Past { node: self.node().clone(), fold })
    }

    /// Where the time of the run went so far: which chain of tasks it took from the submission to the end, or to now, and
    /// with what that was spent.
    ///
    /// # Errors
    ///
    /// As [`info`](Self::info).
    pub async fn times(&self) -> Result<RunTimes> {
        let fold = self.fold(u64::MAX).await?;
        Ok(RunTimes::of(&fold, self.node().partitions.now()))
    }

    /// In what the tasks of two runs differ, each paired with the one of the same name; what agrees is not told.
    ///
    /// # Errors
    ///
    /// As [`info`](Self::info), for either.
    pub async fn diff(&self, other: &Self) -> Result<RunDiff> {
        let (ours, theirs) = (self.fold(u64::MAX).await?, other.fold(u64::MAX).await?);
        Ok(RunDiff::of(&ours, &theirs, self.node().partitions.now()))
    }

    /// The call of a task of which nobody knows whether it had its effect.
    ///
    /// # Errors
    ///
    /// `Conflict` if there is none, or several; as [`info`](Self::info) otherwise.
    #[cfg(feature = "api")]
    pub(crate) async fn unknown_effect_of(&self, task: TaskIndex) -> Result<Arc<str>> {
        let fold = self.fold(u64::MAX).await?;
        let unknown = fold.run().into_iter().flat_map(callboard_core::Run::unknown_effects);
        let calls: Vec<&Arc<str>> = unknown.filter(|(of, ..)| *of == task).map(|(_, call, _)| call).collect();
        match &calls[..] {
            [call] => Ok((*call).clone()),
            [] => Err(Error::new(ErrorKind::Conflict, "the task has no effect whose outcome is unknown")),
            several => {
                let calls: Vec<&str> = several.iter().map(|call| &***call).collect();
                let message = format!("the task has {} effects whose outcome is unknown; say which", calls.len());
                Err(Error::new(ErrorKind::Conflict, message).because(calls.join(", ")))
            }
        }
    }

    /// Folds the events up to a number, as far as there are any.
    async fn fold(&self, until: u64) -> Result<Fold> {
        let mut fold = Fold::new(self.id(), self.node().settings().limits());
        let mut first = None;
        while let Some(events) = self.events_there(fold.seq()).await? {
            first = first.or(events.first().map(|event| event.seq));
            let all = events.len();
            let told = events.iter().take_while(|event| event.seq <= until);
            let folded = told.map(|event| fold.apply(event)).count();
            if folded < all {
                break;
            }
            tokio::task::yield_now().await; // a long history takes a while
        }
        match first {
            Some(_) if fold.run().is_some() => Ok(fold),
            Some(first) => {
                let message = format!("run {} was not there yet: it begins with event {first}", self.id());
                Err(Error::new(ErrorKind::NotFound, message))
            }
            None => Err(self.node().partitions.no_run(self.id())),
        }
    }
}

/// A run as it stood after one of its events; see [`Run::at`].
pub struct Past {
    node: Arc<Node>,
    fold: Fold,
}

impl Past {
    /// Its id.
    pub fn id(&self) -> RunId {
        self.run().id
    }

    /// When that event happened.
    pub fn at(&self) -> Millis {
        self.fold.at()
    }

    /// How it stood.
    pub fn info(&self) -> RunInfo {
        RunInfo::of(self.run())
    }

    /// How its tasks stood, in the order of the workflow. Why one did not run is told as far as the run itself knows: not
    /// which agents were busy, say.
    pub fn tasks(&self) -> impl Iterator<Item = TaskInfo> {
        let (run, mut waits) = (self.run(), Waits::in_the_past(self.at(), self.node.settings().limits()));
        let indices = (0..run.tasks.len()).map(|index| TaskIndex(index as u32));
        indices.filter_map(move |index| TaskInfo::of(run, index, waits.why(run, index)))
    }

    /// How the task of this name stood, or else the one at this place.
    pub fn task(&self, task: &str) -> Option<TaskInfo> {
        let index = self.run().find(task).or_else(|| task.parse().ok().map(TaskIndex))?;
        let mut waits = Waits::in_the_past(self.at(), self.node.settings().limits());
        TaskInfo::of(self.run(), index, waits.why(self.run(), index))
    }

    /// The output that a task had then, if it had one.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the store can not be read, `Corrupt` if what it holds can not be.
    pub async fn output_json(&self, task: TaskIndex) -> Result<Option<Json>> {
        let Some(output) = self.run().task(task).and_then(|task| task.output()) else { return Ok(None) };
        let bytes = fetch(&self.node.payloads, output).await?;
        let text = std::str::from_utf8(&bytes);
        let json = text.map_err(Error::from).and_then(|text| Json::parse(text).map_err(Error::from));
        json.map(Some).map_err(|error| error.of_kind(ErrorKind::Corrupt).context("the output can not be read"))
    }

    fn run(&self) -> &callboard_core::Run {
        self.fold.run().expect("it was folded up to its submission at least")
    }
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Past").field("run", &self.id()).field("at", &self.at()).finish_non_exhaustive()
    }
}
