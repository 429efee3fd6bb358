//! The form of a document as types: its schema is derived from them, and a graph is written by them.

use super::read::PRIORITIES;
use crate::schema::derived::schema_by;
use callboard_core::{Graph, Json, Priority, Requirement, Retry, TaskSpec, Timeouts};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The schema of a workflow document: what may be left out is what is left out when a graph is written.
pub(super) fn schema() -> Json {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    schema_by::<Document<'static>>(generator)
}

/// The document of a graph, as JSON.
pub(super) fn to_json(graph: &Graph) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Document::of(graph))
}

/// A workflow of Callboard: tasks, whose edges are the references in their inputs and their `after` lists.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Workflow", deny_unknown_fields)]
struct Document<'a> {
    /// What its author calls it.
    #[schemars(length(min = 1, max = 128))]
    name: &'a str,
    /// The longest that the whole run may take, from its submission.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span")]
    timeout: Option<Span>,
    /// What it may cost with all that it starts: amounts such as `0.50usd`, `60000tokens`, `12calls` and `10m`, with commas
    /// between.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    budget: Option<String>,
    /// On whose behalf it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    tenant: Option<&'a str>,
    /// What to find its runs by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    /// The tasks by their names, 1 to 128 bytes each.
    tasks: Tasks<'a>,
}

/// One task.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Task", deny_unknown_fields)]
struct DocumentTask<'a> {
    /// What an agent must be able to do.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,128}$"))]
    capability: &'a str,
    /// The request; `{}` if it is left out. `{"$from": "task"}` stands for the output of a task, `{"$all": ["a", "b"]}`
    /// for a list of outputs, `{"$literal": ...}` for data with such keys.
    #[serde(skip_serializing_if = "is_empty")]
    input: &'a Json,
    /// Tasks that must have completed first, beside those referred to.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    after: &'a [String],
    /// How urgent it is; medium by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Urgency")]
    priority: Option<Urgency>,
    /// When a failed attempt is followed by another.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DocumentRetry")]
    retry: Option<DocumentRetry>,
    /// The longest that an attempt may take, from its acceptance by an instance to its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span")]
    timeout: Option<Span>,
    /// The longest that it may wait for an instance, from being ready to acceptance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span")]
    start_timeout: Option<Span>,
    /// The longest silence between two heartbeats of its handler.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span")]
    heartbeat_timeout: Option<Span>,
    /// How often its work may be cut short by the death of its node before it is dead-lettered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    losses: Option<u32>,
    /// What the agent must have: `gpu`, `zone=eu`, `zone!=us`, `memory_gb>=16`, `price<=0.5`, `tool:git`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    requires: Vec<&'a Requirement>,
}

/// When a failed attempt is followed by another. The delay before retry n is base × factor^(n - 1), at most cap.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Retry", deny_unknown_fields)]
struct DocumentRetry {
    /// Retries after the first attempt; 3 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    retries: Option<u32>,
    /// Delay before the first retry; 2s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span")]
    base: Option<Span>,
    /// Growth of the delay from one retry to the next, with at most three decimal places; 2 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Factor")]
    factor: Option<Factor>,
    /// The longest delay; 60s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span")]
    cap: Option<Span>,
}

/// Milliseconds, written with units.
struct Span(u64);

/// A priority, by its name if it has one.
struct Urgency(Priority);

/// Thousandths, written as a decimal number.
struct Factor(u32);

/// Tasks in their order.
struct Tasks<'a>(&'a [Arc<TaskSpec>]);

impl<'a> Document<'a> {
    fn of(graph: &'a Graph) -> Self {
        // A trace is of one run and not of what its author wrote.
        let Graph { name, tasks, timeout_ms, budget, tenant, labels, trace: _ } = graph;
        let budget = budget.filter(|budget| !budget.is_none()).map(|budget| budget.to_string());
        Self { name, timeout: timeout_ms.map(Span), budget, tenant: tenant.as_deref(), labels, tasks: Tasks(tasks) }
    }
}

impl<'a> DocumentTask<'a> {
    fn of(spec: &'a TaskSpec) -> Self {
        let TaskSpec { name: _, capability, input, after, priority, retry, timeouts, losses_max, requires } = spec;
        let Timeouts { start_ms, attempt_ms, heartbeat_ms } = timeouts;
        Self {
            capability,
            input,
            after,
            priority: (*priority != Priority::default()).then_some(Urgency(*priority)),
            retry: retry.as_ref().map(DocumentRetry::of),
            timeout: attempt_ms.map(Span),
            start_timeout: start_ms.map(Span),
            heartbeat_timeout: heartbeat_ms.map(Span),
            losses: *losses_max,
            requires: requires.iter().collect(),
        }
    }
}

/// Whether an input says no more than one that is left out.
fn is_empty(input: &&Json) -> bool {
    input.as_str() == "{}"
}

impl DocumentRetry {
    fn of(retry: &Retry) -> Self {
        let (Retry { retries, base_ms, factor_permille, cap_ms }, default) = (*retry, Retry::default());
        Self {
            retries: (retries != default.retries).then_some(retries),
            base: (base_ms != default.base_ms).then_some(Span(base_ms)),
            factor: (factor_permille != default.factor_permille).then_some(Factor(factor_permille)),
            cap: (cap_ms != default.cap_ms).then_some(Span(cap_ms)),
        }
    }
}

impl Serialize for Tasks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for spec in self.0 {
            map.serialize_entry(&spec.name, &DocumentTask::of(spec))?;
        }
        map.end()
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(Duration::from_millis(self.0)))
    }
}

impl Serialize for Urgency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match PRIORITIES.iter().find(|(_, priority)| *priority == self.0) {
            Some((name, _)) => serializer.serialize_str(name),
            None => serializer.serialize_u8(self.0.level()),
        }
    }
}

impl Serialize for Factor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1_000) {
            serializer.serialize_u32(self.0 / 1_000)
        } else {
            // Seven digits and three places: what a float holds and prints exactly.
            serializer.serialize_f64(f64::from(self.0) / 1_000.0)
        }
    }
}

impl JsonSchema for Tasks<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Tasks".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let task = generator.subschema_for::<DocumentTask<'static>>();
        json_schema!({
            "type": "object",
            "additionalProperties": task,
            "minProperties": 1,
            "maxProperties": 100_000,
            "propertyNames": { "minLength": 1, "maxLength": 128 },
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration with a unit: 250ms, 30s, 1h 30m. A millisecond is the shortest.",
            "type": "string",
            "pattern": r"^\s*([0-9]+\s*[A-Za-zµ]+\s*)+$",
        })
    }
}

impl JsonSchema for Urgency {
    fn schema_name() -> Cow<'static, str> {
        "Priority".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "critical (10), high (7), medium (5), low (3), background (1), or a number from 0 to 10.",
            "oneOf": [
                { "enum": PRIORITIES.map(|(name, _)| name) },
                { "type": "integer", "minimum": 0, "maximum": 10 },
            ],
        })
    }
}

impl JsonSchema for Factor {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Factor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 4_294_967 })
    }
}
