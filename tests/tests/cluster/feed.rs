//! What happens to all runs, followed on one node while the owners of the partitions change.

use super::kit::*;
use crate::runtime::feed::by_run;
use crate::runtime::kit::*;
use callboard::prelude::*;
use callboard::{FeedEvent, FeedPosition, RunId};
use futures::StreamExt;
use std::collections::BTreeMap;

const PARTITIONS: u16 = 4;

#[tokio::test(start_paused = true)]
async fn a_reader_hears_everything_once_whoever_owns_the_partitions() {
    let town = Town::of(PARTITIONS);
    let a = Mortal::of(&town, echoing).await;
    let b = echoing(town.node()).start().await.unwrap();
    until_even(&b, 2, PARTITIONS).await;
    let mut feed = b.events().follow().await.unwrap();
    let (mut told, mut runs): (Vec<FeedEvent>, Vec<RunId>) = (Vec::new(), Vec::new());
    let ended = |told: &[FeedEvent]| told.iter().filter(|happened| happened.event.what.kind() == "ended").count();
    for n in 0..20 {
        let run = b.start(one(echo(&n.to_string())).0).key(format!("before {n}")).await.unwrap();
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        runs.push(run.id());
    }
    while ended(&told) < 15 {
        told.push(feed.next().await.unwrap().unwrap());
    }
    a.die().await;
    for n in 0..20 {
        let run = b.start(one(echo(&n.to_string())).0).key(format!("after {n}")).await.unwrap();
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        runs.push(run.id());
    }
    until(&b, |nodes| nodes.len() == 1 && nodes[0].partitions.len() == 4).await;
    while ended(&told) < 30 {
        told.push(feed.next().await.unwrap().unwrap());
    }
    // The rest is heard at another node, from the position that was kept.
    let kept: FeedPosition = told.last().unwrap().position.to_string().parse().unwrap();
    drop(feed);
    let c = echoing(town.node()).start().await.unwrap();
    until_even(&c, 2, PARTITIONS).await;
    let mut feed = c.events().after(kept).follow().await.unwrap();
    while ended(&told) < 40 {
        told.push(feed.next().await.unwrap().unwrap());
    }
    let mut expected = BTreeMap::new();
    for id in &runs {
        let of_run: Vec<String> = c.run(*id).events().map(|event| event.to_string()).collect().await;
        expected.insert(*id, of_run);
    }
    assert_eq!(by_run(&told), expected);
    b.shutdown().await.unwrap();
    c.shutdown().await.unwrap();
}
