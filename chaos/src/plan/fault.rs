//! What is done to a cluster.

use super::words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A fault of a plan: what it is, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// What is done.
    pub kind: FaultKind,
    /// When it begins, counted from the first submission; with `every`, when it begins for the first time at the earliest.
    #[serde(default, with = "words::maybe", skip_serializing_if = "Option::is_none")]
    pub at: Option<Duration>,
    /// About how often it begins: each time is drawn from half to one and a half of it.
    #[serde(default, with = "words::maybe", skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// How long it lasts, if it is one that does; see [`FaultKind::lasts`].
    #[serde(default, rename = "for", with = "words::maybe", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Duration>,
    /// Which node, from 1, if it is done to a node; drawn each time without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<usize>,
    /// Which server the node is cut off from, or is slow to reach; drawn each time without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// By how much what is sent is delayed (`delay`); 300 ms without it. By how much a clock is wrong (`clock-skew`), which may
    /// be behind or ahead; drawn each time without it.
    #[serde(default, with = "words::maybe", skip_serializing_if = "Option::is_none")]
    pub by: Option<Duration>,
    /// Of how many creates in the store one is done and its answer lost (`store-lost-answers`), or of how many requests one
    /// has another answer (`store-answers`); 5 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_in: Option<u64>,
    /// With what the store answers (`store-answers`: 409, 412, 500 or 503; `store-full`: 403 or 507); drawn each time without
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Of a hundred keys so many are deleted at a time (`redis-evict`), and of a hundred milliseconds a node may run for so many
    /// (`starve`); drawn each time without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u64>,
    /// How many bytes arrive in a second, in each direction of each connection (`trickle`); drawn each time without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// How many runs are submitted in a second, beside the others (`flood`); 100 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u64>,
    /// The program that is run, and its arguments (`command`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// What undoes that, after `for` and also when the suite is interrupted (`command`); nothing without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<String>,
    /// How long each of both may take (`command`); a minute without it.
    #[serde(default, with = "words::maybe", skip_serializing_if = "Option::is_none")]
    pub limit: Option<Duration>,
}

impl FaultPlan {
    /// How long a command of it may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit.unwrap_or(LIMIT)
    }

    /// The programs that it runs, if it is a command.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        [&self.run, &self.undo].into_iter().filter_map(|words| words.first().map(String::as_str))
    }
}

/// How long a command may take of which a plan does not say it.
const LIMIT: Duration = Duration::from_secs(60);

/// A server that nodes need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// RabbitMQ.
    Broker,
    /// Redis.
    Redis,
    /// radosgw.
    Store,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A node is killed (SIGKILL), and started again after a while.
    NodeKill,
    /// A node is stopped in its tracks (SIGSTOP) for a while: its connections stay open, and it knows nothing of it.
    NodePause,
    /// A node is ended cleanly (SIGTERM), and started again.
    NodeRestart,
    /// RabbitMQ is ended cleanly and started again, with its data.
    BrokerRestart,
    /// RabbitMQ is killed and started again, with its data.
    BrokerKill,
    /// All queues, exchanges and messages of RabbitMQ are gone, and all connections closed.
    BrokerWipe,
    /// Bytes that nobody can read are published to every queue that the nodes have.
    Poison,
    /// RabbitMQ takes no messages for a while, as when its memory or its disk is full: who publishes is blocked.
    BrokerAlarm,
    /// All keys and scripts of Redis are gone.
    RedisFlush,
    /// Redis is killed and started again.
    RedisKill,
    /// The master of Redis is killed, its replica takes its place, and it comes back as the replica of that one.
    RedisFailover,
    /// Some of the keys of Redis are gone, again and again for a while.
    RedisEvict,
    /// The gateway of the store is stopped in its tracks (SIGSTOP) for a while: requests hang.
    StorePause,
    /// The gateway of the store is killed, and started again after a while: connections are refused.
    StoreKill,
    /// For a while some creates take effect in the store and their answers are lost.
    StoreLostAnswers,
    /// For a while some requests to the store are answered with a failure, whether they have taken effect or not.
    StoreAnswers,
    /// The store takes no object for a while; everything else works.
    StoreFull,
    /// A node does not reach one server for a while, nor is reached by it: what is under way waits.
    Cut,
    /// The same with what is sent lost, and only in the direction to the server.
    CutOneWay,
    /// What a node and a server say to one another comes later for a while.
    Delay,
    /// What a node and a server say to one another arrives at a few hundred bytes or some KiB in a second for a while.
    Trickle,
    /// The connections of a node to a server are gone on the side of the server, and the node is not told for a while: nobody
    /// answers.
    HalfOpen,
    /// The connections of a node to a server are reset.
    Reset,
    /// Nothing is delivered any more to the consumers that a node has at the broker, and everything else works; a connection that
    /// is made anew hears again.
    Deaf,
    /// Whatever the handlers of a node do ends at once, and their agents with them.
    AgentKill,
    /// A node may run for a few of a hundred milliseconds only, for a while.
    Starve,
    /// The wall clock of a node jumps, is wrong for a while, and jumps back.
    ClockSkew,
    /// Many runs of one task are submitted for a while.
    Flood,
    /// A program of somebody else's is run: it does something to a cluster that the suite has not built.
    Command,
}

