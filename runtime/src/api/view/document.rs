//! Documents and their versions as JSON.

use super::Moment;
use crate::state::Outline;
use crate::{Author, Version};
use callboard_core::Json;
use schemars::JsonSchema;
use serde::Serialize;
use std::ops::Not;
use std::sync::Arc;

/// A version of a document.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct DocumentView {
    key: String,
    version: u64,
    at: Moment,
    node: Arc<str>,
    by: Vec<Author>,
    value: Json,
}

impl DocumentView {
    pub(in super::super) fn new(key: String, version: Version<Json>) -> Self {
        let Version { value, number, at, node, by } = version;
        Self { key, version: number, at: Moment(at), node, by, value }
    }
}

/// A version without its value.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct OutlineView {
    version: u64,
    at: Moment,
    node: Arc<str>,
    by: Vec<Author>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Not::not")]
    is_deleted: bool,
}

impl From<Outline> for OutlineView {
    fn from(outline: Outline) -> Self {
        let Version { value: bytes, number, at, node, by } = outline;
        Self { version: number, at: Moment(at), node, by, bytes, is_deleted: bytes.is_none() }
    }
}

/// A key, and the number of its newest version.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct KeyView {
    pub(in super::super) key: String,
    pub(in super::super) version: u64,
}

impl From<(String, u64)> for KeyView {
    fn from((key, version): (String, u64)) -> Self {
        Self { key, version }
    }
}
