use crate::port::bus::memory::MemoryBus;
use crate::port::directory::memory::MemoryDirectory;
use crate::port::store::MemoryStore;
use crate::{Callboard, NodeInfo, Settings};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

async fn until(board: &Callboard, is_so: impl Fn(&[NodeInfo]) -> bool) -> Vec<NodeInfo> {
    loop {
        match board.nodes().await {
            Ok(nodes) if is_so(&nodes) => return nodes,
            Ok(_) | Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

/// What was said to a member that has ended is lost, and so is what it knew. What the node owns it goes on to own.
#[tokio::test(start_paused = true)]
async fn a_member_that_starts_again_finds_what_its_node_owns() {
    let (store, directory) = (Arc::new(MemoryStore::new()), Arc::new(MemoryDirectory::new()));
    let bus = MemoryBus::new();
    let node = || {
        let settings = Settings { partitions: 4, tenure_min: Duration::from_secs(1), ..Settings::default() };
        let builder = Callboard::builder(settings).store(store.clone());
        builder.bus(Arc::new(bus.clone())).directory(directory.clone()).start()
    };
    let (a, b) = (node().await.unwrap(), node().await.unwrap());
    let is_even = |nodes: &[NodeInfo]| nodes.len() == 2 && nodes.iter().all(|node| node.partitions.len() == 2);
    let before = until(&a, is_even).await;
    let seen_by_b = until(&b, is_even).await;

    let member = a.0.member.as_ref().unwrap();
    member.0.current().unwrap().kill();
    let killed = Instant::now();
    while killed.elapsed() < Duration::from_secs(30) {
        let nodes = b.nodes().await.unwrap();
        assert_eq!(nodes[1].partitions, seen_by_b[1].partitions, "after {:?}", killed.elapsed());
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(until(&a, is_even).await[0].partitions, before[0].partitions, "no new tenure was needed");
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}
