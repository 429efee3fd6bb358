//! Limits: no more goes on than is allowed, what is over waits in order, and nothing is dropped, failed or tried in vain.

use super::kit::*;
use callboard::prelude::*;
use callboard::{Ctx, Limit, Priority, RunOutcome, TaskInfo};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
const LLM: &str = "llm:groq";

/// What was at it when, and how many at a time at most.
#[derive(Clone, Default)]
struct Watched(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    now: usize,
    most: usize,
    calls: Vec<(Instant, u64, String)>,
}

struct At(Watched);

impl Drop for At {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().now -= 1;
    }
}

impl Watched {
    fn begins(&self, units: u64, what: &str) -> At {
        let mut seen = self.0.lock().unwrap();
        seen.now += 1;
        seen.most = seen.most.max(seen.now);
        seen.calls.push((Instant::now(), units, what.to_owned()));
        At(self.clone())
    }

    fn most(&self) -> usize {
        self.0.lock().unwrap().most
    }

    fn calls(&self) -> Vec<(Instant, u64, String)> {
        self.0.lock().unwrap().calls.clone()
    }

    /// How many units went in the fullest stretch of this length.
    fn fullest(&self, per: Duration) -> u64 {
        let calls = self.calls();
        let (mut first, mut sum, mut most) = (0, 0, 0);
        for (at, units, _) in &calls {
            sum += units;
            while *at - calls[first].0 >= per {
                sum -= calls[first].1;
                first += 1;
            }
            most = most.max(sum);
        }
        most
    }
}

/// A handler that asks a provider in a step, for `units`, for which it takes so long.
async fn asks(ctx: Ctx, watched: Watched, what: String, units: u64, takes: Duration) -> Result<String> {
    let (ctx, watched, what) = (&ctx, &watched, &what);
    ctx.step("ask", || async move {
        let _permit = ctx.limit(LLM, units).await?;
        let _at = watched.begins(units, what);
        tokio::time::sleep(takes).await;
        Ok(format!("answer to {what}"))
    })
    .await
}

fn asking(instances: usize, watched: &Watched, units: u64, takes: Duration) -> callboard::Builder {
    let (_, store) = store();
    let watched = watched.clone();
    acting(on(&store), instances, move |ctx, what| asks(ctx, watched.clone(), what, units, takes))
}

/// Many tasks without a limit of their own.
fn many(count: usize) -> Workflow {
    let workflow = Workflow::new("many");
    for n in 0..count {
        let _ = workflow.task(format!("t{n}"), act(&format!("t{n}")));
    }
    workflow
}

