//! What is recorded of a run, in a file.

use super::runtime::Shared;
use crate::dispatch::courier::fetch;
use crate::node::Node;
use crate::{Error, ErrorKind, Result};
use callboard_core::{
    Decision, Entry, Event, EventKind, Failure, Json, Limits, Noted, Part, Payload, RunId, Speaker, State, TaskIndex,
    TaskRef,
};
use std::fmt;
use std::fs;
use std::path::Path;

/// What is recorded of one run: its events, as the journal has them, with large values in their place.
///
/// In a file it is one JSON object a line. A history that a later release has written is refused, and one of an earlier
/// release can be read.
#[derive(Clone, PartialEq)]
pub struct History {
    pub(super) events: Vec<Event>,
}

impl History {
    /// Reads a history.
    ///
    /// # Errors
    ///
    /// `Invalid` for what is no history, or one of several runs, or of a later release.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let mut events = Vec::new();
        for (n, line) in lines {
            let event = Event::decode(line.as_bytes())
                .map_err(|error| Error::invalid(format!("line {} is no event of a run", n + 1)).because(error))?;
            events.push(event);
        }
        let first = events.first().filter(|event| matches!(event.kind, EventKind::RunSubmitted(_)));
        let run = first.and_then(|event| event.run);
        if run.is_none() || events.iter().any(|event| event.run != run) {
            return Err(Error::invalid("a history is all that is recorded of one run, from its submission on"));
        }
        Ok(Self { events })
    }

    /// Reads a history from a file.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse); `NotFound` if there is no such file, `Unavailable` if it can not be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|error| file_error(path, &error))?;
        Self::parse(&text).map_err(|error| error.context(format!("the history {} can not be used", path.display())))
    }

    /// Writes it to a file, in the place of what is there.
    ///
    /// # Errors
    ///
    /// `Unavailable` if it can not be written, `NotFound` if there is no such folder.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        fs::write(path, self.to_string()).map_err(|error| file_error(path, &error))
    }

    /// The durable calls that it records, in order: a line each, with the name of the task and what became of the call.
    ///
    /// Without moments, ids and instances, so that two runs that did the same are the same here: for a test to hold against
    /// what it expects.
    pub fn outline(&self) -> Vec<String> {
        let Some(run) = self.run() else { return Vec::new() };
        let mut told = Vec::new();
        let mut state = State::new(Limits::default());
        let mut seen = std::collections::BTreeMap::new();
        for event in &self.events {
            state.apply(event);
            let Some(run) = state.run(run) else { continue };
            for (index, task) in (0..).map(TaskIndex).zip(&run.tasks) {
                let Some(record) = run.record(index) else { continue };
                let from: &mut u64 = seen.entry(index).or_default();
                for entry in record.entries.iter().filter(|entry| entry.seq > *from) {
                    told.push(format!("{} {} {}", task.spec.name, entry.key, in_words(&entry.what)));
                }
                *from = event.seq;
            }
        }
        told
    }

    fn run(&self) -> Option<RunId> {
        self.events.first().and_then(|event| event.run)
    }

    /// Every attempt at a task that has recorded anything, in the order in which they ended; those that go on come last.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        let Some(run) = self.run() else { return Vec::new() };
        let mut attempts = Vec::new();
        let mut state = State::new(Limits::default());
        for event in &self.events {
            let ended = match &event.kind {
                EventKind::TaskCompleted(event) => Some((event.task, Ended::Completed(json(&event.output)))),
                EventKind::AttemptFailed(event) => Some((event.task, Ended::Failed(event.failure.clone()))),
                _ => None,
            };
            if let Some((task, ended)) = ended {
                attempts.extend(Attempt::of(&state, TaskRef { run, task }, ended));
            }
            state.apply(event);
        }
        let tasks = state.run(run).map_or(&[][..], |run| &run.tasks);
        let open = (0..).map(TaskIndex).zip(tasks).filter(|(_, task)| match task.status() {
            callboard_core::Status::Cancelled => true,
            status => !status.is_ended(),
        });
        let open: Vec<_> = open.map(|(task, _)| TaskRef { run, task }).collect();
        attempts.extend(open.into_iter().filter_map(|task| Attempt::of(&state, task, Ended::Open)));
        attempts
    }
}

