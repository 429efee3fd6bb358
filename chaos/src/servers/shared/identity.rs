//! A process that somebody else has started, so that it is not mistaken for a later one of the same id.

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often a process is looked at that is to end.
const LOOK: Duration = Duration::from_millis(10);

/// The leader of a process group, by its id and by when it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    id: u32,
    /// In ticks since the machine started.
    started: u64,
}

impl Identity {
    /// The one that has this id now, if there is one.
    pub(super) fn of(id: u32) -> Option<Self> {
        started(id).map(|started| Self { id, started })
    }

    /// Whether it is still there, as itself.
    pub(super) fn lives(&self) -> bool {
        started(self.id) == Some(self.started)
    }

    /// SIGKILL to its group; nothing when it is gone.
    pub(super) fn kill(&self) {
        let group = i32::try_from(self.id).ok().and_then(Pid::from_raw);
        if let Some(group) = group.filter(|_| self.lives()) {
            // It may have ended between the look and the signal.
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }

    /// Waits until it is gone, having been killed.
    pub(super) async fn gone(&self) {
        while self.lives() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// When the process of this id started; nothing if there is none, or only its exit status.
fn started(id: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may have spaces and parentheses in it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    // Behind the name, the state is the first field and the start the twentieth (proc(5): the 3rd and the 22nd).
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    (state != "Z").then_some(started)
}
