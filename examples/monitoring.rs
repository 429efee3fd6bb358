//! What a node says of itself while it works: numbers for Prometheus, and words for a person who asks why something waits.
//!
//!     cargo run --example monitoring --features callboard/api -- 12
//!
//! So many orders are packed and shipped. The courier does not answer, so the circuit breaker of that dependency opens, and what is
//! packed waits. Somebody looks at the numbers, asks why, and lets work go on when the courier is back. With `--serve` as the last
//! word the program stays, for a Prometheus of yours to look at.

use callboard::prelude::*;
use callboard::{BreakerRules, BreakerState, Status};
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[task(output = String)]
struct Pack {
    order: u32,
}

#[task(output = String)]
struct Ship {
    parcel: In<String>,
}

async fn pack(_: Ctx, task: Pack) -> Result<String> {
    Ok(format!("parcel {}", task.order))
}

/// Hands parcels to the courier, if that answers.
struct Shipping {
    answers: Arc<AtomicBool>,
}

impl Agent<Ship> for Shipping {
    async fn run(&mut self, ctx: &Ctx, task: Ship) -> Result<String> {
        let answers = self.answers.clone();
        let ask = || async move {
            match answers.load(Ordering::Relaxed) {
                true => Ok(()),
                false => Err(Error::retryable("the courier does not answer")),
            }
        };
        // What is called through a breaker is not called any more when it fails again and again: the task waits, and no
        // attempt is used for that.
        ctx.step("ask", || ctx.guard("courier", ask)).await?;
        Ok(format!("{} is on its way", *task.parcel))
    }
}

/// What a Prometheus reads.
async fn scrape(address: &str) -> Result<Vec<String>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().map(str::to_owned).collect())
}

/// The numbers that tell this story.
async fn show(address: &str) -> Result<()> {
    let told = [
        r#"callboard_tasks_total{capability="pack",status="completed"}"#,
        r#"callboard_tasks_total{capability="ship",status="completed"}"#,
        r#"callboard_circuit_breaker_state{breaker="courier"}"#,
        r#"callboard_retry_attempts_total{capability="ship""#,
    ];
    let lines = scrape(address).await?;
    for name in told {
        let found = lines.iter().find(|line| line.starts_with(name));
        println!("  {}", found.map_or("(nothing yet)", String::as_str));
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let orders: u32 = env::args().nth(1).map_or(Ok(12), |orders| orders.parse()).terminal()?;
    let stays = env::args().nth(2).is_some_and(|word| word == "--serve");
    let answers = Arc::new(AtomicBool::new(false));
    let courier = answers.clone();
    let board = Callboard::dev()
        .ephemeral()
        .metrics() // counts, for /metrics
        .settings(|settings| settings.http.listen.set_port(0)) // one that is free
        .breaker("courier", BreakerRules::default().failures(3).ramp(Duration::ZERO))
        .task_fn(pack)
        .agents(4, move || Shipping { answers: courier.clone() })
        .start()
        .await?;
    let address = board.serve().await?.to_string();
    println!("http://{address}/metrics");

    let workflow = Workflow::new("orders");
    let parcels = workflow.map("pack", (0..orders).map(|order| Pack { order }));
    for (n, parcel) in parcels.iter().enumerate() {
        let retry = Retry::exponential(3).base(Duration::from_millis(10));
        let _ = workflow.task(format!("ship {n}"), Ship { parcel: parcel.out() }).retry(retry);
    }
    let run = board.start(workflow).await?;

    // The breaker opens, and everything that needs the courier waits for it.
    let mut changes = board.breaker_changes();
    while board.breaker("courier").info().map_or(BreakerState::Closed, |breaker| breaker.state) != BreakerState::Open {
        changes.next().await;
    }
    // What is handed to an agent now is refused there and parks, too.
    let waits = |status: Status| matches!(status, Status::Ready | Status::Parked);
    let (parked, waiting) = loop {
        let tasks = run.tasks().limit(1_000).await?.items;
        let mut packed = tasks.iter().filter(|task| task.capability.as_ref() == "pack");
        let is_packed = packed.all(|task| task.status == Status::Completed);
        let waiting = tasks.iter().filter(|task| waits(task.status)).count();
        let parked = tasks.iter().find(|task| task.status == Status::Parked);
        if let Some(parked) = parked.filter(|_| is_packed && waiting == orders as usize) {
            break (parked.name.clone(), waiting);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    println!("a Prometheus sees:");
    show(&address).await?;

    // Numbers do not say why. A task does.
    if let Some(why) = run.why(&parked).await? {
        println!("\"{parked}\" and {} more wait; why: {why}", waiting - 1);
    }
    for queue in board.queue() {
        println!("{} wait for an agent that can do \"{}\": {}", queue.waiting, queue.capability, queue.reason);
    }

    answers.store(true, Ordering::Relaxed);
    let closed = board.breaker("courier").reset("the courier is back").await?;
    println!("breaker \"{}\" is {}: {}", closed.name, closed.state.as_str(), closed.reason);
    println!("the run {}", run.outcome().await?.as_str());
    println!("a Prometheus sees:");
    show(&address).await?;
    if stays {
        println!("it stays until Ctrl-C");
        tokio::signal::ctrl_c().await?;
    }
    board.shutdown().await
}
