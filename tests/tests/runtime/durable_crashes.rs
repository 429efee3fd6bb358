//! A handler that does everything, with a death of its node at every operation of the store: it comes to the same, what
//! is recorded is not done again, and effects keep what was promised of them.

use super::kit::*;
use super::lives::{Death, every, life, recorded};
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::{Builder, Ctx, Either, Settings, What};
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// What outlives a node: the outside, and what a test remembers.
#[derive(Clone, Default)]
struct World(Arc<Mutex<Outside>>);

#[derive(Default)]
struct Outside {
    /// What is recorded, at the beginning of a life.
    recorded: BTreeSet<(String, String)>,
    /// What was done again although it was recorded, and other breaches.
    breaches: Vec<String>,
    bodies: BTreeMap<String, usize>,
    /// What each effect did: how often it ran, under which idempotency keys, and what it left.
    effects: BTreeMap<String, (usize, BTreeSet<String>)>,
    signalled: bool,
}

impl World {
    fn outside(&self) -> std::sync::MutexGuard<'_, Outside> {
        self.0.lock().unwrap()
    }

    /// The code of a call runs.
    fn body(&self, ctx: &Ctx, call: &str) {
        let mut outside = self.outside();
        if outside.recorded.contains(&(ctx.task_name().to_owned(), call.to_owned())) {
            outside.breaches.push(format!("{call} of {} runs although it is recorded", ctx.task_name()));
        }
        *outside.bodies.entry(call.to_owned()).or_default() += 1;
    }

    fn effect(&self, ctx: &Ctx, name: &str, key: &str) {
        self.body(ctx, &format!("effect:{name}"));
        let mut outside = self.outside();
        let (times, keys) = outside.effects.entry(name.to_owned()).or_default();
        *times += 1;
        keys.insert(key.to_owned());
    }

    fn happened(&self, name: &str) -> bool {
        self.outside().effects.contains_key(name)
    }
}

async fn step(ctx: &Ctx, world: &World, name: &'static str) -> Result<String> {
    let step = ctx.step(name, || async {
        world.body(ctx, &format!("step:{name}"));
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(name.to_owned())
    });
    step.await
}

/// Does everything that a handler can.
async fn everything(ctx: Ctx, world: World) -> Result<String> {
    let mut said = vec![step(&ctx, &world, "a").await?];
    said.push(ctx.call(echo("called")).await?);
    let submitted = ctx.submit(echo("submitted")).await?;
    said.extend(ctx.map(["m0", "m1", "m2"].map(echo)).width(2).await?);
    let vote = ctx.vote(echo("voted")).await?;
    said.push(vote.winner);
    ctx.sleep(Duration::from_secs(90)).await?;
    said.push(ctx.signal("word").await?);
    said.push(ctx.approval("well?").await?.to_string());
    let met = ctx.barrier("meet", 2, &"one".to_owned()).await?;
    said.extend(met.arrived.into_iter().map(|(task, brought)| format!("{task} {brought}")).collect::<BTreeSet<_>>());
    match ctx.race(ctx.call(echo("never")), ctx.sleep(Duration::from_secs(10))).await {
        Either::First(never) => said.push(never?),
        Either::Second(slept) => slept?,
    }
    let inner = Workflow::new("inner");
    let first = inner.task("first", echo("nested"));
    let last = inner.task("last", Use { text: first.out() });
    let nested = ctx.nest(&inner).await?;
    said.push(nested.output(&last).await?);
    let started = ctx.start(one(echo("started")).0).await?;
    said.push(format!("{:?}", started.outcome().await?));
    for (name, contract) in [("keyed", 0), ("checkable", 1), ("irreversible", 2)] {
        let effect = ctx.effect(name);
        let effect = match contract {
            0 => effect.keyed(),
            1 => effect.checkable(|| async { Ok(world.happened("checkable").then(|| "checkable".to_owned())) }),
            _ => effect.irreversible(),
        };
        let run = effect.run(|key| {
            let (ctx, world) = (ctx.clone(), world.clone());
            async move {
                world.effect(&ctx, name, key.as_str());
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(name.to_owned())
            }
        });
        said.push(run.await?);
    }
    said.push(submitted.await?);
    said.push(step(&ctx, &world, "z").await?);
    Ok(said.join(", "))
}

