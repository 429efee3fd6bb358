//! Traces, as a receiver of OTLP sees them.

use super::listening;
use super::receiver::{Receiver, of};
use crate::cluster::kit::{Mortal, Town, run_of, until, until_even};
use crate::runtime::kit::*;
use callboard::prelude::*;
use callboard::{Builder, LogSettings, Telemetry, TraceParent};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tracing::Instrument;
use tracing::subscriber::DefaultGuard;

const PARTITIONS: u16 = 4;

/// Traces to this receiver, so many of them, for this thread.
fn telemetry(endpoint: &str, ratio: f64) -> (Telemetry, DefaultGuard) {
    let mut silent = LogSettings::default();
    silent.filter = "off".into();
    let telemetry = Telemetry::of(&silent).no_environment().traces_to(endpoint).ratio(ratio).start().unwrap();
    let guard = listening(&telemetry);
    (telemetry, guard)
}

fn swift(builder: Builder) -> Builder {
    builder.settings(|settings| {
        settings.retry.base = Duration::from_millis(5);
        settings.park_after = Duration::ZERO;
    })
}

/// The owner of the partition has no agents and dies half way. The other node has both agents: one reads, fails, is tried
/// again, asks the other one, and waits for a signal.
#[tokio::test]
async fn one_trace_goes_over_hops_and_steps_and_retries_and_children_and_a_takeover() {
    let receiver = Receiver::start().await;
    let (telemetry, _traced) = telemetry(&receiver.endpoint, 1.0);
    let town = Town::of(PARTITIONS);
    let traced = |builder: Builder| swift(builder).telemetry(&telemetry);
    let owner = Mortal::of(&town, traced).await;
    let asks = Gauge::default();
    let told = asks.clone();
    let planner = move |ctx: callboard::Ctx, _| {
        let asks = told.clone();
        async move {
            let text: String = ctx.step("read", || async { Ok("a secret".to_owned()) }).await?;
            if ctx.attempt() == 1 {
                return Err(Error::retryable("busy"));
            }
            let pay = ctx.effect("pay").keyed();
            pay.run(|_| async {
                tracing::info_span!("of the user").in_scope(|| ());
                Ok(1)
            })
            .await?;
            ctx.guard("llm:groq", || async { Ok(()) }).await?;
            let said = ctx.call(echo(&text)).await?;
            asks.add();
            let _go: bool = ctx.signal("go").await?;
            Ok(said)
        }
    };
    let echo_agent = callboard::Pool::task_fn(|_, task: Echo| async move { Ok(task.text) }).id("looker");
    let agents = callboard::Pool::new(move || Actor { f: planner.clone() }).handles::<Act>().id("planner");
    let other = traced(town.node()).add(echo_agent).add(agents).start().await.unwrap();
    until_even(&other, 2, PARTITIONS).await;
    let key = run_of(&other, &owner, PARTITIONS).await;
    let workflow = Workflow::new("release").tenant("acme");
    workflow.task("it", act(""));
    let run = other.start(workflow).key(key).await.unwrap();
    asks.reaches(1).await;
    until_parked(&run).await;
    owner.die().await;
    until(&other, |nodes| nodes.len() == 1 && nodes[0].partitions.len() == 4).await;
    run.signal("go", &true).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), callboard::RunOutcome::Completed);
    other.shutdown().await.unwrap(); // by then whoever performed something has heard that it counts
    telemetry.flush().await.unwrap();

    let trace = receiver.trace_of(run.id());
    let root = trace.root();
    assert_eq!(root.name, "invoke_workflow release", "{}", trace.drawn());
    for (key, value) in [
        ("callboard.run.id", run.id().to_string()),
        ("callboard.outcome", "completed".into()),
        ("callboard.tenant", "acme".into()),
        ("callboard.run.tasks", "2".into()),
        ("gen_ai.operation.name", "invoke_workflow".into()),
        ("gen_ai.workflow.name", "release".into()),
        ("error.type", String::new()),
    ] {
        assert_eq!(of(root, key), value, "{key}");
    }
    let planner = trace.named("invoke_agent planner");
    assert!(planner.iter().all(|span| span.parent_span_id == root.span_id), "{}", trace.drawn());
    let outcomes: Vec<String> = planner.iter().map(|span| of(span, "callboard.outcome")).collect();
    assert_eq!(outcomes.first().unwrap(), "failed");
    assert_eq!(outcomes.last().unwrap(), "completed");
    assert!(outcomes[1..outcomes.len() - 1].iter().all(|outcome| outcome == "parked"), "{}", trace.drawn());
    // Each follows the one before it.
    for two in planner.windows(2) {
        let links: Vec<&[u8]> = two[1].links.iter().map(|link| &*link.span_id).collect();
        assert!(links.contains(&&*two[0].span_id), "{}", trace.drawn());
    }
    let first = planner[0];
    for (key, value) in [
        ("callboard.task.id", format!("{}/0", run.id())),
        ("callboard.task.name", "it".into()),
        ("callboard.capability", "act".into()),
        ("callboard.attempt", "1".into()),
        ("callboard.activation", "1".into()),
        ("gen_ai.operation.name", "invoke_agent".into()),
        ("gen_ai.agent.name", "planner".into()),
        ("error.type", String::new()),
        ("callboard.trace.id", String::new()),
    ] {
        assert_eq!(of(first, key), value, "{key}");
    }
    // What is recorded is not done again, and is told where it was done.
    let at = |name: &str| trace.parent(trace.one(name)).unwrap().span_id.clone();
    assert_eq!(at("step read"), first.span_id);
    assert_eq!(of(trace.one("execute_tool pay"), "gen_ai.tool.name"), "pay");
    assert_eq!(at("of the user"), trace.one("execute_tool pay").span_id);
    // A guard by itself is not recorded: each activation passes it, once. How often it parks is up to the machine.
    let guards = trace.named("guard llm:groq");
    assert!((2..planner.len()).contains(&guards.len()), "{}", trace.drawn());
    let passed: BTreeSet<&[u8]> = guards.iter().map(|guard| &*guard.parent_span_id).collect();
    assert_eq!(passed.len(), guards.len(), "{}", trace.drawn());
    assert!(guards.iter().all(|guard| of(trace.parent(guard).unwrap(), "callboard.attempt") == "2"));
    let asked = trace.parent(trace.one("invoke_agent looker")).unwrap();
    assert_eq!((asked.name.as_str(), of(asked, "callboard.attempt")), ("invoke_agent planner", "2".into()));
    // The owner that has died has sent what went to the other node.
    let hops: Vec<_> = trace.0.iter().filter(|span| span.name.starts_with("send node.")).collect();
    assert!(hops.len() >= 3, "{}", trace.drawn());
    assert!(hops.iter().all(|hop| of(hop, "messaging.operation.type") == "send"));
    let looker = trace.one("invoke_agent looker");
    assert!(looker.links.iter().any(|link| hops.iter().any(|hop| hop.span_id == link.span_id)), "{}", trace.drawn());
    // Nothing failed in the end, and nothing says what anybody was told.
    assert!(trace.0.iter().all(|span| span.status.clone().unwrap_or_default().code() == StatusCode::Unset));
    assert!(!format!("{:?}", trace.0).contains("a secret"));
    assert!(receiver.resources().contains("service.name=callboard"), "{:?}", receiver.resources());
}

