//! How fast tasks go from submission to result, beside what the disk does in the same run.
//!
//!     make bench
//!     cargo bench -p callboard-benches -- --quick
//!     cargo bench -p callboard-benches -- --only 'folder/16 256'
//!     cargo bench -p callboard-benches -- --only messages
//!     cargo bench -p callboard-benches -- --only admission
//!     cargo bench -p callboard-benches -- --only telemetry
//!     cargo bench -p callboard-benches -- --only streams
//!     cargo bench -p callboard-benches -- --only views
//!     cargo bench -p callboard-benches -- --only growth
//!     cargo bench -p callboard-benches -- --only 'memory of a node'
//!     cargo bench -p callboard-benches --features cluster -- --only rabbitmq
//!
//! The last table says what has to be reached ([`callboard_benches::targets`]), and what is. Every row ends by checking that each result is there exactly once, on the disk after a restart. The figures are
//! also written to `target/bench/throughput.json`. What counts are the ratios: a figure of one machine says little.

mod admission;
#[cfg(feature = "cluster")]
mod bare;
#[cfg(feature = "cluster")]
mod cluster;
mod fleet;
mod graphs;
mod growth;
mod measure;
mod memory;
mod messages;
mod raw;
mod spends;
mod startup;
mod streams;
mod table;
#[cfg(feature = "cluster")]
mod takeover;
mod telemetry;
mod views;
mod web;

use callboard::{Error, Result};
use callboard_benches::targets::Peers;
use fleet::{Fleet, Place};
use measure::Row;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};
use table::Report;
use tokio::process::Command;

/// How much is measured.
#[derive(Clone, Debug)]
struct Plan {
    /// Each row is the median, by tasks per second, of so many.
    repetitions: usize,
    /// All numbers of tasks are divided by this.
    divisor: usize,
    /// Only rows whose name contains this.
    only: String,
    /// Where the journals and the report go: a disk, not memory.
    folder: PathBuf,
}

impl Plan {
    fn read() -> Self {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let quick = arguments.iter().any(|argument| argument == "--quick");
        let only = arguments.iter().skip_while(|argument| *argument != "--only").nth(1).cloned().unwrap_or_default();
        let program = env::current_exe().expect("the path of this program");
        let target = program.ancestors().nth(3).expect("a benchmark is in target/release/deps");
        let (repetitions, divisor) = if quick { (1, 5) } else { (3, 1) };
        Self { repetitions, divisor, only, folder: target.join("bench") }
    }

    fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }

    /// What this program prints in a process of its own, to which variables tell its part. What it logs goes nowhere.
    async fn part<T: DeserializeOwned>(&self, variables: impl IntoIterator<Item = (&str, &str)>) -> Result<T> {
        let mut command = Command::new(env::current_exe()?);
        command.envs(variables).stderr(Stdio::null());
        if self.divisor > 1 {
            command.arg("--quick");
        }
        let output = command.output().await?;
        if !output.status.success() {
            return Err(Error::terminal(format!("a part of the benchmark has ended with {}", output.status)));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// Tasks that are under way at once, and how many there are of them.
const FLIGHTS: [(usize, usize); 4] = [(1, 1_000), (64, 5_000), (256, 10_000), (1_000, 10_000)];

#[tokio::main]
async fn main() -> Result<()> {
    let plan = Plan::read();
    fs::create_dir_all(&plan.folder)?;
    if telemetry::is_part(&plan).await? || memory::is_part(&plan).await? || startup::is_part().await? {
        return Ok(());
    }
    #[cfg(feature = "cluster")]
    if takeover::is_owner().await? {
        return Ok(());
    }
    let mut report = Report::default();
    report.commit(raw::commit(&plan.folder, 1_000 / plan.divisor)?);
    if plan.wants("messages") {
        messages::measure(&mut report, plan.repetitions, 200_000 / plan.divisor).await?;
    }
    if plan.wants("admission") {
        admission::measure(&mut report, plan.repetitions, 1_000_000 / plan.divisor).await?;
    }
    for place in [Place::folder(1), Place::folder(16), Place::memory(1), Place::memory(16)] {
        for (in_flight, tasks) in FLIGHTS {
            let name = format!("{} {in_flight} in flight", place.name());
            if plan.wants(&name) {
                let commit = beside(&plan, place)?;
                let row = flights(&plan, &name, place, in_flight, tasks / plan.divisor).await?;
                report.row(row.beside(commit, beside(&plan, place)?));
            }
        }
        for shape in graphs::SHAPES {
            let name = format!("{} {}", place.name(), shape.name());
            if plan.wants(&name) {
                let commit = beside(&plan, place)?;
                let row = graphs::measure(&plan, &name, place, shape).await?;
                report.row(row.beside(commit, beside(&plan, place)?));
            }
        }
    }
    for place in [Place::folder(1), Place::memory(1)] {
        for (what, is_paid) in [("steps", false), ("calls under a budget", true)] {
            let name = format!("{} {what}", place.name());
            if plan.wants(&name) {
                let commit = beside(&plan, place)?;
                let row = spends::measure(&plan, &name, place, is_paid).await?;
                report.row(row.beside(commit, beside(&plan, place)?));
            }
        }
        if plan.wants(&format!("{} in turns", place.name())) {
            graphs::beside_a_single_task(&plan, &mut report, place).await?;
        }
    }
    if plan.wants("telemetry") {
        telemetry::measure(&plan, &mut report).await?;
    }
    if plan.wants("streams") {
        streams::measure(&plan, &mut report).await?;
    }
    if plan.wants("views") {
        views::measure(&plan, &mut report).await?;
    }
    #[cfg(feature = "cluster")]
    Box::pin(cluster::measure(&plan, &mut report)).await?;
    if plan.wants("growth") {
        growth::measure(&plan, &mut report).await?;
    }
    if plan.wants("memory of a node") {
        memory::measure(&plan, &mut report).await?;
    }
    if plan.wants("start") {
        startup::measure(&plan, &mut report).await?;
    }
    println!();
    report.commit(raw::commit(&plan.folder, 1_000 / plan.divisor)?);
    report.warn_of_drift();
    report.judge(&peers(&plan)?);
    if plan.divisor > 1 {
        println!(
            "a quick run: what depends on how much there is (growth, memory, PUTs) is a first look and no verdict"
        );
    }
    report.write(&plan.folder.join("throughput.json"))?;
    Ok(())
}

/// What other systems do, if that was measured here.
fn peers(plan: &Plan) -> Result<Peers> {
    let path = plan.folder.join("peers.json");
    match fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("no other system was measured here: `make bench-peers` leaves {}", path.display());
            Ok(Peers::default())
        }
        Err(error) => Err(error.into()),
    }
}

/// The median of a commit of the disk now, in milliseconds: other processes change it from one minute to the next.
fn beside(plan: &Plan, place: Place) -> Result<Option<f64>> {
    Ok(if place.is_on_disk() { Some(raw::commit(&plan.folder, 100)?.p50_ms) } else { None })
}

/// One row: calls without work, so many at a time.
async fn flights(plan: &Plan, name: &str, place: Place, in_flight: usize, tasks: usize) -> Result<Row> {
    let mut rows = Vec::new();
    for _ in 0..plan.repetitions {
        let folder = fresh_folder(&plan.folder)?;
        let fleet = Fleet::start(place, folder.path()).await?;
        fleet.fly(0..in_flight.max(200).min(tasks), in_flight).await?; // warm: threads, caches, the first batches
        let before = fleet.reading();
        let flown = fleet.fly(tasks..2 * tasks, in_flight).await?;
        rows.push(Row::new(name, tasks, &flown.latencies, before, fleet.reading()));
        fleet.check(&flown.runs).await?;
        fleet.shutdown().await?;
    }
    Ok(measure::median(rows))
}

fn fresh_folder(below: &Path) -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in(below)
}