async fn are_first(run: &callboard::Run) {
    let mut behind = run.tasks().limit(1_000).await.unwrap();
    let is_first = |task: &TaskInfo| task.attempt == 1 && task.losses == 0 && task.failures.is_empty();
    assert!(behind.items.drain(..).all(|task| is_first(&task)), "nothing was tried in vain");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tasks_go_ten_at_a_time() {
    let (_, store) = store();
    let watched = Watched::default();
    let given = watched.clone();
    let board = acting(on(&store), 100, move |_, what| {
        let watched = given.clone();
        async move {
            let _at = watched.begins(1, &what);
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(what)
        }
    });
    let board = board.limit_capability("act", Limit::concurrent(10)).start().await.unwrap();
    let run = board.start(many(1_000)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let limit = &board.limits()[0];
    assert_eq!((limit.taken, limit.waiting), (10, 990), "{limit:?}");
    let queue = &board.queue()[0];
    assert_eq!(queue.reason, "limit \"capability:act\" is reached: 10 of 10 at a time");
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    let calls = watched.calls();
    assert_eq!((calls.len(), watched.most()), (1_000, 10));
    let took = calls[999].0 - calls[0].0;
    assert!((Duration::from_secs(99)..Duration::from_secs(101)).contains(&took), "ten all the time: {took:?}");
    are_first(&run).await;
    assert_eq!(board.limits()[0].taken, 0);
}

/// 600 in any minute for an hour: 36,000, not one less, and in no minute one more.
#[tokio::test(start_paused = true)]
async fn six_hundred_a_minute_are_held_for_an_hour_to_the_exact_count() {
    let (_, store) = store();
    let watched = Watched::default();
    let given = watched.clone();
    let board = acting(on(&store), 100, move |_, what| {
        drop(given.begins(1, &what));
        async { Ok(what) }
    });
    let limit = Limit::per(MINUTE, 600);
    let board = board.limit_capability("act", limit).start().await.unwrap();
    let first = Instant::now();
    for _ in 0..4 {
        board.start(many(10_000)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(3_590)).await;
    let calls = watched.calls();
    assert_eq!(calls.len(), 36_000);
    assert!(calls[0].0 - first < Duration::from_secs(1), "the first go at once");
    // Each of them may be late by its way to the instance, and none is early.
    assert!(watched.fullest(MINUTE - Duration::from_secs(1)) <= 600);
    let reason = &board.queue()[0].reason;
    assert!(reason.starts_with("limit \"capability:act\" is reached: 600 of 600 units in 60s; 1 more in"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn tokens_and_requests_of_one_provider_are_one_limit() {
    let watched = Watched::default();
    let limit = Limit::per(MINUTE, 100_000).calls_per(MINUTE, 600).at_once(20);
    let board = asking(50, &watched, 2_000, Duration::from_millis(100)).limit(LLM, limit).start().await.unwrap();
    let run = board.start(many(300)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(watched.calls().len(), 50, "100,000 tokens");
    let info = run.info().await.unwrap();
    assert_eq!(info.counts.of(callboard::Status::Parked), 250, "the others hold no instance");
    assert_eq!(board.agents().await.unwrap()[0].running, 0);
    let tasks = run.tasks().limit(1_000).await.unwrap();
    let waits = tasks.items.iter().find_map(|task| task.why.as_ref()).unwrap().to_string();
    assert!(waits.starts_with("limit \"llm:groq\" is reached: 100000 of 100000 units in 60s; 2000 more in"), "{waits}");
    let limit = &board.limits()[0];
    assert_eq!((limit.waiting, limit.rates[0].went, limit.rates[1].went), (250, 100_000, 50));
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    assert_eq!((watched.calls().len(), watched.most()), (300, 20));
    assert!(watched.fullest(MINUTE - Duration::from_secs(1)) <= 100_000);
    let took = watched.calls()[299].0 - watched.calls()[0].0;
    assert!(took < 5 * MINUTE + Duration::from_secs(5), "and not less: {took:?}");
    are_first(&run).await;
}

/// The most urgent first, and among equals run by run.
#[tokio::test(start_paused = true)]
async fn what_waits_goes_in_the_order_of_priority_and_in_turns_of_the_runs() {
    let watched = Watched::default();
    let takes = Duration::from_secs(1);
    let board = asking(20, &watched, 1, takes).limit(LLM, Limit::concurrent(1)).start().await.unwrap();
    let first = board.start(many(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut runs = Vec::new();
    for (name, priority) in
        [("a", Priority::Low), ("b", Priority::Medium), ("c", Priority::Medium), ("d", Priority::High)]
    {
        let workflow = Workflow::new(name);
        for n in 0..3 {
            let _ = workflow.task(format!("{n}"), act(&format!("{name}{n}"))).priority(priority);
        }
        runs.push(board.start(workflow).await.unwrap());
        // They have come to the limit in this order, and found it taken.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for run in runs.iter().chain([&first]) {
        run.outcome().await.unwrap();
    }
    let calls = watched.calls();
    let order: Vec<&str> = calls[1..].iter().map(|(_, _, what)| &**what).collect();
    assert_eq!(order, ["d0", "d1", "d2", "b0", "c0", "b1", "c1", "b2", "c2", "a0", "a1", "a2"]);
    assert_eq!(watched.most(), 1);
}

/// One asks for nearly all of it, and many for little, again and again.
#[tokio::test(start_paused = true)]
async fn what_asks_for_much_is_not_overtaken_for_ever() {
    let watched = Watched::default();
    let (_, store) = store();
    let given = watched.clone();
    let asks_for = move |ctx, what: String| {
        let units = if what == "big" { 90 } else { 10 };
        asks(ctx, given.clone(), what, units, Duration::ZERO)
    };
    let board = acting(on(&store), 20, asks_for).limit(LLM, Limit::per(MINUTE, 100)).start().await.unwrap();
    let _small = board.start(many(500)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (workflow, node) = one(act("big"));
    let began = Instant::now();
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.output(&node).await.unwrap(), "answer to big");
    assert!(began.elapsed() <= 3 * MINUTE, "{:?}", began.elapsed());
    assert!(watched.fullest(MINUTE - Duration::from_secs(1)) <= 100);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_parked_waits_where_it_is_and_goes() {
    let watched = Watched::default();
    let (_, store) = store();
    let given = watched.clone();
    let board = acting(on(&store), 10, move |ctx, what| {
        let watched = given.clone();
        async move {
            let busy = ctx.step("busy", || async {
                tokio::time::sleep(Duration::from_secs(600)).await;
                Ok(())
            });
            let asked = asks(ctx.clone(), watched, what.clone(), 1, Duration::from_secs(1));
            match &*what {
                "busy" => futures::join!(asked, busy).0,
                _ => asked.await,
            }
        }
    });
    let board = board.limit(LLM, Limit::concurrent(1)).start().await.unwrap();
    let others = board.start(many(100)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    let (workflow, _) = one(act("busy"));
    board.start(workflow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let calls = watched.calls();
    let went = calls.iter().find(|(_, _, what)| what == "busy").expect("it was not overtaken for ever").0;
    assert!(went - began < Duration::from_secs(3), "{:?}", went - began);
    assert_eq!(others.outcome().await.unwrap(), RunOutcome::Completed);
    assert_eq!(watched.most(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_tenant_has_a_share_of_its_own() {
    let watched = Watched::default();
    let limit = Limit::concurrent(2).per_tenant();
    let board = asking(50, &watched, 1, Duration::from_secs(1));
    let board = board.limit(LLM, limit.clone()).limit_capability("act", Limit::concurrent(3).per_tenant());
    let board = board.start().await.unwrap();
    let mut runs = Vec::new();
    for tenant in ["acme", "globex @ 2/3"] {
        runs.push(board.start(many(20).tenant(tenant)).await.unwrap());
    }
    runs.push(board.start(many(20)).await.unwrap());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(watched.most(), 6, "two of each, and of those without a tenant");
    let limits = board.limits();
    for tenant in ["acme", "globex @ 2/3", ""] {
        let of_it = limits.iter().filter(|limit| limit.tenant.as_deref() == Some(tenant));
        let taken: Vec<u64> = of_it.map(|limit| limit.taken).collect();
        assert_eq!(taken.len(), 2, "{limits:?}");
        assert!(taken.iter().all(|taken| (1..=3).contains(taken)), "{limits:?}");
    }
    for run in runs {
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    }
    assert_eq!(watched.calls().len(), 60);
    assert_eq!(watched.most(), 6);
}

/// However a handler ends, its place is free again, once.
#[tokio::test(start_paused = true)]
async fn whatever_ends_frees_its_place_once() {
    let watched = Watched::default();
    let (_, store) = store();
    let given = watched.clone();
    let board = acting(on(&store), 10, move |ctx, what| {
        let watched = given.clone();
        async move {
            let _permit = ctx.limit(LLM, 1).await?;
            let _at = watched.begins(1, &what);
            tokio::time::sleep(Duration::from_secs(1)).await;
            match &*what {
                "fails" => Err(Error::terminal("no")),
                "panics" => panic!("as it is told"),
                "hangs" => std::future::pending().await,
                _ => Ok(what),
            }
        }
    });
    let board = board.limit(LLM, Limit::concurrent(2)).limit_capability("act", Limit::concurrent(3));
    let board = board.start().await.unwrap();
    let workflow = Workflow::new("ends");
    for n in 0..40 {
        let what = ["fails", "panics", "hangs", "does it"][n % 4];
        let node = workflow.task(format!("t{n}"), act(what)).retry(Retry::never());
        let _ = node.timeout(Duration::from_secs(5));
    }
    let run = board.start(workflow).await.unwrap();
    let cancelled = board.start(many(10)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    cancelled.cancel("not needed").await.unwrap();
    run.outcome().await.unwrap();
    assert_eq!(watched.most(), 2);
    let free = |limits: &[callboard::LimitInfo]| limits.iter().all(|limit| limit.taken == 0);
    while !free(&board.limits()) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // And it is two again, not more and not less.
    let (before, after) = (watched.calls().len(), many(10));
    board.start(after).await.unwrap().outcome().await.unwrap();
    assert_eq!((watched.calls().len() - before, watched.most()), (10, 2));
}

/// What was at it when the process ended is at it until its lease has expired, and then no more.
#[tokio::test(start_paused = true)]
async fn a_restart_counts_what_was_under_way_and_loses_nobody_who_waits() {
    let (_, store) = store();
    let watched = Watched::default();
    let open = || {
        let watched = watched.clone();
        let board =
            acting(on(&store), 10, move |ctx, what| asks(ctx, watched.clone(), what, 1, Duration::from_secs(1)));
        board.limit(LLM, Limit::concurrent(2)).limit_capability("act", Limit::concurrent(4)).start()
    };
    let board = open().await.unwrap();
    let run = board.start(many(50)).await.unwrap().id();
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    board.emergency_stop("now").await.unwrap();
    let board = open().await.unwrap();
    assert_eq!(board.run(run).outcome().await.unwrap(), RunOutcome::Completed);
    assert_eq!(watched.most(), 2);
    assert!(board.limits().iter().all(|limit| limit.taken == 0 && limit.waiting == 0), "{:?}", board.limits());
}

#[tokio::test(start_paused = true)]
async fn what_can_never_go_is_refused_in_words() {
    let (_, store) = store();
    let acts = |ctx: Ctx, what: String| async move {
        let (name, units) = what.split_once(' ').unwrap();
        let _permit = ctx.limit(name, units.parse().unwrap()).await?;
        Ok(what)
    };
    let board = acting(on(&store), 1, acts).limit(LLM, Limit::per(MINUTE, 100)).start().await.unwrap();
    let error = board.call(act("llm:groq 101")).await.unwrap_err();
    assert!(
        full(&error).contains("101 units are more than limit \"llm:groq\" ever allows at once, 100"),
        "{}",
        full(&error)
    );
    let error = board.call(act("llm:other 1")).await.unwrap_err();
    assert!(full(&error).contains("there is no limit \"llm:other\" on this node"), "{}", full(&error));
    assert!(full(&error).contains("there are [\"llm:groq\"]"), "{}", full(&error));
    board.call(act("llm:groq 100")).await.unwrap();
    board.shutdown().await.unwrap();
    let builder = on(&store).limit("two words", Limit::concurrent(0)).limit_capability("x", Limit::per(MINUTE, 0));
    let error = builder.limit("capability:x", Limit::per(Duration::ZERO, 1)).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    for fault in ["not \"two words\"", "allows 0 at a time", "allows 0 units", "is per 0ns", "not \"capability:x\""] {
        assert!(full(&error).contains(fault), "{fault}: {}", full(&error));
    }
}
