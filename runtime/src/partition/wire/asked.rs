//! Questions, without their way back.

use super::back::Back;
use super::join::{Answering, waits};
use crate::partition::message::Message;
use crate::partition::question::Question;
use crate::query::filter::{RunFilter, RunTaskFilter, TaskFilter};
use crate::query::{PendingKind, Place};
use callboard_core::{RunId, TaskIndex};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A question to a partition of another node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Asked {
    Run {
        run: RunId,
        filter: Arc<RunFilter>,
    },
    Task {
        run: RunId,
        name: String,
    },
    Runs {
        filter: Arc<RunFilter>,
        after: Option<Place>,
        limit: usize,
    },
    Tasks {
        run: RunId,
        filter: Arc<TaskFilter>,
        after: Option<TaskIndex>,
        limit: usize,
    },
    /// By the name that it had when it was asked for dead letters alone: nodes of different releases understand one another.
    #[serde(rename = "dead_letters")]
    RunTasks {
        filter: RunTaskFilter,
        after: Option<Place>,
        limit: usize,
    },
    Pending {
        kind: PendingKind,
        after: Option<Place>,
        limit: usize,
    },
    Pages,
    Called {
        tasks: Vec<(RunId, Vec<TaskIndex>)>,
    },
    InMemory {
        runs: Vec<RunId>,
    },
    Schedule {
        name: Arc<str>,
    },
    Schedules {
        after: Option<Arc<str>>,
    },
}

impl Asked {
    pub(super) fn split(question: Question) -> (Self, Back) {
        match question {
            Question::Run { run, filter, reply } => (Self::Run { run, filter }, Back::Run(reply)),
            Question::Task { run, name, reply } => (Self::Task { run, name }, Back::Task(reply)),
            Question::Runs { filter, after, limit, reply } => (Self::Runs { filter, after, limit }, Back::Runs(reply)),
            Question::Tasks { run, filter, after, limit, reply } => {
                (Self::Tasks { run, filter, after, limit }, Back::Tasks(reply))
            }
            Question::RunTasks { filter, after, limit, reply } => {
                (Self::RunTasks { filter, after, limit }, Back::RunTasks(reply))
            }
            Question::Pending { kind, after, limit, reply } => {
                (Self::Pending { kind, after, limit }, Back::Pending(reply))
            }
            Question::Pages { reply } => (Self::Pages, Back::Pages(reply)),
            Question::Called { tasks, reply } => (Self::Called { tasks }, Back::Called(reply)),
            Question::InMemory { runs, reply } => (Self::InMemory { runs }, Back::InMemory(reply)),
            Question::Schedule { name, reply } => (Self::Schedule { name }, Back::Schedule(reply)),
            Question::Schedules { after, reply } => (Self::Schedules { after }, Back::Schedules(reply)),
        }
    }

    pub(super) fn join(self) -> (Message, Answering) {
        use Message::Ask;
        match self {
            Self::Run { run, filter } => waits(|reply| Ask(Question::Run { run, filter, reply })),
            Self::Task { run, name } => waits(|reply| Ask(Question::Task { run, name, reply })),
            Self::Runs { filter, after, limit } => waits(|reply| Ask(Question::Runs { filter, after, limit, reply })),
            Self::Tasks { run, filter, after, limit } => {
                waits(|reply| Ask(Question::Tasks { run, filter, after, limit, reply }))
            }
            Self::RunTasks { filter, after, limit } => {
                waits(|reply| Ask(Question::RunTasks { filter, after, limit, reply }))
            }
            Self::Pending { kind, after, limit } => waits(|reply| Ask(Question::Pending { kind, after, limit, reply })),
            Self::Called { tasks } => waits(|reply| Ask(Question::Called { tasks, reply })),
            Self::Pages => waits(|reply| Ask(Question::Pages { reply })),
            Self::InMemory { runs } => waits(|reply| Ask(Question::InMemory { runs, reply })),
            Self::Schedule { name } => waits(|reply| Ask(Question::Schedule { name, reply })),
            Self::Schedules { after } => waits(|reply| Ask(Question::Schedules { after, reply })),
        }
    }
}
