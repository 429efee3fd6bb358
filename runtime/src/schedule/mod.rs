//! Schedules: runs that are started by time.
//!
//! The partition that a schedule belongs to holds it and fires it (`partition/schedules.rs`); here is what a program says
//! and sees, and the one place that knows calendars and time zones ([`moments`]).

#[cfg(feature = "cron")]
mod cron;
mod handle;
mod info;
pub(crate) mod moments;
mod set;

#[cfg(test)]
mod tests;

pub use callboard_core::{CatchUp, Overlap};
pub use handle::Scheduled;
pub use info::{ScheduleInfo, ScheduleStatus};
pub use set::SetSchedule;

use crate::{Error, ErrorKind, Result};
use callboard_core::{Millis, Timing};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The label of every run that a schedule has started; its value is the name of the schedule.
pub(crate) const LABEL: &str = "schedule";

/// When runs are started, and what happens when one would overlap another or was missed.
///
/// ```
/// # use callboard::{CatchUp, Overlap, Schedule};
/// # use std::time::Duration;
/// Schedule::after(Duration::from_secs(3_600));
/// Schedule::every(Duration::from_secs(300)).overlap(Overlap::Queue);
/// # #[cfg(feature = "cron")]
/// Schedule::cron("0 3 * * 1-5").zone("Europe/Berlin").catch_up(CatchUp::All);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a schedule does nothing before it is set: give it to `Callboard::schedule`"]
pub struct Schedule {
    timing: Timing,
    zone: Option<String>,
    pub(crate) overlap: Overlap,
    pub(crate) catch_up: CatchUp,
}

impl Schedule {
    fn of(timing: Timing) -> Self {
        Self { timing, zone: None, overlap: Overlap::default(), catch_up: CatchUp::default() }
    }

    /// Once, at this moment, to the millisecond; at once if it has passed.
    pub fn at(moment: SystemTime) -> Self {
        Self::of(Timing::At(millis(moment)))
    }

    /// Once, so long after it was set. Setting the same again does not put it off.
    pub fn after(delay: Duration) -> Self {
        Self::of(Timing::AfterMs(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Again and again, at least 1 ms apart, counted from when it was set.
    pub fn every(period: Duration) -> Self {
        Self::of(Timing::EveryMs(u64::try_from(period.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Whenever the clocks match a cron expression: minute, hour, day of the month, month and day of the week, with
    /// seconds in front of them if there are six fields, and a year behind them if there are seven.
    ///
    /// Days are matched as cron does: if both the day of the month and the day of the week are given, either will do. `L`
    /// (the last), `W` (the nearest weekday) and `#` (the n-th of the month) are understood.
    ///
    /// When the clocks go forward, a fixed time that does not exist that day comes at the first moment that does
    /// (`30 2 * * *` at 3:00), and whatever is repeated (`*/10 2 * * *`, `0 * * * *`) leaves out what does not exist. When
    /// they go back, a fixed time comes once, the first time, and whatever is repeated comes in both hours.
    #[cfg(feature = "cron")]
    pub fn cron(expression: impl Into<String>) -> Self {
        let expression = expression.into().into();
        Self::of(Timing::Cron { expression, zone: "UTC".into() })
    }

    /// The time zone of a cron expression, by its name in the IANA data base; `UTC` by default.
    #[cfg(feature = "cron")]
    pub fn zone(mut self, name: impl Into<String>) -> Self {
        self.zone = Some(name.into());
        self
    }

    /// Says what happens at a moment at which a run that the schedule has started is still open; it is skipped by default.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Says what happens with moments that passed while the runtime was down or the schedule paused; by default one run
    /// is started for the last of them.
    ///
    /// What comes once ([`at`](Self::at), [`after`](Self::after)) is never left out: it comes late.
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// When it comes due, checked.
    fn timing(&self) -> Result<Timing> {
        let timing = match (&self.timing, &self.zone) {
            (timing, None) => timing.clone(),
            (Timing::Cron { expression, .. }, Some(zone)) => {
                Timing::Cron { expression: expression.clone(), zone: zone.as_str().into() }
            }
            (_, Some(_)) => return Err(Error::new(ErrorKind::Invalid, "only a cron expression has a time zone")),
        };
        moments::Moments::of(&timing).map_err(|why| Error::new(ErrorKind::Invalid, why))?;
        Ok(timing)
    }
}

/// A moment of the system's clock, before 1970 as well.
fn millis(moment: SystemTime) -> Millis {
    let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    match moment.duration_since(UNIX_EPOCH) {
        Ok(since) => Millis(ms(since)),
        Err(before) => Millis(-ms(before.duration())),
    }
}
