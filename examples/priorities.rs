//! What is urgent overtakes what waits, and runs that are equally urgent take turns.
//!
//!     cargo run --example priorities -- runtime/src
//!
//! One agent counts the lines of files, one at a time. Two hundred tasks wait for it in the background when five come
//! that can not wait; later two runs of the same priority share it. Each output says as which task it was performed, so
//! the numbers are the order.

use callboard::What;
use callboard::prelude::*;
use callboard_agents::code::files::rust_files;
use futures::StreamExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};
use tokio::sync::Semaphore;

#[task(output = Counted, capability = "lines.count")]
struct Count {
    file: PathBuf,
}

#[payload]
struct Counted {
    lines: usize,
    place: usize,
}

struct Counter {
    served: usize,
    /// For each permit it performs one task: so that it is seen who waits, on a fast machine, too.
    permits: Arc<Semaphore>,
}

impl Agent<Count> for Counter {
    async fn run(&mut self, _: &Ctx, task: Count) -> Result<Counted> {
        self.permits.acquire().await?.forget();
        self.served += 1;
        Ok(Counted { lines: fs::read_to_string(task.file).terminal()?.lines().count(), place: self.served })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let root = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "runtime/src".to_owned()));
    let permits = Arc::new(Semaphore::new(0));
    let for_agent = permits.clone();
    let board =
        Callboard::dev().ephemeral().agent(move || Counter { served: 0, permits: for_agent.clone() }).start().await?;

    let files = files(&root)?;
    let counts = |many| files.iter().cycle().take(many).map(|file| Count { file: file.clone() });

    // 200 tasks that have time, and five that have none.
    let workflow = Workflow::new("background");
    let patient = workflow.map("count", counts(200)).into_iter().map(|task| task.priority(Priority::Background));
    let patient: Vec<_> = patient.collect();
    let background = board.start(workflow).await?;
    first_started(&background).await;
    let workflow = Workflow::new("urgent");
    let urgent = workflow.map("count", counts(5)).into_iter().map(|task| task.priority(Priority::Critical));
    let urgent: Vec<_> = urgent.collect();
    let critical = board.start(workflow).await?;
    show_queue(&board);
    permits.add_permits(205);
    println!("the critical tasks came last and were number {:?} of 205", places(&critical, &urgent).await?);
    let others = places(&background, &patient).await?;
    println!("the others were number {}, {} .. {}", others[0], others[1], others[199]);

    // Two runs of equal priority, one behind the other.
    let left = Workflow::new("left");
    let of_left = left.map("count", counts(10));
    let left = board.start(left).await?;
    first_started(&left).await;
    let right = Workflow::new("right");
    let of_right = right.map("count", counts(10));
    let right = board.start(right).await?;
    show_queue(&board);
    permits.add_permits(20);
    let mut order: Vec<(usize, char)> = Vec::new();
    order.extend(places(&left, &of_left).await?.into_iter().map(|place| (place, 'L')));
    order.extend(places(&right, &of_right).await?.into_iter().map(|place| (place, 'R')));
    order.sort_unstable();
    println!("left and right took turns: {}", order.into_iter().map(|(_, run)| run).collect::<String>());
    board.shutdown().await
}

/// Every Rust file below a folder.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    Ok(rust_files(root)?.files.iter().map(|file| root.join(&file.path)).collect())
}

/// Waits until the agent has taken a task of this run.
async fn first_started(run: &Run) {
    let mut events = run.events();
    while let Some(event) = events.next().await {
        if matches!(event.what, What::Started { .. }) {
            break;
        }
    }
}

fn show_queue(board: &Callboard) {
    for queue in board.queue() {
        println!("{} tasks wait for {:?}: {}", queue.waiting, queue.capability, queue.reason);
    }
}

async fn places(run: &Run, tasks: &[Node<Counted>]) -> Result<Vec<usize>> {
    let mut places = Vec::new();
    for task in tasks {
        places.push(run.output(task).await?.place);
    }
    Ok(places)
}
