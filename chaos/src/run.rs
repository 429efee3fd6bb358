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
    let (mut breached, mut untried) = (Vec::new(), Vec::new());
    for plan in plans {
        println!("{}, seed {seed}: {}", plan.name, plan.about);
        match Box::pin(one(plan, seed, arguments)).await {
            Ok(report) if report.is_good() => {}
            Ok(_) => breached.push(&*plan.name),
            Err(error) => {
                println!("  could not be tried: {}", crate::chain(&*error));
                untried.push(&*plan.name);
            }
        }
    }
    if !untried.is_empty() {
        println!("could not be tried: {}", untried.join(", "));
    }
    if !breached.is_empty() {
        println!("breached: {}", breached.join(", "));
    }
    Ok(match (breached.is_empty(), untried.is_empty()) {
        (false, _) => ExitCode::from(BREACHED),
        (true, false) => ExitCode::FAILURE,
        (true, true) => ExitCode::SUCCESS,
    })
}

async fn one(plan: &Plan, seed: u64, arguments: &RunArguments) -> Result<Report, Failure> {
    let folder = arguments.report.join(format!("{}-{seed}", plan.name));
    let options = Options { program: std::env::current_exe()?, folder: folder.clone(), seed };
    suite::run(plan, &options).await?;
    let report = Report::of(&History::read(&folder)?);
    report.write(&folder)?;
    println!("{}\n  report: {}\n", report.words(), folder.join(PAGE).display());
    Ok(report)
}

pub(crate) fn node() -> Result<ExitCode, Failure> {
    suite::node()?;
    Ok(ExitCode::SUCCESS)
}
