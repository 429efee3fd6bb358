//! What happens to schedules.

use super::Blueprint;
use crate::{Event, Millis, RunId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// What happened to a schedule; no run's event. One that names no schedule that is there has no effect.
#[derive(Clone, Debug, PartialEq)]
pub enum ScheduleEvent {
    /// It was set, or took the place of another of its name.
    Set(Box<ScheduleSet>),
    /// It started a run, which is submitted by the event behind this one.
    Fired(ScheduleFired),
    /// A moment came while the previous run was open, and waits for its end.
    Queued(ScheduleQueued),
    /// Moments came and started nothing.
    Skipped(ScheduleSkipped),
    /// It starts no more runs.
    Paused(SchedulePaused),
    /// It starts runs again.
    Resumed(ScheduleResumed),
    /// It is gone.
    Removed(ScheduleRemoved),
}

/// When a schedule comes due; what it means is the shell's business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Timing {
    /// Once, at this moment.
    At(Millis),
    /// Once, so many milliseconds after it was set.
    AfterMs(u64),
    /// Every so many milliseconds, counted from when it was set.
    EveryMs(u64),
    /// Whenever the clocks of a time zone match an expression.
    Cron {
        /// The expression.
        expression: Arc<str>,
        /// The zone, by its name in the IANA data base.
        zone: Arc<str>,
    },
}

impl Timing {
    /// Whether it comes due once.
    pub const fn is_once(&self) -> bool {
        matches!(self, Self::At(_) | Self::AfterMs(_))
    }
}

/// What happens at a moment at which a run that the schedule has started is still open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The moment is skipped, unless it is the only one: that waits, as with [`Queue`](Self::Queue).
    #[default]
    Skip,
    /// One moment waits, and starts its run when the previous has ended. Those that come while one waits are skipped,
    /// or wait as well if all that is missed is made up for ([`CatchUp::All`]).
    Queue,
    /// What is open is cancelled.
    CancelPrevious,
    /// Both go on.
    Allow,
}

/// What happens with moments that passed while the runtime was down or the schedule paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are skipped.
    Skip,
    /// One run is started for the last of them, the others are skipped.
    #[default]
    Last,
    /// A run is started for each, the earliest first, for at most [`CATCH_UP_MAX`](crate::CATCH_UP_MAX) in a row; what is
    /// beyond is skipped.
    All,
}

impl Overlap {
    /// The word for it in every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::CancelPrevious => "cancel_previous",
            Self::Allow => "allow",
        }
    }
}

impl CatchUp {
    /// The word for it in every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Last => "last",
            Self::All => "all",
        }
    }
}

/// See [`ScheduleEvent::Set`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSet {
    /// Its name.
    pub name: Arc<str>,
    /// When it comes due.
    pub timing: Timing,
    /// What happens if a run of it is open then.
    pub overlap: Overlap,
    /// What happens with what was missed.
    pub catch_up: CatchUp,
    /// The first moment.
    pub next: Option<Millis>,
    /// What it starts.
    pub graph: Blueprint,
}

impl ScheduleSet {
    /// In what it differs from `other`, if it does; when it was set is no difference.
    pub(crate) fn differs(&self, other: &Self) -> Option<Difference> {
        let differences = [
            (Difference::Time, self.timing != other.timing),
            (Difference::Overlap, self.overlap != other.overlap),
            (Difference::CatchUp, self.catch_up != other.catch_up),
            (Difference::Workflow, self.graph != other.graph),
        ];
        differences.into_iter().find(|(_, differs)| *differs).map(|(what, _)| what)
    }
}

/// In what two schedules of one name differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// When they come due.
    Time,
    /// What happens if a run is open then.
    Overlap,
    /// What happens with what was missed.
    CatchUp,
    /// What they start.
    Workflow,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "time",
            Self::Overlap => "overlap policy",
            Self::CatchUp => "catch-up policy",
            Self::Workflow => "workflow",
        })
    }
}

