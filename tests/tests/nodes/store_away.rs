//! The store away, sick, and losing answers.

use super::kit::*;
use callboard::prelude::*;
use callboard_chaos::store_proxy::Sickness;
use callboard_tests::{Add, How};
use std::collections::BTreeMap;
use tokio::time::{Instant, sleep, timeout};

/// Each partition with the epoch of its owner.
async fn epochs(client: &Callboard) -> BTreeMap<u16, u64> {
    client.nodes().await.unwrap().into_iter().flat_map(|node| node.partitions).collect()
}

/// One answer in ten is lost after the create took effect, or is an error in its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_of_the_store_are_looked_up_and_depose_nobody() {
    let servers = shared().await;
    let town = Town::on(&servers).await;
    let nodes = [town.node(0).await, town.node(32).await];
    let client = town.client().await;
    settled(&client, 2).await;
    let before = epochs(&client).await;
    for (number, sickness) in [Sickness::LosesAnswers(10), Sickness::FailsAfterwards(10)].into_iter().enumerate() {
        town.store.set(sickness);
        Load::begin_at(&client, 1_000 * number, 20, 20, 10).finish(&town, Vec::new()).await;
        println!("{sickness:?}: {:?}", town.store.traffic());
    }
    town.store.set(Sickness::None);
    assert_eq!(epochs(&client).await, before, "somebody was deposed for an answer that was lost");
    assert!(town.store.traffic().spoiled > 10);
    client.shutdown().await.unwrap();
    for node in nodes {
        node.stop().await;
    }
}

/// The store refuses, hangs, and answers 500 and 503, for 3 s each, and for `TEST_NODE_AWAY` seconds (8 by default) once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_waited_for_and_callers_are_told() {
    let servers = shared().await;
    let town = Town::on(&servers).await;
    let nodes = [town.node(0).await, town.node(32).await];
    let client = town.client().await;
    settled(&client, 2).await;
    let away = |number| Duration::from_secs(if number == 0 { crate::number("TEST_NODE_AWAY", 8) as u64 } else { 3 });
    let sick = [Sickness::Hangs, Sickness::Refuses, Sickness::Answers(500), Sickness::Answers(503)];
    let (mut load, mut wrong) = (Load::begin(&client, 60, 20, 6), Vec::new());
    let mut slowest = Duration::ZERO;
    for (n, sickness) in sick.into_iter().enumerate() {
        load.progress(5, &mut wrong).await;
        town.store.set(sickness);
        let began = Instant::now();
        let told = timeout(Duration::from_secs(60), client.call(add(&format!("away-{n}"))));
        let told =
            async { told.await.map(|told: Result<u64>| told.map_err(|error| (error.kind(), format!("{error:#}")))) };
        let (told, ()) = tokio::join!(told, async {
            sleep(away(n)).await; // the fault lasts so long
            town.store.set(Sickness::None);
            let took = traffic(&client).await;
            println!("{sickness:?} for {:?}: traffic {took:?} afterwards", away(n));
            slowest = slowest.max(took);
        });
        match told.expect("a caller is told within its limit") {
            Ok(sum) => assert_eq!(sum, 1),
            Err((kind, words)) => {
                println!("a caller was told after {:?}: {kind:?}: {words}", began.elapsed());
                assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Unknown), "{words}");
            }
        }
    }
    load.finish(&town, wrong).await;
    assert!(slowest < RETURN_MAX, "{slowest:?}");
    client.shutdown().await.unwrap();
    for node in nodes {
        node.stop().await;
    }
}

fn add(id: &str) -> Add {
    Add { id: id.to_owned(), how: How::AtOnce, ms: 0, parts: Vec::new().into() }
}
