//! Messages beside tasks.

use super::kit::*;
use callboard::prelude::*;
use callboard::{Callboard, Ctx, Filter, Inbox, Observed, Pool};
use futures::future::join_all;
use futures::{FutureExt, StreamExt};
use std::sync::{Arc, Mutex};

const SECOND: Duration = Duration::from_secs(1);

/// A message whose body is its topic.
fn on(topic: &str) -> Message {
    Message::new(topic, &topic).unwrap()
}

/// An agent for [`Act`] whose handler of messages does what their topics say, and notes them.
#[derive(Clone)]
struct Ear {
    log: Log,
    gate: Gate,
    /// How many values of this type the factory has made.
    born: Gauge,
}

impl Ear {
    fn new() -> Self {
        Self { log: Log::default(), gate: Gate::shut(), born: Gauge::default() }
    }

    fn pool(&self, id: &str) -> Pool<Self> {
        let ear = self.clone();
        let make = move || {
            ear.born.add();
            ear.clone()
        };
        Pool::new(make).handles::<Act>().id(id)
    }
}

impl Agent<Act> for Ear {
    async fn run(&mut self, ctx: &Ctx, task: Act) -> Result<String> {
        self.log.add(format!("task {}", task.what));
        match task.what.as_str() {
            "wait" => self.gate.pass().await,
            "listen" => listen(ctx.inbox(), &self.log).await?,
            "ask myself" => {
                let error = ctx.ask("ear", on("answer"), SECOND).await.unwrap_err();
                return Ok(format!("{:?}", error.kind()));
            }
            _ => {}
        }
        Ok(task.what)
    }

    async fn message(&mut self, ctx: &MessageCtx, message: &Message) -> Result<Reply> {
        self.log.add(message.topic());
        match message.topic() {
            "answer" => Reply::of(&format!("{} to {}", message.topic(), message.from().unwrap_or("nobody"))),
            "wait" => {
                self.gate.pass().await;
                Ok(Reply::none())
            }
            "fail" => Err(Error::terminal("no ink").context("printing")),
            "panic" => panic!("no hands"),
            "again" => {
                ctx.tell("ear", on("again")).await?;
                Ok(Reply::none())
            }
            "forward" => Reply::of(&ctx.ask("other", on("answer"), SECOND).await?.parse::<String>()?),
            "circle" => {
                let error = ctx.ask("other", on("circle"), SECOND).await.unwrap_err();
                Reply::of(&format!("{:?}", error.kind()))
            }
            "who" => Reply::of(&ctx.instance().to_string()),
            "task" => Reply::of(&ctx.board()?.call(act("sub")).await?),
            _ => Ok(Reply::declined()),
        }
    }
}

/// Takes messages during a task until one is about the end.
async fn listen(mut inbox: Inbox, log: &Log) -> Result<()> {
    while let Some(message) = inbox.next().await {
        log.add(format!("in task: {}", message.topic()));
        match message.topic() {
            "end" => return message.reply(&inbox.try_next().is_none()),
            "decline" => message.decline(),
            "drop" => drop(message),
            _ => message.reply(&"in task")?,
        }
    }
    Ok(())
}

async fn with(ears: &[(&Ear, &str)]) -> Callboard {
    let (_, store) = store();
    let builder = ears.iter().fold(on_store(&store), |builder, (ear, id)| builder.add(ear.pool(id)));
    builder.start().await.unwrap()
}

fn on_store(store: &Arc<dyn callboard::port::store::Store>) -> callboard::Builder {
    super::kit::on(store)
}

