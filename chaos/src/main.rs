//! The `callboard-chaos` command: the suite, and real servers for tests and for trying things out.

#[cfg(feature = "suite")]
mod run;
#[cfg(not(feature = "suite"))]
#[path = "run_absent.rs"]
mod run;

use callboard_chaos::history::History;
use callboard_chaos::load;
use callboard_chaos::plan::Plan;
use callboard_chaos::report::{PAGE, Report};
use callboard_chaos::schedule::Schedule;
use callboard_chaos::servers;
use clap::{Args, Parser, Subcommand};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// With what the command ends when a check is breached: what could not be tried at all ends with 1, and a wrong word with 2.
const BREACHED: u8 = 10;

/// What is told of an error at most, in characters.
const WORDS_MAX: usize = 2_000;

/// Breaks a cluster and holds what comes of it against what is promised.
#[derive(Debug, Parser)]
#[command(name = "callboard-chaos", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The scenarios that there are.
    List,
    /// Run scenarios, or plans of your own: exit code 0 if everything holds, 10 if not.
    Run(RunArguments),
    /// Measure what a cluster takes: exit code 0 if it holds what the plans ask for, 10 if not.
    Load(LoadArguments),
    /// Have nodes break a promise at a time: exit code 0 if each is found out, 10 if not. For a build with the feature `sabotage`.
    Sabotage(SabotageArguments),
    /// Hold the history in a folder against what is promised, once more.
    Check {
        /// The folder, or the `history.jsonl` in it; `ledger.jsonl` lies beside it.
        history: PathBuf,
    },
    /// Write the report of the history in a folder, once more.
    Report {
        /// The folder.
        folder: PathBuf,
    },
    /// One RabbitMQ, one Redis and one radosgw for this checkout.
    #[command(subcommand)]
    Services(Services),
    /// A node of the suite: it is told everything by its environment.
    #[command(hide = true)]
    Node,
}

#[derive(Debug, Args)]
struct RunArguments {
    /// Names of scenarios, or files; `all` for every scenario.
    #[arg(required = true)]
    plans: Vec<String>,
    /// From what everything is drawn: the same seed does the same at the same times. It is drawn without it.
    #[arg(long)]
    seed: Option<u64>,
    /// How long work is submitted, such as 30s, in the place of what the plan says.
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// The folder in which the reports, histories and logs are kept, a folder for each plan.
    #[arg(long, default_value = "target/chaos")]
    report: PathBuf,
    /// Show when what would be done, and do nothing.
    #[arg(long)]
    dry: bool,
    /// What the cluster is called that a plan with a table [attached] is for: without its name nothing is done to it.
    #[arg(long, value_name = "CLUSTER")]
    attached: Option<String>,
}

#[derive(Debug, Args)]
struct LoadArguments {
    /// Plans of load, such as load-steady; all of them without one, which takes an hour and a half.
    plans: Vec<String>,
    /// From what everything is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long work is submitted, such as 60s, in the place of what the plans say: of too much as well, which takes a moment more.
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// The folder in which the reports are kept, a folder for each plan.
    #[arg(long, default_value = "target/chaos")]
    report: PathBuf,
}

#[derive(Debug, Args)]
struct SabotageArguments {
    /// Promises, such as no_fence; all that can be seen without one.
    promises: Vec<String>,
    /// From what everything is drawn; what is not found is tried with the two seeds behind it, too.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder in which the reports are kept.
    #[arg(long, default_value = "target/chaos/sabotage")]
    report: PathBuf,
    /// Keep the promises: the same plans must find nothing.
    #[arg(long)]
    kept: bool,
}

#[derive(Debug, Subcommand)]
enum Services {
    /// Start those that are not running, and say how a node uses them.
    Up,
    /// End them and remove their data.
    Down,
    /// Say what is running.
    Status,
}

/// Whatever went wrong, in words.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match command(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn command(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::List => list(),
        Command::Run(arguments) if arguments.dry => dry(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Load(arguments) => run::load(&arguments),
        Command::Sabotage(arguments) => run::sabotage(&arguments),
        Command::Check { history } => {
            let report = Report::of(&History::read(&history)?);
            println!("{}", report.words());
            Ok(code(&report))
        }
        Command::Report { folder } => {
            let report = Report::of(&History::read(&folder)?);
            report.write(&folder)?;
            println!("{}", folder.join(PAGE).display());
            Ok(code(&report))
        }
        Command::Services(services) => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(&services))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Node => run::node(),
    }
}

