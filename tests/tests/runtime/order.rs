//! Which task starts next.

use super::kit::*;
use callboard::prelude::*;
use std::collections::BTreeMap;

/// A board with one instance that is busy until the gate opens, and notes what it does in order.
async fn busy() -> (callboard::Callboard, Gate, Log) {
    let (_, store) = store();
    let (gate, log) = (Gate::shut(), Log::default());
    let (shut, noted) = (gate.clone(), log.clone());
    let builder = acting(on(&store).settings(|settings| settings.partitions = 4), 1, move |_, what| {
        let (shut, noted) = (shut.clone(), noted.clone());
        async move {
            noted.add(&what);
            shut.pass().await;
            Ok(what)
        }
    });
    // Time enough for everything to be in place before the gate opens.
    let board = builder.start().await.unwrap();
    board.start(one(act("first")).0).await.unwrap();
    while log.all().is_empty() {
        tokio::task::yield_now().await;
    }
    (board, gate, log)
}

#[tokio::test(start_paused = true)]
async fn a_critical_task_starts_before_ten_thousand_that_can_wait() {
    let (board, gate, log) = busy().await;
    let mut runs = Vec::new();
    for run in 0..10 {
        let workflow = Workflow::new("background");
        for n in 0..1_000 {
            let _ = workflow.task(format!("t{n}"), act(&format!("{run}.{n}"))).priority(Priority::Background);
        }
        runs.push(board.start(workflow).await.unwrap());
    }
    let urgent = board.call(act("urgent")).priority(Priority::Critical);
    let urgent = tokio::spawn(async move { urgent.await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    gate.open();
    urgent.await.unwrap().unwrap();
    for run in runs {
        run.outcome().await.unwrap();
    }
    assert_eq!(log.all()[1], "urgent");
    assert_eq!(log.all().len(), 10_002);
}

#[tokio::test(start_paused = true)]
async fn equal_runs_take_turns() {
    let (board, gate, log) = busy().await;
    let mut runs = Vec::new();
    for run in 0..20 {
        let workflow = Workflow::new("equal");
        for n in 0..20 {
            let _ = workflow.task(format!("t{n}"), act(&format!("{run}")));
        }
        runs.push(board.start(workflow).await.unwrap());
    }
    gate.open();
    for run in runs {
        run.outcome().await.unwrap();
    }
    let log = log.all();
    let mut done: BTreeMap<&String, usize> = BTreeMap::new();
    for (n, run) in log[1..].iter().enumerate() {
        *done.entry(run).or_default() += 1;
        let (least, most) = (done.values().min().unwrap(), done.values().max().unwrap());
        let least = if done.len() == 20 { *least } else { 0 };
        assert!(most - least <= 1, "after {n}: {done:?}");
    }
}

/// A run of a thousand tasks does not hold up a small one that comes later.
#[tokio::test(start_paused = true)]
async fn a_small_run_does_not_wait_for_a_large_one() {
    let (board, gate, log) = busy().await;
    let large = Workflow::new("large");
    for n in 0..1_000 {
        let _ = large.task(format!("t{n}"), act("large"));
    }
    let large = board.start(large).await.unwrap();
    let small = Workflow::new("small");
    for n in 0..3 {
        let _ = small.task(format!("t{n}"), act("small"));
    }
    let small = board.start(small).await.unwrap();
    gate.open();
    small.outcome().await.unwrap();
    let order = log.all();
    let last = order.iter().rposition(|what| what == "small").unwrap();
    let before = order[..last].iter().filter(|what| *what == "large").count();
    assert!(before <= 3, "{before} tasks of the large run came first");
    large.outcome().await.unwrap();
}
