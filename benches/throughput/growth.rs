//! What a task costs when there is ten times as much of something else: CPU time, in memory, where no disk decides.

use crate::fleet::{Fleet, Nothing, Place, nothing};
use crate::measure::cpu;
use crate::table::Report;
use crate::{Plan, fresh_folder};
use callboard::port::bus::memory::MemoryBus;
use callboard::port::directory::memory::MemoryDirectory;
use callboard::port::store::MemoryStore;
use callboard::prelude::*;
use callboard::{RunOutcome, Settings};
use callboard_benches::targets::Goal;
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use tokio::time::{Instant, sleep};

const IN_FLIGHT: usize = 256;
/// Tasks of a run, the second ten times the first.
const WIDTHS: [usize; 2] = [1_000, 10_000];
/// Runs that have ended before, and agents that are there.
const BEHIND: [usize; 2] = [10_000, 100_000];
const AGENTS: [usize; 4] = [10, 100, 1_000, 10_000];
/// Over three nodes, in memory.
const PARTITIONS: [u16; 3] = [1, 16, 256];
/// How long nodes are looked at that have nothing to do.
const IDLE: Duration = Duration::from_secs(5);
/// Tasks that are measured each time.
const TASKS: usize = 20_000;

/// Three curves; each ratio is the one of its last two points.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let mut costs = Vec::new();
    for width in WIDTHS.map(|width| width / plan.divisor) {
        costs.push((width, median(plan, async || of_a_run(width).await).await?));
    }
    tell(report, "tasks in a run", Goal::GrowthOfARun, &costs);
    let mut curves = Vec::new();
    for _ in 0..plan.repetitions {
        curves.push(behind(plan).await?);
    }
    curves.sort_by(|a, b| growth(a).total_cmp(&growth(b)));
    tell(report, "runs before", Goal::GrowthOfRuns, &curves[curves.len() / 2]);
    let mut costs = Vec::new();
    for agents in AGENTS.map(|agents| agents / plan.divisor) {
        costs.push((agents, median(plan, async || among(agents).await).await?));
    }
    // Ten thousand are beyond what is asked for: the curve has them, the ratio is that of a thousand to a hundred.
    tell(report, "agents", Goal::GrowthOfAgents, &costs[..3]);
    tell_all(report, "agents", &costs[3..]);
    for partitions in PARTITIONS {
        spread(plan, report, partitions).await?;
    }
    Ok(())
}

fn tell(report: &mut Report, of: &str, goal: Goal, costs: &[(usize, f64)]) {
    tell_all(report, of, costs);
    let [.., (few, less), (many, more)] = *costs else { return };
    report.reached(goal, growth(costs), format!("{more:.1} us with {many}, {less:.1} with {few}"));
}

/// What the last of some costs is to the one before.
fn growth(costs: &[(usize, f64)]) -> f64 {
    let [.., (_, less), (_, more)] = *costs else { return f64::NAN };
    more / less
}

fn tell_all(report: &mut Report, of: &str, costs: &[(usize, f64)]) {
    costs.iter().for_each(|(count, us)| report.note(&format!("{count} {of}: {us:.1} us of CPU a task")));
}

async fn median(plan: &Plan, mut once: impl AsyncFnMut() -> Result<f64>) -> Result<f64> {
    let mut costs = Vec::new();
    for _ in 0..plan.repetitions {
        costs.push(once().await?);
    }
    costs.sort_by(f64::total_cmp);
    Ok(costs[costs.len() / 2])
}

/// A task in runs of so many, one run after the other.
async fn of_a_run(width: usize) -> Result<f64> {
    let board = Callboard::builder(Settings::default()).ephemeral().task_fn(perform).start().await?;
    let run = async |first: usize| {
        let workflow = Workflow::new("wide");
        let nodes = workflow.map("part", (first..first + width).map(nothing));
        let run = board.start(workflow).await?;
        assert_eq!(run.outcome().await?, RunOutcome::Completed);
        assert_eq!(run.output(&nodes[width - 1]).await?, (first + width - 1) as u64);
        Ok::<_, Error>(())
    };
    run(0).await?;
    let (runs, used) = (TASKS.div_ceil(width), cpu());
    for n in 0..runs {
        run(n * width).await?;
    }
    let used = cpu() - used;
    board.shutdown().await?;
    Ok(used.as_secs_f64() * 1e6 / (runs * width) as f64)
}

