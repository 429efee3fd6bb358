//! Children: limits, cycles, joins and votes, cancellation, and handlers that wait for what is not durable.

use super::kit::*;
use callboard::port::store::Store;
use callboard::prelude::*;
use callboard::{Builder, Ctx, ErrorClass, OnCycle, Status, Tie};
use futures::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;

async fn in_time<F: IntoFuture>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(600), what.into_future()).await.expect("it goes on")
}

fn parking(store: &Arc<dyn Store>) -> Builder {
    on(store).settings(|settings| settings.park_after = Duration::ZERO)
}

/// An agent that echoes, fails or never ends, as it is told.
fn telling(builder: Builder) -> Builder {
    builder.task_fn(|_, task: Echo| async move {
        match task.text.split_once(' ') {
            Some(("after", millis)) => {
                tokio::time::sleep(Duration::from_millis(millis.parse().unwrap())).await;
                Ok(task.text)
            }
            _ if task.text == "never" => std::future::pending().await,
            _ if task.text == "fails" => Err(Error::terminal("as told")),
            _ => Ok(task.text),
        }
    })
}

async fn one_act<F, R>(builder: Builder, f: F) -> (Callboard, Run, Result<String>)
where
    F: Fn(Ctx, String) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<String>> + Send + 'static,
{
    let board = acting(telling(builder), 1, f).start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    let output = in_time(run.output(&it)).await;
    (board, run, output)
}

#[task(output = u32)]
struct Deep {
    left: u32,
}

#[tokio::test(start_paused = true)]
async fn what_is_too_deep_or_too_much_is_an_error_and_no_hang() {
    let (_, store) = store();
    let deep = |ctx: Ctx, task: Deep| async move {
        if task.left == 0 { Ok(0) } else { Ok(1 + ctx.call(Deep { left: task.left - 1 }).await?) }
    };
    let builder = parking(&store).settings(|settings| settings.graph_tasks_max = 160).task_fn(deep);
    let (board, run, output) = one_act(builder, |ctx: Ctx, _| async move {
        let depth = ctx.call(Deep { left: 62 }).await?;
        let too_deep = ctx.call(Deep { left: 64 }).await.unwrap_err();
        let fits = ctx.map((0..5).map(|_| echo("x"))).await?.len();
        let too_much = ctx.map((0..50).map(|_| echo("x"))).width(50).await.unwrap_err();
        Ok(format!("{depth} {fits}; {}; {}", full(&too_deep), full(&too_much)))
    })
    .await;
    let said = match output {
        Ok(said) => said,
        Err(error) => full(&error),
    };
    assert!(said.starts_with("62 5; "), "{said}");
    assert!(said.contains("(depth_max)") && said.contains("(graph_tasks_max)"), "{said}");
    assert_eq!(in_time(run.outcome()).await.unwrap(), RunOutcome::Completed);
    board.shutdown().await.unwrap();
}

/// Fifty tasks, each with a child that comes after the next one; the last comes after the first.
async fn a_ring(on_cycle: OnCycle, tasks: usize) -> (Run, Vec<Result<String>>) {
    let (_, store) = store();
    let gate = Gauge::default();
    let begun = gate.clone();
    let builder = parking(&store).settings(|settings| settings.on_cycle = on_cycle);
    let board = acting(telling(builder), tasks, move |ctx: Ctx, next: String| {
        let begun = begun.clone();
        async move {
            begun.add();
            begun.reaches(tasks).await;
            ctx.call(echo("x")).after(next).await
        }
    });
    let board = board.start().await.unwrap();
    let workflow = Workflow::new("ring");
    let nodes: Vec<_> =
        (0..tasks).map(|n| workflow.task(format!("t{n}"), act(&format!("t{}", (n + 1) % tasks)))).collect();
    let run = board.start(workflow).await.unwrap();
    in_time(run.outcome()).await.unwrap();
    let mut outputs = Vec::new();
    for node in &nodes {
        outputs.push(run.output(node).await);
    }
    board.shutdown().await.unwrap();
    (run, outputs)
}

