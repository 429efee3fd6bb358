//! Nodes whose actors are killed, at random and beyond what their supervisors allow.

use super::chaos::{Deeds, agents};
use super::kit::*;
use crate::random::Random;
use crate::runtime::kit::*;
use callboard::Status;
use callboard::prelude::*;
use callboard_tests::{graph, misfits};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How often a child of a node may be killed, in which time: as often as its supervisor starts it again.
const INTENSITY: (usize, Duration) = (5, Duration::from_secs(60));

/// Kills actors at random, none of them more often than it may end.
#[derive(Default)]
pub(crate) struct Killer {
    kills: BTreeMap<(String, String), VecDeque<Instant>>,
    killed: BTreeMap<String, usize>,
}

/// Whether the end of an actor is counted: its supervisor goes on without end with agents, and with what looks at the store.
fn is_counted(path: &str) -> bool {
    !path.starts_with("node/agents/") && path != "node/inspector"
}

/// What an actor is, without which.
fn kind(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["node", "partitions", _] => "a partition".into(),
        ["node", "agents", _] => "an agent".into(),
        ["node", "agents", _, _] => "an instance".into(),
        _ => path.into(),
    }
}

impl Killer {
    /// Kills one actor of a node: a kind by chance, and one of that kind.
    pub(crate) async fn kill_one(&mut self, board: &Callboard, random: &mut Random) {
        loop {
            let node = board.nodes().await.map_or_else(|_| String::new(), |nodes| nodes[0].id.to_string());
            let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for path in board.actors().await.into_iter().filter(|path| path != "node") {
                if self.may_end(&node, &path) {
                    kinds.entry(kind(&path)).or_default().push(path);
                }
            }
            if let Some((kind, paths)) = kinds.iter().nth(random.below(kinds.len().max(1))) {
                let path = &paths[random.below(paths.len())];
                if board.kill(path).await {
                    *self.killed.entry(kind.clone()).or_default() += 1;
                    self.kills.entry((node, path.clone())).or_default().push_back(Instant::now());
                    return;
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn may_end(&mut self, node: &str, path: &str) -> bool {
        let Some(kills) = self.kills.get_mut(&(node.to_owned(), path.to_owned())) else { return true };
        while kills.front().is_some_and(|then| then.elapsed() >= INTENSITY.1) {
            kills.pop_front();
        }
        !is_counted(path) || kills.len() < INTENSITY.0
    }

    pub(crate) fn count(&self) -> usize {
        self.killed.values().sum()
    }

    pub(crate) fn killed(&self) -> &BTreeMap<String, usize> {
        &self.killed
    }
}

/// How many tasks of tokio there are when nothing happens: the least of some moments, of which no two are the same for what
/// comes again and again, after a time in which whatever was begun has ended.
pub(crate) async fn settled() -> usize {
    sleep(Duration::from_secs(30)).await;
    let mut least = usize::MAX;
    for _ in 0..100 {
        sleep(Duration::from_millis(37)).await;
        least = least.min(tokio::runtime::Handle::current().metrics().num_alive_tasks());
    }
    least
}

/// What has not ended.
pub(crate) async fn open(board: &Callboard) -> Vec<String> {
    let mut open = Vec::new();
    let runs = board.runs().limit(1_000).await.unwrap().items;
    for run in runs.into_iter().filter(|run| run.ended_at.is_none()) {
        let tasks = board.run(run.id).tasks().await.unwrap().items;
        let left = tasks.into_iter().filter(|task| !matches!(task.status, Status::Completed | Status::Blocked));
        open.extend(left.map(|task| format!("{}: {task:?}", run.id)));
    }
    open.push(format!("{:?}", board.queue()));
    open
}

const PARTITIONS: u16 = 8;
const NODES: usize = 3;

/// Three nodes under load and 200 kills (`TEST_FIRE_KILLS`), from each of `TEST_FIRE_SEEDS` seeds behind `TEST_FIRE_SEED`.
#[tokio::test(start_paused = true)]
async fn two_hundred_random_kills_in_three_nodes_lose_nothing() {
    let of = |name: &str, default: u64| std::env::var(name).map_or(default, |count| count.parse().unwrap());
    let first = of("TEST_FIRE_SEED", 1);
    for seed in first..first + of("TEST_FIRE_SEEDS", 1) {
        println!("TEST_FIRE_SEED={seed}");
        one_life(seed, of("TEST_FIRE_KILLS", 200) as usize).await;
        sleep(Duration::from_secs(300)).await; // so that the next one does not count what goes now
    }
}

async fn one_life(seed: u64, kills: usize) {
    let town = Town::of(PARTITIONS);
    let deeds = Deeds::default();
    let mut boards = Vec::new();
    for _ in 0..NODES {
        let builder = agents(town.node(), &deeds).settings(|settings| settings.losses_max = 1_000);
        boards.push(builder.start().await.unwrap());
    }
    until_even(&boards[0], NODES, PARTITIONS).await;
    let alive = settled().await;
    let boards: Arc<[Callboard]> = boards.into();
    let (mut random, began) = (Random(seed), Instant::now());
    let mut load = JoinSet::new();
    let loaded = boards.clone();
    let every = Duration::from_millis(800) * kills as u32 / 200;
    load.spawn(async move {
        let mut runs = JoinSet::new();
        for n in 0..100_u64 {
            runs.spawn(one_run(loaded.clone(), format!("run {n}"), seed * 1_000 + n));
            sleep(every).await;
        }
        runs.join_all().await.into_iter().flatten().collect::<Vec<String>>()
    });
    let mut killer = Killer::default();
    for _ in 0..kills {
        sleep(Duration::from_millis(random.below(800) as u64)).await;
        for _ in 0..random.below(300) {
            tokio::task::yield_now().await; // in the midst of whatever is done at this moment
        }
        killer.kill_one(&boards[random.below(NODES)], &mut random).await;
    }
    let calm = Instant::now();
    let ended = tokio::time::timeout(Duration::from_secs(120), load.join_next()).await;
    let Ok(Some(wrong)) = ended else {
        panic!("it does not end: seed {seed}: {:#?}", open(&boards[0]).await);
    };
    assert_eq!(wrong.unwrap(), [""; 0], "seed {seed}");
    assert_eq!(deeds.wrong(), [""; 0], "seed {seed}");
    assert!(calm.elapsed() < Duration::from_secs(60), "seed {seed}: {:?}", calm.elapsed());
    let (recorded, executed) = deeds.steps();
    println!("{:.0?}: {recorded} steps recorded, {executed} executed; killed {:?}", began.elapsed(), killer.killed());
    assert_eq!(killer.count(), kills);
    until_even(&boards[0], NODES, PARTITIONS).await;
    assert_eq!(settled().await, alive, "a task has leaked, or is missing: seed {seed}");
    for board in &*boards {
        assert_eq!(board.breaches(), [], "seed {seed}");
        board.shutdown().await.unwrap();
    }
}

/// Submits a run until that is known to have succeeded, waits for its end, and says what of it is not as it should be.
async fn one_run(boards: Arc<[Callboard]>, name: String, seed: u64) -> Vec<String> {
    let drawn = || graph(&name, 20, &mut Random(seed));
    let (_, outputs) = drawn();
    let mut random = Random(seed);
    let mut any = || boards[random.below(NODES)].clone();
    let may_pass = |error: &Error| matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown);
    let id = loop {
        match any().start(drawn().0).key(name.clone()).await {
            Ok(run) => break run.id(),
            Err(error) if may_pass(&error) => sleep(Duration::from_millis(100)).await,
            Err(error) => return vec![format!("{name}: {error:#}")],
        }
    };
    loop {
        match any().run(id).outcome().await {
            Ok(RunOutcome::Completed) => break,
            Ok(outcome) => return vec![format!("{name} has ended as {outcome:?}")],
            Err(error) if may_pass(&error) => sleep(Duration::from_millis(100)).await,
            Err(error) => return vec![format!("{name}: {error:#}")],
        }
    }
    loop {
        match misfits(&any(), id, &name, &outputs).await {
            Ok(wrong) => return wrong,
            Err(error) if may_pass(&error) => sleep(Duration::from_millis(100)).await,
            Err(error) => return vec![format!("{name}: {error:#}")],
        }
    }
}

/// Which partitions each node refuses: it has ended there too often.
async fn owner(boards: &[Callboard], partition: u16) -> Option<usize> {
    for (n, board) in boards.iter().enumerate() {
        if board.actors().await.iter().any(|path| *path == format!("node/partitions/{partition}")) {
            return Some(n);
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_partition_beyond_its_intensity_is_given_up_by_its_node_and_served_by_another() {
    let town = Town::of(PARTITIONS);
    let boards = [echoing(town.node()).start().await.unwrap(), echoing(town.node()).start().await.unwrap()];
    until_even(&boards[0], 2, PARTITIONS).await;
    let first = owner(&boards, 0).await.unwrap();
    let mut ends = [0; 2];
    // It may go to and fro: the node that has seen it end too often has it no more.
    let given_up = loop {
        if let Some(n) = owner(&boards, 0).await {
            assert!(boards[n].kill("node/partitions/0").await);
            ends[n] += 1;
            if ends[n] == 6 {
                break n;
            }
            let key =
                (0..).map(|n| format!("key {n}")).find(|key| boards[0].run_id_of_key(key).partition(PARTITIONS) == 1);
            let run =
                boards[n].start(one(echo("others go on")).0).key(format!("{} {ends:?}", key.unwrap())).await.unwrap();
            assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        }
        sleep(Duration::from_millis(20)).await;
    };
    let other = 1 - given_up;
    let began = Instant::now();
    while owner(&boards, 0).await != Some(other) {
        sleep(Duration::from_millis(20)).await;
    }
    println!("first at {first}, ended {ends:?}, served by the other after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let key = (0..).map(|n| format!("key {n}")).find(|key| boards[0].run_id_of_key(key).partition(PARTITIONS) == 0);
    let run = boards[given_up].start(one(echo("moved")).0).key(key.unwrap()).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    // It stays there, although the shares are uneven.
    sleep(Duration::from_secs(30)).await;
    assert_eq!(owner(&boards, 0).await, Some(other));
    let owned = shares(&boards[0]).await;
    assert_eq!(owned.iter().sum::<usize>(), usize::from(PARTITIONS));
    for board in &boards {
        board.shutdown().await.unwrap();
    }
}

/// The supervisor of all partitions of a node is killed, and its node neither keeps what it has not nor loses its share.
#[tokio::test(start_paused = true)]
async fn a_node_whose_partitions_end_all_at_once_has_its_share_again_soon() {
    let town = Town::of(PARTITIONS);
    let boards = [echoing(town.node()).start().await.unwrap(), echoing(town.node()).start().await.unwrap()];
    until_even(&boards[0], 2, PARTITIONS).await;
    assert!(boards[0].kill("node/partitions").await);
    let killed = Instant::now();
    for n in 0..20 {
        let run = boards[n % 2].start(one(echo("hello")).0).key(format!("{n}")).await.unwrap();
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    }
    until_even(&boards[1], 2, PARTITIONS).await;
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    for board in &boards {
        board.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_of_a_node_of_a_cluster_beyond_its_intensity_ends_that_node_and_no_other() {
    for path in ["node/switchboard", "node/member", "node/partitions"] {
        let town = Town::of(PARTITIONS);
        let (one_node, other) =
            (echoing(town.node()).start().await.unwrap(), echoing(town.node()).start().await.unwrap());
        until_even(&one_node, 2, PARTITIONS).await;
        for _ in 0..6 {
            while !one_node.kill(path).await {
                sleep(Duration::from_millis(10)).await;
            }
            sleep(Duration::from_millis(10)).await;
        }
        let began = Instant::now();
        one_node.ended().await;
        assert!(began.elapsed() < Duration::from_secs(15), "{path}: {:?}", began.elapsed());
        let reason = one_node.end_reason().unwrap();
        let actor = path.trim_start_matches("node/");
        assert_eq!(reason, format!("it ended by itself: {actor} stopped too often, at last: killed"));
        until(&other, |nodes| nodes.len() == 1 && nodes[0].partitions.len() == usize::from(PARTITIONS)).await;
        assert_eq!(other.call(echo("on")).await.unwrap(), "on");
        other.shutdown().await.unwrap();
    }
}
