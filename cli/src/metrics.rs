//! What a node counts, for people: what Prometheus reads, with histograms in a few numbers.

#[cfg(test)]
mod tests;

use crate::client::Client;
use crate::failure::Result;
use crate::output::{Column, Output, member};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// With what all of our names begin.
const PREFIX: &str = "callboard_";

const METRICS: &[Column] = &[
    ("METRIC", |metric| member(metric, "name")),
    ("LABELS", |metric| labels(metric)),
    ("VALUE", |metric| value(metric)),
];

/// Shows what is counted, or what of it has a name that begins so.
pub(crate) async fn metrics(prefix: Option<&str>, client: &Client, output: Output) -> Result<()> {
    let text = client.get("/metrics").text().await?;
    let wanted = |name: &str| {
        let prefix = prefix.unwrap_or_default();
        name.starts_with(prefix) || name.strip_prefix(PREFIX).is_some_and(|name| name.starts_with(prefix))
    };
    let mut items: Vec<Value> = read(&text).into_iter().filter(|metric| wanted(&member(metric, "name"))).collect();
    items.sort_by_cached_key(|metric| (member(metric, "name"), labels(metric)));
    output.show(&json!({ "items": items, "next": null }).to_string(), METRICS)
}

/// The metrics of a page in Prometheus' text format 0.0.4, in its order; those of a histogram are one.
fn read(page: &str) -> Vec<Value> {
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut read: Vec<Value> = Vec::new();
    for line in page.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
            kinds.insert(name, kind);
        }
        let Some((name, mut labels, value)) = sample(line) else { continue };
        let parts = ["_bucket", "_sum", "_count"].into_iter();
        let part = parts.filter_map(|part| Some((name.strip_suffix(part)?, part))).next();
        match part.filter(|(name, _)| kinds.get(name) == Some(&"histogram")) {
            Some((name, part)) => {
                let bound = labels.remove("le");
                let is_it = |metric: &&mut Value| metric["name"] == name && metric["labels"] == json!(labels);
                if !read.iter_mut().any(|metric| is_it(&metric)) {
                    read.push(json!({ "name": name, "type": "histogram", "labels": labels, "buckets": {} }));
                }
                let Some(metric) = read.iter_mut().find(is_it) else { continue };
                match bound {
                    Some(bound) => metric["buckets"][bound.as_str().unwrap_or_default()] = value,
                    None => metric[part.trim_start_matches('_')] = value,
                }
            }
            None => {
                let kind = kinds.get(name).copied().unwrap_or("untyped");
                read.push(json!({ "name": name, "type": kind, "labels": labels, "value": value }));
            }
        }
    }
    read
}

/// A line of a page, unless it is a comment: a name, labels and a number.
fn sample(line: &str) -> Option<(&str, Map<String, Value>, Value)> {
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Map::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while let Some((label, after)) = rest.split_once("=\"") {
            let (value, after) = quoted(after)?;
            labels.insert(label.trim_start_matches(',').to_owned(), value.into());
            rest = after;
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
        }
    }
    let number: f64 = rest.split_whitespace().next()?.parse().ok()?;
    let is_whole = number.fract() == 0.0 && number.abs() < 9e15;
    Some((name, labels, if is_whole { json!(number as i64) } else { json!(number) }))
}

/// A text up to its closing quote, and what is behind that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut is_escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            'n' if is_escaped => value.push('\n'),
            c if is_escaped => value.push(c),
            '\\' => {
                is_escaped = true;
                continue;
            }
            '"' => return Some((value, &text[at + 1..])),
            c => value.push(c),
        }
        is_escaped = false;
    }
    None
}

fn labels(metric: &Value) -> String {
    let all = metric["labels"].as_object().into_iter().flatten();
    all.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(" ")
}

/// A number; of a histogram how many, and what they are like.
fn value(metric: &Value) -> String {
    let Some(count) = metric["count"].as_f64() else { return number(&metric["value"]) };
    if count == 0.0 {
        return "none".to_owned();
    }
    let mean = metric["sum"].as_f64().unwrap_or(0.0) / count;
    format!("{count} of {} on average, 95 % {}", number(&json!(mean)), below(&metric["buckets"], 0.95 * count))
}

/// The bound of the first bucket that has so many.
fn below(buckets: &Value, many: f64) -> String {
    let bounds = buckets.as_object().into_iter().flatten();
    let bounds = bounds.filter_map(|(bound, count)| Some((bound.parse::<f64>().ok()?, bound, count.as_f64()?)));
    let mut bounds: Vec<(f64, &String, f64)> = bounds.collect();
    bounds.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
    let finite: Vec<_> = bounds.iter().filter(|(bound, ..)| bound.is_finite()).collect();
    match (finite.iter().find(|(.., count)| *count >= many), finite.last()) {
        (Some((_, bound, _)), _) => format!("up to {bound}"),
        (None, Some((_, last, _))) => format!("above {last}"),
        (None, None) => "unknown".to_owned(),
    }
}

/// With four digits at most behind the point.
fn number(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 => format!("{number}"),
        Some(number) => format!("{number:.4}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => String::new(),
    }
}
