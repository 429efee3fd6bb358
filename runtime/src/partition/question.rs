//! What a partition says of how things stand: in bounded pieces, and only when it is durable.

use super::tenant::Tenant;
use super::why::Waits;
use crate::journal::archive::Summary;
use crate::query::filter::{RunFilter, RunTaskFilter, TaskFilter};
use crate::query::{PendingItem, PendingKind, Place, RunInfo, RunTask, TaskInfo, Why};
use crate::schedule::ScheduleInfo;
use callboard_core::{Millis, Run, RunId, TaskIndex, Token};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::oneshot;
use uuid::Uuid;

/// A question with the way back to whoever asks. If there is no answer, the partition has ended: ask again.
#[derive(Debug)]
pub(crate) enum Question {
    /// How a run stands, if it is one of those asked for.
    Run { run: RunId, filter: Arc<RunFilter>, reply: oneshot::Sender<Found<Option<RunInfo>>> },
    /// Which task of a run has this name, and with which token.
    Task { run: RunId, name: String, reply: oneshot::Sender<Found<Option<(TaskIndex, Token)>>> },
    /// How the runs in memory stand.
    Runs { filter: Arc<RunFilter>, after: Option<Place>, limit: usize, reply: oneshot::Sender<Piece<RunInfo>> },
    /// How the tasks of a run stand; with them the last one that was looked at, if there are more.
    Tasks {
        run: RunId,
        filter: Arc<TaskFilter>,
        after: Option<TaskIndex>,
        limit: usize,
        reply: oneshot::Sender<Found<TaskPiece>>,
    },
    /// The tasks of the runs in memory, those of which there is a question.
    RunTasks { filter: RunTaskFilter, after: Option<Place>, limit: usize, reply: oneshot::Sender<Piece<RunTask>> },
    /// What of the runs in memory waits for a person, task by task.
    Pending { kind: PendingKind, after: Option<Place>, limit: usize, reply: oneshot::Sender<Piece<Vec<PendingItem>>> },
    /// The pages of the archive, oldest first.
    Pages { reply: oneshot::Sender<Vec<ArchivePage>> },
    /// What these runs and tasks are called, of those in memory.
    Called { tasks: Vec<(RunId, Vec<TaskIndex>)>, reply: oneshot::Sender<Vec<CalledRun>> },
    /// Which of these runs are in memory, and what time it is by the clock of the partition.
    InMemory { runs: Vec<RunId>, reply: oneshot::Sender<(Vec<RunId>, Millis)> },
    /// How a schedule stands, if it is there.
    Schedule { name: Arc<str>, reply: oneshot::Sender<Option<ScheduleInfo>> },
    /// How the schedules behind this one stand; with them the last one, if there are more.
    Schedules { after: Option<Arc<str>>, reply: oneshot::Sender<(Vec<ScheduleInfo>, Option<Arc<str>>)> },
}

/// What is known of a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Found<T> {
    /// It is in memory.
    Here(T),
    /// It is not. It may be on one of these pages of the archive.
    Elsewhere(Vec<Summary>),
}

/// A part of the answer, and where the next begins, if there is more to look at.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Piece<T> {
    pub(crate) items: Vec<(Place, T)>,
    pub(crate) next: Option<Place>,
}

/// Some tasks, and the last one that was looked at, if there are more.
pub(crate) type TaskPiece = (Vec<TaskInfo>, Option<TaskIndex>);

/// What a listing has to know of a page of the archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ArchivePage {
    pub(crate) page: u64,
    pub(crate) newest_ms: i64,
    /// Runs that may be on earlier pages, too, as they were before.
    pub(crate) again: Vec<Uuid>,
}

/// What a run and some of its tasks are called.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CalledRun {
    pub(crate) run: RunId,
    pub(crate) workflow: Arc<str>,
    /// The place of each task, its name and its capability.
    pub(crate) tasks: Vec<(TaskIndex, Arc<str>, Arc<str>)>,
}

