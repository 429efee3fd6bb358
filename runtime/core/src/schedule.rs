//! Schedules: what is started by time, again and again or once.
//!
//! The machine knows neither a clock nor a time zone. A schedule holds the *next moment* at which it comes due; the shell
//! finds the moment behind it and hands it in with the command that fires the schedule, and the event records it. So a
//! replay computes no time, and what a time zone has changed to since changes nothing that has happened.
//!
//! One command fires: its step holds `schedule_fired`, which moves the schedule on, and `run_submitted`, side by side. A
//! crash keeps both or neither, so no moment fires twice and none is lost.
//!
//! A snapshot holds a schedule as it stands, on a line of its own, and not its events: they only ever grow.

mod coming;
mod event;
mod state;

pub use coming::ON_TIME_MAX;
pub use event::{
    CatchUp, Difference, FiredBy, Overlap, ScheduleEvent, ScheduleFired, SchedulePaused, ScheduleQueued,
    ScheduleRemoved, ScheduleResumed, ScheduleSet, ScheduleSkipped, SkipReason, Timing,
};
pub use state::{ScheduleState, Schedules, Turn};

use crate::{CheckedGraph, Graph, GraphLimits, Millis, RunId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::{Arc, OnceLock};

/// Schedules of one partition at most, so that its memory and its snapshots stay bounded.
pub const SCHEDULES_MAX: usize = 10_000;
/// Finished schedules of one partition that are kept, so that setting one of them again starts nothing. The one that
/// finished first is forgotten first.
pub const FINISHED_MAX: usize = 1_000;
/// Missed moments that are made up for in a row, and that are counted in one gap.
pub const CATCH_UP_MAX: u32 = 1_000;

/// A wish about a schedule.
#[derive(Clone, Debug)]
pub enum ScheduleCommand {
    /// Make it be there. The same again changes nothing.
    Set {
        /// What it is to be.
        set: ScheduleSet,
        /// Whether it takes the place of another of its name.
        replace: Replace,
    },
    /// A moment has come.
    Come(Coming),
    /// What waited for the previous run may start.
    Unqueue {
        /// Its name.
        name: Arc<str>,
        /// The moment that waits.
        due: Millis,
        /// The run that is started.
        run: RunId,
    },
    /// Start a run now, beside all moments.
    FireNow {
        /// Its name.
        name: Arc<str>,
        /// The run that is started.
        run: RunId,
    },
    /// Start no more runs. Pausing what is paused changes nothing.
    Pause {
        /// Its name.
        name: Arc<str>,
        /// By whom or why.
        reason: Arc<str>,
    },
    /// Start runs again. What was missed meanwhile is caught up with as the schedule says.
    Resume {
        /// Its name.
        name: Arc<str>,
    },
    /// Forget it. Its runs go on.
    Remove {
        /// Its name.
        name: Arc<str>,
    },
}

/// Whether what is set takes the place of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replace {
    /// Another content is a conflict.
    No,
    /// Another content takes its place.
    Yes,
}

/// What a moment that has come leads to, as the shell has worked it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coming {
    /// Its name.
    pub name: Arc<str>,
    /// The next moment that the shell has seen in the schedule; of another schedule it comes to nothing.
    pub seen: Millis,
    /// The moments before `due` that start nothing.
    pub missed: Option<Missed>,
    /// The moment that starts a run; `None` if all were missed.
    pub due: Option<Millis>,
    /// The run that is started.
    pub run: RunId,
    /// The next moment, if there is one.
    pub next: Option<Millis>,
}

/// Moments that passed and start nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// How many; at most [`CATCH_UP_MAX`] are counted.
    pub count: u64,
    /// Whether there were more than were counted.
    pub more: bool,
    /// The last of them, or of those that were counted.
    pub last: Millis,
}

/// Why a wish about a schedule came to nothing. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleRejected {
    /// There is no such schedule.
    #[error("there is no schedule {0:?}")]
    NotFound(Arc<str>),
    /// Another schedule has this name.
    #[error("schedule {name:?} exists with another {differs}")]
    Conflict {
        /// Its name.
        name: Arc<str>,
        /// In what it differs.
        differs: Difference,
    },
    /// There is no room for another schedule.
    #[error("a partition has at most {limit} schedules")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// A run of it is open, and there may be but one.
    #[error("run {run} of schedule {name:?} is still open")]
    Busy {
        /// Its name.
        name: Arc<str>,
        /// The run.
        run: RunId,
    },
    /// Its workflow can not be read.
    #[error("schedule {name:?} can start nothing: {reason}")]
    Faulty {
        /// Its name.
        name: Arc<str>,
        /// What is wrong.
        reason: Arc<str>,
    },
}

impl RunId {
    /// The partition, of `partitions`, to which the schedule of this name belongs.
    pub fn partition_of_schedule(namespace: &str, name: &str, partitions: u16) -> u16 {
        Self::from_key(namespace, &format!("schedule/{name}")).partition(partitions)
    }

    /// The id of the run that a schedule of `partition` starts next: it belongs to the same partition, whence the nonce.
    ///
    /// `set` and `count` tell it from every other run of a schedule of this name: when the schedule was set, and how
    /// many runs it had started before. No key can lead to such an id.
    pub fn of_schedule(namespace: &str, schedule: &ScheduleState, due: Millis, home: (u16, u16)) -> Self {
        let (partition, partitions) = home;
        let mut hasher = blake3::Hasher::new_derive_key("callboard 2026 run id of a schedule");
        for text in [namespace, &schedule.set.name] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        for number in [schedule.set_seq, schedule.fired, due.0.cast_unsigned()] {
            hasher.update(&number.to_le_bytes());
        }
        let id = |nonce: u64| {
            let hash = hasher.clone().update(&nonce.to_le_bytes()).finalize();
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&hash.as_bytes()[..16]);
            Self::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
        };
        let is_at_home = |id: &Self| id.partition(partitions) == partition;
        (0..).map(id).find(is_at_home).expect("some of all numbers leads to every partition")
    }
}

/// The workflow of a schedule: its graph, and what has been worked out of it, if it was.
#[derive(Clone, Debug)]
pub struct Blueprint {
    graph: Arc<Graph>,
    checked: OnceLock<Result<CheckedGraph, Arc<str>>>,
}

impl Blueprint {
    /// The graph as its author wrote it.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Ready to be submitted. The first time after a replay it is worked out.
    pub(crate) fn checked(&self) -> Result<CheckedGraph, Arc<str>> {
        // What was once accepted stays valid, whatever the limits are by now.
        let check = || Graph::clone(&self.graph).check(&GraphLimits::NONE);
        let faulty = |faults: Vec<crate::GraphFault>| Arc::from(faults[0].to_string());
        self.checked.get_or_init(|| check().map_err(faulty)).clone()
    }
}

impl From<CheckedGraph> for Blueprint {
    fn from(checked: CheckedGraph) -> Self {
        Self { graph: checked.graph.clone(), checked: OnceLock::from(Ok(checked)) }
    }
}

/// What was worked out follows from the graph, so any two are equal.
impl PartialEq for Blueprint {
    fn eq(&self, other: &Self) -> bool {
        self.graph == other.graph
    }
}

impl Serialize for Blueprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.checked.get() {
            Some(Ok(checked)) => checked.prepared.json.serialize(serializer),
            _ => self.graph.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Blueprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { graph: Arc::deserialize(deserializer)?, checked: OnceLock::new() })
    }
}
