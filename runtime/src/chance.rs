//! What differs from run to run: new ids and the time of day. Both are the system's; in a simulation they are its seed's.

use callboard_core::Millis;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// A new id that says nothing (version 4).
pub(crate) fn id() -> Uuid {
    #[cfg(feature = "test")]
    if let Some(id) = simulated::id() {
        return id;
    }
    Uuid::new_v4()
}

/// A new id that sorts by the time at which it was made (version 7).
pub(crate) fn timed_id() -> Uuid {
    #[cfg(feature = "test")]
    if let Some(id) = simulated::timed_id() {
        return id;
    }
    Uuid::now_v7()
}

/// What the wall clock says, and how long the machine has been up, time spent suspended included, if the system tells.
#[expect(clippy::disallowed_methods, reason = "this is what everybody else asks")]
pub(crate) fn wall_and_boot() -> (Millis, Option<Duration>) {
    #[cfg(feature = "test")]
    if let Some(wall) = simulated::wall() {
        return (wall, None);
    }
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (Millis(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)), boot_time())
}

/// How long the machine has been up, time spent suspended included.
pub(crate) fn boot_time() -> Option<Duration> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Some(Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    None
}

/// Ids and the time of day of a simulation. Each simulated process has a source of its own, and the thread that plays it
/// has that source for as long as it does.
#[cfg(feature = "test")]
#[expect(unreachable_pub, reason = "it is shown by `testing`")]
pub mod simulated {
    use crate::port::fault::Generator;
    use callboard_core::Millis;
    use std::cell::Cell;
    use uuid::Uuid;

    thread_local!(static SOURCE: Cell<Option<Source>> = const { Cell::new(None) });

    /// Where the ids of one simulated process come from, and its wall clock.
    #[derive(Clone, Copy, Debug)]
    pub struct Source {
        random: Generator,
        /// What its wall clock says, in milliseconds since 1970.
        pub wall_ms: i64,
    }

    impl Source {
        /// A source of which all follows from `seed`.
        #[must_use]
        pub fn new(seed: u64, wall_ms: i64) -> Self {
            Self { random: Generator(seed), wall_ms }
        }

        /// Plays a part of the process: whatever asks for an id or the time on this thread meanwhile gets it from here.
        pub fn within<R>(&mut self, play: impl FnOnce() -> R) -> R {
            let before = SOURCE.replace(Some(*self));
            let result = play();
            if let Some(ours) = SOURCE.replace(before) {
                *self = ours;
            }
            result
        }

        fn bytes(&mut self) -> [u8; 16] {
            let (high, low) = (self.random.next(), self.random.next());
            Uuid::from_u64_pair(high, low).into_bytes()
        }
    }

    fn drawn<R>(draw: impl FnOnce(&mut Source) -> R) -> Option<R> {
        let mut source = SOURCE.get()?;
        let result = draw(&mut source);
        SOURCE.set(Some(source));
        Some(result)
    }

    pub(super) fn id() -> Option<Uuid> {
        drawn(|source| uuid::Builder::from_random_bytes(source.bytes()).into_uuid())
    }

    pub(super) fn timed_id() -> Option<Uuid> {
        drawn(|source| {
            let mut random = [0; 10];
            random.copy_from_slice(&source.bytes()[..10]);
            let millis = u64::try_from(source.wall_ms).unwrap_or_default();
            uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
        })
    }

    pub(super) fn wall() -> Option<Millis> {
        drawn(|source| Millis(source.wall_ms))
    }
}
