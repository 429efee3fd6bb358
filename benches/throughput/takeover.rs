//! How long a partition with many live tasks stands still when its owner is killed.

use crate::Plan;
use crate::cluster::{S3, Servers, node};
use crate::fleet::{Nothing, nothing};
use crate::table::Report;
use callboard::port::store::Store;
use callboard::prelude::*;
use callboard_benches::targets::Goal;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::env;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// Tells a process that it is the owner, and of what.
const OWNER: &str = "CALLBOARD_BENCH_OWNER";
const LIVE: usize = 100_000;
const RUNS: usize = 10;
/// So often it is tried to have the first of two nodes keep its partition, for each repetition.
const TRIES: usize = 8;
/// How long a task takes: few are done before the owner is killed.
const WORK: Duration = Duration::from_millis(50);

/// Where an owner is.
#[derive(Serialize, Deserialize)]
struct Where {
    rabbitmq: String,
    redis: String,
    namespace: String,
    s3: S3,
}

impl Where {
    async fn node(&self) -> Result<callboard::Builder> {
        let store: Arc<dyn Store> = Arc::new(self.s3.store(&self.namespace).await?);
        node(&self.rabbitmq, &self.redis, &self.namespace, &store, 1).await
    }
}

/// Owns a partition until it is killed, if this process is to do that.
pub(crate) async fn is_owner() -> Result<bool> {
    let Ok(said) = env::var(OWNER) else { return Ok(false) };
    let of: Where = serde_json::from_str(&said)?;
    let _board = of.node().await?.start().await?;
    std::future::pending().await
}

/// One row: from the death of the owner to the first task that begins behind it. A task begins only if its owner agrees, so that is one
/// that the next owner has dispatched.
pub(crate) async fn measure(plan: &Plan, servers: &Servers, report: &mut Report) -> Result<()> {
    let mut took = Vec::new();
    for attempt in 0..TRIES * plan.repetitions {
        let namespace = format!("takeover-{attempt}");
        let of = Where { rabbitmq: servers.rabbitmq.url(), redis: servers.redis.url(), namespace, s3: servers.s3() };
        took.extend(once(plan, &of).await?.map(|took| took.as_secs_f64()));
        if took.len() == plan.repetitions {
            break;
        }
    }
    assert!(!took.is_empty(), "of two nodes the first keeps its partition half of the time");
    took.sort_by(f64::total_cmp);
    let (live, most) = (LIVE / plan.divisor, took[took.len() - 1]);
    report.note(&format!("takeover with {live} live tasks: first dispatch after {took:.1?} s"));
    report.reached(Goal::Takeover, most, format!("{live} tasks, the longest of {}", took.len()));
    Ok(())
}

/// `None` if the partition has moved to the other node before: whose it is, is drawn from the names of both.
async fn once(plan: &Plan, of: &Where) -> Result<Option<Duration>> {
    let mut owner = spawn(of)?;
    let client = of.node().await?.client().start().await?;
    let owned_by = async || -> Result<Arc<str>> {
        loop {
            let nodes = client.nodes().await?;
            if let Some(node) = nodes.into_iter().find(|node| !node.partitions.is_empty()) {
                return Ok(node.id);
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let first_owner = owned_by().await?;
    let (origin, begun) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let last = begun.clone();
    let agent = Pool::task_fn(move |_, task: Nothing| {
        last.store(origin.elapsed().as_micros() as u64, Ordering::SeqCst);
        async move {
            sleep(WORK).await;
            Ok(task.number)
        }
    });
    let next = of.node().await?.add(agent.instances(1)).start().await?;
    let wide = LIVE / RUNS / plan.divisor;
    let submit = async |n: usize| loop {
        let workflow = Workflow::new("wide");
        let _nodes = workflow.map("part", (n * wide..(n + 1) * wide).map(nothing));
        match client.start(workflow).key(n.to_string()).await {
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown) => {
                sleep(Duration::from_millis(100)).await; // the partition moves
            }
            answer => return answer,
        }
    };
    let _runs: Vec<_> = stream::iter(0..RUNS).map(submit).buffered(2).try_collect().await?;
    while begun.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let is_moved = owned_by().await? != first_owner;
    let dead = origin.elapsed();
    owner.kill().await?;
    if is_moved {
        client.shutdown().await?;
        next.shutdown().await?;
        return Ok(None);
    }
    // What was under way when it died has begun before.
    let behind = (dead + Duration::from_millis(5)).as_micros() as u64;
    while begun.load(Ordering::SeqCst) < behind {
        sleep(Duration::from_millis(5)).await;
    }
    let first = Duration::from_micros(begun.load(Ordering::SeqCst));
    client.shutdown().await?;
    next.shutdown().await?;
    Ok(Some(first.saturating_sub(dead)))
}

fn spawn(of: &Where) -> Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.env(OWNER, serde_json::to_string(of)?).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    Ok(command.spawn()?)
}
