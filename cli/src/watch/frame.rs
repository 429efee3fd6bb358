//! What is drawn of a run at one moment, in lines.

#[cfg(test)]
mod tests;

use super::seen::Seen;
use crate::output::{cell, cut, member, one_line, painted};
use crate::run::why;
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// A bar has so many parts.
const BAR: usize = 10;
/// A name takes no more room than this.
const NAME_MAX: usize = 32;
/// The longest status, "completed".
const STATUS: usize = 9;
/// A bar of which nobody knows how full it is moves one part in this time.
const STEP: Duration = Duration::from_millis(200);

/// Where it is drawn, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) in_colour: bool,
    pub(super) now: SystemTime,
}

/// The lines: the run, then its tasks in their order. Where there are more than fit, those that are under way or to blame come
/// first, and the last line counts the rest.
pub(super) fn frame(run: &Value, tasks: &[Value], seen: &Seen, look: Look) -> Vec<String> {
    // The cursor is below the last line, and a line of the terminal stays free for it.
    let room = look.rows.saturating_sub(3).max(1);
    let mut order: Vec<&Value> = tasks.iter().collect();
    let more = if order.len() > room {
        order.sort_by_key(|task| rank(&member(task, "status")));
        order.split_off(room - 1)
    } else {
        Vec::new()
    };
    order.sort_by_key(|task| task["index"].as_u64());
    let width = order.iter().map(|task| member(task, "name").chars().count()).max().unwrap_or(0).min(NAME_MAX);
    let mut lines = vec![cut(&head(run, look.now), look.columns.saturating_sub(1))];
    lines.extend(order.into_iter().map(|task| line(task, width, seen, look)));
    if !more.is_empty() {
        lines.push(cut(&format!("  and {}", counts(&more)), look.columns.saturating_sub(1)));
    }
    lines
}

/// What a person wants to see first.
fn rank(status: &str) -> usize {
    let order = ["running", "dead", "failed", "parked", "ready", "cancelled", "blocked", "skipped", "completed"];
    order.iter().position(|known| *known == status).unwrap_or(order.len())
}

/// `release-notes  running  1 of 4 done  3.2s`.
fn head(run: &Value, now: SystemTime) -> String {
    let count = |status: &str| run["tasks"][status].as_u64().unwrap_or(0);
    let moment = |key: &str| humantime::parse_rfc3339(&member(run, key)).ok();
    let took = moment("submitted_at").and_then(|from| moment("ended_at").unwrap_or(now).duration_since(from).ok());
    let mut parts = vec![
        one_line(member(run, "workflow")),
        member(run, "status"),
        format!("{} of {} done", count("completed"), count("total")),
    ];
    parts.extend(took.map(seconds));
    parts.extend(Some(one_line(member(run, "reason"))).filter(|reason| !reason.is_empty()));
    parts.join("  ")
}

/// A task: its name, a bar, where it stands, and what is to be said of that.
fn line(task: &Value, width: usize, seen: &Seen, look: Look) -> String {
    let (name, status) = (cut(&one_line(member(task, "name")), width), member(task, "status"));
    let took = seen.took(&member(task, "name"), look.now);
    let bar = bar(&status, fraction(&task["progress"]), took.unwrap_or_default());
    let said = said(task, &status, took);
    let before = format!("  {name:<width$}  ");
    let used = before.chars().count() + BAR + 2 + STATUS + 2;
    let said = cut(&said, look.columns.saturating_sub(used + 1));
    if used >= look.columns {
        return cut(&format!("{before}{bar}  {status}"), look.columns.saturating_sub(1));
    }
    let padded = format!("{status:<STATUS$}");
    let (bar, padded) = match look.in_colour {
        true => (painted(&status, bar), painted(&status, padded)),
        false => (bar, padded),
    };
    format!("{before}{bar}  {padded}  {said}").trim_end().to_owned()
}

/// What is to be said of a task beside its status.
fn said(task: &Value, status: &str, took: Option<Duration>) -> String {
    let attempt = task["attempt"].as_u64().unwrap_or(0);
    let losses = task["losses"].as_u64().unwrap_or(0);
    let mut parts: Vec<String> = Vec::new();
    if matches!(status, "running" | "completed" | "failed" | "dead") {
        parts.extend(took.map(seconds));
        parts.extend((attempt > 1).then(|| format!("attempt {attempt}")));
    }
    if losses > 0 && status != "completed" {
        parts.push(format!("cut short {losses} time{}", if losses == 1 { "" } else { "s" }));
    }
    if status == "running" {
        parts.extend(progress(&task["progress"]));
        // What it is tried again after.
        parts.extend((attempt > 1).then(|| why(task)).filter(|why| !why.is_empty()).map(|why| format!("after: {why}")));
    } else if status != "completed" {
        parts.push(why(task));
    }
    one_line(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  "))
}

/// A bar: full, empty, as full as the handler says, or moving.
fn bar(status: &str, fraction: Option<f64>, took: Duration) -> String {
    let part = |is_full: bool| if is_full { '\u{2588}' } else { '\u{2591}' };
    match (status, fraction) {
        ("completed" | "failed" | "dead", _) => part(true).to_string().repeat(BAR),
        ("running", Some(fraction)) => {
            let full = (fraction * BAR as f64).floor() as usize;
            (0..BAR).map(|at| part(at < full)).collect()
        }
        ("running", None) => {
            let steps = usize::try_from(took.as_millis() / STEP.as_millis()).unwrap_or(0);
            (0..BAR).map(|at| part(at == steps % BAR || at == (steps + 1) % BAR)).collect()
        }
        _ => part(false).to_string().repeat(BAR),
    }
}

/// How far a handler is, if it says so in one of these ways: `0.4`, or `{"done": 4, "total": 10}`.
fn fraction(progress: &Value) -> Option<f64> {
    let fraction = match progress {
        Value::Number(number) => number.as_f64()?,
        Value::Object(_) => progress["done"].as_f64()? / progress["total"].as_f64().filter(|total| *total > 0.0)?,
        _ => return None,
    };
    (0.0..=1.0).contains(&fraction).then_some(fraction)
}

/// How far a handler is, in words; `None` if it has not said so.
fn progress(progress: &Value) -> Option<String> {
    match (progress, fraction(progress)) {
        (Value::Null, _) => None,
        (Value::Number(_), Some(fraction)) => Some(format!("{:.0} %", fraction * 100.0)),
        (Value::Object(_), Some(_)) => Some(format!("{} of {}", progress["done"], progress["total"])),
        (other, _) => Some(cell(other)),
    }
}

/// `12 more: 3 ready, 9 completed`.
fn counts(tasks: &[&Value]) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for status in tasks.iter().map(|task| member(task, "status")) {
        match counts.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += 1,
            None => counts.push((status, 1)),
        }
    }
    let counts: Vec<String> = counts.into_iter().map(|(status, count)| format!("{count} {status}")).collect();
    format!("{} more: {}", tasks.len(), counts.join(", "))
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..100 => format!("{:.1}s", time.as_secs_f64()),
        seconds => humantime::format_duration(Duration::from_secs(seconds)).to_string(),
    }
}
