//! What the operations are asked with, and what they answer.

use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    pub(super) path: String,
    #[serde(rename = "as")]
    pub(super) form: Option<Form>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    Text,
    Base64,
}

#[derive(Debug, Serialize)]
pub(super) struct Content {
    pub(super) path: String,
    pub(super) bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base64: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Write {
    pub(super) path: String,
    pub(super) text: Option<String>,
    pub(super) base64: Option<String>,
    #[serde(default)]
    pub(super) if_exists: IfExists,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IfExists {
    #[default]
    Replace,
    Refuse,
}

#[derive(Debug, Serialize)]
pub(super) struct Written {
    pub(super) path: String,
    pub(super) bytes: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    #[serde(default)]
    pub(super) path: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Listed {
    pub(super) path: String,
    pub(super) entries: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
}
