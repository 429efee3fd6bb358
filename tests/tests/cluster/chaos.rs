//! Three nodes under load, and everything that can happen to nodes.

use super::kit::*;
use crate::random::Random;
use callboard::port::bus::fault::{Cut, Odds};
use callboard::port::store::fault::Fault;
use callboard::prelude::*;
use callboard::{Builder, Ctx};
use callboard_tests::{Add, How, Part, graph, misfits};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const PARTITIONS: u16 = 8;
const NODES: usize = 3;
const TASKS_A_RUN: usize = 20;

/// What was really done, in the order in which it was.
#[derive(Clone, Default)]
pub(crate) struct Deeds(Arc<Mutex<Seen>>);

#[derive(Default)]
pub(crate) struct Seen {
    moment: u64,
    /// The value of each step, and when a handler was first given it: it is durable then.
    recorded: BTreeMap<String, (u64, u64)>,
    executions: u64,
    /// What must not be.
    wrong: Vec<String>,
}

impl Seen {
    fn moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }
}

impl Deeds {
    /// What was done that must not be.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.0.lock().unwrap().wrong.clone()
    }

    /// How many steps were recorded, and how many were executed.
    pub(crate) fn steps(&self) -> (usize, u64) {
        let seen = self.0.lock().unwrap();
        (seen.recorded.len(), seen.executions)
    }

    fn begin(&self) -> u64 {
        self.0.lock().unwrap().moment()
    }

    /// A handler that began at `begun` executes a step.
    fn execute(&self, key: &str, begun: u64) -> u64 {
        let mut seen = self.0.lock().unwrap();
        seen.executions += 1;
        if let Some((value, at)) = seen.recorded.get(key).copied().filter(|(_, at)| *at < begun) {
            seen.wrong.push(format!("{key}: recorded as {value} at {at}, executed again by a handler of {begun}"));
        }
        seen.moment()
    }

    /// A handler is given the value of a step.
    fn given(&self, key: &str, value: u64) {
        let mut seen = self.0.lock().unwrap();
        let at = seen.moment();
        let (first, _) = *seen.recorded.entry(key.to_owned()).or_insert((value, at));
        if first != value {
            seen.wrong.push(format!("{key}: {first} and then {value}"));
        }
    }
}

pub(crate) fn agents(builder: Builder, deeds: &Deeds) -> Builder {
    let deeds = deeds.clone();
    let add = move |ctx: Ctx, task: Add| {
        let deeds = deeds.clone();
        async move {
            let begun = deeds.begin();
            let sum: u64 = task.parts.iter().sum();
            match task.how {
                How::AtOnce | How::Counting | How::Locked => sleep(Duration::from_millis(sum % 40)).await,
                How::InSteps => {
                    for n in 0..3 {
                        let key = format!("{}/{n}", task.id);
                        let step = async || {
                            sleep(Duration::from_millis(30)).await;
                            Ok(deeds.execute(&key, begun))
                        };
                        let value = ctx.step("step", step).await?;
                        deeds.given(&key, value);
                    }
                }
                How::WithAChild => {
                    let part = ctx.call(Part { id: task.id.clone() }).await?;
                    assert_eq!(part, task.id.len() as u64);
                }
            }
            Ok(sum + 1)
        }
    };
    let part = |_: Ctx, task: Part| async move {
        sleep(Duration::from_millis(20)).await;
        Ok(task.id.len() as u64)
    };
    builder.task_fn(add).task_fn(part)
}

/// The nodes, some of them down.
#[derive(Clone)]
struct Fleet {
    town: Town,
    deeds: Deeds,
    nodes: Arc<tokio::sync::Mutex<Vec<Option<Arc<Mortal>>>>>,
    seed: u64,
}

