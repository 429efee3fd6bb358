//! The window against what it promises, and the limiter.

use super::window::Window;
use proptest::prelude::*;

const PER: u64 = 1_000;

/// How many went in the fullest stretch.
fn fullest(went: &[(u64, u64)], per: u64) -> u64 {
    let from =
        |begin: u64| went.iter().filter(|(at, _)| (begin..begin + per).contains(at)).map(|(_, units)| units).sum();
    went.iter().map(|(at, _)| from(*at)).max().unwrap_or_default()
}

proptest! {
    /// Whatever comes when, and takes what it is let take.
    #[test]
    fn no_stretch_has_more_than_the_limit(
        most in 1..50_u64,
        burst in 1..60_u64,
        calls in prop::collection::vec((0..300_u64, 1..50_u64), 1..200),
    ) {
        let mut window = Window::new(PER, most, burst);
        let (mut now, mut went) = (0, Vec::new());
        for (pause, units) in calls {
            now += pause;
            let units = units.min(most);
            if window.room(now, units, most) > 0 {
                window.take(now, units);
                went.push((now, units));
            }
        }
        prop_assert!(fullest(&went, PER) <= most, "{went:?}");
    }

    /// Who waits first goes first, as soon as it may and not before, and never waits longer than everything before it takes.
    #[test]
    fn nobody_starves(
        most in 1..50_u64,
        burst in 1..60_u64,
        calls in prop::collection::vec(1..50_u64, 1..100),
    ) {
        let mut window = Window::new(PER, most, burst);
        let (mut now, mut went) = (0, Vec::new());
        for units in calls {
            let units = units.min(most);
            let next = window.next(now, units, most);
            prop_assert!(next <= now + 2 * PER, "{units} of {most} would wait from {now} to {next}");
            if next > now {
                prop_assert_eq!(window.clone().room(next - 1, units, most), 0, "it might have gone earlier");
            }
            now = next;
            prop_assert!(window.room(now, units, most) > 0, "it may go when it was said");
            window.take(now, units);
            went.push((now, units));
        }
        prop_assert!(fullest(&went, PER) <= most, "{went:?}");
    }

    /// As many as there is room for go at once, and not one more.
    #[test]
    fn room_is_what_goes(most in 1..50_u64, burst in 1..60_u64, units in 1..20_u64, before in 0..30_u64) {
        let units = units.min(most);
        let mut window = Window::new(PER, most, burst);
        for now in 0..before {
            if window.room(now, 1, most) > 0 {
                window.take(now, 1);
            }
        }
        let room = window.room(before, units, most);
        for left in (0..room).rev() {
            window.take(before, units);
            prop_assert!(window.room(before, units, most) >= left);
        }
        prop_assert_eq!(window.room(before, units, most), 0);
    }
}

#[test]
fn the_log_stays_short_and_never_forgets_too_early() {
    let most = 1 << 20;
    let mut window = Window::new(1 << 20, most, most);
    for now in 0..(1 << 17) {
        window.take(now, 1);
    }
    assert_eq!(window.sum((1 << 20) - 1), 1 << 17, "all of them are in the stretch still");
    assert!(window.sum((1 << 20) + 1_000) >= (1 << 17) - 1_000, "never fewer than there are");
}

#[test]
fn a_burst_goes_at_once_and_the_rest_is_spread() {
    let mut window = Window::new(1_000, 10, 3);
    let mut went = Vec::new();
    for now in 0..1_000 {
        while window.room(now, 1, 10) > 0 {
            window.take(now, 1);
            went.push(now);
        }
    }
    assert_eq!(went, [0, 0, 0, 100, 200, 300, 400, 500, 600, 700]);
    assert_eq!(window.next(999, 1, 10), 1_000);
}
