//! One connection to the broker, kept up: what it was is dropped and made anew whenever it ends or is given up.

use super::dial::Dial;
use super::session::Session;
use super::trouble::Trouble;
use crate::port::bus::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

/// The pause before the next attempt, doubled up to the second, so that all is back soon after the broker is.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// A connection that has lasted so long was a good one: the next pause is a short one.
const LASTED: Duration = Duration::from_secs(5);

/// A connection that is kept up; a cheap handle. It is given up with the set of tasks in which it is kept.
#[derive(Clone, Debug)]
pub(super) struct Line(watch::Receiver<Now>);

/// How the connection is.
#[derive(Clone, Debug)]
enum Now {
    Up(Arc<Session>),
    Down(Trouble),
}

impl Line {
    /// Keeps a connection up, in one of these tasks.
    pub(super) fn keep(dial: Dial, tasks: &mut JoinSet<()>) -> Self {
        let (tell, now) = watch::channel(Now::Down(Trouble::Starting));
        tasks.spawn(keep(dial, tell));
        Self(now)
    }

    /// The connection that is there now.
    pub(super) fn session(&self) -> Result<Arc<Session>, Error> {
        match &*self.0.borrow() {
            Now::Up(session) if session.is_up() => Ok(session.clone()),
            Now::Up(_) => Err(Error::Refused { reason: "the connection to RabbitMQ has just been lost".to_owned() }),
            Now::Down(trouble) => Err(Error::Refused { reason: format!("no connection to RabbitMQ: {trouble}") }),
        }
    }

    /// Waits for the first connection, or for what will not pass by itself.
    pub(super) async fn first(&self, limit: Duration) -> Result<(), Trouble> {
        let mut now = self.0.clone();
        let settled = now.wait_for(|now| match now {
            Now::Up(_) => true,
            Now::Down(trouble) => !trouble.may_pass(),
        });
        let _late = timeout(limit, settled).await;
        match &*self.0.borrow() {
            Now::Up(_) => Ok(()),
            Now::Down(Trouble::Starting) => Err(Trouble::Late { limit }),
            Now::Down(trouble) => Err(trouble.clone()),
        }
    }
}

/// Connects, watches, and connects again, for ever.
async fn keep(dial: Dial, tell: watch::Sender<Now>) {
    let mut pause = PAUSE.0;
    loop {
        let begun = Instant::now();
        match dial.connect().await {
            Ok((connection, wire)) => {
                let (session, alive) = Session::new(connection, wire);
                tell.send_replace(Now::Up(session.clone()));
                let end = session.watch().await;
                tracing::warn!(end = %end, line = dial.role(), "the connection to rabbitmq is lost");
                tell.send_replace(Now::Down(Trouble::Lost { place: dial.place(), seen: end }));
                drop(alive);
                if begun.elapsed() > LASTED {
                    pause = PAUSE.0;
                }
            }
            Err(trouble) => {
                tracing::debug!(%trouble, line = dial.role(), "rabbitmq can not be connected to");
                tell.send_replace(Now::Down(trouble));
            }
        }
        sleep(jittered(pause)).await;
        pause = (2 * pause).min(PAUSE.1);
    }
}

/// Between a half and the whole of it, so that the nodes of a cluster do not all come at once.
fn jittered(pause: Duration) -> Duration {
    let [chance, ..] = Uuid::new_v4().into_bytes();
    pause.mul_f64(0.5 + f64::from(chance) / 512.0)
}
