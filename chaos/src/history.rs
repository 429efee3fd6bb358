//! What happened, as clients, handlers and the nodes at the end told it: files of JSON lines.
//!
//! `history.jsonl` is written by the suite: what was asked of the cluster and what it answered, what was done to it, and what it
//! says of itself at the end. `ledger.jsonl` is written by the handlers of all nodes: what was really done, in the order in which
//! it was. Times are microseconds of a clock that all processes of the machine share and that nothing sets.

use crate::plan::{FaultKind, Plan, Target};
use crate::work::Contract;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The file of what was asked and answered.
pub const HISTORY: &str = "history.jsonl";
/// The file of what was done.
pub const LEDGER: &str = "ledger.jsonl";

/// The status of a run of which nobody says anything at the end: it may be there or not.
pub const NOT_TOLD: &str = "not told";

/// A moment, in microseconds.
pub type Moment = u64;

/// A line of `history.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// What is run; the first line.
    Head(Box<Head>),
    /// A client asked for something.
    Call(Call),
    /// Something was done to the cluster.
    Fault(Felt),
    /// How much memory a node has.
    Memory(Memory),
    /// What the cluster says of a run at the end.
    Run(RunEnd),
    /// What else it says at the end; the last line.
    End(End),
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// When the first submission was due.
    pub at: Moment,
    /// The same as people say it, of a wall clock.
    pub wall: String,
    /// From what everything was drawn.
    pub seed: u64,
    /// What was drawn from.
    pub plan: Plan,
    /// The file that the plan was read from, if it does not come with the suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Of what there was, by name.
    pub versions: BTreeMap<String, String>,
    /// Of a workflow that is not the suite's: each task with one that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<(String, String)>,
}

/// Something that a client asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// What.
    pub op: Op,
    /// The run that it is about; for a probe and an increment, its name.
    pub run: String,
    /// The task that it is about, and what it was told, or what was said of its effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<(String, String)>,
    /// When it was asked.
    pub begin: Moment,
    /// When it was answered.
    pub end: Moment,
    /// What came of it.
    pub outcome: Outcome,
    /// What was seen of the document that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// The words of the error, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A version of the document that counts: what was read, or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its number; 0 if nobody has written it yet.
    pub version: u64,
    /// How many it has counted.
    pub count: u64,
}

impl Seen {
    /// Nobody has written it yet.
    pub const NOTHING: Self = Self { version: 0, count: 0 };
}

/// What a client can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// That a run starts.
    Start,
    /// That a run is cancelled.
    Cancel,
    /// That a task is told something.
    Signal,
    /// That a task that asks for it is told yes or no.
    Answer,
    /// That an effect counts as having happened, or as not: nobody knew.
    Decide,
    /// That the budget of a run has one call more.
    TopUp,
    /// That one is added to the document.
    Increment,
    /// What the document has counted.
    Read,
    /// That a task is done, and its result told.
    Probe,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It has happened, durably.
    Ok,
    /// It has not happened and never will.
    Failed,
    /// It may have happened, or happen still.
    Unknown,
}

/// Something that was done to the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Felt {
    /// What.
    pub kind: FaultKind,
    /// To what.
    pub target: Target,
    /// When it began.
    pub begin: Moment,
    /// When everything was in its place again.
    pub end: Moment,
    /// How many messages were published that nobody can read.
    #[serde(default)]
    pub published: u64,
    /// What went wrong with the fault itself, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was drawn for it; or what the commands that did it have written, and how they ended. A line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<String>,
}

impl Felt {
    /// Whether nothing can be said of anybody by it: what was to be done was up to a command, and that has failed.
    #[must_use]
    pub fn is_untried(&self) -> bool {
        self.kind == FaultKind::Command && self.error.is_some()
    }
}

/// How much memory a node has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// When.
    pub at: Moment,
    /// Which node, from 1.
    pub node: usize,
    /// How much of it is resident.
    pub bytes: u64,
}

/// What the cluster says of a run at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// The run.
    pub run: String,
    /// `completed`, `failed`, `cancelled`, or what else it is, or [`NOT_TOLD`]; nothing if there is no such run.
    pub status: Option<String>,
    /// Its tasks.
    pub tasks: Vec<TaskEnd>,
}

/// What the cluster says of a task at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskEnd {
    /// Its name.
    pub task: String,
    /// `completed`, `skipped` and so on.
    pub status: String,
    /// The mark of its result, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// How many results its history has; it is looked at of runs that have ended alone.
    pub results: usize,
    /// The place in the history of its run at which it first began, if the workflow is not the suite's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<usize>,
    /// The place of its first result there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<usize>,
}

