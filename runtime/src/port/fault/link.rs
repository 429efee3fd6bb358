//! A node's connection, which can be cut and healed.

use std::future::Future;

use tokio::sync::watch;

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Link(watch::Sender<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    cuts: u64,
    health: Health,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Up,
    Cut,
}

/// A connection as it stood when something began; over with the next cut, also when that is healed.
#[derive(Clone, Debug)]
pub(crate) struct Up {
    state: watch::Receiver<State>,
    cuts: u64,
}

impl Link {
    /// Ends the connection and whatever began on it; nothing new begins until it is healed.
    pub(crate) fn cut(&self) {
        self.0.send_modify(|state| *state = State { cuts: state.cuts + 1, health: Health::Cut });
    }

    /// Has things begin again.
    pub(crate) fn heal(&self) {
        self.0.send_modify(|state| state.health = Health::Up);
    }

    /// The connection as it stands, or `None` while it is cut.
    pub(crate) fn up(&self) -> Option<Up> {
        let state = self.0.subscribe();
        let State { cuts, health } = *state.borrow();
        (health == Health::Up).then_some(Up { state, cuts })
    }
}

impl Up {
    /// Whether there was a cut since.
    pub(crate) fn is_over(&self) -> bool {
        self.state.borrow().cuts != self.cuts
    }

    /// What `work` comes to, or `None` at the cut; then it is dropped where it stands.
    pub(crate) async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut state = self.state.clone();
        tokio::select! {
            biased;
            // That the link itself is gone is its last cut.
            _ = state.wait_for(|state| state.cuts != self.cuts) => None,
            done = work => Some(done),
        }
    }
}
