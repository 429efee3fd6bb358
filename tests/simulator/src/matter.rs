//! What somebody outside looks after, through whichever process is up.

use crate::case::Case;
use crate::program::Deeds;
use crate::timetable::Timetable;
use callboard::Callboard;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;

/// A run, or a schedule.
#[derive(Clone)]
pub enum Matter {
    /// A run.
    Case(Arc<Case>),
    /// A schedule.
    Timetable(Arc<Timetable>),
}

impl Matter {
    /// Whether nobody needs to look after it any more.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self {
            Self::Case(case) => case.is_done(),
            Self::Timetable(table) => table.is_done(),
        }
    }

    /// What of it is not as it should be.
    #[must_use]
    pub fn breaches(&self) -> Vec<String> {
        match self {
            Self::Case(case) => case.breaches(),
            Self::Timetable(table) => table.breaches(),
        }
    }

    /// What is known of it, for somebody who wonders why it does not end.
    #[must_use]
    pub fn status(&self) -> String {
        match self {
            Self::Case(case) => case.status(),
            Self::Timetable(table) => table.status(),
        }
    }

    /// Looks after it through a node, for as long as that helps.
    pub fn look_after(self, board: Callboard, deeds: Deeds) -> BoxFuture<'static, ()> {
        match self {
            Self::Case(case) => case.look_after(board, deeds).boxed(),
            Self::Timetable(table) => table.look_after(board, deeds).boxed(),
        }
    }
}