/// A task when so many runs have ended before it, which are in the archive by then. Each has a key of its own, so that whoever submits it
/// wants to know whether one of them had the same.
async fn behind(plan: &Plan) -> Result<Vec<(usize, f64)>> {
    let folder = fresh_folder(&plan.folder)?;
    let fleet = Fleet::start(Place::memory(1), folder.path()).await?.keyed();
    let (mut done, mut costs) = (0, Vec::new());
    for before in BEHIND.map(|before| before / plan.divisor) {
        fleet.fly(done..before, IN_FLIGHT).await?;
        let (tasks, used) = (TASKS / plan.divisor, cpu());
        fleet.fly(before..before + tasks, IN_FLIGHT).await?;
        costs.push((before, (cpu() - used).as_secs_f64() * 1e6 / tasks as f64));
        done = before + tasks;
    }
    fleet.shutdown().await?;
    Ok(costs)
}

/// A task when so many agents can perform it.
async fn among(agents: usize) -> Result<f64> {
    let nth = |n: usize| Pool::task_fn(perform).instances(1).id(format!("agent-{n}"));
    let builder = Callboard::builder(Settings::default()).ephemeral();
    let board = (0..agents).fold(builder, |builder, n| builder.add(nth(n))).start().await?;
    let fly = async |count: usize| {
        let calls = stream::iter(0..count).map(|number| board.call(nothing(number)).into_future());
        let outputs: Vec<u64> = calls.buffer_unordered(IN_FLIGHT).try_collect().await?;
        assert_eq!(outputs.len(), count);
        Ok::<_, Error>(())
    };
    fly(2_000).await?;
    let used = cpu();
    fly(TASKS).await?;
    let used = cpu() - used;
    board.shutdown().await?;
    Ok(used.as_secs_f64() * 1e6 / TASKS as f64)
}

/// What a task costs in a cluster of three nodes with so many partitions, and what the nodes cost when there is nothing to do.
async fn spread(plan: &Plan, report: &mut Report, partitions: u16) -> Result<()> {
    let (bus, directory, store) = (MemoryBus::new(), Arc::new(MemoryDirectory::new()), MemoryStore::new());
    let node = || {
        let mut settings = Settings::default();
        settings.partitions = partitions;
        let builder = Callboard::builder(settings).bus(Arc::new(bus.clone())).directory(directory.clone());
        builder.store(Arc::new(store.clone())).task_fn(perform)
    };
    let begun = Instant::now();
    let nodes = [node().start().await?, node().start().await?, node().start().await?];
    while nodes[0].nodes().await?.iter().map(|node| node.partitions.len()).sum::<usize>() < partitions.into() {
        sleep(Duration::from_millis(20)).await;
    }
    let owned = begun.elapsed();
    let used = cpu();
    sleep(IDLE).await;
    let idle = (cpu() - used).as_secs_f64() / IDLE.as_secs_f64();
    let tasks = TASKS / plan.divisor;
    let (begun, used) = (Instant::now(), cpu());
    let calls = stream::iter(0..tasks).map(|number| nodes[0].call(nothing(number)).into_future());
    let outputs: Vec<u64> = calls.buffer_unordered(IN_FLIGHT).try_collect().await?;
    let (took, used) = (begun.elapsed(), cpu() - used);
    assert_eq!(outputs.len(), tasks);
    report.note(&format!(
        "{partitions} partitions on 3 nodes in memory: owned after {owned:.1?}, idle {:.1} % of a core, {:.0} tasks/s, {:.1} us of CPU a task",
        100.0 * idle,
        tasks as f64 / took.as_secs_f64(),
        used.as_secs_f64() * 1e6 / tasks as f64
    ));
    for node in nodes {
        node.shutdown().await?;
    }
    Ok(())
}

async fn perform(_: callboard::Ctx, task: Nothing) -> Result<u64> {
    Ok(task.number)
}
