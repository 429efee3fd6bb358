//! What a version of a document holds.

use callboard_core::{Json, Millis};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// The body of a version in the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// What the document says; absent in a version that says that it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Json>,
    /// When it was written, by the clock of who wrote it.
    pub(super) at: Millis,
    /// The node that wrote it.
    pub(super) node: Arc<str>,
    /// Who wanted it, in words, or the run and the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<Arc<str>>,
    /// The id of the write: no other version of the document has it.
    pub(super) write: Arc<str>,
    /// Those of the last writes before it that are made once although they may be tried again, the newest last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) earlier: VecDeque<(Arc<str>, u64)>,
}

/// How many writes a version remembers of those before it.
pub(super) const EARLIER_MAX: usize = 128;

impl Body {
    /// What the next version remembers.
    pub(super) fn remembered(&self, number: u64) -> VecDeque<(Arc<str>, u64)> {
        let mut earlier = self.earlier.clone();
        if self.write.starts_with(TASK) {
            earlier.push_back((self.write.clone(), number));
            while earlier.len() > EARLIER_MAX {
                earlier.pop_front();
            }
        }
        earlier
    }
}

/// What the id of a write begins with that is made by a task, and may be tried again much later.
pub(super) const TASK: &str = "task:";
