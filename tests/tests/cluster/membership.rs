//! Who is there, and who owns what.

use super::kit::*;
use crate::runtime::kit::*;
use callboard::port::directory::fault::FaultyDirectory;
use callboard::port::store::MemoryStore;
use callboard::port::store::fault::{Fault, FaultStore, Operation};
use callboard::prelude::*;
use std::sync::Arc;

const PARTITIONS: u16 = 8;

#[tokio::test(start_paused = true)]
async fn nodes_find_one_another_and_divide_the_partitions() {
    let town = Town::of(PARTITIONS);
    let a = town.node().start().await.unwrap();
    assert_eq!(shares(&a).await, [8]);
    let b = town.node().start().await.unwrap();
    until_even(&a, 2, PARTITIONS).await;
    until_even(&b, 2, PARTITIONS).await;
    let c = town.node().start().await.unwrap();
    until_even(&c, 3, PARTITIONS).await;
    for board in [a, b, c] {
        board.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn any_node_takes_a_run_and_any_other_watches_it() {
    let town = Town::of(PARTITIONS);
    let a = echoing(town.node()).start().await.unwrap();
    let b = echoing(town.node()).start().await.unwrap();
    until_even(&b, 2, PARTITIONS).await;
    for n in 0..20 {
        let (from, to) = if n % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let run = from.start(one(echo(&format!("hello {n}"))).0).await.unwrap();
        assert_eq!(to.run(run.id()).outcome().await.unwrap(), callboard::RunOutcome::Completed);
        assert_eq!(to.run(run.id()).info().await.unwrap().id, run.id());
    }
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn agents_of_one_node_serve_the_partitions_of_another() {
    let town = Town::of(PARTITIONS);
    let owner = town.node().start().await.unwrap();
    let agents = echoing(town.node().client()).start().await.unwrap();
    let client = town.node().client().start().await.unwrap();
    until(&owner, |nodes| nodes.len() == 3).await;
    assert_eq!(shares(&owner).await, [0, 0, 8]);
    for n in 0..20 {
        let said: String = client.call(echo(&format!("hello {n}"))).await.unwrap();
        assert_eq!(said, format!("hello {n}"));
    }
    for board in [client, agents, owner] {
        board.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_bus_without_a_directory_is_refused_in_words() {
    let town = Town::of(PARTITIONS);
    let builder = callboard::Callboard::dev().store(town.store.clone()).bus(std::sync::Arc::new(town.bus.clone()));
    let error = builder.start().await.unwrap_err();
    assert_eq!(error.kind(), callboard::ErrorKind::Invalid);
    assert!(full(&error).contains("bring both, or neither"), "{error:#}");
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_consumer_the_broker_forgets_in_silence_listens_anew() {
    use callboard::port::bus::fault::{Cut, Fault, Operation};
    let town = Town::of(PARTITIONS);
    let one = Mortal::of(&town, echoing).await;
    let two = Mortal::of(&town, echoing).await;
    until_even(&one, 2, PARTITIONS).await;
    two.bus.faults().script(Operation::ConsumeOwn, "*", [Fault::Forget]);
    two.bus.faults().script(Operation::Subscribe, "*", [Fault::Forget]);
    two.bus.cut(Cut::Receiving);
    two.bus.heal();
    until(&one, |nodes| nodes[0].partitions.len() == usize::from(PARTITIONS)).await;
    assert_eq!(two.bus.faults().injected(Fault::Forget), 2);
    let hears_again = tokio::time::timeout(Duration::from_secs(60), until_even(&one, 2, PARTITIONS)).await;
    assert!(hears_again.is_ok(), "it is deaf for ever");
    let key = run_of(&one, &two, PARTITIONS).await;
    let workflow = Workflow::new("deaf");
    let said = workflow.task("it", echo("heard"));
    assert_eq!(one.start(workflow).key(key).await.unwrap().output(&said).await.unwrap(), "heard");
}

#[tokio::test(start_paused = true)]
async fn nodes_of_another_store_are_not_joined() {
    let (town, elsewhere) = (Town::of(PARTITIONS), Town::of(PARTITIONS));
    let one = echoing(town.node()).start().await.unwrap();
    until(&one, |nodes| nodes[0].partitions.len() == usize::from(PARTITIONS)).await;
    let error = town.node_on(elsewhere.store.clone(), Arc::new(town.bus.clone()), town.directory.clone());
    let error = error.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(full(&error).contains("another cluster uses this bus"), "{error:#}");

    // While the directory is away nobody can say; they hear each other over the bus.
    let directory = FaultyDirectory::new(town.directory.clone());
    directory.cut();
    let two = town.node_on(elsewhere.store.clone(), Arc::new(town.bus.clone()), Arc::new(directory.clone()));
    let two = echoing(two).start().await.unwrap();
    until(&two, |nodes| nodes[0].partitions.len() == usize::from(PARTITIONS)).await;
    directory.heal();
    for board in [&one, &two] {
        let said: String = board.call(echo("hello")).await.unwrap();
        assert_eq!((said.as_str(), board.nodes().await.unwrap().len()), ("hello", 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_spoiled_later_ends_the_node() {
    let store = FaultStore::new(Arc::new(MemoryStore::new()));
    let board = callboard::Callboard::dev().store(Arc::new(store.clone())).start().await.unwrap();
    store.always(Operation::Create, "*/probe/*", Fault::Refuse);
    let creates = store.counts().create;
    // Two probes race for four names with four creates each.
    while store.counts().create < creates + 2 * 16 {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert!(board.nodes().await.is_ok(), "a store that is away is no liar");
    store.calm();
    store.always(Operation::Create, "*/probe/*", Fault::Exists);
    let ended = tokio::time::timeout(Duration::from_secs(2 * 3600), board.ended()).await;
    assert!(ended.is_ok(), "it goes on with a store that lies");
}

/// Something on the way that sent each create again: all of a race are told that it is there already, once.
#[tokio::test(start_paused = true)]
async fn a_store_that_seems_to_lie_once_is_looked_at_again() {
    const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);
    let node =
        async |store: &FaultStore| callboard::Callboard::dev().store(Arc::new(store.clone())).start().await.unwrap();
    let liar = FaultStore::new(Arc::new(MemoryStore::new()));
    let board = node(&liar).await;
    liar.always(Operation::Create, "*/probe/*", Fault::Exists);
    assert!(tokio::time::timeout(TWO_HOURS, board.ended()).await.is_ok(), "it goes on with a store that lies");
    let lies = liar.injected(Fault::Exists);
    assert!(lies > 0 && lies.is_multiple_of(2), "two probes were lied to: {lies}");

    let store = FaultStore::new(Arc::new(MemoryStore::new()));
    let board = node(&store).await;
    store.script(Operation::Create, "*/probe/*", vec![Fault::Exists; lies as usize / 2]);
    let ended = tokio::time::timeout(TWO_HOURS, board.ended()).await;
    assert_eq!(store.injected(Fault::Exists), lies / 2, "one probe was lied to");
    assert!(ended.is_err(), "it ended for one lie");
    board.shutdown().await.unwrap();
}

/// Each partition with its owner and the epoch of that.
async fn tenures(board: &callboard::Callboard) -> std::collections::BTreeMap<u16, (String, u64)> {
    let nodes = board.nodes().await.unwrap();
    let of = |node: callboard::NodeInfo| {
        let id = node.id.to_string();
        node.partitions.into_iter().map(move |(partition, epoch)| (partition, (id.clone(), epoch)))
    };
    nodes.into_iter().flat_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_was_away_for_all_moves_nothing() {
    use callboard::port::bus::fault::Cut;
    let town = Town::of(PARTITIONS);
    let nodes = [Mortal::of(&town, echoing).await, Mortal::of(&town, echoing).await, Mortal::of(&town, echoing).await];
    until_even(&nodes[0], 3, PARTITIONS).await;
    let before = tenures(&nodes[0]).await;
    assert_eq!(before.len(), usize::from(PARTITIONS));
    for directory_too in [false, true] {
        for node in &nodes {
            node.bus.cut(Cut::Both);
            if directory_too {
                node.directory.cut();
            }
        }
        tokio::time::sleep(Duration::from_secs(12)).await;
        town.directory.wipe();
        // Not all are back at once.
        for (node, after_ms) in nodes.iter().zip([0, 400, 700]) {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            node.heal();
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(tenures(&nodes[0]).await, before, "directory too: {directory_too}");
    }
}