/// The lines, as in a file.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        self.events.iter().for_each(|event| event.encode(&mut lines));
        f.write_str(&String::from_utf8_lossy(&lines))
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("run", &self.run()).field("events", &self.events.len()).finish()
    }
}

fn file_error(path: &Path, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("the file {} can not be used", path.display())).caused_by(error)
}

/// An attempt at a task, as it is recorded.
pub(super) struct Attempt {
    pub(super) name: String,
    pub(super) capability: std::sync::Arc<str>,
    pub(super) speaker: Speaker,
    pub(super) input: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    pub(super) ended: Ended,
}

/// How an attempt ended.
pub(super) enum Ended {
    Completed(Json),
    Failed(Failure),
    /// It goes on, or was cut short.
    Open,
}

impl Attempt {
    /// The attempt that goes on in this state, if it has recorded anything.
    fn of(state: &State, task_ref: TaskRef, ended: Ended) -> Option<Self> {
        let run = state.run(task_ref.run)?;
        let task = run.task(task_ref.task)?;
        let record = run.record(task_ref.task).filter(|record| !record.entries.is_empty())?;
        let mut input = Vec::new();
        for part in run.input(task_ref.task)? {
            match part {
                Part::Text(text) => input.extend_from_slice(text.as_bytes()),
                Part::Value(payload) => input.extend_from_slice(json(&payload).as_str().as_bytes()),
            }
        }
        let holder = callboard_core::InstanceId::new("replay", "replay#1");
        Some(Self {
            name: task.spec.name.clone(),
            capability: task.spec.capability.clone(),
            speaker: Speaker { task: task_ref, token: task.token, holder },
            input,
            entries: record.entries.clone(),
            ended,
        })
    }
}

/// The value, which is in its place in a history.
fn json(payload: &Payload) -> Json {
    match payload {
        Payload::Json(json) => json.clone(),
        Payload::Stored { .. } => Json::null(),
    }
}

fn in_words(what: &Noted) -> String {
    match what {
        Noted::Submitted { .. } => "submitted".to_owned(),
        Noted::Begun(contract) | Noted::BegunBehind(contract, _) => format!("begun, {}", contract.as_str()),
        Noted::Unknown => "unknown".to_owned(),
        Noted::NotDone => "not done".to_owned(),
        Noted::Waits => "waits".to_owned(),
        Noted::Reserved(cost) => format!("reserved, {cost}"),
        Noted::Charged(cost) => format!("charged, {cost}"),
        Noted::Value(payload) => format!("= {}", json(payload).as_str()),
        Noted::Failed(failure) => format!("failed: {failure}"),
    }
}

impl Shared {
    /// What is recorded of a run by now.
    pub(super) async fn history(&self, run: RunId) -> Result<History> {
        let alive = self.alive().await;
        let node = &alive.board.0;
        let (mut events, mut after) = (Vec::new(), 0);
        loop {
            // Asked behind it, so it is answered behind it: who has no answer by then has no more to tell.
            let page = tokio::select! {
                biased;
                page = node.partitions.events(run, after) => page?,
                progress = node.partitions.progress(run) => {
                    progress?;
                    None
                }
            };
            let Some(page) = page else { break };
            after = page.last().map_or(after, |event| event.seq);
            events.extend(page);
        }
        for event in &mut events {
            in_place(node, &mut event.kind).await?;
        }
        Ok(History { events })
    }
}

/// Puts what is stored by its hash where it is meant.
async fn in_place(node: &Node, kind: &mut EventKind) -> Result<()> {
    let payload = match kind {
        EventKind::TaskCompleted(event) => Some(&mut event.output),
        EventKind::StepRecorded(event) => event.value.as_mut(),
        EventKind::SignalReceived(event) => Some(&mut event.value),
        EventKind::EffectDecided(event) => match &mut event.decision {
            Decision::Happened(payload) => Some(payload),
            Decision::DidNotHappen => None,
        },
        _ => None,
    };
    if let Some(payload) = payload
        && let Payload::Stored { .. } = payload
    {
        let bytes = fetch(&node.payloads, payload).await?;
        let json = serde_json::from_slice(&bytes).map_err(|error: serde_json::Error| {
            Error::new(ErrorKind::Corrupt, "a recorded value is no JSON").because(error)
        })?;
        *payload = Payload::Json(json);
    }
    Ok(())
}
