//! A board with agents that do nothing, and the tasks that are sent through it.

use crate::measure::{Latencies, Reading, cpu};
use callboard::prelude::*;
use callboard::{Builder, JournalCounters, RunId, Settings, What};
use futures::{StreamExt, TryStreamExt, stream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{fs, io, iter};
use tokio::time::Instant;

/// A task without work.
#[task(output = u64)]
pub(crate) struct Nothing {
    pub(crate) number: u64,
    /// What a request carries.
    pub(crate) body: String,
}

/// A task behind another.
#[task(output = u64)]
pub(crate) struct Next {
    pub(crate) of: In<u64>,
}

/// A task behind many others.
#[task(output = u64)]
pub(crate) struct Sum {
    pub(crate) of: In<Vec<u64>>,
}

/// A task behind some others: one more than the most of them.
#[task(output = u64)]
pub(crate) struct Most {
    pub(crate) of: In<Vec<u64>>,
}

const BODY_BYTES: usize = 256;
/// Every result is read again; the whole history of one run in so many.
const EVENTS_OF_EVERY: usize = 16;

pub(crate) fn nothing(number: usize) -> Nothing {
    Nothing { number: number as u64, body: "x".repeat(BODY_BYTES) }
}

/// Where the journal is, in how many partitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    on_disk: bool,
    partitions: u16,
}

impl Place {
    pub(crate) fn folder(partitions: u16) -> Self {
        Self { on_disk: true, partitions }
    }

    pub(crate) fn memory(partitions: u16) -> Self {
        Self { on_disk: false, partitions }
    }

    pub(crate) fn is_on_disk(self) -> bool {
        self.on_disk
    }

    pub(crate) fn name(self) -> String {
        format!("{}/{}", if self.on_disk { "folder" } else { "memory" }, self.partitions)
    }
}

/// A board with its agents.
pub(crate) struct Fleet {
    /// Where tasks are submitted.
    pub(crate) board: Callboard,
    /// Further nodes of the same cluster.
    others: Vec<Callboard>,
    place: Place,
    folder: PathBuf,
    /// Whether each task has a key.
    keyed: bool,
    /// How often a handler ran.
    performed: Arc<AtomicUsize>,
}

/// What became of many tasks.
pub(crate) struct Flown {
    pub(crate) latencies: Latencies,
    /// Each run with the number that is its result.
    pub(crate) runs: Vec<(RunId, u64)>,
}

impl Fleet {
    pub(crate) async fn start(place: Place, folder: &Path) -> Result<Self> {
        Self::start_with(place, folder, |builder| builder).await
    }

