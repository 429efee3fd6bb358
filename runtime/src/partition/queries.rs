//! Questions to all partitions and their archives.

use super::archived::Archived;
use super::handle::{AGAIN, ANSWER_MAX, Partitions};
use super::message::Message;
use super::question::{ArchivePage, CalledRun, Found, Piece, Question, TaskPiece, run_task, tasks};
use crate::query::filter::{RunFilter, RunTaskFilter, TaskFilter};
use crate::query::{ArchivePlace, At, Cursor, Page, PendingItem, PendingKind, Place, RunInfo, RunTask, TaskInfo};
use crate::{Error, ErrorKind, Result};
use callboard_core::{Millis, Run, RunId, TaskIndex};
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

impl Partitions {
    /// How a run stands.
    pub(crate) async fn info(&self, run: RunId) -> Result<RunInfo> {
        let all = Arc::<RunFilter>::default();
        self.info_if(run, &all).await?.ok_or_else(|| self.no_run(run))
    }

    /// How a run stands, if it is one of those asked for.
    async fn info_if(&self, run: RunId, filter: &Arc<RunFilter>) -> Result<Option<RunInfo>> {
        let ask = |reply| Question::Run { run, filter: filter.clone(), reply };
        match self.ask(self.number_of(run), ask).await? {
            Found::Here(info) => Ok(info),
            Found::Elsewhere(pages) => {
                let found = self.archived(run, &pages).await?.ok_or_else(|| self.no_run(run))?;
                Ok(filter.admits(&found.run).then(|| RunInfo::of(&found.run)))
            }
        }
    }

    /// How the tasks of a run stand.
    pub(crate) async fn tasks(
        &self,
        run: RunId,
        filter: Arc<TaskFilter>,
        limit: usize,
        mut after: Option<TaskIndex>,
    ) -> Result<Page<TaskInfo, TaskIndex>> {
        let mut all = Vec::new();
        loop {
            let wanted = limit - all.len();
            let ask = |reply| Question::Tasks { run, filter: filter.clone(), after, limit: wanted, reply };
            let (found, next): TaskPiece = match self.ask(self.number_of(run), ask).await? {
                Found::Here(piece) => piece,
                Found::Elsewhere(pages) => {
                    let found = self.archived(run, &pages).await?.ok_or_else(|| self.no_run(run))?;
                    tasks(&found.run, &filter, after, wanted, None)
                }
            };
            all.extend(found);
            if all.len() == limit || next.is_none() {
                return Ok(Page::new(all, next));
            }
            after = next;
        }
    }

    /// What runs of a partition and tasks of them are called, of those in memory.
    pub(crate) async fn called(&self, number: usize, tasks: Vec<(RunId, Vec<TaskIndex>)>) -> Result<Vec<CalledRun>> {
        self.ask(number, |reply| Question::Called { tasks: tasks.clone(), reply }).await
    }