impl CalledRun {
    fn of(run: &Run, tasks: &[TaskIndex]) -> Self {
        let tasks = tasks.iter().filter_map(|index| {
            let spec = &run.task(*index)?.spec;
            Some((*index, Arc::from(spec.name.as_str()), spec.capability.clone()))
        });
        Self { run: run.id, workflow: run.name.clone(), tasks: tasks.collect() }
    }
}

/// What is looked at in one piece, so that no question holds up the partition for more than a few milliseconds.
const RUNS_A_PIECE: usize = 500;
const TASKS_A_PIECE: usize = 10_000;

impl Tenant {
    pub(super) fn asked(&mut self, question: Question) {
        match question {
            Question::Run { run, filter, reply } => {
                let found = self.found(run, |run| filter.admits(run).then(|| RunInfo::of(run)));
                self.tell_found(found, reply);
            }
            Question::Task { run, name, reply } => {
                let found = self.found(run, |run| run.find(&name).map(|index| (index, run.tasks[index.at()].token)));
                self.tell_found(found, reply);
            }
            Question::Runs { filter, after, limit, reply } => {
                let piece = self.runs(&filter, after, limit);
                self.tell(move || drop(reply.send(piece)));
            }
            Question::Tasks { run, filter, after, limit, reply } => {
                let mut waits = Waits::of(self);
                let piece = self.state.run(run).map(|run| tasks(run, &filter, after, limit, Some(&mut waits)));
                let found = self.here(run, piece);
                self.tell_found(found, reply);
            }
            Question::RunTasks { filter, after, limit, reply } => {
                let piece = self.run_tasks(&filter, after, limit);
                self.tell(move || drop(reply.send(piece)));
            }
            Question::Pending { kind, after, limit, reply } => {
                let piece = self.pending(kind, after, limit);
                self.tell(move || drop(reply.send(piece)));
            }
            Question::Called { tasks, reply } => {
                let called = |(run, tasks): &(RunId, Vec<TaskIndex>)| Some(CalledRun::of(self.state.run(*run)?, tasks));
                // Names do not change, and who asks has seen the events that gave them.
                let _gone = reply.send(tasks.iter().filter_map(called).collect());
            }
            Question::Pages { reply } => {
                let pages = self.closing.pages(&self.state).iter().map(|page| ArchivePage {
                    page: page.page,
                    newest_ms: page.newest_ms,
                    again: page.again.clone(),
                });
                let pages: Vec<ArchivePage> = pages.collect();
                self.tell(move || drop(reply.send(pages)));
            }
            Question::InMemory { mut runs, reply } => {
                runs.retain(|run| self.state.run(*run).is_some());
                let now = self.now();
                self.tell(move || drop(reply.send((runs, now))));
            }
            Question::Schedule { name, reply } => {
                let info = self.schedule_info(&name);
                match info.is_some() {
                    true => self.tell(move || drop(reply.send(info))),
                    false => self.tell_surely(move || drop(reply.send(info))),
                }
            }
            Question::Schedules { after, reply } => {
                let some = self.schedule_infos(after.as_deref());
                self.tell(move || drop(reply.send(some)));
            }
        }
    }

