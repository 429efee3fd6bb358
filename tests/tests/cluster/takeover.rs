//! A node dies, stops or is cut off, and the others go on with what it had.

use super::kit::*;
use crate::runtime::kit::*;
use callboard::port::bus::fault::Cut;
use callboard::port::store::fault::Fault;
use callboard::prelude::*;
use callboard::{NodeStatus, RunOutcome};
use tokio::time::Instant;

const PARTITIONS: u16 = 4;

#[tokio::test(start_paused = true)]
async fn what_a_dead_node_owned_is_served_by_another_within_seconds() {
    let town = Town::of(PARTITIONS);
    let a = Mortal::of(&town, |builder| builder).await;
    let b = Mortal::of(&town, echoing).await;
    until_even(&a, 2, PARTITIONS).await;
    let key = run_of(&b, &a, PARTITIONS).await;
    let run = b.start(one(echo("hello")).0).key(key).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    let (key, died) = (run_of(&b, &a, PARTITIONS).await, Instant::now());
    a.die().await;
    let run = b.start(one(echo("again")).0).key(format!("{key} again")).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    until(&b, |nodes| nodes.len() == 1 && nodes[0].partitions.len() == 4).await;
    assert!(died.elapsed() < Duration::from_secs(3), "{:?}", died.elapsed());
    b.shutdown().await.unwrap();
}

/// The owner of the partition dies; the agent is on another node, and works on.
#[tokio::test(start_paused = true)]
async fn running_work_is_not_repeated_by_a_takeover() {
    let town = Town::of(PARTITIONS);
    let owner = Mortal::of(&town, |builder| builder).await;
    let (tally, gate) = (Tally::default(), Gate::shut());
    let (told, passes) = (tally.clone(), gate.clone());
    let agents = acting(town.node().client(), 4, move |_, what| {
        let (told, passes) = (told.clone(), passes.clone());
        async move {
            told.add(&what);
            passes.pass().await;
            Ok(what)
        }
    });
    let agents = agents.start().await.unwrap();
    until(&owner, |nodes| nodes.len() == 2).await;
    // One is accepted so late that nobody has made it durable when the owner dies.
    let early = agents.start(one(act("early")).0).await.unwrap();
    tally.reaches("early", 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let late = agents.start(one(act("late")).0).await.unwrap();
    tally.reaches("late", 1).await;
    owner.die().await;
    let next = town.node().start().await.unwrap();
    until(&next, |nodes| nodes.iter().any(|node| node.partitions.len() == 4)).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    gate.open();
    assert_eq!(early.outcome().await.unwrap(), RunOutcome::Completed);
    assert_eq!(late.outcome().await.unwrap(), RunOutcome::Completed);
    assert_eq!((tally.of("early"), tally.of("late")), (1, 1));
    agents.shutdown().await.unwrap();
    next.shutdown().await.unwrap();
}

/// Of two nodes one dies, and the other is told to stop before it knows. It leaves its partition to the dead one, and has a
/// result that nobody would take.
#[tokio::test(start_paused = true)]
async fn who_has_left_a_partition_to_a_dead_node_takes_it_back_for_its_last_results() {
    let town = Town::of(1);
    let (tally, gate) = (Tally::default(), Gate::shut());
    let agents = |builder| {
        let (tally, gate) = (tally.clone(), gate.clone());
        acting(builder, 1, move |_, what| {
            let (tally, gate) = (tally.clone(), gate.clone());
            async move {
                tally.add(&what);
                gate.pass().await;
                Ok(what)
            }
        })
    };
    let mut nodes = vec![Mortal::of(&town, agents).await, Mortal::of(&town, agents).await];
    until_even(&nodes[0], 2, 1).await;
    let owner = usize::from(nodes[0].nodes().await.unwrap()[0].partitions.is_empty());
    let (owner, other) = (nodes.swap_remove(owner), nodes.remove(0));
    let run = owner.start(one(act("it")).0).await.unwrap().id();
    tally.reaches("it", 1).await;
    other.die().await;
    let opened = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.open();
    };
    let (stopped, ()) = tokio::join!(owner.shutdown(), opened);
    stopped.unwrap();

    let next = town.node().start().await.unwrap();
    assert_eq!(next.run(run).outcome().await.unwrap(), RunOutcome::Completed, "without an agent");
    assert_eq!(tally.of("it"), 1);
    next.shutdown().await.unwrap();
}

