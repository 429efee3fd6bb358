//! Tasks of one node in the hands of agents of another.

use super::kit::*;
use crate::runtime::kit::*;
use callboard::port::bus::fault::Odds;
use callboard::port::store::fault::{Fault, Odds as StoreOdds, Operation};
use callboard::prelude::*;
use callboard::{Builder, RunOutcome};
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

const PARTITIONS: u16 = 4;

pub(super) fn waiting(builder: Builder, id: &str, slots: usize, gate: &Gate, tally: &Tally) -> Builder {
    let (gate, tally, name) = (gate.clone(), tally.clone(), id.to_owned());
    let agent = move || {
        let (gate, tally, name) = (gate.clone(), tally.clone(), name.clone());
        let f = move |ctx: callboard::Ctx, what: String| {
            let (gate, tally, name) = (gate.clone(), tally.clone(), name.clone());
            async move {
                tally.add(&format!("{name}: {what}"));
                let _clean_up = OnDropTally(tally.clone(), format!("{name}: {what} ended"));
                if what.starts_with("long") {
                    gate.pass().await;
                }
                let _ = ctx;
                Ok(what)
            }
        };
        Actor { f }
    };
    builder.add(callboard::Pool::new(agent).handles::<Act>().instances(slots).id(id))
}

struct OnDropTally(Tally, String);

impl Drop for OnDropTally {
    fn drop(&mut self) {
        self.0.add(&self.1);
    }
}