/// What made a schedule fire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FiredBy {
    /// Its next moment had come.
    #[default]
    Time,
    /// A moment that had waited for the previous run.
    Queue,
    /// A person, or a program.
    Hand,
}

impl FiredBy {
    fn is_time(&self) -> bool {
        *self == Self::Time
    }
}

/// See [`ScheduleEvent::Fired`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleFired {
    /// Its name.
    pub name: Arc<str>,
    /// The moment for which the run is started.
    pub due: Millis,
    /// The run.
    pub run: RunId,
    /// What made it fire.
    #[serde(default, skip_serializing_if = "FiredBy::is_time")]
    pub by: FiredBy,
    /// The moment that comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Millis>,
}

/// See [`ScheduleEvent::Queued`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleQueued {
    /// Its name.
    pub name: Arc<str>,
    /// The moment that waits.
    pub due: Millis,
    /// The moment that comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Millis>,
}

/// Why moments started nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// A run of the schedule was open.
    Overlap,
    /// They passed while nobody was there, or the schedule was paused.
    Missed,
}

/// See [`ScheduleEvent::Skipped`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSkipped {
    /// Its name.
    pub name: Arc<str>,
    /// Why.
    pub reason: SkipReason,
    /// How many moments.
    pub count: u64,
    /// Whether there were more than were counted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// The last of them, or of those that were counted.
    pub last: Millis,
    /// The moment that comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Millis>,
}

fn is_false(is: &bool) -> bool {
    !is
}

/// See [`ScheduleEvent::Paused`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulePaused {
    /// Its name.
    pub name: Arc<str>,
    /// By whom or why.
    pub reason: Arc<str>,
}

/// See [`ScheduleEvent::Resumed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleResumed {
    /// Its name.
    pub name: Arc<str>,
}

/// See [`ScheduleEvent::Removed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRemoved {
    /// Its name.
    pub name: Arc<str>,
}

impl ScheduleEvent {
    /// The word for it in the journal and in logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Set(_) => "schedule_set",
            Self::Fired(_) => "schedule_fired",
            Self::Queued(_) => "schedule_queued",
            Self::Skipped(_) => "schedule_skipped",
            Self::Paused(_) => "schedule_paused",
            Self::Resumed(_) => "schedule_resumed",
            Self::Removed(_) => "schedule_removed",
        }
    }

    /// Whether this is the word for what happens to schedules.
    pub(crate) fn is_kind(kind: &str) -> bool {
        matches!(
            kind,
            "schedule_set"
                | "schedule_fired"
                | "schedule_queued"
                | "schedule_skipped"
                | "schedule_paused"
                | "schedule_resumed"
                | "schedule_removed"
        )
    }

    /// Appends the line of `event`, of which this is the kind.
    pub(crate) fn write(&self, event: &Event, out: &mut Vec<u8>) {
        match self {
            Self::Set(data) => event.write(data, out),
            Self::Fired(data) => event.write(data, out),
            Self::Queued(data) => event.write(data, out),
            Self::Skipped(data) => event.write(data, out),
            Self::Paused(data) => event.write(data, out),
            Self::Resumed(data) => event.write(data, out),
            Self::Removed(data) => event.write(data, out),
        }
    }

    /// Reads the data of a line of this kind; [`Self::is_kind`] comes first.
    pub(crate) fn read(kind: &str, data: &RawValue) -> Result<Self, serde_json::Error> {
        fn of<T: DeserializeOwned>(data: &RawValue) -> Result<T, serde_json::Error> {
            serde_json::from_str(data.get())
        }
        Ok(match kind {
            "schedule_set" => Self::Set(of(data)?),
            "schedule_fired" => Self::Fired(of(data)?),
            "schedule_queued" => Self::Queued(of(data)?),
            "schedule_skipped" => Self::Skipped(of(data)?),
            "schedule_paused" => Self::Paused(of(data)?),
            "schedule_resumed" => Self::Resumed(of(data)?),
            _ => Self::Removed(of(data)?),
        })
    }
}