/// What something is done to: of two faults with the same target the second waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A node, from 1.
    Node(usize),
    /// A server.
    Server(Server),
    /// What lies between a node, from 1, and a server.
    Wire(usize, Server),
    /// What tells a node, from 1, the time.
    Clock(usize),
    /// Nothing: it is clients that do more.
    Clients,
    /// Whatever the command of the plan's fault of this number does it to, from 1.
    Command(usize),
}

impl Server {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Broker, Self::Redis, Self::Store];

    /// As it stands in plans.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Redis => "redis",
            Self::Store => "store",
        }
    }
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::NodeKill,
        Self::NodePause,
        Self::NodeRestart,
        Self::BrokerRestart,
        Self::BrokerKill,
        Self::BrokerWipe,
        Self::Poison,
        Self::BrokerAlarm,
        Self::RedisFlush,
        Self::RedisKill,
        Self::RedisFailover,
        Self::RedisEvict,
        Self::StorePause,
        Self::StoreKill,
        Self::StoreLostAnswers,
        Self::StoreAnswers,
        Self::StoreFull,
        Self::Cut,
        Self::CutOneWay,
        Self::Delay,
        Self::Trickle,
        Self::HalfOpen,
        Self::Reset,
        Self::Deaf,
        Self::AgentKill,
        Self::Starve,
        Self::ClockSkew,
        Self::Flood,
        Self::Command,
    ];

    /// As it stands in plans.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodeKill => "node-kill",
            Self::NodePause => "node-pause",
            Self::NodeRestart => "node-restart",
            Self::BrokerRestart => "broker-restart",
            Self::BrokerKill => "broker-kill",
            Self::BrokerWipe => "broker-wipe",
            Self::Poison => "poison",
            Self::BrokerAlarm => "broker-alarm",
            Self::RedisFlush => "redis-flush",
            Self::RedisKill => "redis-kill",
            Self::RedisFailover => "redis-failover",
            Self::RedisEvict => "redis-evict",
            Self::StorePause => "store-pause",
            Self::StoreKill => "store-kill",
            Self::StoreLostAnswers => "store-lost-answers",
            Self::StoreAnswers => "store-answers",
            Self::StoreFull => "store-full",
            Self::Cut => "cut",
            Self::CutOneWay => "cut-one-way",
            Self::Delay => "delay",
            Self::Trickle => "trickle",
            Self::HalfOpen => "half-open",
            Self::Reset => "reset",
            Self::Deaf => "deaf",
            Self::AgentKill => "agent-kill",
            Self::Starve => "starve",
            Self::ClockSkew => "clock-skew",
            Self::Flood => "flood",
            Self::Command => "command",
        }
    }

    /// How long it lasts if a plan says nothing; nothing for what is over when it is done.
    #[must_use]
    pub const fn lasts(self) -> Option<Duration> {
        match self {
            Self::NodeKill => Some(Duration::from_secs(2)),
            // Longer than a lease and the life of a node: it is replaced, and wakes when others have its work.
            Self::NodePause => Some(Duration::from_secs(9)),
            Self::StorePause | Self::StoreKill => Some(Duration::from_secs(4)),
            Self::Cut | Self::CutOneWay | Self::Trickle => Some(Duration::from_secs(8)),
            Self::BrokerAlarm | Self::RedisEvict | Self::StoreFull | Self::Starve => Some(Duration::from_secs(8)),
            Self::StoreLostAnswers | Self::StoreAnswers | Self::Delay | Self::Flood => Some(Duration::from_secs(6)),
            // Longer than it takes a node to see that nothing comes round.
            Self::HalfOpen => Some(Duration::from_secs(20)),
            // Longer than the clock is remembered.
            Self::ClockSkew => Some(Duration::from_secs(10)),
            Self::NodeRestart
            | Self::BrokerRestart
            | Self::BrokerKill
            | Self::BrokerWipe
            | Self::Poison
            | Self::RedisFlush
            | Self::RedisKill
            | Self::RedisFailover
            | Self::Reset
            | Self::Deaf
            | Self::AgentKill
            | Self::Command => None,
        }
    }

    /// Whether it is done to a node, or to what lies before one.
    #[must_use]
    pub const fn is_of_node(self) -> bool {
        self.is_of_wire()
            || matches!(
                self,
                Self::NodeKill | Self::NodePause | Self::NodeRestart | Self::AgentKill | Self::Starve | Self::ClockSkew
            )
    }

    /// Whether it is done to what lies between a node and a server.
    #[must_use]
    pub const fn is_of_wire(self) -> bool {
        self.is_of_any_wire() || matches!(self, Self::Deaf)
    }

    /// Whether it is done to what lies between a node and any of the servers.
    #[must_use]
    pub const fn is_of_any_wire(self) -> bool {
        matches!(self, Self::Cut | Self::CutOneWay | Self::Delay | Self::Trickle | Self::HalfOpen | Self::Reset)
    }

    /// The statuses that a store may answer with.
    #[must_use]
    pub const fn statuses(self) -> &'static [u16] {
        match self {
            Self::StoreAnswers => &[409, 412, 500, 503],
            // radosgw's quota, and what HTTP has for it.
            Self::StoreFull => &[403, 507],
            _ => &[],
        }
    }

    /// What it is done to, for a node and a server that were drawn.
    #[must_use]
    pub const fn target(self, node: usize, server: Server) -> Target {
        match self.server() {
            Some(server) => Target::Server(server),
            None if matches!(self, Self::Deaf) => Target::Wire(node, Server::Broker),
            None if matches!(self, Self::ClockSkew) => Target::Clock(node),
            None if self.is_of_wire() => Target::Wire(node, server),
            None if self.is_of_node() => Target::Node(node),
            None => Target::Clients,
        }
    }

    /// What it is called, with what it is done to.
    #[must_use]
    pub fn of(self, target: Target) -> String {
        match target {
            Target::Server(_) | Target::Clients => self.name().to_owned(),
            Target::Node(_) | Target::Wire(..) | Target::Clock(_) | Target::Command(_) => {
                format!("{} of {target}", self.name())
            }
        }
    }

    /// The server that it is done to, if it is done to one.
    #[must_use]
    pub const fn server(self) -> Option<Server> {
        match self {
            Self::BrokerRestart | Self::BrokerKill | Self::BrokerWipe | Self::BrokerAlarm | Self::Poison => {
                Some(Server::Broker)
            }
            Self::RedisFlush | Self::RedisKill | Self::RedisFailover | Self::RedisEvict => Some(Server::Redis),
            Self::StorePause | Self::StoreKill | Self::StoreLostAnswers | Self::StoreAnswers | Self::StoreFull => {
                Some(Server::Store)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node {node}"),
            Self::Server(server) => f.write_str(server.name()),
            Self::Wire(node, server) => write!(f, "node {node} to {}", server.name()),
            Self::Clock(node) => write!(f, "node {node}"),
            Self::Clients => f.write_str("clients"),
            Self::Command(number) => write!(f, "fault {number}"),
        }
    }
}
