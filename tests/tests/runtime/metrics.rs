//! What is counted, against what was done.

use super::kit::*;
use crate::meters::Meters;
use callboard::port::store::fault::{Fault, Operation};
use callboard::prelude::*;
use callboard::{Ctx, Json, Status};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

async fn in_time<F: IntoFuture>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(1_800), what.into_future()).await.expect("an answer in time")
}

/// The names in `docs/metrics.md`, each with those of its labels in alphabetic order.
fn documented() -> BTreeMap<String, Vec<String>> {
    let text = include_str!("../../../docs/metrics.md");
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, _, labels] = cells[..] else { return None };
        let code = |text: &str| text.split('`').nth(1).map(str::to_owned);
        let mut labels: Vec<String> = labels.split("; ").filter_map(code).collect();
        labels.sort_unstable();
        Some((code(name)?, labels))
    });
    rows.collect()
}

/// Does what the text says.
async fn does(ctx: Ctx, what: String) -> Result<String> {
    match what.as_str() {
        "slow" => sleep(Duration::from_secs(3)).await,
        "bad" => return Err(Error::terminal("no")),
        "dead" => return Err(Error::retryable("not yet")),
        "parks" => ctx.sleep(Duration::from_secs(3600)).await?,
        "hangs" => std::future::pending().await,
        _ => {}
    }
    Ok(what)
}