/// The node that performs the task dies; its owner gives it to another, long before the lease ends.
#[tokio::test(start_paused = true)]
async fn what_a_dead_node_performed_begins_again_elsewhere_without_a_retry() {
    let town = Town::of(PARTITIONS);
    let owner = town.node().start().await.unwrap();
    let tally = Tally::default();
    let agent = |gate: Gate| {
        let tally = tally.clone();
        move |builder| {
            acting(builder, 1, move |_, what| {
                let (tally, gate) = (tally.clone(), gate.clone());
                async move {
                    tally.add(&what);
                    gate.pass().await;
                    Ok(what)
                }
            })
        }
    };
    let dying = Mortal::of(&town, |builder| agent(Gate::shut())(builder.client())).await;
    until(&owner, |nodes| nodes.len() == 2).await;
    let run = owner.start(one(act("it")).0).await.unwrap();
    tally.reaches("it", 1).await;
    let gate = Gate::shut();
    gate.open();
    let other = agent(gate)(town.node().client()).start().await.unwrap();
    until(&owner, |nodes| nodes.len() == 3).await;
    let died = Instant::now();
    dying.die().await;
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    assert!(died.elapsed() < Duration::from_secs(4), "{:?}", died.elapsed());
    assert_eq!(tally.of("it"), 2);
    let task = &run.tasks().await.unwrap().items[0];
    assert_eq!((task.attempt, task.losses), (1, 1));
    other.shutdown().await.unwrap();
    owner.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_hands_over_at_once_and_callers_notice_nothing() {
    let town = Town::of(PARTITIONS);
    let a = town.node().start().await.unwrap();
    let b = echoing(town.node()).start().await.unwrap();
    until_even(&b, 2, PARTITIONS).await;
    let calls = futures::future::join_all((0..200).map(|n| {
        let b = &b;
        async move {
            tokio::time::sleep(Duration::from_millis(n * 5)).await;
            b.call(echo(&n.to_string())).await
        }
    }));
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        a.shutdown().await.unwrap();
        began.elapsed()
    };
    let (said, took) = tokio::join!(calls, stop);
    for (n, said) in said.into_iter().enumerate() {
        assert_eq!(said.unwrap(), n.to_string());
    }
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(shares(&b).await, [4]);
    b.shutdown().await.unwrap();
}

/// A node that does not reach the store lets others have its partitions, and takes its share again later.
#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_from_the_store_lets_go_of_its_partitions() {
    let town = Town::of(PARTITIONS);
    let a = Mortal::of(&town, |builder| builder).await;
    let b = Mortal::of(&town, echoing).await;
    until_even(&a, 2, PARTITIONS).await;
    OF_THE_STORE.into_iter().for_each(|operation| a.store.always(operation, "*", Fault::Hang));
    // It only notices when it has something to say.
    let key = run_of(&b, &a, PARTITIONS).await;
    let run = b.start(one(echo("hello")).0).key(key).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    until(&b, |nodes| nodes.iter().any(|node| node.status == NodeStatus::Unfit)).await;
    until(&b, |nodes| nodes[0].partitions.len() == 4).await;
    a.store.calm();
    until_even(&b, 2, PARTITIONS).await;
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

