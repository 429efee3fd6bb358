//! The breaker of something that several nodes call: they share where it stands, and its one probe.

use super::kit::*;
use crate::runtime::kit::*;
use callboard::port::bus::fault::{Cut, Fault as BusFault, Operation as OfTheBus};
use callboard::port::directory::Directory;
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
    eventually(|| boards.iter().all(|board| board.breaker(name).info().is_ok_and(|info| info.state == there))).await;
}

/// Waits until that is so.
async fn eventually(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(120 * SECOND, wait).await.expect("it comes to that");
}

/// Waits, a second at most, until both know of the same change, after which they stand there: what they have to tell one another
/// then is nothing new.
async fn agree(boards: [&Callboard; 2], there: BreakerState) {
    let stand = || boards.map(|board| board.breaker(LLM).info().map(|info| (info.generation, info.state)).ok());
    let wait = async {
        while stand()[0] != stand()[1] || stand()[0].is_none_or(|(_, state)| state != there) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let agreed = tokio::time::timeout(SECOND, wait).await;
    assert!(agreed.is_ok(), "{:?} instead of {there:?}", stand());
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

/// What a node sends is refused by the broker: it is asked once a second, and work goes on when it is back.
#[tokio::test(start_paused = true)]
async fn a_bus_that_refuses_is_asked_once_a_second_and_used_when_it_is_back() {
    let town = Town::of(PARTITIONS);
    let with = |builder| acting(builder, 8, |_, what| async { Ok(what) });
    let (one, two) = (Mortal::of(&town, with).await, Mortal::of(&town, with).await);
    until_even(&one, 2, PARTITIONS).await;
    let sends = [OfTheBus::Publish, OfTheBus::Broadcast];
    sends.into_iter().for_each(|operation| two.bus.faults().always(operation, "*", BusFault::Refuse));
    are(&[&two], "port:bus", BreakerState::Open).await;
    // Each message is given to the bus up to four times before that counts as one that it has refused.
    let asked = || two.bus.faults().injected(BusFault::Refuse).div_ceil(4);
    let (before, since) = (asked(), tokio::time::Instant::now());
    eventually(|| asked() >= before + 20).await;
    let took = since.elapsed();
    assert!((19 * SECOND..=40 * SECOND).contains(&took), "20 in {took:?}");
    assert_eq!(one.breaker("port:bus").info().unwrap().state, BreakerState::Closed, "each node has its own");
    two.bus.faults().calm();
    are(&[&two], "port:bus", BreakerState::Closed).await;
    until_even(&one, 2, PARTITIONS).await;
    let runs = [start_on(&one, &one, 20).await, start_on(&one, &two, 20).await];
    for run in runs {
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    }
    for board in [one, two] {
        board.board.shutdown().await.unwrap();
    }
}

/// The breaker of an agent is of the node that has the agent; where it stands all nodes see.
#[tokio::test(start_paused = true)]
async fn where_the_breakers_of_agents_stand_all_nodes_see() {
    let town = Town::of(PARTITIONS);
    let one = Mortal::of(&town, |builder| builder).await;
    let two = Mortal::of(&town, |builder| acting(builder, 1, |_, _| async { Err(Error::retryable("sick")) })).await;
    until_even(&one, 2, PARTITIONS).await;
    let seen = async || one.agents().await.unwrap().iter().map(|agent| agent.breaker).collect::<Vec<_>>();
    assert_eq!(seen().await, [BreakerState::Closed]);
    for _ in 0..5 {
        one.call(act("fails")).retry(Retry::never()).await.unwrap_err();
    }
    let is_seen = async {
        while seen().await != [BreakerState::Open] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(2 * SECOND, is_seen).await.expect("it is seen soon");
    for board in [one, two] {
        board.board.shutdown().await.unwrap();
    }
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

/// When the calls behind the first `known` came, from the first of them on.
fn since_the_first(provider: &Provider, known: usize) -> Vec<Duration> {
    let calls = provider.all().split_off(known);
    calls.iter().map(|(at, _)| *at - calls[0].0).collect()
}

/// A model takes its time. Whether the node that has the probe performs it itself or another does, nobody else tries
/// meanwhile, and its answer counts.
#[tokio::test(start_paused = true)]
async fn a_probe_that_takes_long_is_waited_for_by_all_nodes() {
    let (town, provider) = (Town::of(PARTITIONS), Provider::down());
    let (one, two) = (Mortal::of(&town, node(&provider)).await, Mortal::of(&town, node(&provider)).await);
    // It has partitions, and nobody to do their work.
    let idle = Mortal::of(&town, |builder| builder).await;
    until_even(&one, 3, PARTITIONS).await;
    for owners in [[&one, &two], [&idle, &idle]] {
        provider.takes(Duration::ZERO);
        provider.goes_down();
        opens([&one, &two]).await;
        let known = provider.calls();
        provider.comes_back();
        provider.takes(45 * SECOND);
        let mut runs = Vec::new();
        for owner in owners {
            runs.push(start_on(&one, owner, 20).await);
        }
        for run in runs {
            assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        }
        let calls = since_the_first(&provider, known);
        assert!(calls[1] >= 45 * SECOND, "one probe: {calls:?}");
        assert!(calls[1] < 50 * SECOND, "its answer counts: {calls:?}");
        are(&[&one, &two], LLM, BreakerState::Closed).await;
    }
    for board in [one, two, idle] {
        assert_eq!(board.breaches(), vec![]);
        board.board.shutdown().await.unwrap();
    }
}

/// Whoever makes the probe dies with it: another node tries, long before its time would be over.
#[tokio::test(start_paused = true)]
async fn the_probe_of_a_node_that_has_died_is_made_by_another() {
    let (town, asked) = (Town::of(PARTITIONS), [Provider::down(), Provider::down()]);
    let (one, two) = (Mortal::of(&town, node(&asked[0])).await, Mortal::of(&town, node(&asked[1])).await);
    until_even(&one, 2, PARTITIONS).await;
    opens([&one, &two]).await;
    let known = asked.each_ref().map(Provider::calls);
    asked.iter().for_each(|provider| provider.takes(1_000 * SECOND));
    let run = start_on(&one, &one, 1).await.id();
    eventually(|| asked.each_ref().map(Provider::calls) != known).await;
    let has_died = tokio::time::Instant::now();
    let (dies, lives, at) = if asked[0].calls() > known[0] { (one, two, 1) } else { (two, one, 0) };
    dies.die().await;
    asked[at].comes_back();
    asked[at].takes(Duration::ZERO);
    assert_eq!(lives.run(run).outcome().await.unwrap(), RunOutcome::Completed);
    assert!(has_died.elapsed() < 45 * SECOND, "{:?}", has_died.elapsed());
    lives.board.shutdown().await.unwrap();
}

/// Of a breaker that has closed before it came a node knows nothing. What it finds out counts all the same.
#[tokio::test(start_paused = true)]
async fn a_node_that_comes_after_a_breaker_has_closed_is_heard() {
    let (town, provider) = (Town::of(PARTITIONS), Provider::default());
    let one = Mortal::of(&town, node(&provider)).await;
    until_even(&one, 1, PARTITIONS).await;
    one.call(act("first")).await.unwrap();
    for _ in 0..3 {
        one.breaker(LLM).open("a person").await.unwrap();
        one.breaker(LLM).reset("a person").await.unwrap();
    }
    let left = async || town.directory.list("breaker").await.unwrap().len();
    while left().await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for finds_out in ["a person says so", "five calls fail"] {
        let of_two = Provider::default();
        let two = Mortal::of(&town, node(&of_two)).await;
        until_even(&one, 2, PARTITIONS).await;
        while state(&two).is_none() {
            two.call(act("makes it")).await.unwrap();
        }
        if finds_out == "five calls fail" {
            let known = of_two.calls();
            of_two.goes_down();
            while state(&two) == Some(BreakerState::Closed) {
                let _failed = two.call(act("fails")).retry(Retry::never()).await;
            }
            assert_eq!(of_two.calls() - known, 5);
        } else {
            two.breaker(LLM).open("a person").await.unwrap();
        }
        agree([&one, &two], BreakerState::Open).await;
        one.breaker(LLM).reset("a person").await.unwrap();
        agree([&one, &two], BreakerState::Closed).await;
        two.board.shutdown().await.unwrap();
        until_even(&one, 1, PARTITIONS).await;
    }
    one.board.shutdown().await.unwrap();
}

/// Two nodes change it before either has heard of the other: they come to stand in one place, and a person is not overruled.
#[tokio::test(start_paused = true)]
async fn of_two_changes_at_once_all_nodes_take_the_same() {
    let (town, provider) = (Town::of(PARTITIONS), Provider::default());
    let (one, two) = (Mortal::of(&town, node(&provider)).await, Mortal::of(&town, node(&provider)).await);
    until_even(&one, 2, PARTITIONS).await;
    for board in [&one, &two] {
        while state(board).is_none() {
            let call = board.call(act("makes it")).retry(Retry::never());
            call.await.unwrap();
        }
    }
    for (opens, closes) in [(&one, &two), (&two, &one)] {
        let (opening, closing) = (opens.breaker(LLM), closes.breaker(LLM));
        let (opened, closed) = tokio::join!(opening.open("one person"), closing.reset("another"));
        assert_eq!(opened.unwrap().generation, closed.unwrap().generation, "at once");
        agree([&one, &two], BreakerState::Open).await; // the more careful of them
        one.breaker(LLM).reset("a person").await.unwrap();
        agree([&one, &two], BreakerState::Closed).await;
    }
    for board in [one, two] {
        board.board.shutdown().await.unwrap();
    }
}
