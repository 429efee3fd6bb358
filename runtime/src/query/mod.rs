//! Questions about runs and tasks: how things stand, in pages.
//!
//! What goes on is answered by the partitions, in bounded pieces and only when it is durable; what has ended long ago is
//! read from the archive, outside of any partition.

mod all_tasks;
mod cursor;
mod dead_letters;
pub(crate) mod filter;
mod info;
mod pending;
mod runs;
mod tasks;
mod why;

#[cfg(test)]
mod tests;

pub use all_tasks::{AllTasks, RunTask};
pub(crate) use cursor::{ArchivePlace, At, Place};
pub use cursor::{Cursor, Page};
pub use dead_letters::{DeadLetter, DeadLetters};
pub use info::{FailedAttempt, RunInfo, RunStatus, TaskInfo};
pub use pending::{ApprovalId, EffectId, OpenApproval, Pending, UnknownEffect};
pub(crate) use pending::{Item as PendingItem, Kind as PendingKind};
pub use runs::Runs;
pub use tasks::Tasks;
pub use why::{Cause, Elsewhere, Why};

use crate::{Error, ErrorKind, Result};

/// How much a page holds unless somebody says otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

pub(crate) fn checked(limit: usize) -> Result<usize> {
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Error::new(ErrorKind::Invalid, format!("the limit of a page is 1 to {LIMIT_MAX}, not {limit}")))
}
