//! How fast Callboard has to be, each time as a ratio of two figures of one run, and whether it is.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// Something that has to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Tasks a second within one node on a folder, 256 in flight, to those of Restate.
    EmbeddedToRestate,
    /// One task alone on a folder: its median to two commits of the disk.
    AloneToCommits,
    /// The same to that of Restate.
    AloneToRestate,
    /// A chain of three tasks to a single one, on a folder.
    Chain,
    /// A hundred tasks and one behind them, to those of Restate.
    FanToRestate,
    /// Three tasks, one after the other, in memory, to LangGraph without a checkpointer.
    ChainToLangGraph,
    /// Tasks a second through RabbitMQ, Redis and a folder, 256 in flight, to bare round trips through the broker.
    ClusterToBare,
    /// The same to Celery's, durable.
    ClusterToCelery,
    /// The same to Restate's.
    ClusterToRestate,
    /// What such a task costs of CPU time with all servers, to a bare round trip.
    ClusterCpu,
    /// One task alone in a cluster: its median, from which two commits are taken, to that of a bare round trip.
    ClusterAlone,
    /// The 99th percentile of such tasks, to that of bare round trips.
    ClusterAloneP99,
    /// One task alone with a journal in S3: its median, from which the median of a bare round trip is taken 2.4 times, to two PUTs.
    S3Alone,
    /// Submissions a second of one client, 500 in flight, to as many confirmed publishes.
    Submission,
    /// PUTs in S3 for a task, in one run of 10,000 tasks of which 2,000 are in flight.
    Requests,
    /// Commands of Redis for a task.
    RedisCommands,
    /// MiB of a node that has nothing to do.
    MemoryIdle,
    /// MiB with 10,000 tasks in flight.
    MemoryInFlight,
    /// MiB after 1,000,000 tasks.
    MemoryAfter,
    /// Seconds from the death of an owner with 100,000 live tasks to the first dispatch by the next.
    Takeover,
    /// Messages between agents of a node, to casts of ractor.
    Tell,
    /// A question and its answer, to a call of ractor.
    Ask,
    /// Tasks a second without telemetry, to those with it.
    Telemetry,
    /// CPU time of a task in a run of ten times the tasks.
    GrowthOfARun,
    /// CPU time of a task behind ten times the runs.
    GrowthOfRuns,
    /// CPU time of a task among ten times the agents.
    GrowthOfAgents,
    /// Seconds until a node serves that has an empty folder.
    StartEmpty,
    /// Seconds until a node serves that has 100,000 live tasks.
    StartLive,
}

/// What is wanted of a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Not less than that.
    AtLeast {
        /// What is required.
        must: f64,
        /// What would be good.
        aim: f64,
    },
    /// Not more than that.
    AtMost {
        /// What is required.
        must: f64,
        /// What would be good.
        aim: f64,
    },
}

