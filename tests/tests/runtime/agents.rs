//! Agents: pools, routing, the registry.

use super::kit::*;
use bytes::Bytes;
use callboard::port::directory::memory::MemoryDirectory;
use callboard::port::directory::{self, Directory};
use callboard::prelude::*;
use callboard::{AgentStatus, Capability, Ctx, Json, JsonAgent, JsonTask, Message, MessageCtx, Pool, Reply, What};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Asks for the capability `other`.
#[task(output = String)]
struct Other {
    what: String,
}

/// Performs both types of tasks, behind a gate.
#[derive(Clone)]
struct Both {
    running: Gauge,
    gate: Gate,
}

impl Both {
    async fn work(&self, ctx: &Ctx, what: &str) -> Result<String> {
        self.running.add();
        self.gate.pass().await;
        Ok(format!("{} {what}", ctx.capability()))
    }
}

impl Agent<Act> for Both {
    async fn run(&mut self, ctx: &Ctx, task: Act) -> Result<String> {
        self.work(ctx, &task.what).await
    }
}

impl Agent<Other> for Both {
    async fn run(&mut self, ctx: &Ctx, task: Other) -> Result<String> {
        self.work(ctx, &task.what).await
    }
}

fn other(what: &str) -> Other {
    Other { what: what.into() }
}

fn hand(name: &'static str) -> Pool<Hand> {
    Pool::new(move || Hand { name }).handles::<Act>().id(name)
}

/// Says its name.
struct Hand {
    name: &'static str,
}

impl Agent<Act> for Hand {
    async fn run(&mut self, _: &Ctx, _: Act) -> Result<String> {
        Ok(self.name.into())
    }
}