    /// A page of runs.
    pub(crate) async fn runs(
        &self,
        filter: Arc<RunFilter>,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<RunInfo>> {
        let live = |after, limit, reply| Question::Runs { filter: filter.clone(), after, limit, reply };
        let archived = RunsOf { partitions: self, filter: &filter };
        if filter.is_of_open_runs() {
            return self.page(limit, after, live, None::<&RunsOf<'_>>).await;
        }
        self.page(limit, after, live, Some(&archived)).await
    }

    /// A page of tasks of all runs.
    pub(crate) async fn run_tasks(
        &self,
        filter: RunTaskFilter,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<RunTask>> {
        let live = |after, limit, reply| Question::RunTasks { filter: filter.clone(), after, limit, reply };
        if filter.runs.is_of_open_runs() {
            return self.page(limit, after, live, None::<&RunTasksOf<'_>>).await;
        }
        self.page(limit, after, live, Some(&RunTasksOf { partitions: self, filter: &filter })).await
    }

    /// A page of what waits for a person, task by task; nothing in the archive does.
    pub(crate) async fn pending(
        &self,
        kind: PendingKind,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Vec<PendingItem>>> {
        let since = after.map_or_else(|| self.now(), |after| after.since);
        let after = after.and_then(|after| if let At::Live(place) = after.at { Some(place) } else { None });
        let question = |after, limit, reply| Question::Pending { kind, after, limit, reply };
        let (items, next) = self.live(limit, after, question).await?;
        Ok(Page::new(items, next.map(|place| Cursor { since, at: At::Live(place) })))
    }

    /// First what is in memory, then what is in the archive.
    async fn page<T: Send>(
        &self,
        limit: usize,
        after: Option<Cursor>,
        live: impl Fn(Option<Place>, usize, oneshot::Sender<Piece<T>>) -> Question,
        archived: Option<&(impl FromArchive<T> + Sync)>,
    ) -> Result<Page<T>> {
        let mut items = Vec::new();
        let since = after.map_or_else(|| self.now(), |after| after.since);
        let cursor = |at| Cursor { since, at };
        let from = match after.map(|after| after.at) {
            at @ (None | Some(At::Live(_))) => {
                let after = if let Some(At::Live(place)) = at { Some(place) } else { None };
                let (found, next) = self.live(limit, after, live).await?;
                items = found;
                if next.is_some() {
                    return Ok(Page::new(items, next.map(At::Live).map(cursor)));
                }
                None
            }
            Some(At::Archive) => None,
            Some(At::Page(place)) => Some(place),
        };
        let Some(archived) = archived else { return Ok(Page::new(items, None)) };
        if items.len() == limit {
            return Ok(Page::new(items, Some(cursor(At::Archive))));
        }
        let next = self.archive(limit, since, from, archived, &mut items).await?;
        Ok(Page::new(items, next.map(At::Page).map(cursor)))
    }

    /// What is in memory, merged over all partitions; where to go on if the limit was reached.
    async fn live<T>(
        &self,
        limit: usize,
        after: Option<Place>,
        question: impl Fn(Option<Place>, usize, oneshot::Sender<Piece<T>>) -> Question,
    ) -> Result<(Vec<T>, Option<Place>)> {
        let mut all: Vec<(Place, T)> = Vec::new();
        let mut is_more = false;
        for number in 0..self.count() {
            let (mut from, mut left) = (after, limit);
            loop {
                let Piece { items, next } = self.ask(number, |reply| question(from, left, reply)).await?;
                left = left.saturating_sub(items.len());
                all.extend(items);
                is_more |= next.is_some() && left == 0;
                match next {
                    Some(place) if left > 0 => from = Some(place),
                    _ => break,
                }
            }
        }
        is_more |= all.len() > limit;
        all.sort_by_key(|(place, _)| *place);
        all.truncate(limit);
        let last = all.last().map(|(place, _)| *place).filter(|_| is_more);
        Ok((all.into_iter().map(|(_, item)| item).collect(), last))
    }

    /// What is in the archive behind `after`; where to go on if the limit was reached.
    ///
    /// A run that was opened again may be on several pages, and in memory. It is told where it was put last, and before
    /// that only if it may have been opened after `since`, when that place may have been passed already.
    async fn archive<T>(
        &self,
        limit: usize,
        since: Millis,
        after: Option<ArchivePlace>,
        what: &impl FromArchive<T>,
        items: &mut Vec<T>,
    ) -> Result<Option<ArchivePlace>> {
        let mut pages: Vec<(ArchivePlace, Arc<Newer>)> = Vec::new();
        for number in 0..self.count() {
            let of_partition: Vec<ArchivePage> = self.ask(number, |reply| Question::Pages { reply }).await?;
            let newer = Arc::new(Newer::of(&of_partition));
            pages.extend(of_partition.iter().map(|page| {
                let partition = u16::try_from(number).unwrap_or(u16::MAX);
                let place = ArchivePlace { newest_ms: page.newest_ms, partition, page: page.page, told: 0, task: None };
                (place, newer.clone())
            }));
        }
        pages.sort_by_key(|(place, _)| place.key());
        for (mut place, newer) in pages {
            match after {
                Some(after) if place.key() < after.key() => continue,
                Some(after) if place.key() == after.key() => place = after,
                _ if what.skips(place.newest_ms) => continue,
                _ => {}
            }
            let Some(records) = self.archived_page(place.partition.into(), place.page).await? else { continue };
            let runs: Vec<RunId> = records.iter().map(|record| RunId::new(record.id)).collect();
            let ask = |reply| Question::InMemory { runs: runs.clone(), reply };
            let (in_memory, now) = self.ask(place.partition.into(), ask).await?;
            let in_memory: BTreeSet<RunId> = in_memory.into_iter().collect();
            // By how long ago it was, because the clock of a partition may be ahead of that of its node.
            let asked = if since <= self.now() { self.now().since(since) } else { Duration::MAX };
            let is_told = |info: &RunInfo| info.reopened_at.is_some_and(|at| now.since(at) > asked);
            // The one that ended last stands last on its page.
            for record in records.iter().rev().skip(place.told) {
                if items.len() == limit {
                    return Ok(Some(place));
                }
                let id = RunId::new(record.id);
                let run = if in_memory.contains(&id) || newer.is_on_a_later_page(record.id, place.page) {
                    let now = if_kept(self.info(id).await.map(Some))?;
                    if now.is_none_or(|info| is_told(&info)) {
                        (place.told, place.task) = (place.told + 1, None);
                        continue;
                    }
                    None // as it was before
                } else {
                    Some(Archived::read(id, record)?.run)
                };
                let (found, rest) = what.of(id, run, place.task, limit - items.len()).await?;
                items.extend(found);
                place.task = rest;
                if rest.is_some() {
                    return Ok(Some(place));
                }
                place.told += 1;
                tokio::task::yield_now().await; // to read a run may take a while
            }
        }
        Ok(None)
    }

    /// Asks a partition until it answers, for a while: one that starts again has forgotten the question.
    pub(super) async fn ask<T>(&self, number: usize, question: impl Fn(oneshot::Sender<T>) -> Question) -> Result<T> {
        let deadline = Instant::now() + ANSWER_MAX;
        loop {
            let way = self.at(number).way_soon().await?;
            let (reply, answer) = oneshot::channel();
            way.send(Message::Ask(question(reply)));
            match timeout_at(deadline, answer).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(_restarted)) if Instant::now() < deadline => tokio::time::sleep(AGAIN).await,
                Ok(Err(_)) | Err(_) => {
                    let message = format!("partition {number} has not answered for {ANSWER_MAX:?}");
                    return Err(Error::new(ErrorKind::Unavailable, message));
                }
            }
        }
    }
}

/// What is asked of a run in a list that may take a while; nothing, if it was forgotten meanwhile.
fn if_kept<T>(found: Result<Option<T>>) -> Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found,
    }
}

/// On which page a run that came back from the archive was put last.
struct Newer(BTreeMap<Uuid, u64>);

impl Newer {
    fn of(pages: &[ArchivePage]) -> Self {
        Self(pages.iter().flat_map(|page| page.again.iter().map(|run| (*run, page.page))).collect())
    }

