//! What follows a failure, a loss and a parked task, and how each is counted.

use super::kit::*;
use crate::meters::{Lines, Meters};
use crate::random::Random;
use callboard::prelude::*;
use callboard::{Ctx, Pool, What};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn the_fourth_try_succeeds_after_2_and_4_and_8_seconds_and_each_retry_is_counted_and_logged() {
    let (meters, lines) = (Meters::default(), Lines::default());
    let (_meters, _lines) = (meters.read(), lines.read());
    let (_, store) = store();
    let tries = Arc::new(Mutex::new(Vec::new()));
    let told = tries.clone();
    let builder = acting(on(&store), 1, move |ctx, _| {
        told.lock().unwrap().push(Instant::now());
        async move {
            if ctx.attempt() < 4 { Err(Error::retryable(format!("busy {}", ctx.attempt()))) } else { Ok("done".into()) }
        }
    });
    let board = builder.start().await.unwrap();
    let (workflow, node) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.output(&node).await.unwrap(), "done");
    let tries = tries.lock().unwrap().clone();
    let waits: Vec<f64> = tries.windows(2).map(|two| (two[1] - two[0]).as_secs_f64()).collect();
    for (wait, due) in waits.iter().zip([2.0, 4.0, 8.0]) {
        assert!((0.8 * due..=1.2 * due + 0.2).contains(wait), "{waits:?}");
    }
    assert_eq!(waits.len(), 3);
    let task = run.tasks().await.unwrap().items.remove(0);
    let chain: Vec<&str> = task.failures.iter().map(|failure| &*failure.error).collect();
    assert_eq!((chain, task.attempt, task.losses), (vec!["busy 1", "busy 2", "busy 3"], 4, 0));
    assert_eq!(meters.of("callboard_retry_attempts_total{capability=act,reason=retryable}"), 3);
    assert_eq!(meters.sum("callboard_task_losses_total") + meters.sum("callboard_dead_letters_total"), 0);
    let logged = lines.with("the task is tried again");
    assert_eq!(logged.len(), 3, "{logged:?}");
    let done = lines.with("an attempt has completed its task");
    assert!(done.len() == 1 && done[0].contains("attempt=4 "), "{done:?}");
    for (n, line) in logged.iter().enumerate() {
        let says = [
            format!("callboard.task.id={}/0", run.id()),
            format!("attempt={}", n + 1),
            format!("busy {}", n + 1),
            "reason=\"retryable\"".into(),
        ];
        assert!(says.iter().all(|text| line.contains(text.as_str())), "{says:?} in {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_has_the_whole_chain_and_is_counted_once_also_over_a_restart() {
    let meters = Meters::default();
    let _meters = meters.read();
    let (_, store) = store();
    let failing = |store| {
        acting(on(store), 1, |ctx, _| async move {
            let attempt = ctx.attempt();
            match attempt {
                1 => std::panic::resume_unwind(Box::new("first")),
                2 => Err(Error::retry_after(Duration::from_secs(20), "second")),
                _ => Err(Error::retryable("it").context(format!("attempt {attempt}"))),
            }
        })
    };
    let board = failing(&store).start().await.unwrap();
    let run = board.start(one(act("")).0).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Failed);
    board.shutdown().await.unwrap();
    let board = failing(&store).start().await.unwrap();
    let letter = board.dead_letters().await.unwrap().items.remove(0);
    let chain: Vec<(u32, &str)> =
        letter.task.failures.iter().map(|failure| (failure.attempt, &*failure.error)).collect();
    let expected = [(1, "the handler panicked: first"), (2, "second"), (3, "attempt 3: it"), (4, "attempt 4: it")];
    assert_eq!((letter.run, chain), (run.id(), expected.to_vec()));
    let of = |reason| meters.of(&format!("callboard_retry_attempts_total{{capability=act,reason={reason}}}"));
    assert_eq!((of("panic"), of("retryable")), (1, 2));
    assert_eq!(meters.of("callboard_dead_letters_total{capability=act,reason=retryable}"), 1);
    assert_eq!(meters.sum("callboard_dead_letters_total"), 1);
}

