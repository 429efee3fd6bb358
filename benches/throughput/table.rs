//! The report: a table for people, JSON for the next run.

use crate::measure::{Latencies, Row, millis};
use crate::raw::Commit;
use callboard_benches::targets::{self, Goal, Peers, Reached};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

/// The reference has changed by more than this between start and end: another process was at the disk.
const DRIFT_MAX: f64 = 0.2;

/// `/2com` is the p50 in units of two commits of the disk, measured beside the row. Everything right of it is per task: CPU time in us, commits of
/// the journal and those that were waited for, events, their bytes, and bytes on the disk.
const HEAD: &str =
    "store/partitions               tasks/s  p50 ms  p99 ms  /2com     CPU  commits  awaited events journal   disk";

/// All that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// One commit of the disk, before and after.
    commits: Vec<Commit>,
    messages: Vec<Messages>,
    rows: Vec<Row>,
    memory: Vec<Memory>,
    telemetry: Option<Telemetry>,
    streams: Option<Streams>,
    views: Vec<View>,
    turns: Vec<Turns>,
    #[cfg(feature = "cluster")]
    bare: Vec<crate::measure::Trip>,
    #[cfg(feature = "cluster")]
    beside_bare: Vec<BesideBare>,
    notes: Vec<String>,
    /// What the figures come to.
    reached: Vec<Reached>,
}

/// A row of the cluster, as ratios to bare round trips through its broker.
#[cfg(feature = "cluster")]
#[derive(Debug, Serialize)]
struct BesideBare {
    name: String,
    tasks_per_second: f64,
    cpu: f64,
}

/// Graphs beside a single task.
#[derive(Debug, Serialize)]
struct Turns {
    place: String,
    single_ms: f64,
    chain_ms: f64,
    fan_ms: f64,
}

/// What a node holds in memory.
#[derive(Debug, Serialize)]
struct Memory {
    after_tasks: usize,
    resident_bytes: u64,
}

/// With telemetry to without: the medians of the ratios of pairs, and the ratios.
#[derive(Debug, Serialize)]
struct Telemetry {
    speed: f64,
    cpu: f64,
    speeds: Vec<f64>,
    cpus: Vec<f64>,
}

/// From the moment of an event to those who follow.
#[derive(Debug, Serialize)]
struct Streams {
    unfiltered: usize,
    filtered: usize,
    events_per_second: usize,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    most_ms: f64,
}

/// A question about what is there.
#[derive(Debug, Serialize)]
struct View {
    name: String,
    ended: usize,
    live: usize,
    p50_ms: f64,
    p99_ms: f64,
    most_ms: f64,
}

#[derive(Debug, Serialize)]
struct Messages {
    name: String,
    per_second: f64,
    cpu_us: f64,
}

impl Report {
    /// One commit of the disk.
    pub(crate) fn commit(&mut self, commit: Commit) {
        let Commit { p50_ms, p99_ms, cpu_us } = commit;
        println!("one commit of the disk, 4 KiB: p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, {cpu_us:.0} us of CPU");
        self.commits.push(commit);
    }

    /// Says how many messages a second that is, and returns it.
    pub(crate) fn messages(&mut self, name: &str, count: usize, elapsed: Duration, cpu: Duration) -> f64 {
        let (per_second, cpu_us) = (count as f64 / elapsed.as_secs_f64(), cpu.as_secs_f64() * 1e6 / count as f64);
        let each_us = elapsed.as_secs_f64() * 1e6 / count as f64;
        println!("{name}: {per_second:.0}/s, {each_us:.2} us each, {cpu_us:.2} us of CPU");
        self.messages.push(Messages { name: name.to_owned(), per_second, cpu_us });
        per_second
    }

