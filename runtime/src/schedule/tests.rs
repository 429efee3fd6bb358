//! Moments: what a schedule says is told by given moments, never by a clock.

use super::moments::Moments;
use super::{Schedule, millis};
use callboard_core::{
    CATCH_UP_MAX, CatchUp, Coming, Graph, GraphLimits, Json, Millis, Missed, Overlap, RunId, ScheduleEvent,
    ScheduleSet, ScheduleState, TaskSpec, Timing,
};
use callboard_core::{Event, EventKind, Limits, State};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

fn at(text: &str) -> Millis {
    millis(humantime::parse_rfc3339(text).expect("a moment as in 2026-03-29T00:00:00Z"))
}

fn shown(moment: Millis) -> String {
    let since = Duration::from_millis(u64::try_from(moment.0).expect("a moment behind 1970"));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

/// The state of a schedule that was set at `set_at`.
fn schedule(timing: Timing, catch_up: CatchUp, set_at: Millis) -> ScheduleState {
    let task = Arc::new(TaskSpec::new("it", "work", Json::null()));
    let (name, labels) = ("test".to_owned(), BTreeMap::new());
    let graph = Graph { name, tasks: vec![task], timeout_ms: None, budget: None, tenant: None, labels, trace: None };
    let graph = graph.check(&GraphLimits::default()).expect("a graph without faults").into();
    let next = Moments::of(&timing).and_then(|moments| moments.first(set_at)).expect("a time that can be read");
    let set = ScheduleSet { name: "s".into(), timing, overlap: Overlap::Allow, catch_up, next, graph };
    let mut state = State::new(Limits::default());
    let kind = EventKind::Schedule(ScheduleEvent::Set(Box::new(set)));
    state.apply(&Event { seq: 1, at: set_at, run: None, kind });
    state.schedules().get("s").expect("it was set").clone()
}

fn coming(schedule: &ScheduleState, now: Millis) -> Coming {
    let moments = Moments::of(&schedule.set.timing).expect("a time that can be read");
    let run = RunId::of_schedule("tests", schedule, now, (0, 1));
    let after = |moment| moments.after(schedule.set_at, moment);
    schedule.coming(schedule.next.expect("a next moment"), now, run, after).expect("a time that can be followed")
}

#[test]
fn what_repeats_keeps_its_distance_from_when_it_was_set() {
    let moments = Moments::of(&Timing::EveryMs(300)).unwrap();
    let set_at = Millis(1_000);
    assert_eq!(moments.first(set_at), Ok(Some(Millis(1_300))));
    for (after, next) in [(999, 1_000), (1_000, 1_300), (1_299, 1_300), (1_300, 1_600), (9_999, 10_000)] {
        assert_eq!(moments.after(set_at, Millis(after)), Ok(Some(Millis(next))), "after {after}");
    }
    let endless = Moments::of(&Timing::EveryMs(u64::MAX)).unwrap();
    assert_eq!(endless.first(set_at), Ok(None));
    assert!(Moments::of(&Timing::EveryMs(0)).unwrap_err().contains("every 1 ms"));
}

#[test]
fn what_comes_once_comes_once() {
    for (timing, moment) in [(Timing::At(Millis(5)), 5), (Timing::AfterMs(7), 1_007)] {
        let moments = Moments::of(&timing).unwrap();
        assert_eq!(moments.first(Millis(1_000)), Ok(Some(Millis(moment))));
        assert_eq!(moments.after(Millis(1_000), Millis(moment - 1)), Ok(Some(Millis(moment))));
        assert_eq!(moments.after(Millis(1_000), Millis(moment)), Ok(None));
    }
    assert_eq!(millis(UNIX_EPOCH - Duration::from_millis(3)), Millis(-3));
    assert_eq!(Schedule::after(Duration::MAX).timing().unwrap(), Timing::AfterMs(u64::MAX));
}

/// What is worked out for a gap is what counting every moment of it gives, as far as anything is counted.
#[test]
fn a_gap_of_any_length_leads_to_its_last_moment() {
    for period in [1_u64, 7, 1_000, 59_000, 3_600_000] {
        let last = schedule(Timing::EveryMs(period), CatchUp::Last, Millis(0));
        let skip = schedule(Timing::EveryMs(period), CatchUp::Skip, Millis(0));
        for now in [1_i64, 999, 1_000, 1_001, 1_002, 59_000, 100_000, 3_600_001, 90_000_000].map(Millis) {
            let come = now.0 / period as i64;
            if come == 0 {
                continue;
            }
            let (latest, next) = (come * period as i64, (come + 1) * period as i64);
            let bound = i64::from(CATCH_UP_MAX);
            let missed = (come > 1).then(|| Missed {
                count: (come - 1).min(bound) as u64,
                more: come - 1 > bound,
                last: Millis((come - 1).min(bound) * period as i64),
            });
            let found = coming(&last, now);
            assert_eq!((found.due, found.next), (Some(Millis(latest)), Some(Millis(next))), "{period} {now:?}");
            assert_eq!(found.missed, missed, "{period} {now:?}");
            let is_late = now.0 - latest > 60_000;
            let skipped = coming(&skip, now);
            assert_eq!(skipped.due, (!is_late).then_some(Millis(latest)), "{period} {now:?}");
            if is_late {
                let count = come as u64; // none of these is beyond the bound
                assert_eq!(
                    skipped.missed,
                    Some(Missed { count, more: false, last: Millis(latest) }),
                    "{period} {now:?}"
                );
            }
        }
    }
}

#[cfg(feature = "cron")]
mod cron {
    use super::*;
    use proptest::prelude::*;

    fn moments(expression: &str, zone: &str) -> Result<Moments, String> {
        Moments::of(&Timing::Cron { expression: expression.into(), zone: zone.into() })
    }

    /// The moments behind `from`, in UTC.
    #[track_caller]
    fn check(expression: &str, zone: &str, from: &str, expected: &[&str]) {
        let moments = moments(expression, zone).unwrap();
        let mut moment = at(from);
        let found: Vec<String> = expected
            .iter()
            .map(|_| {
                moment = moments.after(Millis(0), moment).unwrap().expect("another moment");
                shown(moment)
            })
            .collect();
        assert_eq!(found, expected, "{expression} in {zone}");
    }

    #[test]
    fn an_expression_is_read_as_cron_does() {
        check("0 3 * * 1-5", "UTC", "2026-11-27T03:00:00Z", &["2026-11-30T03:00:00Z", "2026-12-01T03:00:00Z"]);
        check("*/20 * * * *", "UTC", "2026-01-01T00:39:59Z", &["2026-01-01T00:40:00Z", "2026-01-01T01:00:00Z"]);
        check("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
        check("30 0 9 * * MON", "UTC", "2026-01-01T00:00:00Z", &["2026-01-05T09:00:30Z"]);
        check("0 12 L * *", "UTC", "2026-02-01T00:00:00Z", &["2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z"]);
        check("0 12 1 * FRI", "UTC", "2026-11-26T00:00:00Z", &["2026-11-27T12:00:00Z", "2026-12-01T12:00:00Z"]);
        check("0 9 * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", &["2026-01-01T03:30:00Z"]);
        check("@daily", "America/New_York", "2026-01-01T00:00:00Z", &["2026-01-01T05:00:00Z"]);
    }

    /// On 29 March 2026 the clocks of Berlin go from 2:00 to 3:00, at 1:00 UTC.
    #[test]
    fn an_hour_that_does_not_exist_moves_a_fixed_time_and_leaves_out_what_is_repeated() {
        let from = "2026-03-28T12:00:00Z";
        check("30 2 * * *", "Europe/Berlin", from, &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        check("0 3 * * *", "Europe/Berlin", from, &["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"]);
        check("*/30 2 * * *", "Europe/Berlin", from, &["2026-03-30T00:00:00Z", "2026-03-30T00:30:00Z"]);
        let midnight = "2026-03-29T00:00:00Z";
        check("0 * * * *", "Europe/Berlin", midnight, &["2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"]);
        check("30 * * * *", "Europe/Berlin", midnight, &["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"]);
    }

    /// On 25 October 2026 the clocks of Berlin go from 3:00 to 2:00, at 1:00 UTC.
    #[test]
    fn an_hour_that_comes_twice_repeats_what_is_repeated_and_no_fixed_time() {
        let from = "2026-10-24T12:00:00Z";
        check("30 2 * * *", "Europe/Berlin", from, &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let midnight = "2026-10-24T23:30:00Z";
        let twice = ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"];
        check("0 * * * *", "Europe/Berlin", midnight, &twice);
        let halves = ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"];
        check("*/30 2 * * *", "Europe/Berlin", midnight, &halves);
        // In the second of the two hours a fixed time has been already.
        check("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", &["2026-10-26T01:30:00Z"]);
        check("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", &["2026-10-26T01:30:00Z"]);
    }

    /// Where the clocks go by half an hour, or skip a day.
    #[test]
    fn zones_with_a_calendar_of_their_own() {
        check("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", &["2026-10-03T15:30:00Z"]);
        // Samoa went from the 29th to the 31st of December 2011.
        check("0 12 30 12 *", "Pacific/Apia", "2011-01-01T00:00:00Z", &["2012-12-29T22:00:00Z"]);
        let days = ["2011-12-29T22:00:00Z", "2012-01-01T22:00:00Z"];
        check("0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", &days);
    }

    /// The moments do not depend on where one begins to look: a restart in between changes nothing.
    #[test]
    fn the_moments_are_the_same_wherever_one_begins() {
        for expression in ["30 2 * * *", "*/7 * * * *", "0 2,3 * * *", "15 */2 * * *", "59 59 1-3 * * *"] {
            let moments = moments(expression, "Europe/Berlin").unwrap();
            for begin in ["2026-03-28T20:00:00Z", "2026-10-24T20:00:00Z"] {
                let (begin, end) = (at(begin), Millis(at(begin).0 + 12 * 3_600_000));
                let mut all = Vec::new();
                let mut moment = begin;
                while let Some(next) = moments.after(begin, moment).unwrap().filter(|next| *next <= end) {
                    assert!(next > moment);
                    (moment, all) = (next, [all, vec![next]].concat());
                }
                for minute in 0..12 * 60 {
                    let from = Millis(begin.0 + minute * 60_000 + 1_234);
                    let expected = all.iter().find(|moment| **moment > from);
                    let found = moments.after(begin, from).unwrap().filter(|next| *next <= end);
                    assert_eq!(found.as_ref(), expected, "{expression} behind {}", shown(from));
                }
            }
        }
    }

    /// A year of a moment a second is 31 million: nobody counts them.
    #[test]
    fn a_long_gap_is_caught_up_with_at_once() {
        let timing = Timing::Cron { expression: "* * 3 * * *".into(), zone: "Europe/Berlin".into() };
        let schedule = schedule(timing, CatchUp::Last, at("2026-01-01T00:00:00Z"));
        let found = coming(&schedule, at("2027-01-01T12:00:00Z"));
        assert_eq!(found.due.map(shown).as_deref(), Some("2027-01-01T02:59:59Z"));
        assert_eq!(found.next.map(shown).as_deref(), Some("2027-01-02T02:00:00Z"));
        let missed = found.missed.unwrap();
        assert_eq!((missed.count, missed.more), (u64::from(CATCH_UP_MAX), true));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |expression: &str, zone: &str| moments(expression, zone).unwrap_err();
        for (expression, words) in [
            ("", "empty"),
            ("* * *", "fields"),
            ("61 * * * *", "61"),
            ("* * * FOO *", "FOO"),
            ("every day", "fields"),
            ("5-1 * * * *", "5-1"),
        ] {
            let said = wrong(expression, "UTC");
            assert!(said.starts_with(&format!("the cron expression {expression:?} can not be read: ")), "{said}");
            assert!(said.to_lowercase().contains(&words.to_lowercase()), "{words}: {said}");
        }
        assert!(wrong(&"1,".repeat(200), "UTC").contains("at most 256 bytes, not 400"));
        for (zone, meant) in [("Europe/Berln", "Europe/Berlin"), ("berlin", "Europe/Berlin"), ("utc", "UTC")] {
            let said = wrong("* * * * *", zone);
            assert_eq!(said, format!("there is no time zone {zone:?}; did you mean {meant:?}?"));
        }
        assert!(wrong("* * * * *", "Mars/Olympus_Mons").contains("as in \"Europe/Berlin\""));
        let zoned = Schedule::after(Duration::from_secs(1)).zone("UTC").timing().unwrap_err();
        assert_eq!(zoned.message(), "only a cron expression has a time zone");
    }

    #[test]
    fn a_day_that_never_comes_is_found_out() {
        for never in ["0 0 30 2 *", "0 0 31 4,6 *", "0 0 0 1 1 * 2020"] {
            assert_eq!(moments(never, "UTC").unwrap().first(at("2026-01-01T00:00:00Z")), Ok(None), "{never}");
        }
        let ends = moments("0 0 0 1 1 * 2027", "UTC").unwrap();
        let last = ends.first(at("2026-01-01T00:00:00Z")).unwrap().unwrap();
        assert_eq!((shown(last).as_str(), ends.after(last, last)), ("2027-01-01T00:00:00Z", Ok(None)));
        for edge in [i64::MIN, i64::MAX, i64::MAX / 2] {
            assert!(moments("* * * * *", "Europe/Berlin").unwrap().after(Millis(0), Millis(edge)).is_ok(), "{edge}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

        /// Whatever is written, it is refused or leads forward.
        #[test]
        fn no_expression_makes_it_panic(
            expression in "[0-9*,/LW#?@A-Z-]{1,5}( [0-9*,/LW#?A-Z-]{1,5}){4,6}",
            from in 0_i64..4_000_000_000_000,
        ) {
            if let Ok(moments) = moments(&expression, "Europe/Berlin")
                && let Ok(Some(next)) = moments.after(Millis(0), Millis(from))
            {
                prop_assert!(next.0 > from, "{expression}: {next:?}");
            }
        }
    }
}
