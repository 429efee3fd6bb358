//! Runs as the archive has them, and how one comes back.

use super::handle::{Partitions, corrupt, refused};
use super::history::lines_of;
use super::message::Comeback;
use super::question::{ArchivePage, Question};
use crate::journal::archive::{self, Record, Summary};
use crate::{Error, ErrorKind, Result};
use callboard_core::{Command, Event, Json, Limits, Run, RunId, RunRestored, State, TaskRef, Token, decide};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::value::RawValue;
use std::sync::Arc;
use uuid::Uuid;

/// A run as the archive has it.
pub(super) struct Archived {
    pub(super) run: Run,
    pub(super) events: Vec<Event>,
    lines: Json,
    /// The last of the pages that may hold it.
    last: u64,
}

/// The longest input and history that a task's other life brings to the journal: with what else is in its batch they fit
/// into one append. 48 MiB. An append that is refused would stop the partition.
const RETRY_BYTES_MAX: usize = 48 << 20;

pub(super) fn appendable(bytes: usize, what: &str) -> Result<()> {
    if bytes <= RETRY_BYTES_MAX {
        return Ok(());
    }
    let message = format!("{what} takes {bytes} bytes");
    let why = format!("no more than {} MiB can go to the journal at once", RETRY_BYTES_MAX >> 20);
    Err(Error::new(ErrorKind::Invalid, message).because(why))
}

impl Archived {
    /// Reads a record of the archive.
    pub(super) fn read(id: RunId, record: &Record) -> Result<Self> {
        let text = str::from_utf8(&record.line).map_err(|error| corrupt(id, &error))?;
        let lines = Json::parse(text).map_err(|error| corrupt(id, &error))?;
        let raw: Vec<&RawValue> = serde_json::from_str(lines.as_str()).map_err(|error| corrupt(id, &error))?;
        let mut state = State::new(Limits::default());
        let mut events = Vec::with_capacity(raw.len());
        for line in raw {
            let event = Event::decode(line.get().as_bytes()).map_err(|error| corrupt(id, &error))?;
            if event.run != Some(id) {
                return Err(corrupt(id, &format_args!("event {} is not of this run", event.seq)));
            }
            state.apply(&event);
            events.push(event);
        }
        let run = state.into_run(id).ok_or_else(|| corrupt(id, &"its events are those of another run"))?;
        Ok(Self { run, events, lines, last: 0 })
    }

    /// Whether a task could be given another life: before anything is brought back for it.
    pub(super) fn would_retry(&self, task: TaskRef, token: Token, input: Option<Json>) -> Result<()> {
        let mut state = State::new(Limits::default());
        self.events.iter().for_each(|event| state.apply(event));
        let would = decide(&state, state.at(), Command::Retry { task, token, input });
        would.map(drop).map_err(refused)
    }

    /// Ready to be taken back, with an input of `input_bytes`.
    pub(super) fn comeback(self, input_bytes: usize) -> Result<Comeback> {
        let Self { run, lines, last, .. } = self;
        appendable(lines.as_str().len() + input_bytes, &format!("the history of run {}, with the input,", run.id))?;
        let split = lines_of(&lines).map_err(|error| corrupt(run.id, &error))?;
        Ok(Comeback { restored: RunRestored::new(lines, run), lines: split, checked: last })
    }
}

impl Partitions {
    /// A run as it is on one of these pages of the archive, the last that has it.
    ///
    /// A page that was forgotten and is gone since its partition has named it has had all runs that are on none behind it.
    pub(super) async fn archived(&self, id: RunId, pages: &[Summary]) -> Result<Option<Archived>> {
        let found = match self.of(id).archive.find(Uuid::from_bytes(*id.as_bytes()), pages).await {
            Err(archive::Error::Missing { page }) if self.is_forgotten(self.number_of(id), page).await? => None,
            found => found.map_err(unreadable)?,
        };
        let last = pages.last().map_or(0, |page| page.page);
        let read = |record: Record| Archived::read(id, &record).map(|found| Archived { last, ..found });
        found.map(read).transpose()
    }

    /// The records of a page of the archive of a partition; `None` if it is forgotten and gone.
    pub(crate) async fn archived_page(&self, number: usize, page: u64) -> Result<Option<Arc<[Record]>>> {
        match self.at(number).archive.page(page).await {
            Err(archive::Error::Missing { .. }) if self.is_forgotten(number, page).await? => Ok(None),
            found => found.map(Some).map_err(unreadable),
        }
    }

    /// Whether a page that was named once is named no more. Boxed: it is rare, and it would be a part of the type of all that
    /// looks into the archive.
    fn is_forgotten(&self, number: usize, page: u64) -> BoxFuture<'_, Result<bool>> {
        async move {
            let pages: Vec<ArchivePage> = self.ask(number, |reply| Question::Pages { reply }).await?;
            Ok(pages.first().is_some_and(|first| page < first.page))
        }
        .boxed()
    }
}

fn unreadable(error: archive::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the archive could not be read").because(error)
}
