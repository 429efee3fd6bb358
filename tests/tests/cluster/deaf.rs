//! Nodes that are connected and hear nothing: a broker that has forgotten a consumer says nothing of it.

use super::kit::*;
use crate::meters::{Lines, Meters};
use crate::runtime::kit::*;
use callboard::NodeStatus;
use callboard::port::bus::fault::{Cut, Fault, Operation};
use callboard::prelude::*;
use tokio::time::{Instant, sleep};

const PARTITIONS: u16 = 4;
/// By then a deaf node has found out, has said so, and has begun anew.
const LIMIT: Duration = Duration::from_secs(30);

/// Has the broker forget what `operation` of a node makes the next `times`, and lets it be made anew by a short cut.
fn deafen(node: &Mortal, operation: Operation, times: usize) {
    node.bus.faults().script(operation, "*", vec![Fault::Forget; times]);
    node.bus.cut(Cut::Receiving);
    node.bus.heal();
}

async fn two() -> (Mortal, Mortal) {
    let town = Town::of(PARTITIONS);
    let nodes = (Mortal::of(&town, echoing).await, Mortal::of(&town, echoing).await);
    until_even(&nodes.0, 2, PARTITIONS).await;
    nodes
}

/// Nothing comes to its queue: no request, no answer, no task; nor to the one that is made anew.
#[tokio::test(start_paused = true)]
async fn a_node_whose_queue_is_silent_finds_out_says_so_and_begins_anew_within_30_seconds() {
    let (meters, lines) = (Meters::default(), Lines::default());
    let (_meters, _lines) = (meters.read(), lines.read());
    let (one, two) = two().await;
    let its_id = two.nodes().await.unwrap()[0].id.clone();
    deafen(&two, Operation::ConsumeOwn, 2);
    let deaf = Instant::now();
    // It says so itself, although it hears nothing, and the other serves what it had.
    until(&one, |nodes| nodes.iter().any(|node| node.id == its_id && node.status == NodeStatus::Unfit)).await;
    until(&one, |nodes| nodes[0].partitions.len() == usize::from(PARTITIONS)).await;
    assert!(deaf.elapsed() < LIMIT, "{:?}", deaf.elapsed());
    while meters.of("callboard_bus_deaf_total{ear=queue}") < 2 {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(deaf.elapsed() < LIMIT, "{:?}", deaf.elapsed());
    assert!(lines.with("brings nothing any more").iter().any(|line| line.contains(&*its_id)), "{its_id}");
    until_even(&one, 2, PARTITIONS).await;
    assert!(deaf.elapsed() < LIMIT, "{:?}", deaf.elapsed());
    println!("all is well {:?} after the broker forgot its queue", deaf.elapsed());
    let key = run_of(&one, &two, PARTITIONS).await;
    let workflow = Workflow::new("deaf");
    let said = workflow.task("it", echo("heard"));
    assert_eq!(one.start(workflow).key(key).await.unwrap().output(&said).await.unwrap(), "heard");
    assert_eq!(meters.sum("callboard_bus_deaf_total"), 2);
}

/// Nothing that is said to all comes to it; what is meant for it alone does.
#[tokio::test(start_paused = true)]
async fn a_node_that_hears_no_broadcast_finds_out_and_begins_anew_within_30_seconds() {
    let meters = Meters::default();
    let _meters = meters.read();
    let (one, two) = two().await;
    deafen(&two, Operation::Subscribe, 1);
    let deaf = Instant::now();
    while meters.of("callboard_bus_deaf_total{ear=broadcasts}") == 0 {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(deaf.elapsed() < LIMIT, "{:?}", deaf.elapsed());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(meters.sum("callboard_bus_deaf_total"), 1, "it hears again, and goes on to");
    assert_eq!(one.call(echo("a")).await.unwrap(), "a");
    assert_eq!(two.call(echo("b")).await.unwrap(), "b");
}

/// Nobody says anything for a long time, and nobody takes that for deafness.
#[tokio::test(start_paused = true)]
async fn nodes_that_have_nothing_to_say_are_not_deaf() {
    let meters = Meters::default();
    let _meters = meters.read();
    let (_one, _two) = two().await;
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(meters.sum("callboard_bus_deaf_total"), 0);
}
