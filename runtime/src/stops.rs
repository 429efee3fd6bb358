//! How a running handler is told to stop.

#[cfg(test)]
mod tests;

use crate::sync::{Mutex, MutexGuard};
use callboard_core::{InstanceId, Speaker, StopReason, TaskRef, Token};
use std::collections::BTreeMap;
use std::sync::PoisonError;
use tokio::sync::oneshot;

/// The handlers that run on this node, each with its way to be stopped.
///
/// One hand-out may have two handlers for a moment, after a takeover: the first to speak becomes the holder, and the
/// end of the other must not touch it. So each is known by its speaker and not by its task alone.
#[derive(Debug, Default)]
pub(crate) struct Stops(Mutex<BTreeMap<Key, oneshot::Sender<StopReason>>>);

type Key = (TaskRef, Token, InstanceId);

fn key(speaker: &Speaker) -> Key {
    (speaker.task, speaker.token, speaker.holder.clone())
}

impl Stops {
    /// Notes that a handler runs, or is about to; the receiver hears when it is to stop.
    pub(crate) fn running(&self, speaker: &Speaker) -> oneshot::Receiver<StopReason> {
        let (stop, stopped) = oneshot::channel();
        self.lock().insert(key(speaker), stop);
        stopped
    }

    /// Notes that it has ended, and that what came of it has been heard.
    pub(crate) fn ended(&self, speaker: &Speaker) {
        self.lock().remove(&key(speaker));
    }

    /// Tells it to stop, if it runs here.
    pub(crate) fn stop(&self, speaker: &Speaker, reason: StopReason) {
        if let Some(stop) = self.lock().remove(&key(speaker)) {
            let _ended = stop.send(reason);
        }
    }

    /// What an instance had in hand that has died, and of which nobody has said how it ended.
    pub(crate) fn left_by(&self, holder: &InstanceId) -> Vec<Speaker> {
        self.left(|had_it| had_it == holder)
    }

    /// Forgets what the instances of an agent had in hand that have died: nobody comes in their place.
    pub(crate) fn forget(&self, agent: &str) {
        let _leases_end = self.left(|had_it| had_it.agent() == agent);
    }

    fn left(&self, is_meant: impl Fn(&InstanceId) -> bool) -> Vec<Speaker> {
        let mut running = self.lock();
        let left: Vec<Key> = running.keys().filter(|(_, _, holder)| is_meant(holder)).cloned().collect();
        let taken = left.into_iter().map(|key| {
            running.remove(&key);
            let (task, token, holder) = key;
            Speaker { task, token, holder }
        });
        taken.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, oneshot::Sender<StopReason>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
