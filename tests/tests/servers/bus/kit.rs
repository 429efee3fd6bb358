//! A broker, buses on it, and what tests of both say often.

use callboard::port::bus::rabbitmq::{RabbitMqBus, RabbitMqOptions};
use callboard::port::bus::{Bus, Consumer, Delivery, Envelope, Error, QueueName};
use callboard_chaos::servers::{self, RabbitMq, RabbitMqOptions as ServerOptions};
use std::future::Future;
use std::num::{NonZeroU16, NonZeroUsize};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// How long a state may take to come true.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait before a state is looked at again.
const MOMENT: Duration = Duration::from_millis(10);

/// A broker of a test's own, and its folder.
pub(super) struct Broker {
    pub(super) server: RabbitMq,
    _folder: TempDir,
}

/// Starts a broker.
pub(super) async fn broker() -> Broker {
    broker_with(ServerOptions::default()).await
}

pub(super) async fn broker_with(options: ServerOptions) -> Broker {
    let folder = tempfile::tempdir().expect("a folder");
    let server = RabbitMq::start_with(folder.path(), options).await.expect("rabbitmq starts");
    Broker { server, _folder: folder }
}

/// Where a broker is that tests share.
pub(super) struct Shared {
    pub(super) url: String,
    pub(super) port: u16,
}

/// The broker of all tests that do no harm to one: that of `make services`.
pub(super) fn shared() -> Shared {
    let url = servers::running().expect("`make services` starts them").rabbitmq.at;
    let port = url.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("its URL ends with its port");
    Shared { url, port }
}

/// Options with a name space of its own and short limits.
pub(super) fn options(url: impl Into<String>) -> RabbitMqOptions {
    RabbitMqOptions {
        namespace: format!("space-{}", Uuid::new_v4().simple()),
        round: Duration::from_millis(500),
        heartbeat: Duration::from_secs(3),
        ..RabbitMqOptions::new(url)
    }
}

pub(super) async fn connect(options: RabbitMqOptions) -> RabbitMqBus {
    RabbitMqBus::connect(options).await.expect("connected")
}

pub(super) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes true in time")
}

/// Repeats what fails until it does not.
pub(super) async fn until<T>(mut tried: impl AsyncFnMut() -> Result<T, Error>) -> T {
    soon(async {
        loop {
            match tried().await {
                Ok(done) => return done,
                Err(_) => tokio::time::sleep(MOMENT).await,
            }
        }
    })
    .await
}

pub(super) fn queue(name: &str) -> QueueName {
    name.parse().expect("a proper name")
}

pub(super) fn limit(messages: usize) -> NonZeroUsize {
    NonZeroUsize::new(messages).expect("not zero")
}

pub(super) fn prefetch(deliveries: u16) -> NonZeroU16 {
    NonZeroU16::new(deliveries).expect("not zero")
}

pub(super) fn message(id: impl ToString) -> Envelope {
    Envelope::new(id.to_string(), "test", "servers", "{}")
}

pub(super) fn id(delivery: &Delivery) -> &str {
    &delivery.envelope.head.id
}

/// Takes messages, and acks them, until this one comes.
pub(super) async fn receive(consumer: &mut Consumer, wanted: &str) {
    soon(async {
        loop {
            let delivery = consumer.next().await.expect("the queue is there");
            let found = id(&delivery) == wanted;
            delivery.ack().await.expect("acked");
            if found {
                return;
            }
        }
    })
    .await;
}

/// One message to the queue and back.
pub(super) async fn there_and_back(bus: &dyn Bus, consumer: &mut Consumer, to: &QueueName, id: &str) {
    soon(bus.publish(to, message(id))).await.expect("published");
    receive(consumer, id).await;
}
