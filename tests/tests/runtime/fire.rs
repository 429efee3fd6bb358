//! A node whose actors are killed, one by one and at random: all that it owes is done, and only its own children end it.

use super::kit::*;
use crate::cluster::chaos::{Deeds, agents};
use crate::cluster::fire::{Killer, open, settled};
use crate::meters::Meters;
use crate::random::Random;
use callboard::prelude::*;
use callboard_tests::{graph, misfits};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const PARTITIONS: u16 = 4;

/// One node under load and 200 kills (`TEST_FIRE_KILLS`), from each of `TEST_FIRE_SEEDS` seeds behind `TEST_FIRE_SEED`.
#[tokio::test(start_paused = true)]
async fn two_hundred_random_kills_under_load_lose_nothing() {
    let of = |name: &str, default: u64| std::env::var(name).map_or(default, |count| count.parse().unwrap());
    let first = of("TEST_FIRE_SEED", 1);
    for seed in first..first + of("TEST_FIRE_SEEDS", 1) {
        println!("TEST_FIRE_SEED={seed}");
        one_life(seed, of("TEST_FIRE_KILLS", 200) as usize).await;
    }
}

async fn one_life(seed: u64, kills: usize) {
    let (_, store) = store();
    let deeds = Deeds::default();
    let builder = agents(Callboard::dev().store(store.clone()), &deeds).settings(|settings| {
        settings.partitions = PARTITIONS;
        settings.losses_max = 1_000;
    });
    let board = builder.start().await.unwrap();
    let alive = settled().await;
    let (mut random, began) = (Random(seed), Instant::now());
    let mut runs = JoinSet::new();
    let loaded = board.clone();
    let mut load = JoinSet::new();
    let every = Duration::from_millis(800) * kills as u32 / 200;
    load.spawn(async move {
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
        killer.kill_one(&board, &mut random).await;
    }
    let calm = Instant::now();
    let ended = tokio::time::timeout(Duration::from_secs(120), load.join_next()).await;
    let Ok(Some(wrong)) = ended else {
        panic!("it does not end: seed {seed}: {:#?}", open(&board).await);
    };
    assert_eq!(wrong.unwrap(), [""; 0], "seed {seed}");
    assert_eq!(deeds.wrong(), [""; 0], "seed {seed}");
    assert!(calm.elapsed() < Duration::from_secs(60), "seed {seed}: {:?}", calm.elapsed());
    let (recorded, executed) = deeds.steps();
    println!("{:.0?}: {recorded} steps recorded, {executed} executed; killed {:?}", began.elapsed(), killer.killed());
    assert_eq!(killer.count(), kills);
    assert_eq!(board.breaches(), [], "seed {seed}");
    assert_eq!(settled().await, alive, "a task has leaked, or is missing: seed {seed}");
    for agent in board.agents().await.unwrap() {
        assert_eq!((agent.instances, agent.running), (32, 0), "{agent:?}: seed {seed}");
    }
    board.shutdown().await.unwrap();
    drop(board);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0, "seed {seed}");
}

/// Submits a run until that is known to have succeeded, waits for its end, and says what of it is not as it should be.
async fn one_run(board: Callboard, name: String, seed: u64) -> Vec<String> {
    let drawn = || graph(&name, 20, &mut Random(seed));
    let (_, outputs) = drawn();
    let run = loop {
        match board.start(drawn().0).key(name.clone()).await {
            Ok(run) => break run,
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown) => {
                sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return vec![format!("{name}: {error:#}")],
        }
    };
    loop {
        match run.outcome().await {
            Ok(RunOutcome::Completed) => break,
            Ok(outcome) => return vec![format!("{name} has ended as {outcome:?}")],
            Err(error) if error.kind() == ErrorKind::Unavailable => sleep(Duration::from_millis(100)).await,
            Err(error) => return vec![format!("{name}: {error:#}")],
        }
    }
    loop {
        match misfits(&board, run.id(), &name, &outputs).await {
            Ok(wrong) => return wrong,
            Err(error) if error.kind() == ErrorKind::Unavailable => sleep(Duration::from_millis(100)).await,
            Err(error) => return vec![format!("{name}: {error:#}")],
        }
    }
}