/// Waits until the log has so many lines that are like `line`.
async fn logged(log: &Log, line: &str, times: usize) {
    while log.all().iter().filter(|is| *is == line).count() < times {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_told_and_asked_between_tasks() {
    let ear = Ear::new();
    let board = with(&[(&ear, "ear")]).await;
    board.tell("ear", on("first")).await.unwrap();
    board.tell("ear#1", on("second")).await.unwrap();
    let answer = board.ask("ear", on("answer").correlated("order-42"), SECOND).await.unwrap();
    assert_eq!(answer.parse::<String>().unwrap(), "answer to nobody");
    assert_eq!((answer.from(), answer.correlation().to_string()), (Some("ear"), "order-42".into()));
    assert_eq!(ear.log.all(), ["first", "second", "answer"], "in order");
    let error = board.ask("ear", on("fail"), SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(full(&error), "ear#1 did not answer the ask \"fail\": the handler failed: printing: no ink");
    let error = board.ask("ear", on("unheard-of"), SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let error = board.tell("eat", on("first")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::NotFound, "no agent has the id \"eat\"; the closest is \"ear\"")
    );
}

/// On several threads the answer may be there before the ask has returned from its delivery.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_hears_of_an_ask_before_its_answer() {
    let ear = Ear::new();
    let board = with(&[(&ear, "ear")]).await;
    let mut seen = board.subscribe(Filter::all());
    for n in 0..500 {
        board.ask("ear", on("answer"), Duration::from_secs(60)).await.unwrap();
        let Some(Observed::Message(first)) = seen.next().await else { panic!("nothing is missed") };
        let Some(Observed::Message(second)) = seen.next().await else { panic!("nothing is missed") };
        assert_eq!((first.is_ask(), second.is_answer()), (true, true), "ask {n}");
        assert_eq!(first.to_instance(), second.from_instance());
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_messages_of_one_sender_stay_in_order() {
    let ear = Ear::new();
    let board = with(&[(&ear, "ear")]).await;
    let sent: Vec<String> = (0..1_000).map(|n| format!("n{n}")).collect();
    for topic in &sent {
        board.tell("ear", on(topic)).await.unwrap();
    }
    logged(&ear.log, "n999", 1).await;
    assert_eq!(ear.log.all(), sent);
}

#[tokio::test(start_paused = true)]
async fn a_handler_takes_messages_during_its_task_and_leaves_the_rest() {
    let ear = Ear::new();
    let board = with(&[(&ear, "ear")]).await;
    let task = tokio::spawn(board.call(act("listen")).into_future());
    logged(&ear.log, "task listen", 1).await;
    let answer = board.ask("ear", on("answer"), SECOND).await.unwrap();
    assert_eq!(answer.parse::<String>().unwrap(), "in task");
    let error = board.ask("ear", on("decline"), SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let error = board.ask("ear", on("drop"), SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "it was taken, and nobody answers");
    assert_eq!(board.broadcast(on("news")).await.unwrap().delivered, 1);
    let asked = board.ask("ear", on("end"), SECOND);
    assert!(asked.await.unwrap().parse::<bool>().unwrap());
    board.tell("ear", on("rest")).await.unwrap();
    task.await.unwrap().unwrap();
    logged(&ear.log, "rest", 1).await;
    assert_eq!(
        ear.log.all(),
        [
            "task listen",
            "in task: answer",
            "in task: decline",
            "in task: drop",
            "in task: news",
            "in task: end",
            "rest"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn messages_wait_while_a_task_runs_up_to_the_bound() {
    let (ear, other) = (Ear::new(), Ear::new());
    let board = with(&[(&ear, "ear"), (&other, "other")]).await;
    let tasks = join_all([board.call(act("wait")).into_future(), board.call(act("wait")).into_future()]);
    let tasks = tokio::spawn(tasks);
    logged(&ear.log, "task wait", 1).await;
    logged(&other.log, "task wait", 1).await;
    for _ in 0..1_000 {
        board.tell("ear", on("note")).await.unwrap();
    }
    let error = board.tell("ear", on("note")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("the inbox of ear#1 is full: at most 1000 messages"), "{error}");
    let told = board.broadcast(on("news")).await.unwrap();
    assert_eq!((told.delivered, &*told.full), (1, &["ear#1".into()][..]));
    let error = board.ask("other", on("answer"), SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(full(&error).contains("passed before the message was handled"), "{error:#}");
    assert_eq!(ear.log.all(), ["task wait"]);
    ear.gate.open();
    other.gate.open();
    tasks.await.unwrap();
    logged(&ear.log, "note", 1_000).await;
    logged(&other.log, "news", 1).await;
    assert_eq!(other.log.all(), ["task wait", "news"], "the ask that nobody waits for is not handled");
    let counters = board.message_counters();
    assert_eq!((counters.delivered, counters.full, counters.expired), (1_002, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_itself_or_in_a_circle_waits_for_its_time_and_no_longer() {
    let (ear, other) = (Ear::new(), Ear::new());
    let board = with(&[(&ear, "ear"), (&other, "other")]).await;
    assert_eq!(board.call(act("ask myself")).await.unwrap(), "Unavailable");
    let answer = board.ask("ear", on("circle"), 10 * SECOND).await.unwrap();
    // `other` asks itself, is not heard, and answers too late, or in time, that it was not.
    assert!(["Unknown", "Unavailable"].contains(&&*answer.parse::<String>().unwrap()), "{answer:?}");
    assert_eq!(board.ask("ear", on("forward"), SECOND).await.unwrap().parse::<String>().unwrap(), "answer to ear");
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_the_instance_and_its_message_and_nothing_else() {
    let ear = Ear::new();
    let board = with(&[(&ear, "ear")]).await;
    let panicking = board.ask("ear", on("panic"), SECOND);
    let others = (board.ask("ear", on("answer"), SECOND), board.ask("ear", on("who"), SECOND));
    let (panicked, first, second) = tokio::join!(panicking, others.0, others.1);
    let error = panicked.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(full(&error).contains("the handler panicked: no hands"), "{error:#}");
    assert_eq!(first.unwrap().parse::<String>().unwrap(), "answer to nobody");
    assert!(second.unwrap().parse::<String>().unwrap().ends_with("/ear#1"));
    assert_eq!(ear.born.get(), 2);
    // Its slot is there once: tasks go on one at a time.
    for _ in 0..3 {
        assert_eq!(board.call(act("x")).await.unwrap(), "x");
        board.tell("ear", on("panic")).await.unwrap();
    }
    board.ask("ear", on("answer"), SECOND).await.unwrap();
    let tasks = tokio::spawn(join_all((0..2).map(|_| board.call(act("wait")).into_future())));
    logged(&ear.log, "task wait", 1).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(ear.log.all().iter().filter(|line| *line == "task wait").count(), 1);
    ear.gate.open();
    tasks.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn neither_tasks_nor_messages_starve() {
    let ear = Ear::new();
    let board = with(&[(&ear, "ear")]).await;
    board.tell("ear", on("again")).await.unwrap(); // from now on there is always a message
    for _ in 0..3 {
        board.call(act("x")).await.unwrap();
    }
    board.shutdown().await.unwrap();

    let ear = Ear::new();
    let board = with(&[(&ear, "ear")]).await;
    let waiting = tokio::spawn(board.call(act("wait")).into_future());
    logged(&ear.log, "task wait", 1).await;
    let tasks = Workflow::new("many");
    for n in 0..20 {
        let _ = tasks.task(format!("t{n}"), act("x"));
    }
    let run = board.start(tasks).await.unwrap();
    tokio::time::sleep(SECOND).await;
    for _ in 0..990 {
        board.tell("ear", on("note")).await.unwrap();
    }
    ear.gate.open();
    waiting.await.unwrap().unwrap();
    run.outcome().await.unwrap();
    let turns: Vec<String> = ear.log.all();
    assert!(turns[1..33].iter().all(|line| line == "note"), "messages come first after a task");
    let tasks: Vec<usize> = (0..turns.len()).filter(|at| turns[*at] == "task x").collect();
    assert_eq!(tasks.len(), 20);
    // A task is brought to the instance when its slot is free, which takes a few turns.
    assert!(tasks[0] <= 1 + 32 * 10, "a task comes through: {tasks:?}");
    assert!(tasks.windows(2).all(|pair| pair[1] - pair[0] <= 1 + 32 * 10), "and the next: {tasks:?}");
}

/// Two types of tasks, each with an ear of its own.
struct Two(Log);

impl Agent<Act> for Two {
    async fn run(&mut self, _: &Ctx, task: Act) -> Result<String> {
        Ok(task.what)
    }

    async fn message(&mut self, _: &MessageCtx, message: &Message) -> Result<Reply> {
        self.0.add(format!("act {}", message.topic()));
        if message.topic() == "act" { Reply::of(&1) } else { Ok(Reply::declined()) }
    }
}

impl Agent<Echo> for Two {
    async fn run(&mut self, _: &Ctx, task: Echo) -> Result<String> {
        Ok(task.text)
    }

    async fn message(&mut self, _: &MessageCtx, message: &Message) -> Result<Reply> {
        self.0.add(format!("echo {}", message.topic()));
        if message.topic() == "echo" { Reply::of(&2) } else { Ok(Reply::declined()) }
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_of_several_task_types_is_asked_type_by_type() {
    let (log, (_, store)) = (Log::default(), store());
    let noted = log.clone();
    let pool = Pool::new(move || Two(noted.clone())).handles::<Echo>().handles::<Act>().id("two");
    let board = on_store(&store).add(pool).start().await.unwrap();
    assert_eq!(board.ask("two", on("act"), SECOND).await.unwrap().parse::<u8>().unwrap(), 1);
    assert_eq!(board.ask("two", on("echo"), SECOND).await.unwrap().parse::<u8>().unwrap(), 2);
    assert_eq!(board.ask("two", on("else"), SECOND).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(log.all(), ["act act", "act echo", "echo echo", "act else", "echo else"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_observer_loses_the_oldest_and_is_told() {
    let ear = Ear::new();
    let board = with(&[(&ear, "ear")]).await;
    let mut all = board.subscribe(Filter::all().topic_prefix("n"));
    let mut news = board.subscribe(Filter::all().broadcasts());
    for n in 0..1_010 {
        board.ask("ear", on(&format!("n{n}")), SECOND).await.unwrap_err(); // it declines
    }
    board.broadcast(on("fire")).await.unwrap();
    assert!(matches!(all.next().await, Some(Observed::Missed(10))));
    let Some(Observed::Message(message)) = all.next().await else { panic!("a message") };
    assert_eq!((message.topic(), message.to(), message.is_ask()), ("n10", Some("ear"), true));
    let Some(Observed::Message(message)) = news.next().await else { panic!("a message") };
    assert_eq!((message.topic(), message.to()), ("fire", None));
    board.shutdown().await.unwrap();
    assert!(news.next().await.is_none(), "it ends with the node");
}

#[tokio::test(start_paused = true)]
async fn everybody_gets_an_answer_when_the_node_stops_or_the_agent_is_removed() {
    for is_removed in [false, true] {
        let ear = Ear::new();
        let board = with(&[(&ear, "ear")]).await;
        let hour = Duration::from_secs(3_600);
        let mut asks: Vec<_> = vec![board.ask("ear", on("wait"), hour).boxed()];
        asks.extend((0..50).map(|_| board.ask("ear", on("answer"), hour).boxed()));
        let asks = join_all(asks);
        tokio::pin!(asks);
        assert!(asks.as_mut().now_or_never().is_none());
        logged(&ear.log, "wait", 1).await;
        board.tell("ear", on("note")).await.unwrap();
        let begun = tokio::time::Instant::now();
        let stop = async {
            if is_removed {
                let error = board.agent("ear").remove(Duration::ZERO).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unknown, "a handler was cut short: {}", full(&error));
            } else {
                let _unclean = board.shutdown().await;
            }
        };
        let (answers, ()) = tokio::join!(asks, stop);
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody waits for the time of the ask");
        let kinds: Vec<_> = answers.into_iter().map(|answer| answer.unwrap_err().kind()).collect();
        assert_eq!(kinds[0], ErrorKind::Unknown, "the one at hand was cut short");
        assert!(kinds[1..].iter().all(|kind| *kind == ErrorKind::Unavailable), "{kinds:?}");
        assert_eq!(board.message_counters().lost, 1);
        let gone = if is_removed { ErrorKind::NotFound } else { ErrorKind::Unavailable };
        assert_eq!(board.tell("ear", on("note")).await.unwrap_err().kind(), gone);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_reaches_the_runtime_and_does_not_keep_it_alive() {
    let (kept, (_, store)) = (Arc::new(Mutex::new(None)), store());
    let keep = kept.clone();
    let ear = Ear::new();
    let builder = acting(on_store(&store), 2, move |ctx, what| {
        let keep = keep.clone();
        async move {
            if what == "outer" {
                let inner = ctx.board()?.call(act("inner")).await?;
                *keep.lock().unwrap() = Some(ctx);
                return Ok(inner);
            }
            Ok(what)
        }
    });
    let board = builder.add(ear.pool("ear")).start().await.unwrap();
    assert_eq!(board.call(act("outer")).await.unwrap(), "inner");
    assert_eq!(board.ask("ear", on("task"), SECOND).await.unwrap().parse::<String>().unwrap(), "sub");
    let ended = board.clone();
    drop(board);
    ended.shutdown().await.unwrap();
    drop(ended);
    let kept = kept.lock().unwrap().take();
    let error = kept.unwrap().board().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

/// One of many who work, tell and ask each other.
#[derive(Clone)]
struct Peer {
    number: usize,
    told: Tally,
    handled: Tally,
    count: Gauge,
}

const PEERS: usize = 10;

impl Agent<Act> for Peer {
    async fn run(&mut self, ctx: &Ctx, task: Act) -> Result<String> {
        for peer in (0..PEERS).filter(|peer| *peer != self.number) {
            let note = format!("{}.{peer}", task.what);
            if ctx.tell(format!("peer-{peer}"), Message::new("note", &note)?).await.is_ok() {
                self.told.add(&note);
            }
        }
        let next = format!("peer-{}", (self.number + 1) % PEERS);
        if let Ok(answer) = ctx.ask(next, Message::new("double", &21)?, SECOND / 10).await {
            assert_eq!(answer.parse::<u64>()?, 42);
        }
        ctx.board()?.call(Echo { text: task.what }).await
    }

    async fn message(&mut self, ctx: &MessageCtx, message: &Message) -> Result<Reply> {
        if message.topic() == "double" {
            return Reply::of(&(2 * message.parse::<u64>()?));
        }
        let note: String = message.parse()?;
        assert_ne!(message.from(), Some(&*format!("peer-{}", self.number)), "nobody tells itself");
        assert!(ctx.instance().to_string().contains(message.to().unwrap()), "it came to whom it was for");
        self.handled.add(&note);
        self.count.add();
        if note.ends_with("7.3") {
            panic!("now and then one panics");
        }
        Ok(Reply::none())
    }
}

impl Agent<Echo> for Peer {
    async fn run(&mut self, _: &Ctx, task: Echo) -> Result<String> {
        Ok(task.text)
    }
}

/// Ten agents of two instances each; every task tells the nine others, asks one and calls one.
async fn a_fleet_talks(tasks: usize) {
    let (_, store) = store();
    let (told, handled, count) = (Tally::default(), Tally::default(), Gauge::default());
    let builder = (0..PEERS).fold(on_store(&store), |builder, number| {
        let peer = Peer { number, told: told.clone(), handled: handled.clone(), count: count.clone() };
        let pool = Pool::new(move || peer.clone()).handles::<Act>().handles::<Echo>();
        builder.add(pool.id(format!("peer-{number}")).instances(2))
    });
    let board = builder.start().await.unwrap();
    // Of 20 instances at most 8 wait for the call of another, so there is always one to perform it.
    let calls = futures::stream::iter(0..tasks).map(|n| board.call(act(&n.to_string())).into_future());
    let results: Vec<String> = calls.buffer_unordered(8).map(|result| result.unwrap()).collect().await;
    assert_eq!(results.len(), tasks);
    let notes = told.all();
    assert_eq!(notes.len(), tasks * (PEERS - 1), "nothing was refused");
    count.reaches(notes.len()).await;
    assert_eq!(handled.all(), notes, "what was told is handled, once");
    let counters = board.message_counters();
    assert_eq!((counters.lost, counters.full), (0, 0));
    board.shutdown().await.unwrap();
    assert_eq!(handled.all(), notes);
}

#[tokio::test(start_paused = true)]
async fn ten_agents_task_and_tell_each_other_and_nothing_is_lost() {
    a_fleet_talks(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_agents_on_several_threads_lose_nothing_either() {
    a_fleet_talks(100).await;
}

/// Notes every message and every task, and panics at some of either.
struct Fragile(Tally);

/// Without the noise that `panic!` makes.
fn crash() -> ! {
    std::panic::resume_unwind(Box::new("by chance"))
}

impl Agent<Act> for Fragile {
    async fn run(&mut self, ctx: &Ctx, task: Act) -> Result<String> {
        if ctx.attempt() == 1 && task.what.ends_with("crash") {
            crash();
        }
        self.0.add(&task.what);
        Ok(task.what)
    }

    async fn message(&mut self, _: &MessageCtx, message: &Message) -> Result<Reply> {
        self.0.add(&message.parse::<String>()?);
        if message.topic() == "crash" {
            crash();
        }
        Ok(Reply::none())
    }
}

#[tokio::test(start_paused = true)]
async fn over_a_thousand_crashes_no_message_and_no_task_is_lost_or_doubled() {
    let ((_, store), tally) = (store(), Tally::default());
    let noted = tally.clone();
    let pool = Pool::new(move || Fragile(noted.clone())).handles::<Act>().id("fragile").instances(8);
    let board = on_store(&store).add(pool).start().await.unwrap();
    // Numerical Recipes' generator: which of them crash is by chance, and the same each time.
    let chance = std::iter::successors(Some(42_u32), |n| Some(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)));
    let (mut crashes, mut calls) = (0, Vec::new());
    for (n, random) in chance.take(3_000).enumerate() {
        let crashes_now = random >> 31 == 1;
        crashes += usize::from(crashes_now);
        if n % 10 == 0 {
            let task = format!("task {n}{}", if crashes_now { " crash" } else { "" });
            calls.push(tokio::spawn(board.call(act(&task)).into_future()));
            continue;
        }
        let message = Message::new(if crashes_now { "crash" } else { "note" }, &n.to_string()).unwrap();
        board.tell("fragile", message).await.unwrap();
    }
    assert!(crashes > 1_000, "{crashes}");
    for call in calls {
        call.await.unwrap().unwrap();
    }
    while tally.all().len() < 3_000 {
        tokio::time::sleep(SECOND).await;
    }
    board.shutdown().await.unwrap();
    assert!(tally.all().values().all(|times| *times == 1), "everything once");
    assert_eq!(board.message_counters().lost, 0);
}
