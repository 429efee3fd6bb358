//! What a history tells afterwards: a run as it was, where its time went, in what two differ, and all of it again.

use super::kit::*;
use callboard::prelude::*;
use callboard::{Ctx, Phase, Position, RunEvent, RunInfo, Status, TaskInfo, What};
use futures::StreamExt;
use std::collections::BTreeMap;
use tokio::time::{Instant, sleep};

/// A handler that fails once, asks a person, sleeps, asks for a task, or takes its time, as it is told.
async fn does(ctx: Ctx, tally: Tally, what: String) -> Result<String> {
    tally.add(&what);
    match what.split(' ').next().unwrap_or_default() {
        "once" if tally.of(&what) == 1 => return Err(Error::retryable("busy")),
        "approve" => drop(ctx.approval("ship it?").await?),
        "sleep" => ctx.sleep(Duration::from_secs(60)).await?,
        "child" => drop(ctx.call(act("slow child")).await?),
        "fail" => return Err(Error::terminal("as told")),
        _ => sleep(Duration::from_secs(2)).await,
    }
    Ok(format!("{what} {}", tally.of(&what)))
}

async fn board() -> Callboard {
    let (_, store) = store();
    let tally = Tally::default();
    let builder = on(&store).settings(|settings| settings.park_after = Duration::ZERO);
    acting(builder, 2, move |ctx, what| does(ctx, tally.clone(), what)).start().await.unwrap()
}

fn release() -> Workflow {
    let workflow = Workflow::new("release");
    let once = workflow.task("once", act("once"));
    let slow = workflow.task("slow", act("slow"));
    let asks = workflow.task("asks", act("approve")).after(&once).after(&slow);
    let naps = workflow.task("naps", act("sleep")).after(&asks);
    let _ = workflow.task("last", act("child")).after(&naps);
    let _ = workflow.task("bad", act("fail"));
    workflow
}

async fn tasks(run: &Run) -> Vec<TaskInfo> {
    run.tasks().await.unwrap().items
}

fn without_why(tasks: impl IntoIterator<Item = TaskInfo>) -> Vec<TaskInfo> {
    let mut tasks: Vec<TaskInfo> = tasks.into_iter().collect();
    tasks.iter_mut().for_each(|task| task.why = None);
    tasks
}

/// The run as it is looked at between its events, each time with the last of them.
async fn seen_live(board: &Callboard, workflow: Workflow) -> (Run, BTreeMap<String, (RunInfo, Vec<TaskInfo>)>) {
    let run = board.start(workflow).await.unwrap();
    let (mut events, mut seen, mut last) = (run.events(), BTreeMap::new(), None::<Position>);
    loop {
        // Until nothing more is told: what is looked at then stands behind the last event.
        match tokio::time::timeout(Duration::from_millis(100), events.next()).await {
            Ok(Some(event)) => {
                if matches!(event.what, What::Parked { .. }) && event.task.as_deref() == Some("asks") {
                    sleep(Duration::from_secs(5)).await; // Ann thinks
                    run.approve().by("Ann").await.unwrap();
                }
                last = Some(event.position);
            }
            Ok(None) => break,
            Err(_) => {
                let (info, all) = (run.info().await.unwrap(), tasks(&run).await);
                let again = tokio::time::timeout(Duration::from_millis(1), events.next()).await;
                if again.is_err() {
                    seen.insert(last.unwrap().to_string(), (info, all));
                } else if let Ok(Some(event)) = again {
                    last = Some(event.position);
                }
            }
        }
    }
    seen.insert(last.unwrap().to_string(), (run.info().await.unwrap(), tasks(&run).await));
    (run, seen)
}

