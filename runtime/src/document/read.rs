//! From the tree of a document to the graph it means.

use super::fault::{Faults, Path};
use super::tree::{Located, Value, cut};
use callboard_core::{
    Budget, Graph, Json, ParseAmountError, Priority, Requirement, Retry, TaskSpec, Timeouts, closest,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The keys of the document itself; the schema has the same, and a test says so.
pub(super) const DOCUMENT_KEYS: &[&str] = &["name", "tasks", "timeout", "budget", "labels", "tenant"];
/// The keys of a task.
pub(super) const TASK_KEYS: &[&str] = &[
    "capability",
    "input",
    "after",
    "priority",
    "retry",
    "timeout",
    "start_timeout",
    "heartbeat_timeout",
    "losses",
    "requires",
];
/// The keys of a task's `retry`.
pub(super) const RETRY_KEYS: &[&str] = &["retries", "base", "factor", "cap"];

/// Priorities that have names.
pub(super) const PRIORITIES: [(&str, Priority); 5] = [
    ("critical", Priority::Critical),
    ("high", Priority::High),
    ("medium", Priority::Medium),
    ("low", Priority::Low),
    ("background", Priority::Background),
];

/// What stands for a name that is missing or no text, which has been told: so that it is not told twice.
const STAND_IN: &str = "missing";

/// Reads the graph. What has a fault is told and left at its default, so that the rest can be looked at.
pub(super) fn graph(root: &Located, faults: &mut Faults) -> Graph {
    let mut path = Path::default();
    let mut reader = Reader { faults, path: &mut path };
    reader.known(root, "the document", DOCUMENT_KEYS);
    let name = reader.required(root, "name", text).unwrap_or_else(|| STAND_IN.to_owned());
    Graph {
        name,
        tasks: reader.required(root, "tasks", tasks).unwrap_or_else(|| vec![Arc::new(stand_in(STAND_IN))]),
        timeout_ms: reader.optional(root, "timeout", duration),
        budget: reader.optional(root, "budget", budget),
        tenant: reader.optional(root, "tenant", text),
        labels: reader.optional(root, "labels", labels).unwrap_or_default(),
        trace: None,
    }
}

fn stand_in(name: &str) -> TaskSpec {
    TaskSpec::new(name, STAND_IN, Json::null())
}

/// Where the reading is, and what it has found.
struct Reader<'a> {
    faults: &'a mut Faults,
    path: &'a mut Path,
}

