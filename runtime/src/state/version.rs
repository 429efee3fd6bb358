//! What a version of a document holds.

use super::chain::Fence;
use crate::{Error, ErrorKind};
use callboard_core::sabotage::{self, Sabotage};
use callboard_core::{Json, Millis, RunId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

/// Who has written, for whoever reads the history of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Author {
    /// Who, in words: what [`Document::by`](crate::Document::by) says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// The run of the task that wrote it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The name of that task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Arc<str>>,
    /// What [`Document::label`](crate::Document::label) says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
}

/// In words: the name, or the task and its run. Empty for nobody that is known.
impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.task, &self.run) {
            (Some(name), ..) => f.write_str(name),
            (None, Some(task), Some(run)) => write!(f, "task {task:?} of run {run}"),
            (None, _, Some(run)) => write!(f, "run {run}"),
            (None, ..) => Ok(()),
        }
    }
}

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
    /// The writes that share it, in their order.
    pub(super) writes: Vec<Made>,
    /// Those of the last writes before it that are made once although they may be tried again, the newest last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) earlier: VecDeque<(Arc<str>, u64)>,
    /// Of each lock under which it was used, the newest token: who holds an older one writes no more.
    #[serde(default, skip_serializing_if = "Fences::is_empty")]
    pub(super) fences: Fences,
}

/// One of the writes of a version.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    /// No other write of the document has it.
    pub(super) id: Arc<str>,
    /// Who wanted it.
    pub(super) by: Author,
}

/// How many writes a version remembers of those before it.
pub(super) const EARLIER_MAX: usize = 128;

/// What the id of a write begins with that is made by a task, and may be tried again much later.
pub(super) const TASK: &str = "task:";
/// The same for one that was spooled.
pub(super) const SPOOL: &str = "spool:";

/// Whether a write of this id may be tried again, by somebody who does not know whether it was made.
pub(super) fn is_remembered(id: &str) -> bool {
    id.starts_with(TASK) || id.starts_with(SPOOL)
}

impl Body {
    /// Whether it holds this write.
    pub(super) fn holds(&self, id: &str) -> bool {
        self.writes.iter().any(|made| *made.id == *id)
    }

    /// What the next version remembers.
    pub(super) fn remembered(&self, number: u64) -> VecDeque<(Arc<str>, u64)> {
        let mut earlier = self.earlier.clone();
        let made = self.writes.iter().filter(|made| is_remembered(&made.id));
        earlier.extend(made.map(|made| (made.id.clone(), number)));
        while earlier.len() > EARLIER_MAX {
            earlier.pop_front();
        }
        earlier
    }

    /// Who wrote it, in words.
    pub(super) fn authors(&self) -> String {
        in_words(self.writes.iter().map(|made| &made.by), &self.node)
    }
}

/// Who wrote something on a node, in words.
pub(super) fn in_words<'a>(authors: impl Iterator<Item = &'a Author>, node: &str) -> String {
    let authors: Vec<_> = authors.map(Author::to_string).filter(|by| !by.is_empty()).collect();
    match authors.as_slice() {
        [] => format!("node {node}"),
        [one] => format!("{one}, on node {node}"),
        [.., last] => format!("{last} and {} others, on node {node}", authors.len() - 1),
    }
}

/// The newest token of each lock, those used last at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fences(VecDeque<(Arc<str>, u64)>);

/// How many locks a document knows: those under which it was used last.
const FENCES_MAX: usize = 32;

impl Fences {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The newest token of a lock under which the document was used.
    pub(super) fn of(&self, lock: &str) -> Option<u64> {
        self.0.iter().find(|(name, _)| **name == *lock).map(|(_, token)| *token)
    }

    /// Why whoever has this lock may not write any more, if that is so.
    pub(super) fn refuses(&self, key: &str, fence: Option<&Fence>) -> Option<Error> {
        let fence = fence?;
        let held =
            self.of(&fence.lock).filter(|held| *held > fence.token && !sabotage::is(Sabotage::NoFenceVersion))?;
        let message = format!(
            "document {key:?} is used under lock {:?} with token {held}: token {} has been followed",
            fence.lock, fence.token
        );
        Some(Error::new(ErrorKind::Fenced, message))
    }

    /// Notes that it was used under this one.
    pub(super) fn raise(&mut self, lock: &Arc<str>, token: u64) {
        self.0.retain(|(name, _)| name != lock);
        self.0.push_back((lock.clone(), token));
        while self.0.len() > FENCES_MAX {
            self.0.pop_front();
        }
    }
}
