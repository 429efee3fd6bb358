//! How a running handler is told to stop.

use callboard_core::{Speaker, StopReason, TaskRef, Token};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The handlers that run on this node, each with its way to be stopped.
#[derive(Debug, Default)]
pub(crate) struct Stops(Mutex<BTreeMap<(TaskRef, Token), oneshot::Sender<StopReason>>>);

impl Stops {
    /// Notes that a handler runs; the receiver hears when it is to stop.
    pub(crate) fn running(&self, task: TaskRef, token: Token) -> oneshot::Receiver<StopReason> {
        let (stop, stopped) = oneshot::channel();
        self.lock().insert((task, token), stop);
        stopped
    }

    /// Notes that it has ended.
    pub(crate) fn ended(&self, task: TaskRef, token: Token) {
        self.lock().remove(&(task, token));
    }

    /// Tells it to stop, if it runs here.
    pub(crate) fn stop(&self, speaker: &Speaker, reason: StopReason) {
        if let Some(stop) = self.lock().remove(&(speaker.task, speaker.token)) {
            let _ended = stop.send(reason);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(TaskRef, Token), oneshot::Sender<StopReason>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
