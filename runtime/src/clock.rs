//! The one source of time below the shell.

use callboard_core::Millis;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
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
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else asks")]
    pub(crate) fn system() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Millis(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX));
        Self(Arc::new(Origin { wall, started: Instant::now(), boot: boot_time() }))
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
        let boot = self.0.boot.and_then(|start| boot_time()?.checked_sub(start));
        self.0.wall.after(boot.map_or(measured, |boot| boot.max(measured)))
    }
}

/// How long the machine has been up, time spent suspended included; unknown under paused time, where it would lie.
fn boot_time() -> Option<Duration> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Some(Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    None
}