fn tight(settings: &mut Settings) {
    settings.partitions = 1;
    settings.park_after = Duration::ZERO;
    settings.closed_max = 0;
    settings.snapshot_events = 20;
    settings.garbage_late = Duration::from_secs(4);
}

fn agents(builder: Builder, world: &World) -> Builder {
    let (echoes, acts) = (world.clone(), world.clone());
    let builder = builder.task_fn(move |ctx: Ctx, task: Echo| {
        let world = echoes.clone();
        async move {
            if task.text == "never" {
                return std::future::pending().await;
            }
            step(&ctx, &world, "echo").await?;
            Ok(task.text)
        }
    });
    let builder = builder.task_fn(|_, task: Use| async move { Ok(format!("used {}", *task.text)) });
    acting(builder, 2, move |ctx: Ctx, what: String| {
        let world = acts.clone();
        async move {
            if what == "two" {
                let met = ctx.barrier("meet", 2, &"two".to_owned()).await?;
                return Ok(met.whole.to_string());
            }
            everything(ctx, world).await
        }
    })
}

/// Answers whatever is asked for, as somebody outside would.
async fn attend(board: &Callboard, run: &Run, world: &World) -> Result<std::convert::Infallible> {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for approval in board.approvals().await?.items {
            board.approve(approval.id).await?;
        }
        for effect in board.unknown_effects().await?.items {
            let name = effect.id.call.trim_start_matches("effect:").to_owned();
            let decide = board.decide(effect.id);
            if world.happened(&name) { decide.happened(&name).await? } else { decide.did_not_happen().await? }
        }
        if !world.outside().signalled {
            run.signal("word", &"signalled").await?;
            world.outside().signalled = true;
        }
    }
}

/// One life: starts the run if need be, and attends to it until it has ended.
async fn live(store: Arc<dyn Store>, world: &World) -> Result<(String, Vec<String>)> {
    let board = agents(Callboard::dev().store(store).settings(tight), world).start().await?;
    let workflow = Workflow::new("everything");
    let it = workflow.task("it", act("one"));
    workflow.task("other", act("two"));
    let run = board.start(workflow).key("the run").await?;
    let said = tokio::select! {
        said = run.output(&it) => said?,
        never = attend(&board, &run, world) => match never? {},
    };
    assert_eq!(run.outcome().await?, RunOutcome::Completed);
    let runs: Vec<String> = board.runs().await?.items.into_iter().map(|run| run.workflow.to_string()).collect();
    let completed: Vec<_> =
        run.events().filter(|event| std::future::ready(event.what == What::Completed)).collect().await;
    let names: BTreeSet<_> = completed.iter().map(|event| event.task.clone()).collect();
    assert_eq!(names.len(), completed.len(), "each task completes once: {completed:#?}");
    board.shutdown().await?;
    Ok((said, runs))
}