#[tokio::test(start_paused = true)]
async fn a_cycle_of_fifty_tasks_is_refused_with_all_of_them_in_the_message() {
    let (_, outputs) = a_ring(OnCycle::Reject, 50).await;
    let failed: Vec<String> = outputs.iter().filter_map(|output| output.as_ref().err().map(full)).collect();
    // Whoever needs the one that was refused has none to come after.
    assert!(!failed.is_empty());
    let told = failed.iter().find(|error| error.contains("would wait for one another")).expect("one tells the cycle");
    assert!((0..50).all(|n| told.contains(&format!("t{n} -> ")) || told.contains(&format!("t{n}/"))), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_cycle_of_fifty_tasks_costs_the_least_urgent_of_them() {
    let (_, outputs) = a_ring(OnCycle::FailLeastUrgent, 50).await;
    assert!(outputs.iter().any(Result::is_err));
}

#[tokio::test(start_paused = true)]
async fn joins_are_content_with_what_they_are_told_and_cancel_the_others() {
    let (_, store) = store();
    let (board, run, output) = one_act(parking(&store), |ctx: Ctx, _| async move {
        let mut said = Vec::new();
        let some = ctx.map(["fails", "a", "fails", "b"].map(echo)).min_ok(2).joined().await?;
        said.push(format!("{} ok, {} failed", some.outputs.len(), some.failed.len()));
        let error = ctx.map(["fails", "a", "fails", "never"].map(echo)).min_ok(3).await.unwrap_err();
        said.push(error.message().to_owned());
        said.push(ctx.map(["never", "after 5", "never", "x"].map(echo)).first_ok(2).await?.join("+"));
        let late = ctx.map(["x", "never"].map(echo)).deadline(Duration::from_secs(5)).await.unwrap_err();
        said.push(format!("{:?}", late.class() == ErrorClass::Timeout));
        let partial =
            ctx.map(["x", "never"].map(echo)).min_ok(1).partial_after(Duration::from_secs(5)).joined().await?;
        said.push(format!("{:?}", partial.unfinished));
        said.push(format!("{}", ctx.map(Vec::<Echo>::new()).await?.len()));
        Ok(said.join("; "))
    })
    .await;
    let said = output.unwrap();
    assert!(said.starts_with("2 ok, 2 failed; "), "{said}");
    assert!(said.ends_with("x+after 5; true; [1]; 0") || said.ends_with("after 5+x; true; [1]; 0"), "{said}");
    assert_eq!(in_time(run.outcome()).await.unwrap(), RunOutcome::Completed);
    let open = run.tasks().limit(1_000).await.unwrap().items.into_iter().filter(|task| !task.status.is_ended());
    assert_eq!(open.count(), 0);
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn votes_are_won_hung_or_judged() {
    let (_, store) = store();
    let opinions = Tally::default();
    let builder = parking(&store).task_fn(move |_, task: Use| {
        let opinions = opinions.clone();
        async move {
            opinions.add(&task.text);
            let n = opinions.of(&task.text);
            match task.text.as_str() {
                "split" => Ok(["a", "b", "c"][n % 3].to_owned()),
                "two" => Ok(["a", "b"][n % 2].to_owned()),
                "most" if n == 2 => Err(Error::terminal("abstains")),
                _ => Ok("a".to_owned()),
            }
        }
    });
    #[task(output = usize)]
    struct Judge {
        answers: Vec<String>,
    }
    let builder = builder
        .task_fn(|_, judge: Judge| async move { Ok(judge.answers.iter().position(|answer| answer == "b").unwrap()) });
    let (board, _, output) = one_act(builder, |ctx: Ctx, _| async move {
        let ask = |text: &str| Use { text: text.to_owned().into() };
        let won = ctx.vote(ask("most")).await?;
        let hung = ctx.vote(ask("split")).await.unwrap_err();
        let tied = ctx.vote(ask("two")).voters(2).plurality(Tie::Fail).await.unwrap_err();
        let judged = ctx.vote(ask("two")).voters(2).judge(|answers| Judge { answers }).await?;
        let late = ctx.vote(echo("never")).deadline(Duration::from_secs(5)).await.unwrap_err();
        Ok(format!(
            "{} by {} of {}; {:?} {:?}; {}; {:?}",
            won.winner,
            won.votes,
            won.of,
            hung.class(),
            tied.class(),
            judged.winner,
            late.class()
        ))
    })
    .await;
    assert_eq!(output.unwrap(), "a by 2 of 3; Terminal Terminal; b; Terminal");
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn children_are_shown_below_their_parent_and_cancelled_with_it() {
    let (_, store) = store();
    let dropped = Gauge::default();
    let count = dropped.clone();
    let builder = parking(&store).task_fn(move |_, _: Use| {
        let ends = OnDrop(count.clone());
        async move {
            let _ends = ends;
            std::future::pending().await
        }
    });
    let board = acting(telling(builder), 4, |ctx: Ctx, what: String| async move {
        match what.as_str() {
            "child" => ctx.call(Use { text: "x".to_owned().into() }).await,
            _ => Ok(ctx.map([act("child"), act("child")]).await?.join(" ")),
        }
    });
    let board = board.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    loop {
        let running = run.tasks().status(Status::Running).await.unwrap().items;
        if running.iter().filter(|task| task.name.contains("use")).count() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    run.cancel("enough").await.unwrap();
    assert_eq!(in_time(run.output(&it)).await.unwrap_err().kind(), ErrorKind::Cancelled);
    in_time(dropped.reaches(2)).await;
    let tasks = run.tasks().await.unwrap().items;
    assert_eq!(tasks.len(), 5);
    assert!(tasks.iter().all(|task| task.status == Status::Cancelled), "{tasks:#?}");
    assert!(tasks.iter().any(|task| task.name == "it/map:act[0]/call:use"), "{tasks:#?}");
    board.shutdown().await.unwrap();
}

/// Whoever waits for something else as well keeps its instance, and is woken by it.
#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_for_what_is_not_durable_is_not_parked_and_does_not_hang() {
    let (_, store) = store();
    let starts = Gauge::default();
    let count = starts.clone();
    let (board, _, output) = one_act(parking(&store), move |ctx: Ctx, _| {
        count.add();
        async move {
            let mut said = Vec::new();
            let step = |n: u32| {
                let ctx = ctx.clone();
                async move {
                    let step = ctx.step(format!("s{n}"), || async move {
                        tokio::time::sleep(Duration::from_millis(50 - u64::from(n) % 50)).await;
                        Ok(n)
                    });
                    step.await
                }
            };
            let mut unordered: FuturesUnordered<_> = (0..40).map(step).collect();
            let mut sum = 0;
            while let Some(n) = unordered.next().await {
                sum += n?;
            }
            said.push(sum.to_string());
            let children = futures::future::join_all((0..40).map(|n| ctx.call(echo(&n.to_string())).into_future()));
            said.push(children.await.into_iter().filter(Result::is_ok).count().to_string());
            let timed = tokio::time::timeout(Duration::from_secs(5), ctx.signal::<String>("never").into_future()).await;
            said.push(timed.is_err().to_string());
            let selected = tokio::select! {
                slept = ctx.sleep(Duration::from_secs(500)) => format!("{slept:?}"),
                () = tokio::time::sleep(Duration::from_secs(3)) => "timer".to_owned(),
            };
            said.push(selected);
            Ok(said.join(" "))
        }
    })
    .await;
    assert_eq!(output.unwrap(), "780 40 true timer");
    assert_eq!(starts.get(), 1, "it was never parked");
    board.shutdown().await.unwrap();
}

/// Of two activations of one attempt only one records: the other is fenced.
#[tokio::test(start_paused = true)]
async fn two_activations_never_both_record() {
    let (_, store) = store();
    let (old, new, gate) = (Gauge::default(), Gauge::default(), Gate::shut());
    let (count, shut) = (old.clone(), gate.clone());
    let first = acting(on(&store), 1, move |ctx: Ctx, _| {
        let (count, shut) = (count.clone(), shut.clone());
        async move {
            let step = ctx.step("s", async || {
                count.add();
                shut.pass().await;
                Ok("of the old".to_owned())
            });
            step.await
        }
    });
    let first = first.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let id = first.start(workflow).await.unwrap().id();
    old.reaches(1).await;
    let count = new.clone();
    let second = acting(on(&store), 1, move |ctx: Ctx, _| {
        let count = count.clone();
        async move {
            let step = ctx.step("s", async || {
                count.add();
                Ok("of the new".to_owned())
            });
            let said: String = step.await?;
            ctx.sleep(Duration::from_secs(60)).await?;
            Ok(said)
        }
    });
    let second = second.start().await.unwrap();
    in_time(new.reaches(1)).await;
    gate.open();
    assert_eq!(in_time(second.run(id).output(&it)).await.unwrap(), "of the new");
    let recorded = second.run(id).events().filter(|event| {
        std::future::ready(matches!(&event.what, callboard::What::Recorded { call } if &**call == "step:s"))
    });
    assert_eq!(recorded.count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn clean_up_has_its_time_and_no_more_and_whoever_waits_on_something_else_ends_at_once() {
    let (_, store) = store();
    let (log, dropped) = (Log::default(), Gauge::default());
    let (said, ends) = (log.clone(), dropped.clone());
    let builder = telling(on(&store)).settings(|settings| settings.cleanup = Duration::from_secs(5));
    let board = acting(builder, 3, move |ctx: Ctx, what: String| {
        let (log, ends) = (said.clone(), OnDrop(ends.clone()));
        async move {
            let _ends = ends;
            if what == "foreign" {
                tokio::time::sleep(Duration::from_secs(100_000)).await;
            }
            let error = ctx.call(echo("never")).await.unwrap_err();
            log.add(format!("{what} {:?}", error.kind()));
            tokio::time::sleep(Duration::from_secs(if what == "quick" { 3 } else { 100 })).await;
            log.add(format!("{what} done"));
            Ok(what)
        }
    });
    let board = board.start().await.unwrap();
    let workflow = Workflow::new("three");
    let _three = ["quick", "slow", "foreign"].map(|what| workflow.task(what, act(what)));
    let run = board.start(workflow).await.unwrap();
    loop {
        let counts = run.info().await.unwrap().counts;
        if counts.of(Status::Running) == 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = tokio::time::Instant::now();
    run.cancel("enough").await.unwrap();
    in_time(dropped.reaches(1)).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    in_time(dropped.reaches(2)).await;
    assert!((3..5).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    in_time(dropped.reaches(3)).await;
    assert!((5..7).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let mut log = log.all();
    log.sort_unstable();
    assert_eq!(log, ["quick Cancelled", "quick done", "slow Cancelled"]);
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_a_deadline_of_its_own() {
    let (_, store) = store();
    let builder = parking(&store).settings(|settings| settings.retry.base = Duration::ZERO);
    let (board, run, output) = one_act(builder, |ctx: Ctx, _| async move {
        let scoped = ctx.scope("same");
        let joined = scoped.map([echo("x"), echo("after 2000")]).deadline(Duration::from_secs(5)).await?.len();
        // What takes longer than the first attempt has is there for the second, which asks for nothing anew.
        let asked = ctx.map([echo("after 8000")]).deadline(Duration::from_secs(5)).await?.len();
        Ok(format!("{joined} {asked}"))
    })
    .await;
    assert_eq!(output.unwrap(), "2 1");
    let tasks = run.tasks().await.unwrap().items;
    assert_eq!(tasks.len(), 4, "{tasks:?}");
    let failures: Vec<&str> = tasks[0].failures.iter().map(|failed| failed.error.as_str()).collect();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].contains("the deadline has passed"), "{failures:?}");
    board.shutdown().await.unwrap();
}
