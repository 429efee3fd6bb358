//! The names of queues.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest name, in bytes: a short string of AMQP less room for the name space's prefix.
pub const NAME_BYTES_MAX: usize = 200;

/// The name of a queue, without the name space's prefix; cheap to clone.
///
/// 1 to [`NAME_BYTES_MAX`] bytes of `[A-Za-z0-9._=-]`, and not starting with `amq.`, which brokers keep for themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct QueueName(Arc<str>);

/// A text that cannot name a queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a name of a queue (1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ = -, not \"amq.\"): {0:?}")]
pub struct InvalidName(pub String);

impl QueueName {
    /// Where the tasks that need a capability wait: `capability.<name>.v1`.
    ///
    /// # Errors
    /// [`InvalidName`] when `capability` holds what a name must not.
    pub fn capability(capability: &str) -> Result<Self, InvalidName> {
        part(capability)?;
        format!("capability.{capability}.v1").parse()
    }

    /// Where one agent receives tasks meant for it alone: `agent.<id>.tasks`.
    ///
    /// # Errors
    /// [`InvalidName`] when `agent` holds what a name must not.
    pub fn agent_tasks(agent: &str) -> Result<Self, InvalidName> {
        part(agent)?;
        format!("agent.{agent}.tasks").parse()
    }

    /// Where one agent receives answers: `agent.<id>.responses`.
    ///
    /// # Errors
    /// [`InvalidName`] when `agent` holds what a name must not.
    pub fn agent_responses(agent: &str) -> Result<Self, InvalidName> {
        part(agent)?;
        format!("agent.{agent}.responses").parse()
    }

    /// What is meant for one node: `node.<id>`.
    ///
    /// # Errors
    /// [`InvalidName`] when `node` holds what a name must not.
    pub fn node(node: &str) -> Result<Self, InvalidName> {
        part(node)?;
        format!("node.{node}").parse()
    }

    /// What is meant for the owner of a partition, results first of all: `partition.<n>`.
    pub fn partition(partition: u32) -> Self {
        Self(format!("partition.{partition}").into())
    }

    /// Control (cancel, stop, pause), consumed apart so that it overtakes: `orchestrator.priority`.
    pub fn orchestrator_priority() -> Self {
        Self("orchestrator.priority".into())
    }

    /// Where malformed messages end: `agent.dead`.
    pub fn dead() -> Self {
        Self("agent.dead".into())
    }

    /// Whether it is [`node`](Self::node)'s.
    pub(crate) fn is_node(&self) -> bool {
        self.0.starts_with("node.")
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Refuses an empty part, which would give `agent..tasks`.
fn part(text: &str) -> Result<(), InvalidName> {
    if text.is_empty() { Err(InvalidName(text.to_owned())) } else { Ok(()) }
}

impl FromStr for QueueName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._=-".contains(&b);
        let sized = (1..=NAME_BYTES_MAX).contains(&text.len());
        if sized && text.bytes().all(allowed) && !text.starts_with("amq.") {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for QueueName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<QueueName> for String {
    fn from(name: QueueName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
