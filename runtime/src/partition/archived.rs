//! Runs as the archive has them, and how one comes back.

use super::handle::{Partition, corrupt, refused};
use super::history::lines_of;
use super::message::Comeback;
use crate::journal::archive::{self, Record, Summary};
use crate::{Error, ErrorKind, Result};
use callboard_core::{Command, Event, Json, Limits, Run, RunId, RunRestored, State, TaskRef, Token, decide};
use serde_json::value::RawValue;
use std::sync::Arc;
use uuid::Uuid;

/// A run as the archive has it.
pub(super) struct Archived {
    pub(super) run: Run,
    pub(super) events: Vec<Event>,
    lines: Json,
    /// How many pages may hold it.
    pages: usize,
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
        Ok(Self { run, events, lines, pages: 0 })
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
        let Self { run, lines, pages, .. } = self;
        appendable(lines.as_str().len() + input_bytes, &format!("the history of run {}, with the input,", run.id))?;
        let split = lines_of(&lines).map_err(|error| corrupt(run.id, &error))?;
        Ok(Comeback { restored: RunRestored::new(lines, run), lines: split, checked: pages })
    }
}

impl Partition {
    pub(super) async fn archived(&self, id: RunId, pages: &[Summary]) -> Result<Option<Archived>> {
        let found = self.archive.find(Uuid::from_bytes(*id.as_bytes()), pages).await.map_err(unreadable)?;
        let read = |record: Record| Archived::read(id, &record).map(|found| Archived { pages: pages.len(), ..found });
        found.map(read).transpose()
    }

    /// The records of a page of its archive.
    pub(super) async fn page(&self, page: u64) -> Result<Arc<[Record]>> {
        self.archive.page(page).await.map_err(unreadable)
    }
}

fn unreadable(error: archive::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the archive could not be read").because(error)
}
