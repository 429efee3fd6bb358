//! Calls that are reserved in a budget before they are made, beside steps, which are not.

use crate::fleet::{Fleet, Place};
use crate::measure::{self, Latencies, Row};
use crate::{Plan, fresh_folder};
use callboard::prelude::*;
use callboard::{Budget, Cost, Ctx, Spent};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

/// How many calls a task makes, one after the other.
const CALLS: u64 = 10;
/// How many tasks are under way at once.
const IN_FLIGHT: usize = 64;

/// Makes calls that do nothing.
#[task(output = u64)]
pub(crate) struct Calling {
    is_paid: bool,
}

pub(crate) async fn call(ctx: Ctx, calling: Calling) -> Result<u64> {
    let mut sum = 0;
    for n in 0..CALLS {
        sum += match calling.is_paid {
            true => ctx.spend("n", Cost::calls(1), || async { Ok(Spent { value: n, cost: Cost::calls(1) }) }).await?,
            false => ctx.step("n", || async { Ok(n) }).await?,
        };
    }
    Ok(sum)
}

/// One row: the calls of many runs, each under a budget of its own that has room for all.
pub(crate) async fn measure(plan: &Plan, name: &str, place: Place, is_paid: bool) -> Result<Row> {
    let tasks = 1_000 / plan.divisor;
    let mut rows = Vec::new();
    for _ in 0..plan.repetitions {
        let folder = fresh_folder(&plan.folder)?;
        let fleet = Fleet::start(place, folder.path()).await?;
        let one = async || -> Result<Duration> {
            let begun = Instant::now();
            let workflow = Workflow::new("calling").budget(Budget::new().calls(CALLS));
            let node = workflow.task("calling", Calling { is_paid });
            let run = fleet.board.start(workflow).await?;
            assert_eq!(run.output(&node).await?, CALLS * (CALLS - 1) / 2);
            let spent = run.budget().await?.map(|budget| budget.spent);
            assert_eq!(spent, Some(Cost::calls(if is_paid { CALLS } else { 0 })), "each call is counted once");
            Ok(begun.elapsed())
        };
        let before = fleet.reading();
        let flown = stream::iter(0..tasks).map(|_| one()).buffer_unordered(IN_FLIGHT);
        let latencies = Latencies::of(flown.try_collect().await?);
        rows.push(Row::new(name, tasks * CALLS as usize, &latencies, before, fleet.reading()));
        fleet.shutdown().await?;
    }
    Ok(measure::median(rows))
}