/// The directory is away: nothing moves, work goes on, and a dead owner is replaced all the same.
#[tokio::test(start_paused = true)]
async fn without_a_directory_nothing_moves_but_the_dead_are_replaced() {
    let town = Town::of(PARTITIONS);
    let a = Mortal::of(&town, |builder| builder).await;
    let b = Mortal::of(&town, echoing).await;
    until_even(&a, 2, PARTITIONS).await;
    a.directory.cut();
    b.directory.cut();
    tokio::time::sleep(Duration::from_secs(3)).await; // until they have noticed
    let c = Mortal::of(&town, |builder| builder).await;
    c.directory.cut();
    until(&b, |nodes| nodes.len() == 3).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(shares(&b).await, [0, 2, 2], "nothing moves");
    let said: String = c.call(echo("hello")).await.unwrap();
    assert_eq!(said, "hello");
    a.die().await;
    until(&b, |nodes| nodes.len() == 2 && nodes.iter().map(|node| node.partitions.len()).sum::<usize>() == 4).await;
    let said: String = c.call(echo("again")).await.unwrap();
    assert_eq!(said, "again");
    b.directory.heal();
    c.directory.heal();
    until_even(&b, 2, PARTITIONS).await;
    c.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

/// From the death of an owner to the end of the first task that its successor has handed out.
#[tokio::test(start_paused = true)]
async fn a_takeover_takes_seconds() {
    let town = Town::of(PARTITIONS);
    let stays = Mortal::of(&town, echoing).await;
    let mut nodes = vec![Mortal::of(&town, |builder| builder).await, Mortal::of(&town, |builder| builder).await];
    let mut took = Vec::new();
    for n in 0..20 {
        until_even(&stays, 3, PARTITIONS).await;
        let dies = nodes.remove(0);
        let key = run_of(&stays, &dies, PARTITIONS).await;
        // At any moment between two beats.
        tokio::time::sleep(Duration::from_millis(n * 73)).await;
        let died = Instant::now();
        dies.die().await;
        let run = stays.start(one(echo("hello")).0).key(key).await.unwrap();
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        took.push(died.elapsed());
        nodes.push(Mortal::of(&town, |builder| builder).await);
    }
    took.sort_unstable();
    println!("takeovers: p50 {:.1?}, p90 {:.1?}, max {:.1?}", took[10], took[18], took[19]);
    assert!(took[19] < Duration::from_secs(3), "{took:.1?}");
}

/// The same in real time with many live tasks in the partition: 5,000, or `TEST_LIVE`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_with_many_live_tasks_is_taken_over_in_time() {
    let live: usize = std::env::var("TEST_LIVE").map_or(5_000, |live| live.parse().unwrap());
    let town = Town::of(1);
    let dies = Mortal::of(&town, |builder| builder).await;
    let next = Mortal::of(&town, echoing).await;
    until(&next, |nodes| nodes.len() == 2 && nodes[1].partitions.len() == 1).await;
    for run in 0..live.div_ceil(1_000) {
        let many = Workflow::new(format!("many {run}"));
        (0..1_000.min(live)).for_each(|n| drop(many.task(format!("t{n}"), act("nobody does this"))));
        next.start(many).await.unwrap();
    }
    let died = Instant::now();
    dies.die().await;
    let said: String = next.call(echo("hello")).await.unwrap();
    assert_eq!(said, "hello");
    println!("{live} live tasks: from the death of the owner to the first result {:.2?}", died.elapsed());
    assert!(died.elapsed() < Duration::from_secs(60));
    next.shutdown().await.unwrap();
}

/// It owns the partition no more, and nobody has told it: what its successor has acknowledged is not there, as far as it knows.
#[tokio::test(start_paused = true)]
async fn a_deposed_owner_does_not_say_that_something_is_not_there() {
    let town = Town::of(PARTITIONS);
    let deposed = Mortal::of(&town, |builder| builder).await;
    until(&deposed, |nodes| nodes[0].partitions.len() == usize::from(PARTITIONS)).await;
    deposed.bus.cut(Cut::Both);
    deposed.directory.cut();
    let next = echoing(town.node()).start().await.unwrap();
    until(&next, |nodes| nodes[0].partitions.len() == usize::from(PARTITIONS)).await;
    for name in ["one", "two", "three", "four"] {
        let workflow = Workflow::new(name);
        let _said = workflow.task("it", echo("tick"));
        next.schedule(name, callboard::Schedule::every(Duration::from_secs(3600)), workflow).await.unwrap();
        let told = deposed.scheduled(name).pause("enough").await.unwrap_err();
        assert_ne!(told.kind(), ErrorKind::NotFound, "{name}: {told:#}");
        let run = next.start(one(echo(name)).0).key(name).await.unwrap();
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        let asked = deposed.run(run.id());
        let limit = Duration::from_secs(20);
        let told = [
            tokio::time::timeout(limit, asked.outcome()).await.map(|told| told.map(drop)),
            tokio::time::timeout(limit, asked.info()).await.map(|told| told.map(drop)),
            tokio::time::timeout(limit, asked.tasks().into_future()).await.map(|told| told.map(drop)),
        ];
        for told in told.into_iter().flatten() {
            assert!(told.as_ref().err().is_none_or(|error| error.kind() != ErrorKind::NotFound), "{name}: {told:?}");
        }
    }
}
