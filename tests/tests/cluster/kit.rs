//! Several nodes in one process, on a store, a bus and a directory that they share.

use callboard::port::bus::Bus;
use callboard::port::bus::fault::{Cut, FaultyBus};
use callboard::port::bus::memory::MemoryBus;
use callboard::port::directory::Directory;
use callboard::port::directory::fault::FaultyDirectory;
use callboard::port::directory::memory::MemoryDirectory;
use callboard::port::store::fault::{Fault, FaultStore, Operation};
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::{Builder, NodeInfo};
use std::sync::Arc;

/// What the nodes share.
#[derive(Clone)]
pub(crate) struct Town {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: MemoryBus,
    pub(crate) directory: Arc<MemoryDirectory>,
    pub(crate) partitions: u16,
}

impl Town {
    pub(crate) fn of(partitions: u16) -> Self {
        let (bus, directory) = (MemoryBus::new(), Arc::new(MemoryDirectory::new()));
        Self { store: Arc::new(MemoryStore::new()), bus, directory, partitions }
    }

    /// A node that is to join, on ports of its own.
    pub(crate) fn node_on(&self, store: Arc<dyn Store>, bus: Arc<dyn Bus>, directory: Arc<dyn Directory>) -> Builder {
        let partitions = self.partitions;
        Callboard::dev().store(store).bus(bus).directory(directory).settings(move |settings| {
            settings.partitions = partitions;
            settings.tenure_min = Duration::from_secs(1);
        })
    }

    /// A node that is to join.
    pub(crate) fn node(&self) -> Builder {
        self.node_on(self.store.clone(), Arc::new(self.bus.clone()), self.directory.clone())
    }
}

/// A node with ports of its own, which can be cut, and which can be killed.
pub(crate) struct Mortal {
    pub(crate) board: Callboard,
    pub(crate) store: FaultStore,
    pub(crate) bus: FaultyBus,
    pub(crate) directory: FaultyDirectory,
}

/// Everything that is asked of a store.
pub(crate) const OF_THE_STORE: [Operation; 4] = [Operation::Create, Operation::Get, Operation::List, Operation::Delete];

impl Mortal {
    pub(crate) async fn of(town: &Town, build: impl FnOnce(Builder) -> Builder) -> Self {
        Self::start(town, build).await.unwrap()
    }

    pub(crate) async fn start(town: &Town, build: impl FnOnce(Builder) -> Builder) -> Result<Self> {
        let store = FaultStore::new(town.store.clone());
        let bus = FaultyBus::new(Arc::new(town.bus.clone()));
        let directory = FaultyDirectory::new(town.directory.clone());
        let builder = town.node_on(Arc::new(store.clone()), Arc::new(bus.clone()), Arc::new(directory.clone()));
        Ok(Self { board: build(builder).start().await?, store, bus, directory })
    }

    /// Cuts it off from everything.
    pub(crate) fn cut_off(&self) {
        self.bus.cut(Cut::Both);
        self.directory.cut();
        OF_THE_STORE.into_iter().for_each(|operation| self.store.always(operation, "*", Fault::Refuse));
    }

    /// Ends every cut and every fault.
    pub(crate) fn heal(&self) {
        self.bus.heal();
        self.directory.heal();
        self.store.calm();
    }

    /// The process is killed: nothing that is under way has an effect.
    pub(crate) async fn die(self) {
        self.cut_off();
        self.board.die().await;
    }
}

impl std::ops::Deref for Mortal {
    type Target = Callboard;

    fn deref(&self) -> &Callboard {
        &self.board
    }
}

/// The id of a run that belongs to a partition of this node.
pub(crate) async fn run_of(board: &Callboard, owner: &Callboard, partitions: u16) -> String {
    let owned = owner.nodes().await.unwrap()[0].partitions.clone();
    let mut keys = (0..).map(|n| format!("key {n}"));
    let is_owned = |key: &String| owned.contains_key(&board.run_id_of_key(key).partition(partitions));
    keys.find(is_owned).unwrap()
}

/// How many partitions each node owns, as `board` knows it.
pub(crate) async fn shares(board: &Callboard) -> Vec<usize> {
    let mut shares: Vec<usize> = board.nodes().await.unwrap().iter().map(|node| node.partitions.len()).collect();
    shares.sort_unstable();
    shares
}

/// Waits until the nodes are as they should be, as `board` knows them.
pub(crate) async fn until(board: &Callboard, is_so: impl Fn(&[NodeInfo]) -> bool) -> Vec<NodeInfo> {
    loop {
        let nodes = board.nodes().await.unwrap();
        if is_so(&nodes) {
            return nodes;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until `count` nodes share all partitions evenly.
pub(crate) async fn until_even(board: &Callboard, count: usize, partitions: u16) {
    until(board, |nodes| {
        let shares: Vec<usize> = nodes.iter().map(|node| node.partitions.len()).collect();
        let (least, most) = (shares.iter().min().copied().unwrap_or(0), shares.iter().max().copied().unwrap_or(0));
        nodes.len() == count && shares.iter().sum::<usize>() == usize::from(partitions) && most - least <= 1
    })
    .await;
}