impl Goal {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 28] = [
        Self::EmbeddedToRestate,
        Self::AloneToCommits,
        Self::AloneToRestate,
        Self::Chain,
        Self::FanToRestate,
        Self::ChainToLangGraph,
        Self::ClusterToBare,
        Self::ClusterToCelery,
        Self::ClusterToRestate,
        Self::ClusterCpu,
        Self::ClusterAlone,
        Self::ClusterAloneP99,
        Self::S3Alone,
        Self::Submission,
        Self::Requests,
        Self::RedisCommands,
        Self::MemoryIdle,
        Self::MemoryInFlight,
        Self::MemoryAfter,
        Self::Takeover,
        Self::Tell,
        Self::Ask,
        Self::Telemetry,
        Self::GrowthOfARun,
        Self::GrowthOfRuns,
        Self::GrowthOfAgents,
        Self::StartEmpty,
        Self::StartLive,
    ];

    /// What it is called in the table, and in which unit it is.
    #[must_use]
    pub const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::EmbeddedToRestate => ("folder, 256 in flight: tasks/s, to Restate", "x"),
            Self::AloneToCommits => ("folder, one at a time: p50, to two commits", "x"),
            Self::AloneToRestate => ("folder, one at a time: p50, to Restate", "x"),
            Self::Chain => ("folder, chain of 3: p50, to a single task", "x"),
            Self::FanToRestate => ("folder, fan of 100 and join: p50, to Restate", "x"),
            Self::ChainToLangGraph => ("memory, chain of 3: p50, to LangGraph", "x"),
            Self::ClusterToBare => ("cluster, 256 in flight: tasks/s, to bare round trips", "x"),
            Self::ClusterToCelery => ("cluster, 256 in flight: tasks/s, to Celery, durable", "x"),
            Self::ClusterToRestate => ("cluster, 256 in flight: tasks/s, to Restate", "x"),
            Self::ClusterCpu => ("cluster, 256 in flight: CPU of a task, to a bare round trip", "x"),
            Self::ClusterAlone => ("cluster, one at a time: p50 less two commits, to a bare trip", "x"),
            Self::ClusterAloneP99 => ("cluster, one at a time: p99, to a bare trip", "x"),
            Self::S3Alone => ("cluster on S3, one at a time: p50 less 2.4 trips, to two PUTs", "x"),
            Self::Submission => ("submissions/s of a client, to confirmed publishes", "x"),
            Self::Requests => ("S3, a run of 10,000: PUTs for a task", ""),
            Self::RedisCommands => ("Redis: commands for a task", ""),
            Self::MemoryIdle => ("memory of a node that is idle", "MiB"),
            Self::MemoryInFlight => ("memory with 10,000 tasks in flight", "MiB"),
            Self::MemoryAfter => ("memory after 1,000,000 tasks", "MiB"),
            Self::Takeover => ("takeover with 100,000 live tasks, to the first dispatch", "s"),
            Self::Tell => ("tell between agents, to a cast of ractor", "x"),
            Self::Ask => ("ask between agents: time, to a call of ractor", "x"),
            Self::Telemetry => ("tasks/s without telemetry, to with it", "x"),
            Self::GrowthOfARun => ("CPU of a task, in a run of 10 x the tasks", "x"),
            Self::GrowthOfRuns => ("CPU of a task, behind 10 x the runs", "x"),
            Self::GrowthOfAgents => ("CPU of a task, among 10 x the agents", "x"),
            Self::StartEmpty => ("a node serves, with an empty folder", "s"),
            Self::StartLive => ("a node serves, with 100,000 live tasks", "s"),
        }
    }

    /// What is wanted of it.
    #[must_use]
    pub const fn bound(self) -> Bound {
        match self {
            Self::EmbeddedToRestate => at_least(8.0, 20.0),
            Self::AloneToCommits => at_most(2.5, 1.5),
            Self::AloneToRestate => at_most(0.4, 0.4),
            Self::Chain => at_most(2.6, 2.1),
            Self::FanToRestate => at_most(0.1, 0.05),
            Self::ChainToLangGraph => at_most(0.2, 0.1),
            Self::ClusterToBare => at_least(0.5, 1.0),
            Self::ClusterToCelery => at_least(4.0, 4.0),
            Self::ClusterToRestate => at_least(2.0, 2.0),
            Self::ClusterCpu => at_most(2.0, 1.0),
            Self::ClusterAlone => at_most(2.4, 1.6),
            Self::ClusterAloneP99 => at_most(4.0, 2.5),
            Self::S3Alone => at_most(1.3, 1.05),
            Self::Submission => at_least(0.5, 0.75),
            Self::Requests => at_most(0.01, 0.002),
            Self::RedisCommands => at_most(0.1, 0.01),
            Self::MemoryIdle => at_most(35.0, 20.0),
            Self::MemoryInFlight | Self::MemoryAfter => at_most(85.0, 50.0),
            Self::Takeover => at_most(10.0, 3.0),
            Self::Tell => at_least(0.5, 0.8),
            Self::Ask => at_most(2.0, 1.3),
            Self::Telemetry => at_most(1.05, 1.02),
            Self::GrowthOfARun | Self::GrowthOfRuns | Self::GrowthOfAgents => at_most(1.2, 1.05),
            Self::StartEmpty => at_most(0.3, 0.3),
            Self::StartLive => at_most(2.0, 2.0),
        }
    }
}