#[tokio::test(start_paused = true)]
async fn a_run_at_an_event_is_what_was_seen_live() {
    let board = board().await;
    let (run, seen) = seen_live(&board, release()).await;
    assert!(seen.len() > 3, "{:?}", seen.keys());
    for (position, (info, tasks)) in &seen {
        let past = run.at(position.parse().unwrap()).await.unwrap();
        assert_eq!(past.info(), *info, "at {position}");
        assert_eq!(without_why(past.tasks()), without_why(tasks.clone()), "at {position}");
    }
    // Behind the end it stands as it does; before its submission it was not there.
    let all: Vec<RunEvent> = run.events().collect().await;
    let last = run.at("999999".parse().unwrap()).await.unwrap();
    assert_eq!((last.info(), last.at()), (run.info().await.unwrap(), all.last().unwrap().at));
    assert_eq!(run.at(Position::START).await.unwrap_err().kind(), ErrorKind::NotFound);
    let first = run.at(all[0].position).await.unwrap();
    assert_eq!(first.task("asks").unwrap().why.unwrap().to_string(), r#"waits for "once" (ready), "slow" (ready)"#);
    assert_eq!(first.output_json(first.task("slow").unwrap().index).await.unwrap(), None);
    let output = last.output_json(last.task("slow").unwrap().index).await.unwrap().unwrap();
    assert_eq!(output.as_str(), r#""slow 1""#);
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_times_of_a_run_add_up_to_how_long_it_took() {
    let board = board().await;
    let (run, _) = seen_live(&board, release()).await;
    let (info, times) = (run.info().await.unwrap(), run.times().await.unwrap());
    assert_eq!(times.whole(), info.ended_at.unwrap().since(info.submitted_at));
    assert_eq!(times.spent.values().sum::<Duration>(), times.whole(), "{times:?}");
    let path: Vec<&str> = times.path.iter().map(|leg| &*leg.task).collect();
    assert!(path.ends_with(&["asks", "naps", "last"]), "{path:?}");
    for (before, leg) in times.path.iter().zip(&times.path[1..]) {
        assert_eq!(before.until, leg.from, "one after the other");
    }
    let leg = |name: &str| times.path.iter().find(|leg| leg.task == name).unwrap();
    assert!(leg("naps").spent[&Phase::Sleep] >= Duration::from_secs(59), "{times:?}");
    assert!(
        times.spent[&Phase::Approval] >= Duration::from_secs(5)
            && times.spent[&Phase::Children] >= Duration::from_secs(2),
        "{times:?}"
    );
    let all = &times.of_tasks;
    assert!(all[&Phase::Retries] > Duration::from_secs(1), "the delay before the second attempt: {all:?}");
    assert!(all[&Phase::Work] >= Duration::from_secs(2), "{all:?}");
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_runs_differ_in_what_is_told() {
    let board = board().await;
    let (first, _) = seen_live(&board, release()).await;
    let (second, _) = seen_live(&board, release()).await;
    let diff = first.diff(&second).await.unwrap();
    let told: BTreeMap<&str, &[&str]> = diff.tasks.iter().map(|task| (&*task.task, &*task.differs)).collect();
    // The handler counts its lives, and fails in its first one only.
    assert_eq!(told["once"][..2], ["output", "attempts"], "{diff:?}");
    assert!(told["slow"].contains(&"output") && !told["slow"].contains(&"status"), "{diff:?}");
    assert!(told.get("bad").is_none_or(|bad| *bad == ["duration"]), "it fails alike: {diff:?}");
    let once = diff.tasks.iter().find(|task| task.task == "once").unwrap();
    assert_eq!((once.attempts, once.status), ([Some(2), Some(1)], [Some(Status::Completed); 2]));
    let itself = first.diff(&first).await.unwrap();
    assert_eq!((itself.tasks.len(), itself.same), (0, first.info().await.unwrap().counts.total()));
    let other = board.start(one(act("slow")).0).await.unwrap();
    other.outcome().await.unwrap();
    let diff = first.diff(&other).await.unwrap();
    assert!(diff.tasks.iter().all(|task| task.differs == ["presence"]), "{diff:?}");
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_recorded_run_comes_again_at_a_speed() {
    let board = board().await;
    let (run, _) = seen_live(&board, release()).await;
    let all: Vec<RunEvent> = run.events().collect().await;
    let took = all.last().unwrap().at.since(all[0].at);
    for speed in [1.0, 10.0, f64::INFINITY] {
        let began = Instant::now();
        let again: Vec<RunEvent> = run.replay(speed).unwrap().collect().await;
        assert_eq!(again, all);
        let (again, wanted) = (began.elapsed().as_secs_f64(), took.as_secs_f64() / speed);
        assert!((wanted..=wanted + 0.2).contains(&again), "{speed}: {again} s instead of {wanted} s");
    }
    let rest: Vec<RunEvent> = run.replay_after(all[3].position, 1e9).unwrap().collect().await;
    assert_eq!(rest, all[4..]);
    for speed in [0.0, -1.0, f64::NAN] {
        assert_eq!(run.replay(speed).unwrap_err().kind(), ErrorKind::Invalid);
    }
    // What goes on is told as far as it is.
    let open = board.start(one(act("approve")).0).await.unwrap();
    while open.task("it").await.unwrap().status != Status::Parked {
        sleep(Duration::from_millis(10)).await;
    }
    let so_far: Vec<RunEvent> = open.replay(f64::INFINITY).unwrap().collect().await;
    assert!(matches!(so_far.last().unwrap().what, What::Parked { .. }), "{so_far:?}");
    assert!(!open.times().await.unwrap().has_ended);
    board.shutdown().await.unwrap();
}
