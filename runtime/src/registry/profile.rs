//! What is known of an agent.

use crate::breaker::BreakerState;
use callboard_core::{Json, Traits};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Something that an agent can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Capability {
    /// The key by which it is found: 1 to 128 of `A-Z a-z 0-9 . _ -`.
    pub name: Arc<str>,
    /// What it is good for, for people and for models.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The JSON Schema of its input, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Json>,
    /// The JSON Schema of its output, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Json>,
}

impl Capability {
    /// A capability of which only the name is known.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), description: String::new(), input_schema: None, output_schema: None }
    }

    /// Says what it is good for.
    #[must_use]
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), ..self }
    }

    /// Gives the JSON Schema of its input.
    #[must_use]
    pub fn input_schema(self, schema: Json) -> Self {
        Self { input_schema: Some(schema), ..self }
    }

    /// Gives the JSON Schema of its output.
    #[must_use]
    pub fn output_schema(self, schema: Json) -> Self {
        Self { output_schema: Some(schema), ..self }
    }
}

/// What does not change about an agent while it lives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) id: Arc<str>,
    pub(crate) kind: Arc<str>,
    pub(crate) description: String,
    pub(crate) version: String,
    pub(crate) traits: Traits,
}

/// The longest label, constraint or tool, in bytes, as in the file of a described agent.
const TRAIT_BYTES_MAX: usize = 256;
/// Labels, constraints or tools of one agent.
const TRAITS_MAX: usize = 64;
/// The longest description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 4 << 10;
/// The longest version, in bytes.
const VERSION_BYTES_MAX: usize = 64;

impl Profile {
    /// What of it is too much or too little, in words; `agent` is what the agent is called.
    pub(crate) fn faults(&self, agent: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let texts =
            [("description", &self.description, DESCRIPTION_BYTES_MAX), ("version", &self.version, VERSION_BYTES_MAX)];
        for (what, text, max) in texts.into_iter().filter(|(_, text, max)| text.len() > *max) {
            let seen = text.len();
            faults.push(format!(
                "agent {agent:?}: its {what} takes {seen} bytes, more than the limit of {max} ({what}_bytes_max)"
            ));
        }
        let Traits { labels, constraints, tools } = &self.traits;
        let counts = [("labels", labels.len()), ("constraints", constraints.len()), ("tools", tools.len())];
        for (what, seen) in counts.into_iter().filter(|(_, seen)| *seen > TRAITS_MAX) {
            faults.push(format!(
                "agent {agent:?} has {seen} {what}, more than the limit of {TRAITS_MAX} (agent_{what}_max)"
            ));
        }
        let names = labels.keys().map(|key| ("label", key)).chain(constraints.keys().map(|key| ("constraint", key)));
        let names = names.chain(tools.iter().map(|tool| ("tool", tool)));
        let wrong = names.filter(|(_, name)| !(1..=TRAIT_BYTES_MAX).contains(&name.len()));
        faults.extend(wrong.map(|(what, name)| {
            format!("agent {agent:?}: the name of a {what} has 1 to {TRAIT_BYTES_MAX} bytes, not {}", name.len())
        }));
        let long = labels.iter().filter(|(_, value)| value.len() > TRAIT_BYTES_MAX);
        faults.extend(long.map(|(key, value)| {
            let (key, seen) = (key.chars().take(80).collect::<String>(), value.len());
            format!("agent {agent:?}: the value of its label {key:?} has at most {TRAIT_BYTES_MAX} bytes, not {seen}")
        }));
        faults
    }
}

/// Where an agent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AgentStatus {
    /// None of its instances runs yet.
    Starting,
    /// None of its instances has a task.
    Idle,
    /// Some of its instances have a task.
    Busy,
    /// All of its instances have a task.
    Full,
    /// It finishes what it has and takes no more.
    Draining,
}

/// An agent of this process at one moment.
#[derive(Clone, Debug)]
pub(crate) struct AgentState {
    pub(crate) profile: Arc<Profile>,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) status: AgentStatus,
    pub(crate) instances: usize,
    pub(crate) running: usize,
    pub(crate) health: f64,
    pub(crate) breaker: BreakerState,
    pub(crate) trouble: Option<String>,
}

/// An agent as the registry knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct AgentInfo {
    /// Its id.
    pub id: Arc<str>,
    /// What kind of agent it is: the name of its Rust type, or what a file says.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// The node life that hosts it.
    pub node: Arc<str>,
    /// What it is good for.
    #[serde(default)]
    pub description: String,
    /// Its version, as its author counts.
    #[serde(default)]
    pub version: String,
    /// What it can do at present.
    pub capabilities: Vec<Capability>,
    /// What it has that a task may require: labels, constraints and tools.
    #[serde(default)]
    pub traits: Traits,
    /// Where it stands.
    pub status: AgentStatus,
    /// Its instances: how many tasks it can perform at a time.
    pub instances: usize,
    /// Tasks that it performs or has before it, and instances that are at a message for longer.
    pub running: usize,
    /// How well its last attempts went, 0 to 1: one minus an exponentially weighted share of attempts that failed through
    /// it. An attempt weighs a fifth, and what has gone wrong is half forgotten after 30 s.
    pub health: f64,
    /// Where its circuit breaker stands; of an agent of another node, as that has last told the directory.
    #[serde(default)]
    pub breaker: BreakerState,
    /// Why it has no instance, if it has none and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl AgentInfo {
    /// The share of its instances that have a task, 0 to 1; 1 if it has no instance.
    pub fn load(&self) -> f64 {
        if self.instances == 0 { 1.0 } else { (self.running as f64 / self.instances as f64).min(1.0) }
    }

    /// What it can do, if it offers `capability`.
    pub fn capability(&self, capability: &str) -> Option<&Capability> {
        self.capabilities.iter().find(|offered| *offered.name == *capability)
    }
}
