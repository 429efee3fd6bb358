//! JSON that is carried and never looked into.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// A JSON text, kept as it was written but for line breaks between values; cheap to clone.
///
/// It never contains a line break, so that it fits into a line of the journal.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// The JSON `null`.
    pub fn null() -> Self {
        Self(Arc::from(RawValue::NULL.to_owned()))
    }

    /// Checks `text` and keeps it.
    ///
    /// # Errors
    ///
    /// What serde_json says of a text that is not one JSON value.
    pub fn parse(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text.into()).and_then(on_one_line)
    }

    /// The JSON of `value`.
    ///
    /// # Errors
    ///
    /// What serde_json says of a value that has no JSON form (a map with keys that are no strings).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).and_then(on_one_line)
    }

    /// Reads a field that may be left out. What is there is there, also when it is `null`, which an `Option` alone would
    /// take for nothing.
    ///
    /// # Errors
    ///
    /// Those of the deserializer.
    pub fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        Self::deserialize(deserializer).map(Some)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The raw value, to be read by serde_json without a copy.
    pub fn raw(&self) -> &RawValue {
        &self.0
    }
}

/// In valid JSON a raw line break is white space, never part of a string, so a blank says the same.
fn on_one_line(raw: Box<RawValue>) -> Result<Json, serde_json::Error> {
    if !raw.get().contains(['\n', '\r']) {
        return Ok(Json(raw.into()));
    }
    RawValue::from_string(raw.get().replace(['\n', '\r'], " ")).map(|raw| Json(raw.into()))
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        on_one_line(Box::<RawValue>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A task's output: in the journal itself when it is small, else by the hash of its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Payload {
    /// The JSON itself.
    Json(Json),
    /// JSON in the store, under its BLAKE3 hash in hex.
    Stored {
        /// The hash.
        hash: Arc<str>,
        /// The length in bytes.
        bytes: u64,
    },
}

impl Payload {
    /// `true` or `false`.
    pub(crate) fn of_bool(value: bool) -> Self {
        Self::Json(Json::of(&value).unwrap_or_else(|_| Json::null()))
    }

    /// The length in bytes of the JSON it stands for.
    pub fn len(&self) -> u64 {
        match self {
            Self::Json(json) => json.as_str().len() as u64,
            Self::Stored { bytes, .. } => *bytes,
        }
    }

    /// Whether that length is zero, which no JSON text has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
