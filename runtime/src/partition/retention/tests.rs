use super::overdue;
use crate::journal::archive::Summary;
use callboard_core::Millis;
use std::time::Duration;

const DAY: i64 = 86_400_000;
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Of pages whose last runs ended on these days, how many are overdue on that day to an owner since that other day.
fn forgotten(ended: &[i64], began: i64, now: i64) -> usize {
    let pages: Vec<Summary> = (1..).zip(ended).map(|(page, day)| page_of(page, day * DAY)).collect();
    overdue(&pages, Millis(began * DAY), Millis(now * DAY + 1), WEEK)
}

fn page_of(page: u64, newest_ms: i64) -> Summary {
    let summary = serde_json::json!({
        "page": page, "count": 1, "oldest_ms": newest_ms, "newest_ms": newest_ms, "fingerprints": "00ff",
    });
    serde_json::from_value(summary).unwrap()
}

#[test]
fn a_page_is_forgotten_when_its_last_run_has_ended_that_long_ago() {
    let daily: Vec<i64> = (0..30).collect();
    for (now, count) in [(29, 23), (30, 24), (36, 29), (40, 29)] {
        assert_eq!(forgotten(&daily, 0, now), count, "measured, on day {now}");
    }
    assert_eq!(forgotten(&daily, 29, 29), 23, "where runs end, a new owner counts all of it");
    assert_eq!(forgotten(&daily, 29, 35), 29);
    assert_eq!(forgotten(&[0, 7], 0, 7), 1);
    let pages: Vec<Summary> = [page_of(1, 0), page_of(2, 0)].into();
    assert_eq!(overdue(&pages, Millis(0), Millis(7 * DAY), WEEK), 0, "it is kept that long, and forgotten after it");
}

#[test]
fn the_newest_page_stays() {
    assert_eq!(forgotten(&[], 0, 1_000), 0);
    assert_eq!(forgotten(&[0], 0, 1_000), 0);
    assert_eq!(forgotten(&[0, 0, 0], 0, 1_000), 2);
}

/// What came to the archive late does not draw others after it, and is not forgotten before them.
#[test]
fn no_page_is_forgotten_before_one_that_is_older() {
    assert_eq!(forgotten(&[10, 2, 11, 12], 0, 16), 0);
    assert_eq!(forgotten(&[10, 2, 11, 12], 0, 17), 2);
    assert_eq!(forgotten(&[2, 10, 11, 12], 0, 16), 1);
}

/// The clock of a new owner is years ahead: that takes a day of a week, from every owner to come.
#[test]
fn a_clock_that_jumps_takes_a_seventh_of_the_period() {
    let before: Vec<i64> = (1..=7).collect();
    let jump = 3_650;
    assert_eq!(forgotten(&before, 7, 7), 0, "none is overdue before it");
    for began in [jump + 7, jump + 30] {
        assert_eq!(forgotten(&before, began, began), 1, "that of the seventh day before it");
    }
    assert_eq!(forgotten(&before, jump + 7, jump + 9), 3, "from there on what is measured counts");
    assert_eq!(forgotten(&before, jump + 7, jump + 20), 6);
    // The gap is between its pages from now on, and no restart makes it longer.
    let after: Vec<i64> = before.into_iter().chain((0..4).map(|day| jump + 7 + day)).collect();
    for began in [jump + 7, jump + 8, jump + 10] {
        assert_eq!(forgotten(&after, began, jump + 10), 4, "an owner since day {began}");
    }
    assert_eq!(forgotten(&after, jump + 17, jump + 17), 5, "nobody has measured the time since the last page");
}

/// A silence of which nobody can tell counts for a day; one that the owner has measured in full.
#[test]
fn a_silence_counts_as_far_as_somebody_has_measured_it() {
    assert_eq!(forgotten(&[0, 1, 2], 0, 30), 2);
    assert_eq!(forgotten(&[0, 1, 2], 30, 30), 0);
    assert_eq!(forgotten(&[0, 1, 2], 30, 34), 1);
    assert_eq!(forgotten(&[0, 1, 2, 31], 31, 36), 2);
}

#[test]
fn moments_beyond_all_reason_are_counted_all_the_same() {
    let pages: Vec<Summary> = [page_of(1, i64::MIN), page_of(2, i64::MAX), page_of(3, 0)].into();
    for (began, now) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, 0), (i64::MAX, i64::MAX)] {
        assert!(overdue(&pages, Millis(began), Millis(now), WEEK) < 3);
        assert!(overdue(&pages, Millis(began), Millis(now), Duration::MAX) < 3);
    }
}