const fn at_least(must: f64, aim: f64) -> Bound {
    Bound::AtLeast { must, aim }
}

const fn at_most(must: f64, aim: f64) -> Bound {
    Bound::AtMost { must, aim }
}

/// What has become of a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// What would be good is reached.
    Aim,
    /// What is required is reached.
    Met,
    /// It is not.
    Missed,
    /// Nobody has looked.
    NotMeasured,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Aim => "met, aim too",
            Self::Met => "met",
            Self::Missed => "missed",
            Self::NotMeasured => "not measured",
        })
    }
}

impl Bound {
    /// What a ratio comes to.
    #[must_use]
    pub fn judge(self, ratio: f64) -> Verdict {
        let (is_met, is_aim) = match self {
            Self::AtLeast { must, aim } => (ratio >= must, ratio >= aim),
            Self::AtMost { must, aim } => (ratio <= must, ratio <= aim),
        };
        match (is_met, is_aim) {
            (_, true) => Verdict::Aim,
            (true, false) => Verdict::Met,
            (false, false) => Verdict::Missed,
        }
    }
}

/// What was measured for a goal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reached {
    /// For which.
    pub goal: Goal,
    /// How it stands, in the unit of the goal.
    pub ratio: f64,
    /// The two figures that it is made of, for people.
    pub of: String,
    /// What it comes to.
    pub verdict: Verdict,
}

impl Reached {
    /// With its verdict.
    #[must_use]
    pub fn new(goal: Goal, ratio: f64, of: String) -> Self {
        Self { goal, ratio, of, verdict: goal.bound().judge(ratio) }
    }
}

/// All goals, one a line, with the last that was measured for each.
#[must_use]
pub fn table(reached: &[Reached]) -> String {
    let mut table = format!("{:<62} {:>9}  {:>8} {:>8}  {:<12}  {}\n", "goal", "is", "must", "aim", "verdict", "of");
    for goal in Goal::ALL {
        let (name, unit) = goal.name();
        let (sign, must, aim) = match goal.bound() {
            Bound::AtLeast { must, aim } => (">=", must, aim),
            Bound::AtMost { must, aim } => ("<=", must, aim),
        };
        let found = reached.iter().rfind(|reached| reached.goal == goal);
        let is = found.map_or_else(|| "-".to_owned(), |found| format!("{} {unit}", short(found.ratio)));
        let verdict = found.map_or(Verdict::NotMeasured, |found| found.verdict);
        let of = found.map_or("", |found| &*found.of);
        let (must, aim) = (format!("{sign} {must}"), format!("{sign} {aim}"));
        let line = format!("{name:<62} {is:>9}  {must:>8} {aim:>8}  {verdict:<12}  {of}");
        let _infallible = writeln!(table, "{}", line.trim_end());
    }
    table
}

/// With as many digits as say something.
fn short(ratio: f64) -> String {
    match ratio.abs() {
        0.0..0.1 => format!("{ratio:.4}"),
        0.1..10.0 => format!("{ratio:.2}"),
        _ => format!("{ratio:.0}"),
    }
}

/// What other systems do on this machine, as `make bench-peers` leaves it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Peers {
    /// One for each system and number in flight.
    pub peers: Vec<Peer>,
}

/// One of them. What it does not have, or what was not measured, is absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// `restate`, `celery`, `langgraph` and so on.
    pub name: String,
    /// Tasks that were under way at once.
    pub in_flight: Option<u64>,
    /// Tasks without work.
    pub tasks_per_second: Option<f64>,
    /// The median of a task that is alone.
    pub single_p50_ms: Option<f64>,
    /// That of three tasks, one after the other.
    pub chain_p50_ms: Option<f64>,
    /// That of a hundred tasks and one behind them.
    pub fan_p50_ms: Option<f64>,
}

