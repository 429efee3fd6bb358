//! Plans out of files: every fault of one is told, and what was meant, if that can be seen.

use super::{FaultKind, FaultPlan, Order, Plan, RedisKind, Server, attached};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The plans that come with the suite, in the order in which `run` takes all of them.
const SCENARIOS: [(&str, &str); 24] = [
    ("baseline", include_str!("../../../config/chaos/baseline.toml")),
    ("agent-crash", include_str!("../../../config/chaos/agent-crash.toml")),
    ("agent-kill", include_str!("../../../config/chaos/agent-kill.toml")),
    ("node-kill", include_str!("../../../config/chaos/node-kill.toml")),
    ("owner-pause", include_str!("../../../config/chaos/owner-pause.toml")),
    ("starve", include_str!("../../../config/chaos/starve.toml")),
    ("clock-skew", include_str!("../../../config/chaos/clock-skew.toml")),
    ("broker-restart", include_str!("../../../config/chaos/broker-restart.toml")),
    ("broker-failover", include_str!("../../../config/chaos/broker-failover.toml")),
    ("broker-wipe", include_str!("../../../config/chaos/broker-wipe.toml")),
    ("broker-alarm", include_str!("../../../config/chaos/broker-alarm.toml")),
    ("deaf", include_str!("../../../config/chaos/deaf.toml")),
    ("poison", include_str!("../../../config/chaos/poison.toml")),
    ("redis-flush", include_str!("../../../config/chaos/redis-flush.toml")),
    ("redis-evict", include_str!("../../../config/chaos/redis-evict.toml")),
    ("redis-failover", include_str!("../../../config/chaos/redis-failover.toml")),
    ("store-outage", include_str!("../../../config/chaos/store-outage.toml")),
    ("store-lost-answers", include_str!("../../../config/chaos/store-lost-answers.toml")),
    ("store-errors", include_str!("../../../config/chaos/store-errors.toml")),
    ("cut-off", include_str!("../../../config/chaos/cut-off.toml")),
    ("network", include_str!("../../../config/chaos/network.toml")),
    ("flood", include_str!("../../../config/chaos/flood.toml")),
    ("cascade", include_str!("../../../config/chaos/cascade.toml")),
    ("everything", include_str!("../../../config/chaos/everything.toml")),
];

/// What is run for an hour, and by name only.
const HOUR: (&str, &str) = ("hour", include_str!("../../../config/chaos/hour.toml"));

/// The plans that measure what a cluster takes.
const LOADS: [(&str, &str); 5] = [
    ("load-steady", include_str!("../../../config/chaos/load/steady.toml")),
    ("load-ramp", include_str!("../../../config/chaos/load/ramp.toml")),
    ("load-concurrent", include_str!("../../../config/chaos/load/concurrent.toml")),
    ("load-hour", include_str!("../../../config/chaos/load/hour.toml")),
    ("load-overload", include_str!("../../../config/chaos/load/overload.toml")),
];

/// How unlike a word may be to what was meant: the share of its letters, as `strsim` counts it.
const LIKE: f64 = 0.7;

/// By how much a clock may be wrong.
pub(crate) const SKEW_MAX: Duration = Duration::from_secs(14 * 60);

/// Why a plan can not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a scenario nor a file.
    #[error("there is no scenario {name:?}, nor a file of that name{}; `callboard-chaos list` has all", meant(.closest))]
    NoPlan {
        /// What was asked for.
        name: String,
        /// The scenario that may have been meant.
        closest: Option<&'static str>,
    },
    /// The file can not be read.
    #[error("the plan {} can not be read", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no plan.
    #[error("{place} is no plan: {said}{}", meant(.closest))]
    Syntax {
        /// Where it was read.
        place: String,
        /// What is wrong, with the line.
        said: String,
        /// The word that may have been meant.
        closest: Option<String>,
    },
    /// It says what can not be.
    #[error("{place} can not be carried out: {}", .faults.join("; "))]
    Faults {
        /// Where it was read.
        place: String,
        /// All that is wrong.
        faults: Vec<String>,
    },
}

fn meant<S: AsRef<str>>(closest: &Option<S>) -> String {
    closest.as_ref().map(|word| format!(" (did you mean `{}`?)", word.as_ref())).unwrap_or_default()
}

impl Plan {
    /// The plans that come with the suite.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse).
    pub fn scenarios() -> Result<Vec<Self>, Error> {
        SCENARIOS.iter().map(|(name, text)| Self::parse(name, text)).collect()
    }

    /// The plans that measure what a cluster takes, in the order in which `load` takes all of them.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse).
    pub fn loads() -> Result<Vec<Self>, Error> {
        LOADS.iter().map(|(name, text)| Self::parse(name, text)).collect()
    }