impl Fleet {
    async fn start_one(&self) -> Arc<Mortal> {
        loop {
            let built = Mortal::start(&self.town, |builder| {
                agents(builder, &self.deeds).settings(|settings| {
                    settings.losses_max = 1_000;
                    settings.drain = Duration::from_secs(2);
                })
            });
            match built.await {
                Ok(node) => return Arc::new(node),
                Err(error) => println!("a node did not start: {error:#}"),
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Some node that is up.
    async fn any(&self, random: &mut Random) -> Arc<Mortal> {
        loop {
            let nodes = self.nodes.lock().await;
            let up: Vec<_> = nodes.iter().flatten().cloned().collect();
            drop(nodes);
            if !up.is_empty() {
                return up[random.below(up.len())].clone();
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Submits a run until that is known to have succeeded, and watches it to its end, through whichever node is there.
async fn run(fleet: Fleet, name: String, seed: u64) -> Vec<String> {
    let mut random = Random(seed);
    let drawn = || graph(&name, TASKS_A_RUN, &mut Random(seed));
    let (_, outputs) = drawn();
    let id = loop {
        let node = fleet.any(&mut random).await;
        match node.start(drawn().0).key(name.clone()).await {
            Ok(run) => break run.id(),
            Err(error) => {
                let is_known = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown);
                assert!(is_known, "{name}: {error:#}");
            }
        }
        sleep(Duration::from_millis(300)).await;
    };
    loop {
        let node = fleet.any(&mut random).await;
        // A node that is cut off tells nothing; another may.
        let outcome = tokio::time::timeout(Duration::from_secs(10), node.run(id).outcome()).await;
        if let Ok(Ok(outcome)) = outcome {
            assert_eq!(outcome, RunOutcome::Completed, "{name}");
            break;
        }
        sleep(Duration::from_millis(300)).await;
    }
    let mut wrong = Vec::new();
    loop {
        let node = fleet.any(&mut random).await;
        let checked = tokio::time::timeout(Duration::from_secs(10), misfits(&node, id, &name, &outputs)).await;
        if let Ok(Ok(found)) = checked {
            wrong.extend(found);
            return wrong;
        }
        sleep(Duration::from_millis(300)).await;
    }
}

async fn trouble(fleet: &Fleet, random: &mut Random, count: usize) -> (BTreeMap<&'static str, usize>, Vec<Duration>) {
    let (mut done, mut takeovers): (BTreeMap<&'static str, usize>, Vec<Duration>) = Default::default();
    for _ in 0..count {
        sleep(Duration::from_millis(random.below(1_500) as u64)).await;
        let at = random.below(NODES);
        let for_ms = Duration::from_millis(200 + random.below(8_000) as u64);
        let Some(node) = fleet.nodes.lock().await[at].clone() else { continue };
        let what = random.below(9);
        let name = match what {
            0 | 1 => "crashes",
            2 => "clean stops",
            3 => "cuts from the bus",
            4 => "cuts from the directory",
            5 => "cuts from the store",
            6 => "pauses",
            7 => "wipes of the bus",
            _ => "wipes of the directory",
        };
        *done.entry(name).or_default() += 1;
        let mended = (3..=6).contains(&what).then(|| node.clone());
        match what {
            0..=2 => {
                fleet.nodes.lock().await[at] = None;
                assert_eq!(node.board.breaches(), []);
                if what == 2 {
                    let _cut_short = node.board.shutdown().await;
                } else {
                    node.cut_off();
                    let dead = node.board.nodes().await.map_or_else(|_| "".into(), |nodes| nodes[0].id.clone());
                    node.board.die().await;
                    takeovers.extend(takeover(fleet, &dead, random).await);
                }
                drop(node);
                sleep(Duration::from_millis(random.below(3_000) as u64)).await;
                let next = fleet.start_one().await;
                fleet.nodes.lock().await[at] = Some(next);
            }
            3 => node.bus.cut([Cut::Sending, Cut::Receiving, Cut::Both][random.below(3)]),
            4 => node.directory.cut(),
            5 => OF_THE_STORE.into_iter().for_each(|operation| node.store.always(operation, "*", Fault::Hang)),
            6 => {
                node.bus.cut(Cut::Both);
                node.directory.cut();
                OF_THE_STORE.into_iter().for_each(|operation| node.store.always(operation, "*", Fault::Hang));
            }
            7 => node.bus.wipe(),
            _ => node.directory.wipe(),
        }
        if let Some(node) = mended {
            sleep(for_ms).await;
            node.heal();
        }
    }
    (done, takeovers)
}

/// How long it takes from now until every partition has an owner, as some other node sees it.
async fn takeover(fleet: &Fleet, dead: &str, random: &mut Random) -> Option<Duration> {
    let died = Instant::now();
    let node = fleet.any(random).await;
    while died.elapsed() < Duration::from_secs(60) {
        let nodes = node.nodes().await.ok()?;
        let owned: usize = nodes.iter().filter(|node| *node.id != *dead).map(|node| node.partitions.len()).sum();
        if owned >= usize::from(PARTITIONS) {
            return Some(died.elapsed());
        }
        sleep(Duration::from_millis(20)).await;
    }
    None
}

/// 5,000 tasks and 200 troubles (`TEST_CLUSTER_RUNS`, `TEST_CLUSTER_TROUBLES`), from each of `TEST_CLUSTER_SEEDS` seeds
/// behind `TEST_CLUSTER_SEED`.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_done_twice_whatever_happens_to_the_nodes() {
    let seeds: u64 = std::env::var("TEST_CLUSTER_SEEDS").map_or(1, |seeds| seeds.parse().unwrap());
    let first: u64 = std::env::var("TEST_CLUSTER_SEED").map_or(1, |seed| seed.parse().unwrap());
    for seed in first..first + seeds {
        println!("TEST_CLUSTER_SEED={seed}");
        let of = |name: &str, default| std::env::var(name).map_or(default, |count| count.parse().unwrap());
        one_life(seed, of("TEST_CLUSTER_RUNS", 250), of("TEST_CLUSTER_TROUBLES", 200)).await;
    }
}

async fn one_life(seed: u64, runs: usize, troubles: usize) {
    let mut random = Random(seed);
    let town = Town::of(PARTITIONS);
    let nodes = Arc::new(tokio::sync::Mutex::new(vec![None; NODES]));
    let fleet = Fleet { town, deeds: Deeds::default(), nodes, seed };
    for at in 0..NODES {
        let node = fleet.start_one().await;
        let odds =
            Odds { lose_answer: 0.01, duplicate: 0.01, reorder: 0.01, late_operations_max: 10, ..Odds::default() };
        node.bus.faults().random(fleet.seed + at as u64, odds);
        fleet.nodes.lock().await[at] = Some(node);
    }
    let began = Instant::now();
    let mut under_way = JoinSet::new();
    // So that there is work for as long as there is trouble, which takes more than three seconds each.
    let every = Duration::from_millis(3_200) * troubles as u32 / runs as u32;
    let submitting = fleet.clone();
    let mut submitter = JoinSet::new();
    submitter.spawn(async move {
        for n in 0..runs {
            under_way.spawn(run(submitting.clone(), format!("run {n}"), seed * 1_000_000 + n as u64));
            sleep(every).await;
        }
        under_way.join_all().await
    });
    let (done, mut takeovers) = trouble(&fleet, &mut random, troubles).await;
    for node in fleet.nodes.lock().await.iter().flatten() {
        node.heal();
        node.bus.faults().calm();
    }
    let calm = Instant::now();
    let wrong: Vec<String> = submitter.join_all().await.into_iter().flatten().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    takeovers.sort_unstable();
    {
        let seen = fleet.deeds.0.lock().unwrap();
        assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
        println!(
            "{runs} runs of {TASKS_A_RUN} tasks in {:.0?}, the last {:.1?} of it calm; {} steps recorded, {} executed; {done:?}",
            began.elapsed(),
            calm.elapsed(),
            seen.recorded.len(),
            seen.executions,
        );
    }
    let at = |share: f64| takeovers.get(((takeovers.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default();
    println!("{} takeovers: p50 {:.1?}, p90 {:.1?}, max {:.1?}", takeovers.len(), at(0.5), at(0.9), at(1.0));
    for node in fleet.nodes.lock().await.iter().flatten() {
        assert_eq!(node.board.breaches(), []);
        node.board.shutdown().await.unwrap();
    }
}
