//! Ended runs leave memory: page by page to the archive, so that memory is bounded by what is live.

#[cfg(test)]
mod tests;

use super::history::History;
use super::message::Message;
use super::retention;
use super::tenure::Tuning;
use super::writer::Joined;
use crate::journal::archive::{self, Archive, Fingerprint, Record, Summary};
use crate::journal::envelope::FRAME_BYTES_MAX;
use bytes::Bytes;
use callboard_core::{Json, Millis, RunId, State};
use ractor::ActorRef;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Runs on one page at most.
const PAGE_RUNS: usize = 1_000;
/// Bytes on one page, if it holds more than one run.
const PAGE_BYTES: usize = 4 << 20;
/// Bytes of one run that fit on a page, with what stands beside them.
const RUN_BYTES: usize = FRAME_BYTES_MAX - 1024;

/// How often the ages of all pages are looked at, when the oldest may have been kept for long enough.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What of a partition has ended and leaves memory.
pub(super) struct Closing {
    archive: Arc<Archive>,
    job: Option<Joined<()>>,
    /// The pages, as far as they have been read from the state.
    pages: Vec<Summary>,
    read: usize,
    /// When this tenure began, by the clock that it has measured with since.
    began: Millis,
    /// When the age of all pages is looked at next.
    look_at: Instant,
}

impl Closing {
    pub(super) fn new(archive: Archive, began: Millis) -> Self {
        Self { archive: Arc::new(archive), job: None, pages: Vec::new(), read: 0, began, look_at: Instant::now() }
    }

    /// All pages, oldest first.
    pub(super) fn pages(&mut self, state: &State) -> &[Summary] {
        for page in &state.pages()[self.read..] {
            match serde_json::from_str(page.as_str()) {
                Ok(summary) => self.pages.push(summary),
                Err(error) => tracing::error!(%error, "the journal names a page of the archive that can not be read"),
            }
        }
        self.read = state.pages().len();
        &self.pages
    }

    /// The pages that may hold a run that is not in memory, oldest first; usually none.
    pub(super) fn pages_that_may_hold(&mut self, run: RunId, state: &State) -> Vec<Summary> {
        let fingerprint = Fingerprint::of(Uuid::from_bytes(*run.as_bytes()));
        self.pages(state).iter().filter(|page| page.may_hold(fingerprint)).cloned().collect()
    }

    /// The number of the first page; 0 if there is none.
    pub(super) fn first_page(&mut self, state: &State) -> u64 {
        self.pages(state).first().map_or(0, |page| page.page)
    }

    /// How many pages are left when those are forgotten that were kept for `history_kept`; `None` if there are none such.
    ///
    /// A page whose summary can not be read is kept, with all others: nobody knows how old it is.
    pub(super) fn kept_if_due(&mut self, now: Millis, history_kept: Duration, state: &State) -> Option<u64> {
        let began = self.began;
        let pages = self.pages(state);
        let may_be = pages.len() > 1 && now.since(Millis(pages[0].newest_ms)) > history_kept;
        if !may_be || pages.len() != state.pages().len() || self.look_at > Instant::now() {
            return None;
        }
        self.look_at = Instant::now() + LOOK_EVERY;
        let overdue = retention::overdue(&self.pages, began, now, history_kept);
        (overdue > 0).then(|| (self.pages.len() - overdue) as u64)
    }

    /// The state has forgotten its oldest pages.
    pub(super) fn forgotten(&mut self, state: &State) {
        let forgotten = self.read.saturating_sub(state.pages().len());
        self.pages.drain(..forgotten.min(self.pages.len()));
        self.read -= forgotten;
    }

    /// Writes a page if too many ended runs are in memory, or one for too long.
    pub(super) fn close_if_due(
        &mut self,
        now: Millis,
        tuning: &Tuning,
        state: &State,
        history: &History,
        durable: u64,
        partition: &ActorRef<Message>,
    ) {
        let Some((oldest, _)) = state.closed().next().filter(|_| self.job.is_none()) else { return };
        if state.closed().len() <= tuning.closed_max && now.since(oldest) < tuning.closed_for {
            return;
        }
        let records = records(state, history, durable);
        if records.is_empty() {
            return;
        }
        let (archive, partition) = (self.archive.clone(), partition.clone());
        let page = next_page(state);
        let runs: Vec<(RunId, u64)> =
            records.iter().map(|record| RunId::new(record.id)).map(|run| (run, history.last(run))).collect();
        let is_again = |run: &RunId| state.run(*run).is_some_and(|run| run.reopened_at.is_some());
        let again = runs.iter().map(|(run, _)| *run).filter(is_again).map(|run| Uuid::from_bytes(*run.as_bytes()));
        let again: Vec<Uuid> = again.collect();
        self.job = Some(Joined::spawn(async move {
            let page = put(&archive, page, &records, again).await;
            let _gone = partition.cast(Message::Archived { runs, page });
        }));
    }

    /// The page is written, or not.
    pub(super) fn done(&mut self) {
        self.job = None;
    }
}

/// The pages that a state names, oldest first, as far as they are understood.
pub(crate) fn pages_of(state: &State) -> Vec<Summary> {
    state.pages().iter().filter_map(|page| serde_json::from_str(page.as_str()).ok()).collect()
}

/// The ended runs that have been in memory the longest, as many as fit on a page.
fn records(state: &State, history: &History, durable: u64) -> Vec<Record> {
    let mut bytes = 0;
    // A run that is too long for any page stays in memory, and keeps nobody else there.
    let fits_a_page = |run| history.of(run).iter().map(|line| line.bytes.len()).sum::<usize>() < RUN_BYTES;
    let may_go = |run| history.last(run) <= durable && fits_a_page(run);
    let closed = state.closed().filter(|(_, run)| may_go(*run)).take(PAGE_RUNS);
    closed
        .map_while(|(at, run)| {
            let line = join(history.of(run).iter().map(|line| &line.bytes));
            let fits = bytes == 0 || bytes + line.len() <= PAGE_BYTES;
            bytes += line.len();
            fits.then(|| Record { id: Uuid::from_bytes(*run.as_bytes()), closed_ms: at.0, line })
        })
        .collect()
}

/// A record: the run's events as one JSON array, on one line.
fn join<'a>(lines: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let mut joined = vec![b'['];
    for (n, line) in lines.enumerate() {
        if n > 0 {
            joined.push(b',');
        }
        joined.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
    }
    joined.push(b']');
    joined.into()
}

pub(super) fn next_page(state: &State) -> u64 {
    let last = state.pages().last().and_then(|page| serde_json::from_str::<Summary>(page.as_str()).ok());
    last.map_or(1, |last| last.page + 1)
}

/// Writes the page under the first number that is not taken: a dead owner may have left pages that nobody knows of.
async fn put(archive: &Archive, mut page: u64, records: &[Record], again: Vec<Uuid>) -> Result<Json, String> {
    loop {
        match archive.put(page, records).await {
            Ok(mut summary) => {
                summary.again = again;
                return Json::of(&summary).map_err(|error| error.to_string());
            }
            Err(archive::Error::Taken { .. }) => page += 1,
            Err(error) => return Err(error.to_string()),
        }
    }
}

impl std::fmt::Debug for Closing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Closing").field("busy", &self.job.is_some()).finish_non_exhaustive()
    }
}