    /// The plan of this name that comes with the suite, or the one in this file.
    ///
    /// # Errors
    ///
    /// Words about what is wrong with it.
    pub fn find(name: &str) -> Result<Self, Error> {
        let known = SCENARIOS.iter().chain([&HOUR]).chain(&LOADS);
        if let Some((name, text)) = known.clone().find(|(known, _)| *known == name) {
            return Self::parse(name, text);
        }
        let file = Path::new(name);
        if !file.exists() {
            let closest = closest(name, known.map(|(name, _)| *name));
            return Err(Error::NoPlan { name: name.to_owned(), closest });
        }
        let text = std::fs::read_to_string(file).map_err(|source| Error::File { file: file.to_owned(), source })?;
        let mut plan = Self { file: Some(file.to_owned()), ..Self::parse(name, &text)? };
        if let Some(attached) = &mut plan.attached {
            attached.beside(file);
        }
        Ok(plan)
    }

    /// Reads a plan; `place` is where the text comes from, for what is said of it.
    ///
    /// # Errors
    ///
    /// Words about what is wrong with it: keys that are not known, values out of their range, a node that is not there.
    pub fn parse(place: &str, text: &str) -> Result<Self, Error> {
        let plan: Self = toml::from_str(text).map_err(|error| {
            let (said, closest) = (error.to_string().trim_end().replace('\n', "\n  "), closest_of(error.message()));
            Error::Syntax { place: place.to_owned(), said, closest }
        })?;
        let faults = plan.faults_of_itself();
        if faults.is_empty() { Ok(plan) } else { Err(Error::Faults { place: place.to_owned(), faults }) }
    }

    /// The same plan with another duration.
    ///
    /// # Errors
    ///
    /// When that is out of its range.
    pub fn lasting(mut self, duration: Duration) -> Result<Self, Error> {
        self.duration = duration;
        let faults = self.faults_of_itself();
        if faults.is_empty() { Ok(self) } else { Err(Error::Faults { place: self.name, faults }) }
    }