/// What a report comes to.
fn code(report: &Report) -> ExitCode {
    match (report.is_good(), report.untried().next()) {
        (false, _) => ExitCode::from(BREACHED),
        (true, Some(_)) => ExitCode::FAILURE,
        (true, None) => ExitCode::SUCCESS,
    }
}

fn list() -> Result<ExitCode, Failure> {
    for plan in Plan::scenarios()?.into_iter().chain([Plan::find("hour")?]).chain(Plan::loads()?) {
        println!("{:<20} {:>4}  {}", plan.name, humantime::format_duration(plan.duration).to_string(), plan.about);
    }
    Ok(ExitCode::SUCCESS)
}

/// The plans that are meant, with the duration that is wanted.
fn plans(arguments: &RunArguments) -> Result<Vec<Plan>, Failure> {
    let mut plans = Vec::new();
    for name in &arguments.plans {
        match name.as_str() {
            "all" => plans.extend(Plan::scenarios()?),
            name => plans.push(Plan::find(name)?),
        }
    }
    let lasting = |plan: Plan| arguments.duration.map_or(Ok(plan.clone()), |duration| plan.lasting(duration));
    Ok(plans.into_iter().map(lasting).collect::<Result<_, _>>()?)
}

/// The plans of load that are meant, with the duration that is wanted.
fn loads(arguments: &LoadArguments) -> Result<Vec<Plan>, Failure> {
    let plans = if arguments.plans.is_empty() {
        Plan::loads()?
    } else {
        arguments.plans.iter().map(|name| Plan::find(name)).collect::<Result<_, _>>()?
    };
    let lasting = |plan: Plan| arguments.duration.map_or(Ok(plan.clone()), |duration| load::lasting(plan, duration));
    Ok(plans.into_iter().map(lasting).collect::<Result<_, _>>()?)
}

/// The seed that is wanted, or one that is drawn.
fn seed(arguments: &RunArguments) -> u64 {
    use std::hash::BuildHasher;
    let drawn = || std::collections::hash_map::RandomState::new().hash_one(0) % 1_000_000;
    arguments.seed.unwrap_or_else(drawn)
}

fn dry(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let seed = seed(arguments);
    for plan in plans(arguments)? {
        let schedule = Schedule::draw(&plan, seed);
        println!("{}, seed {seed}: {}", plan.name, what(&plan, &schedule));
        for fault in &schedule.faults {
            let lasts =
                if fault.lasts_ms == 0 { String::new() } else { format!(" for {:.1} s", seconds(fault.lasts_ms)) };
            let how = fault.how().map(|how| format!(": {how}")).unwrap_or_default();
            println!("  {:6.1} s  {}{lasts}{how}", seconds(fault.at_ms), plan.called(fault.kind, fault.target));
            if let Some(undo) =
                plan.command(fault.target).map(|command| command.undo.join(" ")).filter(|undo| !undo.is_empty())
            {
                println!("            and then  {undo}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is submitted, and to whom.
fn what(plan: &Plan, schedule: &Schedule) -> String {
    let runs = schedule.runs.len();
    let Some(attached) = &plan.attached else {
        let tasks: usize = schedule.runs.iter().map(|run| run.work.tasks.len()).sum();
        return format!("{runs} runs of {tasks} tasks");
    };
    let (workflow, probe) = (attached.workflow.display(), attached.of_probe().display());
    let (cluster, addresses) = (&attached.cluster, attached.addresses.join(", "));
    format!("{runs} runs of {workflow} on the cluster {cluster:?} at {addresses}, probes of {probe}")
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

async fn serve(services: &Services) -> Result<(), servers::Error> {
    match services {
        Services::Up => {
            for (name, value) in servers::up().await?.environment() {
                println!("export {name}={value}");
            }
        }
        Services::Down => servers::down().await?,
        Services::Status => println!("{}", servers::status()?),
    }
    Ok(())
}

/// The error with what caused it, without the end of what a server has to say that has much.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let whole = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    match whole.char_indices().nth(WORDS_MAX) {
        Some((at, _)) => format!("{} ... and more", &whole[..at]),
        None => whole,
    }
}