impl Peers {
    /// A figure of a system, if it is known: the first that has it.
    #[must_use]
    pub fn figure(&self, name: &str, which: impl Fn(&Peer) -> Option<f64>) -> Option<f64> {
        self.peers.iter().filter(|peer| peer.name == name).find_map(which)
    }

    /// Tasks a second of a system with so many in flight, if that is known.
    #[must_use]
    pub fn tasks_per_second(&self, name: &str, in_flight: u64) -> Option<f64> {
        self.figure(name, |peer| peer.tasks_per_second.filter(|_| peer.in_flight == Some(in_flight)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_and_what_would_be_good_are_told_apart_on_both_sides() {
        let verdicts = |goal: Goal, ratios: [f64; 4]| ratios.map(|ratio| goal.bound().judge(ratio));
        let rises = [Verdict::Missed, Verdict::Met, Verdict::Met, Verdict::Aim];
        assert_eq!(verdicts(Goal::ClusterToBare, [0.49, 0.5, 0.99, 1.0]), rises);
        let falls = [Verdict::Aim, Verdict::Met, Verdict::Met, Verdict::Missed];
        assert_eq!(verdicts(Goal::ClusterCpu, [1.0, 1.01, 2.0, 2.01]), falls);
        assert_eq!(Goal::Telemetry.bound().judge(f64::NAN), Verdict::Missed, "what is no number meets nothing");
    }

    #[test]
    fn an_aim_is_never_easier_than_what_is_required() {
        for goal in Goal::ALL {
            assert!(
                match goal.bound() {
                    Bound::AtLeast { must, aim } => aim >= must,
                    Bound::AtMost { must, aim } => aim <= must,
                },
                "{goal:?}"
            );
        }
    }

    #[test]
    fn the_table_has_each_goal_once_and_the_last_that_was_measured_for_it() {
        let reached = [
            Reached::new(Goal::Chain, 3.0, "3 ms to 1 ms".into()),
            Reached::new(Goal::Requests, 0.0042, "42 PUTs".into()),
            Reached::new(Goal::Chain, 2.2, "2.2 ms to 1 ms".into()),
        ];
        let table = table(&reached);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), Goal::ALL.len() + 1);
        let line = |start: &str| lines.iter().filter(|line| line.starts_with(start)).copied().collect::<Vec<_>>();
        let [chain] = line("folder, chain of 3")[..] else { panic!("{table}") };
        assert!(
            chain.contains("2.20 x") && chain.contains("<= 2.6") && chain.ends_with("met           2.2 ms to 1 ms")
        );
        let [requests] = line("S3, a run of 10,000")[..] else { panic!("{table}") };
        assert!(requests.contains(" 0.0042 ") && requests.contains(" met "), "{requests}");
        assert_eq!(table.matches("not measured").count(), Goal::ALL.len() - 2);
    }

    #[test]
    fn a_peer_that_lacks_a_figure_lends_none_of_another() {
        let text = r#"{"machine": "m", "peers": [
            {"name": "restate", "in_flight": 1000, "tasks_per_second": 3.0, "failed": null},
            {"name": "restate", "in_flight": 256, "tasks_per_second": 2.0, "fan_p50_ms": 60.0},
            {"name": "celery", "in_flight": 256, "tasks_per_second": null, "failed": "no broker"}]}"#;
        let peers: Peers = serde_json::from_str(text).expect("such a file");
        assert_eq!(peers.tasks_per_second("restate", 256), Some(2.0));
        assert_eq!(peers.tasks_per_second("restate", 64), None);
        assert_eq!(peers.tasks_per_second("celery", 256), None);
        assert_eq!(peers.figure("restate", |peer| peer.fan_p50_ms), Some(60.0));
        assert_eq!(peers.figure("restate", |peer| peer.chain_p50_ms), None);
    }
}
