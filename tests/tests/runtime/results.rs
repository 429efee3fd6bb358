//! How tasks end, and what their callers are told.

use super::kit::*;
use crate::meters::Meters;
use callboard::Callboard;
use callboard::prelude::*;
use std::sync::Arc;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn an_output_is_typed_and_data_flows_along_the_edges() {
    let (_, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let workflow = Workflow::new("two");
    let first = workflow.task("first", echo("a"));
    let second = workflow.task("second", Use { text: first.out() });
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.output(&second).await.unwrap(), "used a");
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    let progress = run.progress().await.unwrap().unwrap();
    assert_eq!((progress.tasks, progress.completed, progress.running), (2, 2, 0));
}

async fn failing(f: fn(u32) -> Error) -> (Callboard, Gauge) {
    let (_, store) = store();
    let tries = Gauge::default();
    let count = tries.clone();
    let builder = acting(on(&store), 1, move |ctx, _| {
        count.add();
        async move { Err(f(ctx.attempt())) }
    });
    (builder.start().await.unwrap(), tries)
}

#[tokio::test(start_paused = true)]
async fn a_terminal_failure_is_told_with_its_causes_counted_and_not_retried() {
    let meters = Meters::default();
    let _meters = meters.read();
    let (board, tries) = failing(|_| Error::terminal("no such repository").context("fetching acme/api")).await;
    let error = board.call(act("")).await.unwrap_err();
    assert_eq!((error.kind(), error.class()), (ErrorKind::Failed, ErrorClass::Terminal));
    assert_eq!(full(&error), "task \"act\" failed: fetching acme/api: no such repository");
    assert_eq!(tries.get(), 1);
    assert_eq!(meters.of("callboard_task_failures_total{capability=act,reason=terminal}"), 1);
    assert_eq!(meters.sum("callboard_retry_attempts_total") + meters.sum("callboard_dead_letters_total"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_retryable_failure_is_retried_after_2_4_and_8_seconds_and_then_dead() {
    let (board, tries) = failing(|attempt| Error::retryable(format!("busy {attempt}"))).await;
    let start = Instant::now();
    let error = board.call(act("")).await.unwrap_err();
    let took = start.elapsed().as_secs_f64();
    assert!((14.0 * 0.8..14.0 * 1.2 + 1.0).contains(&took), "{took} s");
    assert_eq!(tries.get(), 4);
    assert_eq!(full(&error), "task \"act\" failed: busy 4");
    assert_eq!(error.class(), ErrorClass::Retryable { after: None });
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_come_before_the_failing_side_wants_it() {
    let (board, tries) = failing(|_| Error::retry_after(Duration::from_secs(30), "too many requests")).await;
    let start = Instant::now();
    let error = board.call(act("")).retry(Retry::exponential(1)).await.unwrap_err();
    assert!(start.elapsed() >= Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(32), "{:?}", start.elapsed());
    assert_eq!(error.class(), ErrorClass::Retryable { after: Some(Duration::from_secs(30)) });
    assert_eq!(tries.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failed_attempt_and_costs_only_the_instance() {
    let (_, store) = store();
    let made = Gauge::default();
    let count = made.clone();
    let builder = on(&store).agents(2, move || {
        count.add();
        Actor {
            f: |ctx: callboard::Ctx, what: String| async move {
                assert!(ctx.attempt() > 1 || what != "panic", "lost my temper");
                Ok(what)
            },
        }
    });
    let board = builder.start().await.unwrap();
    made.reaches(2).await;
    let (workflow, it) = one(act("panic"));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.output(&it).await.unwrap(), "panic");
    made.reaches(3).await;
    for _ in 0..5 {
        assert_eq!(board.call(act("fine")).await.unwrap(), "fine");
    }
    let error = board.call(act("panic")).retry(Retry::never()).await.unwrap_err();
    assert_eq!(full(&error), "task \"act\" failed: the handler panicked: lost my temper");
    assert_eq!(board.call(act("fine")).await.unwrap(), "fine");
    assert!(board.shutdown().await.is_ok());
}

/// A board whose handlers wait for ever, and the gauges of their starts and of their drops.
async fn waiting() -> (Callboard, Gauge, Gauge) {
    let (_, store) = store();
    let (started, dropped) = (Gauge::default(), Gauge::default());
    let gauges = (started.clone(), dropped.clone());
    let builder = acting(on(&store), 1, move |_, _| {
        let (started, dropped) = gauges.clone();
        async move {
            let _guard = OnDrop(dropped);
            started.add();
            std::future::pending().await
        }
    });
    (echoing(builder).start().await.unwrap(), started, dropped)
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_stopped_and_retried() {
    let (board, started, dropped) = waiting().await;
    let start = Instant::now();
    let call = board.call(act("")).timeout(Duration::from_secs(10)).retry(Retry::exponential(1));
    let error = call.await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Timeout);
    assert_eq!(full(&error), "task \"act\" failed: the attempt took longer than its limit of 10s");
    dropped.reaches(2).await;
    assert_eq!(started.get(), 2);
    let took = start.elapsed().as_secs_f64();
    assert!((21.0..24.0).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_shows_no_progress_is_stopped() {
    let (board, _, dropped) = waiting().await;
    let workflow = Workflow::new("silent");
    let it = workflow.task("it", act("")).heartbeat_timeout(Duration::from_secs(5)).retry(Retry::never());
    let run = board.start(workflow).await.unwrap();
    let error = run.output(&it).await.unwrap_err();
    assert_eq!(full(&error), "task \"it\" failed: the handler sent no heartbeat for 5s");
    dropped.reaches(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_shows_progress_goes_on() {
    let (_, store) = store();
    let builder = acting(on(&store), 1, |ctx, _| async move {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(3)).await;
            ctx.heartbeat();
        }
        Ok("done".into())
    });
    let board = builder.start().await.unwrap();
    let workflow = Workflow::new("slow");
    let it = workflow.task("it", act("")).heartbeat_timeout(Duration::from_secs(5)).retry(Retry::never());
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.output(&it).await.unwrap(), "done");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_no_instance_takes_in_time_fails() {
    let (board, started, _) = waiting().await;
    let _busy = board.start(one(act("")).0).await.unwrap();
    started.reaches(1).await;
    let workflow = Workflow::new("late");
    let it = workflow.task("it", act("")).start_timeout(Duration::from_secs(3));
    let run = board.start(workflow).await.unwrap();
    let error = run.output(&it).await.unwrap_err();
    assert_eq!(full(&error), "task \"it\" failed: no instance accepted it within 3s");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_is_ended_and_its_handlers_stopped() {
    let (board, _, dropped) = waiting().await;
    let workflow = Workflow::new("long").timeout(Duration::from_secs(20));
    let it = workflow.task("it", act(""));
    let then = workflow.task("then", Use { text: it.out() });
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Failed);
    let error = run.output(&then).await.unwrap_err();
    assert!(full(&error).ends_with("the run took longer than its limit of 20s"), "{}", full(&error));
    dropped.reaches(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_stops_its_handlers_and_skips_the_rest() {
    let (board, started, dropped) = waiting().await;
    let workflow = Workflow::new("long");
    let it = workflow.task("it", act(""));
    let then = workflow.task("then", Use { text: it.out() });
    let run = board.start(workflow).await.unwrap();
    started.reaches(1).await;
    run.cancel("nobody needs it").await.unwrap();
    dropped.reaches(1).await;
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Cancelled);
    for node in [&it, &then] {
        let error = run.output(node).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(full(&error).contains("nobody needs it"), "{}", full(&error));
    }
    assert_eq!(run.cancel("again").await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(
        board.run(callboard::RunId::from_key("default", "x")).cancel("").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

/// The stop of a handler is not lost when the cancellation comes right after the acceptance.
#[tokio::test(start_paused = true)]
async fn a_cancellation_that_races_the_acceptance_stops_the_handler_at_once() {
    for pause in 0..40 {
        let (board, started, dropped) = waiting().await;
        let run = board.start(one(act("")).0).await.unwrap();
        for _ in 0..pause {
            tokio::task::yield_now().await;
        }
        run.cancel("at once").await.unwrap();
        let start = Instant::now();
        // What has not started by now never will: its acceptance is refused.
        board.call(echo("x")).await.unwrap();
        board.call(echo("y")).await.unwrap();
        dropped.reaches(started.get()).await;
        assert!(start.elapsed() < Duration::from_millis(500), "{:?} after {pause} yields", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_a_failed_task_is_skipped_and_its_caller_is_told_why() {
    let (_, store) = store();
    let builder = echoing(acting(on(&store), 1, |_, _| async { Err(Error::terminal("out of paper")) }));
    let board = builder.start().await.unwrap();
    let workflow = Workflow::new("cascade");
    let bad = workflow.task("bad", act(""));
    let next = workflow.task("next", Use { text: bad.out() });
    let last = workflow.task("last", Use { text: next.out() });
    let fine = workflow.task("fine", echo("fine"));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(full(&run.output(&last).await.unwrap_err()), "task \"bad\" failed: out of paper");
    assert_eq!(run.output(&fine).await.unwrap(), "fine");
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Failed);
    assert_eq!(run.progress().await.unwrap().unwrap().ended_otherwise, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_said_so() {
    let (_, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let (workflow, it) = one(echo("a"));
    let run = board.start(workflow).await.unwrap();
    run.output(&it).await.unwrap();
    let other = Workflow::new("other").task("elsewhere", echo("b"));
    assert_eq!(run.output(&other).await.unwrap_err().kind(), ErrorKind::NotFound);
    let nobody = board.run(board.run_id_of_key("nobody"));
    assert_eq!(nobody.outcome().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(nobody.progress().await.unwrap(), None);
    let wrong = Workflow::new("one").task("it", Sum { id: String::new(), parts: Vec::new().into() });
    assert_eq!(run.output(&wrong).await.unwrap_err().kind(), ErrorKind::Invalid);
}

/// The result of a task outlives the life of the instance that handed it in, and is not computed twice.
#[tokio::test(start_paused = true)]
async fn a_result_whose_commit_takes_long_is_neither_lost_nor_computed_twice() {
    use callboard::port::store::fault::{Fault, Operation};
    let (faults, store) = store();
    let tries = Gauge::default();
    let count = tries.clone();
    let big = Arc::new("x".repeat(100 << 10));
    let builder = acting(on(&store), 1, move |_, _| {
        count.add();
        let big = big.clone();
        async move { Ok((*big).clone()) }
    });
    let board = builder.start().await.unwrap();
    // The payload can not be stored for half a minute: longer than a lease, and than the journal's patience.
    faults.always(Operation::Create, "*/payloads/*", Fault::LoseRequest);
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    tries.reaches(1).await;
    tokio::time::advance(Duration::from_secs(30)).await;
    for _ in 0..300 {
        tokio::time::advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
    faults.calm();
    assert_eq!(run.output(&it).await.unwrap().len(), 100 << 10);
    assert_eq!(tries.get(), 1);
}

/// Whoever has set the limit, the class says that it was one.
#[tokio::test(start_paused = true)]
async fn what_took_too_long_is_a_timeout() {
    let elapsed = tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>()).await.unwrap_err();
    let of_the_system = |kind: std::io::ErrorKind| Error::from(std::io::Error::from(kind));
    let timeouts =
        [elapsed.into(), of_the_system(std::io::ErrorKind::TimedOut), Error::timeout("the model took a minute")];
    for error in timeouts {
        assert_eq!((error.class(), error.is_retryable()), (ErrorClass::Timeout, true), "{error:?}");
    }
    let refused = of_the_system(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(refused.class(), ErrorClass::Retryable { after: None });
}
