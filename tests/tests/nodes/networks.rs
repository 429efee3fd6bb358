//! A node that is suspended, and one that is cut off from a server.

use super::kit::*;
use callboard::prelude::*;
use callboard_chaos::proxy::{Flow, Way};

/// How long a node is away: longer than its life, and than any lease.
const AWAY: Duration = Duration::from_secs(9);

/// An owner with agents is stopped for longer than its life, and goes on as if nothing had happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_was_suspended_has_no_effect_when_it_wakes() {
    let servers = shared().await;
    let town = Town::on(&servers).await;
    let (one, two) = (town.node(32).await, town.node(32).await);
    let client = town.client().await;
    settled(&client, 2).await;
    let (mut load, mut wrong) = (Load::begin(&client, 60, 20, 10), Vec::new());
    for node in [&one, &two] {
        load.progress(10, &mut wrong).await;
        node.pause();
        println!("taken over after {:?}", settled(&client, 1).await);
        load.progress(5, &mut wrong).await;
        node.resume();
        println!("back after {:?}", settled(&client, 2).await);
        assert!(node.said().contains("deposed") || node.said().contains("epoch"), "it was told: {}", node.said());
    }
    load.finish(&town, wrong).await;
    client.shutdown().await.unwrap();
    one.stop().await;
    two.stop().await;
}

/// Of which servers a node is cut off.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Bus,
    Directory,
    Store,
    All,
}

/// A node with agents and partitions is cut off, from each server and from all, both ways and one way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_does_nothing_twice() {
    let servers = shared().await;
    let town = Town::on(&servers).await;
    let wires = Wires::to(&servers).await;
    let (cut_off, other) = (town.node_behind(&wires, 32).await, town.node(32).await);
    let client = town.client().await;
    settled(&client, 2).await;
    let cuts = [Cut::Bus, Cut::Directory, Cut::Store, Cut::All];
    let ways: [&[Way]; 3] = [&[Way::ToServer, Way::ToClient], &[Way::ToServer], &[Way::ToClient]];
    let which = crate::number("TEST_NODE_CUTS", 4);
    let (mut load, mut wrong) = (Load::begin(&client, 20 * which, 20, 6), Vec::new());
    for (n, cut) in cuts.into_iter().cycle().take(which).enumerate() {
        let ways = ways[(n + n / cuts.len()) % ways.len()];
        load.progress(8, &mut wrong).await;
        let wires = match cut {
            Cut::Bus => vec![&wires.bus],
            Cut::Directory => vec![&wires.directory],
            Cut::Store => vec![&wires.store],
            Cut::All => vec![&wires.bus, &wires.directory, &wires.store],
        };
        wires.iter().for_each(|wire| ways.iter().for_each(|way| wire.set(*way, Flow::Hold)));
        tokio::time::sleep(AWAY).await; // the fault lasts so long
        // What was under way arrives now, as it does when a cable is mended.
        wires.iter().for_each(|wire| wire.set_both(Flow::Pass));
        println!("{cut:?} {ways:?}: whole after {:?}", settled(&client, 2).await);
    }
    load.finish(&town, wrong).await;
    client.shutdown().await.unwrap();
    cut_off.stop().await;
    other.stop().await;
}
