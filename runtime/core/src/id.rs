//! Names of things: ids, tokens, priorities and moments.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A text that should have been an id, and is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: {seen:?}")]
pub struct ParseIdError {
    what: &'static str,
    seen: String,
}

impl ParseIdError {
    fn new(what: &'static str, seen: &str) -> Self {
        Self { what, seen: seen.chars().take(80).collect() }
    }
}

/// Names one execution of a workflow; 128 bits, written as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

impl RunId {
    /// Wraps a UUID that the shell has drawn.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// The id of the run that carries the idempotency key `key` in name space `namespace`.
    ///
    /// The same key always gives the same id, so the run itself is the record of the key: whoever repeats a
    /// submission finds the run that is there. The id is a UUID of version 8 (RFC 9562) over BLAKE3.
    pub fn from_key(namespace: &str, key: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("callboard 2026 run id from an idempotency key");
        hasher.update(&(namespace.len() as u64).to_le_bytes());
        hasher.update(namespace.as_bytes());
        hasher.update(key.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The partition, of `partitions`, to which this run belongs: a stable hash of the id.
    ///
    /// # Panics
    ///
    /// If `partitions` is zero.
    pub fn partition(&self, partitions: u16) -> u16 {
        let hash = blake3::hash(self.0.as_bytes());
        let mut low = [0; 8];
        low.copy_from_slice(&hash.as_bytes()[..8]);
        (u64::from_le_bytes(low) % u64::from(partitions)) as u16
    }

    /// The 16 bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError::new("run id", text))
    }
}

/// The place of a task in its run, from 0 in the order of the author's graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct TaskIndex(pub u32);

impl TaskIndex {
    /// The index as a position in a slice.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for TaskIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One task of one run, written `<run>/<index>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskRef {
    /// The run.
    pub run: RunId,
    /// The task in it.
    pub task: TaskIndex,
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.task)
    }
}

impl FromStr for TaskRef {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseIdError::new("task id", text);
        let (run, task) = text.split_once('/').ok_or_else(bad)?;
        Ok(Self { run: run.parse()?, task: TaskIndex(task.parse().map_err(|_| bad())?) })
    }
}

/// The fencing token of a task: which attempt, and which hand-out of that attempt.
///
/// Both count from 1; a token never comes back, and later tokens are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token {
    /// The attempt, from 1. The next attempt is a retry.
    pub attempt: u32,
    /// The hand-out of this attempt, from 1. The next activation uses no retry.
    pub activation: u32,
}

impl Token {
    /// The first hand-out of the first attempt.
    pub const FIRST: Self = Self { attempt: 1, activation: 1 };

    /// The same attempt, handed out once more.
    pub const fn next_activation(self) -> Self {
        Self { attempt: self.attempt, activation: self.activation.saturating_add(1) }
    }

    /// The first hand-out of the next attempt.
    pub const fn next_attempt(self) -> Self {
        Self { attempt: self.attempt.saturating_add(1), activation: 1 }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.attempt, self.activation)
    }
}

impl FromStr for Token {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseIdError::new("token", text);
        let (attempt, activation) = text.split_once('.').ok_or_else(bad)?;
        let number = |t: &str| t.parse().ok().filter(|n| *n > 0).ok_or_else(bad);
        Ok(Self { attempt: number(attempt)?, activation: number(activation)? })
    }
}

/// One instance of an agent in one life of one node, written `<node>/<agent>#<number>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// The instance `agent` (with its number) of the node life `node`. `node` must not contain a slash.
    pub fn new(node: &str, agent: &str) -> Self {
        Self(format!("{node}/{agent}").into())
    }

    /// The agent that it is an instance of: what stands between the slash and the number sign.
    pub fn agent(&self) -> &str {
        let instance = self.0.split_once('/').map_or("", |(_, instance)| instance);
        instance.rsplit_once('#').map_or(instance, |(agent, _)| agent)
    }

    /// The node life that hosts it.
    pub fn node(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(node, _)| node)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InstanceId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((node, agent)) if !node.is_empty() && !agent.is_empty() => Ok(Self(text.into())),
            _ => Err(ParseIdError::new("instance id", text)),
        }
    }
}

/// How urgent a task is: 0 to 10, 5 by default. A more urgent task of a capability starts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

#[expect(non_upper_case_globals, reason = "they read as the variants of an enum, which is what they are to a user")]
impl Priority {
    /// 10.
    pub const Critical: Self = Self(10);
    /// 7.
    pub const High: Self = Self(7);
    /// 5, the default.
    pub const Medium: Self = Self(5);
    /// 3.
    pub const Low: Self = Self(3);
    /// 1.
    pub const Background: Self = Self(1);

    /// A priority by number, or `None` above 10.
    pub const fn new(level: u8) -> Option<Self> {
        if level <= 10 { Some(Self(level)) } else { None }
    }

    /// The number, 0 to 10.
    pub const fn level(self) -> u8 {
        self.0
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::Medium
    }
}

impl TryFrom<u8> for Priority {
    type Error = String;

    fn try_from(level: u8) -> Result<Self, Self::Error> {
        Self::new(level).ok_or_else(|| format!("a priority is a number from 0 to 10, not {level}"))
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

/// A moment, in milliseconds since 1970-01-01 UTC, as told by the shell's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// The moment `by` later; a duration out of range leads to the end of time, never round it.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}