    /// Medians in milliseconds of a single task, a chain of 3, and a fan of 100 with a join, taken in turns.
    pub(crate) fn beside_a_single_task(&mut self, place: &str, single: f64, chain: f64, fan: f64) {
        println!(
            "{place}, in turns: a single task {single:.2} ms, a chain of 3 {chain:.2} ms ({:.2} x), a fan of 100 and join \
             {fan:.2} ms ({:.1} x)",
            chain / single,
            fan / single
        );
        self.turns.push(Turns { place: place.to_owned(), single_ms: single, chain_ms: chain, fan_ms: fan });
    }

    /// Bare round trips through the broker.
    #[cfg(feature = "cluster")]
    pub(crate) fn bare(&mut self, trip: &crate::measure::Trip) {
        let crate::measure::Trip { in_flight, per_second, p50_ms, p99_ms, cpu_us } = trip;
        println!(
            "bare round trips, {in_flight} in flight: {per_second:.0}/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, {cpu_us:.0} us of CPU"
        );
        self.bare.push(trip.clone());
    }

    /// A figure that is a row of its own.
    pub(crate) fn note(&mut self, note: &str) {
        println!("{note}");
        self.notes.push(note.to_owned());
    }

    /// A row of the cluster beside them.
    #[cfg(feature = "cluster")]
    pub(crate) fn beside_bare(&mut self, row: &Row, trip: &crate::measure::Trip) {
        let (tasks_per_second, cpu) = (row.tasks_per_second / trip.per_second, row.cpu_us_per_task / trip.cpu_us);
        println!("    {tasks_per_second:.2} x bare round trips a second, {cpu:.1} x their CPU");
        self.beside_bare.push(BesideBare { name: row.name.clone(), tasks_per_second, cpu });
    }

    /// How something stands that has to be reached.
    pub(crate) fn reached(&mut self, goal: Goal, ratio: f64, of: String) {
        self.reached.push(Reached::new(goal, ratio, of));
    }

    /// Holds what was measured of single nodes against what is wanted, and against other systems as far as they were measured.
    pub(crate) fn judge(&mut self, peers: &Peers) {
        for reached in self.of_rows(peers) {
            self.reached.push(reached);
        }
        println!("\n{}", targets::table(&self.reached));
    }

