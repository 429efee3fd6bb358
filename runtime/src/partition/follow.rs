//! Handlers that follow what is recorded of their tasks. Volatile: one that is dropped asks again.

use super::message::Refusal;
use callboard_core::{Entry, Event, EventKind, Rejected, Speaker, State, TaskRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// What a handler is told: entries of its record, in order.
pub(crate) type Records = Result<Vec<Entry>, Refusal>;

/// Entries that one answer holds at most.
const ENTRIES_MAX: usize = 256;

/// When a handler is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum When {
    /// At once, also that there is nothing.
    Now,
    /// As soon as there is anything.
    Soon,
}

/// A handler that waits for more.
#[derive(Debug)]
struct Follower {
    speaker: Speaker,
    after: usize,
    reply: oneshot::Sender<Records>,
}

/// The handlers that wait for more, by task: each task has one holder.
#[derive(Debug, Default)]
pub(crate) struct Followers(BTreeMap<TaskRef, Follower>);

impl Followers {
    /// Tells the durable entries behind the first `after`, at once or as soon as there are any.
    pub(crate) fn follow(
        &mut self,
        state: &State,
        durable: u64,
        (speaker, after, when): (Speaker, usize, When),
        reply: oneshot::Sender<Records>,
    ) {
        if when == When::Now {
            let told = entries(state, durable, &speaker, after).map_err(Refusal::Rejected);
            return drop(reply.send(told));
        }
        let follower = Follower { speaker, after, reply };
        if let Some(follower) = follower.tell(state, durable) {
            self.0.insert(follower.speaker.task, follower);
        }
    }

    /// Tells those whose tasks have news that are durable now, and lets go of those whose task has moved on.
    pub(crate) fn released(&mut self, state: &State, durable: u64, events: &[Event], news: Vec<TaskRef>) {
        if self.0.is_empty() {
            return;
        }
        let moved = events.iter().filter_map(|event| Some((event.run?, &event.kind)));
        let moved = moved.filter_map(|(run, kind)| match kind {
            EventKind::TaskParked(event) => Some(TaskRef { run, task: event.task }),
            EventKind::TaskCompleted(event) => Some(TaskRef { run, task: event.task }),
            EventKind::AttemptFailed(event) => Some(TaskRef { run, task: event.task }),
            EventKind::AttemptLost(event) => Some(TaskRef { run, task: event.task }),
            EventKind::TasksCancelled(event) => {
                // Its instance is told to stop, and why. Whoever asks again is fenced.
                event.tasks.iter().for_each(|task| drop(self.0.remove(&TaskRef { run, task: *task })));
                None
            }
            _ => None,
        });
        let moved: Vec<TaskRef> = moved.collect();
        for task in moved.into_iter().chain(news) {
            if let Some(follower) = self.0.remove(&task)
                && let Some(follower) = follower.tell(state, durable)
            {
                self.0.insert(task, follower);
            }
        }
    }
}

impl Follower {
    /// Answers, if there is anything to say; gives itself back if not.
    fn tell(self, state: &State, durable: u64) -> Option<Self> {
        let told = match entries(state, durable, &self.speaker, self.after) {
            Ok(entries) if entries.is_empty() => return Some(self),
            Ok(entries) => Ok(entries),
            Err(rejected) => Err(Refusal::Rejected(rejected)),
        };
        let _gone = self.reply.send(told);
        None
    }
}

fn entries(state: &State, durable: u64, speaker: &Speaker, after: usize) -> Result<Vec<Entry>, Rejected> {
    state.admits(speaker)?;
    let record = state.run(speaker.task.run).and_then(|run| run.record(speaker.task.task));
    let news = record.and_then(|record| record.entries.get(after..)).unwrap_or_default();
    Ok(news.iter().take_while(|entry| entry.seq <= durable).take(ENTRIES_MAX).cloned().collect())
}
