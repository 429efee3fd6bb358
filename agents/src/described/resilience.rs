//! When an agent is left alone, and how often it may be asked: the sections `breaker` and `limit` of its file.

use super::section::{Entry, Section};
use callboard::{BreakerRules, Limit};
use std::time::Duration;

/// The longest that a breaker is open or ramps, and the longest stretch of a rate.
const DAY: Duration = Duration::from_secs(86_400);
/// The most of a rate, and at a time.
const MANY: u32 = 1_000_000_000;

pub(super) fn breaker(entry: &Entry<'_>) -> Option<BreakerRules> {
    let section = entry.section()?;
    let mut rules = BreakerRules::default();
    if let Some(failures) = section.take("failures").and_then(|entry| entry.whole(1..=1_000_000)) {
        rules = rules.failures(failures);
    }
    if let Some(open) = time(&section, "open") {
        rules = rules.open(open);
    }
    if let Some(slow) = time(&section, "slow") {
        rules = rules.slow(slow);
    }
    let percent = section.take("slow_percent").and_then(|entry| entry.whole(1..=100));
    let calls = section.take("slow_calls").and_then(|entry| entry.whole(1..=32));
    if percent.is_some() || calls.is_some() {
        rules = rules.slow_share(percent.unwrap_or(50), calls.unwrap_or(10));
    }
    if let Some(ramp) = section.take("ramp").and_then(|entry| at_most_a_day(&entry, Duration::ZERO)) {
        rules = rules.ramp(ramp);
    }
    section.finish();
    Some(rules)
}

pub(super) fn limit(entry: &Entry<'_>) -> Option<Limit> {
    let section = entry.section()?;
    let count = |key| section.take(key).map(|entry| entry.whole(1..=MANY));
    let (at_once, tasks, burst) = (count("at_once"), count("tasks"), count("burst"));
    let per = section.take("per").map(|entry| at_most_a_day(&entry, Duration::from_millis(1)));
    let per_tenant = section.take("per_tenant").and_then(|entry| entry.truth());
    let entry = section.finish();
    if tasks.is_some() != per.is_some() || tasks.or(at_once).is_none() {
        entry.fault("\"at_once\" is expected, or \"tasks\" and \"per\", or all three");
    }
    let rate = tasks.flatten().zip(per.flatten()).map(|(tasks, per)| Limit::per(per, u64::from(tasks)));
    let (at_once, burst) = (at_once.flatten(), burst.flatten());
    let limit = match (rate, at_once) {
        (Some(rate), Some(at_once)) => rate.at_once(at_once),
        (Some(rate), None) => rate,
        (None, at_once) => Limit::concurrent(at_once?),
    };
    let limit = burst.into_iter().fold(limit, |limit, burst| limit.burst(u64::from(burst)));
    Some(if per_tenant.unwrap_or(false) { limit.per_tenant() } else { limit })
}

fn time(section: &Section<'_>, key: &'static str) -> Option<Duration> {
    section.take(key).and_then(|entry| at_most_a_day(&entry, Duration::from_millis(1)))
}

fn at_most_a_day(entry: &Entry<'_>, least: Duration) -> Option<Duration> {
    let time = entry.duration()?;
    let holds = (least..=DAY).contains(&time);
    if !holds {
        entry.fault(format!("{least:?} to a day is expected, not {time:?}"));
    }
    holds.then_some(time)
}
