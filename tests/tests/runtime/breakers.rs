//! Circuit breakers: what is sick is left alone, and no work is lost, paid for twice or tried in vain.

use super::kit::*;
use crate::meters::{Lines, Meters};
use callboard::prelude::*;
use callboard::{BreakerRules, BreakerState, Ctx, Pool, Priority, RunOutcome, TaskInfo};
use callboard_tests::{Provider, all_tasks};

const LLM: &str = "llm:groq";
const BREAKERS: &str = "node/breakers";
const SECOND: Duration = Duration::from_secs(1);

/// A handler that asks the provider in a step, guarded.
async fn asks(ctx: Ctx, provider: Provider, what: String) -> Result<String> {
    let (guarding, provider) = (ctx.clone(), &provider);
    ctx.step("ask", || guarding.guard(LLM, || provider.call(&what))).await
}

fn asking(instances: usize, provider: &Provider) -> callboard::Builder {
    let (_, store) = store();
    let provider = provider.clone();
    acting(on(&store), instances, move |ctx, what| asks(ctx, provider.clone(), what))
}

fn no_retry() -> Retry {
    Retry::never()
}

#[tokio::test(start_paused = true)]
async fn five_failures_open_the_breaker_and_a_thousand_requests_make_no_call() {
    let (_, store) = store();
    let calls = Gauge::default();
    let counted = calls.clone();
    let board = acting(on(&store), 1, move |_, _| {
        counted.add();
        async { Err(Error::retryable("out of order")) }
    });
    let board = board.start().await.unwrap();
    for _ in 0..5 {
        board.call(act("fails")).retry(no_retry()).await.unwrap_err();
    }
    let breaker = &board.breakers()[0];
    assert_eq!((&*breaker.name, breaker.state), ("agent:act", BreakerState::Open));
    assert_eq!(&*breaker.reason, "5 failures in a row, the last: out of order");
    let waiting = Workflow::new("waits");
    for n in 0..1_000 {
        let _ = waiting.task(format!("t{n}"), act("waits"));
    }
    let run = board.start(waiting).await.unwrap();
    tokio::time::sleep(Duration::from_secs(58)).await;
    assert_eq!(calls.get(), 5, "nobody is asked");
    let queue = board.queue();
    assert_eq!(queue[0].waiting, 1_000);
    assert!(queue[0].reason.starts_with("breaker \"agent:act\" is open for"), "{}", queue[0].reason);
    assert_eq!(run.info().await.unwrap().counts.of(callboard::Status::Ready), 1_000, "no attempt is spent");
    // One probe, which fails; and nothing more for another minute.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(calls.get(), 6);
}

#[tokio::test(start_paused = true)]
async fn an_open_agent_leaves_the_rotation_and_the_others_do_its_work() {
    let (_, store) = store();
    let calls = Tally::default();
    let pool = |name: &'static str, is_sick: bool| {
        let calls = calls.clone();
        let does = move |_: Ctx, _: String| {
            calls.add(name);
            async move {
                if is_sick {
                    return Err(Error::retryable("sick"));
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(name.to_owned())
            }
        };
        Pool::new(move || Actor { f: does.clone() }).handles::<Act>().id(name)
    };
    let board = on(&store).add(pool("sick", true)).add(pool("sound", false)).start().await.unwrap();
    let workflow = Workflow::new("many");
    for n in 0..100 {
        let _ = workflow.task(format!("t{n}"), act("x"));
    }
    assert_eq!(board.start(workflow).await.unwrap().outcome().await.unwrap(), RunOutcome::Completed);
    let sick = board.breaker("agent:sick").info().unwrap();
    assert!(sick.generation >= 1, "it was opened: {sick:?}");
    assert!(calls.of("sick") <= 5 + 2, "5 failures, and a probe a minute: {:?}", calls.all());
    assert_eq!(board.breaker("agent:sound").info().unwrap().state, BreakerState::Closed);
}