/// What else the cluster says at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When everything had ended, or was given up.
    pub at: Moment,
    /// The document that counts; nothing if nobody ever wrote it.
    pub counter: Option<u64>,
    /// The document that is written under the lock, oldest entry first.
    pub locked: Vec<Entry>,
    /// The documents of which nobody says what they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_told: Vec<String>,
    /// Messages in the queue `agent.dead`.
    #[serde(default)]
    pub dead: u64,
    /// What nodes have said of themselves: lines of their logs about invariants that do not hold.
    #[serde(default)]
    pub broken: Vec<String>,
    /// How many objects of the store were looked at for faults of the journals and of what they name, after the nodes had ended.
    #[serde(default)]
    pub objects: u64,
    /// What is wrong with them: gaps, forks, bytes that are not those that were written, states that nothing leads to.
    #[serde(default)]
    pub journal: Vec<String>,
    /// What is there and should not be: messages, locks, open tasks, processes.
    pub left: Vec<String>,
}

/// What a holder of the lock has written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The task, as `run/task`.
    pub task: String,
    /// How many entries it has read under the lock, before it took its time.
    pub saw: usize,
}

/// A line of `ledger.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: Moment,
    /// On which node, from 1.
    pub node: usize,
    /// Of which run.
    pub run: String,
    /// Of which task; a child is called `task/child`.
    pub task: String,
    /// Which of the times that a handler began on it.
    pub life: String,
    /// What was done.
    pub did: Did,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Did {
    /// A handler began.
    Began {
        /// Which attempt, from 1.
        attempt: u32,
        /// The names of the tasks whose outputs it was given, and the marks of these.
        inputs: Vec<(String, String)>,
    },
    /// The code of a step ran, and gave a value that no other run of it has.
    Executed {
        /// Which step.
        step: String,
        /// What it gave.
        value: String,
    },
    /// The handler was given the value of a step or of a child: it is recorded.
    Given {
        /// Which.
        step: String,
        /// What it was.
        value: String,
    },
    /// It is about to write a document.
    Tries {
        /// Which: `count` or `lock`.
        document: String,
    },
    /// It was told that this write is done.
    Wrote {
        /// Which.
        document: String,
        /// The number of the version that it has made, if it was told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
    },
    /// It had an effect outside, which gave a value that no other has.
    Performed {
        /// What is promised of it.
        contract: Contract,
        /// The key that it was given for it.
        key: String,
        /// What it gave.
        value: String,
    },
    /// It was told this by a signal, or by whoever said yes or no.
    Heard {
        /// What.
        value: String,
    },
    /// It is about to say its result, which has this mark.
    Said {
        /// A mark that no other result has.
        mark: String,
    },
}

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// What was run.
    pub head: Head,
    /// What was asked, in the order of the answers.
    pub calls: Vec<Call>,
    /// What was done to the cluster, in the order of its end.
    pub faults: Vec<Felt>,
    /// The memory of the nodes, as it was seen.
    pub memory: Vec<Memory>,
    /// The runs at the end.
    pub runs: Vec<RunEnd>,
    /// What else there is at the end.
    pub end: End,
    /// What was really done.
    pub ledger: Vec<Line>,
}

/// Why a history can not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can not be read.
    #[error("{} can not be read", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is none of such a file.
    #[error("line {number} of {} is none of a history", .file.display())]
    Line {
        /// Of which file.
        file: PathBuf,
        /// From 1.
        number: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// Its first or last line is not there.
    #[error("{} has no {what}: the suite was ended before it had written everything", .file.display())]
    Short {
        /// Which.
        file: PathBuf,
        /// What is missing.
        what: &'static str,
    },
}

impl History {
    /// Reads what lies in a folder; the path may also be that of its `history.jsonl`.
    ///
    /// # Errors
    ///
    /// Words about the file and the line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let file = if path.is_dir() { path.join(HISTORY) } else { path.to_owned() };
        let (mut head, mut end) = (None, None);
        let (mut calls, mut faults, mut memory, mut runs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for record in lines(&file)? {
            match record {
                Record::Head(is) => head = Some(*is),
                Record::Call(call) => calls.push(call),
                Record::Fault(felt) => faults.push(felt),
                Record::Memory(seen) => memory.push(seen),
                Record::Run(run) => runs.push(run),
                Record::End(is) => end = Some(is),
            }
        }
        let short = |what| Error::Short { file: file.clone(), what };
        let (head, end) = (head.ok_or_else(|| short("head"))?, end.ok_or_else(|| short("end"))?);
        Ok(Self { head, calls, faults, memory, runs, end, ledger: lines(&folder.join(LEDGER))? })
    }

    /// Whether it is of a cluster that the suite has not built: handlers have written no ledger, and nothing is known but what was
    /// asked by HTTP.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.head.plan.attached.is_some()
    }

    /// A moment as seconds since the first submission was due.
    #[must_use]
    pub fn seconds(&self, at: Moment) -> f64 {
        (at as f64 - self.head.at as f64) / 1e6
    }
}

/// What lies in a file, a line each.
pub(crate) fn lines<T: serde::de::DeserializeOwned>(file: &Path) -> Result<Vec<T>, Error> {
    let text = std::fs::read_to_string(file).map_err(|source| Error::File { file: file.to_owned(), source })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(n, line)| {
            serde_json::from_str(line).map_err(|source| Error::Line { file: file.to_owned(), number: n + 1, source })
        })
        .collect()
}
