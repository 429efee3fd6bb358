//! What a task costs the servers.

use super::kit::*;
use callboard_tests::{Add, How};
use futures::{StreamExt, TryStreamExt, stream};
use std::ops::Sub;
use tokio::time::Instant;

/// Everything that only grows, at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    messages: u64,
    message_bytes: u64,
    scripts: u64,
    requests: u64,
    creates: u64,
    body_bytes: u64,
}

impl Reading {
    async fn of(servers: &Servers, town: &Town) -> Self {
        let counted = |erlang: &'static str| async move {
            let said = servers.rabbitmq.evaluate(erlang).await.unwrap();
            said.parse().unwrap_or_else(|_| panic!("{erlang}: {said}"))
        };
        let commands = servers.redis.ask(&["INFO", "commandstats"]).await.unwrap().to_string();
        let scripts = commands.lines().filter_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        let store = town.store.traffic();
        Self {
            messages: counted(MESSAGES).await,
            message_bytes: counted(BYTES).await,
            scripts: scripts.map(|calls| calls.split(',').next().unwrap().parse::<u64>().unwrap()).sum(),
            requests: store.requests,
            creates: store.creates,
            body_bytes: store.body_bytes,
        }
    }
}

/// What the broker was given to deliver.
const MESSAGES: &str = "lists:sum([maps:get(messages_received_total, Counts, 0) || \
                        {_, Counts} <- maps:to_list(rabbit_global_counters:overview())])";
/// What its connections have received.
const BYTES: &str = "lists:sum([Bytes || [{recv_oct, Bytes}] <- rabbit_networking:connection_info_all([recv_oct])])";

impl Sub for Reading {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            messages: self.messages - earlier.messages,
            message_bytes: self.message_bytes - earlier.message_bytes,
            scripts: self.scripts - earlier.scripts,
            requests: self.requests - earlier.requests,
            creates: self.creates - earlier.creates,
            body_bytes: self.body_bytes - earlier.body_bytes,
        }
    }
}

/// How many tasks are counted, and how many of them are under way at once.
const TASKS: u64 = 600;
const AT_ONCE: usize = 200;

/// One client calls the agents of two nodes. The bounds have room for a slow machine, on which a batch holds fewer tasks and
/// the time that passes costs more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_costs_few_messages_commands_and_requests() {
    let servers = servers().await;
    let town = Town::on(&servers).await;
    let nodes = [town.node(8).await, town.node(8).await];
    let client = town.client().await;
    settled(&client, 2).await;
    traffic(&client).await;
    let (before, started) = (Reading::of(&servers, &town).await, Instant::now());
    let calls = stream::iter(0..TASKS).map(|n| {
        let task = Add { id: format!("task-{n}"), how: How::AtOnce, ms: 0, parts: Vec::new().into() };
        client.call(task).into_future()
    });
    let sums: Vec<u64> = calls.buffer_unordered(AT_ONCE).try_collect().await.unwrap();
    assert_eq!((sums.len() as u64, sums.iter().sum()), (TASKS, TASKS));
    let (cost, took) = (Reading::of(&servers, &town).await - before, started.elapsed());
    let each = |count: u64| count as f64 / TASKS as f64;
    println!("{TASKS} tasks, {AT_ONCE} at once, {took:?}: {cost:?}");
    println!(
        "per task: {:.2} messages of {:.0} bytes, {:.3} Redis scripts, {:.4} requests to the store ({:.4} creates), {:.0} bytes there",
        each(cost.messages),
        cost.message_bytes as f64 / cost.messages as f64,
        each(cost.scripts),
        each(cost.requests),
        each(cost.creates),
        each(cost.body_bytes),
    );
    assert!(each(cost.messages) < 12.0, "{cost:?}");
    assert!(each(cost.message_bytes) < 10_000.0, "{cost:?}");
    assert!(each(cost.requests) < 2.5, "{cost:?}");
    assert!(each(cost.body_bytes) < 5_000.0, "{cost:?}");
    // The directory is told who is there, and nothing of tasks: that goes by time.
    assert!(cost.scripts as f64 / took.as_secs_f64() < 60.0, "{cost:?}");
    client.shutdown().await.unwrap();
    for node in nodes {
        node.stop().await;
    }
}