/// Waits until an actor is there again that has been killed.
async fn is_there(board: &Callboard, path: &str) {
    while !board.actors().await.iter().any(|actor| actor == path) {
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_actor_has_a_path() {
    let (_, store) = store();
    let board = echoing(on(&store).settings(|settings| settings.partitions = 2)).start().await.unwrap();
    settled().await;
    let actors = board.actors().await;
    let rest: Vec<&str> = actors.iter().map(String::as_str).filter(|path| !path.starts_with("node/agents/")).collect();
    let expected = [
        "node",
        "node/registry",
        "node/courier",
        "node/inspector",
        "node/partitions/0",
        "node/partitions/1",
        "node/breakers",
        "node/limits",
        "node/state",
    ];
    assert_eq!(rest, expected);
    let agents: Vec<&str> =
        actors.iter().filter_map(|path| path.strip_prefix("node/agents/")).filter(|path| !path.contains('/')).collect();
    assert_eq!(agents, ["echo", "use"]);
    assert!(actors.iter().any(|path| path == "node/agents/use/32"));
    assert!(!board.kill("node/agents/nobody").await);
}

#[tokio::test(start_paused = true)]
async fn a_child_of_the_node_that_is_killed_is_started_again_and_beyond_its_intensity_ends_the_node() {
    for path in ["node/registry", "node/courier"] {
        let meters = Meters::default();
        let _meters = meters.read();
        let (_, store) = store();
        let board = echoing(on(&store)).start().await.unwrap();
        let (long, _) = one(echo("before"));
        let run = board.start(long).await.unwrap();
        for _ in 0..5 {
            is_there(&board, path).await;
            assert!(board.kill(path).await);
            assert_eq!(board.call(echo("still there")).await.unwrap(), "still there");
        }
        let actor = path.trim_start_matches("node/");
        assert_eq!(meters.of(&format!("callboard_actor_restarts_total{{actor={actor}}}")), 5);
        is_there(&board, path).await;
        let ended = Instant::now();
        assert!(board.kill(path).await);
        board.ended().await;
        assert!(ended.elapsed() < Duration::from_secs(1), "idle, it ends at once: {:?}", ended.elapsed());
        assert_eq!(meters.of(&format!("callboard_actors_given_up_total{{actor={actor}}}")), 1);
        let error = board.call(echo("too late")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let said = full(&error);
        assert!(said.contains(&format!("it ended by itself: {actor} stopped too often, at last: killed")), "{said}");
        assert_eq!(
            board.end_reason().unwrap(),
            format!("it ended by itself: {actor} stopped too often, at last: killed")
        );
        board.shutdown().await.unwrap();
        drop(board);
        // What was acknowledged is there in the next life.
        let board = echoing(on(&store)).start().await.unwrap();
        assert_eq!(board.run(run.id()).outcome().await.unwrap(), RunOutcome::Completed);
    }
}

/// A node that ends by itself lets its handlers finish, as one that is stopped does.
#[tokio::test(start_paused = true)]
async fn a_node_that_ends_by_itself_ends_cleanly() {
    let (_, store) = store();
    let (began, ended) = (Gauge::default(), Gauge::default());
    let (begins, ends) = (began.clone(), ended.clone());
    let builder = acting(on(&store), 2, move |_, what| {
        let (begins, ends) = (begins.clone(), ends.clone());
        async move {
            begins.add();
            sleep(Duration::from_secs(10)).await;
            ends.add();
            Ok(what)
        }
    });
    let board = builder.start().await.unwrap();
    let run = board.start(one(act("it")).0).await.unwrap();
    began.reaches(1).await;
    for _ in 0..6 {
        is_there(&board, "node/courier").await;
        assert!(board.kill("node/courier").await);
    }
    board.ended().await;
    assert_eq!((began.get(), ended.get()), (1, 1));
    let id = run.id();
    drop((run, board));
    let board = echoing(on(&store)).start().await.unwrap();
    assert_eq!(board.run(id).outcome().await.unwrap(), RunOutcome::Completed);
}

/// Nobody can take it from a node that is alone; the others go on, and whoever asks is told.
#[tokio::test(start_paused = true)]
async fn a_partition_beyond_its_intensity_is_given_up_and_the_others_go_on() {
    let (_, store) = store();
    let board = echoing(on(&store).settings(|settings| settings.partitions = 2)).start().await.unwrap();
    for _ in 0..6 {
        is_there(&board, "node/partitions/1").await;
        assert!(board.kill("node/partitions/1").await);
    }
    sleep(Duration::from_secs(10)).await;
    assert!(!board.actors().await.iter().any(|path| path == "node/partitions/1"));
    let key_of = |partition| {
        (0..).map(|n| format!("key {n}")).find(|key| board.run_id_of_key(key).partition(2) == partition).unwrap()
    };
    let run = board.start(one(echo("here")).0).key(key_of(0)).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    let error = board.start(one(echo("gone")).0).key(key_of(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(full(&error).contains("the partition is down: killed"), "{error:#}");
    board.shutdown().await.unwrap();
}

/// The agent is no child on which the node depends.
#[tokio::test(start_paused = true)]
async fn an_agent_that_is_killed_without_end_does_not_end_the_node() {
    let (_, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    for _ in 0..20 {
        is_there(&board, "node/agents/use").await;
        assert!(board.kill("node/agents/use").await);
    }
    assert_eq!(board.call(echo("a")).await.unwrap(), "a");
    let workflow = Workflow::new("two");
    let first = workflow.task("first", echo("b"));
    let second = workflow.task("second", Use { text: first.out() });
    assert_eq!(board.start(workflow).await.unwrap().output(&second).await.unwrap(), "used b");
    board.shutdown().await.unwrap();
}
