//! What is wrong with the settings of an agent.

use std::fmt;

/// One fault of a setting: which, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The setting, as a path below the settings of the agent: `timeout`, `arguments[2].input`.
    pub key: String,
    /// What is wrong with it, in lower case and without a full stop.
    pub message: String,
}

impl Fault {
    /// A fault of the setting `key`.
    pub fn new(key: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { key: key.into(), message: message.to_string() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

impl std::error::Error for Fault {}
