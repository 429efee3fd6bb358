//! Bytes that nobody can read, for every queue that there is.

use crate::servers::RabbitMq;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};

/// The names of all queues.
const QUEUES: &str =
    "[binary_to_list(N) || [{name, {resource, _, queue, N}}] <- rabbit_amqqueue:info_all(<<\"/\">>, [name])]";
/// How the name of the queue ends where such messages end.
pub(super) const DEAD: &str = "agent.dead";

/// Publishes two messages to each queue but the last one of all: one that says nothing of itself, and one that says
/// something wrong. How many were taken, and what went wrong.
pub(super) async fn poison(broker: &RabbitMq) -> (u64, Option<String>) {
    let queues = match broker.evaluate(QUEUES).await {
        Ok(said) => names(&said),
        Err(error) => return (0, Some(format!("the broker does not say which queues there are: {error}"))),
    };
    let mut published = 0;
    let error = publish(&broker.url(), &queues, &mut published).await.err();
    (published, error.map(|error| error.to_string()))
}

/// The names in a list as Erlang writes it: `["a","b"]`, with the quotes escaped once more on the way here.
fn names(said: &str) -> Vec<String> {
    let names = said.split('"').skip(1).step_by(2).map(|name| name.trim_end_matches('\\'));
    names.filter(|name| !name.is_empty() && !name.ends_with(DEAD)).map(str::to_owned).collect()
}

async fn publish(url: &str, queues: &[String], published: &mut u64) -> Result<(), lapin::Error> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut wrong = FieldTable::default();
    wrong.insert("cloudEvents_specversion".into(), AMQPValue::LongString("nine".into()));
    wrong.insert("cloudEvents_id".into(), AMQPValue::Boolean(true));
    let properties = [BasicProperties::default(), BasicProperties::default().with_headers(wrong)];
    let to_nobody = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    for queue in queues {
        for properties in &properties {
            let sent = channel.basic_publish(
                "".into(),
                queue.as_str().into(),
                to_nobody,
                b"\xff\x00poison",
                properties.clone(),
            );
            // A queue that has gone meanwhile gives it back, and one that is full refuses it.
            if let Confirmation::Ack(None) = sent.await?.await? {
                *published += 1;
            }
        }
    }
    connection.close(200, "done".into()).await
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_names_of_queues_are_read_as_erlang_writes_them() {
        let said = r#"[\"chaos.node.a\",\"chaos.agent.dead\",\"chaos.partition.1\"]"#;
        assert_eq!(super::names(said), ["chaos.node.a", "chaos.partition.1"]);
        assert_eq!(super::names("[]"), [""; 0]);
    }
}