/// 5,000 tasks of three priorities wait for a provider that is down. When it is back they come one by one, then more and
/// more, the most urgent first, each with its first attempt.
#[tokio::test(start_paused = true)]
async fn a_provider_that_comes_back_is_called_on_a_ramp_in_the_order_of_priority_and_no_attempt_is_burnt() {
    let provider = Provider::down();
    let board = asking(20, &provider).start().await.unwrap();
    for _ in 0..5 {
        board.call(act("opens it")).retry(no_retry()).await.unwrap_err();
    }
    let workflow = Workflow::new("many");
    let priorities = [Priority::Low, Priority::Medium, Priority::High];
    for n in 0..5_000 {
        let priority = priorities[n % 3];
        let node = workflow.task(format!("t{n}"), act(&format!("{}", priority.level())));
        let _ = node.priority(priority);
    }
    let run = board.start(workflow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(provider.calls(), 5, "nobody calls what is down");
    let info = run.info().await.unwrap();
    assert_eq!(info.counts.of(callboard::Status::Parked), 5_000, "they hold no slot: {info:?}");
    let breaker = board.breaker(LLM).info().unwrap();
    assert_eq!((breaker.state, breaker.waiting), (BreakerState::Open, 5_000));
    let tasks = run.tasks().await.unwrap();
    let waits = tasks.items[0].why.as_ref().unwrap().to_string();
    assert!(waits.starts_with("breaker \"llm:groq\" is open for"), "{waits}");
    provider.comes_back();
    run.outcome().await.unwrap();
    let calls = provider.all().split_off(5);
    assert_eq!(calls.len(), 5_000, "each of them once");
    let order: Vec<&str> = calls.iter().map(|(_, priority)| &**priority).collect();
    assert!(order.is_sorted_by(|a, b| a.parse::<u8>().unwrap() >= b.parse::<u8>().unwrap()), "by priority");
    let within = |from: u64, to: u64| {
        let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
        calls.iter().filter(|(at, _)| (from..to).contains(&(*at - calls[0].0))).count()
    };
    let steps: Vec<usize> = (0..11).map(|second| within(second, second + 1)).collect();
    let rest = 5_000 - 1_024;
    assert_eq!(steps, [2, 2, 4, 8, 16, 32, 64, 128, 256, 512, rest], "the probe, and the steps of the ramp");
    let tasks = all_tasks(&run).await.unwrap();
    let is_first = |task: &TaskInfo| task.attempt == 1 && task.losses == 0 && task.failures.is_empty();
    assert_eq!(tasks.iter().filter(|task| is_first(task)).count(), 5_000, "of all {}", tasks.len());
}

#[tokio::test(start_paused = true)]
async fn only_what_is_not_recorded_is_done_again_after_a_wait_at_a_gate() {
    let provider = Provider::down();
    let steps = Tally::default();
    let (_, store) = store();
    let (counted, given) = (steps.clone(), provider.clone());
    let board = acting(on(&store), 1, move |ctx, what| {
        let (steps, provider) = (counted.clone(), given.clone());
        async move {
            ctx.step("paid", || async {
                steps.add("paid");
                Ok(())
            })
            .await?;
            asks(ctx, provider, what).await
        }
    });
    let board = board.start().await.unwrap();
    board.breaker(LLM).info().unwrap_err();
    for _ in 0..5 {
        board.call(act("opens it")).retry(no_retry()).await.unwrap_err();
    }
    let (workflow, node) = one(act("waits"));
    let run = board.start(workflow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(run.info().await.unwrap().counts.of(callboard::Status::Parked), 1);
    assert_eq!(board.agents().await.unwrap()[0].running, 0, "the only instance is free");
    provider.comes_back();
    assert_eq!(run.output(&node).await.unwrap(), "answer to waits");
    assert_eq!((steps.of("paid"), provider.calls()), (6, 6));
}

#[tokio::test(start_paused = true)]
async fn what_else_a_handler_does_is_finished_before_it_is_parked() {
    let provider = Provider::down();
    let done = Gauge::default();
    let (_, store) = store();
    let (counted, given) = (done.clone(), provider.clone());
    let board = acting(on(&store), 1, move |ctx, what| {
        let (done, provider) = (counted.clone(), given.clone());
        async move {
            if what == "opens it" {
                return asks(ctx, provider, what).await;
            }
            let long = ctx.step("long", || async {
                tokio::time::sleep(Duration::from_secs(20)).await;
                done.add();
                Ok("done".to_owned())
            });
            let (long, answer) = futures::join!(long, asks(ctx.clone(), provider, what));
            Ok(format!("{} {}", long?, answer?))
        }
    });
    let board = board.start().await.unwrap();
    for _ in 0..5 {
        board.call(act("opens it")).retry(no_retry()).await.unwrap_err();
    }
    let (workflow, node) = one(act("both"));
    let run = board.start(workflow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert_eq!(run.info().await.unwrap().counts.of(callboard::Status::Running), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(run.info().await.unwrap().counts.of(callboard::Status::Parked), 1);
    provider.comes_back();
    assert_eq!(run.output(&node).await.unwrap(), "done answer to both");
    assert_eq!(done.get(), 1, "once");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_only_hangs_is_found_by_the_share_of_slow_calls() {
    let (_, store) = store();
    let calls = Gauge::default();
    let counted = calls.clone();
    let hangs = move |_: Ctx, _: String| {
        counted.add();
        std::future::pending::<Result<String>>()
    };
    let rules = BreakerRules::default().slow(Duration::from_secs(5)).slow_share(50, 4);
    let pool = Pool::new(move || Actor { f: hangs.clone() }).handles::<Act>().instances(10).breaker(rules);
    let board = on(&store).add(pool).start().await.unwrap();
    let workflow = Workflow::new("hangs");
    for n in 0..100 {
        let _ = workflow.task(format!("t{n}"), act("x")).timeout(Duration::from_secs(30));
    }
    let _run = board.start(workflow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let breaker = board.breaker("agent:act").info().unwrap();
    assert_eq!((breaker.state, calls.get()), (BreakerState::Open, 10), "{breaker:?}");
    assert_eq!(&*breaker.reason, "50 % of the last 4 calls were slow");
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(calls.get(), 10, "although the first have timed out");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_child_says_nothing_of_its_parent() {
    let (_, store) = store();
    let board = acting(on(&store), 4, |ctx, what| async move {
        match &*what {
            "child" => Err(Error::retryable("out of order")),
            _ => ctx.call(act("child")).retry(no_retry()).await,
        }
    });
    // The parent and the child are of one agent here, so it is two that are counted.
    let other =
        Pool::task_fn(|ctx: Ctx, task: Echo| async move { ctx.call(act(&task.text)).retry(Retry::never()).await });
    let board = board.add(other).start().await.unwrap();
    for _ in 0..5 {
        board.call(echo("child")).retry(no_retry()).await.unwrap_err();
    }
    let state = |name: &str| board.breaker(name).info().unwrap().state;
    assert_eq!((state("agent:act"), state("agent:echo")), (BreakerState::Open, BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_person_opens_closes_and_resets_a_breaker() {
    let provider = Provider::default();
    let board = asking(2, &provider).breaker(LLM, BreakerRules::default().ramp(Duration::ZERO)).start().await.unwrap();
    assert_eq!(board.breaker(LLM).open("me").await.unwrap_err().kind(), ErrorKind::NotFound);
    board.call(act("first")).await.unwrap();
    let opened = board.breaker(LLM).open("a person").await.unwrap();
    assert_eq!((opened.state, &*opened.reason, opened.open_for), (BreakerState::Open, "opened by a person", None));
    let (workflow, node) = one(act("second"));
    let run = board.start(workflow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(provider.calls(), 1, "it is open until somebody closes it");
    assert_eq!(board.breaker(LLM).close("a person").await.unwrap().state, BreakerState::Closed);
    assert_eq!(run.output(&node).await.unwrap(), "answer to second");
    let agent = board.breaker("agent:act");
    agent.open("a person").await.unwrap();
    let late = board.call(act("third")).timeout(Duration::from_secs(60));
    assert!(tokio::time::timeout(Duration::from_secs(30), late).await.is_err(), "the agent gets nothing");
    assert_eq!(agent.reset("a person").await.unwrap().state, BreakerState::Closed);
    board.call(act("fourth")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_name_that_no_breaker_can_have_is_told() {
    let (_, store) = store();
    let board =
        acting(on(&store), 1, |ctx, what| async move { ctx.guard(&what, || async { Ok(String::new()) }).await });
    let board = board.start().await.unwrap();
    for name in ["", "two words", "agent:act", &"x".repeat(181)] {
        let error = board.call(act(name)).await.unwrap_err();
        assert!(full(&error).contains("breaker"), "{}", full(&error));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_at_a_gate_can_be_cancelled_and_outlives_a_restart() {
    let provider = Provider::down();
    let (_, store) = store();
    let given = provider.clone();
    let open = || {
        let provider = given.clone();
        acting(on(&store), 2, move |ctx, what| asks(ctx, provider.clone(), what)).start()
    };
    let board = open().await.unwrap();
    for _ in 0..5 {
        board.call(act("opens it")).retry(no_retry()).await.unwrap_err();
    }
    let (workflow, _) = one(act("cancelled"));
    let cancelled = board.start(workflow).await.unwrap();
    let (workflow, node) = one(act("kept"));
    let kept = board.start(workflow).await.unwrap().id();
    tokio::time::sleep(Duration::from_secs(5)).await;
    cancelled.cancel("not needed").await.unwrap();
    assert_eq!(cancelled.outcome().await.unwrap(), RunOutcome::Cancelled);
    board.shutdown().await.unwrap();
    provider.comes_back();
    // Where a breaker stood is not durable: the new process tries.
    let board = open().await.unwrap();
    assert_eq!(board.run(kept).output(&node).await.unwrap(), "answer to kept");
    assert_eq!(provider.calls(), 6);
}

/// A handler that begins again comes to its first effect before it comes to the second, for which it was let through.
#[tokio::test(start_paused = true)]
async fn an_effect_that_was_made_before_is_no_probe() {
    let (_, store) = store();
    let provider = Provider::default();
    let given = provider.clone();
    let board = acting(on(&store), 4, move |ctx, what| {
        let provider = given.clone();
        async move {
            let (ctx, provider) = (&ctx, &provider);
            for n in 1..=2 {
                let name = format!("{what} {n}");
                let called = name.as_str();
                ctx.guard(LLM, || ctx.effect(called).keyed().run(|_| provider.call(called))).await?;
                if provider.calls() == 1 {
                    provider.goes_down();
                }
            }
            Ok(what)
        }
    });
    let board = board.start().await.unwrap();
    let workflow = Workflow::new("one");
    let node = workflow.task("it", act("first")).retry(Retry::exponential(10));
    let run = board.start(workflow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(board.breaker(LLM).info().unwrap().state, BreakerState::Open);
    let before = provider.calls();
    assert_eq!(before, 6, "one that went well, and five that failed");
    let mut states = Vec::new();
    for _ in 0..180 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        states.push(board.breaker(LLM).info().unwrap().state);
    }
    let probes = provider.calls() - before;
    assert!((2..=3).contains(&probes), "one a minute: {probes}");
    assert!(!states.contains(&BreakerState::Closed) && !states.contains(&BreakerState::Ramping), "{states:?}");
    provider.comes_back();
    assert_eq!(run.output(&node).await.unwrap(), "first");
    let calls = provider.all().into_iter().filter(|(_, call)| call == "first 1").count();
    assert_eq!(calls, 1);
}

/// Kills the actor that decides where breakers stand, and waits for the next one.
async fn kill_breakers(board: &Callboard) {
    assert!(board.kill(BREAKERS).await);
    tokio::time::sleep(5 * SECOND).await;
    assert!(board.actors().await.iter().any(|path| path == BREAKERS), "it is back");
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_has_closed_is_closed_for_the_next_actor_too() {
    let provider = Provider::default();
    let board = asking(2, &provider).start().await.unwrap();
    board.call(act("first")).await.unwrap();
    board.breaker(LLM).open("a person").await.unwrap();
    let before = board.breaker(LLM).reset("a person").await.unwrap();
    kill_breakers(&board).await;
    provider.goes_down();
    for failures in 1..=5 {
        board.call(act("fails")).retry(no_retry()).await.unwrap_err();
        let expected = if failures < 5 { BreakerState::Closed } else { BreakerState::Open };
        assert_eq!(board.breaker(LLM).info().unwrap().state, expected, "{failures} failures");
    }
    assert_eq!(board.breaker(LLM).info().unwrap().generation, before.generation + 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_outlives_the_actor_that_has_let_it_through() {
    let provider = Provider::down();
    let board = asking(8, &provider).start().await.unwrap();
    for _ in 0..5 {
        board.call(act("opens it")).retry(no_retry()).await.unwrap_err();
    }
    provider.comes_back();
    provider.takes(30 * SECOND);
    let workflow = Workflow::new("many");
    for n in 0..50 {
        let _ = workflow.task(format!("t{n}"), act("x"));
    }
    let run = board.start(workflow).await.unwrap();
    while provider.calls() < 6 {
        tokio::time::sleep(SECOND).await;
    }
    kill_breakers(&board).await;
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(provider.calls(), 6, "one probe");
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    let calls = provider.all();
    assert!(calls[6].0 - calls[5].0 < 35 * SECOND, "its answer counts");
    assert_eq!(board.breaches(), []);
}

#[tokio::test(start_paused = true)]
async fn the_probe_of_an_agent_outlives_the_actor_too() {
    let (_, store) = store();
    let calls = Gauge::default();
    let counted = calls.clone();
    let board = acting(on(&store), 8, move |_, _| {
        let is_sick = counted.add() <= 5;
        async move {
            if is_sick {
                return Err(Error::retryable("sick"));
            }
            tokio::time::sleep(30 * SECOND).await;
            Ok("done".to_owned())
        }
    });
    let board = board.start().await.unwrap();
    for _ in 0..5 {
        board.call(act("fails")).retry(no_retry()).await.unwrap_err();
    }
    let workflow = Workflow::new("many");
    for n in 0..20 {
        let _ = workflow.task(format!("t{n}"), act("x"));
    }
    let run = board.start(workflow).await.unwrap();
    calls.reaches(6).await;
    kill_breakers(&board).await;
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(calls.get(), 6, "one probe");
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    assert_eq!(board.breaches(), []);
}

/// What never ends is no reason to report a bug of Callboard when its time is over and another call tries.
#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_has_a_successor() {
    let provider = Provider::down();
    let board = asking(8, &provider).start().await.unwrap();
    for _ in 0..5 {
        board.call(act("opens it")).retry(no_retry()).await.unwrap_err();
    }
    provider.takes(100_000 * SECOND);
    let workflow = Workflow::new("many");
    for n in 0..50 {
        let _ = workflow.task(format!("t{n}"), act("x"));
    }
    let run = board.start(workflow).await.unwrap();
    tokio::time::sleep(200 * SECOND).await;
    assert_eq!(provider.calls(), 5 + 2, "a probe, which was given a minute, and another a minute later");
    provider.takes(Duration::ZERO);
    provider.comes_back();
    let is_done = async || run.info().await.unwrap().counts.of(callboard::Status::Completed) == 48;
    while !is_done().await {
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(board.breaches(), []);
}

/// A handler that asks what never answers, within a timeout of the task or one of its own.
fn hanging(calls: &Gauge, within: Option<Duration>) -> callboard::Builder {
    let (_, store) = store();
    let calls = calls.clone();
    acting(on(&store), 4, move |ctx, _| {
        let calls = calls.clone();
        async move {
            let ask = || async {
                calls.add();
                match within {
                    Some(limit) => Ok(tokio::time::timeout(limit, std::future::pending::<String>()).await?),
                    None => std::future::pending().await,
                }
            };
            ctx.guard(LLM, ask).await
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_only_hangs_is_found_whoever_cuts_the_call_short() {
    for within in [None, Some(4 * SECOND)] {
        let calls = Gauge::default();
        let board = hanging(&calls, within).start().await.unwrap();
        for called in 1..=10 {
            let call = board.call(act("hangs")).retry(no_retry()).timeout(5 * SECOND);
            assert_eq!(call.await.unwrap_err().class(), ErrorClass::Timeout);
            let expected = if called < 10 { BreakerState::Closed } else { BreakerState::Open };
            assert_eq!(board.breaker(LLM).info().unwrap().state, expected, "{called} calls, within {within:?}");
        }
        let info = board.breaker(LLM).info().unwrap();
        assert_eq!(&*info.reason, "50 % of the last 10 calls were slow", "no failures");
        let agent = board.breaker("agent:act").info().unwrap();
        assert_eq!(agent.state, BreakerState::Closed, "it is not the agent that hangs: {agent:?}");
        // A probe that is cut short has not gone well: the next one is tried a minute later.
        let workflow = Workflow::new("waits");
        for n in 0..4 {
            let _ = workflow.task(format!("t{n}"), act("waits")).timeout(5 * SECOND).retry(Retry::exponential(100));
        }
        let _waits = board.start(workflow).await.unwrap();
        tokio::time::sleep(250 * SECOND).await;
        assert!((13..=14).contains(&calls.get()), "one a minute: {}", calls.get() - 10);
        assert_eq!(board.breaches(), []);
        board.shutdown().await.unwrap();
    }
}

/// A handler that gives up a call does without it. Those of others would be probes, too, one as soon as the other ends.
#[tokio::test(start_paused = true)]
async fn a_probe_that_its_handler_gives_up_has_not_gone_well() {
    let (_, store) = store();
    let calls = Gauge::default();
    let counted = calls.clone();
    let board = acting(on(&store), 4, move |ctx, what| {
        let calls = counted.clone();
        async move {
            let asks = ctx.guard(LLM, || async {
                calls.add();
                if what == "fails" { Err(Error::retryable("503")) } else { std::future::pending().await }
            });
            match tokio::time::timeout(5 * SECOND, asks).await {
                Ok(answer) => answer,
                Err(_) => Ok("done without it".to_owned()),
            }
        }
    });
    let board = board.start().await.unwrap();
    for _ in 0..5 {
        board.call(act("fails")).retry(no_retry()).await.unwrap_err();
    }
    let began = tokio::time::Instant::now();
    while began.elapsed() < 250 * SECOND {
        assert_eq!(board.call(act("hangs")).await.unwrap(), "done without it");
    }
    assert!((8..=9).contains(&calls.get()), "one a minute: {}", calls.get() - 5);
}

/// What a handler did before it called is its own time.
#[tokio::test(start_paused = true)]
async fn a_call_that_took_the_smaller_part_of_a_timeout_is_not_to_blame() {
    let (_, store) = store();
    let board = acting(on(&store), 4, |ctx, _| async move {
        tokio::time::sleep(4 * SECOND).await;
        ctx.guard(LLM, std::future::pending).await
    });
    let board = board.start().await.unwrap();
    for _ in 0..10 {
        board.call(act("slow")).retry(no_retry()).timeout(5 * SECOND).await.unwrap_err();
    }
    let state = |name: &str| board.breaker(name).info().unwrap().state;
    assert_eq!((state(LLM), state("agent:act")), (BreakerState::Closed, BreakerState::Open));
}

/// An operator's word by name is before that of a capability, that before the program's, and that before what is said of all.
#[tokio::test(start_paused = true)]
async fn what_the_settings_say_by_name_counts_before_what_is_said_of_all() {
    let rules = |failures| BreakerRules::default().failures(failures);
    let failures_until_open = async |settings: &str, id: &str, own: Option<u32>| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("callboard.toml");
        std::fs::write(&file, format!("breaker.failures = 7\n{settings}")).unwrap();
        let said = callboard::Settings::load(Some(&file)).unwrap();
        let (_, store) = store();
        let fails = |_: Ctx, _: Act| async { Err(Error::retryable("out of order")) };
        let pool = Pool::task_fn(fails).id(id);
        let pool = match own {
            Some(failures) => pool.breaker(rules(failures)),
            None => pool,
        };
        let dev = on(&store).settings(move |settings| {
            (settings.breaker, settings.breaker_of) = (said.breaker, said.breaker_of);
        });
        let board = dev.add(pool).start().await.unwrap();
        let breaker = format!("agent:{id}");
        for failed in 1.. {
            board.call(act("fails")).retry(no_retry()).await.unwrap_err();
            if board.breaker(&breaker).info().unwrap().state == BreakerState::Open {
                return failed;
            }
        }
        0
    };
    let by_name = "[breaker.of.\"agent:one\"]\nfailures = 2\n";
    let by_capability = "[breaker.of.\"capability:act\"]\nfailures = 3\n";
    let both = format!("{by_name}{by_capability}");
    assert_eq!(failures_until_open(&both, "one", Some(4)).await, 2);
    assert_eq!(failures_until_open(&both, "two", Some(4)).await, 3);
    assert_eq!(failures_until_open(by_name, "two", Some(4)).await, 4);
    assert_eq!(failures_until_open(by_name, "two", None).await, 7);
}

#[tokio::test(start_paused = true)]
async fn each_change_is_counted_logged_and_told_once() {
    use BreakerState::{Closed, HalfOpen, Open, Ramping};
    let (meters, lines) = (Meters::default(), Lines::default());
    let (_meters, _lines) = (meters.read(), lines.read());
    let provider = Provider::down();
    let board = asking(2, &provider).start().await.unwrap();
    let mut changes = board.breaker_changes();
    for _ in 0..5 {
        board.call(act("opens it")).retry(no_retry()).await.unwrap_err();
    }
    // The probe of one fails, that of the other does not.
    for is_last in [false, true] {
        if is_last {
            provider.comes_back();
        }
        let called = board.call(act("waits")).retry(no_retry()).await;
        assert_eq!(called.is_ok(), is_last);
    }
    while board.breaker(LLM).info().unwrap().state != BreakerState::Closed {
        tokio::time::sleep(SECOND).await;
    }
    board.breaker(LLM).open("a person").await.unwrap();
    board.breaker(LLM).close("a person").await.unwrap();
    board.breaker(LLM).reset("a person").await.unwrap();
    let expected = [
        (Open, "5 failures in a row, the last: 503"),
        (HalfOpen, "5 failures in a row, the last: 503"),
        (Open, "the probe failed: 503"),
        (HalfOpen, "the probe failed: 503"),
        (Ramping, "the probe went well"),
        (Closed, "the ramp is over"),
        (Open, "opened by a person"),
        (Ramping, "closed by a person"),
        (Closed, "reset by a person"),
    ];
    let logged = lines.with("the breaker has changed");
    assert_eq!(logged.len(), expected.len(), "{logged:#?}");
    for (n, ((state, reason), line)) in expected.iter().zip(&logged).enumerate() {
        let change = changes.next().await.unwrap();
        assert_eq!((&*change.name, change.state, &*change.reason), (LLM, *state, *reason));
        assert_eq!(change.generation, n as u64 + 1);
        let says = [
            format!("breaker={LLM} "),
            format!("state=\"{state}\""),
            format!("generation={} ", n + 1),
            format!("reason={reason}"),
        ];
        assert!(says.iter().all(|text| line.contains(text.as_str())), "{says:?} in {line}");
    }
    for state in [Closed, Open, HalfOpen, Ramping] {
        let counted = meters.of(&format!("callboard_circuit_breaker_changes_total{{breaker={LLM},to={state}}}"));
        assert_eq!(counted, expected.iter().filter(|(to, _)| *to == state).count() as u64, "{state}");
    }
    assert_eq!(meters.sum("callboard_circuit_breaker_changes_total"), expected.len() as u64, "of no other breaker");
    board.shutdown().await.unwrap();
    drop(board);
    assert!(changes.next().await.is_none());
}

/// Of three agents one is open; of the others the one with the smaller share of its instances taken is given the task.
#[tokio::test(start_paused = true)]
async fn the_least_loaded_of_the_others_does_what_an_open_agent_does_not() {
    let (_, store) = store();
    let tally = Tally::default();
    let pool = |name: &'static str, instances: usize| {
        let tally = tally.clone();
        let does = move |_: Ctx, _: String| {
            tally.add(name);
            std::future::pending::<Result<String>>()
        };
        Pool::new(move || Actor { f: does.clone() }).handles::<Act>().id(name).instances(instances)
    };
    let board = on(&store).add(pool("sick", 100)).add(pool("small", 2)).add(pool("large", 10)).start().await.unwrap();
    board.ready().await;
    board.breaker("agent:sick").open("a person").await.unwrap();
    for _ in 0..6 {
        board.start(one(act("x")).0).await.unwrap();
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!((tally.of("sick"), tally.of("small"), tally.of("large")), (0, 1, 5), "none, 1 of 2, 5 of 10");
    let agents = board.agents().await.unwrap();
    let open: Vec<&str> = agents.iter().filter(|a| a.breaker == BreakerState::Open).map(|a| &*a.id).collect();
    assert_eq!(open, ["sick"]);
}

/// Two runs wait at one gate, the second with a few tasks behind the many of the first: they go in turns.
#[tokio::test(start_paused = true)]
async fn runs_that_wait_at_a_gate_go_in_turns() {
    let provider = Provider::down();
    let board = asking(20, &provider).start().await.unwrap();
    for _ in 0..5 {
        board.call(act("opens it")).retry(no_retry()).await.unwrap_err();
    }
    let mut runs = Vec::new();
    for (name, count) in [("many", 500), ("few", 30)] {
        let workflow = Workflow::new(name);
        for n in 0..count {
            let _ = workflow.task(format!("t{n}"), act(name));
        }
        runs.push(board.start(workflow).await.unwrap());
        tokio::time::sleep(10 * SECOND).await;
    }
    provider.comes_back();
    for run in &runs {
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    }
    let calls = provider.all().split_off(5);
    let few: Vec<usize> = (0..calls.len()).filter(|n| calls[*n].1 == "few").collect();
    assert_eq!(few.len(), 30);
    // Both wait from the beginning, and each second call is of the second run, but for who is on its way at the same time.
    for (n, at) in few.iter().enumerate() {
        assert!(at.abs_diff(2 * n) <= 4, "{few:?}");
    }
}
