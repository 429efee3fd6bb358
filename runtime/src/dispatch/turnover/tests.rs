use super::{LATELY, SOON, Turnover};
use std::time::Duration;
use tokio::time::Instant;

const MILLI: Duration = Duration::from_millis(1);

/// Slots that become free so fast, so often, until now.
fn steady(pace: Duration, times: u32) -> (Turnover, Instant) {
    let (mut turnover, start) = (Turnover::default(), Instant::now());
    (0..times).for_each(|n| turnover.freed(start + n * pace));
    (turnover, start + (times - 1) * pace)
}

#[test]
fn what_has_its_turn_soon_is_told_from_what_has_not() {
    let (turnover, now) = steady(MILLI, 200);
    assert!(turnover.takes_soon(200, Duration::ZERO, now));
    assert!(!turnover.takes_soon(300, Duration::ZERO, now), "that takes 0.3 s");
    assert!(!turnover.takes_soon(1, SOON, now), "it has waited for long enough");
    assert!(!turnover.takes_soon(1, Duration::ZERO, now + LATELY), "nothing happens any more");
}

#[test]
fn slots_that_are_taken_for_long_take_nothing_soon() {
    assert!(!Turnover::default().takes_soon(1, Duration::ZERO, Instant::now()), "none was ever free");
    let (turnover, now) = steady(20 * SOON, 200);
    assert!(turnover.takes_soon(0, Duration::ZERO, now) && !turnover.takes_soon(2, Duration::ZERO, now));
}

#[test]
fn a_pause_is_forgotten_when_it_is_over() {
    let (mut turnover, paused) = steady(MILLI, 100);
    let now = paused + 10 * SOON;
    turnover.freed(now);
    assert!(!turnover.takes_soon(100, Duration::ZERO, now));
    (1..100).for_each(|n| turnover.freed(now + n * MILLI));
    assert!(turnover.takes_soon(100, Duration::ZERO, now + 99 * MILLI));
}
