//! What needs no broker; what does is with the tests that start one.

use super::names::{Exchange, Names, binding};
use super::{RabbitMqBus, RabbitMqOptions};
use crate::port::bus::{Error, QueueName};

#[test]
fn a_name_space_stands_before_every_name() {
    let queue = QueueName::partition(3);
    let plain = Names::new("default").unwrap();
    assert_eq!(plain.queue(&queue).as_str(), "partition.3");
    assert_eq!(plain.exchange(Exchange::Tasks).as_str(), "agent.tasks");
    let prod = Names::new("prod").unwrap();
    assert_eq!(prod.queue(&queue).as_str(), "prod.partition.3");
    assert_eq!(prod.exchange(Exchange::Dead).as_str(), "prod.agent.dead");
    assert_eq!(prod.parse("prod.partition.3"), Some(queue.clone()));
    assert_eq!(prod.parse("partition.3"), Some(queue), "strangers may not know of it");
    for wrong in ["", "a b", "amq.x", &"x".repeat(49)] {
        assert!(Names::new(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn strangers_reach_queues_by_keys() {
    let by = |queue: QueueName| binding(&queue).map(|binding| (binding.exchange, binding.key));
    let capability = QueueName::capability("text.review").unwrap();
    assert_eq!(by(capability), Some((Exchange::Tasks, "capability.text.review".into())));
    let tasks = QueueName::agent_tasks("a-1").unwrap();
    assert_eq!(by(tasks), Some((Exchange::Tasks, "agent.a-1".into())));
    let responses = QueueName::agent_responses("a-1").unwrap();
    assert_eq!(by(responses), Some((Exchange::Responses, "a-1.response".into())));
    assert_eq!(by(QueueName::partition(7)), Some((Exchange::Tasks, "partition.7".into())));
    assert_eq!(by(QueueName::node("n").unwrap()), None);
    assert_eq!(by(QueueName::orchestrator_priority()), None);
    assert_eq!(by(QueueName::dead()), None);
}

#[tokio::test]
async fn what_is_no_place_of_a_broker_is_refused_at_once() {
    let file = RabbitMqOptions { ca: Some("/nowhere/ca.pem".into()), ..RabbitMqOptions::new("amqps://localhost") };
    let plain = RabbitMqOptions { url: "amqp://localhost".into(), ..file.clone() };
    let space = RabbitMqOptions { namespace: "a b".into(), ..RabbitMqOptions::new("amqp://localhost") };
    let cases = [
        (RabbitMqOptions::new("localhost:5672"), "not a URL"),
        (file, "/nowhere/ca.pem: No such file"),
        (plain, "for amqps:// alone"),
        (space, "not a name space"),
    ];
    for (options, words) in cases {
        let refused = RabbitMqBus::connect(options).await;
        assert!(matches!(&refused, Err(Error::Refused { reason }) if reason.contains(words)), "{words}: {refused:?}");
    }
}

#[test]
fn a_password_is_not_shown() {
    let options = RabbitMqOptions::new("amqp://me:secret@host:1/v?auth=secret");
    let shown = format!("{options:?}");
    assert!(shown.contains("host:1/v") && !shown.contains("secret"), "{shown}");
}
