//! How long a node takes until it takes requests: on an empty folder, and with many live tasks, in few runs and in one run each.

use crate::fleet::nothing;
use crate::table::Report;
use crate::{Plan, fresh_folder};
use callboard::Settings;
use callboard::prelude::*;
use callboard_benches::targets::Goal;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::env;
use std::path::Path;
use tokio::time::Instant;

/// Tells a process that it is one that starts, and on which folder.
const FOLDER: &str = "CALLBOARD_BENCH_START";
const LIVE: usize = 100_000;
const IN_FLIGHT: usize = 256;

/// What a process has seen.
#[derive(Serialize, Deserialize)]
struct Started {
    seconds: f64,
}

/// One figure each.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    println!();
    let live = LIVE / plan.divisor;
    let empty = ready(plan, report, 0, 0).await?;
    report.reached(Goal::StartEmpty, empty, "the median".to_owned());
    let slowest = ready(plan, report, 10, live).await?.max(ready(plan, report, live, live).await?);
    report.reached(Goal::StartLive, slowest, format!("{live} tasks, in 10 runs or as many: the slower"));
    Ok(())
}

/// The median of some starts on a folder with so many live tasks.
async fn ready(plan: &Plan, report: &mut Report, runs: usize, tasks: usize) -> Result<f64> {
    let folder = fresh_folder(&plan.folder)?;
    if runs > 0 {
        fill(folder.path(), runs, tasks / runs).await?;
    }
    let path = folder.path().display().to_string();
    let mut took = Vec::new();
    for _ in 0..plan.repetitions {
        took.push(plan.part::<Started>([(FOLDER, &*path)]).await?.seconds);
    }
    took.sort_by(f64::total_cmp);
    let seconds = took[took.len() / 2];
    report.note(&format!("ready to serve with {tasks} live tasks in {runs} runs after {:.0} ms", seconds * 1e3));
    Ok(seconds)
}

/// Tasks that nobody performs, in a journal whose node has stopped.
async fn fill(folder: &Path, runs: usize, wide: usize) -> Result<()> {
    let board = Callboard::builder(Settings::default()).data(folder).start().await?;
    let starts = stream::iter(0..runs).map(|run| {
        let workflow = Workflow::new("wide");
        let _nodes = workflow.map("part", (run * wide..(run + 1) * wide).map(nothing));
        board.start(workflow).into_future()
    });
    let _runs: Vec<_> = starts.buffer_unordered(IN_FLIGHT).try_collect().await?;
    board.shutdown().await
}

/// Starts, if this process is one that does.
pub(crate) async fn is_part() -> Result<bool> {
    let Ok(folder) = env::var(FOLDER) else { return Ok(false) };
    let began = Instant::now();
    let board = Callboard::builder(Settings::default()).data(folder).start().await?;
    let _address = board.serve().await?;
    let started = Started { seconds: began.elapsed().as_secs_f64() };
    board.shutdown().await?;
    println!("{}", serde_json::to_string(&started)?);
    Ok(true)
}
