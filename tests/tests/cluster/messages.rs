//! Messages between agents of several nodes.

use super::kit::*;
use crate::runtime::kit::*;
use callboard::port::bus::fault::{Cut, Fault, Odds, Operation};
use callboard::prelude::*;
use callboard::{Builder, Ctx, Filter, Observed, Pool};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::{Instant, sleep, timeout};

const PARTITIONS: u16 = 2;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A message whose body is its topic.
fn on(topic: &str) -> Message {
    Message::new(topic, &topic).unwrap()
}

/// An agent whose handler of messages does what their topics say, and notes them.
#[derive(Clone)]
struct Ear {
    log: Log,
    gate: Gate,
}

impl Ear {
    fn new() -> Self {
        Self { log: Log::default(), gate: Gate::shut() }
    }

    fn pool(&self, id: &str) -> Pool<Self> {
        let ear = self.clone();
        Pool::new(move || ear.clone()).handles::<Echo>().id(id)
    }

    /// Waits until so many of what it has noted begin like this.
    async fn heard(&self, prefix: &str, times: usize) {
        while self.log.all().iter().filter(|line| line.starts_with(prefix)).count() < times {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Agent<Echo> for Ear {
    async fn run(&mut self, _: &Ctx, task: Echo) -> Result<String> {
        Ok(task.text)
    }

    async fn message(&mut self, ctx: &MessageCtx, message: &Message) -> Result<Reply> {
        self.log.add(message.topic());
        match message.topic() {
            "where" => Reply::of(&ctx.instance().to_string()),
            "who" => Reply::of(&message.from_instance().unwrap_or("nobody")),
            "wait" => {
                self.gate.pass().await;
                Reply::of(&"waited")
            }
            "fail" => Err(Error::terminal("no ink").context("printing")),
            "call" => {
                let told = ctx.broadcast(on("called")).await?;
                Reply::of(&(told.delivered, told.full.len()))
            }
            "forward" => Reply::of(&ctx.ask("far", on("who"), SECOND).await?.parse::<String>()?),
            "unheard-of" => Ok(Reply::declined()),
            topic => Reply::of(&topic),
        }
    }
}

async fn with(builder: Builder, ears: &[(&Ear, &str, usize)]) -> Callboard {
    let add = |builder: Builder, (ear, id, n): &(&Ear, &str, usize)| builder.add(ear.pool(id).instances(*n));
    ears.iter().fold(builder, add).start().await.unwrap()
}

async fn id(board: &Callboard) -> String {
    board.nodes().await.unwrap()[0].id.to_string()
}

async fn stop<const N: usize>(boards: [Callboard; N]) {
    for board in boards {
        board.shutdown().await.unwrap();
    }
}

async fn asked(board: &Callboard, to: &str) -> String {
    board.ask(to, on("where"), SECOND).await.unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_agent_of_another_node_is_told_and_asked() {
    let town = Town::of(PARTITIONS);
    let ear = Ear::new();
    let (a, b) = (with(town.node(), &[]).await, with(town.node().client(), &[(&ear, "ear", 2)]).await);
    let there = id(&b).await;
    a.tell("ear", on("told")).await.unwrap();
    ear.heard("told", 1).await;
    assert!(asked(&a, "ear").await.starts_with(&format!("{there}/ear#")));
    for (to, who) in [("ear#2", "ear#2"), (&format!("{there}/ear#1"), "ear#1"), (&format!("{there}/ear#2"), "ear#2")] {
        assert_eq!(asked(&a, to).await, format!("{there}/{who}"));
    }
    assert!(asked(&a, &format!("{there}/ear")).await.starts_with(&there));
    let answer = a.ask("ear#1", on("who").correlated("order-42"), SECOND).await.unwrap();
    assert_eq!(answer.parse::<String>().unwrap(), "nobody");
    assert_eq!((answer.from(), answer.to(), answer.is_answer()), (Some("ear"), None, true));
    assert_eq!(answer.from_instance(), Some(&*format!("{there}/ear#1")));
    assert_eq!((answer.correlation().to_string(), answer.topic()), ("order-42".into(), "who"));
    let error = a.ask("ear#1", on("fail"), SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(full(&error), "ear#1 did not answer the ask \"fail\": the handler failed: printing: no ink");
    assert_eq!(a.ask("ear", on("unheard-of"), SECOND).await.unwrap_err().kind(), ErrorKind::Invalid);
    stop([b, a]).await;
}

#[tokio::test(start_paused = true)]
async fn whom_nobody_knows_is_not_found() {
    let town = Town::of(PARTITIONS);
    let (ear, near) = (Ear::new(), Ear::new());
    let a = with(town.node(), &[(&near, "mouth", 1)]).await;
    let b = with(town.node().client(), &[(&ear, "reviewer", 2)]).await;
    let (here, there) = (id(&a).await, id(&b).await);
    for (to, kind, words) in [
        ("reviewr", ErrorKind::NotFound, "no agent has the id \"reviewr\"; the closest is \"reviewer\"".to_owned()),
        ("moth", ErrorKind::NotFound, "no agent has the id \"moth\"; the closest is \"mouth\"".to_owned()),
        ("reviewer#3", ErrorKind::NotFound, "agent \"reviewer\" has no instance \"reviewer#3\"; it has 2".to_owned()),
        (&format!("{there}/mouth"), ErrorKind::NotFound, format!("node {there:?} has no agent \"mouth\"")),
        (&format!("{here}/mouse"), ErrorKind::NotFound, format!("no agent has the id \"{here}/mouse\"")),
        (
            "nowhere/mouth",
            ErrorKind::Unavailable,
            "nobody takes messages for node \"nowhere\": it is gone, or is not reached from here".to_owned(),
        ),
    ] {
        let error = a.tell(to, on("told")).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, &*words), "{to}");
        let error = a.ask(to, on("who"), SECOND).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, &*words), "{to}");
    }
    assert!(ear.log.all().is_empty() && near.log.all().is_empty());
    stop([b, a]).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_has_just_come_is_found_and_one_that_has_left_is_not() {
    let town = Town::of(PARTITIONS);
    let ear = Ear::new();
    let (a, b) = (with(town.node(), &[]).await, with(town.node().client(), &[]).await);
    assert_eq!(a.tell("ear", on("early")).await.unwrap_err().kind(), ErrorKind::NotFound);
    let handle = b.add(ear.pool("ear")).await.unwrap();
    a.tell("ear", on("told")).await.unwrap();
    ear.heard("told", 1).await;
    handle.remove(SECOND).await.unwrap();
    assert_eq!(a.tell("ear", on("late")).await.unwrap_err().kind(), ErrorKind::NotFound);
    stop([b, a]).await;
}

#[tokio::test(start_paused = true)]
async fn handlers_reach_agents_of_other_nodes_and_are_answered() {
    let town = Town::of(PARTITIONS);
    let (near, far) = (Ear::new(), Ear::new());
    let asks = |ctx: Ctx, to: String| async move {
        let answer = ctx.ask(&to, on("who"), SECOND).await?;
        ctx.tell(answer.from_instance().unwrap(), on("thanks")).await?;
        answer.parse()
    };
    let a = with(acting(town.node(), 1, asks), &[(&near, "near", 1)]).await;
    let b = with(town.node().client(), &[(&far, "far", 1)]).await;
    let here = id(&a).await;
    // From a handler of messages.
    let answer = a.ask("near", on("forward"), SECOND).await.unwrap();
    assert_eq!(answer.parse::<String>().unwrap(), format!("{here}/near#1"));
    // From a handler of tasks.
    let said: String = a.call(act("far")).await.unwrap();
    assert!(said.starts_with(&format!("{here}/")), "{said}");
    far.heard("thanks", 1).await;
    assert_eq!(far.log.all(), ["who", "who", "thanks"]);
    stop([b, a]).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_of_the_same_node_is_preferred_and_other_nodes_take_turns() {
    let town = Town::of(PARTITIONS);
    let ear = Ear::new();
    let a = with(town.node(), &[]).await;
    let b = with(town.node().client(), &[(&ear, "ear", 1)]).await;
    let c = with(town.node().client(), &[(&ear, "ear", 1)]).await;
    until(&a, |nodes| nodes.len() == 3).await;
    until(&b, |nodes| nodes.len() == 3).await;
    let mut answers = BTreeMap::<String, usize>::new();
    for _ in 0..10 {
        *answers.entry(asked(&a, "ear").await).or_default() += 1;
        assert_eq!(asked(&b, "ear").await, format!("{}/ear#1", id(&b).await));
        sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(answers.into_values().collect::<Vec<_>>(), [5, 5]);
    stop([c, b, a]).await;
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_sender_stay_in_order_across_nodes() {
    let town = Town::of(PARTITIONS);
    let ear = Ear::new();
    let (a, b) = (Mortal::of(&town, |b| b).await, with(town.node().client(), &[(&ear, "ear", 1)]).await);
    a.bus.faults().random(7, Odds { reorder: 0.1, duplicate: 0.2, late_operations_max: 5, ..Odds::default() });
    let sent: Vec<String> = (0..100).map(|n| format!("n.{n}")).collect();
    for topic in &sent {
        a.tell("ear#1", on(topic)).await.unwrap();
    }
    ear.heard("n.99", 1).await;
    assert_eq!(ear.log.all(), sent);
    assert!(a.bus.faults().injected(Fault::Duplicate) > 0 && a.bus.faults().injected(Fault::Reorder) > 0);
    stop([b, a.board]).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_inbox_of_another_node_refuses_and_the_next_node_is_tried() {
    let town = Town::of(PARTITIONS);
    let (ear, other) = (Ear::new(), Ear::new());
    let small = |builder: Builder| builder.settings(|settings| settings.inbox_max = 3);
    let a = with(town.node(), &[]).await;
    let b = with(small(town.node().client()), &[(&ear, "ear", 1)]).await;
    a.tell("ear", on("wait")).await.unwrap();
    ear.heard("wait", 1).await;
    for _ in 0..3 {
        a.tell("ear", on("waits")).await.unwrap();
    }
    let error = a.tell("ear", on("refused")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("the inbox of ear#1 is full: at most 3 messages"), "{error}");
    assert_eq!(a.ask("ear", on("refused"), SECOND).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let c = with(town.node().client(), &[(&other, "ear", 1)]).await;
    sleep(2 * SECOND).await;
    for _ in 0..4 {
        a.tell("ear", on("other")).await.unwrap();
    }
    other.heard("other", 4).await;
    ear.gate.open();
    ear.heard("waits", 3).await;
    assert_eq!(ear.log.all(), ["wait", "waits", "waits", "waits"]);
    stop([c, b, a]).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_the_other_node_does_not_take_is_refused() {
    let town = Town::of(PARTITIONS);
    let ear = Ear::new();
    let a = with(town.node(), &[]).await;
    let strict = town.node().client().settings(|settings| {
        settings.payload_bytes_max = 1_000;
        settings.payload_inline_max = 1_000;
    });
    let b = with(strict, &[(&ear, "ear", 1)]).await;
    let error = a.tell("ear", Message::new("big", &"x".repeat(2_000)).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("takes 2002 bytes, more than the limit of 1000"), "{error}");
    stop([b, a]).await;
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_nobody_waits_for_is_withdrawn_at_the_other_node() {
    let town = Town::of(PARTITIONS);
    let ear = Ear::new();
    let (a, b) = (with(town.node(), &[]).await, with(town.node().client(), &[(&ear, "ear", 1)]).await);
    let began = Instant::now();
    let taken = tokio::spawn({
        let a = a.clone();
        async move { a.ask("ear", on("wait"), 3 * SECOND).await.unwrap_err() }
    });
    ear.heard("wait", 1).await;
    let error = a.ask("ear", on("late"), SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(full(&error).contains("passed before the message was handled"), "{error:#}");
    assert!(began.elapsed() < Duration::from_millis(1_600), "{:?}", began.elapsed());
    assert!(timeout(Duration::from_millis(100), a.ask("ear", on("dropped"), MINUTE)).await.is_err());
    let error = taken.await.unwrap();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(full(&error).contains("the message was taken, and no answer came"), "{error:#}");
    ear.gate.open();
    a.tell("ear", on("last")).await.unwrap();
    ear.heard("last", 1).await;
    assert_eq!(ear.log.all(), ["wait", "last"]);
    assert_eq!(b.message_counters().expired, 2);
    stop([b, a]).await;
}

#[tokio::test(start_paused = true)]
async fn when_a_node_dies_its_asks_end_and_another_node_is_asked() {
    let town = Town::of(PARTITIONS);
    let (ear, other) = (Ear::new(), Ear::new());
    let a = with(town.node(), &[]).await;
    let b = Mortal::of(&town, |builder| builder.client().add(ear.pool("ear"))).await;
    let there = id(&b).await;
    until(&a, |nodes| nodes.len() == 2).await;
    let ask = tokio::spawn({
        let a = a.clone();
        async move { a.ask("ear", on("wait"), 10 * MINUTE).await.unwrap_err() }
    });
    ear.heard("wait", 1).await;
    let c = with(town.node().client(), &[(&other, "ear", 1)]).await;
    assert!(asked(&a, &format!("{}/ear", id(&c).await)).await.contains("ear#1"));
    let began = Instant::now();
    b.die().await;
    for n in 0..4 {
        a.tell("ear", on(&format!("other.{n}"))).await.unwrap();
    }
    other.heard("other", 4).await;
    let error = ask.await.unwrap();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
    assert!(error.message().contains("may be in an inbox there"), "{error}");
    assert!(began.elapsed() < 10 * SECOND, "{:?}", began.elapsed());
    let error = a.tell(format!("{there}/ear"), on("gone")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    stop([c, a]).await;
}

#[tokio::test(start_paused = true)]
async fn agents_are_found_while_the_directory_is_away() {
    let town = Town::of(PARTITIONS);
    let ear = Ear::new();
    let a = Mortal::of(&town, |builder| builder).await;
    let b = with(town.node().client(), &[(&ear, "reviewer", 1)]).await;
    until(&a, |nodes| nodes.len() == 2).await;
    a.directory.cut();
    // Nothing was known: the nodes are asked.
    a.tell("reviewer", on("asked")).await.unwrap();
    // What was known is believed.
    sleep(30 * SECOND).await;
    a.tell("reviewer", on("believed")).await.unwrap();
    ear.heard("believed", 1).await;
    let error = a.tell("reviewr", on("told")).await.unwrap_err();
    assert_eq!(error.message(), "no agent has the id \"reviewr\"; the closest is \"reviewer\"");
    // One that has come since is found as well.
    let handle = b.add(ear.pool("writer")).await.unwrap();
    a.tell("writer", on("written")).await.unwrap();
    handle.remove(SECOND).await.unwrap();
    assert_eq!(a.tell("writer", on("late")).await.unwrap_err().kind(), ErrorKind::NotFound);
    a.directory.heal();
    stop([b, a.board]).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_can_not_be_heard_leaves_it_unknown_whether_it_has_a_message() {
    let town = Town::of(PARTITIONS);
    let ear = Ear::new();
    let a = with(town.node(), &[]).await;
    let b = Mortal::of(&town, |builder| builder.client().add(ear.pool("ear"))).await;
    until(&a, |nodes| nodes.len() == 2).await;
    b.bus.cut(Cut::Sending);
    let error = a.tell("ear", on("told")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
    ear.heard("told", 1).await;
    b.bus.heal();
    assert_eq!(ear.log.all(), ["told"]);
    stop([b.board, a]).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_can_not_be_reached_has_no_message_for_certain() {
    let town = Town::of(PARTITIONS);
    let ear = Ear::new();
    let a = Mortal::of(&town, |builder| builder).await;
    let b = with(town.node().client(), &[(&ear, "ear", 1)]).await;
    until(&a, |nodes| nodes.len() == 2).await;
    a.tell("ear", on("first")).await.unwrap();
    a.bus.cut(Cut::Sending);
    let error = a.tell("ear", on("second")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    // A short cut is no matter.
    let healing = async {
        sleep(2 * SECOND).await;
        a.bus.heal();
    };
    let (told, ()) = tokio::join!(a.tell("ear", on("third")), healing);
    told.unwrap();
    ear.heard("third", 1).await;
    assert_eq!(ear.log.all(), ["first", "third"]);
    stop([b, a.board]).await;
}

/// What has answered `Ok` is there once, what may be there at most once, and what is not, not at all.
#[tokio::test(start_paused = true)]
async fn a_bus_that_loses_repeats_and_reorders_delivers_at_most_once() {
    for seed in 0..5 {
        let town = Town::of(PARTITIONS);
        let ear = Ear::new();
        let a = Mortal::of(&town, |builder| builder).await;
        let b = Mortal::of(&town, |builder| builder.client().add(ear.pool("ear"))).await;
        until(&a, |nodes| nodes.len() == 2).await;
        let odds = Odds {
            refuse: 0.05,
            lose_request: 0.1,
            lose_answer: 0.1,
            late: 0.05,
            duplicate: 0.2,
            reorder: 0.1,
            late_operations_max: 10,
            ..Odds::default()
        };
        a.bus.faults().random(seed, odds);
        b.bus.faults().random(seed + 100, odds);
        let mut kinds = BTreeMap::new();
        for n in 0..60 {
            let topic = format!("n.{n}");
            let outcome = match n % 2 {
                0 => a.tell("ear", on(&topic)).await,
                _ => a.ask("ear", on(&topic), 5 * SECOND).await.map(|answer| assert_eq!(answer.topic(), topic)),
            };
            kinds.insert(topic, outcome.map_err(|error| error.kind()));
        }
        a.bus.faults().calm();
        b.bus.faults().calm();
        sleep(30 * SECOND).await;
        a.tell("ear", on("end")).await.unwrap();
        ear.heard("end", 1).await;
        let log = ear.log.all();
        for (topic, outcome) in &kinds {
            let times = log.iter().filter(|line| *line == topic).count();
            match outcome {
                Ok(()) => assert_eq!(times, 1, "{seed} {topic}"),
                Err(ErrorKind::Unknown) => assert!(times <= 1, "{seed} {topic}: {times}"),
                Err(_) => assert_eq!(times, 0, "{seed} {topic}: {outcome:?}"),
            }
        }
        let told = kinds.values().filter(|outcome| outcome.is_ok()).count();
        assert!(told >= 40, "{seed}: {told} of 60");
        stop([b.board, a.board]).await;
    }
}

/// The copy comes when nobody waits any more and the switchboard has forgotten the request.
#[tokio::test(start_paused = true)]
async fn a_copy_that_comes_late_is_in_no_inbox() {
    let town = Town::of(PARTITIONS);
    let ear = Ear::new();
    let a = Mortal::of(&town, |builder| builder).await;
    let b = with(town.node().client(), &[(&ear, "ear", 1)]).await;
    until(&a, |nodes| nodes.len() == 2).await;
    let queue = format!("node.{}", id(&b).await);
    a.bus.faults().script(Operation::Publish, &queue, [Fault::Late]);
    a.tell("ear", on("told")).await.unwrap();
    ear.heard("told", 1).await;
    sleep(2 * MINUTE).await;
    assert_eq!(a.bus.faults().held().len(), 1);
    a.bus.faults().release_all().await;
    a.tell("ear", on("end")).await.unwrap();
    ear.heard("end", 1).await;
    sleep(SECOND).await;
    assert_eq!(ear.log.all(), ["told", "end"]);
    stop([b, a.board]).await;
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_every_inbox_of_every_node_but_the_senders() {
    let town = Town::of(PARTITIONS);
    let (one, two, three) = (Ear::new(), Ear::new(), Ear::new());
    let a = with(town.node(), &[(&one, "one", 1)]).await;
    let b = with(town.node().client(), &[(&two, "two", 2)]).await;
    let small =
        |builder: Builder| builder.client().settings(|settings| settings.inbox_max = 1).add(three.pool("three"));
    let c = Mortal::of(&town, small).await;
    for board in [&a, &b, &c.board] {
        until(board, |nodes| nodes.len() == 3).await;
    }
    let told = a.broadcast(on("first")).await.unwrap();
    assert_eq!((told.delivered, told.full.len(), told.silent.len()), (4, 0, 0));
    two.heard("first", 2).await;
    three.heard("first", 1).await;
    // From an agent: not to itself.
    let answer = b.ask("one", on("call"), 5 * SECOND).await.unwrap();
    assert_eq!(answer.parse::<(usize, usize)>().unwrap(), (3, 0));
    two.heard("called", 2).await;
    three.heard("called", 1).await;
    // One is busy, and its inbox full.
    a.tell("three", on("wait")).await.unwrap();
    three.heard("wait", 1).await;
    a.tell("three", on("waits")).await.unwrap();
    let told = a.broadcast(on("second")).await.unwrap();
    assert_eq!((told.delivered, told.silent.len()), (3, 0));
    assert_eq!(told.full, [Arc::<str>::from(format!("{}/three#1", id(&c).await))]);
    three.gate.open();
    three.heard("waits", 1).await;
    // One hears and is not heard.
    c.bus.cut(Cut::Sending);
    let began = Instant::now();
    let told = a.broadcast(on("third")).await.unwrap();
    assert_eq!((told.delivered, told.full.len()), (3, 0));
    assert_eq!(told.silent, [Arc::<str>::from(id(&c).await)]);
    assert!(began.elapsed() <= Duration::from_millis(1_100), "{:?}", began.elapsed());
    three.heard("third", 1).await;
    c.bus.heal();
    assert_eq!(one.log.all(), ["first", "call", "second", "third"]);
    stop([c.board, b, a]).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_sees_what_comes_to_its_node_from_others() {
    let town = Town::of(PARTITIONS);
    let ear = Ear::new();
    let (a, b) = (with(town.node(), &[]).await, with(town.node().client(), &[(&ear, "ear", 1)]).await);
    let mut seen = b.subscribe(Filter::all());
    a.tell("ear", on("told")).await.unwrap();
    let Some(Observed::Message(message)) = seen.next().await else { panic!("a message") };
    assert_eq!((message.topic(), message.to(), message.from()), ("told", Some("ear"), None));
    stop([b, a]).await;
}
