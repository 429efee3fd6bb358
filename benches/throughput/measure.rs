//! Latencies, counters and CPU time, and the row that they make.

use callboard::JournalCounters;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// Latencies, sorted.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn of(mut latencies: Vec<Duration>) -> Self {
        assert!(!latencies.is_empty(), "something was measured");
        latencies.sort_unstable();
        Self(latencies)
    }

    /// The latency that so many of a hundred do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}

/// The CPU time of this process so far, of all its threads, in user and system mode.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// The CPU time of our children and of theirs so far, if they are not over.
#[cfg(feature = "cluster")]
pub(crate) fn cpu_of_servers() -> Duration {
    let processes: Vec<Stat> =
        std::fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| stat(&entry.ok()?.path())).collect();
    let (mut ours, mut ticks) = (vec![std::process::id()], 0);
    while let Some(parent) = ours.pop() {
        for child in processes.iter().filter(|process| process.parent == parent) {
            ticks += child.ticks;
            ours.push(child.id);
        }
    }
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// What the system says of a process.
#[cfg(feature = "cluster")]
struct Stat {
    id: u32,
    parent: u32,
    ticks: u64,
}

/// See proc(5): the name, which may hold anything, ends at the last parenthesis; the parent is the second field behind it, user and
/// system time are the twelfth and the thirteenth.
#[cfg(feature = "cluster")]
fn stat(folder: &std::path::Path) -> Option<Stat> {
    let text = std::fs::read_to_string(folder.join("stat")).ok()?;
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    let ticks = |nth: usize| fields.get(nth)?.parse::<u64>().ok();
    let id = folder.file_name()?.to_str()?.parse().ok()?;
    Some(Stat { id, parent: fields.get(1)?.parse().ok()?, ticks: ticks(11)? + ticks(12)? })
}

/// Bare round trips through the broker.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trip {
    pub(crate) in_flight: usize,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// With the broker's.
    pub(crate) cpu_us: f64,
}

#[cfg(feature = "cluster")]
impl Trip {
    pub(crate) fn new(in_flight: usize, count: usize, latencies: &Latencies, took: Duration, cpu: Duration) -> Self {
        Self {
            in_flight,
            per_second: count as f64 / took.as_secs_f64(),
            p50_ms: millis(latencies.percentile(50)),
            p99_ms: millis(latencies.percentile(99)),
            cpu_us: cpu.as_secs_f64() * 1e6 / count as f64,
        }
    }
}

/// Everything that only grows, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) at: Instant,
    pub(crate) cpu: Duration,
    pub(crate) journal: JournalCounters,
    /// Bytes of the data folder.
    pub(crate) disk: u64,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Tasks that were measured.
    pub(crate) tasks: usize,
    pub(crate) tasks_per_second: f64,
    /// From submission to result, of a task or of a whole graph.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// A commit of the disk right before and right after, the middle of the two medians; `None` in memory.
    pub(crate) commit_ms: Option<f64>,
    pub(crate) cpu_us_per_task: f64,
    /// Appends to the journal: each is two fsyncs of the folder store.
    pub(crate) commits_per_task: f64,
    /// Commands that waited for a commit of their own events, as batches.
    pub(crate) awaited_per_task: f64,
    pub(crate) events_per_task: f64,
    /// Before compression.
    pub(crate) journal_bytes_per_task: f64,
    /// What the data folder has grown by.
    pub(crate) disk_bytes_per_task: f64,
}

impl Row {
    pub(crate) fn new(name: &str, tasks: usize, latencies: &Latencies, before: Reading, after: Reading) -> Self {
        let per = |now: u64, then: u64| now.saturating_sub(then) as f64 / tasks as f64;
        let (then, now) = (before.journal, after.journal);
        Self {
            name: name.to_owned(),
            tasks,
            tasks_per_second: tasks as f64 / (after.at - before.at).as_secs_f64(),
            p50_ms: millis(latencies.percentile(50)),
            p99_ms: millis(latencies.percentile(99)),
            commit_ms: None,
            cpu_us_per_task: (after.cpu - before.cpu).as_secs_f64() * 1e6 / tasks as f64,
            commits_per_task: per(now.commits, then.commits),
            awaited_per_task: per(now.awaited, then.awaited),
            events_per_task: per(now.events, then.events),
            journal_bytes_per_task: per(now.bytes, then.bytes),
            disk_bytes_per_task: per(after.disk, before.disk),
        }
    }

    /// With what a commit took before and after.
    pub(crate) fn beside(self, before: Option<f64>, after: Option<f64>) -> Self {
        let commit_ms = before.zip(after).map(|(before, after)| (before + after) / 2.0);
        Self { commit_ms, ..self }
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The row in the middle, by tasks per second.
///
/// # Panics
///
/// If there is none.
pub(crate) fn median(mut rows: Vec<Row>) -> Row {
    rows.sort_by(|a, b| a.tasks_per_second.total_cmp(&b.tasks_per_second));
    rows.swap_remove(rows.len() / 2)
}
