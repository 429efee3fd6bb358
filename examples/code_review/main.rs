//! Reviews a folder of Rust code with a small fleet of agents, and loses no work when it is killed.
//!
//!     cargo run --example code_review -- runtime/src
//!
//! Three parts do it. The *director* lists the files and submits a graph; an *analyzer* reads one file per task, four
//! at a time; the *documenter* waits for all of their reports and writes one, ranked by what matters most.
//!
//! Kill it in the middle and start it again: what was analyzed stays analyzed. There is no code for that below but the
//! key under which the run is started.

mod arguments;
mod memory;
mod progress;

use arguments::{Arguments, Stop, USAGE};
use callboard::What;
use callboard::prelude::*;
use callboard_agents::code::files::{Listing, SourceFile, rust_files};
use callboard_agents::code::{Analyze, Analyzer, Compose, Document, FileReport, compose};
use futures::StreamExt;
use memory::{Last, Memory, Plan, write_whole};
use progress::{Progress, Screen};
use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

// ---- The agents are ready-made: an analyzer, and a function that writes the document. ----

/// Shows what the analyzer of the library does. An agent may be made of another one.
struct Shown {
    analyzer: Analyzer,
    delay: Duration,
    tell: bool,
    ready: watch::Receiver<bool>,
}

impl Agent<Analyze> for Shown {
    async fn run(&mut self, ctx: &Ctx, task: Analyze) -> Result<FileReport> {
        // The director first counts what an earlier run has left to do.
        self.ready.wait_for(|ready| *ready).await.ok();
        if self.tell {
            eprintln!("analyzing {}", task.file.path);
        }
        sleep(self.delay).await;
        self.analyzer.run(ctx, task).await
    }
}

// ---- The director. ----

/// After so long without an event it is worth asking why.
const PATIENCE: Duration = Duration::from_secs(2);
/// All reports together are the input of one task: about 7 KB a file.
const REPORTS_BYTES_MAX: usize = 512 << 20;

/// Work that is cut short too often counts as the cause of it, and is given up. Here the user kills the program, and
/// no file is to blame for that.
const LOSSES: u32 = u32::MAX;

/// A graph: a task for each file, and one that takes all of their outputs.
fn graph(root: &Path, listing: &Listing) -> (Workflow, Vec<Node<FileReport>>, Node<Document>) {
    let workflow = Workflow::new("code-review");
    let analyze = |file: &SourceFile| Analyze { root: root.to_path_buf(), file: file.clone() };
    let files = workflow.map("analyze", listing.files.iter().map(analyze));
    let files: Vec<_> = files.into_iter().map(|file| file.losses(LOSSES)).collect();
    let title = format!("Code review of {}", root.file_name().unwrap_or(root.as_os_str()).display());
    let compose = Compose { title, skipped: listing.skipped.clone(), reports: files.gather() };
    let document = workflow.task("document", compose).losses(LOSSES);
    (workflow, files, document)
}

async fn review(arguments: &Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    let listing = rust_files(&arguments.path)?;
    let root = fs::canonicalize(&arguments.path)?;
    let total = listing.files.len();
    eprintln!("reviewing {} in {}", files(total), arguments.path.display());
    for skipped in &listing.skipped {
        eprintln!("skipped {}: {}", skipped.path, skipped.reason);
    }

    let (go, ready) = watch::channel(false);
    let (delay, tell) = (arguments.delay, arguments.tell);
    let board = Callboard::dev()
        .data(&arguments.data)
        .settings(|settings| settings.payload_bytes_max = REPORTS_BYTES_MAX)
        .agents(4, move || Shown { analyzer: Analyzer::default(), delay, tell, ready: ready.clone() })
        .task_fn(compose)
        .start()
        .await?;

    // A run is found again by its key, so the key says everything that makes two reviews the same.
    let (content, place) = (listing.hash(), root.to_string_lossy());
    let name = blake3::hash(place.as_bytes()).to_hex();
    let memory = Memory::of(&arguments.data, &name);
    let plan = memory.plan(&content, arguments.fresh);
    give_up_old(&board, &plan).await;
    let (workflow, nodes, document) = graph(&root, &listing);
    let key = format!("{name}-{content}-{}", plan.generation());
    // Noted first, so that a kill in between leaves no run that nobody knows of.
    let mut last = Last { content, generation: plan.generation(), run: board.run_id_of_key(&key).to_string() };
    memory.note(&last)?;
    let run = board.start(workflow).key(key).await?;

    let path_of: BTreeMap<&str, &str> =
        nodes.iter().map(Node::name).zip(listing.files.iter().map(|file| file.path.as_str())).collect();
    // The document is no file, and a run that ended long ago has nothing left to do.
    let kept = run.progress().await?.map_or(total, |progress| progress.completed.min(total));
    if kept > 0 {
        eprintln!("kept {kept} of {} from the run before", files(total));
    }
    go.send_replace(true);

    tokio::select! {
        () = show(&run, &path_of, kept, started) => {}
        _ = tokio::signal::ctrl_c() => {
            // Whatever had to be cut short is analyzed again next time.
            board.shutdown().await.ok();
            eprintln!("\ninterrupted; start it again to go on");
            return Ok(ExitCode::from(130));
        }
    }
    let outcome = run.output(&document).await;
    board.shutdown().await.ok();
    if outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Failed) {
        // A failed run stays failed: the next review is a new one.
        last.content = "-".to_string();
        memory.note(&last)?;
    }
    deliver(&outcome?, &arguments.out)
}

/// Cancels the run that this review replaces. If it has ended or is gone, so much the better.
async fn give_up_old(board: &Callboard, plan: &Plan) {
    let Plan::Replace { run, changed, .. } = plan else { return };
    if *changed {
        eprintln!("the folder has changed since the last run: starting over");
    }
    if let Ok(id) = run.parse() {
        board.run(id).cancel("replaced by a newer review").await.ok();
    }
}

/// Writes the document to its place, which is the one line on stdout.
fn deliver(document: &Document, out: &Path) -> Result<ExitCode> {
    for file in &document.unparsed {
        eprintln!("did not parse: {file}");
    }
    write_whole(out, &document.markdown)?;
    println!("{}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// Shows the progress of a run until it has ended. The events begin with the first of the run, not with the present.
///
/// When nothing happens for a while it asks for the reason: a full disk, say. It goes on by itself when that is mended.
async fn show(run: &Run, path_of: &BTreeMap<&str, &str>, kept: usize, started: Instant) {
    let screen = match stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb") {
        true => Screen::Terminal,
        false => Screen::Plain,
    };
    let mut progress = Progress::new(stderr(), screen, kept, path_of.len());
    let mut events = run.events();
    let mut seen = 0;
    let mut trouble = None;
    loop {
        let event = match timeout(PATIENCE, events.next()).await {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(_nothing_happens) => {
                let why = run.progress().await.err().map(|error| format!("{error:#}"));
                if let Some(why) = why.as_ref().filter(|_| why != trouble) {
                    progress.waits(why);
                }
                trouble = why;
                continue;
            }
        };
        let completed = event.task.filter(|_| event.what == What::Completed);
        let Some(file) = completed.and_then(|task| path_of.get(&*task)) else { continue };
        seen += 1;
        if seen > kept {
            progress.advance(file, started.elapsed());
        }
    }
    progress.clear();
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_string() } else { format!("{count} files") }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match arguments::parse(env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(Stop::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(Stop::Wrong(what)) => {
            eprint!("error: {what}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    review(&arguments).await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
