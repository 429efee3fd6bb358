//! Durable code: steps, children, waits, parking.

use super::kit::{Gauge, Tally, act, acting, on, one, store};
use callboard::prelude::*;
use callboard::{Either, Status};
use std::sync::{Arc, Mutex};

/// A board whose one agent does what `f` says, parking at once.
fn parking(store: &Arc<dyn callboard::port::store::Store>) -> callboard::Builder {
    on(store).settings(|settings| settings.park_after = Duration::ZERO)
}

#[tokio::test]
async fn a_step_is_recorded_and_not_run_again() {
    let (_, store) = store();
    let runs = Tally::default();
    let counted = runs.clone();
    let board = acting(on(&store), 1, move |ctx: callboard::Ctx, _| {
        let runs = counted.clone();
        async move {
            let first: String = ctx
                .step("first", || async {
                    runs.add("first");
                    Ok("one".to_owned())
                })
                .await?;
            if ctx.attempt() == 1 {
                return Err(Error::retry_after(Duration::ZERO, "once more"));
            }
            let second: u32 = ctx.step("second", || async { Ok(2) }).await?;
            Ok(format!("{first} {second}"))
        }
    })
    .settings(|settings| settings.retry.base = Duration::ZERO)
    .start()
    .await
    .unwrap();
    let (workflow, it) = one(act("x"));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.output(&it).await.unwrap(), "one 2");
    assert_eq!(runs.of("first"), 1);
    board.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_task_that_waits_long_holds_no_instance_and_goes_on_where_it_was() {
    let (_, store) = store();
    let starts = Gauge::default();
    let begun = starts.clone();
    let board = acting(parking(&store), 1, move |ctx: callboard::Ctx, what: String| {
        let begun = begun.clone();
        async move {
            begun.add();
            let asked: u32 = ctx.step("asked", || async { Ok(7) }).await?;
            let yes = ctx.approval(format!("{what}?")).await?;
            let word: String = ctx.signal("word").await?;
            Ok(format!("{what} {asked} {yes} {word}"))
        }
    })
    .start()
    .await
    .unwrap();
    let (workflow, it) = one(act("a"));
    let run = board.start(workflow).await.unwrap();
    let (workflow, other) = one(act("b"));
    let second = board.start(workflow).await.unwrap();
    // Both wait although there is one instance.
    loop {
        let open = board.approvals().await.unwrap().items;
        if open.len() == 2 {
            break;
        }
        tokio::task::yield_now().await;
    }
    second.signal("word", &"early").await.unwrap();
    second.reject().await.unwrap();
    assert_eq!(second.output(&other).await.unwrap(), "b 7 false early");
    run.approve().by("me").await.unwrap();
    run.signal("word", &"late").await.unwrap();
    assert_eq!(run.output(&it).await.unwrap(), "a 7 true late");
    let tasks = run.tasks().await.unwrap().items;
    assert_eq!((tasks[0].status, tasks[0].losses, tasks[0].failures.len()), (Status::Completed, 0, 0));
    board.shutdown().await.unwrap();
}

#[task(output = u64)]
struct Fib {
    n: u64,
}

#[derive(Default)]
struct Fibber;

impl Agent<Fib> for Fibber {
    async fn run(&mut self, ctx: &Ctx, t: Fib) -> Result<u64> {
        if t.n < 2 {
            return Ok(t.n);
        }
        Ok(ctx.map([Fib { n: t.n - 1 }, Fib { n: t.n - 2 }]).await?.iter().sum())
    }
}

#[tokio::test]
async fn a_task_may_call_its_own_capability_with_one_instance() {
    let (_, store) = store();
    let board = parking(&store).agent(Fibber::default).start().await.unwrap();
    assert_eq!(board.call(Fib { n: 7 }).await.unwrap(), 13);
    board.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_loser_of_a_race_is_taken_back() {
    let (_, store) = store();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let board = acting(parking(&store), 1, move |ctx: callboard::Ctx, _| {
        let seen = seen.clone();
        async move {
            let won = ctx.race(ctx.signal::<u32>("a"), ctx.signal::<u32>("b")).await;
            if let Either::First(a) = won {
                seen.lock().unwrap().push(a?);
            }
            // The signal that lost was withdrawn, so this one is for whoever asks now.
            let b: u32 = ctx.signal("b").await?;
            Ok(b.to_string())
        }
    })
    .start()
    .await
    .unwrap();
    let (workflow, it) = one(act("x"));
    let run = board.start(workflow).await.unwrap();
    run.signal("a", &1).await.unwrap();
    run.signal("b", &2).await.unwrap();
    assert_eq!(run.output(&it).await.unwrap(), "2");
    board.shutdown().await.unwrap();
}

#[tokio::test]
async fn who_is_not_needed_any_more_is_cancelled_although_the_handler_ends_at_once() {
    let (_, store) = store();
    let board = acting(on(&store), 1, move |ctx: callboard::Ctx, what: String| async move {
        let slow = || act("slow");
        match &*what {
            "slow" => std::future::pending().await,
            // The step is recorded before the child is: it is taken back on its way.
            "step" => match ctx.race(ctx.step("quick", || async { Ok("quick".to_owned()) }), ctx.call(slow())).await {
                Either::First(first) => first,
                Either::Second(second) => second,
            },
            "race" => match ctx.race(ctx.call(Echoed { slow: false }), ctx.call(slow())).await {
                Either::First(first) => first,
                Either::Second(second) => second,
            },
            _ => {
                let won = ctx.map([Echoed { slow: false }, Echoed { slow: true }]).first_ok(1).await?;
                Ok(won.concat())
            }
        }
    })
    .task_fn(|_, t: Echoed| async move { if t.slow { std::future::pending().await } else { Ok("quick".to_owned()) } })
    .start()
    .await
    .unwrap();
    for what in ["race", "map", "step"] {
        let (workflow, it) = one(act(what));
        let run = board.start(workflow).await.unwrap();
        assert_eq!(run.output(&it).await.unwrap(), "quick");
        // The run ends when nothing of it goes on.
        let ended = tokio::time::timeout(Duration::from_secs(10), run.outcome()).await;
        assert!(ended.is_ok(), "{what}: the loser goes on");
        let tasks = run.tasks().await.unwrap().items;
        let (loser, others) = tasks.split_last().unwrap();
        assert!(others.iter().all(|task| task.status == Status::Completed), "{what}: {tasks:?}");
        assert_eq!(loser.status, Status::Cancelled, "{what}: {tasks:?}");
    }
    board.shutdown().await.unwrap();
}

#[task(output = String)]
struct Echoed {
    slow: bool,
}

#[tokio::test]
async fn a_function_may_have_effects_of_every_contract() {
    let (_, store) = store();
    let board = on(&store)
        .task_fn(|ctx: callboard::Ctx, _: Echoed| async move {
            let pure: u32 = ctx.effect("pure").pure().run(|_| async { Ok(1) }).await?;
            let keyed: String = ctx.effect("keyed").keyed().run(|key| async move { Ok(key.to_string()) }).await?;
            let probed = ctx.effect("probed").checkable(|| async { Ok(Some(2_u32)) }).run(|_| async { Ok(3) }).await?;
            let once: u32 = ctx.effect("once").irreversible().run(|_| async { Ok(4) }).await?;
            Ok(format!("{pure} {} {probed} {once}", keyed.len()))
        })
        .start()
        .await
        .unwrap();
    assert_eq!(board.call(Echoed { slow: false }).await.unwrap(), "1 32 3 4");
    board.shutdown().await.unwrap();
}
