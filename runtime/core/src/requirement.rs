//! What a task requires of the agent that performs it, and what an agent has.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// One thing that a task requires of the agent that performs it.
///
/// It is written as a text: `gpu` (the agent has such a label or constraint), `zone=eu` and `zone!=us` (its label is, is
/// not), `context_tokens>=100000` and `price<=0.5` (its constraint is at least, at most), `tool:git` (it has the tool).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Requirement {
    key: Arc<str>,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Test {
    Present,
    Is(Arc<str>),
    IsNot(Arc<str>),
    AtLeast(Amount),
    AtMost(Amount),
    Tool,
}

/// A decimal number with at most six places, so that every machine compares alike; up to 9 × 10¹² either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(i64);

/// What an agent has that a task may require.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Traits {
    /// Facts by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Bounds by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub constraints: BTreeMap<String, Amount>,
    /// The tools it can use.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tools: BTreeSet<String>,
}

/// All that a task requires: sorted, each once; usually nothing, which costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<Requirement>", into = "Vec<Requirement>")]
pub struct Requirements(Option<Arc<[Requirement]>>);

/// A text that is no requirement, or no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRequirementError {
    /// It has none of the forms.
    #[error(
        "not a requirement: {0:?}; write \"gpu\", \"zone=eu\", \"zone!=us\", \"memory_gb>=16\", \"price<=0.5\" or \"tool:git\""
    )]
    Requirement(String),
    /// It is no decimal number with at most six places.
    #[error("not a decimal number with at most six places: {0:?}")]
    Amount(String),
}

/// The longest key, value or tool, in bytes.
const TEXT_BYTES_MAX: usize = 256;

impl Requirement {
    /// What of `traits` keeps an agent from meeting this; `None` if it does.
    pub fn unmet(&self, traits: &Traits) -> Option<String> {
        if self.is_met_by(traits) {
            return None;
        }
        let has = match (traits.labels.get(&*self.key), traits.constraints.get(&*self.key)) {
            (Some(label), _) => format!("it is {label:?}"),
            (None, Some(amount)) => format!("it is {amount}"),
            (None, None) => "it has none".to_owned(),
        };
        Some(format!("{self} ({has})"))
    }

    /// Whether an agent with these traits meets this.
    pub fn is_met_by(&self, traits: &Traits) -> bool {
        let label = traits.labels.get(&*self.key);
        let amount = traits.constraints.get(&*self.key);
        match &self.test {
            Test::Present => label.is_some() || amount.is_some(),
            Test::Is(value) => label.is_some_and(|label| **label == **value),
            Test::IsNot(value) => label.is_none_or(|label| **label != **value),
            Test::AtLeast(bound) => amount.is_some_and(|amount| amount >= bound),
            Test::AtMost(bound) => amount.is_some_and(|amount| amount <= bound),
            Test::Tool => traits.tools.contains(&*self.key),
        }
    }
}

