//! What feeds one consumer or subscription.

use super::dead::Dead;
use super::envelope::decode;
use super::names::Names;
use super::receipt::{Hold, Receipt};
use crate::port::bus::{Delivery, Envelope, Error, Listen, Source};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use lapin::options::BasicCancelOptions;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// One consumer, with a channel to itself. Dropping it closes the channel, unless it was cancelled: then the channel stays
/// for as long as its deliveries.
#[derive(Debug)]
pub(super) struct Tap {
    stream: lapin::Consumer,
    hold: Arc<Hold>,
    names: Arc<Names>,
    dead: mpsc::Sender<Dead>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing comes any more.
    Over,
    /// Nothing comes any more, and what has come stays with its receivers.
    Cancelled,
}

/// What has come.
pub(super) struct Came {
    pub(super) envelope: Envelope,
    redelivered: bool,
    receipt: Receipt,
}

impl Came {
    /// Takes it out of its queue.
    pub(super) fn done(self) {
        self.receipt.done();
    }
}

impl Tap {
    pub(super) fn new(stream: lapin::Consumer, hold: Hold, names: Arc<Names>, dead: mpsc::Sender<Dead>) -> Self {
        Self { stream, hold: Arc::new(hold), names, dead, state: State::Open }
    }

    /// The next message that can be read. What cannot is given to those who bury it, at once: it waits there.
    pub(super) async fn receive(&mut self) -> Option<Came> {
        while self.state == State::Open {
            let came = tokio::select! {
                biased;
                () = self.hold.session.ended() => None,
                came = self.stream.next() => came,
            };
            let Some(Ok(delivery)) = came else {
                self.state = State::Over;
                break;
            };
            let lapin::message::Delivery { properties, data, acker, redelivered, exchange, routing_key, .. } = delivery;
            let receipt = Receipt::new(acker, self.hold.clone());
            if !receipt.is_open() {
                continue;
            }
            let body = bytes::Bytes::from(data);
            match decode(&properties, body.clone(), &self.names) {
                Ok(envelope) => return Some(Came { envelope, redelivered, receipt }),
                Err(reason) => {
                    let dead = Dead { properties, body, exchange, routing_key, reason, receipt };
                    let _bus_has_ended = self.dead.send(dead).await;
                }
            }
        }
        None
    }

    /// Takes nothing more; what has come and was not looked at goes back.
    async fn end(mut self) -> Result<(), Error> {
        if !self.hold.session.is_up() {
            return Err(Error::Closed { reason: "the connection to RabbitMQ is gone".to_owned() });
        }
        let cancelled = self.hold.channel.basic_cancel(self.stream.tag(), BasicCancelOptions::default());
        match timeout(self.hold.answer, cancelled).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Error::Closed { reason: error.to_string() }),
            Err(_) => return Err(Error::Unclear { reason: format!("no answer within {:?}", self.hold.answer) }),
        }
        while let Some(Some(Ok(delivery))) = self.stream.next().now_or_never() {
            drop(Receipt::new(delivery.acker, self.hold.clone()));
        }
        self.state = State::Cancelled;
        Ok(())
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if self.state != State::Cancelled {
            self.hold.let_go();
        }
    }
}

impl Source for Tap {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(async move {
            let Came { envelope, redelivered, receipt } = self.receive().await?;
            Some(Delivery::new(envelope, redelivered, Box::new(receipt)))
        })
    }

    fn cancel(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(self.end())
    }
}

/// A subscription: what is heard is done with.
impl Listen for Tap {
    fn next(&mut self) -> BoxFuture<'_, Option<Envelope>> {
        Box::pin(async move {
            let Came { envelope, receipt, .. } = self.receive().await?;
            receipt.done();
            Some(envelope)
        })
    }
}