    fn faults_of_itself(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut within = |what: &str, value: f64, first: f64, last: f64| {
            if !(first..=last).contains(&value) {
                faults.push(format!("{what} is {value}, and may be from {first} to {last}"));
            }
        };
        within("duration (in seconds)", self.duration.as_secs_f64(), 1.0, 86_400.0);
        within("cluster.nodes", self.cluster.nodes as f64, 1.0, 9.0);
        within("cluster.partitions", f64::from(self.cluster.partitions), 1.0, 64.0);
        within("cluster.instances", self.cluster.instances as f64, 1.0, 512.0);
        within("workload.runs_per_second", self.workload.runs_per_second, 0.0, 200.0);
        within("workload.runs_per_second_last", self.workload.runs_per_second_last.unwrap_or(0.0), 0.0, 200.0);
        within("workload.tasks_max", self.workload.tasks_max as f64, 1.0, 50.0);
        within("workload.increments_per_second", self.workload.increments_per_second, 0.0, 20.0);
        within("workload.part_max (in seconds)", self.workload.part_max.as_secs_f64(), 0.005, 60.0);
        let part_max = self.workload.part_max.as_secs_f64();
        within("workload.part_min (in seconds)", self.workload.part_min.as_secs_f64(), 0.005, part_max);
        let attempt_max = self.workload.attempt_max.map_or(1.0, |limit| limit.as_secs_f64());
        within("workload.attempt_max (in seconds)", attempt_max, 0.1, 3_600.0);
        let work = &self.workload;
        for (what, percent) in [
            ("workload.cancelled_percent", work.cancelled_percent),
            ("workload.once_percent", work.once_percent),
            ("workload.fails_percent", work.fails_percent),
            ("workload.crashes_percent", work.crashes_percent),
            ("workload.hangs_percent", work.hangs_percent),
            ("workload.asked_percent", work.asked_percent),
        ] {
            within(what, f64::from(percent), 0.0, 100.0);
        }
        within("limits.probe (in seconds)", self.limits.probe.as_secs_f64(), 0.1, 60.0);
        within("limits.settle (in seconds)", self.limits.settle.as_secs_f64(), 1.0, 3_600.0);
        within("limits.availability_percent", self.limits.availability_percent, 0.0, 100.0);
        within("limits.errors_percent", self.limits.errors_percent.unwrap_or(0.0), 0.0, 100.0);
        within("limits.memory_growth_percent", self.limits.memory_growth_percent.unwrap_or(0.0), 0.0, 1_000.0);
        let troubled = work.fails_percent + work.crashes_percent + work.hangs_percent;
        within("workload.fails_percent, crashes_percent and hangs_percent together", f64::from(troubled), 0.0, 100.0);
        if self.name.is_empty() || !self.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            faults.push(format!("the name {:?} is not of lower case letters, digits and hyphens", self.name));
        }
        if ![1, 3].contains(&self.cluster.brokers) {
            faults.push(format!("cluster.brokers is {}, and may be 1 or 3", self.cluster.brokers));
        }
        if work.kinds.is_empty() {
            faults.push("workload.kinds has none".to_owned());
        }
        for name in self.cluster.settings.keys() {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'.')) {
                faults.push(format!("cluster.settings has {name:?}, which is no name of a setting"));
            }
        }
        for fault in &self.faults {
            faults.extend(self.faults_of(fault));
        }
        faults.extend(attached::faults_of(self));
        faults
    }

    fn faults_of(&self, fault: &FaultPlan) -> Vec<String> {
        let (name, kind, mut faults) = (fault.kind.name(), fault.kind, Vec::new());
        if fault.at.is_none() && fault.every.is_none() {
            faults.push(format!("the fault {name} has neither `at` nor `every`"));
        }
        if fault.every.is_some_and(|every| every < Duration::from_secs(1)) {
            faults.push(format!("the fault {name} comes more often than every second"));
        }
        match fault.node {
            Some(_) if !kind.is_of_node() => faults.push(format!("the fault {name} is not done to a node")),
            Some(node) if !(1..=self.cluster.nodes).contains(&node) => {
                faults.push(format!("the fault {name} is for node {node} of {}", self.cluster.nodes));
            }
            _ => {}
        }
        for (key, is_there, may) in [
            ("server", fault.server.is_some(), kind.is_of_any_wire()),
            ("for", fault.lasts.is_some(), kind.lasts().is_some() || !fault.undo.is_empty()),
            ("by", fault.by.is_some(), matches!(kind, FaultKind::Delay | FaultKind::ClockSkew)),
            ("status", fault.status.is_some(), !kind.statuses().is_empty()),
            ("percent", fault.percent.is_some(), matches!(kind, FaultKind::RedisEvict | FaultKind::Starve)),
            ("bytes_per_second", fault.bytes_per_second.is_some(), kind == FaultKind::Trickle),
            ("per_second", fault.per_second.is_some(), kind == FaultKind::Flood),
            ("one_in", fault.one_in.is_some(), matches!(kind, FaultKind::StoreLostAnswers | FaultKind::StoreAnswers)),
            ("run", !fault.run.is_empty(), kind == FaultKind::Command),
            ("undo", !fault.undo.is_empty(), kind == FaultKind::Command),
            ("limit", fault.limit.is_some(), kind == FaultKind::Command),
        ] {
            if is_there && !may {
                faults.push(format!("the fault {name} has no `{key}`"));
            }
        }
        if fault.one_in == Some(0) {
            faults.push(format!("the fault {name} has `one_in = 0`, and 1 is every one"));
        }
        if let Some(status) =
            fault.status.filter(|status| !kind.statuses().is_empty() && !kind.statuses().contains(status))
        {
            let known: Vec<String> = kind.statuses().iter().map(u16::to_string).collect();
            faults.push(format!("the fault {name} has `status = {status}`, and may have {}", known.join(" or ")));
        }
        if fault.percent.is_some_and(|percent| !(1..=100).contains(&percent)) {
            faults.push(format!("the fault {name} has a `percent` that is not from 1 to 100"));
        }
        if fault.bytes_per_second.is_some_and(|bytes| !(10..=1_000_000).contains(&bytes)) {
            faults.push(format!("the fault {name} has a `bytes_per_second` that is not from 10 to 1000000"));
        }
        // A store refuses what is signed by a clock that is wrong by more than a quarter of an hour: that is no fault of a node's.
        if kind == FaultKind::ClockSkew && fault.by.is_some_and(|by| by > SKEW_MAX) {
            faults.push(format!("the fault {name} has a `by` of more than {} minutes", SKEW_MAX.as_secs() / 60));
        }
        if kind == FaultKind::Command && fault.run.is_empty() {
            faults.push(format!("the fault {name} has no `run`, the program and its arguments"));
        }
        let is_watched = self.cluster.redis == RedisKind::Sentinel;
        let is_of_redis = kind == FaultKind::RedisKill
            || kind.is_of_any_wire() && fault.server.is_none_or(|server| server == Server::Redis);
        if kind == FaultKind::RedisFailover && !is_watched {
            faults.push(format!("the fault {name} needs `cluster.redis = \"sentinel\"`"));
        } else if is_of_redis && is_watched {
            faults.push(format!(
                "the fault {name} is not done to a Redis with Sentinels: they need another `server`, or redis-failover"
            ));
        }
        // Its runs are submitted when the schedule has it, and not when a fault before it is over.
        if kind == FaultKind::Flood && self.faults.len() > 1 && self.order == Order::OneByOne {
            faults.push(format!("the fault {name} is among others: that needs `order = \"together\"`"));
        }
        if fault.per_second.is_some_and(|count| !(1..=1_000).contains(&count)) {
            faults.push(format!("the fault {name} has a `per_second` that is not from 1 to 1000"));
        }
        faults
    }
}

fn closest<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let like = among.into_iter().map(|other| (strsim::normalized_damerau_levenshtein(word, other), other));
    like.filter(|(like, _)| *like >= LIKE).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, other)| other)
}

/// What was meant, if it is a word that is not known: the message has it first in back-ticks, and then those that are.
fn closest_of(message: &str) -> Option<String> {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next().filter(|_| message.starts_with("unknown"))?;
    closest(unknown, words).map(str::to_owned)
}