#[test]
fn a_handler_that_does_everything_comes_to_the_same_wherever_its_node_dies() {
    let (undisturbed, operations) =
        life(&MemoryStore::new(), Death::Natural, async |store| live(store, &World::default()).await.unwrap());
    let (said, runs) = undisturbed.unwrap();
    println!("{operations} operations: {said}");
    assert_eq!(
        said,
        "a, called, m0, m1, m2, voted, signalled, true, it one, other two, used nested, Completed, keyed, checkable, \
         irreversible, submitted, z"
    );
    for death in (0..2 * operations).step_by(every(23)).map(Death::number) {
        let (objects, world) = (MemoryStore::new(), World::default());
        let (ended, _) = life(&objects, death, async |store| live(store, &world).await);
        if let Some(Ok(_)) = ended {
            continue; // it was over before
        }
        let durable = recorded(&objects, "the run", tight);
        world.outside().recorded = durable;
        let (ended, _) = life(&objects, Death::Natural, async |store| {
            tokio::time::timeout(Duration::from_secs(3_600), live(store, &world)).await.expect("it ends").unwrap()
        });
        assert_eq!(ended.unwrap(), (said.clone(), runs.clone()), "{death:?}");
        let outside = world.outside();
        assert!(outside.breaches.is_empty(), "{death:?}: {:#?}", outside.breaches);
        for (name, (times, keys)) in &outside.effects {
            assert!(*times <= 2 && keys.len() == 1, "{death:?}: {name} ran {times} times under {keys:?}");
            assert!(name == "keyed" || *times == 1, "{death:?}: {name} happened {times} times");
        }
    }
}

/// Two branches whose second steps share a name and finish in the reverse of the order in which they begin.
async fn branches(ctx: Ctx, world: World, how: &str) -> Result<String> {
    let branch = async |ctx: Ctx, name: &'static str, first: u64, second: u64| -> Result<String> {
        let step = async |what: &'static str, pause: u64| -> Result<String> {
            let step = ctx.step(what, || async {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                world.outside().bodies.entry(format!("{name} {what}")).and_modify(|n| *n += 1).or_insert(1);
                Ok(format!("{name} {what}"))
            });
            step.await
        };
        let begun = step(name, first).await?;
        Ok(format!("{begun}, {}", step("second", second).await?))
    };
    let (slow, fast) = match how {
        "scoped" => {
            let (a, b) = (ctx.scope("a"), ctx.scope("b"));
            tokio::join!(branch(a, "a", 5, 100), branch(b, "b", 10, 5))
        }
        "joined" => futures::join!(branch(ctx.clone(), "a", 5, 100), branch(ctx.clone(), "b", 10, 5)),
        _ => tokio::join!(branch(ctx.clone(), "a", 5, 100), branch(ctx.clone(), "b", 10, 5)),
    };
    Ok(format!("{}; {}", slow?, fast?))
}

#[test]
fn two_branches_whose_steps_share_a_name_come_to_the_same_wherever_their_node_dies() {
    for how in ["scoped", "joined", "tokio"] {
        let live = async |store: Arc<dyn Store>, world: World| -> Result<String> {
            let builder = Callboard::dev().store(store).settings(|settings| settings.partitions = 1);
            let board = acting(builder, 1, move |ctx: Ctx, what: String| {
                let world = world.clone();
                async move { branches(ctx, world, &what).await }
            });
            let board = board.start().await?;
            let (workflow, it) = one(act(how));
            board.start(workflow).key("the run").await?.output(&it).await
        };
        let (said, operations) =
            life(&MemoryStore::new(), Death::Natural, async |store| live(store, World::default()).await);
        assert_eq!(said.unwrap().unwrap(), "a a, a second; b b, b second", "{how}");
        for death in (0..2 * operations).step_by(every(3)).map(Death::number) {
            let (objects, world) = (MemoryStore::new(), World::default());
            if let (Some(Ok(_)), _) = life(&objects, death, async |store| live(store, world.clone()).await) {
                continue;
            }
            let durable = recorded(&objects, "the run", |settings| settings.partitions = 1);
            let before = world.outside().bodies.clone();
            let (said, _) = life(&objects, Death::Natural, async |store| live(store, world.clone()).await);
            assert_eq!(said.unwrap().unwrap(), "a a, a second; b b, b second", "{how}, {death:?}");
            // As many as are recorded were not done again.
            let done_again = world
                .outside()
                .bodies
                .iter()
                .filter(|(name, n)| before.get(*name).is_some_and(|before| *n > before))
                .count();
            assert!(done_again + durable.len() <= 4, "{how}, {death:?}: {before:?}, then {:?}", world.outside().bodies);
            assert!(world.outside().bodies.values().all(|n| *n <= 2));
        }
    }
}
