//! The breaker of something that several nodes call: they share where it stands, and its one probe.

use super::kit::*;
use crate::runtime::kit::*;
use callboard::port::bus::fault::Cut;
use callboard::port::store::fault::Fault;
use callboard::prelude::*;
use callboard::{BreakerState, Builder};
use callboard_tests::Provider;

const PARTITIONS: u16 = 4;
const LLM: &str = "llm:groq";
const SECOND: Duration = Duration::from_secs(1);

/// A node whose agents ask the provider.
fn node(provider: &Provider) -> impl FnOnce(Builder) -> Builder {
    let provider = provider.clone();
    move |builder| {
        acting(builder, 8, move |ctx, what| {
            let provider = provider.clone();
            async move { ctx.clone().step("ask", || ctx.guard(LLM, || provider.call(&what))).await }
        })
    }
}

fn many(count: usize) -> Workflow {
    let workflow = Workflow::new("many");
    for n in 0..count {
        let _ = workflow.task(format!("t{n}"), act(&format!("t{n}")));
    }
    workflow
}

async fn start_on(owner: &Callboard, at: &Callboard, count: usize) -> callboard::Run {
    owner.start(many(count)).key(run_of(owner, at, PARTITIONS).await).await.unwrap()
}

fn state(board: &Callboard) -> Option<BreakerState> {
    board.breaker(LLM).info().ok().map(|info| info.state)
}

/// Waits until the breakers of this name stand there.
async fn are(boards: &[&Callboard], name: &str, there: BreakerState) {
    let wait = async {
        while boards.iter().any(|board| board.breaker(name).info().map(|info| info.state).ok() != Some(there)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(120 * SECOND, wait).await.expect("they stand there");
}

/// Calls until both nodes know that the provider is down.
async fn opens(boards: [&Callboard; 2]) {
    while boards.iter().any(|board| state(board) != Some(BreakerState::Open)) {
        for board in boards {
            let call = board.call(act("opens it")).retry(Retry::never());
            let _failed_or_parked = tokio::time::timeout(SECOND, call.into_future()).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_node_has_found_out_all_know_and_one_of_them_tries() {
    let (town, provider) = (Town::of(PARTITIONS), Provider::down());
    let (one, two) = (Mortal::of(&town, node(&provider)).await, Mortal::of(&town, node(&provider)).await);
    until_even(&one, 2, PARTITIONS).await;
    opens([&one, &two]).await;
    let opened = provider.calls();
    assert!((5..=9).contains(&opened), "each node counts for itself, and four more failures are not enough: {opened}");
    // Tasks of both nodes wait.
    let runs = [start_on(&one, &one, 200).await, start_on(&one, &two, 200).await];
    tokio::time::sleep(45 * SECOND).await;
    assert_eq!(provider.calls(), opened, "nobody calls");
    // For each minute one probe of both nodes together.
    for minute in 1..=3 {
        tokio::time::sleep(62 * SECOND).await;
        let probes = provider.calls() - opened;
        assert!((1..=minute + 1).contains(&probes), "{probes} in {minute} minutes");
    }
    let probed = provider.calls();
    provider.comes_back();
    for run in &runs {
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    }
    let calls = provider.all().split_off(probed);
    let asked: std::collections::BTreeSet<_> = calls.iter().map(|(at, _)| *at).collect();
    assert!(calls.len() >= 400 && asked.len() > 5, "on a ramp: {} at {} moments", calls.len(), asked.len());
    assert_eq!((one.breaches(), two.breaches()), (vec![], vec![]));
    are(&[&one, &two], LLM, BreakerState::Closed).await;
    for board in [one, two] {
        board.board.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_later_makes_no_call_and_a_person_speaks_for_all() {
    let (town, provider) = (Town::of(PARTITIONS), Provider::down());
    let one = Mortal::of(&town, node(&provider)).await;
    until_even(&one, 1, PARTITIONS).await;
    for _ in 0..5 {
        one.call(act("opens it")).retry(Retry::never()).await.unwrap_err();
    }
    one.breaker(LLM).open("a person").await.unwrap();
    let two = Mortal::of(&town, node(&provider)).await;
    until_even(&one, 2, PARTITIONS).await;
    let run = start_on(&one, &two, 100).await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(provider.calls(), 5, "it is open until somebody closes it");
    assert_eq!(state(&two), Some(BreakerState::Open));
    provider.comes_back();
    two.breaker(LLM).reset("a person").await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    assert_eq!((state(&one), provider.calls()), (Some(BreakerState::Closed), 105));
    for board in [one, two] {
        board.board.shutdown().await.unwrap();
    }
}

/// The store refuses everything, then the bus and the directory are cut: each is asked once a second, and all goes on when
/// they are back.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_asked_once_a_second_and_used_when_it_is_back() {
    let town = Town::of(PARTITIONS);
    let one = Mortal::of(&town, |builder| acting(builder, 8, |_, what| async { Ok(what) })).await;
    until_even(&one, 1, PARTITIONS).await;
    assert_eq!(one.call(act("before")).await.unwrap(), "before");
    OF_THE_STORE.into_iter().for_each(|operation| one.store.always(operation, "*", Fault::Refuse));
    one.directory.cut();
    let error = one.call(act("meanwhile")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:#}");
    for port in ["port:store", "port:directory"] {
        are(&[&one], port, BreakerState::Open).await;
    }
    let before = one.store.counts();
    tokio::time::sleep(20 * SECOND).await;
    let now = one.store.counts();
    let asked =
        (now.create + now.get + now.list + now.delete) - (before.create + before.get + before.list + before.delete);
    assert!((1..=21).contains(&asked), "{asked} in 20 s");
    one.heal();
    let back = tokio::time::Instant::now();
    while one.call(act("after")).await.is_err() {}
    assert!(back.elapsed() < 5 * SECOND, "{:?}", back.elapsed());
    for port in ["port:store", "port:directory"] {
        are(&[&one], port, BreakerState::Closed).await;
    }
    one.board.shutdown().await.unwrap();
}

/// Tasks whose leases run out while their holder is cut off are lost and done again: the agent has done nothing wrong.
#[tokio::test(start_paused = true)]
async fn a_lease_that_has_run_out_says_nothing_of_the_agent() {
    let town = Town::of(PARTITIONS);
    let works = |_, what| async {
        tokio::time::sleep(20 * SECOND).await;
        Ok(what)
    };
    let owner = Mortal::of(&town, |builder| builder).await;
    let two = Mortal::of(&town, |builder| acting(builder, 20, works)).await;
    until_even(&owner, 2, PARTITIONS).await;
    let run = start_on(&owner, &owner, 20).await;
    tokio::time::sleep(2 * SECOND).await;
    // It hears that it is stopped, and is not heard itself.
    two.bus.cut(Cut::Sending);
    tokio::time::sleep(12 * SECOND).await;
    two.bus.heal();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    let tasks = run.tasks().await.unwrap().items;
    assert!(tasks.iter().all(|task| task.losses > 0 && task.attempt == 1), "their leases have run out");
    let breaker = two.breaker("agent:act").info().unwrap();
    assert_eq!((breaker.state, breaker.generation), (BreakerState::Closed, 0), "{breaker:?}");
    for board in [owner, two] {
        board.board.shutdown().await.unwrap();
    }
}
