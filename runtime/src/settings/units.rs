//! Durations and sizes with their units.

use serde::{Deserialize, Deserializer, de};
use std::time::Duration;

/// A duration: `"250ms"`, `"30s"`, `"1h 30m"`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|error| de::Error::custom(format!("{text:?} is no duration such as \"30s\": {error}")))
}

/// A size in bytes: `"64KiB"`, `"8MiB"`.
pub(super) fn bytes<'de, D: Deserializer<'de>, N: TryFrom<u64>>(deserializer: D) -> Result<N, D::Error> {
    let text = String::deserialize(deserializer)?;
    let size: bytesize::ByteSize =
        text.parse().map_err(|error| de::Error::custom(format!("{text:?} is no size such as \"8MiB\": {error}")))?;
    N::try_from(size.as_u64()).map_err(|_| de::Error::custom(format!("{text:?} is too large for this machine")))
}
