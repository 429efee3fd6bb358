//! How a schedule stands.

use callboard_core::{CatchUp, Millis, Overlap, RunId, ScheduleState, Timing};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Where a schedule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScheduleStatus {
    /// It starts runs.
    Active,
    /// It starts none until it is resumed.
    Paused,
    /// It has no more moments. It is listed until it is removed or a thousand others of its partition have finished after
    /// it; until then, setting the same again starts nothing.
    Finished,
}

impl ScheduleStatus {
    /// The word for it in every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Finished => "finished",
        }
    }
}

impl fmt::Display for ScheduleStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a schedule stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScheduleInfo {
    /// Its name.
    pub name: Arc<str>,
    /// When it comes due, in words.
    pub when: String,
    /// The time zone, if it comes due by the clocks of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Arc<str>>,
    /// The name of the workflow that it starts.
    pub workflow: Arc<str>,
    /// What happens if a run of it is open when a moment comes.
    pub overlap: Overlap,
    /// What happens with what was missed.
    pub catch_up: CatchUp,
    /// Where it stands.
    pub status: ScheduleStatus,
    /// By whom or why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    /// When it was set, in milliseconds since 1970.
    pub set_at: Millis,
    /// The moment that comes next. While it is paused, the first that was or will be missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Millis>,
    /// The moment for which it has started a run last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_due: Option<Millis>,
    /// The run that it has started last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RunId>,
    /// The runs of it that are open.
    pub open_runs: Vec<RunId>,
    /// The moment that waits for the end of the previous run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<Millis>,
    /// How many runs it has started.
    pub fired: u64,
    /// How many moments were skipped because a run was open.
    pub overlapped: u64,
    /// How many moments passed without effect because nobody was there or it was paused. Of one gap at most 1,000 are
    /// counted.
    pub missed: u64,
    /// What keeps it from starting a run that is due, if something does; it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Arc<str>>,
}

impl ScheduleInfo {
    pub(crate) fn of(schedule: &ScheduleState, trouble: Option<Arc<str>>) -> Self {
        let set = &schedule.set;
        let status = match (&schedule.paused, schedule.finished_at) {
            (_, Some(_)) => ScheduleStatus::Finished,
            (Some(_), None) => ScheduleStatus::Paused,
            (None, None) => ScheduleStatus::Active,
        };
        Self {
            name: set.name.clone(),
            when: in_words(&set.timing),
            zone: if let Timing::Cron { zone, .. } = &set.timing { Some(zone.clone()) } else { None },
            workflow: set.graph.graph().name.as_str().into(),
            overlap: set.overlap,
            catch_up: set.catch_up,
            status,
            reason: schedule.paused.clone(),
            set_at: schedule.set_at,
            next_due: schedule.next,
            last_due: schedule.last.map(|(due, _)| due),
            last_run: schedule.last.map(|(_, run)| run),
            open_runs: schedule.open.iter().copied().collect(),
            queued: schedule.queued,
            fired: schedule.fired,
            overlapped: schedule.overlapped,
            missed: schedule.missed,
            trouble,
        }
    }

    /// How many moments have started nothing, for whatever reason.
    pub fn skipped(&self) -> u64 {
        self.overlapped.saturating_add(self.missed)
    }
}

/// When a schedule comes due, in words.
fn in_words(timing: &Timing) -> String {
    let span = |ms: &u64| humantime::format_duration(Duration::from_millis(*ms)).to_string();
    match timing {
        Timing::At(at) => format!("at {}", moment(*at)),
        Timing::AfterMs(ms) => format!("{} after it was set", span(ms)),
        Timing::EveryMs(ms) => format!("every {}", span(ms)),
        Timing::Cron { expression, zone } => format!("cron {expression} in {zone}"),
    }
}

/// A moment as RFC 3339 has it; one that has no such form, by number.
fn moment(at: Millis) -> String {
    /// The first moment of the year 10000.
    const END: i64 = 253_402_300_800_000;
    match u64::try_from(at.0) {
        Ok(ms) if at.0 < END => humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms)).to_string(),
        _ => format!("{} ms since 1970", at.0),
    }
}
