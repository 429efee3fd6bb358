//! Durable calls where attempts, races and replays meet.

use super::kit::*;
use callboard::port::store::Store;
use callboard::port::store::fault::{Fault, Operation};
use callboard::prelude::*;
use callboard::{Builder, Ctx, Either, Status, What};
use futures::{FutureExt, StreamExt};
use std::future::IntoFuture;
use std::sync::Arc;

/// Longer than anything here may take in tokio's time.
async fn in_time<F: IntoFuture>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(600), what.into_future()).await.expect("it goes on")
}

/// A runtime whose handlers are parked at once and retried at once.
fn parking(store: &Arc<dyn Store>) -> Builder {
    on(store).settings(|settings| {
        settings.park_after = Duration::ZERO;
        settings.retry.base = Duration::ZERO;
    })
}

/// The same with an agent that echoes unless the text says otherwise: `fail N` fails in its first N lives, `never` waits
/// for ever.
fn with_children(builder: Builder, lives: &Tally) -> Builder {
    let lives = lives.clone();
    builder.task_fn(move |_, task: Echo| {
        let lives = lives.clone();
        async move {
            lives.add(&task.text);
            match task.text.strip_prefix("fail ").map(|times| times.parse::<usize>().unwrap()) {
                Some(times) if lives.of(&task.text) <= times => Err(Error::terminal("as told")),
                None if task.text == "never" => std::future::pending().await,
                _ => Ok(task.text),
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_child_that_failed_is_asked_for_again_by_the_next_attempt() {
    let (_, store) = store();
    let lives = Tally::default();
    let board = acting(with_children(parking(&store), &lives), 1, |ctx: Ctx, _| async move {
        let one = ctx.call(echo("fail 1")).await.map_err(|error| Error::retryable(full(&error)));
        let many = ctx.map([echo("fail 2"), echo("fine")]).await;
        let many = many.map_err(|error| Error::retryable(full(&error)));
        // Both are asked for in every attempt.
        Ok(format!("{} {}", one?, many?.join(" ")))
    });
    let board = board.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(in_time(run.output(&it)).await.unwrap(), "fail 1 fail 2 fine");
    assert_eq!((lives.of("fail 1"), lives.of("fail 2"), lives.of("fine")), (2, 3, 1));
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_whose_time_has_passed_waits_anew_in_the_next_attempt() {
    let (_, store) = store();
    let board = acting(parking(&store), 1, |ctx: Ctx, _| async move {
        let word: String = ctx.signal("word").timeout(Duration::from_secs(60)).await?;
        let yes = ctx.approval("well?").timeout(Duration::from_secs(60)).await?;
        Ok(format!("{word} {yes} {}", ctx.attempt()))
    });
    let board = board.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(90)).await;
    run.signal("word", &"hello").await.unwrap();
    tokio::time::sleep(Duration::from_secs(90)).await;
    run.approve().await.unwrap();
    assert_eq!(in_time(run.output(&it)).await.unwrap(), "hello true 3");
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_surely_did_not_happen_runs_again_in_the_next_attempt() {
    let (_, store) = store();
    let tries = Tally::default();
    let count = tries.clone();
    let board = acting(parking(&store), 1, move |ctx: Ctx, _| {
        let tries = count.clone();
        async move {
            let run = |name: &'static str| {
                let tries = tries.clone();
                async move {
                    tries.add(name);
                    match tries.of(name) {
                        1 => Err(Error::retry_after(Duration::ZERO, "busy")),
                        _ => Ok(name.to_owned()),
                    }
                }
            };
            let a = ctx.effect("a").irreversible().run(|_| run("a")).await?;
            let b = ctx.effect("b").keyed().run(|_| run("b")).await?;
            let c = ctx.effect("c").checkable(|| async { Ok(None::<String>) }).run(|_| run("c")).await?;
            Ok(a + &b + &c)
        }
    });
    let board = board.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(in_time(run.output(&it)).await.unwrap(), "abc");
    assert_eq!((tries.of("a"), tries.of("b"), tries.of("c")), (2, 2, 2));
    assert!(board.unknown_effects().await.unwrap().items.is_empty());
    board.shutdown().await.unwrap();
}

/// What was taken back is taken back although nothing comes after it in the handler.
#[tokio::test(start_paused = true)]
async fn losers_are_cancelled_although_the_handler_ends_with_the_race() {
    let (_, store) = store();
    let lives = Tally::default();
    let board = acting(with_children(parking(&store), &lives), 1, |ctx: Ctx, what: String| async move {
        match what.as_str() {
            "race" => match ctx.race(ctx.call(echo("never")), ctx.sleep(Duration::from_secs(5))).await {
                Either::First(_) => Err(Error::terminal("it never ends")),
                Either::Second(slept) => slept.map(|()| "slept".to_owned()),
            },
            "map" => Ok(ctx.map([echo("never"), echo("fine")]).first_ok(1).await?.join(" ")),
            "child" => {
                let child = ctx.submit(echo("never")).await?;
                child.cancel();
                Ok("cancelled".to_owned())
            }
            _ => {
                let joined = ctx.map([echo("never")]).min_ok(0).partial_after(Duration::from_secs(5)).joined().await?;
                Ok(format!("{:?}", joined.unfinished))
            }
        }
    });
    let board = board.start().await.unwrap();
    for (what, comes_to) in [("race", "slept"), ("map", "fine"), ("child", "cancelled"), ("partial", "[0]")] {
        let (workflow, it) = one(act(what));
        let run = board.start(workflow).await.unwrap();
        assert_eq!(in_time(run.output(&it)).await.unwrap(), comes_to);
        assert_eq!(in_time(run.outcome()).await.unwrap(), RunOutcome::Completed, "{what}");
        let tasks = run.tasks().await.unwrap().items;
        assert!(tasks.iter().any(|task| task.status == Status::Cancelled), "{what}: {tasks:#?}");
    }
    board.shutdown().await.unwrap();
}

/// The loser may be on its way to the journal when the race is over.
#[tokio::test(start_paused = true)]
async fn a_loser_that_is_being_submitted_is_cancelled_all_the_same() {
    let (faults, store) = store();
    let lives = Tally::default();
    let (begin, go_on) = (Gate::shut(), Gate::shut());
    let gates = (begin.clone(), go_on.clone());
    let board = acting(with_children(parking(&store), &lives), 1, move |ctx: Ctx, _| {
        let (begin, go_on) = gates.clone();
        async move {
            begin.pass().await;
            let lost = ctx.race_all([
                ctx.signal::<u32>("s").into_future(),
                async {
                    go_on.pass().await;
                    Ok(0)
                }
                .boxed(),
            ]);
            let (lost, won) = futures::join!(lost, ctx.race(ctx.call(echo("never")), go_on.pass()));
            assert!(lost.0 == 1 && matches!(won, Either::Second(())));
            // It is for this one: the other wait is withdrawn.
            let s: u32 = ctx.signal("s").await?;
            Ok(s.to_string())
        }
    });
    let board = board.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    faults.always(Operation::Create, "*/log/*", Fault::Hang);
    begin.open();
    faults.until_held(1).await;
    go_on.open();
    tokio::time::sleep(Duration::from_millis(100)).await;
    faults.calm();
    faults.release_all().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    run.signal("s", &7).await.unwrap();
    assert_eq!(in_time(run.output(&it)).await.unwrap(), "7");
    assert_eq!(in_time(run.outcome()).await.unwrap(), RunOutcome::Completed);
    board.shutdown().await.unwrap();
}

/// A handle is there again when it was there: not only with the output of its task.
#[tokio::test(start_paused = true)]
async fn a_race_with_a_submitted_child_is_won_by_the_same_when_it_is_played_back() {
    let (_, store) = store();
    let lives = Tally::default();
    let board = acting(with_children(parking(&store), &lives), 1, |ctx: Ctx, _| async move {
        let child = ctx.submit(echo("never")).await?;
        let won = match ctx.race(child, ctx.signal::<u32>("go")).await {
            Either::First(output) => format!("child {}", output.is_ok()),
            Either::Second(go) => format!("signal {}", go?),
        };
        // Parks, and is played back with everything above recorded.
        ctx.sleep(Duration::from_secs(60)).await?;
        let first: String = ctx.step("won", || async { Ok(won.clone()) }).await?;
        Ok(format!("{won}, {first}"))
    });
    let board = board.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    run.signal("go", &1).await.unwrap();
    assert_eq!(in_time(run.output(&it)).await.unwrap(), "signal 1, signal 1");
    board.shutdown().await.unwrap();
}

/// A wait that a race of the last attempt took back begins again.
#[tokio::test(start_paused = true)]
async fn a_wait_that_was_withdrawn_begins_again_in_the_next_attempt() {
    let (_, store) = store();
    let lives = Tally::default();
    let board = acting(with_children(parking(&store), &lives), 1, |ctx: Ctx, _| async move {
        match ctx.race(ctx.call(echo("fail 1")), ctx.signal::<u32>("s")).await {
            Either::First(Err(error)) => {
                // What was taken back is recorded before this is.
                ctx.step("lost", || async { Ok(()) }).await?;
                Err(Error::retryable(error))
            }
            // The child of the second attempt echoes; only then is the signal waited for.
            Either::First(Ok(_)) => Err(Error::terminal("the signal came first")),
            Either::Second(s) => Ok(format!("{} in {}", s?, ctx.attempt())),
        }
    });
    let board = board.settings(|settings| settings.retry.base = Duration::from_secs(10)).start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    run.signal("s", &7).await.unwrap();
    let output = in_time(run.output(&it)).await;
    assert_eq!(output.unwrap(), "7 in 2", "{:#?}", run.events().map(|e| e.to_string()).collect::<Vec<_>>().await);
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_irreversible_effect_whose_result_can_not_be_recorded_is_not_taken_for_undone() {
    let (_, store) = store();
    let count = Gauge::default();
    let happens = count.clone();
    let builder = parking(&store).settings(|settings| {
        settings.payload_bytes_max = 1 << 10;
        settings.payload_inline_max = 1 << 10;
    });
    let board = acting(builder, 1, move |ctx: Ctx, _| {
        let happens = happens.clone();
        async move {
            ctx.effect("large")
                .run(|_| async {
                    happens.add();
                    Ok("x".repeat(2 << 10))
                })
                .await
        }
    });
    let board = board.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    in_time(run.output(&it)).await.unwrap_err();
    let unknown = board.unknown_effects().await.unwrap().items;
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    run.retry("it").await.unwrap();
    loop {
        let tasks = run.tasks().await.unwrap().items;
        if matches!(tasks[0].status, Status::Parked | Status::Failed | Status::Completed) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(count.get(), 1, "it is not done again");
    board.decide(unknown[0].id.clone()).happened(&"short").await.unwrap();
    assert_eq!(in_time(run.output(&it)).await.unwrap(), "short");
    board.shutdown().await.unwrap();
}

/// What refers to a task of the same workflow finds it, although that one is there since the last attempt.
#[tokio::test(start_paused = true)]
async fn a_nested_workflow_is_completed_by_the_next_attempt() {
    let (_, store) = store();
    let lives = Tally::default();
    let echoes = with_children(parking(&store), &lives);
    let again = lives.clone();
    let echoes = echoes.task_fn(move |_, task: Use| {
        let again = again.clone();
        async move {
            again.add("use");
            if again.of("use") == 1 { Err(Error::terminal("as told")) } else { Ok(format!("used {}", *task.text)) }
        }
    });
    let board = acting(echoes, 1, |ctx: Ctx, _| async move {
        let inner = Workflow::new("inner");
        // Of the same names as tasks of the run.
        let first = inner.task("first", echo("inner"));
        let it = inner.task("it", Use { text: first.out() });
        let last = inner.task("last", Use { text: it.out() });
        let nested = ctx.nest(&inner).await?;
        nested.output(&last).await.map_err(|error| Error::retryable(full(&error)))
    });
    let board = board.start().await.unwrap();
    let workflow = Workflow::new("outer");
    workflow.task("first", echo("outer"));
    let it = workflow.task("it", act(""));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(in_time(run.output(&it)).await.unwrap(), "used used inner");
    assert_eq!(lives.of("inner"), 1);
    assert_eq!(in_time(run.outcome()).await.unwrap(), RunOutcome::Completed);
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_output_of_a_child_goes_to_another_by_reference() {
    let (_, store) = store();
    let lives = Tally::default();
    let builder = with_children(parking(&store), &lives);
    let builder = builder.task_fn(|_, task: Use| async move { Ok(format!("used {}", *task.text)) });
    let board = acting(builder, 1, |ctx: Ctx, _| async move {
        let first = ctx.submit(echo("one")).await?;
        let second = ctx.submit(Use { text: first.out() }).await?;
        let third = ctx.submit(echo("three")).with(|it| it.after_child(&second)).await?;
        Ok(format!("{} {}", second.await?, third.await?))
    });
    let board = board.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(in_time(run.output(&it)).await.unwrap(), "used one three");
    let events: Vec<_> = run.events().collect().await;
    let of = |name: &str, what: fn(&What) -> bool| {
        events.iter().position(|event| event.task.as_deref() == Some(name) && what(&event.what)).unwrap()
    };
    let done = of("it/submit:use", |what| *what == What::Completed);
    assert!(done < of("it/submit:echo#2", |what| matches!(what, What::Started { .. })), "{events:#?}");
    board.shutdown().await.unwrap();
}

/// Also one whose outcome is recorded: whoever cleans up does not go on with the work.
#[tokio::test(start_paused = true)]
async fn after_a_cancellation_every_call_says_so_and_a_context_is_dead_when_its_activation_is() {
    let (_, store) = store();
    let (heard, kept) = (Log::default(), Arc::new(std::sync::Mutex::new(None::<Ctx>)));
    let (log, keep) = (heard.clone(), kept.clone());
    let lives = Tally::default();
    let board = acting(with_children(parking(&store), &lives), 1, move |ctx: Ctx, _| {
        let (log, keep) = (log.clone(), keep.clone());
        async move {
            *keep.lock().unwrap() = Some(ctx.clone());
            let fine = ctx.submit(echo("fine")).await?;
            ctx.sleep(Duration::from_secs(1)).await?; // its output is recorded by now
            log.add("waits");
            let waited = ctx.call(echo("never")).await;
            log.add(format!("{:?}", waited.unwrap_err().kind()));
            log.add(format!("{:?}", fine.await.map_err(|error| error.kind())));
            let step: Result<u32> = ctx.step("s", || async { panic!("it does not run") }).await;
            log.add(format!("{:?}", step.unwrap_err().kind()));
            Ok(String::new())
        }
    });
    let board = board.settings(|settings| settings.park_after = Duration::from_secs(3_600)).start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    while heard.all().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    run.cancel("enough").await.unwrap();
    assert_eq!(in_time(run.output(&it)).await.unwrap_err().kind(), ErrorKind::Cancelled);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(heard.all(), ["waits", "Cancelled", "Err(Cancelled)", "Cancelled"]);
    let ctx = kept.lock().unwrap().take().unwrap();
    assert_eq!(in_time(ctx.sleep(Duration::from_secs(1))).await.unwrap_err().kind(), ErrorKind::Cancelled);
    board.shutdown().await.unwrap();
}
