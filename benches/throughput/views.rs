//! How long it takes to see what is there: runs listed, filtered and shown over HTTP, among many.

use crate::fleet::{Fleet, Place};
use crate::measure::Latencies;
use crate::web::get;
use crate::{Plan, fresh_folder, table::Report};
use callboard::prelude::*;
use callboard::{RunId, RunStatus};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::time::Instant;

/// Runs that have ended, most of which are in the archive, and runs that go on.
const ENDED: usize = 10_000;
const LIVE: usize = 1_000;
/// Each question is asked so often.
const ASKED: usize = 100;

/// A task that nobody performs.
#[task(output = u64)]
struct Never {
    number: u64,
}

/// The path of the nth time that a question is asked.
type Question<'a> = Box<dyn Fn(usize) -> String + 'a>;

/// One row for each question.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let folder = fresh_folder(&plan.folder)?;
    let fleet = Fleet::start(Place::folder(1), folder.path()).await?;
    let address = fleet.board.serve().await?;
    let ended: Vec<RunId> =
        fleet.fly(0..ENDED / plan.divisor, 256).await?.runs.into_iter().map(|(run, _)| run).collect();
    let board = &fleet.board;
    let starts = stream::iter(0..LIVE / plan.divisor).map(|number| async move {
        let workflow = Workflow::new("never").label("parity", if number % 2 == 0 { "even" } else { "odd" });
        let _ = workflow.task("never", Never { number: number as u64 });
        board.start(workflow).await.map(|run| run.id())
    });
    let live: Vec<RunId> = starts.buffer_unordered(64).try_collect().await?;
    let known = board.runs().status(RunStatus::Running).limit(1_000).await?.items.len();
    assert_eq!(known, live.len().min(1_000), "all of them go on");
    let of = |runs: &[RunId], n: usize| runs[n * 7_919 % runs.len()];
    let questions: [(&str, Question<'_>); 7] = [
        ("list", Box::new(|_| "/v1/runs".to_owned())),
        ("list by status", Box::new(|_| "/v1/runs?status=running".to_owned())),
        ("list by workflow", Box::new(|_| "/v1/runs?workflow=never".to_owned())),
        ("list by label", Box::new(|_| "/v1/runs?label=parity:odd".to_owned())),
        ("tasks by status, with why", Box::new(|_| "/v1/tasks?status=ready".to_owned())),
        ("show one that has ended", Box::new(|n| format!("/v1/runs/{}", of(&ended, n)))),
        ("show one that goes on", Box::new(|n| format!("/v1/runs/{}", of(&live, n)))),
    ];
    for (name, path) in questions {
        let mut latencies = Vec::new();
        for n in 0..ASKED {
            let path = path(n);
            let asked = Instant::now();
            let answer = get(address, &path).await?;
            latencies.push(asked.elapsed());
            let answer: Value = serde_json::from_str(&answer)?;
            assert!(
                answer["id"].is_string() || answer["items"].as_array().is_some_and(|items| !items.is_empty()),
                "{name}"
            );
        }
        report.view(name, ended.len(), live.len(), &Latencies::of(latencies));
    }
    fleet.shutdown().await
}
