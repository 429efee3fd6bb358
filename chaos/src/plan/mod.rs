//! A plan: what is built, what it has to do, what is done to it, and what must hold.

mod attached;
mod fault;
mod read;
#[cfg(test)]
mod tests;
mod words;

pub use attached::Attached;
pub use fault::{FaultKind, FaultPlan, Server, Target};
pub use read::Error;
pub(crate) use read::SKEW_MAX;

use crate::work::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What one run of the suite is about; a file of TOML, as in `config/chaos`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is called: lower case letters, digits and hyphens.
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// For how long work is submitted and faults begin, from 1 s to a day.
    #[serde(with = "words::duration")]
    pub duration: Duration,
    /// What is built.
    #[serde(default)]
    pub cluster: Cluster,
    /// A cluster that is there already, in the place of one that is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached: Option<Attached>,
    /// What it has to do.
    #[serde(default)]
    pub workload: Workload,
    /// What is done to it.
    #[serde(default, rename = "fault")]
    pub faults: Vec<FaultPlan>,
    /// How faults lie to one another.
    #[serde(default)]
    pub order: Order,
    /// What must hold.
    #[serde(default)]
    pub limits: Limits,
    /// The file that it was read from, if it does not come with the suite.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// What is built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// Nodes, each a process of its own; 1 to 9.
    pub nodes: usize,
    /// Partitions of the name space; 1 to 64.
    pub partitions: u16,
    /// Instances of each agent on each node; 1 to 512.
    pub instances: usize,
    /// Brokers of RabbitMQ, of one cluster if they are three; 1 or 3.
    pub brokers: usize,
    /// How Redis is run.
    pub redis: RedisKind,
    /// Settings of the nodes, over those that the suite gives them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

impl Plan {
    /// What a fault of it is called: what it is done to, or what is run.
    #[must_use]
    pub fn called(&self, kind: FaultKind, target: Target) -> String {
        self.command(target).map_or_else(|| kind.of(target), |fault| fault.run.join(" "))
    }

    /// The fault of it that is a command, if this is one.
    #[must_use]
    pub fn command(&self, target: Target) -> Option<&FaultPlan> {
        match target {
            Target::Command(number) => self.faults.get(number.checked_sub(1)?),
            _ => None,
        }
    }
}

/// How Redis is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RedisKind {
    /// One server, behind the proxies of the nodes.
    #[default]
    Single,
    /// A master, a replica, and three Sentinels that nodes and clients ask for the master; no proxies lie before these.
    Sentinel,
}

/// What the cluster has to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// Runs that are submitted in a second; 0 to 200.
    pub runs_per_second: f64,
    /// How many it is at the end, if that is another number: it grows evenly, and runs come evenly; 0 to 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_per_second_last: Option<f64>,
    /// Tasks of a run at most; 1 to 50.
    pub tasks_max: u64,
    /// What tasks do, each as often as in the mixture of all.
    pub kinds: Vec<Kind>,
    /// How long each part of a task takes at least; 5 ms to `part_max`.
    #[serde(with = "words::duration")]
    pub part_min: Duration,
    /// How long each part of a task takes at most; 5 ms to a minute.
    #[serde(with = "words::duration")]
    pub part_max: Duration,
    /// How long an attempt may take, if there is a limit; 100 ms to an hour.
    #[serde(with = "words::maybe", skip_serializing_if = "Option::is_none")]
    pub attempt_max: Option<Duration>,
    /// Of a hundred runs so many are cancelled in the middle.
    pub cancelled_percent: u32,
    /// Of a hundred runs so many are submitted once, and given up when that has failed or is unknown. The others are repeated
    /// under their key until they are acknowledged.
    pub once_percent: u32,
    /// Of a hundred tasks so many fail in their first attempts.
    pub fails_percent: u32,
    /// Of a hundred tasks so many panic in their first attempt.
    pub crashes_percent: u32,
    /// Of a hundred tasks so many hang in their first attempt, until its time is up.
    pub hangs_percent: u32,
    /// Increments of the document that clients make in a second; 0 to 20.
    pub increments_per_second: f64,
    /// Of a hundred runs so many are asked for their tasks, results and events at the end, and the others for nothing but how
    /// they stand.
    pub asked_percent: u32,
}

/// How faults lie to one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// One after the other, with five seconds between them: so it can be said how long each was felt.
    #[default]
    OneByOne,
    /// At any time, also together; what is done to one and the same thing still waits for its turn.
    Together,
}

/// What must hold, beside the checks, which hold always.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Within what a probe is answered that counts as good.
    #[serde(with = "words::duration")]
    pub probe: Duration,
    /// Within what every run ends once the last fault has ended.
    #[serde(with = "words::duration")]
    pub settle: Duration,
    /// The longest that a fault may be felt after its end.
    #[serde(with = "words::duration")]
    pub recovery: Duration,
    /// The most memory that a node may have, in MiB.
    pub memory_mib: u64,
    /// The share of one-second windows with a good probe, in percent, at least.
    pub availability_percent: f64,
    /// Of a hundred submissions and probes so many may fail, or be unknown; those of a flood do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors_percent: Option<f64>,
    /// By how much the memory of a node may grow, in percent: from the second quarter of the time to the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_growth_percent: Option<f64>,
}

impl Default for Cluster {
    fn default() -> Self {
        let (redis, settings) = (RedisKind::Single, BTreeMap::new());
        Self { nodes: 3, partitions: 6, instances: 16, brokers: 1, redis, settings }
    }
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            runs_per_second: 2.0,
            runs_per_second_last: None,
            tasks_max: 6,
            kinds: Kind::ALL.to_vec(),
            part_min: Duration::from_millis(5),
            part_max: Duration::from_millis(150),
            attempt_max: None,
            cancelled_percent: 5,
            once_percent: 20,
            fails_percent: 5,
            crashes_percent: 0,
            hangs_percent: 2,
            increments_per_second: 1.0,
            asked_percent: 100,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            probe: Duration::from_secs(3),
            settle: Duration::from_secs(60),
            recovery: Duration::from_secs(60),
            memory_mib: 1_024,
            availability_percent: 0.0,
            errors_percent: None,
            memory_growth_percent: None,
        }
    }
}
