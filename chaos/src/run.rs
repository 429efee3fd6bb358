//! Running plans, one after the other.

use crate::{BREACHED, Failure, LoadArguments, RunArguments, SabotageArguments};
use callboard_chaos::history::History;
use callboard_chaos::load;
use callboard_chaos::plan::Plan;
use callboard_chaos::report::{PAGE, Report};
use callboard_chaos::sabotage::{ALL, Broken};
use callboard_chaos::suite::{self, Options, Undos};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::time::Instant;

/// With what a program ends that a person has interrupted.
const INTERRUPTED: u8 = 130;

/// How many seeds a broken promise is looked for with.
const SEEDS: u64 = 3;

pub(crate) fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let (plans, seed, undos) = (crate::plans(arguments)?, crate::seed(arguments), Undos::default());
    interruptible(all(&plans, seed, arguments, &undos), &undos)
}

/// What there is to do, until somebody interrupts it.
fn interruptible(work: impl Future<Output = Result<ExitCode, Failure>>, undos: &Undos) -> Result<ExitCode, Failure> {
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    threads.block_on(async {
        tokio::select! {
            done = work => return done,
            _ = tokio::signal::ctrl_c() => {}
        }
        // What was started ends with this process; what was done to the cluster of somebody else does not.
        for line in undos.all().await {
            println!("  {line}");
        }
        Ok(ExitCode::from(INTERRUPTED))
    })
}

async fn all(plans: &[Plan], seed: u64, arguments: &RunArguments, undos: &Undos) -> Result<ExitCode, Failure> {
    let (mut breached, mut untried) = (Vec::new(), Vec::new());
    for plan in plans {
        println!("{}, seed {seed}: {}", plan.name, plan.about);
        match Box::pin(one(plan, seed, arguments, undos)).await {
            Ok(report) if !report.is_good() => breached.push(&*plan.name),
            Ok(report) if report.untried().next().is_some() => untried.push(&*plan.name),
            Ok(_) => {}
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

async fn one(plan: &Plan, seed: u64, arguments: &RunArguments, undos: &Undos) -> Result<Report, Failure> {
    let folder = arguments.report.join(format!("{}-{seed}", plan.name));
    let (cluster, undos) = (arguments.attached.clone(), undos.clone());
    let report = tried(plan, Options { cluster, undos, ..options(folder.clone(), seed)? }).await?;
    println!("{}\n  report: {}\n", report.words(), folder.join(PAGE).display());
    Ok(report)
}

/// On a cluster of its own, which keeps its promises.
fn options(folder: PathBuf, seed: u64) -> Result<Options, Failure> {
    let program = std::env::current_exe()?;
    Ok(Options { program, folder, seed, sabotage: None, cluster: None, undos: Undos::default() })
}

async fn tried(plan: &Plan, options: Options) -> Result<Report, Failure> {
    Box::pin(suite::run(plan, &options)).await?;
    let report = Report::of(&History::read(&options.folder)?);
    report.write(&options.folder)?;
    Ok(report)
}

pub(crate) fn load(arguments: &LoadArguments) -> Result<ExitCode, Failure> {
    let plans = crate::loads(arguments)?;
    let work = async {
        let mut reports = Vec::new();
        for plan in plans {
            let plan = match load::measuring(&plan)? {
                Some(before) => {
                    let report = loaded(&before, arguments).await?;
                    println!("  it can do {} tasks a second\n", load::capacity(&report));
                    load::twice(plan, &report)
                }
                None => plan,
            };
            reports.push(loaded(&plan, arguments).await?);
        }
        println!("{}", load::table(&reports));
        let good = reports.iter().all(Report::is_good);
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(BREACHED) })
    };
    interruptible(work, &Undos::default())
}

async fn loaded(plan: &Plan, arguments: &LoadArguments) -> Result<Report, Failure> {
    println!("{}, {}: {}", plan.name, humantime::format_duration(plan.duration), plan.about);
    let folder = arguments.report.join(format!("{}-{}", plan.name, arguments.seed));
    let report = tried(plan, options(folder.clone(), arguments.seed)?).await?;
    println!("{}\n  report: {}\n", report.words(), folder.join(PAGE).display());
    Ok(report)
}

pub(crate) fn sabotage(arguments: &SabotageArguments) -> Result<ExitCode, Failure> {
    if !cfg!(feature = "sabotage") {
        return Err(
            "this build keeps its promises: build it with `--features sabotage`, or say `make chaos-sabotage`".into()
        );
    }
    let unknown = |promise: &String| {
        let all: Vec<&str> = ALL.iter().map(|broken| broken.promise).collect();
        format!("{promise:?} is no promise whose breach can be seen from outside: these are {}", all.join(", "))
    };
    let of = |promise: &String| Broken::of(promise).ok_or_else(|| unknown(promise));
    let some = arguments.promises.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    let promises = if some.is_empty() { ALL.to_vec() } else { some };
    let work = async {
        let mut good = true;
        for broken in &promises {
            good &= if arguments.kept { kept(broken, arguments).await? } else { found(broken, arguments).await? };
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(BREACHED) })
    };
    interruptible(work, &Undos::default())
}

/// Whether it is found out that the promise is broken.
async fn found(broken: &Broken, arguments: &SabotageArguments) -> Result<bool, Failure> {
    let (plan, begun) = (broken.plan()?, Instant::now());
    for seed in arguments.seed..arguments.seed + SEEDS {
        let folder = arguments.report.join(format!("{}-{seed}", plan.name));
        let sabotage = Some(broken.promise.to_owned());
        let report = tried(&plan, Options { sabotage, ..options(folder, seed)? }).await?;
        let found = broken.found(&report.verdicts);
        if let Some(first) = found.first() {
            let checks: Vec<&str> = found.iter().map(|verdict| &*verdict.check).collect();
            let (promise, took) = (broken.promise, begun.elapsed().as_secs());
            println!("{promise:<32} found by {} with seed {seed} after {took} s", checks.join(", "));
            println!("{:<32} {}", "", first.breaches[0].what);
            return Ok(true);
        }
    }
    println!("{:<32} NOT FOUND with {SEEDS} seeds", broken.promise);
    Ok(false)
}

/// Whether its plan finds nothing in nodes that keep the promise.
async fn kept(broken: &Broken, arguments: &SabotageArguments) -> Result<bool, Failure> {
    let (plan, seed) = (broken.plan()?, arguments.seed);
    let folder = arguments.report.join(format!("{}-kept-{seed}", plan.name));
    let report = tried(&plan, options(folder, seed)?).await?;
    let said = if report.is_good() { "nothing is found where it is kept".to_owned() } else { report.words() };
    println!("{:<32} {said}", broken.promise);
    Ok(report.is_good())
}

pub(crate) fn node() -> Result<ExitCode, Failure> {
    suite::node()?;
    Ok(ExitCode::SUCCESS)
}
