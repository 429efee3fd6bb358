//! From a journal back to a state.

use super::history::{HEAD_VERSION, Head, History, KeptSchedule, Line, Proof, lines_of};
use crate::journal::digest::Digest;
use crate::journal::position::Position;
use crate::journal::replay::{Replay, ReplayError};
use bytes::Bytes;
use callboard_core::{Breach, Event, EventKind, Invariant, Limits, Millis, SEQ_MAX, State};
use serde::Serialize;

/// Folds a journal into a state and the lines behind it.
#[derive(Debug)]
pub(crate) struct Recovery {
    limits: Limits,
    pub(crate) state: State,
    pub(crate) history: History,
    /// Runs of the snapshot that did not fold to the state that was vouched for.
    pub(crate) diverged: Vec<Breach>,
    /// What was replayed behind the snapshot.
    pub(crate) tail: Tail,
    head: Option<Head>,
}

/// Events behind the newest snapshot, and their bytes: what the next start replays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) appends: u64,
}

impl Recovery {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::new(limits),
            history: History::default(),
            diverged: Vec::new(),
            tail: Tail::default(),
            head: None,
        }
    }

    /// The moment of the last event in the snapshot that it began with, if there was one.
    pub(crate) fn snapshot_at(&self) -> Option<Millis> {
        self.head.as_ref().map(|head| head.at)
    }

    /// A hash of the journalled state: equal after every replay of the same events, whatever snapshot it began with.
    pub(crate) fn digest(&self) -> Digest {
        let state = &self.state;
        let mut lines = json(&(state.seq(), state.at(), state.pages()));
        state.schedules().iter_after(None).for_each(|schedule| lines.extend(json(schedule)));
        state.runs().for_each(|run| lines.extend(json(&(run.id, run.digest()))));
        Digest::of(&lines)
    }

    fn event(&mut self, line: &[u8]) -> Result<Event, ReplayError> {
        let event = Event::decode(line).map_err(ReplayError::new)?;
        self.state.apply(&event);
        match (event.run, &event.kind) {
            (Some(run), EventKind::RunRestored(restored)) => {
                self.history.restore(run, lines_of(&restored.events).map_err(ReplayError::new)?);
            }
            (Some(run), _) => {
                self.history.push(run, Line { seq: event.seq, bytes: Bytes::copy_from_slice(line) });
            }
            (None, EventKind::RunsArchived(archived)) => archived.runs.iter().for_each(|run| self.history.forget(*run)),
            // The state has it, and a snapshot of it.
            (None, EventKind::Schedule(_) | EventKind::PagesForgotten(_)) => {}
            (None, kind) => {
                return Err(ReplayError::new(format!("event {} ({}) names no run", event.seq, kind.name())));
            }
        }
        Ok(event)
    }

    fn head(&mut self, line: &[u8]) -> Result<(), ReplayError> {
        let head: Head = serde_json::from_slice(line).map_err(ReplayError::new)?;
        if head.snapshot != HEAD_VERSION {
            let reason = format!("the snapshot's head has version {}, not {HEAD_VERSION}", head.snapshot);
            return Err(ReplayError::new(reason));
        }
        if head.seq > SEQ_MAX {
            return Err(ReplayError::new(format!("the snapshot is of event {}, beyond all events", head.seq)));
        }
        self.state = State::resume(self.limits, head.pages.clone());
        self.state.resumed_at(head.seq, head.at);
        self.head = Some(head);
        Ok(())
    }

    fn schedule(&mut self, line: &[u8]) -> Result<(), ReplayError> {
        let kept: KeptSchedule = serde_json::from_slice(line).map_err(ReplayError::new)?;
        self.state.restore_schedule(kept.schedule);
        Ok(())
    }

    fn proof(&mut self, line: &[u8]) -> Result<(), ReplayError> {
        let proof: Proof = serde_json::from_slice(line).map_err(ReplayError::new)?;
        let digest = self.state.run(proof.run).map(callboard_core::Run::digest);
        if digest.as_ref() != Some(&proof.digest) {
            // The events are the truth. What they fold to has changed, which is a bug of this release or the last.
            let what = "its events no longer fold to the state that was recorded";
            self.diverged.push(Breach::of_run(Invariant::ReplayEqualsLive, proof.run, what));
        }
        Ok(())
    }
}

/// A value as a line of JSON.
fn json(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("what is journalled has a JSON form");
    line.push(b'\n');
    line
}

impl Replay for Recovery {
    fn reset(&mut self) {
        *self = Self::new(self.limits);
    }

    fn snapshot(&mut self, lines: &[u8]) -> Result<(), ReplayError> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            match (&self.head, line.starts_with(b"{\"v\":")) {
                (None, _) => self.head(line)?,
                (Some(_), true) => drop(self.event(line)?),
                (Some(_), false) if line.starts_with(b"{\"schedule\":") => self.schedule(line)?,
                (Some(_), false) => self.proof(line)?,
            }
        }
        Ok(())
    }

    fn batch(&mut self, _: Position, lines: &[u8]) -> Result<(), ReplayError> {
        self.tail.appends += 1;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let before = self.state.seq();
            let event = self.event(line)?;
            self.tail.events += 1;
            self.tail.bytes += line.len() as u64;
            if event.seq != before + 1 {
                return Err(ReplayError::new(format!("event {} follows event {before}", event.seq)));
            }
        }
        Ok(())
    }
}
