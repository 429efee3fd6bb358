//! The contract, on classic and on quorum queues.

use super::kit::{connect, options, shared};
use callboard::port::bus::conformance;
use callboard::port::bus::rabbitmq::{QueueKind, RabbitMqOptions};

#[tokio::test(flavor = "multi_thread")]
async fn classic_queues_keep_the_contract() {
    let broker = shared();
    let bus = connect(options(broker.url.clone())).await;
    conformance::all(&bus).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quorum_queues_keep_the_contract() {
    let broker = shared();
    let bus = connect(RabbitMqOptions { queues: QueueKind::Quorum, ..options(broker.url.clone()) }).await;
    conformance::all(&bus).await;
}
