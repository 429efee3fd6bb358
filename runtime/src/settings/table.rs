//! The table of settings: each stands here once, with its default, its range, its meaning and its price. Documentation,
//! loading, writing and the annotated file all come from it.

use super::choice::{Addressing, Choice, LogFormat, QueueKind, StoreMode};
use super::row::{Field, Kind, Row};
use super::units;
use super::{BusSettings, DirectorySettings, StoreSettings, Tokens};
use callboard_core::OnCycle;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Writes structs of settings, their defaults and their rows.
macro_rules! settings {
    (
        $(#[$of:meta])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $key:literal $field:ident: $type:ty = $kind:ident($default:literal), $least:literal to $most:literal,
                $worse:literal;
            )*
            tables { $($(#[doc = $about:literal])+ $table:ident: $inner:ty;)* }
            $(named { $(#[doc = $of_all:literal])+ $named:ident: $one:ty; })?
        }
    ) => {
        $(#[$of])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                ///
                #[doc = concat!("`", $default, "` by default, `", $least, "` to `", $most, "`. ", $worse)]
                pub $field: $type,
            )*
            $($(#[doc = $about])+ pub $table: $inner,)*
            $($(#[doc = $of_all])+ pub $named: BTreeMap<String, $one>,)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: settings!(@$kind $default, $type),)*
                    $($table: <$inner>::default(),)*
                    $($named: BTreeMap::new(),)?
                }
            }
        }

        impl $name {
            /// Shows every setting to `see`, in the order of the table.
            pub(super) fn each(&mut self, see: &mut dyn FnMut(&'static Row, &mut dyn Field)) {
                $({
                    static ROW: Row = Row {
                        key: $key,
                        kind: Kind::$kind,
                        default: concat!($default),
                        range: [concat!($least), concat!($most)],
                        meaning: concat!($($doc),+),
                        worse: $worse,
                        words: settings!(@words $kind, $type),
                    };
                    see(&ROW, &mut self.$field);
                })*
                $(self.$table.each(see);)*
            }
        }
    };
    (@Time $text:literal, $type:ty) => { const { units::time_of($text) } };
    (@Bytes $text:literal, $type:ty) => { const { units::bytes_of($text) } as $type };
    (@Count $number:literal, $type:ty) => { $number };
    (@Factor $number:literal, $type:ty) => { $number };
    (@Name $text:literal, $type:ty) => { $text.to_owned() };
    (@Filter $text:literal, $type:ty) => { $text.to_owned() };
    (@Path $text:literal, $type:ty) => { $text.to_owned() };
    (@Address $text:literal, $type:ty) => { units::address_of($text) };
    (@Url $text:literal, $type:ty) => { <$type>::default() };
    (@Tokens $text:literal, $type:ty) => { <$type>::default() };
    (@Choice $text:literal, $type:ty) => { <$type>::default() };
    (@words Choice, $type:ty) => { <$type as Choice>::WORDS };
    (@words $kind:ident, $type:ty) => { &[] };
}

settings! {
    /// The settings of a node: data, with a default each. `config/callboard.toml` shows all of them.
    ///
    /// In a file durations are written `"30s"` and sizes `"8MiB"`.
    pub struct Settings {
        /// The name space: runs, queues and keys of different name spaces never meet.
        "namespace" namespace: String = Name("default"), 1 to 64,
        "It is a part of every name in the store.";

        /// Where the journal is kept: a folder, owned by one process at a time; a bucket, "s3://BUCKET/PREFIX", which the
        /// nodes of a cluster share; or "memory:", which is gone when the process ends.
        "store.url" store: StoreSettings = Url("file://.callboard"), 1 to 4_096,
        "A password in it is not shown.";

        /// "read-only" for a copy, as `callboard journal copy` makes them: it is looked at, nothing runs, and nothing is written.
        "store.mode" store_mode: StoreMode = Choice("read-write"), 1 to 64,
        "A node goes on with nothing but what it may write.";

        /// Where S3 is, such as "https://HOST:PORT". Without it AWS_ENDPOINT_URL says it, or else it is Amazon's.
        /// Who may use it is said as all of Amazon's tools are told: in AWS_ACCESS_KEY_ID and its kin, or a profile.
        "store.endpoint" store_endpoint: String = Url(""), 0 to 4_096,
        "A bucket of one name is another bucket at another endpoint.";

        /// The region of the bucket. Without it AWS_REGION or a profile says it.
        "store.region" store_region: String = Name(""), 0 to 64,
        "Most servers that are not Amazon's take any.";

        /// How a bucket is named in a request: "auto" is by path at an endpoint that is named, and by host at Amazon's.
        "store.addressing" store_addressing: Addressing = Choice("auto"), 1 to 64,
        "With the wrong one there seems to be no such bucket.";

        /// How long one request to S3 may take. What it has done is looked up after that.
        "store.timeout" store_timeout: Duration = Time("5s"), "100ms" to "5m",
        "When it grows, callers wait longer for a store that hangs; when it shrinks, large objects fail.";

        /// How often the store is probed while a node runs, as it is at its start: what is found to break its contract ends
        /// the node.
        "store.probe_every" store_probe_every: Duration = Time("1h"), "1s" to "7d",
        "When it grows, a store that someone has spoiled is trusted for longer; a probe is some tens of requests.";

        /// What carries tasks to agents: a broker, "amqp://USER:PASSWORD@HOST/VHOST", or "memory:", which is this process.
        /// Nodes on one broker are a cluster; they share the directory and the store, too.
        "bus.url" bus: BusSettings = Url("memory:"), 1 to 4_096,
        "A password in it is not shown.";

        /// A file with the certificates of the authorities that "amqps://" trusts, in the place of the machine's own.
        "bus.ca_file" bus_ca_file: String = Path(""), 0 to 4_096,
        "Whoever it names may pass for the broker.";

        /// How the broker keeps the queues that several nodes read: "classic" on one of its nodes, "quorum" on most. A
        /// cluster that has run with one kind must delete its queues before it runs with the other.
        "bus.queues" bus_queues: QueueKind = Choice("classic"), 1 to 64,
        "Quorum queues cost the broker several times the work; nothing is lost with either.";

        /// How long the broker may take to answer.
        "bus.timeout" bus_timeout: Duration = Time("5s"), "100ms" to "5m",
        "When it grows, a broker that hangs is given up later.";

        /// Where agents and nodes are registered: Redis, "redis://HOST/DATABASE", or "memory:", which is this process.
        "directory.url" directory: DirectorySettings = Url("memory:"), 1 to 4_096,
        "A password in it is not shown.";

        /// A file with the certificates of the authorities that "rediss://" trusts, in the place of the machine's own.
        "directory.ca_file" directory_ca_file: String = Path(""), 0 to 4_096,
        "Whoever it names may pass for Redis.";

        /// How long the directory may take to answer.
        "directory.timeout" directory_timeout: Duration = Time("1s"), "10ms" to "1m",
        "When it grows, a directory that hangs is done without later.";

        /// The folder of the files that describe agents, read by the command `callboard`; none if it is empty.
        "agents.folder" agents_folder: String = Path(""), 0 to 4_096,
        "Whoever may write to it decides what runs on the machine.";

        /// Into how many partitions the runs of a new name space are divided: what the nodes of a cluster share out among
        /// them. It is fixed when the name space is created and read from the store afterwards. 0 is 16 for a cluster, and 1
        /// for a process alone, which is fastest with one.
        "partitions" partitions: u16 = Count(0), 0 to 1_024,
        "When it grows, runs spread over more nodes, but each partition commits more often, in smaller batches.";

        /// How long a holder of a task may be silent before the task is given to another.
        "lease" lease: Duration = Time("6s"), "10ms" to "1h",
        "When it grows, a dead holder is waited for longer; when it shrinks, a busy machine is mistaken for a dead one.";

        /// How often the work on a task may be cut short (by the death of its node) before it is dead-lettered.
        "losses_max" losses_max: u32 = Count(5), 0 to 1_000_000,
        "When it grows, a task that kills its node does so more often.";

        /// Tasks in one workflow at most.
        "graph_tasks_max" graph_tasks_max: usize = Count(100_000), 1 to 1_000_000,
        "When it grows, one submission takes longer, and others of its partition wait for it.";

        /// One input or output at most.
        "payload_bytes_max" payload_bytes_max: usize = Bytes("16MiB"), "16B" to "1GiB",
        "When it grows, one task may take more memory, several times over while it is read and written.";

        /// Outputs above this are stored by the hash of their content and travel as a reference.
        "payload_inline_max" payload_inline_max: usize = Bytes("64KiB"), "0B" to "1GiB",
        "When it grows, the journal does, and every snapshot with it.";

        /// Levels of arrays and objects in one input or output at most. A handler reads 127 of them into its types;
        /// more is only fit for agents that take JSON as it is.
        "input_depth_max" input_depth_max: usize = Count(127), 1 to 100_000,
        "When it grows, what is deeper than 127 levels fails when it is read, not when it is submitted.";

        /// Entries in the list of tasks that a task waits for beside those it refers to.
        "after_max" after_max: usize = Count(10_000), 0 to 1_000_000,
        "When it grows, a workflow may have more edges, and a submission takes longer.";

        /// Requirements of one task at most.
        "requires_max" requires_max: usize = Count(64), 0 to 1_000,
        "When it grows, the choice of an agent takes longer.";

        /// Labels of one run at most, each a key of at most 63 bytes and a value of at most 256.
        "labels_max" labels_max: usize = Count(64), 0 to 1_000,
        "When it grows, every run takes more memory, and every list of runs is longer.";

        /// Tasks of one partition that have not ended, of all its runs: a submission that would pass it is refused as
        /// unavailable.
        "live_tasks_max" live_tasks_max: usize = Count(1_000_000), 1 to 100_000_000,
        "When it grows, memory does, by about a kilobyte a task, and a restart takes longer.";

        /// Callers that wait for the end of one task or run, or read the events of one run, at the same time.
        "watchers_max" watchers_max: usize = Count(10_000), 1 to 1_000_000,
        "When it grows, callers who lost patience take more memory.";

        /// Messages that wait in the inbox of one instance at most; who sends another is told that it is full.
        "inbox_max" inbox_max: usize = Count(1_000), 1 to 1_000_000,
        "When it grows, a slow agent takes more memory, and its messages are older when it reads them.";

        /// How long the registry keeps an agent that it has not heard of.
        "agent_life" agent_life: Duration = Time("5s"), "100ms" to "1h",
        "When it grows, a dead agent is found and waited for longer; when it shrinks, a busy one is lost.";

        /// How often an agent tells the registry that it is there, and how busy.
        "agent_heartbeat" agent_heartbeat: Duration = Time("1500ms"), "10ms" to "10m",
        "When it grows, the choice of the least loaded agent rests on older news.";

        /// How long a node of a cluster that is not heard of is taken to be alive. One that nobody can reach is taken for
        /// dead sooner.
        "node_life" node_life: Duration = Time("5s"), "100ms" to "1h",
        "When it grows, a dead node is found later; when it shrinks, a busy one loses its partitions.";

        /// How often a node of a cluster says that it is there.
        "node_heartbeat" node_heartbeat: Duration = Time("1500ms"), "10ms" to "10m",
        "When it grows, a node that comes or goes is noticed later.";

        /// How long a node keeps a partition before it hands it to another node only because that has fewer.
        "tenure_min" tenure_min: Duration = Time("10s"), "0s" to "1d",
        "When it grows, a new node gets its share later; when it shrinks, partitions may go to and fro.";

        /// How long a clean stop waits for handlers to finish before it hands their tasks back.
        "drain" drain: Duration = Time("10s"), "0s" to "1d",
        "When it grows, a stop may take longer.";

        /// How long an emergency stop waits for handlers to reach an await before the node ends.
        "emergency_grace" emergency_grace: Duration = Time("5s"), "0s" to "10m",
        "When it grows, a handler that does not await goes on longer.";

        /// How long a handler that waits for something durable (a child, a signal, a sleep) keeps its instance before its
        /// task is parked. What is known to take long is parked at once.
        "park_after" park_after: Duration = Time("1s"), "0s" to "1d",
        "When it grows, instances are kept by handlers that wait; when it shrinks, more handlers begin again.";

        /// How long the handler of a cancelled task may clean up, if it was waiting for something durable.
        "cleanup" cleanup: Duration = Time("5s"), "0s" to "1d",
        "When it grows, a handler that does not end keeps its instance longer.";

        /// How deep tasks may ask for tasks that ask for tasks.
        "depth_max" depth_max: u32 = Count(64), 1 to 10_000,
        "When it grows, a recursion without end is found later.";

        /// Signals and answers that a run keeps until somebody waits for them.
        "signals_max" signals_max: usize = Count(10_000), 0 to 10_000_000,
        "When it grows, a run that nobody listens to takes more memory.";

        /// What happens when tasks that are asked for would wait for one another: "reject" refuses what would close the
        /// cycle, "fail-least-urgent" fails the least urgent task on it.
        "on_cycle" on_cycle: OnCycle = Choice("reject"), 1 to 64,
        "With the second a run with such a cycle goes on, without that task and what needs it.";

        /// A snapshot is taken after so many events of a partition; a restart replays no more than that, and what is
        /// live.
        "snapshot_events" snapshot_events: u64 = Count(50_000), 1 to 100_000_000,
        "When it grows, a restart takes longer; when it shrinks, more of the store's work is snapshots.";

        /// Or after so many bytes, or 1,024 appends.
        "snapshot_bytes" snapshot_bytes: u64 = Bytes("64MiB"), "1KiB" to "1024GiB",
        "When it grows, a restart takes longer; when it shrinks, more of the store's work is snapshots.";

        /// Ended runs of a partition that are kept in memory before they go to the archive.
        "closed_max" closed_max: usize = Count(1_000), 0 to 10_000_000,
        "When it grows, memory does; when it shrinks, more questions about ended runs go to the store.";

        /// How long an ended run is kept in memory.
        "closed_for" closed_for: Duration = Time("10m"), "0s" to "365d",
        "When it grows, memory does; when it shrinks, more questions about ended runs go to the store.";

        /// How long the history of an ended run is kept, at least: with it go its results, its events and its key, and a
        /// submission with the same key is a new run. It is not shorter than `closed_for`. The newest page of the archive
        /// of a partition, the runs on it included, stays until there is another.
        "history_kept" history_kept: Duration = Time("7d"), "1m" to "3650d",
        "When it grows, the store holds more, and memory and snapshots about four bytes for each run.";

        /// How late garbage of the journal is deleted, from "1s"; "0s" is a minute for a process alone, which is enough for
        /// a folder, whose lock shuts out every request of an earlier life, and an hour for a cluster, far longer than any
        /// request can take effect late. A process that lives shorter than this deletes nothing.
        "garbage_late" garbage_late: Duration = Time("0s"), "0s" to "365d",
        "When it grows, the store holds more that nobody needs.";

        tables {
            /// When a failed attempt of a task that does not say it itself is followed by another.
            retry: RetrySettings;
            /// When a breaker opens, and how it closes again.
            breaker: BreakerSettings;
            /// How documents are kept.
            state: StateSettings;
            /// How the command `callboard` is reached, and any program that serves the HTTP API.
            http: HttpSettings;
            /// What is logged, and how.
            log: LogSettings;
        }
        named {
            /// What counts instead of `breaker` for breakers by name: that of a dependency, such as `llm:groq`; `agent:` and
            /// the id of an agent; or `capability:` and a capability, for the agents that have it. It is over what a program says.
            ///
            /// In a file `[breaker.of."llm:groq"]`, with those fields that differ from `breaker`.
            breaker_of: BreakerSettings;
        }
    }
}

settings! {
    /// How a node is reached by HTTP, and what it puts up with.
    pub struct HttpSettings {
        /// Where it listens: an IP address and a port, 0 for one that is free. An address that is not the loopback needs
        /// tokens.
        "http.listen" listen: SocketAddr = Address("127.0.0.1:7420"), 1 to 64,
        "What is said on the way is not encrypted: put a proxy that is before others.";

        /// Who may ask: tokens, each NAME:ROLE:SECRET, in a list or separated by blanks. The role is viewer, operator or admin, the
        /// secret 16 to 512 characters, sent as "authorization: Bearer SECRET". Without tokens this machine alone may ask,
        /// and for everything.
        "http.tokens" tokens: Tokens = Tokens(""), 0 to 65_536,
        "Whoever has the secret of a token may do what its role may.";

        /// The file to which each change that is asked for over HTTP is added, as a line of JSON: when, by whom, what, of what, and
        /// what came of it. Without it the log alone has it.
        "http.audit_file" audit_file: String = Path(""), 0 to 4_096,
        "It only grows: what rotates it may move it away, it is opened for each line.";

        /// The body of one request at most; a workflow document has 16 MiB at most anyhow.
        "http.body_bytes_max" body_bytes_max: usize = Bytes("16MiB"), "1KiB" to "1GiB",
        "When it grows, one request may take more memory.";

        /// Connections at a time; others wait to be accepted. Half of them may follow events.
        "http.connections_max" connections_max: usize = Count(256), 2 to 100_000,
        "When it grows, more memory and file descriptors may be taken.";

        /// How long a client may take to send the head of a request, and be silent between two requests.
        "http.header_timeout" header_timeout: Duration = Time("30s"), "100ms" to "1h",
        "When it grows, silent clients keep their connections longer.";

        /// How long a request may take from its head to the head of its answer. What it has asked for may happen all
        /// the same, so it is longer than the node takes to say that it does not know.
        "http.request_timeout" request_timeout: Duration = Time("1m"), "100ms" to "1h",
        "When it grows, slow clients and a slow store keep connections longer.";

        tables {}
    }
}

settings! {
    /// What a process logs on standard error, and how. A program of your own says that it wants it: see `Telemetry`.
    pub struct LogSettings {
        /// How a line is written: "human" for people, "json" for programs, an object a line.
        "log.format" format: LogFormat = Choice("human"), 1 to 64,
        "Programs read the one badly, people the other.";

        /// Which lines are written: a level (off, error, warn, info, debug, trace), and others for what is named, such as
        /// "warn,callboard=debug". RUST_LOG comes before it, and it can be changed while a node runs. Libraries that carry
        /// payloads and passwords write no more than warnings unless they are named.
        "log.filter" filter: String = Filter("warn"), 1 to 4_096,
        "The more is written, the slower it is: at trace a line for each event of the journal.";

        tables {}
    }
}

settings! {
    /// When a breaker opens, and how it closes again, where nothing else is said for an agent or a dependency.
    pub struct BreakerSettings {
        /// Failures in a row after which a breaker opens.
        "breaker.failures" failures: u32 = Count(5), 1 to 1_000_000,
        "When it grows, what is down is asked more often before it is left alone.";

        /// How long a breaker is open before one call, the probe, may try again.
        "breaker.open" open: Duration = Time("1m"), "1ms" to "1d",
        "When it grows, what is back is used later; when it shrinks, what is down is asked more often.";

        /// How long a call may take before it counts as slow; with "0s" only one that a timeout has cut short does.
        "breaker.slow" slow: Duration = Time("0s"), "0s" to "1d",
        "When it grows, what hangs is noticed later; when it shrinks, long calls are taken for slow ones.";

        /// The share of slow calls, in percent, at which a breaker opens.
        "breaker.slow_percent" slow_percent: u32 = Count(50), 1 to 100,
        "When it grows, what hangs now and then is asked on.";

        /// Of how many of the last calls that share is taken; fewer say nothing.
        "breaker.slow_calls" slow_calls: u32 = Count(10), 1 to 32,
        "When it grows, more calls hang before it is noticed.";

        /// Over how long calls come back after a good probe, twice as many with each tenth of it; all at once with "0s".
        "breaker.ramp" ramp: Duration = Time("10s"), "0s" to "1d",
        "When it grows, what has waited goes on waiting longer; when it shrinks, what has just come back is hit harder.";

        tables {}
    }
}

settings! {
    /// How documents are kept.
    pub struct StateSettings {
        /// How long a write of a document waits for a store that is away before it fails as "unavailable".
        "state.patience" patience: Duration = Time("10s"), "0s" to "1d",
        "When it grows, callers wait longer; when it shrinks, more writes fail while a store is away for a moment.";

        /// The folder in which writes wait that may be spooled while the store is away: one process at a time has it.
        /// Without it nothing is spooled.
        "state.spool" spool: String = Path(""), 0 to 4_096,
        "What is in it is on this machine alone until the store is back.";

        tables {}
    }
}

settings! {
    /// When a failed attempt of a task that does not say it itself is followed by another.
    ///
    /// The delay before retry *n* is `base × factor^(n − 1)`, at most `cap`, times a jitter between 0.8 and 1.2.
    pub struct RetrySettings {
        /// Retries after the first attempt of a task that does not say it itself.
        "retry.retries" retries: u32 = Count(3), 0 to 1_000_000,
        "When it grows, what can not succeed is dead-lettered later.";

        /// The delay before the first retry.
        "retry.base" base: Duration = Time("2s"), "0s" to "365d",
        "When it grows, a short fault costs more time; when it shrinks, what is down is asked more often.";

        /// The growth of the delay from one retry to the next.
        "retry.factor" factor: f64 = Factor(2.0), 0.0 to 1_000.0,
        "When it grows, the later retries are further apart.";

        /// The longest delay.
        "retry.cap" cap: Duration = Time("1m"), "0s" to "365d",
        "When it grows, what has been down for long is found up later.";

        tables {}
    }
}
