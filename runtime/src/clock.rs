//! The one source of time below the shell.

use crate::chance;
use callboard_core::Millis;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Tells the time in milliseconds since 1970, and never runs back.
///
/// The wall clock is read once; from then on time is what the machine has measured since, so a wall clock that jumps
/// expires no lease and fires no timer. Time spent suspended counts, where the system can tell (`CLOCK_BOOTTIME`).
/// Under tokio's paused time the clock follows tokio.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<Origin>);

#[derive(Debug)]
struct Origin {
    wall: Millis,
    started: Instant,
    boot: Option<Duration>,
}

impl Clock {
    /// The system's clock.
    pub(crate) fn system() -> Self {
        let (wall, boot) = chance::wall_and_boot();
        Self(Arc::new(Origin { wall, started: Instant::now(), boot }))
    }

    /// A clock that stands at `wall` now and follows tokio's time alone, for tests.
    #[cfg(feature = "test")]
    pub(crate) fn of_tokio(wall: Millis) -> Self {
        Self(Arc::new(Origin { wall, started: Instant::now(), boot: None }))
    }

    /// The same clock, set so far ahead that it is not before `at` now.
    ///
    /// A wall clock may have gone back since a journal was written, by hours. Time as the journal knows it would
    /// stand still until the wall clock has caught up, and with it every timer.
    pub(crate) fn not_before(&self, at: Millis) -> Self {
        let behind = at.since(self.now());
        let Origin { wall, started, boot } = *self.0;
        Self(Arc::new(Origin { wall: wall.after(behind), started, boot }))
    }

    /// Now.
    pub(crate) fn now(&self) -> Millis {
        let measured = self.0.started.elapsed();
        let boot = self.0.boot.and_then(|start| chance::boot_time()?.checked_sub(start));
        self.0.wall.after(boot.map_or(measured, |boot| boot.max(measured)))
    }
}
