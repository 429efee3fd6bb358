//! Budgets: what really was paid, by whoever saw it from outside, against what was allowed.

use super::test_kit::every_place;
use callboard::prelude::*;
use callboard::test::{TestBuilder, TestRuntime};
use callboard::{Budget, Cost, Ctx, RunStatus, Spent};
use std::sync::{Arc, Mutex};

/// Pays for something: reserved at so many calls, and really so many.
#[task(output = u64)]
struct Pay {
    n: u64,
    at_most: u64,
    costs: u64,
}

/// Has many pay side by side.
#[task(output = u64)]
struct Crowd {
    many: u64,
}

/// What was really paid, whoever died of it: it outlives every crash.
#[derive(Clone, Default)]
struct Purse(Arc<Mutex<Paid>>);

#[derive(Clone, Copy, Debug, Default)]
struct Paid {
    allowed: u64,
    paid: u64,
    /// What calls have cost beyond their own reservations.
    beyond: u64,
    times: usize,
}

impl Purse {
    fn allow(&self, calls: u64) {
        self.0.lock().unwrap().allowed += calls;
    }

    fn pay(&self, costs: u64, at_most: u64) {
        let mut it = self.0.lock().unwrap();
        it.paid += costs;
        it.beyond += costs.saturating_sub(at_most);
        it.times += 1;
        assert!(it.paid <= it.allowed + it.beyond, "{it:?}");
    }

    fn paid(&self) -> Paid {
        *self.0.lock().unwrap()
    }
}

fn agents(purse: &Purse) -> TestBuilder {
    let purse = purse.clone();
    TestRuntime::new()
        .task_fn(move |ctx: Ctx, pay: Pay| {
            let purse = purse.clone();
            async move {
                let Pay { n, at_most, costs } = pay;
                let spend = ctx.spend("pay", Cost::calls(at_most), move || async move {
                    purse.pay(costs, at_most);
                    // Whoever dies here has paid, and nobody knows.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Ok(Spent { value: n, cost: Cost::calls(costs) })
                });
                spend.await
            }
        })
        .task_fn(|ctx: Ctx, crowd: Crowd| async move {
            // Some cost less than they reserve, some as much, and every tenth more.
            let pay = |n: u64| Pay { n, at_most: 2 + n % 3, costs: if n.is_multiple_of(10) { 6 } else { 1 + n % 3 } };
            let said = ctx.map((0..crowd.many).map(pay)).width(100).await?;
            Ok(said.iter().sum())
        })
}

/// Starts a crowd under a budget, and adds to that whenever somebody waits for it; gives how often that was. The process
/// dies so often meanwhile, with everybody in it.
async fn attended(rt: &TestRuntime, purse: &Purse, many: u64, calls: u64, deaths: usize) -> usize {
    purse.allow(calls);
    let workflow = Workflow::new("crowd").budget(Budget::new().calls(calls));
    let crowd = workflow.task("crowd", Crowd { many });
    let id = rt.start(workflow).await.unwrap().id();
    let (mut added, mut died) = (0, 0);
    let sum = loop {
        let run = rt.run(id);
        // Simulated time, which passes when nobody has anything to do.
        let patience = if died < deaths { Duration::from_millis(170) } else { Duration::from_secs(60) };
        tokio::select! {
            biased;
            sum = run.output(&crowd) => break sum.unwrap(),
            () = tokio::time::sleep(patience) => {
                if died < deaths {
                    died += 1;
                    rt.restart().await;
                }
                let run = rt.run(id);
                let budget = run.budget().await.unwrap().unwrap();
                if budget.waiting > 0 {
                    assert_eq!(run.info().await.unwrap().status, RunStatus::Running);
                    purse.allow(20);
                    run.top_up(Budget::new().calls(20)).by("me: go on").await.unwrap();
                    added += 1;
                }
            }
        }
    };
    assert_eq!((sum, died), ((0..many).sum::<u64>(), deaths));
    let run = rt.run(id);
    let (budget, paid) = (run.budget().await.unwrap().unwrap(), purse.paid());
    assert_eq!((&budget.reserved, budget.waiting), (&Cost::calls(0), 0));
    assert_eq!(budget.limit, Budget::new().calls(paid.allowed));
    // What was cut short counts as it was reserved, so as much was counted as was paid, or more.
    let counted = |cost: &Cost| serde_json::to_value(cost).unwrap()["calls"].as_u64().unwrap_or(0);
    assert!(counted(&budget.spent) + paid.beyond >= paid.paid, "{budget:?} {paid:?}");
    assert!(counted(&budget.spent) <= paid.allowed + counted(&budget.overshoot), "{budget:?} {paid:?}");
    added
}