/// Four slots have long tasks whose dispatches were acknowledged long ago: the fifth task waits before none of them.
#[tokio::test(start_paused = true)]
async fn a_task_does_not_wait_before_busy_instances_while_another_is_idle() {
    let town = Town::of(PARTITIONS);
    let (gate, tally) = (Gate::shut(), Tally::default());
    let owner = town.node().start().await.unwrap();
    let four = waiting(town.node().client(), "four", 4, &gate, &tally).start().await.unwrap();
    until(&owner, |nodes| nodes.len() == 2).await;
    for n in 0..4 {
        owner.start(one(act(&format!("long {n}"))).0).await.unwrap();
        tally.reaches(&format!("four: long {n}"), 1).await;
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    let one_more = waiting(town.node().client(), "one", 1, &gate, &tally).start().await.unwrap();
    until(&owner, |nodes| nodes.len() == 3).await;
    let began = Instant::now();
    let said: String = owner.call(act("short")).await.unwrap();
    assert_eq!(said, "short");
    assert_eq!(tally.of("one: short"), 1);
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    gate.open();
    for board in [one_more, four, owner] {
        board.shutdown().await.unwrap();
    }
}

/// Another node is not asked for what its own agent takes in a moment: to send it there takes longer.
#[tokio::test(start_paused = true)]
async fn what_has_its_turn_soon_stays_where_it_is_and_what_has_not_does_not() {
    let town = Town::of(1);
    let (gate, tally) = (Gate::shut(), Tally::default());
    let owner = waiting(town.node(), "here", 1, &gate, &tally).start().await.unwrap();
    let other = waiting(town.node().client(), "there", 1, &gate, &tally).start().await.unwrap();
    until(&owner, |nodes| nodes.len() == 2).await;
    let _said: String = owner.call(act("short")).await.unwrap();
    let many = Workflow::new("many");
    (0..100).for_each(|n| drop(many.task(format!("t{n}"), act("short"))));
    assert_eq!(owner.start(many).await.unwrap().outcome().await.unwrap(), RunOutcome::Completed);
    assert_eq!((tally.of("here: short"), tally.of("there: short")), (101, 0));

    let long = owner.start(one(act("long")).0).await.unwrap();
    tally.reaches("here: long", 1).await;
    let began = Instant::now();
    let _said: String = owner.call(act("short")).await.unwrap();
    assert_eq!(tally.of("there: short"), 1);
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    gate.open();
    assert_eq!(long.outcome().await.unwrap(), RunOutcome::Completed);
    for board in [other, owner] {
        board.shutdown().await.unwrap();
    }
}

/// At most a window of two times the slots may be ahead of a more urgent task that comes later.
#[tokio::test(start_paused = true)]
async fn a_more_urgent_task_of_another_node_waits_for_no_more_than_a_window() {
    const SLOTS: usize = 3;
    let town = Town::of(PARTITIONS);
    let a = town.node().start().await.unwrap();
    let b = town.node().start().await.unwrap();
    until_even(&a, 2, PARTITIONS).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = order.clone();
    let agents = acting(town.node().client(), SLOTS, move |_, what| {
        seen.lock().unwrap().push(what.clone());
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(what)
        }
    });
    let agents = agents.start().await.unwrap();
    until(&a, |nodes| nodes.len() == 3).await;
    let key = run_of(&a, &a, PARTITIONS).await;
    let many = Workflow::new("many");
    (0..40).for_each(|n| drop(many.task(format!("t{n}"), act("many")).priority(Priority::Low)));
    let many = a.start(many).key(key).await.unwrap();
    tokio::time::sleep(Duration::from_millis(180)).await;
    let ahead = order.lock().unwrap().len();
    let key = run_of(&b, &b, PARTITIONS).await;
    let urgent = Workflow::new("urgent");
    drop(urgent.task("it", act("urgent")).priority(Priority::Critical));
    let urgent = b.start(urgent).key(key).await.unwrap();
    assert_eq!(urgent.outcome().await.unwrap(), RunOutcome::Completed);
    let at = order.lock().unwrap().iter().position(|what| what == "urgent").unwrap();
    assert!(at - ahead <= 2 * SLOTS, "{} tasks were ahead of it", at - ahead);
    assert_eq!(many.outcome().await.unwrap(), RunOutcome::Completed);
    for board in [agents, b, a] {
        board.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_on_another_node_hears_of_a_cancellation_from_a_third() {
    let town = Town::of(PARTITIONS);
    let (gate, tally) = (Gate::shut(), Tally::default());
    let owner = town.node().start().await.unwrap();
    let agents = waiting(town.node().client(), "it", 1, &gate, &tally).start().await.unwrap();
    let client = town.node().client().start().await.unwrap();
    until(&owner, |nodes| nodes.len() == 3).await;
    let run = client.start(one(act("long")).0).await.unwrap();
    tally.reaches("it: long", 1).await;
    let began = Instant::now();
    client.run(run.id()).cancel("enough").await.unwrap();
    tally.reaches("it: long ended", 1).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Cancelled);
    for board in [client, agents, owner] {
        board.shutdown().await.unwrap();
    }
}

/// A caller asks in one request. If it takes long, or its owner dies meanwhile, it comes to the same.
#[tokio::test(start_paused = true)]
async fn a_call_is_performed_once_however_long_it_takes_and_whoever_dies() {
    let town = Town::of(1);
    let (gate, tally) = (Gate::shut(), Tally::default());
    let mut owners = vec![Mortal::of(&town, |builder| builder).await, Mortal::of(&town, |builder| builder).await];
    let agents = waiting(town.node().client(), "it", 1, &gate, &tally).start().await.unwrap();
    let client = town.node().client().start().await.unwrap();
    until(&client, |nodes| nodes.len() == 4).await;
    let called = Instant::now();
    let meanwhile = async {
        tally.reaches("it: long", 1).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let is_first = !owners[0].nodes().await.unwrap()[0].partitions.is_empty();
        let owner = owners.swap_remove(usize::from(!is_first));
        owner.die().await;
        gate.open();
    };
    let (said, ()) = tokio::join!(client.call(act("long")).into_future(), meanwhile);
    assert_eq!(said.unwrap(), "long");
    assert!(called.elapsed() < Duration::from_secs(90), "{:?}", called.elapsed());
    assert_eq!(tally.of("it: long"), 1);
    for board in [client, agents] {
        board.shutdown().await.unwrap();
    }
    owners.remove(0).shutdown().await.unwrap();
}

/// Two agents of one kind on two nodes, each with one slot: both work.
#[tokio::test(start_paused = true)]
async fn work_is_shared_between_agents_of_several_nodes() {
    let town = Town::of(PARTITIONS);
    let tally = Tally::default();
    let owner = town.node().start().await.unwrap();
    let mut boards = Vec::new();
    for name in ["x", "y"] {
        let (tally, gate) = (tally.clone(), Gate::shut());
        gate.open();
        let agent = acting(town.node().client(), 2, move |_, what| {
            let tally = tally.clone();
            async move {
                tally.add(name);
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(what)
            }
        });
        boards.push(agent.start().await.unwrap());
    }
    until(&owner, |nodes| nodes.len() == 3).await;
    let many = Workflow::new("many");
    (0..100).for_each(|n| drop(many.task(format!("t{n}"), act("it"))));
    let began = Instant::now();
    let run = owner.start(many).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    assert!(began.elapsed() < Duration::from_millis(800), "{:?} for 25 rounds of 20 ms", began.elapsed());
    assert_eq!(tally.of("x") + tally.of("y"), 100);
    assert!(tally.of("x") >= 30 && tally.of("y") >= 30, "{:?}", tally.all());
    boards.push(owner);
    for board in boards {
        board.shutdown().await.unwrap();
    }
}

/// The same agent on two nodes: what has failed on one goes to the other.
#[tokio::test(start_paused = true)]
async fn after_a_failure_the_next_attempt_goes_to_another_node() {
    let town = Town::of(PARTITIONS);
    let owner = town.node().start().await.unwrap();
    let tried = Log::default();
    let mut boards = Vec::new();
    for name in ["x", "y"] {
        let tried = tried.clone();
        let agent = acting(town.node().client(), 1, move |ctx, what| {
            let tried = tried.clone();
            async move {
                if what == "warm" {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return Ok(what);
                }
                tried.add(format!("{what} {name}"));
                if ctx.attempt() == 1 {
                    Err(std::io::Error::other("not here"))?;
                }
                Ok(what)
            }
        });
        // It fails more often than a breaker puts up with.
        boards.push(agent.settings(|settings| settings.breaker.failures = 1_000).start().await.unwrap());
    }
    until(&owner, |nodes| nodes.len() == 3).await;
    futures::future::try_join_all([owner.call(act("warm")), owner.call(act("warm"))].map(|call| call.into_future()))
        .await
        .unwrap();
    for n in 0..10 {
        let retry = Retry::exponential(3).base(Duration::from_millis(50));
        let said: String = owner.call(act(&n.to_string())).retry(retry).await.unwrap();
        assert_eq!(said, n.to_string());
        let [first, second] = [1, 2].map(|back| tried.all()[tried.all().len() - back].clone());
        assert_ne!(first, second);
    }
    boards.push(owner);
    for board in boards {
        board.shutdown().await.unwrap();
    }
}

/// The bus brings every dispatch twice, and the second is taken while the result of the first is on its way to a slow store.
#[tokio::test(start_paused = true)]
async fn a_task_that_is_delivered_again_while_its_result_is_on_its_way_does_not_begin_again() {
    let town = Town::of(PARTITIONS);
    let (gate, tally) = (Gate::shut(), Tally::default());
    let owner = Mortal::of(&town, |builder| builder).await;
    let agents = waiting(town.node().client(), "agent", 1, &gate, &tally).start().await.unwrap();
    until(&owner, |nodes| nodes.len() == 2).await;
    owner.bus.faults().random(1, Odds { duplicate: 1.0, ..Odds::default() });
    owner.store.random(1, StoreOdds { delay_max: Duration::from_millis(50), ..StoreOdds::default() });
    for n in 0..20 {
        let said: String = owner.call(act(&n.to_string())).await.unwrap();
        assert_eq!(said, n.to_string());
    }
    let times = (0..20).map(|n| tally.of(&format!("agent: {n}")));
    assert_eq!(times.collect::<Vec<_>>(), [1; 20]);
    agents.shutdown().await.unwrap();
    owner.board.shutdown().await.unwrap();
}

/// A step may be paid for, so it does not begin before it is durable whose it is: a successor of the owner would not know.
#[tokio::test(start_paused = true)]
async fn a_step_begins_when_it_is_durable_whose_it_is() {
    let town = Town::of(PARTITIONS);
    let owner = Mortal::of(&town, |builder| builder).await;
    let tally = Tally::default();
    let agent = {
        let tally = tally.clone();
        move || {
            let tally = tally.clone();
            let f = move |ctx: callboard::Ctx, what: String| {
                let tally = tally.clone();
                async move {
                    tally.add("begun");
                    ctx.step("paid", async || {
                        tally.add("paid");
                        Ok(what.clone())
                    })
                    .await
                }
            };
            Actor { f }
        }
    };
    let agents = town.node().client().add(callboard::Pool::new(agent).handles::<Act>()).start().await.unwrap();
    until(&owner, |nodes| nodes.len() == 2).await;
    owner.store.script(Operation::Create, "*/log/*", [Fault::Pass, Fault::Hang]);
    let run = owner.start(one(act("x")).0).await.unwrap();
    tally.reaches("begun", 1).await;
    owner.store.until_held(1).await;
    assert_eq!(tally.of("paid"), 0);
    owner.store.release_all().await;
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    assert_eq!(tally.of("paid"), 1);
    agents.shutdown().await.unwrap();
    owner.board.shutdown().await.unwrap();
}

/// An agent that never warms up, so that its node has no slot to lend.
struct Cold;

impl Agent<Act> for Cold {
    async fn run(&mut self, _: &callboard::Ctx, task: Act) -> Result<String> {
        Ok(task.what)
    }

    async fn warm_up(&mut self) -> Result<()> {
        std::future::pending().await
    }
}

/// A handler may search for an agent with each of its tasks: that is no reason to read all registrations again each time.
#[tokio::test(start_paused = true)]
async fn searches_that_follow_one_another_ask_the_directory_once() {
    use callboard::port::directory::fault::Operation;
    let town = Town::of(PARTITIONS);
    let asking = Mortal::of(&town, |builder| builder).await;
    let other = town.node().client().add(callboard::Pool::new(|| Cold).handles::<Act>().id("cold")).start();
    let other = other.await.unwrap();
    let found = async || asking.board.agents().find("act").await.unwrap().len();
    while found().await == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Time stands still meanwhile, so nothing else asks.
    let asked = || asking.directory.faults().begun(Operation::List);
    let before = asked();
    for _ in 0..10 {
        assert_eq!(found().await, 1);
    }
    assert_eq!(asked(), before);
    assert_eq!(asking.board.agents().find("sing").await.unwrap().len(), 0, "another capability is another question");
    assert_eq!(asked(), before + 1);
    // What has changed is heard of all the same.
    other.shutdown().await.unwrap();
    while found().await > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(asked() > before + 1);
    asking.board.shutdown().await.unwrap();
}

/// The node that owns the run knows its own agents; the directory knows the others, or does not answer.
#[tokio::test(start_paused = true)]
async fn what_other_nodes_offer_is_told_or_said_to_be_unknown() {
    let town = Town::of(PARTITIONS);
    let owner = Mortal::of(&town, |builder| builder).await;
    let other = town.node().client().add(callboard::Pool::new(|| Cold).handles::<Act>().id("cold")).start();
    let other = other.await.unwrap();
    let run = owner.start(one(act("x")).0).await.unwrap();
    let (it, nobody) = (async || run.why("it").await.unwrap().map(|why| why.to_string()), "no agent offers \"act\"");
    let said = loop {
        match it().await {
            Some(said) if said.contains("other nodes") => break said,
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let on = &other.nodes().await.unwrap()[0].id;
    assert_eq!(said, format!(r#"only agents of other nodes offer "act": "cold" on {on}, 0 of 0 slots taken"#));
    owner.directory.cut();
    // What was listed a moment ago is told until then.
    let not_known = format!("{nobody}; not known: what agents of other nodes offer, because ");
    while !it().await.unwrap().starts_with(&not_known) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    owner.directory.heal();
    owner.board.shutdown().await.unwrap();
    other.shutdown().await.unwrap();
}
