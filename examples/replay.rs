//! A run is recorded while it goes on, told again at a speed, and shown as it was at an event.
//!
//!     cargo run --example replay -- 20
//!
//! Bread is baked; the oven is cold at first. What happened to a run is kept for as long as the run is, so all of this may
//! be asked for a week later, by another process on the same store: the command does it with `events export`, `events replay`, `run
//! show --at` and `run time`.

use callboard::prelude::*;
use callboard::{Past, RunEvent, What};
use futures::StreamExt;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::time::sleep;

#[task(output = u32)]
struct Knead {
    grams: u32,
}

#[task(output = String)]
struct Bake {
    dough: In<u32>,
}

#[task(output = String)]
struct Slice {
    loaf: In<String>,
}

async fn knead(_: Ctx, task: Knead) -> Result<u32> {
    sleep(Duration::from_millis(120)).await;
    Ok(task.grams * 16 / 10) // with water
}

async fn slice(_: Ctx, task: Slice) -> Result<String> {
    Ok(format!("{} in slices", *task.loaf))
}

/// One event on a line, with how long after the first it was.
fn told(event: &RunEvent, first: &RunEvent) -> String {
    format!("{:>6} ms  {event}", event.at.since(first.at).as_millis())
}

/// How the tasks of a run stood at one moment.
fn standing(past: &Past) -> Vec<String> {
    let tasks = past.tasks().map(|task| {
        let why = task.why.map_or_else(String::new, |why| format!(": {why}"));
        format!("  {} is {}, attempt {}{why}", task.name, task.status.as_str(), task.attempt)
    });
    tasks.collect()
}

#[tokio::main]
async fn main() -> Result<()> {
    let speed: f64 = env::args().nth(1).map_or(Ok(20.0), |speed| speed.parse()).terminal()?;
    let is_hot = Arc::new(AtomicBool::new(false));
    let bake = move |_: Ctx, task: Bake| {
        let is_hot = is_hot.clone();
        async move {
            if !is_hot.swap(true, Ordering::Relaxed) {
                return Err(Error::retryable("the oven is cold"));
            }
            Ok(format!("a loaf of {} g", *task.dough))
        }
    };
    let board = Callboard::dev().ephemeral().task_fn(knead).task_fn(bake).task_fn(slice).start().await?;

    let workflow = Workflow::new("bread");
    let dough = workflow.task("knead", Knead { grams: 500 });
    let again = Retry::exponential(3).base(Duration::from_millis(200));
    let loaf = workflow.task("bake", Bake { dough: dough.out() }).retry(again);
    let bread = workflow.task("slice", Slice { loaf: loaf.out() });
    let run = board.start(workflow).await?;

    // Recorded: the stream has everything from the beginning, and ends with the run.
    let events: Vec<RunEvent> = run.events().collect().await;
    let first = events.first().expect("a run begins with its submission");
    println!("recorded {} events; the output is {:?}", events.len(), run.output(&bread).await?);
    for event in &events {
        println!("{}", told(event, first));
    }

    // Told again, so many times as fast as it was.
    let begin = Instant::now();
    let mut again = run.replay(speed)?;
    let mut same = 0;
    while let Some(event) = again.next().await {
        same += usize::from(event == events[same]);
    }
    let (took, whole) = (begin.elapsed(), events.last().map_or(Duration::ZERO, |last| last.at.since(first.at)));
    println!(
        "told again, {speed} times as fast: {same} of {} are the same, in {took:.0?} for {whole:.0?}",
        events.len()
    );

    // As it was right after something went wrong, and right before that.
    let failed = events.iter().position(|event| matches!(event.what, What::Failed { .. }));
    let failed = failed.expect("the oven is cold at first");
    for (when, at) in [("before", failed - 1), ("after", failed)] {
        let past = run.at(events[at].position).await?;
        println!("right {when} \"{}\":", events[failed]);
        standing(&past).into_iter().for_each(|line| println!("{line}"));
    }

    // Where its time went.
    let times = run.times().await?;
    let path: Vec<&str> = times.path.iter().map(|leg| leg.task.as_str()).collect();
    let most = times.spent.iter().max_by_key(|(_, time)| **time).map(|(phase, _)| phase.as_str());
    println!("the critical path is {}; most of its time went to {}", path.join(", "), most.unwrap_or("nothing"));
    board.shutdown().await
}
