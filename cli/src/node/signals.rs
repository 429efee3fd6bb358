//! The signals that end a node: the first asks it to, the second does not.

use crate::failure::{Failure, Result};
use callboard::Code;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What has been heard since the start.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    heard: u32,
}

impl Signals {
    pub(super) fn new() -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(Code::Internal, format!("cannot listen for signals: {error}")))
        };
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())?, heard: 0 })
    }

    /// Waits for the first of them: at once if it was heard before.
    pub(super) async fn first(&mut self) {
        self.nth(1).await;
    }

    /// Waits for the second of them.
    pub(super) async fn second(&mut self) {
        self.nth(2).await;
    }

    async fn nth(&mut self, n: u32) {
        while self.heard < n {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            self.heard += 1;
        }
    }
}
