//! A message that goes round: what proves that both connections carry something.
//!
//! A client may believe for minutes in a connection that is dead, and brokers lose consumers without a word. So every few
//! seconds a message is published to a queue of our own and must come back. If it does not, both connections are given up,
//! and with them every consumer that has gone deaf.

use super::envelope::{Keep, encode};
use super::line::Line;
use super::names::Names;
use super::options::RabbitMqOptions;
use super::publisher::{Publisher, To};
use super::refusal::Refusal;
use super::tap::Tap;
use super::taps::Taps;
use crate::port::bus::{Envelope, QueueName};
use callboard_core::sabotage::{self, Sabotage};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// What waits in the queue at most: what came too late for its own round.
const LATE_MAX: usize = 8;
const ONE: NonZeroU16 = NonZeroU16::new(1).unwrap();
/// The pause before the queue is made again.
const AGAIN: Duration = Duration::from_millis(250);

/// What sends messages round.
pub(super) struct Round {
    pub(super) taps: Arc<Taps>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) names: Arc<Names>,
    pub(super) options: Arc<RabbitMqOptions>,
}

/// What came of one round.
enum Came {
    Back,
    /// It could not be sent, and nothing is known of the connections but that they are being made or are blocked.
    NotSent,
    /// The queue is gone.
    NoQueue,
    /// Nothing came in time.
    Nothing,
}

impl Round {
    /// Sends messages round for as long as the bus lives.
    pub(super) async fn for_ever(self) {
        loop {
            let queue = fresh();
            match self.taps.own(&queue, LATE_MAX, ONE).await {
                Ok(tap) => self.while_it_lasts(&queue, tap).await,
                // The connection is there and does not answer.
                Err(Refusal::Unclear(_)) => give_up(self.taps.line()),
                Err(_) => {}
            }
            sleep(AGAIN).await;
        }
    }

    async fn while_it_lasts(&self, queue: &QueueName, mut tap: Tap) {
        for number in 0_u64.. {
            sleep(self.options.round).await;
            match self.once(queue, &mut tap, number).await {
                Came::Back => {}
                Came::NotSent => {
                    // The other connection can be asked by itself.
                    if matches!(self.taps.ask(queue).await, Err(Refusal::Unclear(_))) {
                        return give_up(self.taps.line());
                    }
                }
                Came::NoQueue => return,
                Came::Nothing if sabotage::is(Sabotage::DeafConsumer) => {}
                Came::Nothing => {
                    give_up(self.publisher.line());
                    return give_up(self.taps.line());
                }
            }
        }
    }

    async fn once(&self, queue: &QueueName, tap: &mut Tap, number: u64) -> Came {
        let id = number.to_string();
        let sent = encode(&Envelope::new(&*id, "callboard.round.v1", "callboard", ""), &self.names, Keep::InMemory);
        match self.publisher.publish(To::Queue(queue), sent).await {
            Ok(()) | Err(Refusal::Full) => {}
            Err(Refusal::NotThere) => return Came::NoQueue,
            Err(Refusal::Refused(_)) => return Came::NotSent,
            // The alarm may have come after it was sent.
            Err(Refusal::Unclear(_)) if is_blocked(self.publisher.line()) => return Came::NotSent,
            Err(Refusal::Unclear(_)) => return Came::Nothing,
        }
        let back = async {
            while let Some(came) = tap.receive().await {
                let is_this = came.envelope.head.id == id;
                came.done();
                if is_this {
                    return Came::Back;
                }
            }
            Came::NoQueue
        };
        timeout(self.options.answer, back).await.unwrap_or(Came::Nothing)
    }
}

fn fresh() -> QueueName {
    format!("round.{}", Uuid::new_v4()).parse().expect("letters, digits, dots and dashes are a name")
}

fn give_up(line: &Line) {
    if let Ok(session) = line.session() {
        session.give_up();
    }
}

fn is_blocked(line: &Line) -> bool {
    line.session().is_ok_and(|session| session.is_blocked())
}