    fn of_rows(&self, peers: &Peers) -> Vec<Reached> {
        let row = |name: &str| self.rows.iter().find(|row| row.name == name);
        let mut found = Vec::new();
        let mut compare = |goal, ours: Option<f64>, theirs: Option<f64>, unit: &str| {
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                found.push(Reached::new(goal, ours / theirs, format!("{ours:.2} to {theirs:.2} {unit}")));
            }
        };
        let busy = row("folder/1 256 in flight").map(|row| row.tasks_per_second);
        compare(Goal::EmbeddedToRestate, busy, peers.tasks_per_second("restate", 256), "/s");
        let alone = row("folder/1 1 in flight");
        let (p50, commit) = (alone.map(|row| row.p50_ms), alone.and_then(|row| row.commit_ms));
        compare(Goal::AloneToCommits, p50, commit.map(|commit| 2.0 * commit), "ms");
        compare(Goal::AloneToRestate, p50, peers.figure("restate", |peer| peer.single_p50_ms), "ms");
        let turns = self.turns.iter().find(|turns| turns.place == "folder/1");
        compare(Goal::Chain, turns.map(|turns| turns.chain_ms), turns.map(|turns| turns.single_ms), "ms");
        let fan = turns.map(|turns| turns.fan_ms);
        compare(Goal::FanToRestate, fan, peers.figure("restate", |peer| peer.fan_p50_ms), "ms");
        let chain = row("memory/1 chain of 3").map(|row| row.p50_ms);
        compare(Goal::ChainToLangGraph, chain, peers.figure("langgraph", |peer| peer.chain_p50_ms), "ms");
        let busy = row("rabbitmq+redis+folder 256").map(|row| row.tasks_per_second);
        compare(Goal::ClusterToCelery, busy, peers.tasks_per_second("celery", 256), "/s");
        compare(Goal::ClusterToRestate, busy, peers.tasks_per_second("restate", 256), "/s");
        found
    }

    /// What a node holds in memory after so many tasks.
    pub(crate) fn memory(&mut self, after_tasks: usize, resident_bytes: u64) {
        println!("memory after {after_tasks:>7} tasks: {:>5.1} MiB", resident_bytes as f64 / f64::from(1 << 20));
        self.memory.push(Memory { after_tasks, resident_bytes });
    }

    /// What telemetry costs, by pairs.
    pub(crate) fn telemetry(&mut self, speeds: &mut Vec<f64>, cpus: &mut Vec<f64>) {
        let median = |ratios: &mut Vec<f64>| {
            ratios.sort_by(f64::total_cmp);
            ratios[ratios.len() / 2]
        };
        let (speed, cpu) = (median(speeds), median(cpus));
        println!(
            "telemetry on, to off, {} pairs: tasks/s {speed:.3} x ({:.3} to {:.3}), CPU {cpu:.3} x ({:.3} to {:.3})",
            speeds.len(),
            speeds[0],
            speeds[speeds.len() - 1],
            cpus[0],
            cpus[cpus.len() - 1]
        );
        let of = format!("{} pairs; CPU {cpu:.2} x", speeds.len());
        self.reached(Goal::Telemetry, 1.0 / speed, of);
        self.telemetry = Some(Telemetry { speed, cpu, speeds: speeds.clone(), cpus: cpus.clone() });
    }

    /// How soon those who follow events hear of them.
    pub(crate) fn streams(
        &mut self,
        unfiltered: usize,
        filtered: usize,
        events_per_second: usize,
        latencies: &Latencies,
    ) {
        let [p50_ms, p95_ms, p99_ms, most_ms] = [50, 95, 99, 100].map(|percent| millis(latencies.percentile(percent)));
        println!(
            "{unfiltered} unfiltered and {filtered} filtered streams, {events_per_second} events/s, none lost: p50 {p50_ms:.0} ms, \
             p95 {p95_ms:.0} ms, p99 {p99_ms:.0} ms, most {most_ms:.0} ms"
        );
        self.streams = Some(Streams { unfiltered, filtered, events_per_second, p50_ms, p95_ms, p99_ms, most_ms });
    }

    /// How long a question takes among so many runs.
    pub(crate) fn view(&mut self, name: &str, ended: usize, live: usize, latencies: &Latencies) {
        let [p50_ms, p99_ms, most_ms] = [50, 99, 100].map(|percent| millis(latencies.percentile(percent)));
        println!(
            "{ended} ended and {live} live runs, {name}: p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, most {most_ms:.1} ms"
        );
        self.views.push(View { name: name.to_owned(), ended, live, p50_ms, p99_ms, most_ms });
    }

    pub(crate) fn row(&mut self, row: Row) {
        if self.rows.is_empty() {
            println!("\n{HEAD}");
        }
        let commits =
            row.commit_ms.map_or_else(|| "-".to_owned(), |commit| format!("{:.2}", row.p50_ms / (2.0 * commit)));
        println!(
            "{:<30} {:>7.0} {:>7.2} {:>7.2} {:>6} {:>7.0} {:>8.4} {:>8.4} {:>6.2} {:>7.0} {:>6.0}",
            row.name,
            row.tasks_per_second,
            row.p50_ms,
            row.p99_ms,
            commits,
            row.cpu_us_per_task,
            row.commits_per_task,
            row.awaited_per_task,
            row.events_per_task,
            row.journal_bytes_per_task,
            row.disk_bytes_per_task
        );
        self.rows.push(row);
    }

    /// Says so when the disk was not left to us.
    pub(crate) fn warn_of_drift(&self) {
        let [Commit { p50_ms: before, .. }, Commit { p50_ms: after, .. }] = &self.commits[..] else { return };
        let drift = (after - before).abs() / before.min(*after);
        if drift > DRIFT_MAX {
            println!("the disk has changed by {:.0} % meanwhile: compare CPU only", drift * 100.0);
        }
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, serde_json::to_vec_pretty(self)?)?;
        println!("{}", path.display());
        Ok(())
    }
}