/// The instance that has a task is killed again and again: that uses no retry, and has a limit of its own.
#[tokio::test(start_paused = true)]
async fn losses_are_counted_apart_from_retries_and_have_a_limit() {
    let meters = Meters::default();
    let _meters = meters.read();
    let (_, store) = store();
    let tally = Tally::default();
    let told = tally.clone();
    // Two, so that the task goes to the other one, which does not hold it.
    let builder = acting(on(&store), 2, move |_, what| {
        told.add(&what);
        std::future::pending()
    });
    let board = builder.start().await.unwrap();
    let (workflow, node) = one(act("deadly"));
    let run = board.start(workflow).await.unwrap();
    let mut events = run.events();
    let mut losses = 0;
    while let Some(event) = events.next().await {
        match event.what {
            What::Started { by, .. } => {
                let number = by.rsplit_once('#').unwrap().1;
                assert!(board.kill(&format!("node/agents/act/{number}")).await, "{by}");
            }
            What::Lost { .. } => losses += 1,
            _ => {}
        }
    }
    assert_eq!((losses, run.outcome().await.unwrap()), (6, RunOutcome::Failed));
    let error = run.output(&node).await.unwrap_err();
    assert!(full(&error).contains("6 activations were cut short"), "{error:#}");
    let task = run.tasks().await.unwrap().items.remove(0);
    assert_eq!((task.attempt, task.losses, task.failures.len()), (1, 6, 1));
    assert_eq!(meters.sum("callboard_task_losses_total"), 6);
    assert_eq!(meters.of("callboard_dead_letters_total{capability=act,reason=losses}"), 1);
    assert_eq!(meters.sum("callboard_retry_attempts_total"), 0);
    assert!(tally.of("deadly") >= 6);
}

/// Works on what it has taken first until it crashes.
struct Stuck {
    id: &'static str,
    tally: Tally,
}

impl Agent<Act> for Stuck {
    async fn run(&mut self, ctx: &Ctx, task: Act) -> Result<String> {
        let first = ctx.step("first", async || {
            self.tally.add("first");
            Ok(self.id.to_owned())
        });
        let first = first.await?;
        self.tally.add(self.id);
        if first == self.id {
            std::future::pending::<()>().await;
        }
        Ok(format!("{} by {}, begun by {first}", task.what, self.id))
    }
}

/// It does not even come back.
#[tokio::test(start_paused = true)]
async fn an_agent_crashes_in_mid_task_and_another_finishes_it_within_10_seconds() {
    let (_, store) = store();
    let tally = Tally::default();
    let agent = |id: &'static str| {
        let (tally, made) = (tally.clone(), Gauge::default());
        let factory = move || {
            if made.add() > 1 {
                std::panic::resume_unwind(Box::new("it can not be started again"));
            }
            Stuck { id, tally: tally.clone() }
        };
        Pool::new(factory).handles::<Act>().id(id).instances(1)
    };
    let board = on(&store).add(agent("one")).add(agent("two")).start().await.unwrap();
    let (workflow, node) = one(act("it"));
    let run = board.start(workflow).await.unwrap();
    let (first, second) = tokio::select! {
        () = tally.reaches("one", 1) => ("one", "two"),
        () = tally.reaches("two", 1) => ("two", "one"),
    };
    let crashed = Instant::now();
    assert!(board.kill(&format!("node/agents/{first}/1")).await);
    assert_eq!(run.output(&node).await.unwrap(), format!("it by {second}, begun by {first}"));
    assert!(crashed.elapsed() < Duration::from_secs(10), "{:?}", crashed.elapsed());
    assert_eq!(tally.of("first"), 1, "what is recorded is not done again");
    let task = run.tasks().await.unwrap().items.remove(0);
    assert_eq!((task.attempt, task.losses), (1, 1));
}