    /// The same with a builder that was changed.
    pub(crate) async fn start_with(
        place: Place,
        folder: &Path,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Result<Self> {
        let performed = Arc::default();
        let board = change(agents(builder(place, folder), &performed)).start().await?;
        Ok(Self { board, others: Vec::new(), place, folder: folder.to_owned(), keyed: false, performed })
    }

    /// One that submits and others that perform, in a cluster whose journal is looked at through the one that submits.
    #[cfg(feature = "cluster")]
    pub(crate) fn of(board: Callboard, others: Vec<Callboard>, performed: Arc<AtomicUsize>) -> Self {
        Self { board, others, place: Place::memory(0), folder: PathBuf::new(), keyed: true, performed }
    }

    /// The same with tasks that have keys.
    pub(crate) fn keyed(self) -> Self {
        Self { keyed: true, ..self }
    }

    /// Submits a task for each number and waits for its result, so many at a time, as one submitter.
    pub(crate) async fn fly(&self, numbers: Range<usize>, in_flight: usize) -> Result<Flown> {
        let (performed, tasks) = (self.performed.load(Relaxed), numbers.len());
        let calls = stream::iter(numbers).map(|number| self.call(number)).buffer_unordered(in_flight);
        let flown: Vec<(RunId, u64, Duration)> = calls.try_collect().await?;
        assert_eq!(self.performed.load(Relaxed) - performed, tasks, "every task is performed once");
        let latencies = Latencies::of(flown.iter().map(|(.., latency)| *latency).collect());
        Ok(Flown { latencies, runs: flown.into_iter().map(|(run, number, _)| (run, number)).collect() })
    }

    /// What `Callboard::call` does, but the id of the run is known: in a cluster, where that is more than a submission and a
    /// look, from its key.
    async fn call(&self, number: usize) -> Result<(RunId, u64, Duration)> {
        let begun = Instant::now();
        if self.keyed {
            let key = number.to_string();
            let output = self.board.call(nothing(number)).key(&*key).await?;
            assert_eq!(output, number as u64, "a task gets its own result");
            return Ok((self.board.run_id_of_key(&key), output, begun.elapsed()));
        }
        let workflow = Workflow::new("nothing");
        let node = workflow.task("nothing", nothing(number));
        let run = self.board.start(workflow).await?;
        let output = run.output(&node).await?;
        assert_eq!(output, number as u64, "a task gets its own result");
        Ok((run.id(), output, begun.elapsed()))
    }

    /// Asserts that every result is there exactly once, in the journal as a node without agents finds it.
    pub(crate) async fn check(&self, runs: &[(RunId, u64)]) -> Result<()> {
        if !self.place.on_disk {
            return check(&self.board, runs).await;
        }
        // The folder has one owner, which goes on after this: a copy is opened.
        let copy = tempfile::tempdir_in(self.folder.parent().unwrap_or(Path::new(".")))?;
        copy_folder(&self.folder.join("objects"), &copy.path().join("objects"))?;
        let board = builder(self.place, copy.path()).start().await?;
        check(&board, runs).await?;
        board.shutdown().await
    }

    pub(crate) fn reading(&self) -> Reading {
        let disk = folder_bytes(&self.folder).unwrap_or(0);
        let boards = iter::once(&self.board).chain(&self.others);
        let journal =
            boards.map(Callboard::journal_counters).fold(JournalCounters::default(), |sum, one| JournalCounters {
                commits: sum.commits + one.commits,
                awaited: sum.awaited + one.awaited,
                events: sum.events + one.events,
                bytes: sum.bytes + one.bytes,
            });
        Reading { at: Instant::now(), cpu: self.cpu(), journal, disk }
    }

    /// Of a cluster with that of its servers.
    fn cpu(&self) -> std::time::Duration {
        #[cfg(feature = "cluster")]
        if !self.others.is_empty() {
            return cpu() + crate::measure::cpu_of_servers();
        }
        cpu()
    }

    pub(crate) async fn shutdown(&self) -> Result<()> {
        self.board.shutdown().await?;
        for board in &self.others {
            board.shutdown().await?;
        }
        Ok(())
    }
}

/// One agent for each kind of task.
pub(crate) fn agents(builder: Builder, performed: &Arc<AtomicUsize>) -> Builder {
    let count = performed.clone();
    builder
        .task_fn(move |_, task: Nothing| {
            count.fetch_add(1, Relaxed);
            async move { Ok(task.number) }
        })
        .task_fn(|_, task: Next| async move { Ok(*task.of + 1) })
        .task_fn(|_, task: Sum| async move { Ok(task.of.iter().sum()) })
        .task_fn(|_, task: Most| async move { Ok(task.of.iter().max().map_or(0, |most| most + 1)) })
        .task_fn(crate::spends::call)
}

fn builder(place: Place, folder: &Path) -> Builder {
    let mut settings = Settings::default();
    settings.partitions = place.partitions;
    settings.http.listen = ([127, 0, 0, 1], 0).into();
    let builder = Callboard::builder(settings);
    if place.on_disk { builder.data(folder) } else { builder.ephemeral() }
}

async fn check(board: &Callboard, runs: &[(RunId, u64)]) -> Result<()> {
    let node = Workflow::new("nothing").task("nothing", nothing(0)); // nodes of one name are the same
    let checks = stream::iter(runs.iter().enumerate()).map(|(nth, (id, number))| {
        let node = &node;
        async move {
            let run = board.run(*id);
            assert_eq!(run.output(node).await?, *number, "the result of run {id}");
            if nth % EVENTS_OF_EVERY > 0 {
                return Ok::<_, Error>(());
            }
            let completed = run.events().filter(|event| std::future::ready(event.what == What::Completed));
            assert_eq!(completed.count().await, 1, "completions of run {id}");
            Ok(())
        }
    });
    checks.buffer_unordered(64).try_collect().await
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Bytes of all files below a folder.
fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}