async fn until_parked(run: &callboard::Run) {
    while run.tasks().await.unwrap().items[0].status != callboard::Status::Parked {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whoever has it dies in the middle, so that nobody there says how it ended.
#[tokio::test]
async fn what_was_lost_with_its_node_is_told_by_the_owner_and_what_it_had_done_hangs_on_it() {
    let receiver = Receiver::start().await;
    let (telemetry, _traced) = telemetry(&receiver.endpoint, 1.0);
    let town = Town::of(PARTITIONS);
    let owner = town.node().telemetry(&telemetry).start().await.unwrap();
    let gate = Gate::shut();
    let began = Tally::default();
    let agent = |builder: Builder| {
        let (gate, began) = (gate.clone(), began.clone());
        acting(builder.telemetry(&telemetry).client(), 1, move |ctx, _| {
            let (gate, began) = (gate.clone(), began.clone());
            async move {
                let text: String = ctx.step("read", || async { Ok("read".to_owned()) }).await?;
                began.add("it");
                gate.pass().await;
                Ok(text)
            }
        })
    };
    let dying = Mortal::of(&town, agent).await;
    until(&owner, |nodes| nodes.len() == 2).await;
    let run = owner.start(one(act("it")).0).await.unwrap();
    began.reaches("it", 1).await;
    let other = agent(town.node()).start().await.unwrap();
    until(&owner, |nodes| nodes.len() == 3).await;
    dying.die().await;
    gate.open();
    assert_eq!(run.outcome().await.unwrap(), callboard::RunOutcome::Completed);
    other.shutdown().await.unwrap();
    owner.shutdown().await.unwrap();
    telemetry.flush().await.unwrap();
    let trace = receiver.trace_of(run.id());
    let root = trace.root().clone();
    let all = trace.named("invoke_agent act");
    let outcomes: Vec<String> = all.iter().map(|span| of(span, "callboard.outcome")).collect();
    assert_eq!(outcomes, ["lost", "completed"], "{}", trace.drawn());
    assert!(all.iter().all(|span| span.parent_span_id == root.span_id));
    assert_eq!(trace.one("step read").parent_span_id, all[0].span_id, "{}", trace.drawn());
    assert_eq!(all[1].links[0].span_id, all[0].span_id);
}

#[tokio::test]
async fn an_address_with_a_path_speaks_http() {
    let receiver = Receiver::over_http().await;
    let (telemetry, _traced) = telemetry(&format!("{}/v1/traces", receiver.endpoint), 1.0);
    let (_, store) = store();
    let board = acting(on(&store).telemetry(&telemetry), 1, |_, what| async move { Ok(what) }).start().await.unwrap();
    let run = board.start(one(act("it")).0).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), callboard::RunOutcome::Completed);
    board.shutdown().await.unwrap();
    telemetry.flush().await.unwrap();
    let trace = receiver.trace_of(run.id());
    assert_eq!(trace.names(), ["invoke_agent act", "invoke_workflow one"], "{}", trace.drawn());
}