impl Agent<Other> for Hand {
    async fn run(&mut self, _: &Ctx, _: Other) -> Result<String> {
        Ok(self.name.into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_performs_several_types_of_tasks_in_the_slots_that_it_has() {
    let (_, store) = store();
    let both = Both { gate: Gate::shut(), running: Gauge::default() };
    let (running, gate) = (both.running.clone(), both.gate.clone());
    let board =
        on(&store).pool(move || both.clone()).handles::<Act>().handles::<Other>().instances(4).start().await.unwrap();
    let workflow = Workflow::new("w");
    let acts = workflow.map("act", (0..6).map(|_| act("a")));
    let others = workflow.map("other", (0..6).map(|_| other("b")));
    let run = board.start(workflow).await.unwrap();
    running.reaches(4).await;
    tokio::time::sleep(Duration::from_secs(1)).await; // paused time: everything that can happen has happened
    assert_eq!(running.get(), 4, "one slot an instance, whatever the task");
    gate.open();
    for node in acts {
        assert_eq!(run.output(&node).await.unwrap(), "act a");
    }
    for node in others {
        assert_eq!(run.output(&node).await.unwrap(), "other b");
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_waited_goes_to_an_agent_that_is_added() {
    let (_, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    let queue = board.queue();
    assert_eq!((queue.len(), queue[0].waiting), (1, 1));
    assert_eq!(queue[0].reason, "no agent offers \"act\"");
    let hand = board.add(hand("late")).await.unwrap();
    assert_eq!(run.output(&it).await.unwrap(), "late");
    assert!(board.queue().is_empty());
    let error = board.add(self::hand("late")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    hand.remove(Duration::ZERO).await.unwrap();
    assert_eq!(board.agent("late").remove(Duration::ZERO).await.unwrap_err().kind(), ErrorKind::NotFound);
    let run = board.start(one(act("")).0).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(run.progress().await.unwrap().is_some_and(|progress| progress.running == 0));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_removed_finishes_what_it_has_or_hands_it_back_without_a_retry() {
    let (_, store) = store();
    let (gate, begun) = (Gate::shut(), Gauge::default());
    let board = on(&store).start().await.unwrap();
    let actor = {
        let (gate, begun) = (gate.clone(), begun.clone());
        move |ctx: Ctx, _: String| {
            let (gate, begun) = (gate.clone(), begun.clone());
            async move {
                begun.add();
                gate.pass().await;
                Ok(ctx.attempt().to_string())
            }
        }
    };
    let pool = |id: &str| {
        let f = actor.clone();
        Pool::new(move || Actor { f: f.clone() }).handles::<Act>().id(id)
    };
    let first = board.add(pool("first")).await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    begun.reaches(1).await;
    let error = first.remove(Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", full(&error));
    board.add(pool("second")).await.unwrap();
    begun.reaches(2).await;
    let second = board.agent("second");
    let removal = tokio::spawn(async move { second.remove(Duration::from_secs(3600)).await });
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!removal.is_finished(), "it has an hour to finish");
    gate.open();
    assert_eq!(run.output(&it).await.unwrap(), "1", "a hand-back is no attempt");
    removal.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_gains_or_loses_a_capability_is_routed_to_at_once() {
    let (_, store) = store();
    let board = on(&store).start().await.unwrap();
    let hand = board.add(hand("hand")).await.unwrap();
    let (workflow, it) = one(other(""));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(board.queue().len(), 1, "nobody offers it");
    assert!(board.agents().find("other").await.unwrap().is_empty());
    hand.gain::<Other>().await.unwrap();
    assert_eq!(run.output(&it).await.unwrap(), "hand");
    assert_eq!(board.agents().find("other").await.unwrap().len(), 1);
    hand.lose("act").await.unwrap();
    assert_eq!(hand.lose("act").await.unwrap_err().kind(), ErrorKind::NotFound);
    let run = board.start(one(act("")).0).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(run.progress().await.unwrap().unwrap().completed, 0);
    hand.gain::<Act>().await.unwrap();
    run.outcome().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unmet_requirement_waits_and_says_for_what() {
    let (_, store) = store();
    let board = on(&store).start().await.unwrap();
    board.add(hand("us").label("zone", "us").constraint("tokens", 1000)).await.unwrap();
    let workflow = Workflow::new("w");
    let requires = |text: &str| text.parse::<callboard::Requirement>().unwrap();
    let it = workflow.task("it", act("")).requires(requires("zone=eu")).requires(requires("tokens>=2000"));
    let free = workflow.task("free", act(""));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.output(&free).await.unwrap(), "us", "what requires nothing does not wait behind it");
    let queue = board.queue();
    assert_eq!((queue.len(), queue[0].requires.to_string().as_str()), (1, "tokens>=2000, zone=eu"));
    assert_eq!(
        queue[0].reason,
        "no agent that offers \"act\" meets what the task requires: us: tokens>=2000 (it is 1000)"
    );
    board.add(hand("eu-small").label("zone", "eu")).await.unwrap();
    assert!(board.queue()[0].reason.contains("eu-small: tokens>=2000 (it has none)"), "{:?}", board.queue());
    board.add(hand("eu").label("zone", "eu").constraint("tokens", 2000)).await.unwrap();
    assert_eq!(run.output(&it).await.unwrap(), "eu");
    let found = board.agents().find("act").requires(requires("zone=eu")).await.unwrap();
    assert_eq!(found.iter().map(|agent| &*agent.id).collect::<Vec<_>>(), ["eu", "eu-small"]);
}

/// What each of some agents was given of `tasks` tasks that are in flight `at_once`.
async fn shares(tasks: usize, at_once: usize, delays: &[(&'static str, u64)]) -> (Callboard, Vec<usize>) {
    let (_, store) = store();
    let tally = Tally::default();
    let mut builder = on(&store);
    for &(name, delay) in delays {
        let tally = tally.clone();
        let f = move |_: Ctx, _: String| {
            let tally = tally.clone();
            async move {
                tally.add(name);
                tokio::time::sleep(Duration::from_millis(delay)).await;
                Ok(name.to_owned())
            }
        };
        builder = builder.add(Pool::new(move || Actor { f: f.clone() }).handles::<Act>().id(name).instances(2));
    }
    let board = builder.start().await.unwrap();
    let calls = futures::stream::iter((0..tasks).map(|_| board.call(act("")).into_future()));
    calls.buffer_unordered(at_once).for_each(|result| async { drop(result.unwrap()) }).await;
    (board, delays.iter().map(|(name, _)| tally.of(name)).collect())
}

#[tokio::test(start_paused = true)]
async fn equal_agents_get_equal_shares_and_a_slow_one_gets_less() {
    for at_once in [1, 3, 8, 100] {
        let (_, shares) = shares(600, at_once, &[("a", 10), ("b", 10), ("c", 10), ("slow", 100)]).await;
        let (least, most) = (shares[..3].iter().min().unwrap(), shares[..3].iter().max().unwrap());
        assert!(most * 10 <= least * 12, "within 20 %: {shares:?} with {at_once} at once");
        if at_once > 1 {
            assert!(shares[3] * 2 < *least, "the slow one gets less: {shares:?} with {at_once} at once");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_reason_of_a_choice_is_recorded() {
    let (_, store) = store();
    let board = on(&store).start().await.unwrap();
    board.add(hand("a").instances(2)).await.unwrap();
    board.add(hand("b").instances(2)).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await; // both have their instances
    }
    let run = board.start(one(act("")).0).await.unwrap();
    let events: Vec<_> = run.events().collect().await;
    let started = events.iter().find_map(|event| match &event.what {
        What::Started { chosen, .. } => chosen.clone(),
        _ => None,
    });
    assert_eq!(started.as_deref(), Some("1 of 2 free agents: idle for the longest"));
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_another_agent_is_tried_first() {
    let (_, store) = store();
    // They fail more often than a breaker puts up with.
    let board = on(&store).settings(|settings| settings.breaker.failures = 1_000).start().await.unwrap();
    let f = |ctx: Ctx, _: String| async move {
        if ctx.attempt() < 3 { Err(Error::retryable("not here")) } else { Ok(String::new()) }
    };
    for id in ["a", "b", "c"] {
        board.add(Pool::new(move || Actor { f }).handles::<Act>().id(id)).await.unwrap();
    }
    for _ in 0..10 {
        let run = board.start(one(act("")).0).await.unwrap();
        let events: Vec<_> = run.events().collect().await;
        let by = events.iter().filter_map(|event| match &event.what {
            What::Started { by, .. } => Some(by.rsplit_once('/').unwrap().1.to_owned()),
            _ => None,
        });
        let by: Vec<String> = by.collect();
        assert_eq!(by.len(), 3);
        assert!(by[0] != by[1] && by[1] != by[2], "{by:?}");
    }
}

/// Fails to warm up until it may, and tells of its life.
struct Warm {
    fails: Arc<AtomicUsize>,
    log: Log,
}

impl Agent<Act> for Warm {
    async fn run(&mut self, _: &Ctx, _: Act) -> Result<String> {
        self.log.add("run");
        Ok(String::new())
    }

    async fn warm_up(&mut self) -> Result<()> {
        if self.fails.fetch_sub(1, Ordering::SeqCst) > 1 {
            return Err(Error::retryable("the model is not loaded"));
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        self.log.add("warm");
        Ok(())
    }

    async fn wind_down(&mut self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.log.add("put away");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_warms_up_before_its_first_task_and_winds_down_behind_its_last() {
    let (_, store) = store();
    let (log, fails) = (Log::default(), Arc::new(AtomicUsize::new(4)));
    let board = on(&store)
        .agent({
            let (log, fails) = (log.clone(), fails.clone());
            move || Warm { fails: fails.clone(), log: log.clone() }
        })
        .start()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(15)).await;
    let agents = board.agents().await.unwrap();
    assert_eq!((agents[0].status, agents[0].instances), (AgentStatus::Starting, 0));
    assert!(agents[0].trouble.as_ref().unwrap().contains("the model is not loaded"), "{agents:?}");
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    assert!(board.queue()[0].reason.starts_with("no instance runs yet: "), "{:?}", board.queue());
    assert!(log.all().is_empty());
    board.ready().await;
    assert_eq!(log.all()[0], "warm");
    run.output(&it).await.unwrap();
    board.shutdown().await.unwrap();
    assert_eq!(log.all(), ["warm", "run", "put away"]);
}

#[tokio::test(start_paused = true)]
async fn the_registry_finds_by_capability_health_and_load_the_least_loaded_first() {
    let (_, store) = store();
    let gate = Gate::shut();
    let board = on(&store).start().await.unwrap();
    let waits = gate.clone();
    let f = move |_: Ctx, what: String| {
        let waits = waits.clone();
        async move {
            match &*what {
                "fail" => Err(Error::retryable("no")),
                _ => {
                    waits.pass().await;
                    Ok(what)
                }
            }
        }
    };
    let pool = |id: &str, instances| {
        let f = f.clone();
        Pool::new(move || Actor { f: f.clone() }).handles::<Act>().id(id).instances(instances)
    };
    board.add(pool("big", 4).description("many hands").version("1.2").tool("git")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut runs = vec![board.start(one(act("")).0).await.unwrap()];
    board.add(pool("small", 1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let ids = |agents: Vec<callboard::AgentInfo>| agents.iter().map(|agent| agent.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(board.agents().find("act").await.unwrap()), ["small", "big"]);
    assert_eq!(ids(board.agents().find("act").max_load(0.1).await.unwrap()), ["small"]);
    let failing = Workflow::new("fails");
    let _it = failing.task("it", act("fail")).retry(Retry::never());
    board.start(failing).await.unwrap().outcome().await.unwrap();
    let found = board.agents().find("act").await.unwrap();
    assert!((found[0].health - 0.8).abs() < 0.05, "{found:?}");
    assert_eq!(ids(board.agents().find("act").min_health(0.9).await.unwrap()), ["big"]);
    runs.push(board.start(one(act("")).0).await.unwrap());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(ids(board.agents().find("act").await.unwrap()), ["big", "small"]);
    let big = &board.agents().find("act").max_load(0.5).await.unwrap()[0];
    assert_eq!((&*big.kind, &*big.description, &*big.version), ("Actor", "many hands", "1.2"));
    assert_eq!((big.instances, big.running, big.load(), big.status), (4, 1, 0.25, AgentStatus::Busy));
    assert!(big.traits.tools.contains("git") && big.capability("act").is_some());
    assert!(board.agents().find("nothing").await.unwrap().is_empty());
    let error = board.agents().find("no good").min_health(7.0).max_load(f64::NAN).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let said = [
        "a capability is 1 to 128 of A-Z a-z 0-9 . _ -, not \"no good\"",
        "min_health is 0 to 1, not 7",
        "max_load is 0 to 1, not NaN",
    ];
    assert_eq!(error.causes().collect::<Vec<_>>(), said);
    gate.open();
    for run in runs {
        run.outcome().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_registry_survives_a_wiped_directory_and_forgets_who_is_not_heard_of() {
    let (_, store) = store();
    let directory = MemoryDirectory::new();
    let board = on(&store).directory(Arc::new(directory.clone())).start().await.unwrap();
    board.add(hand("hand")).await.unwrap();
    // What another node would say of its agent.
    let mine = directory.list("agent").await.unwrap();
    assert_eq!(mine.len(), 1);
    let theirs = String::from_utf8(mine[0].value.to_vec()).unwrap().replace("node-", "elsewhere-");
    for kind in ["agent", "capability:act"] {
        let life = Duration::from_secs(5);
        directory.put(kind, "hand:elsewhere", theirs.clone().into(), life).await.unwrap();
    }
    directory.put("agent", "junk:elsewhere", "{}".into(), Duration::from_secs(5)).await.unwrap();
    let nodes =
        |agents: Vec<callboard::AgentInfo>| agents.iter().map(|agent| agent.node.to_string()).collect::<Vec<_>>();
    let found = nodes(board.agents().find("act").await.unwrap());
    assert!(found.len() == 2 && found[0].starts_with("elsewhere-") && found[1].starts_with("node-"), "{found:?}");
    assert_eq!(board.agents().await.unwrap().len(), 2, "what can not be read is passed over");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(board.agents().await.unwrap().len(), 1, "it was not heard of for its life");
    directory.wipe();
    assert!(directory.list("agent").await.unwrap().is_empty());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        directory.list("capability:act").await.unwrap().len(),
        1,
        "it is registered again by the next heartbeat"
    );
    board.agent("hand").remove(Duration::ZERO).await.unwrap();
    assert!(
        directory.list("capability:act").await.unwrap().is_empty() && directory.list("agent").await.unwrap().is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_described_by_data_performs_what_it_was_given() {
    struct Upper;
    impl JsonAgent for Upper {
        async fn run(&mut self, ctx: &Ctx, task: JsonTask) -> Result<Json> {
            assert_eq!(ctx.capability(), &*task.capability);
            Ok(Json::parse(task.input.as_str().to_uppercase())?)
        }
    }
    let (_, store) = store();
    let board = on(&store).start().await.unwrap();
    let upper =
        board.add(Pool::json(|| Upper).capability(Capability::new("echo").description("shouts"))).await.unwrap();
    assert_eq!(upper.id(), "echo");
    #[task(output = serde_json::Value, capability = "echo")]
    struct Ask(Vec<String>);
    assert_eq!(board.call(Ask(vec!["a".into()])).await.unwrap(), serde_json::json!(["A"]));
    #[task(output = serde_json::Value)]
    struct More {}
    upper.gain_capability(Capability::new("more")).await.unwrap();
    assert_eq!(board.call(More {}).await.unwrap(), serde_json::json!({}));
    assert_eq!(upper.gain_capability(Capability::new("no good")).await.unwrap_err().kind(), ErrorKind::Invalid);
}

/// A directory that answers as it is told: not at all, or with an error for one kind.
#[derive(Clone, Default)]
struct Moody {
    inner: MemoryDirectory,
    hangs: Arc<AtomicBool>,
    refuses: Arc<Mutex<Option<&'static str>>>,
}

impl Moody {
    async fn mood(&self, kind: &str) -> Result<(), directory::Error> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        match *self.refuses.lock().unwrap() {
            Some(refused) if refused == kind => Err(directory::Error::Refused { reason: "moody".into() }),
            _ => Ok(()),
        }
    }
}

impl Directory for Moody {
    fn put<'a>(&'a self, kind: &'a str, id: &'a str, value: Bytes, ttl: Duration) -> Answer<'a, ()> {
        async move {
            self.mood(kind).await?;
            self.inner.put(kind, id, value, ttl).await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, kind: &'a str, id: &'a str) -> Answer<'a, ()> {
        async move {
            self.mood(kind).await?;
            self.inner.remove(kind, id).await
        }
        .boxed()
    }

    fn list<'a>(&'a self, kind: &'a str) -> Answer<'a, Vec<directory::Entry>> {
        async move {
            self.mood(kind).await?;
            self.inner.list(kind).await
        }
        .boxed()
    }

    fn acquire<'a>(&'a self, name: &'a str, holder: &'a str, ttl: Duration) -> Answer<'a, directory::Lease> {
        self.inner.acquire(name, holder, ttl)
    }

    fn renew<'a>(&'a self, name: &'a str, holder: &'a str, ttl: Duration) -> Answer<'a, directory::Lease> {
        self.inner.renew(name, holder, ttl)
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> Answer<'a, directory::Release> {
        self.inner.release(name, holder)
    }

    fn hold<'a>(
        &'a self,
        pool: &'a str,
        holder: &'a str,
        ask: directory::Ask,
        ttl: Duration,
    ) -> Answer<'a, directory::Share> {
        self.inner.hold(pool, holder, ask, ttl)
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, directory::Error>>;

/// What `it` comes to within a time that a person would wait.
async fn soon<T>(it: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(15), it).await.expect("it does not wait for the directory")
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_hangs_holds_nobody_up() {
    let (_, store) = store();
    let directory = Moody::default();
    directory.hangs.store(true, Ordering::SeqCst);
    let board = soon(on(&store).directory(Arc::new(directory.clone())).add(hand("first")).start()).await.unwrap();
    let late = soon(board.add(hand("late"))).await.unwrap();
    assert_eq!(soon(board.agents().into_future()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let (workflow, it) = one(act(""));
    soon(board.start(workflow).await.unwrap().output(&it)).await.unwrap();
    soon(late.gain::<Other>()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    directory.hangs.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(board.agents().find("act").await.unwrap().len(), 2);
    assert_eq!(directory.inner.list("agent").await.unwrap().len(), 2, "it is told as soon as it hears again");
    directory.hangs.store(true, Ordering::SeqCst);
    soon(late.remove(Duration::ZERO)).await.unwrap();
    soon(board.shutdown()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_is_refused_keeps_no_other_from_being_told() {
    let (_, store) = store();
    let directory = Moody::default();
    *directory.refuses.lock().unwrap() = Some("agent");
    let board = on(&store).directory(Arc::new(directory.clone())).start().await.unwrap();
    board.add(hand("a")).await.unwrap();
    let late = board.add(hand("z")).await.unwrap();
    assert_eq!(directory.inner.list("capability:act").await.unwrap().len(), 2);
    late.remove(Duration::ZERO).await.unwrap();
    assert_eq!(directory.inner.list("capability:act").await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_removal_leaves_an_agent_alone_that_has_come_under_the_same_id() {
    let (_, store) = store();
    let board = on(&store).start().await.unwrap();
    let (gate, begun) = (Gate::shut(), Gauge::default());
    let both = Both { gate: gate.clone(), running: begun.clone() };
    let pool = || {
        let both = both.clone();
        Pool::new(move || both.clone()).handles::<Act>().id("a")
    };
    board.add(pool()).await.unwrap();
    let (workflow, it) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    begun.reaches(1).await;
    let patient = board.agent("a");
    let patient = tokio::spawn(async move { patient.remove(Duration::from_secs(3600)).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let _cut_short = board.agent("a").remove(Duration::ZERO).await;
    board.add(pool()).await.unwrap();
    begun.reaches(2).await;
    soon(patient).await.unwrap().unwrap();
    gate.open();
    assert_eq!(soon(run.output(&it)).await.unwrap(), "act ");
    assert_eq!(soon(board.call(act("again")).into_future()).await.unwrap(), "act again");
}

/// Handles a message for as long as the gate is shut, and tasks at once.
struct Listener {
    name: &'static str,
    heard: Gauge,
    gate: Gate,
}

impl Agent<Act> for Listener {
    async fn run(&mut self, _: &Ctx, _: Act) -> Result<String> {
        Ok(self.name.into())
    }

    async fn message(&mut self, _: &MessageCtx, _: &Message) -> Result<Reply> {
        self.heard.add();
        self.gate.pass().await;
        Ok(Reply::none())
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_goes_to_an_idle_agent_and_not_to_one_that_handles_a_message() {
    let (_, store) = store();
    let board = on(&store).start().await.unwrap();
    let (heard, gate) = (Gauge::default(), Gate::shut());
    for name in ["a", "b"] {
        let (heard, gate) = (heard.clone(), gate.clone());
        let make = move || Listener { name, heard: heard.clone(), gate: gate.clone() };
        board.add(Pool::new(make).handles::<Act>().id(name)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    board.tell("a", Message::new("hello", &()).unwrap()).await.unwrap();
    heard.reaches(1).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..5 {
        assert_eq!(board.call(act("")).await.unwrap(), "b");
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let busy = board.agents().find("act").await.unwrap();
    assert_eq!((&*busy[1].id, busy[1].status), ("a", AgentStatus::Full));
    gate.open();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(board.call(act("")).await.unwrap(), "a", "its slot is free again");
}
