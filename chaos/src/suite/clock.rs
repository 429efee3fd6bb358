//! The clock that all processes of the machine share.

use crate::history::Moment;
use rustix::time::{ClockId, clock_gettime};
use std::time::SystemTime;

/// Now, in microseconds: nothing sets it, and it is the same in every process until the machine starts again.
pub(super) fn now() -> Moment {
    let now = clock_gettime(ClockId::Monotonic);
    // Both are positive on a clock that begins with the machine.
    now.tv_sec as Moment * 1_000_000 + now.tv_nsec as Moment / 1_000
}

/// The time of day, for whoever reads a report: nothing is measured by it.
#[expect(clippy::disallowed_methods, reason = "people tell the time by it")]
pub(super) fn of_day() -> SystemTime {
    SystemTime::now()
}
