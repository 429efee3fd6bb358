//! One limit of several nodes: shared while the directory answers, divided while it does not.

use super::kit::*;
use crate::runtime::kit::*;
use callboard::prelude::*;
use callboard::{Builder, Limit, RunOutcome};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

const PARTITIONS: u16 = 4;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
struct Watched(Arc<Mutex<(usize, usize, Vec<Instant>)>>);

impl Watched {
    fn begins(&self) -> At {
        let mut seen = self.0.lock().unwrap();
        seen.0 += 1;
        seen.1 = seen.1.max(seen.0);
        seen.2.push(Instant::now());
        At(self.clone())
    }

    /// The most at a time since this was asked, and how many there have been.
    fn most(&self) -> (usize, usize) {
        let mut seen = self.0.lock().unwrap();
        let most = std::mem::replace(&mut seen.1, 0);
        (most, seen.2.len())
    }

    fn fullest(&self, per: Duration) -> usize {
        let calls = &self.0.lock().unwrap().2;
        calls.iter().map(|from| calls.iter().filter(|at| (*from..*from + per).contains(at)).count()).max().unwrap_or(0)
    }
}

struct At(Watched);

impl Drop for At {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().0 -= 1;
    }
}

/// A node with 20 instances that take of a limit, if `name` says so, and are at it for so long.
fn node(watched: &Watched, takes: Duration, name: Option<&'static str>) -> impl FnOnce(Builder) -> Builder {
    let watched = watched.clone();
    move |builder| {
        acting(builder, 20, move |ctx, what| {
            let watched = watched.clone();
            async move {
                let _permit = match name {
                    Some(name) => Some(ctx.limit(name, 1).await?),
                    None => None,
                };
                let _at = watched.begins();
                tokio::time::sleep(takes).await;
                Ok(what)
            }
        })
    }
}