#[tokio::test(start_paused = true)]
async fn a_hundred_children_under_one_budget_pay_no_more_than_it_allows() {
    let purse = Purse::default();
    let rt = agents(&purse).start().await;
    let added = attended(&rt, &purse, 100, 50, 0).await;
    assert!(added >= 5, "{added}");
    let paid = purse.paid();
    assert_eq!(paid.times, 100, "each is paid once: {paid:?}");
    assert_eq!(rt.losses::<Pay>(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_children_that_die_everywhere_pay_no_more_than_their_budget_allows() {
    let purse = Purse::default();
    let mut agents = agents(&purse).settings(|settings| settings.losses_max = 1_000);
    // Now one dies before it has reserved, now one when it has paid and nobody knows, now one when that is recorded.
    for _ in 0..60 {
        agents =
            agents.crash_before("spend:pay").crash_during("spend:pay").crash_after("spend:pay").crash_before("end");
    }
    let rt = agents.start().await;
    attended(&rt, &purse, 100, 50, 12).await;
    let (paid, places) = (purse.paid(), rt.crash_places());
    for place in ["pay during spend:pay", "pay before spend:pay", "pay after spend:pay", "pay before end"] {
        assert!(places.iter().any(|seen| seen == place), "{place} is not among {places:?}");
    }
    assert!(rt.losses::<Pay>() >= 150, "{}", rt.losses::<Pay>());
    assert!(paid.times >= 130, "what died before it was recorded was paid again: {paid:?}");
}

#[tokio::test(start_paused = true)]
async fn a_death_at_any_place_is_no_overshoot() {
    let purse = Arc::new(Mutex::new(Purse::default()));
    let of = purse.clone();
    let agents = move || {
        *of.lock().unwrap() = Purse::default();
        agents(&of.lock().unwrap())
    };
    let places = every_place(agents, async |rt| {
        let purse = purse.lock().unwrap().clone();
        attended(rt, &purse, 3, 4, 0).await;
    })
    .await;
    assert!(places.iter().any(|place| place == "pay before spend:pay"), "{places:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_costs_what_its_error_says_or_all_that_was_reserved() {
    let rt = TestRuntime::new()
        .task_fn(|ctx: Ctx, pay: Pay| async move {
            let fails = |said: Option<u64>| async move {
                let error = Error::terminal("as told");
                Err::<Spent<u64>, _>(match said {
                    Some(calls) => error.costing(Cost::calls(calls)),
                    None => error,
                })
            };
            let one = ctx.spend("said", Cost::calls(5), || fails(Some(2))).await;
            let other = ctx.spend("not said", Cost::calls(5), || fails(None)).await;
            let bad = ctx.spend("uncounted", Cost::calls(5).usd(f64::NAN), || fails(None)).await;
            assert!(one.is_err() && other.is_err());
            assert!(format!("{:#}", bad.unwrap_err()).contains("the cost can not be counted: NaN US dollars"));
            Ok(pay.n)
        })
        .start()
        .await;
    let workflow = Workflow::new("w").budget(Budget::new().calls(20));
    let pay = workflow.task("pay", Pay { n: 1, at_most: 0, costs: 0 });
    let run = rt.start(workflow).await.unwrap();
    assert_eq!(run.output(&pay).await.unwrap(), 1);
    let budget = run.budget().await.unwrap().unwrap();
    assert_eq!((budget.spent, budget.reserved), (Cost::calls(7), Cost::calls(0)));
    assert_eq!(budget.left, Budget::new().calls(13));
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_time_is_spent_says_so_and_goes_on_after_a_top_up() {
    let rt = TestRuntime::new()
        .task_fn(|ctx: Ctx, pay: Pay| async move {
            ctx.sleep(Duration::from_secs(600)).await?;
            Ok(pay.n)
        })
        .start()
        .await;
    let workflow = Workflow::new("w").budget(Budget::new().wall(Duration::from_secs(300)));
    let pay = workflow.task("pay", Pay { n: 1, at_most: 0, costs: 0 });
    let run = rt.start(workflow).await.unwrap();
    let error = tokio::time::timeout(Duration::from_secs(3_600), run.output(&pay)).await;
    assert!(error.is_err(), "it starts nothing while its time is spent");
    let info = run.info().await.unwrap();
    assert_eq!(info.status, RunStatus::Paused);
    assert_eq!(info.reason.as_deref(), Some("the wall time of its budget, 5m, is spent: top it up"));
    assert!(info.budget.unwrap().wall_spent);
    let refused = run.resume().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused:#}");
    let refused = run.top_up(Budget::usd(1.0)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused:#}");
    assert!(refused.message().contains("it has no limit of money (usd)"), "{refused:#}");
    for _again in 0..2 {
        run.top_up(Budget::new().wall(Duration::from_secs(7_200))).key("once").by("me").await.unwrap();
    }
    assert_eq!(run.output(&pay).await.unwrap(), 1);
    let budget = run.budget().await.unwrap().unwrap();
    assert_eq!((budget.limit, budget.top_ups.len()), (Budget::new().wall(Duration::from_secs(7_500)), 1));
}
