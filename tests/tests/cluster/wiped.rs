//! Queues that are gone, with what was in them: all of them, as when a broker starts again, or those of one node.

use super::dispatch::waiting;
use super::kit::*;
use crate::meters::Lines;
use crate::runtime::kit::*;
use callboard::port::bus::fault::{Cut, Fault, Operation};
use callboard::prelude::*;
use futures::future::try_join_all;
use std::future::IntoFuture;
use tokio::time::{Instant, sleep};

const PARTITIONS: u16 = 4;
/// Less than the time after which anything is said again that was not answered, or taken back that was not used.
const SOON: Duration = Duration::from_millis(900);

/// What was lost, requests, answers and tasks, is said again as soon as the queues are back. Messages that find none until
/// then make nobody dead: what an agent holds there goes on.
#[tokio::test(start_paused = true)]
async fn a_broker_that_starts_again_makes_nobody_dead_and_nobody_wait() {
    let lines = Lines::default();
    let _lines = lines.read();
    let town = Town::of(PARTITIONS);
    let (gate, tally) = (Gate::shut(), Tally::default());
    let owner = town.node().start().await.unwrap();
    let agents = waiting(town.node().client(), "it", 2, &gate, &tally).start().await.unwrap();
    let client = town.node().client().start().await.unwrap();
    until(&client, |nodes| nodes.len() == 3).await;
    let run = client.start(one(act("long")).0).await.unwrap();
    tally.reaches("it: long", 1).await;
    let wipe = async {
        sleep(Duration::from_secs(60)).await; // it is asked for every 15 s by now
        for steps in 0..150 {
            sleep(Duration::from_secs(3)).await;
            let began = Instant::now();
            // At each moment in the life of a task, while others begin.
            let before = client.call(act("short")).into_future();
            let wiped = async {
                for _ in 0..steps {
                    tokio::task::yield_now().await;
                }
                town.bus.wipe();
                try_join_all((0..3).map(|_| client.call(act("short")).into_future())).await
            };
            let (before, after) = tokio::join!(before, wiped);
            assert_eq!((&*before.unwrap(), after.unwrap().len()), ("short", 3));
            assert!(began.elapsed() < SOON, "{steps}: {:?}", began.elapsed());
        }
        town.bus.wipe();
        gate.open();
        Instant::now()
    };
    let (outcome, ended) = tokio::join!(run.outcome(), wipe);
    assert!(ended.elapsed() < SOON, "{:?}", ended.elapsed());
    assert_eq!(outcome.unwrap(), callboard::RunOutcome::Completed);
    assert_eq!((tally.of("it: long"), tally.of("it: short")), (1, 600));
    assert_eq!(lines.with("a node is gone"), Vec::<String>::new());
    for board in [client, agents, owner] {
        board.shutdown().await.unwrap();
    }
}

/// A task on its way to an agent, or the slot that was lent for it: what is lost is not missed by anybody before it is late.
#[tokio::test(start_paused = true)]
async fn what_was_lost_in_a_queue_goes_again_when_that_is_back() {
    let town = Town::of(PARTITIONS);
    let owner = Mortal::of(&town, |builder| builder).await;
    let (gate, tally) = (Gate::shut(), Tally::default());
    let agents = Mortal::of(&town, |builder| waiting(builder.client(), "it", 1, &gate, &tally)).await;
    until(&owner, |nodes| nodes.len() == 2).await;
    for (from, to) in [(&owner, &agents), (&agents, &owner)] {
        let queue = format!("node.{}", to.nodes().await.unwrap()[0].id);
        assert_eq!(owner.call(act("short")).await.unwrap(), "short");
        let lost = from.bus.faults().injected(Fault::Forget);
        from.bus.faults().script(Operation::Publish, &queue, [Fault::Forget]);
        let began = Instant::now();
        let meanwhile = async {
            while from.bus.faults().injected(Fault::Forget) == lost {
                sleep(Duration::from_millis(1)).await;
            }
            to.bus.cut(Cut::Receiving);
            to.bus.heal();
        };
        let (said, ()) = tokio::join!(owner.call(act("short")).into_future(), meanwhile);
        assert_eq!(said.unwrap(), "short");
        assert!(began.elapsed() < SOON, "{queue}: {:?}", began.elapsed());
    }
    agents.board.shutdown().await.unwrap();
    owner.board.shutdown().await.unwrap();
}

/// The bus refuses that a node lends a slot, each time that it is given it again: the slot is not idle until the loan has run out.
#[tokio::test(start_paused = true)]
async fn a_slot_is_lent_although_the_bus_refuses_to_say_so_at_first() {
    let town = Town::of(PARTITIONS);
    let owner = Mortal::of(&town, |builder| builder).await;
    let (gate, tally) = (Gate::shut(), Tally::default());
    let agents = Mortal::of(&town, |builder| waiting(builder.client(), "it", 1, &gate, &tally)).await;
    until(&owner, |nodes| nodes.len() == 2).await;
    let its_queue = format!("node.{}", owner.nodes().await.unwrap()[0].id);
    assert_eq!(owner.call(act("short")).await.unwrap(), "short");
    agents.bus.faults().script(Operation::Publish, &its_queue, [Fault::Refuse; 4]);
    let began = Instant::now();
    assert_eq!(owner.call(act("short")).await.unwrap(), "short");
    assert_eq!(agents.bus.faults().injected(Fault::Refuse), 4);
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    agents.board.shutdown().await.unwrap();
    owner.board.shutdown().await.unwrap();
}
