//! What telemetry costs: the same flights without it and with it in turns, each in a process of its own, because a recorder and a
//! subscriber are those of a whole process, for good.

use crate::fleet::{Fleet, Place};
use crate::measure::cpu;
use crate::web::get;
use crate::{Plan, fresh_folder, table::Report};
use callboard::prelude::*;
use serde::{Deserialize, Serialize};
use std::env;
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::process::Command;
use tokio::time::{Instant, interval};

/// Tells a process that it is one of these, and which.
const WITH: &str = "CALLBOARD_BENCH_TELEMETRY";
const IN_FLIGHT: usize = 256;
const TASKS: usize = 20_000;
/// Pairs for each repetition of the other rows: what is looked for is less than the noise of one pair.
const PAIRS: usize = 3;
/// As often as a Prometheus in a hurry asks.
const SCRAPED_EVERY: Duration = Duration::from_secs(1);

/// What a process has seen.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    tasks_per_second: f64,
    cpu_us: f64,
}

/// One row: the median of the ratios of pairs, with to without.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let (mut speed, mut cost) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS * plan.repetitions {
        // Who is first has the colder disk.
        let is_first = pair % 2 == 0;
        let one = ask(plan, is_first).await?;
        let other = ask(plan, !is_first).await?;
        let (with, without) = if is_first { (one, other) } else { (other, one) };
        speed.push(with.tasks_per_second / without.tasks_per_second);
        cost.push(with.cpu_us / without.cpu_us);
    }
    report.telemetry(&mut speed, &mut cost);
    Ok(())
}

async fn ask(plan: &Plan, with: bool) -> Result<Seen> {
    let mut command = Command::new(env::current_exe()?);
    command.env(WITH, if with { "with" } else { "without" }).stderr(Stdio::null());
    if plan.divisor > 1 {
        command.arg("--quick");
    }
    let output = command.output().await?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Does its part, if this process is one of them.
pub(crate) async fn is_part(plan: &Plan) -> Result<bool> {
    let Ok(with) = env::var(WITH) else { return Ok(false) };
    let with = with == "with";
    if with {
        // Somebody reads them who is not slow: nobody.
        tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::stderr).init();
    }
    let folder = fresh_folder(&plan.folder)?;
    let change = |builder: callboard::Builder| if with { builder.metrics() } else { builder };
    let fleet = Fleet::start_with(Place::folder(1), folder.path(), change).await?;
    let address = fleet.board.serve().await?;
    let tasks = TASKS / plan.divisor;
    fleet.fly(0..1_000, IN_FLIGHT).await?;
    let (began, used) = (Instant::now(), cpu());
    let flown = tokio::select! {
        flown = fleet.fly(1_000..1_000 + tasks, IN_FLIGHT) => flown?,
        _ = scraped(address), if with => return Err(Error::terminal("nobody asks any more")),
    };
    let (took, used) = (began.elapsed(), cpu() - used);
    let seen =
        Seen { tasks_per_second: tasks as f64 / took.as_secs_f64(), cpu_us: used.as_secs_f64() * 1e6 / tasks as f64 };
    fleet.check(&flown.runs).await?;
    fleet.shutdown().await?;
    println!("{}", serde_json::to_string(&seen)?);
    Ok(true)
}

async fn scraped(address: SocketAddr) -> Result<()> {
    let mut ticks = interval(SCRAPED_EVERY);
    loop {
        ticks.tick().await;
        let metrics = get(address, "/metrics").await?;
        assert!(metrics.contains("callboard_tasks_total"), "it counts");
    }
}