#[tokio::test]
async fn only_what_failed_in_the_end_is_an_error_and_says_of_which_type() {
    let receiver = Receiver::start().await;
    let (telemetry, _traced) = telemetry(&receiver.endpoint, 1.0);
    let (_, store) = store();
    let builder = acting(swift(on(&store)).telemetry(&telemetry), 1, |_, what| async move {
        Err(Error::terminal(format!("no: {what}")))
    });
    let board = builder.start().await.unwrap();
    let run = board.start(one(act("a secret")).0).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), callboard::RunOutcome::Failed);
    board.shutdown().await.unwrap();
    telemetry.flush().await.unwrap();
    let trace = receiver.trace_of(run.id());
    assert_eq!(trace.names(), ["invoke_agent act", "invoke_workflow one", "settle act"], "{}", trace.drawn());
    let errors: Vec<(&str, String, StatusCode)> = trace
        .0
        .iter()
        .map(|span| (span.name.as_str(), of(span, "error.type"), span.status.clone().unwrap_or_default().code()))
        .collect();
    for (name, kind, status) in errors {
        let failed = name != "invoke_agent act";
        let wanted = if failed { ("terminal", StatusCode::Error) } else { ("", StatusCode::Unset) };
        assert_eq!((kind.as_str(), status), wanted, "{name}");
    }
    assert_eq!(trace.parent(trace.one("settle act")).unwrap().name, "invoke_agent act");
    assert!(!format!("{:?}", trace.0).contains("a secret"));
}

#[task(output = u32)]
struct Trace {}

/// Its handler traces something of its own.
async fn traces(_: Ctx, _: Trace) -> Result<u32> {
    async { Ok(7) }.instrument(tracing::info_span!("of its own")).await
}

#[tokio::test]
async fn a_ratio_decides_by_trace_so_that_each_is_whole_or_is_not() {
    for (ratio, least, most) in [(0.0, 0, 0), (0.5, 25, 75), (1.0, 100, 100)] {
        let receiver = Receiver::start().await;
        let (telemetry, _traced) = telemetry(&receiver.endpoint, ratio);
        let town = Town::of(PARTITIONS);
        let owner = town.node().telemetry(&telemetry).start().await.unwrap();
        let agents = town.node().client().task_fn(traces).telemetry(&telemetry).start().await.unwrap();
        until(&owner, |nodes| nodes.len() == 2).await;
        let runs = (0..100).map(|_| {
            let agents = &agents;
            async move {
                let run = agents.start(one(Trace {}).0).await.unwrap();
                run.outcome().await.unwrap();
                run.id()
            }
        });
        let runs = futures::future::join_all(runs).await;
        agents.shutdown().await.unwrap();
        owner.shutdown().await.unwrap();
        telemetry.flush().await.unwrap();
        let traces = runs.iter().map(|run| receiver.trace_of(run)).filter(|trace| !trace.0.is_empty());
        let mut seen = 0;
        for trace in traces {
            seen += 1;
            assert_eq!(trace.root().name, "invoke_workflow one");
            let own = trace.parent(trace.one("of its own")).unwrap();
            assert_eq!(own.span_id, trace.one("invoke_agent trace").span_id);
        }
        assert_eq!(
            receiver.all().named("of its own").len(),
            seen,
            "what a handler traces is recorded with its trace alone"
        );
        assert!((least..=most).contains(&seen), "{seen} of 100 with {ratio}");
    }
}

