//! Random handlers on nodes and stores that fail at random: they come to what a simple interpreter says, and nothing that
//! is recorded is done again.

use super::kit::*;
use super::lives::{Death, life, recorded};
use crate::random::Random;
use callboard::port::store::fault::{FaultStore, Odds};
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::{RunId, Settings, What};
use callboard_simulator::program::{Op, Outside, Program, draw, employed, id_of, number_of, oracle, signals, unscoped};
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// What outlives nodes.
#[derive(Clone, Default)]
struct World(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    run: Option<RunId>,
    recorded: BTreeSet<(String, String)>,
    breaches: Vec<String>,
    /// How often each effect happened, and under which keys.
    effects: BTreeMap<(String, String), (usize, BTreeSet<String>)>,
    signalled: usize,
    /// Effects that happen until one takes its node with it, if one does.
    deadly: Option<usize>,
    killed: Arc<Notify>,
}

impl World {
    fn outside(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }
}

impl Outside for World {
    fn begins(&self) -> u64 {
        0 // what is recorded is looked up after each death, and told apart by that
    }

    fn body(&self, task: &str, call: &str, _: u64) {
        let mut outside = self.outside();
        if outside.recorded.contains(&(task.to_owned(), call.to_owned())) {
            outside.breaches.push(format!("{call} of {task} runs although it is recorded"));
        }
    }

    fn given(&self, _: &str, _: &str) {}

    fn effect(&self, task: &str, call: &str, key: &str) -> bool {
        let mut outside = self.outside();
        let is_deadly = outside.deadly == Some(0);
        outside.deadly = outside.deadly.and_then(|left| left.checked_sub(1));
        if is_deadly {
            outside.killed.notify_one();
        }
        let (times, keys) = outside.effects.entry((task.to_owned(), call.to_owned())).or_default();
        *times += 1;
        keys.insert(key.to_owned());
        !is_deadly
    }

    fn happened(&self, task: &str, call: &str) -> bool {
        self.outside().effects.contains_key(&(task.to_owned(), call.to_owned()))
    }
}

fn tight(settings: &mut Settings) {
    settings.partitions = 2;
    settings.park_after = Duration::from_millis(3);
    settings.retry.base = Duration::from_millis(5);
    settings.losses_max = 1_000;
    settings.closed_max = 1;
    settings.snapshot_events = 25;
    settings.garbage_late = Duration::from_secs(4);
}

async fn attend(board: &Callboard, run: &Run, world: &World, wanted: usize) -> Result<std::convert::Infallible> {
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for approval in board.approvals().await?.items {
            // Somebody else may have answered: an earlier try of unknown outcome.
            let _answered = board.approve(approval.id).await;
        }
        for effect in board.unknown_effects().await?.items {
            let happened = world.happened(&id_of(run.id(), &effect.task), unscoped(&effect.id.call));
            let value = number_of(&effect.id.call);
            let decide = board.decide(effect.id);
            let _decided = if happened { decide.happened(&value).await } else { decide.did_not_happen().await };
        }
        if world.outside().signalled < wanted && run.signal("s", &"signal").await.is_ok() {
            world.outside().signalled += 1;
        }
    }
}

/// One life; `spoil` has its store fail once it has begun.
async fn live(store: Arc<dyn Store>, world: &World, ops: &[Op], spoil: impl FnOnce()) -> Result<String> {
    let builder = employed(Callboard::dev().store(store).settings(tight), 32, world);
    let board = builder.start().await?;
    spoil();
    let workflow = Workflow::new("random");
    let it = workflow.task("it", Program::new(ops.to_vec()));
    let run = board.start(workflow).key("the run").await?;
    world.outside().run = Some(run.id());
    let ended = async {
        let said = run.output(&it).await?;
        run.outcome().await.map(|outcome| (said, outcome))
    };
    let (said, outcome) = tokio::select! {
        ended = ended => ended?,
        never = attend(&board, &run, world, signals(ops)) => match never? {},
    };
    assert_eq!(outcome, RunOutcome::Completed);
    let events: Vec<_> = run.events().collect().await;
    let mut once = BTreeSet::new();
    for event in &events {
        if let What::Recorded { call } = &event.what {
            assert!(once.insert((event.task.clone(), call.clone())), "recorded twice: {event}");
        }
    }
    assert!(board.unknown_effects().await?.items.is_empty() && board.approvals().await?.items.is_empty());
    assert_eq!(board.breaches(), []);
    board.shutdown().await?;
    Ok(said)
}

fn one_program(seed: u64) {
    let mut random = Random(seed);
    let ops = draw(&mut random, 7);
    let (objects, world, expected) = (MemoryStore::new(), World::default(), oracle(&ops));
    let in_time = async |store: Arc<dyn Store>, spoil: Box<dyn FnOnce()>| {
        let lived = tokio::time::timeout(Duration::from_secs(7_200), live(store, &world, &ops, spoil)).await;
        lived.unwrap_or_else(|_| panic!("seed {seed}: it hangs: {ops:#?}"))
    };
    let deaths = random.below(6);
    for _ in 0..deaths {
        // The start takes some 60 operations.
        let operations = 50 + random.below(120);
        let death = if random.below(2) == 0 { Death::Before(operations) } else { Death::Behind(operations) };
        let (chance, calm) = (random.below(1 << 30) as u64, random.below(2) == 0);
        world.outside().deadly = Some(random.below(4));
        life(&objects, death, async |store| {
            let faults = FaultStore::new(store);
            let given = faults.clone();
            let spoil = move || {
                let odds = Odds { lose_request: 0.01, lose_answer: 0.02, late: 0.01, ..Odds::default() };
                let odds = Odds { twice: 0.02, exists: 0.02, refuse: 0.02, late_operations_max: 5, ..odds };
                if !calm {
                    given.random(chance, Odds { delay_max: Duration::from_millis(10), ..odds });
                }
            };
            let killed = world.outside().killed.clone();
            tokio::select! {
                _refused_by_its_store = in_time(Arc::new(faults), Box::new(spoil)) => {}
                () = killed.notified() => {}
            }
        });
        world.outside().deadly = None;
        let run = world.outside().run;
        if let Some(run) = run {
            let recorded = recorded(&objects, "the run", tight).into_iter();
            world.outside().recorded =
                recorded.map(|(task, call)| (id_of(run, &task), unscoped(&call).to_owned())).collect();
        }
    }
    let (said, _) = life(&objects, Death::Natural, async |store| in_time(store, Box::new(|| {})).await);
    let said = said.unwrap().unwrap_or_else(|error| panic!("seed {seed}: {}: {ops:#?}", full(&error)));
    assert_eq!(said, expected, "seed {seed}: {ops:#?}");
    let outside = world.outside();
    assert!(outside.breaches.is_empty(), "seed {seed}: {:#?}", outside.breaches);
    for ((task, call), (times, keys)) in &outside.effects {
        assert_eq!(keys.len(), 1, "seed {seed}: {call} of {task} under {keys:?}");
        assert!(
            *times == 1 || !call.ends_with('!') && *times <= deaths + 1,
            "seed {seed}: {call} of {task} {times} times"
        );
    }
}

/// `TEST_SEEDS` is how many programs to run, up to 10,000.
#[test]
fn random_handlers_come_to_what_an_interpreter_says_whatever_dies() {
    let seeds = std::env::var("TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(40).min(10_000);
    (0..seeds).for_each(one_program);
}

/// Runs the one program that `TEST_SEED` names, after a failure of the test above.
#[test]
fn the_random_handler_of_one_seed_comes_to_what_an_interpreter_says() {
    one_program(std::env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0));
}
