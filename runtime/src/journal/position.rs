//! A place in a partition's log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A place in a partition's log: a slot of an epoch. Written `epoch/slot`, ordered as the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Position {
    /// The tenure of one owner, from 1, only ever growing.
    pub(crate) epoch: u64,
    /// The place in the epoch, from 1; 0 stands before the first.
    pub(crate) slot: u64,
}

impl Position {
    /// The position before everything (J1).
    pub(crate) const START: Self = Self { epoch: 1, slot: 0 };

    /// The next slot of the same epoch.
    pub(crate) fn next_slot(self) -> Self {
        Self { slot: self.slot + 1, ..self }
    }

    /// The place before the first slot of the next epoch.
    pub(crate) fn next_epoch(self) -> Self {
        Self { epoch: self.epoch + 1, slot: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.epoch, self.slot)
    }
}

/// A text that is not `epoch/slot`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is written epoch/slot, in decimal digits: {0:?}")]
pub(crate) struct NotAPosition(String);

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        text.split_once('/')
            .and_then(|(epoch, slot)| Some(Self { epoch: digits(epoch)?, slot: digits(slot)? }))
            .ok_or_else(|| NotAPosition(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for Position {
    type Error = NotAPosition;

    fn try_from(text: String) -> Result<Self, NotAPosition> {
        text.parse()
    }
}

impl From<Position> for String {
    fn from(position: Position) -> Self {
        position.to_string()
    }
}

/// The largest number of an epoch, a slot, a version or a page: so that the next ones always exist.
pub(super) const NUMBER_MAX: u64 = u64::MAX / 2;

/// A number of decimal digits alone, up to [`NUMBER_MAX`]; `u64::from_str` would also take a plus sign.
pub(super) fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| plain && *number <= NUMBER_MAX)
}
