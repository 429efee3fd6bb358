//! What may be said on the command line.

use crate::output::Format;
use crate::{chaos, complete};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::{ArgValueCandidates, ArgValueCompleter, Shell};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The address of a node, unless somebody says otherwise.
pub(crate) const ADDRESS: &str = "127.0.0.1:7420";

/// Runs Callboard, and asks it.
#[derive(Debug, Parser)]
#[command(name = "callboard", version, infer_subcommands = true, disable_help_flag = false, max_term_width = 100)]
pub(crate) struct Arguments {
    /// How results are written.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub(crate) output: Format,
    /// Where the node listens that is asked.
    #[arg(long, global = true, env = "CALLBOARD_ADDR", value_name = "HOST:PORT", default_value = ADDRESS)]
    pub(crate) addr: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node with everything embedded and the ready-made agents.
    Dev(Dev),
    /// Run a node as its settings say.
    Node(Node),
    /// Submit tasks and ask for them.
    #[command(subcommand, alias = "tasks")]
    Task(Task),
    /// Ask for runs and steer them.
    #[command(subcommand, alias = "runs")]
    Run(Run),
    /// Ask what a run may cost, and add to it.
    #[command(subcommand, alias = "budgets")]
    Budget(Budget),
    /// Ask what has happened to runs.
    #[command(subcommand, alias = "event")]
    Events(Events),
    /// Ask for what waits, and for what has failed for good.
    #[command(subcommand, alias = "queues")]
    Queue(Queue),
    /// Ask for agents.
    #[command(subcommand, alias = "agents")]
    Agent(Agent),
    /// Ask for circuit breakers, open and close them.
    #[command(subcommand, alias = "circuit-breakers", alias = "breaker", alias = "breakers")]
    CircuitBreaker(CircuitBreaker),
    /// Ask for limits: what is taken, and who waits.
    #[command(subcommand, alias = "limits")]
    Limit(Limit),
    /// Read and write documents, and what they said before.
    #[command(subcommand, alias = "states")]
    State(State),
    /// Ask for locks: who holds them, and who waits.
    #[command(subcommand, alias = "locks")]
    Lock(Lock),
    /// Ask which lines a node logs, and change that while it runs.
    #[command(subcommand, alias = "logs")]
    Log(Log),
    /// Show, check, copy and restore what is stored, without a node.
    #[command(subcommand, alias = "journals")]
    Journal(Journal),
    /// Check, show and describe the settings.
    #[command(subcommand, alias = "configs")]
    Config(Config),
    /// Break a cluster on purpose, and see what it has kept: the program callboard-chaos.
    #[command(disable_help_flag = true)]
    Chaos {
        /// What that program is told; --help for what that may be.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
        #[arg(add = ArgValueCandidates::new(chaos::commands))]
        words: Vec<OsString>,
    },
    /// Show what the node counts, as Prometheus reads it.
    Metrics {
        /// Only what has a name that begins so, with "callboard_" before it or without.
        prefix: Option<String>,
    },
    /// Stop the node of this machine, in an emergency.
    Stop {
        /// Start nothing any more, end every handler at its next await, and end: what was begun goes on in the next life.
        #[arg(long, required = true)]
        emergency: bool,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Write the completion of a shell.
    Completion {
        /// Which shell.
        shell: Shell,
    },
    /// Say what the code of an error means.
    Explain {
        /// Such as CB1042; all of them without it.
        #[arg(add = ArgValueCompleter::new(complete::codes))]
        code: Option<String>,
    },
    /// Say which version this is.
    Version,
}

/// What is said of the settings themselves.
#[derive(Debug, Default, Args)]
pub(crate) struct Said {
    /// The file of the settings; without it the one that CALLBOARD_CONFIG names.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A setting, over the file and the environment; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    pub(crate) said: Said,
    /// Where to listen; port 0 for one that is free.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: Option<String>,
    /// The folder of the journal.
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub(crate) data: Option<PathBuf>,
    /// Look at a copy, which `journal copy` has made: nothing runs, and nothing is written.
    #[arg(long, conflicts_with = "ephemeral")]
    pub(crate) read_only: bool,
    /// Keep the journal in memory: everything is gone when it ends.
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// The folder of the files that describe agents.
    #[arg(long, value_name = "DIR")]
    pub(crate) agents: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Node {
    /// The file of the settings.
    #[arg(long, value_name = "FILE", env = "CALLBOARD_CONFIG")]
    pub(crate) config: PathBuf,
    /// A setting, over the file and the environment; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Submit a workflow.
    Submit(Submit),
    /// Show how a task stands, its output, or why it does not run.
    Status {
        /// The run and the name or index of the task: RUN/TASK.
        #[arg(add = ArgValueCompleter::new(complete::tasks))]
        task: String,
    },
    /// List the tasks of all runs.
    List(TaskList),
    /// End a task: what needs it is skipped, the rest of its run goes on.
    Cancel {
        /// The run and the name or index of the task: RUN/TASK.
        task: String,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Give a task that has failed, is dead or was cancelled another life.
    Retry {
        /// The run and the name or index of the task: RUN/TASK.
        #[arg(add = ArgValueCompleter::new(complete::tasks))]
        task: String,
        /// With another input: JSON, "@" and the name of a file, or "-" for standard input.
        #[arg(long, value_name = "JSON|@FILE|-")]
        input: Option<String>,
    },
    /// Say whether an effect happened of which nobody knows that.
    Decide {
        /// The run and the name or index of the task, and the call if several are unknown: RUN/TASK or RUN/TASK/CALL.
        #[arg(add = ArgValueCompleter::new(complete::tasks))]
        task: String,
        /// Whether it did.
        #[arg(value_enum)]
        outcome: Outcome,
        /// With which result: JSON, "@" and the name of a file, or "-" for standard input; null without it.
        #[arg(long, value_name = "JSON|@FILE|-")]
        result: Option<String>,
        /// Who says so, or why.
        #[arg(long)]
        by: Option<String>,
    },
}

/// Whether an effect happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Outcome {
    /// It did.
    Happened,
    /// It did not, and may run again.
    DidNotHappen,
}

#[derive(Debug, Args)]
pub(crate) struct TaskList {
    /// Only with one of these: blocked, ready, running, parked, completed, failed, dead, cancelled, skipped.
    #[arg(long, value_name = "STATUS,..")]
    pub(crate) status: Option<String>,
    /// Only those that ask for this capability.
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::capabilities))]
    pub(crate) capability: Option<String>,
    /// How many, 1 to 1000.
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    /// Go on behind a page.
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Show what happens to a run until it ends, after all that has happened; without a run what happens to all of them from now
    /// on, until somebody interrupts it.
    Tail(Tail),
    /// Write what has happened to a run so far, a line of JSON each.
    Export(Told),
    /// Show what has happened to a run again, at a speed.
    Replay {
        #[command(flatten)]
        told: Told,
        /// How many times as fast as it was.
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
    },
}