impl Reader<'_> {
    fn fault(&mut self, at: &Located, message: impl Into<String>) {
        // What was refused has been told.
        if !matches!(at.value, Value::Refused(_)) {
            self.faults.add(at.place, self.path, message);
        }
    }

    fn wanted(&mut self, at: &Located, what: &str) {
        self.fault(at, format!("wants {what}, not {}", at.seen()));
    }

    /// Checks that `map` is a map, and tells the keys that are not known.
    fn known(&mut self, map: &Located, what: &str, keys: &[&str]) {
        if !matches!(map.value, Value::Map(_)) {
            return self.fault(map, format!("{what} is a map, not {}", map.seen()));
        }
        for member in map.members().iter().filter(|member| !keys.contains(&member.key.name.as_str())) {
            let hint = match closest(&member.key.name, keys.iter().copied()) {
                Some(key) => format!("the closest is {key:?}"),
                None => format!("there are {}", keys.join(", ")),
            };
            let (faults, place) = (&mut *self.faults, member.key.place);
            self.path.at_key(&member.key.name, |path| {
                faults.add(place, path, format!("there is no such key; {hint}"));
            });
        }
    }

    fn optional<T>(&mut self, map: &Located, key: &str, read: fn(&mut Reader<'_>, &Located) -> Option<T>) -> Option<T> {
        let value = map.get(key)?;
        let faults = &mut *self.faults;
        self.path.at_key(key, |path| read(&mut Reader { faults, path }, value))
    }

    fn required<T>(&mut self, map: &Located, key: &str, read: fn(&mut Reader<'_>, &Located) -> Option<T>) -> Option<T> {
        if matches!(map.value, Value::Map(_)) && map.get(key).is_none() {
            self.fault(map, format!("the key {key:?} is missing"));
        }
        self.optional(map, key, read)
    }

    fn items<T>(
        &mut self,
        list: &Located,
        what: &str,
        read: fn(&mut Reader<'_>, &Located) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::List(items) = &list.value else {
            self.wanted(list, what);
            return None;
        };
        let read = |(n, item): (usize, &Located)| {
            let faults = &mut *self.faults;
            self.path.at_index(n, |path| read(&mut Reader { faults, path }, item))
        };
        // What has a fault is left out: the fault is told already.
        Some(items.iter().enumerate().filter_map(read).collect())
    }
}

fn tasks(reader: &mut Reader<'_>, tasks: &Located) -> Option<Vec<Arc<TaskSpec>>> {
    if !matches!(tasks.value, Value::Map(_)) {
        reader.wanted(tasks, "a map from names to tasks");
        return None;
    }
    let task = |member: &super::tree::Member| {
        let (name, faults) = (&member.key.name, &mut *reader.faults);
        reader.path.at_key(name, |path| Arc::new(task(&mut Reader { faults, path }, name, &member.value)))
    };
    Some(tasks.members().iter().map(task).collect())
}

fn task(reader: &mut Reader<'_>, name: &str, task: &Located) -> TaskSpec {
    reader.known(task, "a task", TASK_KEYS);
    TaskSpec {
        capability: reader.required(task, "capability", text).map_or_else(|| STAND_IN.into(), Into::into),
        input: reader.optional(task, "input", json).unwrap_or_else(no_fields),
        after: reader.optional(task, "after", names).unwrap_or_default(),
        priority: reader.optional(task, "priority", priority).unwrap_or_default(),
        retry: reader.optional(task, "retry", retry),
        timeouts: Timeouts {
            start_ms: reader.optional(task, "start_timeout", duration),
            attempt_ms: reader.optional(task, "timeout", duration),
            heartbeat_ms: reader.optional(task, "heartbeat_timeout", duration),
        },
        losses_max: reader.optional(task, "losses", whole),
        requires: reader.optional(task, "requires", requirements).unwrap_or_default().into(),
        ..stand_in(name)
    }
}

/// What a task is given if it says nothing: a request without fields.
fn no_fields() -> Json {
    Json::parse("{}").expect("an empty object is JSON")
}

fn json(reader: &mut Reader<'_>, value: &Located) -> Option<Json> {
    let mut text = String::new();
    value.write_json(&mut text);
    Json::parse(text).map_err(|error| reader.fault(value, format!("has no JSON form: {error}"))).ok()
}

fn text(reader: &mut Reader<'_>, value: &Located) -> Option<String> {
    let Value::Text(text) = &value.value else {
        reader.wanted(value, "a text");
        return None;
    };
    Some(text.clone())
}

fn names(reader: &mut Reader<'_>, value: &Located) -> Option<Vec<String>> {
    reader.items(value, "a list of names of tasks", text)
}

fn requirements(reader: &mut Reader<'_>, value: &Located) -> Option<Vec<Requirement>> {
    reader.items(value, "a list of requirements", |reader, item| {
        let requirement = text(reader, item)?.parse::<Requirement>();
        requirement.map_err(|error| reader.fault(item, error.to_string())).ok()
    })
}

fn labels(reader: &mut Reader<'_>, labels: &Located) -> Option<BTreeMap<String, String>> {
    if !matches!(labels.value, Value::Map(_)) {
        reader.wanted(labels, "a map from names to texts");
        return None;
    }
    let label = |member: &super::tree::Member| {
        let (name, faults) = (&member.key.name, &mut *reader.faults);
        let value = reader.path.at_key(name, |path| text(&mut Reader { faults, path }, &member.value))?;
        Some((name.clone(), value))
    };
    Some(labels.members().iter().filter_map(label).collect())
}

/// Amounts with commas between.
fn budget(reader: &mut Reader<'_>, value: &Located) -> Option<Budget> {
    let Value::Text(text) = &value.value else {
        reader.wanted(value, "amounts such as \"0.50usd, 60000tokens, 12calls, 10m\"");
        return None;
    };
    text.parse().map_err(|error: ParseAmountError| reader.fault(value, error.to_string())).ok()
}

fn duration(reader: &mut Reader<'_>, value: &Located) -> Option<u64> {
    let Value::Text(text) = &value.value else {
        reader.wanted(value, "a duration such as \"30s\"");
        return None;
    };
    match humantime::parse_duration(text) {
        Ok(duration) if duration.subsec_nanos() % 1_000_000 != 0 => {
            reader.fault(value, format!("{:?} is finer than a millisecond, the shortest there is", cut(text)));
            None
        }
        Ok(duration) => millis(duration).or_else(|| {
            reader.fault(value, format!("{:?} is longer than can be counted", cut(text)));
            None
        }),
        Err(error) => {
            reader.fault(value, format!("{:?} is no duration such as \"30s\": {error}", cut(text)));
            None
        }
    }
}

fn millis(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_millis()).ok()
}

fn priority(reader: &mut Reader<'_>, value: &Located) -> Option<Priority> {
    let known = match &value.value {
        Value::Text(text) => PRIORITIES.iter().find(|(name, _)| name == text).map(|(_, priority)| *priority),
        Value::Number(number) => number.parse().ok().and_then(Priority::new),
        _ => None,
    };
    if known.is_none() {
        let hint = match &value.value {
            Value::Text(text) => closest(text, PRIORITIES.map(|(name, _)| name)),
            _ => None,
        };
        let hint = hint.map_or_else(String::new, |name| format!("; the closest is {name:?}"));
        let seen = value.seen();
        reader.fault(
            value,
            format!("wants critical, high, medium, low, background or a number from 0 to 10, not {seen}{hint}"),
        );
    }
    known
}

fn retry(reader: &mut Reader<'_>, retry: &Located) -> Option<Retry> {
    reader.known(retry, "a retry", RETRY_KEYS);
    let default = Retry::default();
    Some(Retry {
        retries: reader.optional(retry, "retries", whole).unwrap_or(default.retries),
        base_ms: reader.optional(retry, "base", duration).unwrap_or(default.base_ms),
        factor_permille: reader.optional(retry, "factor", permille).unwrap_or(default.factor_permille),
        cap_ms: reader.optional(retry, "cap", duration).unwrap_or(default.cap_ms),
    })
}

fn whole(reader: &mut Reader<'_>, value: &Located) -> Option<u32> {
    let number = match &value.value {
        Value::Number(number) => number.parse().ok(),
        _ => None,
    };
    if number.is_none() {
        reader.wanted(value, &format!("a whole number from 0 to {}", u32::MAX));
    }
    number
}

/// A decimal number with at most three places, in thousandths.
fn permille(reader: &mut Reader<'_>, value: &Located) -> Option<u32> {
    let number = match &value.value {
        Value::Number(number) => {
            let (whole, places) = number.split_once('.').unwrap_or((number, ""));
            let places = places.trim_end_matches('0');
            let digits = format!("{whole}{places:0<3}");
            (places.len() <= 3).then(|| digits.parse().ok()).flatten()
        }
        _ => None,
    };
    if number.is_none() {
        let max = u32::MAX / 1_000;
        reader.wanted(value, &format!("a number from 0 to {max} with at most three decimal places"));
    }
    number
}
