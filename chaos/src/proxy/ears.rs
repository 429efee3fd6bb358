//! What a client hears of its broker.

use super::Blows;
use super::frames::Frames;
use tokio::sync::watch;

/// The ears of one connection.
#[derive(Debug)]
pub(super) struct Ears {
    blows: watch::Receiver<Blows>,
    before: Blows,
    frames: Frames,
}

impl Ears {
    /// Those of a connection that began when so much had been done to others.
    pub(super) fn new(blows: watch::Receiver<Blows>, before: Blows) -> Self {
        Self { blows, before, frames: Frames::default() }
    }

    /// What of these bytes arrives.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        let is_deaf = self.blows.borrow().deafenings != self.before.deafenings;
        self.frames.pass(bytes, is_deaf)
    }
}