/// Which events of a run, or of all.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// The run.
    pub(crate) run: Option<String>,
    /// Only those of one of these kinds: started, failed, parked and so on.
    #[arg(long = "type", value_name = "TYPE,..", value_delimiter = ',')]
    pub(crate) kinds: Vec<String>,
    /// Only those of this task of the run.
    #[arg(long, value_name = "NAME", requires = "run")]
    pub(crate) task: Option<String>,
    /// Only those of runs of this workflow.
    #[arg(long, value_name = "NAME", conflicts_with = "run")]
    pub(crate) workflow: Option<String>,
    /// Only those of tasks that ask for this capability.
    #[arg(long, value_name = "NAME", conflicts_with = "run")]
    pub(crate) capability: Option<String>,
    /// Only those behind this position; "start" for all runs as far back as they are kept.
    #[arg(long, value_name = "POSITION")]
    pub(crate) after: Option<String>,
}

/// Which events of a run.
#[derive(Debug, Args)]
pub(crate) struct Told {
    /// The run.
    #[arg(add = ArgValueCompleter::new(complete::runs))]
    pub(crate) run: String,
    /// Only those of one of these kinds: started, failed, parked and so on.
    #[arg(long = "type", value_name = "TYPE,..", value_delimiter = ',')]
    pub(crate) kinds: Vec<String>,
    /// Only those of this task.
    #[arg(long, value_name = "NAME")]
    pub(crate) task: Option<String>,
    /// Only those behind this position.
    #[arg(long, value_name = "POSITION")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Queue {
    /// Show the tasks that wait for an agent of the node, and what for.
    Status,
    /// Ask for the tasks that have failed for good, and give them another life.
    #[command(subcommand)]
    Dead(Dead),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// List them, with the last reason of each.
    List(DeadList),
    /// Show one, with all of its reasons.
    Show {
        /// The run and the name or index of the task: RUN/TASK.
        #[arg(add = ArgValueCompleter::new(complete::tasks))]
        task: String,
    },
    /// Give one another life.
    Retry {
        /// The run and the name or index of the task: RUN/TASK.
        #[arg(add = ArgValueCompleter::new(complete::tasks))]
        task: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DeadList {
    /// Only those that ask for this capability.
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::capabilities))]
    pub(crate) capability: Option<String>,
    /// Only those of this workflow.
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::workflows))]
    pub(crate) workflow: Option<String>,
    /// How many, 1 to 1000.
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    /// Go on behind a page.
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The document, whose name ends with yaml, yml, json or toml; "-" for YAML or JSON from standard input.
    pub(crate) file: PathBuf,
    /// Wait for the end of the run: 0 if it completed, 10 if it failed, 11 if it was cancelled.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Wait no longer than this (12 then); the run goes on.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, requires = "wait")]
    pub(crate) timeout: Option<Duration>,
    /// A key, under which the same submission gets the same run.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Refuse what no agent can do at present.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Run {
    /// List runs, the latest first.
    List(RunList),
    /// Show a run and its tasks.
    Show {
        /// The run.
        #[arg(add = ArgValueCompleter::new(complete::runs))]
        id: String,
        /// Show what happens until it ends, and end as `task submit --wait` does.
        #[arg(long, conflicts_with = "at")]
        watch: bool,
        /// As it was right after an event, by its position in `events export`.
        #[arg(long, value_name = "POSITION")]
        at: Option<String>,
    },
    /// Show where the time of a run went: its critical path, and what that was spent with.
    Time {
        /// The run.
        #[arg(add = ArgValueCompleter::new(complete::runs))]
        id: String,
    },
    /// Show in what the tasks of two runs differ: status, output, attempts, duration.
    Diff {
        /// One run.
        #[arg(add = ArgValueCompleter::new(complete::runs))]
        id: String,
        /// The other.
        #[arg(add = ArgValueCompleter::new(complete::runs))]
        other: String,
    },
    /// End a run.
    Cancel(Reason),
    /// Start no more tasks of a run.
    Pause(Reason),
    /// Start the tasks of a paused run again.
    Resume {
        /// The run.
        #[arg(add = ArgValueCompleter::new(complete::runs))]
        id: String,
    },
    /// Send a signal to a run.
    Signal {
        /// The run.
        #[arg(add = ArgValueCompleter::new(complete::runs))]
        id: String,
        /// The name of the signal.
        name: String,
        /// Its value; null without it.
        value: Option<String>,
    },
    /// Answer an approval.
    Approve {
        /// The run, or the approval itself: RUN/TASK/NUMBER.
        #[arg(add = ArgValueCompleter::new(complete::runs))]
        id: String,
        /// Say no.
        #[arg(long)]
        reject: bool,
        /// Of the approvals of a run that of this task.
        #[arg(long, value_name = "NAME")]
        task: Option<String>,
        /// Who answers, or why.
        #[arg(long)]
        by: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Budget {
    /// Show what a run may cost, has cost, and who waits for room.
    Show {
        /// The run.
        #[arg(add = ArgValueCompleter::new(complete::runs))]
        run: String,
    },
    /// Add to the limits of a run: what waits goes on.
    TopUp {
        /// The run.
        #[arg(add = ArgValueCompleter::new(complete::runs))]
        run: String,
        /// How much: 0.50usd, 60000tokens, 12calls, 10m, or several with commas between.
        amount: String,
        /// Who adds it, and why.
        #[arg(long)]
        by: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunList {
    /// Only with one of these: running, paused, undoing, completed, failed, cancelled, quarantined.
    #[arg(long, value_name = "STATUS,..")]
    pub(crate) status: Option<String>,
    /// Only of this workflow.
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::workflows))]
    pub(crate) workflow: Option<String>,
    /// Only with this label.
    #[arg(long, value_name = "KEY:VALUE")]
    pub(crate) label: Option<String>,
    /// How many, 1 to 1000.
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    /// Go on behind a page.
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Reason {
    /// The run.
    #[arg(add = ArgValueCompleter::new(complete::runs))]
    pub(crate) id: String,
    /// Why.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// List the agents that are known.
    List {
        /// Only those that offer this capability.
        #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::capabilities))]
        capability: Option<String>,
    },
    /// Show an agent: what it can do, what it has, how it is doing.
    Info {
        /// Its id.
        #[arg(add = ArgValueCompleter::new(complete::agents))]
        id: String,
        /// Its node, if several have one of this id.
        #[arg(long)]
        node: Option<String>,
    },
}

/// Where a name space is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    pub(crate) said: Said,
    /// The folder of the store, in the place of the store that the settings name.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Journal {
    /// Write what the journal of a partition holds, a line of JSON each: its newest snapshot, and the events behind it.
    Cat {
        #[command(flatten)]
        place: Place,
        /// Which one; 0 where there is but one.
        #[arg(default_value_t = 0)]
        partition: u16,
    },
    /// Check every object that is stored, and what the journals lead to: 0, or 1 with every fault.
    Verify {
        #[command(flatten)]
        place: Place,
    },
    /// Copy the name space into a folder, while nodes go on; add to the copy that is there.
    Copy {
        #[command(flatten)]
        place: Place,
        /// The folder, empty or with an earlier copy.
        #[arg(value_name = "DIR")]
        to: PathBuf,
        /// A partition up to this position, and not to its end; may be repeated.
        #[arg(long, value_name = "PARTITION=EPOCH/SLOT")]
        at: Vec<String>,
        /// Add to it again and again, until Ctrl-C.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, conflicts_with = "at")]
        every: Option<Duration>,
    },
    /// Make a name space of a copy, in the store of the settings, which must be empty.
    Restore {
        #[command(flatten)]
        place: Place,
        /// The folder of the copy.
        #[arg(value_name = "DIR")]
        from: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Say whether the settings are good: 0, or 2 with every fault.
    Check(Said),
    /// Show every setting with where it comes from.
    Show(Said),
    /// Write a JSON Schema of the file.
    Schema,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Limit {
    /// List them.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum State {
    /// List the keys of documents, those of deleted ones too, with the number of the newest version of each.
    List {
        /// Only those that begin so.
        #[arg(add = ArgValueCompleter::new(complete::documents))]
        prefix: Option<String>,
        /// How many, 1 to 1000.
        #[arg(long)]
        limit: Option<usize>,
        /// Go on behind a page.
        #[arg(long, value_name = "KEY")]
        after: Option<String>,
    },
    /// Show what a document says, in which version, and who wrote that.
    Show {
        /// The key of the document.
        #[arg(add = ArgValueCompleter::new(complete::documents))]
        key: String,
        /// What it said in this version.
        #[arg(long, value_name = "N")]
        version: Option<u64>,
    },
    /// List the versions of a document that are kept, the latest first.
    History {
        /// The key of the document.
        #[arg(add = ArgValueCompleter::new(complete::documents))]
        key: String,
        /// How many, 1 to 1000.
        #[arg(long)]
        limit: Option<usize>,
        /// Go on behind a page: with the versions before this one.
        #[arg(long, value_name = "N")]
        after: Option<u64>,
    },
    /// Write the next version of a document.
    Set {
        /// The key of the document.
        #[arg(add = ArgValueCompleter::new(complete::documents))]
        key: String,
        /// What it is to say: JSON, "@" and the name of a file, or "-" for standard input.
        #[arg(value_name = "JSON|@FILE|-", allow_negative_numbers = true)]
        value: String,
        #[command(flatten)]
        rests: Rests,
        #[command(flatten)]
        writer: Writer,
    },
    /// Write a version that says what one of the past says.
    Rollback {
        /// The key of the document.
        #[arg(add = ArgValueCompleter::new(complete::documents))]
        key: String,
        /// The version of the past.
        version: u64,
        /// Only if the document is at this version.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        expect: Option<u64>,
        #[command(flatten)]
        writer: Writer,
    },
    /// Delete a document: one more version, that says so.
    Delete {
        /// The key of the document.
        #[arg(add = ArgValueCompleter::new(complete::documents))]
        key: String,
        /// Only if the document is at this version.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        expect: u64,
        #[command(flatten)]
        writer: Writer,
    },
    /// Delete all versions of a document: nothing brings them back.
    Erase {
        /// The key of the document.
        #[arg(add = ArgValueCompleter::new(complete::documents))]
        key: String,
        /// It is meant so.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        writer: Writer,
    },
}

/// On which version of a document a write rests.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Rests {
    /// Only if the document is at this version.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) expect: Option<u64>,
    /// Only if there is no such document yet, or it was deleted.
    #[arg(long)]
    pub(crate) new: bool,
    /// Whatever is there: what others have written meanwhile is lost.
    #[arg(long)]
    pub(crate) overwrite: bool,
}

/// Who writes.
#[derive(Debug, Args)]
pub(crate) struct Writer {
    /// Who; whoever reads the history sees that.
    #[arg(long)]
    pub(crate) by: Option<String>,
    /// Something else about it: a reason, a ticket.
    #[arg(long, value_name = "KEY:VALUE")]
    pub(crate) label: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Show which lines are written, and how.
    Show,
    /// Write other lines, until the node ends or somebody says otherwise.
    Filter {
        /// A level (off, error, warn, info, debug, trace), and TARGET=LEVEL for what differs: warn,callboard=debug.
        filter: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Lock {
    /// List those that are held.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CircuitBreaker {
    /// Show where they stand, and why.
    Status {
        /// Only this one: the name of a dependency, or "agent:" and the id of an agent.
        #[arg(add = ArgValueCompleter::new(complete::breakers))]
        name: Option<String>,
    },
    /// Open one, and keep it open: nothing calls through it until it is closed or reset.
    Open {
        #[command(flatten)]
        which: Breaker,
    },
    /// Close one: calls come back step by step.
    Close {
        #[command(flatten)]
        which: Breaker,
    },
    /// Make one as if it were new: closed at once, with no failure counted.
    Reset {
        #[command(flatten)]
        which: Breaker,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Breaker {
    /// The name of a dependency, or "agent:" and the id of an agent.
    #[arg(add = ArgValueCompleter::new(complete::breakers))]
    pub(crate) name: String,
    /// Why; whoever looks at it sees that.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}