/// The one who comes in its place goes by its name, and is another all the same.
#[tokio::test(start_paused = true)]
async fn an_instance_that_crashes_in_mid_task_is_a_loss_at_once_and_what_it_has_recorded_is_not_done_again() {
    let (_, store) = store();
    let tally = Tally::default();
    let told = tally.clone();
    let builder = acting(on(&store), 1, move |ctx, what| {
        let told = told.clone();
        async move {
            let first = async || {
                told.add("first");
                Ok(())
            };
            ctx.step("first", first).await?;
            told.add("began");
            if told.of("began") == 1 {
                std::future::pending::<()>().await;
            }
            Ok(what)
        }
    });
    let board = builder.start().await.unwrap();
    let (workflow, node) = one(act("it"));
    let run = board.start(workflow).await.unwrap();
    tally.reaches("began", 1).await;
    let crashed = Instant::now();
    assert!(board.kill("node/agents/act/1").await);
    assert_eq!(run.output(&node).await.unwrap(), "it");
    assert!(crashed.elapsed() < Duration::from_secs(1), "no lease has to end: {:?}", crashed.elapsed());
    assert_eq!((tally.of("first"), tally.of("began")), (1, 2));
    let task = run.tasks().await.unwrap().items.remove(0);
    assert_eq!((task.attempt, task.losses), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn several_agents_fail_at_once_and_the_rest_goes_on() {
    let (_, store) = store();
    let board = (0..6).fold(on(&store), |board, n| {
        board.add(
            Pool::task_fn(move |_, task: Act| async move {
                sleep(Duration::from_millis(200)).await;
                Ok(format!("{} by {n}", task.what))
            })
            .id(format!("agent-{n}"))
            .instances(2),
        )
    });
    let board = board.start().await.unwrap();
    let started = futures::future::join_all((0..60).map(|n| {
        let board = &board;
        async move { board.start(one(act(&n.to_string())).0).await.unwrap() }
    }));
    let runs = started.await;
    sleep(Duration::from_millis(100)).await; // 12 are under way
    for n in 0..3 {
        assert!(board.kill(&format!("node/agents/agent-{n}")).await);
    }
    let failed = Instant::now();
    let mut losses = 0;
    for run in &runs {
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        let task = run.tasks().await.unwrap().items.remove(0);
        assert_eq!(task.attempt, 1, "a crash uses no retry");
        losses += task.losses;
    }
    assert_eq!(losses, 6, "those that were under way on the three");
    assert!(failed.elapsed() < Duration::from_secs(3), "nobody waited for a lease: {:?}", failed.elapsed());
    let all: Vec<_> = board.agents().await.unwrap();
    assert_eq!(all.iter().map(|agent| (agent.instances, agent.running)).collect::<Vec<_>>(), [(2, 0); 6]);
    assert_eq!(board.breaches(), []);
}

/// Each task fails up to three times, each time in another way, and then does well.
#[tokio::test(start_paused = true)]
async fn a_hundred_tasks_with_transient_faults_all_end_well() {
    let meters = Meters::default();
    let _meters = meters.read();
    let (_, store) = store();
    let mut random = Random(8);
    let faults: BTreeMap<String, Vec<usize>> =
        (0..100).map(|n| (format!("t{n}"), (0..random.below(4)).map(|_| random.below(5)).collect())).collect();
    let expected: usize = faults.values().map(Vec::len).sum();
    let given = Arc::new(faults);
    let board = acting(on(&store), 8, move |ctx, what| {
        let fault = given[&what].get(ctx.attempt() as usize - 1).copied();
        async move {
            sleep(Duration::from_millis(50)).await;
            match fault {
                None => Ok(what),
                Some(0) => Err(Error::retryable("busy")),
                Some(1) => Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()),
                Some(2) => Err(Error::retry_after(Duration::from_secs(5), "too many requests")),
                Some(3) => std::panic::resume_unwind(Box::new("a bug now and then")),
                Some(_) => {
                    sleep(Duration::from_secs(60)).await; // longer than it may
                    Ok("late".into())
                }
            }
        }
    });
    let board = board.start().await.unwrap();
    let workflow = Workflow::new("a hundred");
    let nodes: Vec<_> = (0..100)
        .map(|n| workflow.task(format!("t{n}"), act(&format!("t{n}"))).timeout(Duration::from_secs(10)))
        .collect();
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    for (n, node) in nodes.iter().enumerate() {
        assert_eq!(run.output(node).await.unwrap(), format!("t{n}"));
    }
    assert_eq!(meters.sum("callboard_retry_attempts_total"), expected as u64);
    assert!(meters.of("callboard_retry_attempts_total{capability=act,reason=timeout}") > 10);
    assert_eq!(meters.sum("callboard_dead_letters_total") + meters.sum("callboard_task_losses_total"), 0);
    assert_eq!(board.breaches(), []);
}
