//! What the events of a run have said of its tasks that the tasks do not say themselves: when they ran.

use crate::output::member;
use serde_json::Value;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    tasks: HashMap<String, Times>,
    has_news: bool,
}

/// When an attempt began, and when it ended if it has.
#[derive(Debug)]
struct Times {
    began: SystemTime,
    ended: Option<SystemTime>,
}

impl Seen {
    /// Takes note of an event.
    pub(super) fn note(&mut self, event: &Value) {
        self.has_news = true;
        let Ok(at) = humantime::parse_rfc3339(&member(event, "at")) else { return };
        let task = member(event, "task");
        match event["type"].as_str() {
            Some("started") => drop(self.tasks.insert(task, Times { began: at, ended: None })),
            Some("completed" | "failed" | "lost" | "parked" | "cancelled" | "failed_waiting") => {
                if let Some(times) = self.tasks.get_mut(&task).filter(|times| times.ended.is_none()) {
                    times.ended = Some(at);
                }
            }
            _ => {}
        }
    }

    /// Whether something was noted since this was asked last.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// How long the last attempt of a task took, or has taken by now; `None` if it has not begun.
    pub(super) fn took(&self, task: &str, now: SystemTime) -> Option<Duration> {
        let times = self.tasks.get(task)?;
        // Clocks differ: what began in the future has just begun.
        Some(times.ended.unwrap_or(now).duration_since(times.began).unwrap_or_default())
    }
}
