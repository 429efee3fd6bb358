//! What the moments lead to that have come since a schedule was looked at last.

use super::event::CatchUp;
use super::{CATCH_UP_MAX, Coming, Missed, ScheduleState};
use crate::{Millis, RunId};
use std::time::Duration;

/// How late a moment may be dealt with and still count as met: within this time a partition has another owner when one
/// dies. 60 s.
pub const ON_TIME_MAX: Duration = Duration::from_secs(60);

impl ScheduleState {
    /// Works out what has come by `now`, from the moment `seen` on. `after` gives the first moment behind another.
    ///
    /// However long the gap, `after` is asked about a thousand times at most.
    ///
    /// # Errors
    ///
    /// What `after` says.
    pub fn coming<E>(
        &self,
        seen: Millis,
        now: Millis,
        run: RunId,
        mut after: impl FnMut(Millis) -> Result<Option<Millis>, E>,
    ) -> Result<Coming, E> {
        let coming = |missed, due, next| Coming { name: self.set.name.clone(), seen, missed, due, run, next };
        let makes_up = self.set.catch_up == CatchUp::All && self.behind < CATCH_UP_MAX;
        if self.set.timing.is_once() || makes_up {
            let next = if self.set.timing.is_once() { None } else { after(seen)? };
            return Ok(coming(None, Some(seen), next));
        }
        let (mut counted, mut latest, mut count, mut next) = (seen, seen, 0, after(seen)?);
        while let Some(moment) = next.filter(|moment| *moment <= now && count < u64::from(CATCH_UP_MAX)) {
            (counted, latest, count) = (latest, moment, count + 1);
            next = after(moment)?;
        }
        let more = next.is_some_and(|moment| moment <= now);
        if more {
            latest = last_until(now, latest, &mut after)?;
            next = after(latest)?;
        }
        let is_on_time = now.since(latest) <= ON_TIME_MAX && latest >= self.resumed_at;
        if self.set.catch_up == CatchUp::Last || is_on_time {
            let missed = (count > 0).then_some(Missed { count, more, last: counted });
            return Ok(coming(missed, Some(latest), next));
        }
        let last = if more { counted } else { latest };
        let missed = Missed { count: count + u64::from(!more), more, last };
        Ok(coming(Some(missed), None, next))
    }
}

/// The last moment up to `now`; `from` is one. By halves: there may be millions between.
fn last_until<E>(
    now: Millis,
    from: Millis,
    after: &mut impl FnMut(Millis) -> Result<Option<Millis>, E>,
) -> Result<Millis, E> {
    let (mut before, mut beyond, mut latest) = (from.0, now.0, from);
    // There is none behind `beyond`, and `latest` is at `before`.
    while before < beyond {
        let middle = before + (beyond - before) / 2;
        match after(Millis(middle))?.filter(|moment| *moment <= now) {
            Some(moment) => (before, latest) = (moment.0, moment),
            None => beyond = middle,
        }
    }
    Ok(latest)
}