impl FromStr for Requirement {
    type Err = ParseRequirementError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseRequirementError::Requirement(text.chars().take(80).collect());
        let is_name = |name: &str| {
            let usable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
            (1..=TEXT_BYTES_MAX).contains(&name.len()) && name.bytes().all(usable)
        };
        // A value that begins with a sign is a form that does not exist, such as `zone==eu`.
        let is_value = |value: &str| {
            let sized = (1..=TEXT_BYTES_MAX).contains(&value.len());
            sized && !value.starts_with(['=', '<', '>', '!']) && !value.chars().any(char::is_control)
        };
        let (key, test) = if let Some(tool) = text.strip_prefix("tool:") {
            (tool.trim(), Test::Tool)
        } else if let Some((key, bound)) = text.split_once(">=") {
            (key.trim(), Test::AtLeast(bound.trim().parse()?))
        } else if let Some((key, bound)) = text.split_once("<=") {
            (key.trim(), Test::AtMost(bound.trim().parse()?))
        } else if let Some((key, value)) = text.split_once("!=") {
            (key.trim(), Test::IsNot(value.trim().into()))
        } else if let Some((key, value)) = text.split_once('=') {
            (key.trim(), Test::Is(value.trim().into()))
        } else {
            (text.trim(), Test::Present)
        };
        let value_is_good = match &test {
            Test::Is(value) | Test::IsNot(value) => is_value(value),
            _ => true,
        };
        if is_name(key) && value_is_good { Ok(Self { key: key.into(), test }) } else { Err(bad()) }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::Present => f.write_str(&self.key),
            Test::Is(value) => write!(f, "{}={value}", self.key),
            Test::IsNot(value) => write!(f, "{}!={value}", self.key),
            Test::AtLeast(bound) => write!(f, "{}>={bound}", self.key),
            Test::AtMost(bound) => write!(f, "{}<={bound}", self.key),
            Test::Tool => write!(f, "tool:{}", self.key),
        }
    }
}

impl TryFrom<String> for Requirement {
    type Error = ParseRequirementError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Requirement> for String {
    fn from(requirement: Requirement) -> Self {
        requirement.to_string()
    }
}

impl Amount {
    /// Places behind the point.
    const PLACES: usize = 6;
    const ONE: i64 = 1_000_000;

    /// A whole number; `None` if it is out of range.
    pub fn new(whole: i64) -> Option<Self> {
        whole.checked_mul(Self::ONE).map(Self)
    }
}

impl From<u32> for Amount {
    fn from(whole: u32) -> Self {
        Self(i64::from(whole) * Self::ONE)
    }
}

impl From<i32> for Amount {
    fn from(whole: i32) -> Self {
        Self(i64::from(whole) * Self::ONE)
    }
}

impl FromStr for Amount {
    type Err = ParseRequirementError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseRequirementError::Amount(text.chars().take(80).collect());
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
        let numeric = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !numeric(whole) || !numeric(places) || places.len() > Self::PLACES {
            return Err(bad());
        }
        let whole = whole.parse::<i64>().ok().and_then(|whole| whole.checked_mul(Self::ONE)).ok_or_else(bad)?;
        let places: i64 = format!("{places:0<width$}", width = Self::PLACES).parse().map_err(|_| bad())?;
        whole.checked_add(places).map(|amount| Self(sign * amount)).ok_or_else(bad)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, places) = (self.0.unsigned_abs() / Self::ONE as u64, self.0.unsigned_abs() % Self::ONE as u64);
        let sign = if self.0 < 0 { "-" } else { "" };
        if places == 0 {
            return write!(f, "{sign}{whole}");
        }
        let places = format!("{places:0>width$}", width = Self::PLACES);
        write!(f, "{sign}{whole}.{}", places.trim_end_matches('0'))
    }
}

impl TryFrom<String> for Amount {
    type Error = ParseRequirementError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

impl Requirements {
    /// Adds one.
    pub fn add(&mut self, requirement: Requirement) {
        *self = self.iter().cloned().chain([requirement]).collect::<Vec<_>>().into();
    }

    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All of them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Requirement> {
        self.0.iter().flat_map(|all| all.iter())
    }

    /// Whether an agent with these traits meets all of them.
    pub fn are_met_by(&self, traits: &Traits) -> bool {
        self.iter().all(|requirement| requirement.is_met_by(traits))
    }
}

impl From<Vec<Requirement>> for Requirements {
    fn from(mut all: Vec<Requirement>) -> Self {
        all.sort_unstable();
        all.dedup();
        Self((!all.is_empty()).then(|| all.into()))
    }
}

impl From<Requirements> for Vec<Requirement> {
    fn from(requirements: Requirements) -> Self {
        requirements.iter().cloned().collect()
    }
}

impl fmt::Display for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, requirement) in self.iter().enumerate() {
            write!(f, "{}{requirement}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
