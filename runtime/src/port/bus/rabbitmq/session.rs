//! One connection for as long as it lasts.

use super::wire::Wire;
use futures::{FutureExt, StreamExt};
use lapin::{Channel, Connection, Event};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::interval;

/// How often the client is asked whether it is still connected; it also says so, nearly always.
const LOOK: Duration = Duration::from_millis(250);
/// AMQP's code for an end that was meant.
const SUCCESS: u16 = 200;

/// One connection. Whoever holds a part of it hears by [`ended`](Self::ended) that it is over.
pub(super) struct Session {
    connection: Connection,
    life: watch::Receiver<()>,
    given_up: Notify,
    wire: Wire,
    /// Channels in confirm mode on which nothing is under way; the one used last comes first.
    idle: Mutex<Vec<Channel>>,
}

/// Ends its session when it is dropped: nothing goes over the connection any more, and it is closed.
pub(super) struct Alive {
    session: Arc<Session>,
    _life: watch::Sender<()>,
}

impl Session {
    /// A session, and what it lives with.
    pub(super) fn new(connection: Connection, wire: Wire) -> (Arc<Self>, Alive) {
        let (alive, life) = watch::channel(());
        let session = Arc::new(Self { connection, life, wire, given_up: Notify::new(), idle: Mutex::default() });
        (session.clone(), Alive { session, _life: alive })
    }

    /// Waits for the end of the connection and says what it was.
    pub(super) async fn watch(&self) -> String {
        let mut events = pin!(self.connection.events_listener());
        let mut look = interval(LOOK);
        let mut last = None;
        while self.connection.status().connected() {
            tokio::select! {
                () = self.given_up.notified() => {
                    // Nobody is there to say goodbye to.
                    self.wire.cut();
                    return "nothing came round any more".to_owned();
                }
                _ = look.tick() => {}
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        tracing::warn!(reason, "rabbitmq takes no messages: it is short of memory or disk");
                    }
                    Some(Event::ConnectionUnblocked) => tracing::info!("rabbitmq takes messages again"),
                    // What ends a channel alone is an error too.
                    Some(Event::Error(error)) if !self.connection.status().connected() => last = Some(error.to_string()),
                    Some(_) => {}
                    None => return "the client has ended".to_owned(),
                },
            }
        }
        last.unwrap_or_else(|| "closed".to_owned())
    }

    /// Has the session end: the connection is not what it seems.
    pub(super) fn give_up(&self) {
        self.given_up.notify_one();
    }

    pub(super) fn is_up(&self) -> bool {
        !self.is_over() && self.connection.status().connected()
    }

    pub(super) fn is_over(&self) -> bool {
        self.life.has_changed().is_err()
    }

    /// Waits until it is over.
    pub(super) async fn ended(&self) {
        let mut life = self.life.clone();
        while life.changed().await.is_ok() {}
    }

    /// Waits until the client has let go of the connection.
    pub(super) async fn closed(&self) {
        let status = self.connection.status();
        let mut look = interval(Duration::from_millis(10));
        while status.connected() || status.closing() {
            look.tick().await;
        }
    }

    /// Whether the broker reads nothing from this connection, for want of memory or disk.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// The longest frame, in bytes.
    pub(super) fn frame_bytes_max(&self) -> usize {
        usize::try_from(self.connection.configuration().frame_max()).unwrap_or(usize::MAX)
    }

    /// A new channel.
    pub(super) async fn channel(&self) -> lapin::Result<Channel> {
        self.connection.create_channel().await
    }

    /// A channel in confirm mode on which nothing is under way.
    pub(super) async fn confirming(&self) -> lapin::Result<Channel> {
        while let Some(channel) = self.idle().pop() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = self.channel().await?;
        channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    /// Gives back a channel of [`confirming`](Self::confirming) on which nothing is under way any more.
    pub(super) fn put_back(&self, channel: Channel) {
        self.idle().push(channel);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alive {
    /// The client is told and not waited for: its own thread says goodbye, or gives up when no heartbeat comes.
    fn drop(&mut self) {
        self.session.idle().clear();
        let _under_way = self.session.connection.close(SUCCESS, "over".into()).now_or_never();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("is_up", &self.is_up()).finish_non_exhaustive()
    }
}

/// Closes a channel without waiting: what was delivered over it and not settled goes back to its queue.
pub(super) fn close(channel: &Channel) {
    let _under_way = channel.close(SUCCESS, "over".into()).now_or_never();
}
