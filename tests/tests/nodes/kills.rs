//! Nodes that are killed.

use super::kit::*;
use super::number;
use tokio::time::Instant;

/// Three nodes, agents on two of them. `TEST_NODE_KILLS` kills (3 by default) of nodes that own partitions and run agents,
/// while `TEST_NODE_RUNS` runs of 20 tasks (60 by default) are under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_nodes_lose_nothing_and_repeat_nothing() {
    let (kills, runs) = (number("TEST_NODE_KILLS", 3), number("TEST_NODE_RUNS", 60));
    let servers = shared().await;
    let town = Town::on(&servers).await;
    let (owner, mut one, two) = (town.node(0).await, town.node(32).await, town.node(32).await);
    let client = town.client().await;
    println!("settled after {:?}", settled(&client, 3).await);
    let started = Instant::now();
    let (mut load, mut wrong, mut takeovers) = (Load::begin(&client, runs, 20, 40), Vec::new(), Vec::new());
    let spread = (runs / (kills + 1)).max(1);
    for _ in 0..kills {
        load.progress(spread, &mut wrong).await;
        one.kill().await;
        takeovers.push(settled(&client, 2).await);
        one = town.node(32).await;
        settled(&client, 3).await;
    }
    let audit = load.finish(&town, wrong).await;
    takeovers.sort_unstable();
    println!("{:?} in all, takeovers {takeovers:?}, {audit:?}", started.elapsed());
    assert!(takeovers.iter().all(|took| *took < RETURN_MAX), "{takeovers:?}");
    client.shutdown().await.unwrap();
    for node in [owner, one, two] {
        node.stop().await;
    }
}
