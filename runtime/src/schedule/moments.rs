//! The moments of a schedule: the one place below which nobody knows a calendar.

use callboard_core::{Millis, Timing};

/// The moments of a schedule.
#[derive(Clone, Debug)]
pub(crate) enum Moments {
    /// One.
    At(Millis),
    /// One, so many milliseconds after it was set.
    After(u64),
    /// One every so many milliseconds since it was set.
    Every(i64),
    /// Those that match an expression.
    #[cfg(feature = "cron")]
    Cron(Box<super::cron::Cron>),
}

impl Moments {
    /// The moments of `timing`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub(crate) fn of(timing: &Timing) -> Result<Self, String> {
        match timing {
            Timing::At(at) => Ok(Self::At(*at)),
            Timing::AfterMs(ms) => Ok(Self::After(*ms)),
            Timing::EveryMs(0) => Err("a schedule that repeats does so every 1 ms at most".into()),
            Timing::EveryMs(ms) => Ok(Self::Every(i64::try_from(*ms).unwrap_or(i64::MAX))),
            #[cfg(feature = "cron")]
            Timing::Cron { expression, zone } => Ok(Self::Cron(Box::new(super::cron::Cron::new(expression, zone)?))),
            #[cfg(not(feature = "cron"))]
            Timing::Cron { expression, .. } => {
                Err(format!("the cron expression {expression:?} is for a build with the feature \"cron\""))
            }
        }
    }

    /// The first moment of a schedule that was set at `set_at`: one that comes once may have passed.
    pub(crate) fn first(&self, set_at: Millis) -> Result<Option<Millis>, String> {
        match self {
            Self::At(at) => Ok(Some(*at)),
            Self::After(ms) => Ok(Some(set_at.after(std::time::Duration::from_millis(*ms)))),
            Self::Every(period) => Ok(set_at.0.checked_add(*period).map(Millis)),
            #[cfg(feature = "cron")]
            Self::Cron(cron) => cron.after(set_at),
        }
    }

    /// The first moment behind another.
    pub(crate) fn after(&self, set_at: Millis, moment: Millis) -> Result<Option<Millis>, String> {
        match self {
            Self::At(_) | Self::After(_) => Ok(self.first(set_at)?.filter(|at| *at > moment)),
            Self::Every(period) => {
                let into = moment.0.saturating_sub(set_at.0).rem_euclid(*period);
                Ok(moment.0.checked_add(period - into).map(Millis))
            }
            #[cfg(feature = "cron")]
            Self::Cron(cron) => cron.after(moment),
        }
    }
}
