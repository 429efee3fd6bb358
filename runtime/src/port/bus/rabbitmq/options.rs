//! How a bus on RabbitMQ differs from the plain one.

pub use crate::settings::QueueKind;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where the broker is and how it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct RabbitMqOptions {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. Left out: `guest`, `guest`, 5672 (5671), `/`. Several brokers of
    /// one cluster stand between commas, `amqp://user:password@one,two:5673,three/vhost`: whichever answers is connected to, and another
    /// one when that is lost.
    pub url: String,
    /// Set before the names of all queues and exchanges, unless it is `default`. At most 48 bytes of what names are made of.
    pub namespace: String,
    /// The kind of shared queues. To change it, change the name space or delete the queues.
    pub queues: QueueKind,
    /// A file with the certificates (PEM) of those whose servers are trusted beside the system's; for `amqps://` alone.
    pub ca: Option<PathBuf>,
    /// How long [`connect`](super::RabbitMqBus::connect) tries, and how long each later attempt may take; 10 s, of which each of
    /// several brokers has its share. The longer, the later is it known that a broker does not answer.
    pub connect: Duration,
    /// How long the broker may take for one answer; 5 s, and a second more for every 4 MiB of a message. The longer, the
    /// later does a publish say that its outcome is unclear.
    pub answer: Duration,
    /// How often a message is sent round through the broker and back; 5 s. It must come within [`answer`](Self::answer),
    /// else both connections are given up: so the sum of the two is how long a dead network goes unnoticed.
    pub round: Duration,
    /// After how long without a sign of life client and server give each other up, about twice; 10 s, at least 1 s. It is
    /// how the broker finds out about a node that has vanished without a word.
    pub heartbeat: Duration,
    /// How many messages may be published and not confirmed, each on a channel of its own; 256. More cost the broker memory.
    pub unconfirmed_max: u16,
    /// How often a [quorum](QueueKind::Quorum) queue delivers one message before it goes to `agent.dead`; 20.
    pub deliveries_max: u16,
}

impl RabbitMqOptions {
    /// The broker at this URL, and the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            namespace: "default".to_owned(),
            queues: QueueKind::default(),
            ca: None,
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(5),
            round: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            unconfirmed_max: 256,
            deliveries_max: 20,
        }
    }
}

/// The URL may hold a password, so of it only what follows the last `@` is shown, without the query.
impl fmt::Debug for RabbitMqOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.url.split('?').next().unwrap_or_default();
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        f.debug_struct("RabbitMqOptions")
            .field("url", &place)
            .field("namespace", &self.namespace)
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}
