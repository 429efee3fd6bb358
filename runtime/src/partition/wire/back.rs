//! The way back of what is under way to another node.

use crate::partition::follow::Records;
use crate::partition::message::{FeedPage, Page, Progress, Refusal, Reply, Room, Verdict};
use crate::partition::question::{ArchivePage, CalledRun, Found, Piece, TaskPiece};
use crate::query::{PendingItem, RunInfo, RunTask};
use crate::schedule::ScheduleInfo;
use callboard_core::{Millis, RunId, TaskIndex, Token};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::oneshot::Sender;

/// The way back of a message whose request is under way. Dropped, it tells its caller that there is no answer, exactly as
/// an actor does that ends.
#[derive(Debug)]
pub(crate) enum Back {
    /// To whoever gave a command, with the room that it has in the inbox here.
    Done(Reply, Option<Room>),
    Records(Sender<Records>),
    Verdict(Sender<Verdict>),
    Performed(Sender<Result<Verdict, Refusal>>),
    Page(Sender<Page>),
    Feed(Sender<FeedPage>),
    Progress(Sender<Option<Progress>>),
    Run(Sender<Found<Option<RunInfo>>>),
    Task(Sender<Found<Option<(TaskIndex, Token)>>>),
    Runs(Sender<Piece<RunInfo>>),
    Tasks(Sender<Found<TaskPiece>>),
    RunTasks(Sender<Piece<RunTask>>),
    Pending(Sender<Piece<Vec<PendingItem>>>),
    Pages(Sender<Vec<ArchivePage>>),
    Called(Sender<Vec<CalledRun>>),
    InMemory(Sender<(Vec<RunId>, Millis)>),
    Schedule(Sender<Option<ScheduleInfo>>),
    Schedules(Sender<(Vec<ScheduleInfo>, Option<Arc<str>>)>),
}

impl Back {
    /// Whether nobody waits any more.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Done(reply, _) => reply.is_closed(),
            Self::Records(reply) => reply.is_closed(),
            Self::Verdict(reply) => reply.is_closed(),
            Self::Performed(reply) => reply.is_closed(),
            Self::Page(reply) => reply.is_closed(),
            Self::Feed(reply) => reply.is_closed(),
            Self::Progress(reply) => reply.is_closed(),
            Self::Run(reply) => reply.is_closed(),
            Self::Task(reply) => reply.is_closed(),
            Self::Runs(reply) => reply.is_closed(),
            Self::Tasks(reply) => reply.is_closed(),
            Self::RunTasks(reply) => reply.is_closed(),
            Self::Pending(reply) => reply.is_closed(),
            Self::Pages(reply) => reply.is_closed(),
            Self::Called(reply) => reply.is_closed(),
            Self::InMemory(reply) => reply.is_closed(),
            Self::Schedule(reply) => reply.is_closed(),
            Self::Schedules(reply) => reply.is_closed(),
        }
    }

    /// Gives the caller its answer, and back the room that its message had.
    ///
    /// # Errors
    ///
    /// If the body is no answer to such a request. Then the caller is told that there is none.
    pub(crate) fn answer(self, body: &[u8]) -> Result<(), serde_json::Error> {
        match self {
            Self::Done(reply, _room) => tell(reply, body),
            Self::Records(reply) => tell(reply, body),
            Self::Verdict(reply) => tell(reply, body),
            Self::Performed(reply) => tell(reply, body),
            Self::Page(reply) => tell(reply, body),
            Self::Feed(reply) => tell(reply, body),
            Self::Progress(reply) => tell(reply, body),
            Self::Run(reply) => tell(reply, body),
            Self::Task(reply) => tell(reply, body),
            Self::Runs(reply) => tell(reply, body),
            Self::Tasks(reply) => tell(reply, body),
            Self::RunTasks(reply) => tell(reply, body),
            Self::Pending(reply) => tell(reply, body),
            Self::Pages(reply) => tell(reply, body),
            Self::Called(reply) => tell(reply, body),
            Self::InMemory(reply) => tell(reply, body),
            Self::Schedule(reply) => tell(reply, body),
            Self::Schedules(reply) => tell(reply, body),
        }
    }
}

fn tell<T: DeserializeOwned>(reply: Sender<T>, body: &[u8]) -> Result<(), serde_json::Error> {
    let _gone = reply.send(serde_json::from_slice(body)?);
    Ok(())
}