#[tokio::test(start_paused = true)]
async fn every_count_is_what_was_done() {
    let meters = Meters::default();
    let _meters = meters.read();
    let (faults, store) = store();
    let builder = echoing(on(&store)).settings(|settings| settings.snapshot_events = 20);
    let board = acting(builder, 2, does).start().await.unwrap();
    let (of, level) = (|name: &str| meters.of(name), |name: &str| meters.level(name));
    let queue = |queue: &str| level(&format!("callboard_task_queue_size{{queue={queue}}}"));
    assert_eq!((level("callboard_partitions{}"), level("callboard_partitions_owned{}")), (1.0, 1.0));
    assert_eq!(level("callboard_agent_slots{capability=act}"), 2.0);

    for n in 0..5 {
        let workflow = Workflow::new("chain");
        let first = workflow.task("first", echo(&n.to_string()));
        let last = workflow.task("last", Use { text: first.out() });
        board.start(workflow).await.unwrap().output(&last).await.unwrap();
    }
    let bad = Workflow::new("bad");
    let it = bad.task("it", act("bad"));
    bad.task("behind", Use { text: it.out() });
    let bad = board.start(bad).await.unwrap();
    assert_eq!(bad.outcome().await.unwrap(), RunOutcome::Failed);
    for what in ["dead", "slow"] {
        let _ended = board.start(one(act(what)).0).await.unwrap().outcome().await.unwrap();
    }

    let parks = board.start(one(act("parks")).0).await.unwrap();
    let hangs = Workflow::new("hangs");
    let it = hangs.task("it", act("hangs"));
    hangs.task("behind", Use { text: it.out() });
    let hangs = board.start(hangs).await.unwrap();
    sleep(Duration::from_secs(60)).await; // of the hour that the first sleeps
    assert_eq!(["ready", "blocked", "running", "parked", "dead"].map(queue), [0.0, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(level("callboard_agent_utilization{capability=act}"), 0.5);
    hangs.cancel("enough").await.unwrap();
    assert_eq!(parks.outcome().await.unwrap(), RunOutcome::Completed);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(["ready", "blocked", "running", "parked"].map(queue), [0.0; 4]);
    assert_eq!(level("callboard_agent_utilization{capability=act}"), 0.0);

    let ended: Vec<u64> = ["completed", "failed", "cancelled"]
        .map(|status| of(&format!("callboard_runs_total{{status={status}}}")))
        .into();
    assert_eq!((of("callboard_runs_submitted_total{}"), ended), (10, vec![7, 2, 1]));
    let tasks = |capability: &str| {
        [Status::Completed, Status::Failed, Status::Dead, Status::Cancelled, Status::Skipped]
            .map(|status| of(&format!("callboard_tasks_total{{capability={capability},status={status}}}")))
    };
    assert_eq!(tasks("echo"), [5, 0, 0, 0, 0]);
    assert_eq!(tasks("use"), [5, 0, 0, 1, 1]);
    assert_eq!(tasks("act"), [2, 1, 1, 1, 0]);
    assert_eq!(of("callboard_retry_attempts_total{capability=act,reason=retryable}"), 3);
    assert_eq!(of("callboard_dead_letters_total{capability=act,reason=retryable}"), 1);
    assert_eq!(of("callboard_tasks_parked_total{capability=act,reason=sleep}"), 1);
    assert_eq!(meters.sum("callboard_tasks_parked_total"), 1);

    // Attempts that ended by themselves: one of "bad", four of "dead", the slow one, and the second half of the one that slept.
    let took = meters.samples("callboard_task_duration_seconds{capability=act}");
    assert_eq!(took.len(), 7, "{took:?}");
    assert_eq!(took.iter().filter(|seconds| (3.0..3.1).contains(*seconds)).count(), 1, "{took:?}");
    // Hand-outs: those, the first half of the one that slept, and the one that hung.
    let waited = meters.samples("callboard_task_queue_wait_seconds{capability=act}");
    assert_eq!(waited.len(), 9, "{waited:?}");
    assert!(waited.iter().all(|seconds| *seconds < 1.0), "a delay is no wait: {waited:?}");
    for direction in ["sent", "received"] {
        let messages = of(&format!("callboard_message_bus_messages_total{{type=task.dispatch,direction={direction}}}"));
        assert_eq!(messages, 10 + 9, "{direction}");
    }
    assert_eq!(meters.sum("callboard_message_bus_messages_total"), 2 * (10 + 9));

    let counters = board.journal_counters();
    assert_eq!(of("callboard_journal_appends_total{outcome=committed}"), counters.commits);
    assert_eq!(meters.sum("callboard_journal_appends_total"), counters.commits);
    let events = meters.samples("callboard_journal_batch_events{}");
    assert_eq!((events.len() as u64, events.iter().sum::<f64>() as u64), (counters.commits, counters.events));
    assert_eq!(meters.samples("callboard_journal_append_duration_seconds{}").len() as u64, counters.commits);
    let creates = meters.samples("callboard_port_operation_duration_seconds{port=store,operation=create}").len();
    assert!(creates as u64 > counters.commits, "{creates}");
    assert!(level("callboard_snapshot_timestamp_seconds{partition=0}") > 1.7e9);
    assert_eq!(of("callboard_partition_takeovers_total{}"), 1);
    assert_eq!(meters.samples("callboard_partition_recovery_duration_seconds{}").len(), 1);
    // Who hung was told to stop, and what it said to that came too late.
    assert_eq!(meters.sum("callboard_fenced_rejections_total"), 1);
    assert_eq!(["callboard_port_errors_total", "callboard_task_losses_total"].map(|name| meters.sum(name)), [0; 2]);

    faults.script(Operation::Create, "*", [Fault::Refuse]);
    let _refused = board.start(one(echo("")).0).await;
    assert_eq!(of("callboard_port_errors_total{port=store,operation=create,reason=refused}"), 1);

    board.shutdown().await.unwrap();
    assert_eq!((level("callboard_partitions_owned{}"), queue("dead")), (0.0, 0.0));
    assert_eq!(level("callboard_agent_slots{capability=act}"), 0.0);
    names_are_documented(&meters);
}

/// Each name that was used stands in the documentation, with its labels.
fn names_are_documented(meters: &Meters) {
    let documented = documented();
    assert!(documented.len() > 30, "{documented:?}");
    for (name, labels) in meters.seen().into_iter().filter(|(name, _)| name.starts_with("callboard_")) {
        assert_eq!(documented.get(&name), Some(&labels), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_takeover_is_counted_and_so_is_who_is_fenced() {
    let meters = Meters::default();
    let _meters = meters.read();
    let (_, store) = store();
    let (old, gate) = (Gauge::default(), Gate::shut());
    let (count, shut) = (old.clone(), gate.clone());
    let first = acting(on(&store), 1, move |_, _| {
        count.add();
        let shut = shut.clone();
        async move {
            shut.pass().await;
            Ok("of the old".into())
        }
    });
    let first = first.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let id = first.start(workflow).await.unwrap().id();
    old.reaches(1).await;
    let second = acting(on(&store), 1, |_, _| async { Ok("of the new".into()) }).start().await.unwrap();
    assert_eq!(in_time(second.run(id).output(&it)).await.unwrap(), "of the new");
    gate.open();
    assert_eq!(in_time(first.run(id).output(&it)).await.unwrap(), "of the new");
    assert!(meters.of("callboard_journal_appends_total{outcome=failed}") >= 1);
    assert!(meters.of("callboard_fenced_rejections_total{operation=complete}") >= 1);
    assert!(meters.of("callboard_partition_takeovers_total{}") >= 3, "the old one takes it back");
    names_are_documented(&meters);
}

/// Whoever submits workflows can not make a node keep any number of series.
#[tokio::test(start_paused = true)]
async fn beyond_so_many_capabilities_have_no_series_of_their_own() {
    let meters = Meters::default();
    let _meters = meters.read();
    let (_, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let workflow = Workflow::new("wide");
    for n in 0..300 {
        workflow.task_json(format!("t{n}"), format!("unknown.{n}"), Json::null());
    }
    let run = board.start(workflow).await.unwrap();
    run.cancel("nobody does any of it").await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Cancelled);
    assert_eq!(meters.sum("callboard_tasks_total"), 300);
    assert_eq!(meters.of("callboard_tasks_total{capability=(others),status=cancelled}"), 300 - (200 - 2));
    assert_eq!(meters.series("callboard_tasks_total"), (200 + 1) * 5);
}

/// What the program counts with stays, and there is nothing to be seen of ours.
#[tokio::test]
async fn a_recorder_that_the_program_has_installed_stays() {
    metrics::set_global_recorder(metrics::NoopRecorder).expect("the first of this process");
    let mut settings = callboard::Settings::default();
    settings.http.listen = ([127, 0, 0, 1], 0).into();
    let board = Callboard::builder(settings).ephemeral().metrics().start().await.unwrap();
    let address = board.serve().await.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("a recorder of its own"), "{answer}");
    board.shutdown().await.unwrap();
}
