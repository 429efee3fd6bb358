//! How one delivery is settled.

use super::session::{Session, close};
use crate::port::bus::{Error, Settle};
use futures::FutureExt;
use futures::future::BoxFuture;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::{Acker, Channel};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const BACK: BasicNackOptions = BasicNackOptions { multiple: false, requeue: true };
const DONE: BasicAckOptions = BasicAckOptions { multiple: false };

/// The channel of one consumer. It is open for as long as somebody holds a delivery or takes more, and what is not settled
/// when it closes goes back.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) session: Arc<Session>,
    pub(super) channel: Channel,
    pub(super) answer: Duration,
}

/// A delivery that is ours until it is settled; dropped, it goes back.
#[derive(Debug)]
pub(super) struct Receipt {
    acker: Option<Acker>,
    hold: Arc<Hold>,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Done,
    Back,
}

impl Hold {
    /// Everything that is not settled goes back now.
    pub(super) fn let_go(&self) {
        close(&self.channel);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Receipt {
    pub(super) fn new(acker: Acker, hold: Arc<Hold>) -> Self {
        Self { acker: Some(acker), hold }
    }

    /// Whether it can still be settled.
    pub(super) fn is_open(&self) -> bool {
        !self.hold.session.is_over() && self.acker.as_ref().is_some_and(Acker::usable)
    }

    /// Takes the message out of its queue, and does not wait until that is on its way.
    pub(super) fn done(mut self) {
        if let Some(acker) = self.acker.take() {
            let _under_way = acker.ack(DONE).now_or_never();
        }
    }

    /// The broker does not answer an ack: this is the answer of whoever has written it to the connection.
    async fn settle(mut self, verdict: Verdict) -> Result<(), Error> {
        let closed = |reason: &str| Error::Closed { reason: reason.to_owned() };
        if self.hold.session.is_over() {
            return Err(closed("the connection to RabbitMQ is gone"));
        }
        let Some(acker) = self.acker.take() else { return Err(closed("it is settled")) };
        let written = async {
            match verdict {
                Verdict::Done => acker.ack(DONE).await,
                Verdict::Back => acker.nack(BACK).await,
            }
        };
        match timeout(self.hold.answer, written).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(closed("the queue, the consumer or the connection is gone")),
            Ok(Err(error)) => Err(Error::Closed { reason: error.to_string() }),
            Err(_) => Err(Error::Unclear { reason: format!("not written within {:?}", self.hold.answer) }),
        }
    }
}

impl Settle for Receipt {
    fn ack(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(self.settle(Verdict::Done))
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(self.settle(Verdict::Back))
    }
}

impl Drop for Receipt {
    /// The client has a queue of its own for what it is to write, so nobody waits here.
    fn drop(&mut self) {
        if let Some(acker) = self.acker.take() {
            let _under_way = acker.nack(BACK).now_or_never();
        }
    }
}
