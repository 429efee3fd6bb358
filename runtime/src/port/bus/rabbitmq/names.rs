//! What queues and exchanges are called on the broker, and by which keys strangers reach them.

use crate::port::bus::QueueName;
use lapin::ExchangeKind;
use lapin::types::ShortString;

/// The name space that sets nothing before the names.
const PLAIN: &str = "default";
/// A name of AMQP has at most 255 bytes; one of ours 200, or an exchange 16.
const NAMESPACE_BYTES_MAX: usize = 48;

/// The names of one name space.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// Empty or `<ns>.`.
    prefix: String,
}

/// The exchanges that are there for whoever publishes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// By capability, agent or partition.
    Tasks,
    /// To one who waits for an answer.
    Responses,
    /// To everybody.
    Broadcasts,
    /// What cannot be delivered or read.
    Dead,
}

/// What brings messages from an exchange to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) exchange: Exchange,
    pub(super) key: String,
}

impl Names {
    /// The names of `namespace`, or what is wrong with it.
    pub(super) fn new(namespace: &str) -> Result<Self, String> {
        let is_short = namespace.len() <= NAMESPACE_BYTES_MAX;
        match namespace {
            PLAIN => Ok(Self { prefix: String::new() }),
            proper if is_short && proper.parse::<QueueName>().is_ok() => Ok(Self { prefix: format!("{proper}.") }),
            other => Err(format!(
                "not a name space of RabbitMQ (1 to {NAMESPACE_BYTES_MAX} of A-Z a-z 0-9 . _ = -, not \"amq.\"): {other:?}"
            )),
        }
    }

    /// The broker's name of a queue. It is short enough: both parts are bounded.
    pub(super) fn queue(&self, queue: &QueueName) -> ShortString {
        format!("{}{queue}", self.prefix).into()
    }

    /// The broker's name of an exchange.
    pub(super) fn exchange(&self, exchange: Exchange) -> ShortString {
        format!("{}{}", self.prefix, exchange.name()).into()
    }

    /// Our name of a queue that the broker calls so. What has not our prefix is taken for a name without one: strangers may
    /// not know of it.
    pub(super) fn parse(&self, name: &str) -> Option<QueueName> {
        name.strip_prefix(&self.prefix).unwrap_or(name).parse().ok()
    }
}

impl Exchange {
    pub(super) const ALL: [Self; 4] = [Self::Tasks, Self::Responses, Self::Broadcasts, Self::Dead];

    fn name(self) -> &'static str {
        match self {
            Self::Tasks => "agent.tasks",
            Self::Responses => "agent.responses",
            Self::Broadcasts => "agent.broadcasts",
            Self::Dead => "agent.dead",
        }
    }

    pub(super) fn kind(self) -> ExchangeKind {
        match self {
            Self::Tasks => ExchangeKind::Topic,
            Self::Responses => ExchangeKind::Direct,
            // What is dead keeps the key it had, so no key may matter.
            Self::Broadcasts | Self::Dead => ExchangeKind::Fanout,
        }
    }
}

/// How strangers reach a queue, if they do: what is a node's own is no business of theirs.
pub(super) fn binding(queue: &QueueName) -> Option<Binding> {
    let name = queue.as_str();
    let bound = |exchange, key: String| Some(Binding { exchange, key });
    if let Some(capability) = name.strip_prefix("capability.").and_then(|rest| rest.strip_suffix(".v1")) {
        return bound(Exchange::Tasks, format!("capability.{capability}"));
    }
    if let Some(agent) = name.strip_prefix("agent.").and_then(|rest| rest.strip_suffix(".tasks")) {
        return bound(Exchange::Tasks, format!("agent.{agent}"));
    }
    if let Some(agent) = name.strip_prefix("agent.").and_then(|rest| rest.strip_suffix(".responses")) {
        return bound(Exchange::Responses, format!("{agent}.response"));
    }
    name.starts_with("partition.").then(|| Binding { exchange: Exchange::Tasks, key: name.to_owned() })
}
