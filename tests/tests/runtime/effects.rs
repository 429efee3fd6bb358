//! Effects that must not happen twice, and nodes that die between an effect and its record.

use super::kit::*;
use super::lives::{Death, life};
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::{Ctx, RunId, Status, UnknownEffect};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Deaths of a node, each while so many effects have happened, or are about to, and are not recorded; on so many stores.
const DEATHS: usize = 5;
const EFFECTS: usize = 15;
const STORES: usize = 14;

/// Whether an effect of a run is cut short after it has happened, or before.
fn happens_first(n: usize) -> bool {
    n != EFFECTS - 1
}

/// The effects of which nobody knows, once there are so many, by the name of their task.
async fn unknown(board: &Callboard, many: usize) -> BTreeMap<String, UnknownEffect> {
    loop {
        let items = board.unknown_effects().limit(1_000).await.unwrap().items;
        if items.len() >= many {
            return items.into_iter().map(|effect| (effect.task.clone(), effect)).collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn start(board: &Callboard, death: usize) -> (Run, Vec<Node<String>>) {
    let workflow = Workflow::new("payments");
    let nodes = (0..EFFECTS).map(|n| workflow.task(format!("{death}.{n}"), act(&n.to_string()))).collect();
    (board.start(workflow).key(format!("run {death}")).await.unwrap(), nodes)
}

/// A node that settles what the last one left, and dies in the midst of the next effects. `ledger` is what they do.
async fn pay(store: Arc<dyn Store>, ledger: &Tally, death: usize) {
    let (in_the_gap, cut_short) = (Gauge::default(), format!("{death}."));
    let (gap, effects) = (in_the_gap.clone(), ledger.clone());
    let builder = on(&store).settings(|settings| settings.closed_max = 4);
    let board = acting(builder, 2 * EFFECTS, move |ctx: Ctx, n: String| {
        let (gap, effects, cut_short) = (gap.clone(), effects.clone(), cut_short.clone());
        async move {
            let name = ctx.task_name().to_owned();
            let dies = name.starts_with(&cut_short);
            let pay = ctx.effect("pay").irreversible().run(async |_| {
                if dies && !happens_first(n.parse().unwrap()) {
                    gap.add();
                    std::future::pending::<()>().await;
                }
                effects.add(&name);
                if dies {
                    gap.add();
                    std::future::pending::<()>().await;
                }
                Ok(format!("paid {name}"))
            });
            pay.await
        }
    });
    let board = board.start().await.unwrap();
    if let Some(before) = death.checked_sub(1) {
        let left = unknown(&board, EFFECTS).await;
        let names: BTreeSet<String> = (0..EFFECTS).map(|n| format!("{before}.{n}")).collect();
        assert_eq!(left.keys().cloned().collect::<BTreeSet<_>>(), names, "exactly those that were cut short");
        for (task, effect) in left {
            assert_eq!((effect.contract, &*effect.id.call), ("irreversible", "effect:pay"));
            let decide = board.decide(effect.id.to_string().parse().unwrap()).by("the bank");
            match ledger.of(&task) {
                0 => decide.did_not_happen().await.unwrap(),
                _ => decide.happened(&format!("paid {task}")).await.unwrap(),
            }
        }
        let (run, nodes) = start(&board, before).await;
        for node in nodes {
            assert_eq!(run.output(&node).await.unwrap(), format!("paid {}", node.name()));
        }
        assert!(board.unknown_effects().await.unwrap().items.is_empty());
    }
    if death < DEATHS {
        start(&board, death).await;
        in_the_gap.reaches(EFFECTS).await;
    }
}

#[test]
fn no_irreversible_effect_happens_twice_in_980_deaths_between_it_and_its_record() {
    assert_eq!(STORES * DEATHS * (0..EFFECTS).filter(|n| happens_first(*n)).count(), 980);
    for _ in 0..STORES {
        let (objects, ledger) = (MemoryStore::new(), Tally::default());
        for death in 0..=DEATHS {
            life(&objects, Death::Natural, async |store| pay(store, &ledger, death).await);
        }
        let ledger = ledger.all();
        assert_eq!(ledger.len(), DEATHS * EFFECTS);
        assert!(ledger.values().all(|times| *times == 1), "{ledger:?}");
    }
}

/// The deaths of instances, which take their agents with them; the run goes on in the same node.
#[tokio::test(start_paused = true)]
async fn an_irreversible_effect_that_panics_or_fails_waits_for_a_person_and_then_the_run_completes() {
    let (_, store) = store();
    let ledger = Tally::default();
    let effects = ledger.clone();
    let builder = on(&store).settings(|settings| settings.retry.base = Duration::ZERO);
    let board = acting(builder, 3, move |ctx: Ctx, what: String| {
        let effects = effects.clone();
        async move {
            let run = ctx.effect("pay").run(async |_| {
                effects.add(&what);
                match (what.as_str(), effects.of(&what)) {
                    ("panic", 1) => std::panic::resume_unwind(Box::new("as told")),
                    ("error", 1) => Err(Error::retryable("connection reset")),
                    ("surely not", 1) => Err(Error::retry_after(Duration::ZERO, "too many requests")),
                    ("never", _) => Err(Error::terminal("no such account")),
                    _ => Ok(what.clone()),
                }
            });
            run.await
        }
    });
    let board = board.start().await.unwrap();
    let workflow = Workflow::new("payments");
    let node = |what: &str| workflow.task(what, act(what));
    let (panic, error, surely, never) = (node("panic"), node("error"), node("surely not"), node("never"));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.output(&surely).await.unwrap(), "surely not");
    assert!(full(&run.output(&never).await.unwrap_err()).contains("no such account"));
    let left = unknown(&board, 2).await;
    assert_eq!(left.keys().collect::<Vec<_>>(), ["error", "panic"]);
    assert!(left["error"].reason.contains("connection reset"), "{left:?}");
    // Both are parked, and wait for no instance.
    loop {
        let tasks = run.tasks().status(Status::Parked).await.unwrap().items;
        if tasks.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let wrong = board.decide(left["panic"].id.clone()).happened(&7).await;
    wrong.unwrap(); // it is not known here what the handler makes of it
    board.decide(left["error"].id.clone()).did_not_happen().await.unwrap();
    assert_eq!(run.output(&error).await.unwrap(), "error");
    let diverged = full(&run.output(&panic).await.unwrap_err());
    assert!(diverged.contains("is no alloc::string::String"), "{diverged}");
    assert_eq!((ledger.of("panic"), ledger.of("error"), ledger.of("surely not")), (1, 2, 2));
    // The same again is no harm; the contrary is refused.
    board.decide(left["error"].id.clone()).happened(&"x").await.unwrap();
    let other = board.decide(left["panic"].id.clone()).did_not_happen().await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict, "{}", full(&other));
    board.shutdown().await.unwrap();
}

fn of_partition(board: &Callboard, partition: u16) -> String {
    let of = |key: &String| board.run_id_of_key(key).partition(2) == partition;
    (0..).map(|n| format!("parent {n}")).find(of).unwrap()
}

/// What a handler has started has ended, and left memory, before the start is recorded; it is not started once more.
#[test]
fn a_run_that_a_handler_starts_is_started_once_although_it_is_in_the_archive() {
    use callboard::port::store::fault::{Fault, FaultStore, Operation};
    let (objects, echoes) = (MemoryStore::new(), Tally::default());
    let node = |store: Arc<dyn Store>, begin: Gate| {
        let echoes = echoes.clone();
        let builder = on(&store).settings(|settings| (settings.partitions, settings.closed_max) = (2, 0));
        let builder = builder.task_fn(move |_, task: Echo| {
            echoes.add(&task.text);
            async move { Ok(task.text) }
        });
        acting(builder, 4, move |ctx: Ctx, _| {
            let begin = begin.clone();
            async move {
                begin.pass().await;
                let run = ctx.start(one(echo(&ctx.run_id().to_string())).0).await?;
                Ok(format!("{:?}", run.outcome().await?))
            }
        })
    };
    let mut keys: Vec<String> = Vec::new();
    let first = life(&objects, Death::Natural, async |store| {
        let faults = FaultStore::new(store);
        let begin = Gate::shut();
        let board = node(Arc::new(faults.clone()), begin.clone()).start().await.unwrap();
        // Of some of them the child is in the other partition, which goes on.
        let zero = of_partition(&board, 0);
        keys =
            (0..12).map(|n| format!("{zero} {n}")).filter(|key| board.run_id_of_key(key).partition(2) == 0).collect();
        for key in &keys {
            board.start(one(act("")).0).key(key).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        faults.always(Operation::Create, "*/0000/log/*", Fault::Hang);
        begin.open();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let ids: Vec<RunId> = keys.iter().map(|key| board.run_id_of_key(key)).collect();
        ids
    });
    let started = echoes.all();
    assert!(!started.is_empty() && started.values().all(|times| *times == 1), "{started:?}");
    assert!(started.keys().all(|id| first.0.as_ref().unwrap().iter().any(|run| run.to_string() == *id)));
    life(&objects, Death::Natural, async |store| {
        let begin = Gate::shut();
        begin.open();
        let board = node(store, begin).start().await.unwrap();
        for key in &keys {
            let run = board.run(board.run_id_of_key(key));
            assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        }
        board.shutdown().await.unwrap();
    });
    let all = echoes.all();
    assert!(all.len() == keys.len() && all.values().all(|times| *times == 1), "{all:?}");
}
