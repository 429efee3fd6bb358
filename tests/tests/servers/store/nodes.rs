//! Two nodes on one bucket, one of which dies.

use super::kit::{gateway, options};
use callboard::port::bus::memory::MemoryBus;
use callboard::port::directory::memory::MemoryDirectory;
use callboard::port::store::Store;
use callboard::port::store::fault::{Fault, FaultStore, Operation};
use callboard::port::store::s3::{S3Options, S3Store};
use callboard::prelude::*;
use callboard::{Builder, RunId, RunOutcome};
use futures::future::join_all;
use std::sync::Arc;

/// Says what it was given.
#[task(output = String)]
struct Echo {
    text: String,
}

/// What the nodes share, the bucket apart.
#[derive(Clone, Default)]
struct Town {
    bus: MemoryBus,
    directory: Arc<MemoryDirectory>,
}

impl Town {
    fn node(&self, store: Arc<dyn Store>) -> Builder {
        let builder = Callboard::dev().store(store).bus(Arc::new(self.bus.clone())).directory(self.directory.clone());
        let builder = builder.settings(|settings| settings.partitions = 4);
        builder.task_fn(|_, task: Echo| async move { Ok(task.text) })
    }
}

/// A client of the bucket of its own, as each process has.
async fn client(options: &S3Options) -> Arc<dyn Store> {
    Arc::new(S3Store::connect(options.clone()).await.unwrap())
}

/// Starts so many runs at once; answers the ids of those that were acknowledged.
async fn start(board: &Callboard, count: usize) -> Vec<RunId> {
    let started = join_all((0..count).map(async |number| {
        let workflow = Workflow::new("one");
        let _node = workflow.task("it", Echo { text: format!("number {number}") });
        board.start(workflow).await.map(|run| run.id())
    }));
    started.await.into_iter().filter_map(|started| started.ok()).collect()
}

/// Both own partitions and append; what either has acknowledged is completed by the one that is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_with_a_node() {
    let gateway = gateway().await;
    let (options, town) = (options(&gateway, "nodes").await, Town::default());
    let mortal = FaultStore::new(client(&options).await);
    let a = town.node(Arc::new(mortal.clone())).start().await.unwrap();
    let b = town.node(client(&options).await).start().await.unwrap();
    let shared = |partitions: Vec<usize>| partitions.len() == 2 && partitions.iter().all(|&count| count > 0);
    while !shared(b.nodes().await.unwrap().iter().map(|node| node.partitions.len()).collect()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (of_a, of_b) = tokio::join!(start(&a, 40), start(&b, 40));
    assert_eq!((of_a.len(), of_b.len()), (40, 40));

    for operation in [Operation::Create, Operation::Get, Operation::List, Operation::Delete] {
        mortal.always(operation, "*", Fault::LoseRequest);
    }
    a.die().await;
    for id in of_a.into_iter().chain(of_b) {
        assert_eq!(b.run(id).outcome().await.unwrap(), RunOutcome::Completed, "{id}");
    }
    assert_eq!(start(&b, 8).await.len(), 8);
    b.shutdown().await.unwrap();
}
