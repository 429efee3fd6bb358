//! Where messages go that cannot be read: to `agent.dead`, with the reason, for a person to look at.

use super::envelope::{Keep, Message, Unreadable};
use super::publisher::{Publisher, To};
use super::receipt::Receipt;
use crate::port::bus::QueueName;
use crate::telemetry;
use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// The pause after the broker did not take one.
const AGAIN: Duration = Duration::from_secs(1);
/// How many wait to be buried; then consumers wait that have found another.
pub(super) const WAITING_MAX: usize = 64;

/// A message that cannot be read.
#[derive(Debug)]
pub(super) struct Dead {
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) reason: Unreadable,
    pub(super) receipt: Receipt,
}

/// Buries what comes, one after the other, for as long as something may come. A message is taken out of its queue when it is
/// in the other one, and never before; it stays out until then, so it does not come again and again.
pub(super) async fn bury(mut coming: mpsc::Receiver<Dead>, publisher: Arc<Publisher>) {
    while let Some(dead) = coming.recv().await {
        let Dead { reason, exchange, routing_key, .. } = &dead;
        tracing::warn!(%reason, %exchange, %routing_key, "a message can not be read; it goes to agent.dead");
        metrics::counter!(telemetry::UNREADABLE).increment(1);
        while dead.receipt.is_open() {
            match publisher.publish(To::Queue(&QueueName::dead()), dead.message()).await {
                Ok(()) => break,
                Err(error) => tracing::warn!(%error, "agent.dead does not take a message"),
            }
            sleep(AGAIN).await;
        }
        dead.receipt.done();
    }
}

impl Dead {
    /// As it came, and with the reason and where it came from.
    fn message(&self) -> Message {
        let mut headers = self.properties.headers().clone().unwrap_or_default();
        self.mark(&mut headers);
        let properties = self.properties.clone().with_delivery_mode(Keep::OnDisk.mode()).with_headers(headers);
        Message { properties, body: self.body.clone() }
    }

    fn mark(&self, headers: &mut FieldTable) {
        let mut put = |name: &'static str, value: String| {
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
        };
        put("cb_reason", self.reason.to_string());
        put("cb_exchange", self.exchange.to_string());
        put("cb_routing_key", self.routing_key.to_string());
    }
}