    fn is_on_a_later_page(&self, run: Uuid, page: u64) -> bool {
        self.0.get(&run).is_some_and(|last| *last > page)
    }
}

/// What is asked of each run in the archive.
trait FromArchive<T> {
    /// Whether a page whose last run ended at `newest_ms` holds nothing of it.
    fn skips(&self, newest_ms: i64) -> bool;

    /// What of a run is asked for behind the task `after`, at most `limit`, and the last task of it if there may be more.
    /// `run` is absent if it has changed since it was put on its page.
    fn of<'a>(
        &'a self,
        id: RunId,
        run: Option<Run>,
        after: Option<TaskIndex>,
        limit: usize,
    ) -> BoxFuture<'a, Result<(Vec<T>, Option<TaskIndex>)>>;
}

/// The runs that a filter admits.
struct RunsOf<'p> {
    partitions: &'p Partitions,
    filter: &'p Arc<RunFilter>,
}

impl FromArchive<RunInfo> for RunsOf<'_> {
    fn skips(&self, newest_ms: i64) -> bool {
        self.filter.is_past(newest_ms)
    }

    fn of<'a>(
        &'a self,
        id: RunId,
        run: Option<Run>,
        _: Option<TaskIndex>,
        _: usize,
    ) -> BoxFuture<'a, Result<(Vec<RunInfo>, Option<TaskIndex>)>> {
        Box::pin(async move {
            let info = match run {
                Some(run) => self.filter.admits(&run).then(|| RunInfo::of(&run)),
                None => if_kept(self.partitions.info_if(id, self.filter).await)?,
            };
            Ok((info.into_iter().collect(), None))
        })
    }
}

/// Those tasks of runs in the archive.
struct RunTasksOf<'p> {
    partitions: &'p Partitions,
    filter: &'p RunTaskFilter,
}

impl FromArchive<RunTask> for RunTasksOf<'_> {
    fn skips(&self, newest_ms: i64) -> bool {
        self.filter.runs.is_past(newest_ms)
    }

    fn of<'a>(
        &'a self,
        id: RunId,
        run: Option<Run>,
        after: Option<TaskIndex>,
        limit: usize,
    ) -> BoxFuture<'a, Result<(Vec<RunTask>, Option<TaskIndex>)>> {
        Box::pin(async move {
            let RunTaskFilter { runs, tasks } = self.filter;
            let Some(run) = run else {
                let info = if_kept(self.partitions.info_if(id, runs).await)?;
                let Some(info) = info else { return Ok((Vec::new(), None)) };
                let page = if_kept(self.partitions.tasks(id, tasks.clone(), limit, after).await.map(Some))?;
                let Some(page) = page else { return Ok((Vec::new(), None)) };
                let of_it = |task| RunTask { run: id, workflow: info.workflow.clone(), task };
                return Ok((page.items.into_iter().map(of_it).collect(), page.next));
            };
            if !runs.admits(&run) {
                return Ok((Vec::new(), None));
            }
            let from = after.map_or(0, |after| after.at().saturating_add(1));
            let rest = (from..run.tasks.len()).filter(|index| tasks.admits(&run.tasks[*index]));
            let mut rest = rest.map(|index| TaskIndex(index as u32)).peekable();
            let (mut found, mut last) = (Vec::new(), None);
            while found.len() < limit
                && let Some(index) = rest.next()
            {
                last = Some(index);
                found.extend(run_task(&run, index, None));
            }
            Ok((found, last.filter(|_| rest.peek().is_some())))
        })
    }
}
