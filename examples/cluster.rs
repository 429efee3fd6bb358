//! Three nodes in one process: any of them takes the workflow, all of them do the work, and one leaves in the middle.
//!
//! `cargo run --example cluster`

use callboard::port::bus::memory::MemoryBus;
use callboard::port::directory::memory::MemoryDirectory;
use callboard::port::store::MemoryStore;
use callboard::prelude::*;
use callboard::{Builder, Settings};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Says which node has done it.
#[task(output = String)]
struct Carry {
    sack: u32,
}

/// What the nodes share: with RabbitMQ, Redis and a bucket in these places they are nodes on many machines.
#[derive(Clone, Default)]
struct Shared {
    store: Arc<MemoryStore>,
    bus: MemoryBus,
    directory: Arc<MemoryDirectory>,
}

impl Shared {
    fn node(&self) -> Builder {
        let mut settings = Settings::default();
        settings.partitions = 8;
        settings.tenure_min = Duration::from_millis(500);
        let builder = Callboard::builder(settings);
        builder.store(self.store.clone()).bus(Arc::new(self.bus.clone())).directory(self.directory.clone())
    }

    async fn porter(&self, name: &'static str) -> Result<Callboard> {
        let carry = move |ctx: Ctx, task: Carry| async move {
            // Done once, whatever happens behind it.
            let by: String = ctx.step("carry", async || Ok(name.to_owned())).await?;
            tokio::time::sleep(Duration::from_millis(100 + u64::from(task.sack % 5) * 20)).await;
            Ok(by)
        };
        let node = self.node().add(Pool::task_fn(carry).instances(4)).start().await?;
        println!("{name} has joined");
        Ok(node)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let shared = Shared::default();
    let (anna, bert) = (shared.porter("Anna").await?, shared.porter("Bert").await?);
    let carl = shared.porter("Carl").await?;
    let office = shared.node().client().start().await?;
    while office.nodes().await?.iter().filter(|node| !node.partitions.is_empty()).count() < 3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for node in office.nodes().await?.iter().filter(|node| !node.partitions.is_empty()) {
        println!("a node owns the partitions {:?}", node.partitions.keys().collect::<Vec<_>>());
    }

    let workflow = Workflow::new("sacks");
    let sacks: Vec<Node<String>> =
        (1..=120).map(|sack| workflow.task(format!("sack {sack}"), Carry { sack })).collect();
    let run = office.start(workflow).await?;
    tokio::time::sleep(Duration::from_millis(400)).await;
    println!("Bert goes home");
    bert.shutdown().await?;

    let mut carried: BTreeMap<String, u32> = BTreeMap::new();
    for sack in &sacks {
        *carried.entry(run.output(sack).await?).or_default() += 1;
    }
    println!("{:?}: {carried:?}", run.outcome().await?);
    for node in [office, carl, anna] {
        node.shutdown().await?;
    }
    Ok(())
}