#[tokio::test]
async fn a_run_is_a_part_of_the_trace_that_it_was_given_whatever_the_ratio() {
    let receiver = Receiver::start().await;
    let (telemetry, _traced) = telemetry(&receiver.endpoint, 0.0);
    let (_, store) = store();
    // It is durable: nobody performs it in this life of the node.
    let board = on(&store).telemetry(&telemetry).start().await.unwrap();
    let parent: TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    let run = board.start(one(echo("x")).0).trace(parent).await.unwrap();
    let unsampled = TraceParent { flags: 0, ..parent };
    let unseen = board.start(one(echo("x")).0).trace(unsampled).await.unwrap();
    board.shutdown().await.unwrap();
    let board = echoing(on(&store)).telemetry(&telemetry).start().await.unwrap();
    board.run(run.id()).outcome().await.unwrap();
    board.run(unseen.id()).outcome().await.unwrap();
    board.shutdown().await.unwrap();
    telemetry.flush().await.unwrap();
    let trace = receiver.trace_of(run.id());
    assert_eq!(trace.names(), ["invoke_agent echo", "invoke_workflow one"]);
    assert_eq!(trace.root().trace_id, parent.trace.to_be_bytes());
    assert_eq!(trace.root().parent_span_id, parent.span.to_be_bytes());
    assert!(receiver.trace_of(unseen.id()).0.is_empty());
}

/// A program that traces itself, and a handler that starts another run.
#[tokio::test]
async fn the_span_that_is_current_is_the_parent_of_what_is_submitted_in_it() {
    let receiver = Receiver::start().await;
    let (telemetry, _traced) = telemetry(&receiver.endpoint, 1.0);
    let (_, store) = store();
    let started = Arc::new(Mutex::new(None));
    let told = started.clone();
    let builder = acting(echoing(on(&store)).telemetry(&telemetry), 1, move |ctx, _| {
        let told = told.clone();
        async move {
            let run = ctx.start(one(echo("nested")).0).await?;
            *told.lock().unwrap() = Some(run.id());
            run.outcome().await?;
            Ok(String::new())
        }
    });
    let board = builder.start().await.unwrap();
    let run = {
        use tracing::Instrument;
        board.start(one(act("")).0).into_future().instrument(tracing::info_span!("request")).await.unwrap()
    };
    run.outcome().await.unwrap();
    board.shutdown().await.unwrap();
    telemetry.flush().await.unwrap();
    let trace = receiver.trace_of(run.id());
    assert_eq!(trace.root().name, "request", "{}", trace.drawn());
    let nested = started.lock().unwrap().unwrap();
    let nested = trace
        .0
        .iter()
        .find(|span| span.name == "invoke_workflow one" && of(span, "callboard.run.id") == nested.to_string());
    assert_eq!(trace.parent(nested.unwrap()).unwrap().name, "invoke_agent act", "{}", trace.drawn());
}

/// There is nobody at the address.
#[tokio::test]
async fn a_receiver_that_is_away_holds_nobody_up() {
    let (telemetry, _traced) = telemetry("http://127.0.0.1:9", 1.0);
    let (_, store) = store();
    let board = echoing(on(&store)).telemetry(&telemetry).start().await.unwrap();
    assert_eq!(board.call(echo("x")).await.unwrap(), "x");
    telemetry.flush().await.unwrap();
    assert_eq!(board.call(echo("y")).await.unwrap(), "y");
    board.shutdown().await.unwrap();
    telemetry.shutdown(Duration::from_secs(5)).await.unwrap();
}
