//! The door of a partition in this process: where its actor is found, and how much may wait before it.

#[cfg(test)]
mod tests;

use super::health::Health;
use super::message::{Message, Room};
use crate::journal::append::Stuck;
use crate::supervise::{FailureKind, Slot};
use crate::sync::Semaphore;
use crate::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a caller waits for a partition that is down, or for room in its inbox.
pub(super) const ROOM_MAX: Duration = Duration::from_secs(5);
/// Commands that may wait in a partition at once, and the bytes of graphs that they carry.
const INBOX_COMMANDS: usize = 10_000;
const INBOX_BYTES: usize = 8 << 20;
/// How long an append may be without a clear answer before no more submissions are let in.
const STUCK_MAX: Duration = Duration::from_secs(2);

/// That nothing of it is changed.
pub(crate) fn only_a_copy() -> Error {
    Error::new(ErrorKind::Denied, "this node shows a copy: nothing of it is changed, and nothing runs (store.mode)")
}

/// One partition as this process may have it.
pub(crate) struct Door {
    pub(crate) slot: Slot<Message>,
    pub(crate) health: Arc<Health>,
    /// Whether what is behind it is looked at and never changed.
    is_frozen: bool,
    bytes: Arc<Semaphore>,
    commands: Arc<Semaphore>,
}

impl Door {
    pub(crate) fn new(slot: Slot<Message>, health: Arc<Health>, is_frozen: bool) -> Self {
        let (bytes, commands) = (Semaphore::new(INBOX_BYTES), Semaphore::new(INBOX_COMMANDS));
        Self { slot, health, is_frozen, bytes: Arc::new(bytes), commands: Arc::new(commands) }
    }

    /// Why nobody is there.
    pub(super) fn down(&self) -> Error {
        if let Some(reason) = self.health.closed() {
            return Error::new(ErrorKind::Unavailable, "the node has stopped").because(reason);
        }
        match self.health.trouble() {
            Some(failure) if failure.kind == FailureKind::Corrupt => {
                Error::new(ErrorKind::Corrupt, "the partition is refused").because(failure.message)
            }
            Some(failure) => Error::new(ErrorKind::Unavailable, "the partition is down").because(failure.message),
            None => Error::new(ErrorKind::Unavailable, "the partition is down"),
        }
    }

    /// Refuses what would change a copy; and what would only wait: the store has not given its owner here a clear answer for a while.
    pub(super) fn admit(&self) -> Result<()> {
        if self.is_frozen {
            return Err(only_a_copy());
        }
        let stuck = self.health.stuck().filter(|stuck| stuck.since.elapsed() > STUCK_MAX);
        match stuck.filter(|_| self.slot.current().is_some()) {
            None => Ok(()),
            Some(Stuck { since, tries, last_error }) => {
                let message =
                    format!("the store has given no clear answer for {:.0?}, in {tries} tries", since.elapsed());
                Err(Error::new(ErrorKind::Unavailable, message).because(last_error))
            }
        }
    }

    /// Takes room for a command of about `bytes`.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Room> {
        let bytes = bytes.clamp(1, INBOX_BYTES) as u32;
        let both = async {
            let commands = self.commands.clone().acquire_owned().await;
            Ok::<_, tokio::sync::AcquireError>((commands?, self.bytes.clone().acquire_many_owned(bytes).await?))
        };
        match timeout(ROOM_MAX, both).await {
            Ok(Ok((_commands, _bytes))) => Ok(Room { _bytes, _commands }),
            Ok(Err(_)) | Err(_) => {
                let free = (self.commands.available_permits(), self.bytes.available_permits());
                let message = format!(
                    "the partition's inbox is full: {} of {INBOX_COMMANDS} commands and {} of {INBOX_BYTES} bytes wait \
                     for the journal",
                    INBOX_COMMANDS - free.0,
                    INBOX_BYTES - free.1
                );
                Err(Error::new(ErrorKind::Unavailable, message))
            }
        }
    }
}
