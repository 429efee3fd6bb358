//! What a task costs in a cluster: counted, and held against bounds.

use super::kit::*;
use crate::runtime::kit::*;
use callboard::Builder;
use callboard::port::bus::fault::Operation as OfBus;
use callboard::port::directory::fault::Operation as OfDirectory;
use std::time::Duration;

const TASKS: u64 = 200;

/// What a node has asked of its bus and its directory.
fn asked(node: &Mortal) -> [u64; 3] {
    let bus = |operation| node.bus.faults().begun(operation);
    let directory = OfDirectory::ALL.iter().map(|operation| node.directory.faults().begun(*operation)).sum();
    [bus(OfBus::Publish), bus(OfBus::Broadcast), directory]
}

/// The owner, the agent and the caller are three nodes, so everything has to travel: for each task one message each to ask
/// for it, to lend a slot, to hand it out, to accept it, to answer that, to hand in the result, to answer that, and to
/// answer the caller; one more to want a slot, which goes to all.
#[tokio::test(start_paused = true)]
async fn a_task_costs_two_awaited_commits_and_a_few_messages_and_the_directory_nothing() {
    let town = Town::of(1);
    let owner = Mortal::of(&town, |builder| builder).await;
    let agents = Mortal::of(&town, |builder| echoing(builder.client())).await;
    let caller = Mortal::of(&town, Builder::client).await;
    until(&owner, |nodes| nodes.len() == 3).await;
    let _warm: String = caller.call(echo("warm")).await.unwrap();

    let before = (owner.journal_counters(), [&owner, &agents, &caller].map(asked));
    let began = tokio::time::Instant::now();
    for n in 0..TASKS {
        let _said: String = caller.call(echo(&n.to_string())).await.unwrap();
    }
    let beats = began.elapsed().as_millis() as u64 / 1_500 + 1;
    let journal = since(before.0, owner.journal_counters());
    let [messages, broadcasts, directory] = [0, 1, 2].map(|which| {
        let after = [&owner, &agents, &caller].map(asked);
        (0..3).map(|node| after[node][which] - before.1[node][which]).sum::<u64>()
    });
    println!(
        "for one of {TASKS} tasks, one at a time: {:.2} awaited commits, {:.2} messages, {:.2} broadcasts, {:.2} of the directory",
        journal.awaited as f64 / TASKS as f64,
        messages as f64 / TASKS as f64,
        broadcasts as f64 / TASKS as f64,
        directory as f64 / TASKS as f64,
    );
    assert_eq!(journal.awaited, 2 * TASKS);
    // Three nodes beat, each with a message to itself and one to its neighbour, and three operations and a lease or two.
    assert!(messages <= 8 * TASKS + 3 * 2 * beats, "{messages} messages");
    assert!(broadcasts <= TASKS + 3 * beats, "{broadcasts} broadcasts");
    assert!(directory <= 3 * 4 * beats, "{directory} operations of the directory in {beats} beats");

    // And what it costs to be there: a message to itself and one to its neighbour, its registration and a list, a broadcast
    // every eighth time, one lease for the only partition, and two agents with their ids and their capabilities. That nothing is wanted any more is said once, with the next beat.
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    let before = [&owner, &agents, &caller].map(asked);
    let beats = 20;
    tokio::time::sleep(Duration::from_millis(1_500) * beats).await;
    let [messages, broadcasts, directory] = [0, 1, 2].map(|which| {
        let after = [&owner, &agents, &caller].map(asked);
        (0..3).map(|node| after[node][which] - before[node][which]).sum::<u64>()
    });
    let beats = u64::from(beats) + 1;
    assert!(messages <= 3 * 2 * beats, "{messages} messages");
    assert!(broadcasts <= 3 * (beats / 8 + 1), "{broadcasts} broadcasts");
    assert!(directory <= (3 * 2 + 1 + 2 * 2) * beats, "{directory} operations of the directory");
    assert!(directory >= (3 * 2 + 1 + 2 * 2) * (beats - 2), "{directory} operations of the directory");
    for node in [caller, agents, owner] {
        node.shutdown().await.unwrap();
    }
}