async fn start_on(owner: &Callboard, at: &Callboard, count: usize) -> callboard::Run {
    let workflow = Workflow::new("many");
    for n in 0..count {
        let _ = workflow.task(format!("t{n}"), act(&format!("t{n}")));
    }
    let key = run_of(owner, at, PARTITIONS).await;
    owner.start(workflow).key(key).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_nodes_are_at_it_together_no_more_than_it_allows() {
    for name in [None, Some("llm")] {
        let (town, watched) = (Town::of(PARTITIONS), Watched::default());
        let with = || {
            let node = node(&watched, Duration::from_secs(1), name);
            |builder| {
                node(builder).limit("llm", Limit::concurrent(10)).limit_capability(
                    "act",
                    Limit::concurrent(match name {
                        None => 10,
                        Some(_) => 100,
                    }),
                )
            }
        };
        let (one, two) = (Mortal::of(&town, with()).await, Mortal::of(&town, with()).await);
        until_even(&one, 2, PARTITIONS).await;
        let first = start_on(&one, &one, 200).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let late = Instant::now();
        let second = start_on(&one, &two, 100).await;
        assert_eq!(second.outcome().await.unwrap(), RunOutcome::Completed);
        assert!(late.elapsed() < Duration::from_secs(30), "who comes later gets its share: {:?}", late.elapsed());
        assert_eq!(first.outcome().await.unwrap(), RunOutcome::Completed);
        let (most, count) = watched.most();
        // Whoever was let through by another node counts at both.
        let least = if name.is_some() { 5 } else { 9 };
        assert!((least..=10).contains(&most), "{most}");
        assert_eq!(count, 300, "each of them once");
        for board in [one, two] {
            board.board.shutdown().await.unwrap();
        }
    }
}

/// Two nodes that share a rate of 60 calls a minute.
async fn two_of_a_rate(watched: &Watched) -> (Mortal, Mortal) {
    let town = Town::of(PARTITIONS);
    let with = || {
        let node = node(watched, Duration::ZERO, Some("llm"));
        |builder| node(builder).limit("llm", Limit::per(MINUTE, 60))
    };
    let (one, two) = (Mortal::of(&town, with()).await, Mortal::of(&town, with()).await);
    until_even(&one, 2, PARTITIONS).await;
    (one, two)
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_one_of_both_nodes() {
    let watched = Watched::default();
    let (one, two) = two_of_a_rate(&watched).await;
    let began = Instant::now();
    let runs = [start_on(&one, &one, 150).await, start_on(&one, &two, 150).await];
    for run in runs {
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    }
    assert_eq!(watched.most().1, 300);
    // Each may be late by its way to an instance.
    assert!(watched.fullest(MINUTE - Duration::from_secs(1)) <= 60);
    assert!(began.elapsed() < 5 * MINUTE, "and nothing of it is left unused: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_gives_back_what_it_had() {
    let (town, watched) = (Town::of(PARTITIONS), Watched::default());
    let with = || {
        let node = node(&watched, Duration::from_secs(1), None);
        |builder| node(builder).limit_capability("act", Limit::concurrent(10))
    };
    let (one, two) = (Mortal::of(&town, with()).await, Mortal::of(&town, with()).await);
    until_even(&one, 2, PARTITIONS).await;
    let runs = [start_on(&one, &one, 100).await, start_on(&one, &two, 100).await];
    tokio::time::sleep(Duration::from_secs(4)).await;
    two.die().await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    watched.most();
    for run in runs {
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    }
    let (most, _) = watched.most();
    assert_eq!(most, 10, "all of it, and no more");
    assert!(one.limits().iter().all(|limit| limit.taken == 0), "{:?}", one.limits());
}

#[tokio::test(start_paused = true)]
async fn without_a_directory_each_node_has_its_share() {
    let (town, watched) = (Town::of(PARTITIONS), Watched::default());
    let with = || {
        let node = node(&watched, Duration::from_secs(1), None);
        |builder| node(builder).limit_capability("act", Limit::concurrent(10))
    };
    let (one, two) = (Mortal::of(&town, with()).await, Mortal::of(&town, with()).await);
    until_even(&one, 2, PARTITIONS).await;
    let runs = [start_on(&one, &one, 150).await, start_on(&one, &two, 150).await];
    tokio::time::sleep(Duration::from_secs(3)).await;
    one.directory.cut();
    two.directory.cut();
    tokio::time::sleep(Duration::from_secs(10)).await;
    watched.most();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(watched.most().0, 10, "five each");
    assert_eq!(one.limits()[0].nodes, Some(2), "{:?}", one.limits());
    let reason = one.queue()[0].reason.clone();
    assert!(reason.ends_with("5 of 10 at a time, shared by all nodes, and the directory is away"), "{reason}");
    one.directory.heal();
    two.directory.heal();
    for run in runs {
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    }
    assert_eq!(watched.most().0, 10);
    assert_eq!(one.limits()[0].nodes, None);
}

/// Each node takes its share of a rate, and so no stretch has more in it than the limit says.
#[tokio::test(start_paused = true)]
async fn without_a_directory_each_node_has_its_share_of_a_rate() {
    let watched = Watched::default();
    let (one, two) = two_of_a_rate(&watched).await;
    one.directory.cut();
    two.directory.cut();
    let runs = [start_on(&one, &one, 150).await, start_on(&one, &two, 150).await];
    tokio::time::sleep(MINUTE / 2).await;
    let (_, count) = watched.most();
    assert!((50..=60).contains(&count), "30 each: {count}");
    for run in runs {
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    }
    assert_eq!(watched.most().1, 300);
    assert!(watched.fullest(MINUTE - Duration::from_secs(1)) <= 60, "{}", watched.fullest(MINUTE));
    for board in [one, two] {
        board.board.shutdown().await.unwrap();
    }
}

/// Each tenant has a limit of its own, which both nodes share.
#[tokio::test(start_paused = true)]
async fn a_limit_per_tenant_is_one_of_both_nodes() {
    const TENANTS: [&str; 2] = ["acme", "zeta"];
    let (town, watched) = (Town::of(PARTITIONS), [Watched::default(), Watched::default()]);
    let with = || {
        let watched = watched.clone();
        move |builder: Builder| {
            let works = move |_, what: String| {
                let of = TENANTS.iter().position(|tenant| what == *tenant).unwrap();
                let at = watched[of].begins();
                async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    drop(at);
                    Ok(what)
                }
            };
            acting(builder, 20, works).limit_capability("act", Limit::concurrent(4).per_tenant())
        }
    };
    let (one, two) = (Mortal::of(&town, with()).await, Mortal::of(&town, with()).await);
    until_even(&one, 2, PARTITIONS).await;
    let mut runs = Vec::new();
    for tenant in TENANTS {
        for owner in [&one, &two] {
            let workflow = Workflow::new("many").tenant(tenant);
            for n in 0..30 {
                let _ = workflow.task(format!("{tenant}{n}"), act(tenant));
            }
            // A key begins the same run once: one for each tenant.
            let owned = owner.nodes().await.unwrap()[0].partitions.clone();
            let mut keys = (0..).map(|n| format!("{tenant} {n}"));
            let key = keys.find(|key| owned.contains_key(&one.run_id_of_key(key).partition(PARTITIONS))).unwrap();
            runs.push(one.start(workflow).key(key).await.unwrap());
        }
    }
    for run in runs {
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    }
    for of in &watched {
        let (most, count) = of.most();
        assert!((3..=4).contains(&most), "{most} at a time");
        assert_eq!(count, 60);
    }
    for board in [one, two] {
        board.board.shutdown().await.unwrap();
    }
}
