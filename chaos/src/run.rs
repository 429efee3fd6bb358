//! Running plans, one after the other.

use crate::{BREACHED, Failure, RunArguments};
use callboard_chaos::history::History;
use callboard_chaos::plan::Plan;
use callboard_chaos::report::{PAGE, Report};
use callboard_chaos::suite::{self, Options};
use std::process::ExitCode;

/// With what a program ends that a person has interrupted.
const INTERRUPTED: u8 = 130;

pub(crate) fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let (plans, seed) = (crate::plans(arguments)?, crate::seed(arguments));
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    threads.block_on(async {
        tokio::select! {
            done = all(&plans, seed, arguments) => done,
            // What was started ends with this process.
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(INTERRUPTED)),
        }
    })
}

async fn all(plans: &[Plan], seed: u64, arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let mut breached = Vec::new();
    for plan in plans {
        let folder = arguments.report.join(format!("{}-{seed}", plan.name));
        println!("{}, seed {seed}: {}", plan.name, plan.about);
        let options = Options { program: std::env::current_exe()?, folder: folder.clone(), seed };
        suite::run(plan, &options).await?;
        let report = Report::of(&History::read(&folder)?);
        report.write(&folder)?;
        println!("{}\n  report: {}\n", report.words(), folder.join(PAGE).display());
        if !report.is_good() {
            breached.push(&*plan.name);
        }
    }
    if breached.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("breached: {}", breached.join(", "));
    Ok(ExitCode::from(BREACHED))
}

pub(crate) fn node() -> Result<ExitCode, Failure> {
    suite::node()?;
    Ok(ExitCode::SUCCESS)
}