    fn tell_found<T: Send + 'static>(&mut self, found: Found<T>, reply: oneshot::Sender<Found<T>>) {
        match found {
            Found::Here(_) => self.tell(move || drop(reply.send(found))),
            Found::Elsewhere(_) => self.tell_surely(move || drop(reply.send(found))),
        }
    }

    fn found<T>(&mut self, id: RunId, of: impl FnOnce(&Run) -> T) -> Found<T> {
        let found = self.state.run(id).map(of);
        self.here(id, found)
    }

    fn here<T>(&mut self, id: RunId, found: Option<T>) -> Found<T> {
        match found {
            Some(found) => Found::Here(found),
            None => Found::Elsewhere(self.closing.pages_that_may_hold(id, &self.state)),
        }
    }

    fn runs(&self, filter: &RunFilter, after: Option<Place>, limit: usize) -> Piece<RunInfo> {
        let mut piece = Piece { items: Vec::new(), next: None };
        let after = after.map(|place| (place.submitted_at, place.run));
        for (seen, run) in self.state.latest(after).enumerate() {
            if seen == RUNS_A_PIECE || piece.items.len() == limit {
                return piece; // `next` is the last that was looked at
            }
            let place = Place { submitted_at: run.submitted_at, run: run.id, task: None };
            piece.next = Some(place);
            if filter.admits(run) {
                piece.items.push((place, RunInfo::of(run)));
            }
        }
        Piece { next: None, ..piece }
    }

    fn pending(&self, kind: PendingKind, after: Option<Place>, limit: usize) -> Piece<Vec<PendingItem>> {
        let mut piece = Piece { items: Vec::new(), next: None };
        let begun = after.and_then(|place| Some((self.state.run(place.run)?, place.task?)));
        let others = self.state.latest(after.map(|place| (place.submitted_at, place.run)));
        let all = begun.map(|(run, task)| (run, Some(task))).into_iter().chain(others.map(|run| (run, None)));
        for (seen, (run, behind)) in all.enumerate() {
            if seen == RUNS_A_PIECE || piece.items.len() >= limit {
                return piece;
            }
            let place = |task| Place { submitted_at: run.submitted_at, run: run.id, task };
            piece.next = Some(place(None));
            for (task, items) in kind.of(run, behind, limit - piece.items.len()) {
                if piece.items.len() >= limit {
                    return piece;
                }
                piece.next = Some(place(Some(task)));
                piece.items.push((place(Some(task)), items));
            }
        }
        Piece { next: None, ..piece }
    }

    fn run_tasks(&self, filter: &RunTaskFilter, after: Option<Place>, limit: usize) -> Piece<RunTask> {
        let mut piece = Piece { items: Vec::new(), next: None };
        let (mut left, mut waits) = (TASKS_A_PIECE, Waits::of(self));
        // In the midst of a run it goes on there.
        let begun = after.and_then(|place| self.state.run(place.run).map(|run| (run, place.task)));
        let others = self.state.latest(after.map(|place| (place.submitted_at, place.run)));
        let all = begun.filter(|(_, task)| task.is_some()).into_iter().chain(others.map(|run| (run, None)));
        for (seen, (run, task)) in all.enumerate() {
            if seen == RUNS_A_PIECE || left == 0 || piece.items.len() >= limit {
                return piece;
            }
            let place = |task| Place { submitted_at: run.submitted_at, run: run.id, task };
            piece.next = Some(place(None));
            if !filter.tasks.may_admit_of(run) || !filter.runs.admits(run) {
                continue;
            }
            let from = task.map_or(0, |task| task.at() + 1);
            for index in (from..run.tasks.len()).map(|index| TaskIndex(index as u32)) {
                if left == 0 || piece.items.len() >= limit {
                    return piece;
                }
                left -= 1;
                piece.next = Some(place(Some(index)));
                if filter.tasks.admits(&run.tasks[index.at()]) {
                    let why = waits.why(run, index);
                    piece.items.extend(run_task(run, index, why).map(|found| (place(Some(index)), found)));
                }
            }
        }
        Piece { next: None, ..piece }
    }
}

/// The task with its run.
pub(super) fn run_task(run: &Run, index: TaskIndex, why: Option<Why>) -> Option<RunTask> {
    let task = TaskInfo::of(run, index, why)?;
    Some(RunTask { run: run.id, workflow: run.name.clone(), task })
}

/// Some tasks of a run, and why they do not run, if somebody can know that.
pub(super) fn tasks(
    run: &Run,
    filter: &TaskFilter,
    after: Option<TaskIndex>,
    limit: usize,
    mut waits: Option<&mut Waits>,
) -> TaskPiece {
    let from = after.map_or(0, |after| after.at().saturating_add(1));
    let (mut found, mut last) = (Vec::new(), None);
    for (seen, at) in (from..run.tasks.len()).enumerate() {
        if seen == TASKS_A_PIECE || found.len() == limit {
            return (found, last);
        }
        let index = TaskIndex(at as u32);
        last = Some(index);
        if filter.admits(&run.tasks[at]) {
            let why = waits.as_mut().and_then(|waits| waits.why(run, index));
            found.extend(TaskInfo::of(run, index, why));
        }
    }
    (found, None)
}
