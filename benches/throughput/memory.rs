//! What a node holds in memory: with nothing to do, with many tasks in flight, and after more and more of them.
//!
//! Each is a process of its own, in which nothing else was measured before. Allocators keep what they have once had, so what is to be
//! seen of the curve is that it stops growing, not that it falls. The one of glibc keeps it for each of up to eight threads a core unless
//! it is told otherwise, as the documentation advises: these processes are.

use crate::fleet::{Fleet, Place, nothing};
use crate::table::Report;
use crate::{Plan, fresh_folder};
use callboard::prelude::*;
use callboard_benches::targets::Goal;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{env, fs};

/// Tells a process that it is one of these, and which.
const PART: &str = "CALLBOARD_BENCH_MEMORY";
/// How many arenas glibc has for all threads.
const ARENAS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");
/// After so many tasks, all in all, it is looked at.
const AFTER: [usize; 5] = [0, 1_000, 10_000, 100_000, 1_000_000];
const IN_FLIGHT: usize = 256;
/// As many as are to be in flight at once, each in a run of its own.
const MANY: usize = 10_000;

/// What a process holds after so many tasks, or with so many under way.
#[derive(Serialize, Deserialize)]
struct Held {
    tasks: usize,
    resident_bytes: u64,
}

/// The rows of all processes.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    println!();
    let mib = |held: &Held| held.resident_bytes as f64 / f64::from(1 << 20);
    let curve: Vec<Held> = plan.part([(PART, "curve"), ARENAS]).await?;
    curve.iter().for_each(|held| report.memory(held.tasks, held.resident_bytes));
    if let [idle, .., last] = &curve[..] {
        report.reached(Goal::MemoryIdle, mib(idle), "on a folder, before its first task".to_owned());
        report.reached(
            Goal::MemoryAfter,
            mib(last),
            format!("after {} tasks on a folder, {}={}", last.tasks, ARENAS.0, ARENAS.1),
        );
    }
    for held in plan.part::<Vec<Held>>([(PART, "flight"), ARENAS]).await? {
        report.note(&format!("memory with {} tasks in flight: {:.1} MiB", held.tasks, mib(&held)));
        report.reached(Goal::MemoryInFlight, mib(&held), format!("{} runs of one task", held.tasks));
    }
    Ok(())
}

/// Does its part, if this process is one of them.
pub(crate) async fn is_part(plan: &Plan) -> Result<bool> {
    let Ok(part) = env::var(PART) else { return Ok(false) };
    let folder = fresh_folder(&plan.folder)?;
    let held = match &*part {
        "curve" => curve(plan, Fleet::start(Place::folder(1), folder.path()).await?).await?,
        _ => flight(plan, folder.path()).await?,
    };
    println!("{}", serde_json::to_string(&held)?);
    Ok(true)
}

/// Task after task, each in a run of its own.
async fn curve(plan: &Plan, fleet: Fleet) -> Result<Vec<Held>> {
    let (mut done, mut held) = (0, Vec::new());
    for after in AFTER.map(|after| after / plan.divisor) {
        while done < after {
            let more = (after - done).min(1_000);
            fleet.fly(done..done + more, IN_FLIGHT).await?;
            done += more;
        }
        held.push(Held { tasks: done, resident_bytes: resident_bytes()? });
    }
    fleet.shutdown().await?;
    Ok(held)
}

/// Tasks that nobody performs.
async fn flight(plan: &Plan, folder: &std::path::Path) -> Result<Vec<Held>> {
    let board = Callboard::builder(callboard::Settings::default()).data(folder).start().await?;
    let tasks = MANY / plan.divisor;
    let starts = stream::iter(0..tasks).map(|number| {
        let workflow = Workflow::new("nothing");
        let _node = workflow.task("nothing", nothing(number));
        board.start(workflow).into_future()
    });
    let runs: Vec<_> = starts.buffer_unordered(IN_FLIGHT).try_collect().await?;
    let held = Held { tasks: runs.len(), resident_bytes: resident_bytes()? };
    board.shutdown().await?;
    Ok(vec![held])
}

/// The resident set of this process, as Linux counts it.
fn resident_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| Error::terminal("/proc/self/status says nothing of VmRSS"))
}
