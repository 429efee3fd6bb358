//! Pages, and where the next one begins.

use crate::{Error, ErrorKind};
use callboard_core::{Millis, RunId, TaskIndex};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

/// Some of the answers to a question.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T, C = Cursor> {
    /// The answers, in order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` if this is the last. The next page may turn out to be empty.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    pub(crate) fn new(items: Vec<T>, next: Option<C>) -> Self {
        Self { items, next }
    }
}

/// Where a page of runs or of dead letters begins: a text to be kept and given back, whose content says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the first page was asked for, by the clock of this node.
    pub(crate) since: Millis,
    pub(crate) at: At,
}

/// What a cursor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Among the runs in memory, behind this place.
    Live(Place),
    /// At the beginning of the archive.
    Archive,
    /// In the archive, behind this place.
    Page(ArchivePlace),
}

/// The place of a run, or of a task of it, among those in memory: the latest submission comes first, and within a run the
/// tasks in the order of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) submitted_at: Millis,
    pub(crate) run: RunId,
    pub(crate) task: Option<TaskIndex>,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |place: &Self| (Reverse(place.submitted_at), Reverse(place.run), place.task);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The place of a run, or of a task of it, in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArchivePlace {
    /// When the last run on the page ended: the page with the latest comes first.
    pub(crate) newest_ms: i64,
    pub(crate) partition: u16,
    pub(crate) page: u64,
    /// Of the runs on the page so many have been told, the one that ended last first.
    pub(crate) told: usize,
    /// Of the one that comes next the tasks up to this one.
    pub(crate) task: Option<TaskIndex>,
}

impl ArchivePlace {
    /// In which order pages come.
    pub(crate) fn key(&self) -> Reverse<(i64, u16, u64)> {
        Reverse((self.newest_ms, self.partition, self.page))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = |task: Option<TaskIndex>| task.map_or_else(String::new, |task| task.to_string());
        let since = self.since.0;
        match self.at {
            At::Live(place) => write!(f, "r_{since}_{}_{}_{}", place.submitted_at.0, place.run, task(place.task)),
            At::Archive => write!(f, "a_{since}"),
            At::Page(place) => {
                let ArchivePlace { newest_ms, partition, page, told, task: at } = place;
                write!(f, "a_{since}_{newest_ms}_{partition}_{page}_{told}_{}", task(at))
            }
        }
    }
}

impl FromStr for Cursor {
    type Err = Error;

    /// # Errors
    ///
    /// `Invalid` for what no page has given.
    fn from_str(text: &str) -> Result<Self, Error> {
        read(text).ok_or_else(|| {
            let seen: String = text.chars().take(80).collect();
            Error::new(ErrorKind::Invalid, format!("not the cursor of a page: {seen:?}"))
        })
    }
}

fn read(text: &str) -> Option<Cursor> {
    let words: Vec<&str> = text.split('_').collect();
    let (since, at) = match words[..] {
        ["a", since] => (since, At::Archive),
        ["r", since, at, run, index] => {
            let (submitted_at, run) = (Millis(at.parse().ok()?), run.parse().ok()?);
            (since, At::Live(Place { submitted_at, run, task: task(index)? }))
        }
        ["a", since, newest_ms, partition, page, told, index] => {
            let place = ArchivePlace {
                newest_ms: newest_ms.parse().ok()?,
                partition: partition.parse().ok()?,
                page: page.parse().ok()?,
                told: told.parse().ok()?,
                task: task(index)?,
            };
            (since, At::Page(place))
        }
        _ => return None,
    };
    Some(Cursor { since: Millis(since.parse().ok()?), at })
}

/// A task, or none; `None` for what is neither.
fn task(word: &str) -> Option<Option<TaskIndex>> {
    match word {
        "" => Some(None),
        word => word.parse().ok().map(|index| Some(TaskIndex(index))),
    }
}
