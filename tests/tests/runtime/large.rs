//! Much at once: one large run, and many small ones.

use super::kit::*;
use callboard::prelude::*;
use futures::{StreamExt, TryStreamExt, stream};

/// Adds one to the most of what it is given.
#[task(output = u64)]
struct Most {
    of: In<Vec<u64>>,
}

fn board() -> callboard::Builder {
    let (_, store) = store();
    on(&store).task_fn(|_, task: Most| async move { Ok(task.of.iter().max().map_or(1, |most| most + 1)) })
}

#[tokio::test(start_paused = true)]
async fn a_run_of_ten_thousand_tasks_in_layers_of_a_hundred_completes() {
    let board = board().start().await.unwrap();
    let workflow = Workflow::new("layers");
    let none = || Most { of: Vec::new().into() };
    let first = workflow.map("0", (0..100).map(|_| none()));
    let last = (1..100).fold(first, |layer, depth| {
        let behind = |n: usize| [0, 1, 2].map(|k| layer[(n + k) % 100].clone()).as_slice().gather();
        workflow.map(&depth.to_string(), (0..100).map(|n| Most { of: behind(n) }))
    });
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    for node in &last {
        assert_eq!(run.output(node).await.unwrap(), 100, "as deep as the layers");
    }
    assert_eq!(run.progress().await.unwrap().unwrap().completed, 10_000);
    assert_eq!(board.journal_counters().events, 2 * 10_000 + 2, "nothing was done twice");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_runs_of_ten_tasks_complete_side_by_side() {
    let board = board().start().await.unwrap();
    let one = |number: usize| {
        let board = board.clone();
        async move {
            let workflow = Workflow::new("diamond");
            let first = workflow.task("first", Most { of: vec![number as u64].into() });
            let facets = workflow.map("facet", (0..8).map(|_| Most { of: [first.clone()].as_slice().gather() }));
            let last = workflow.task("last", Most { of: facets.gather() });
            let run = board.start(workflow).await?;
            run.output(&last).await.map(|output| (number, output))
        }
    };
    let results: Vec<(usize, u64)> =
        stream::iter((0..1_000).map(one)).buffer_unordered(1_000).try_collect().await.unwrap();
    assert!(results.iter().all(|(number, output)| *output == *number as u64 + 3), "{results:?}");
    assert_eq!(results.len(), 1_000);
}
