//! The test kit: simulated time, stubs, crashes, counters, restarts, histories.

use super::kit::{Gate, Log};
use callboard::prelude::*;
use callboard::test::{History, TestRuntime, Verdict};
use callboard::{Ctx, RunOutcome, Status};
use std::time::Instant;

#[allow(dead_code, unreachable_pub, reason = "it is written as users write")]
#[path = "../../../examples/samples/dynamic.rs"]
mod samples;

/// The sample test, as it is.
mod sample {
    use super::samples;
    include!("../../../examples/samples/tests/testkit.rs");
}

/// The sample program, as it is, with tests of what it holds.
#[allow(dead_code, reason = "it is written as users write")]
mod map_and_vote {
    include!("../../../examples/map_and_vote.rs");

    use super::every_place;
    use callboard::test::{TestBuilder, TestRuntime};

    fn agents() -> TestBuilder {
        TestRuntime::new()
            .task_fn(report)
            .stub(|t: CountWords| Ok(t.text.split_whitespace().count() as u64))
            .stub(|t: Triage| Ok(Label { name: "ok".into(), why: format!("{} bytes", t.text.len()) }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_crash_at_every_place_of_a_map_and_a_vote_changes_nothing() {
        let docs = || vec!["a b c".to_owned(), "d e".into(), "f".into()];
        let places = every_place(agents, async |rt| {
            let told = rt.call(Report { docs: docs() }).await.unwrap();
            assert_eq!(told, "6 words, ok by 3 of 3 votes: 11 bytes", "{:?}", rt.crash_places());
            assert_eq!((rt.attempts::<Report>(), rt.attempts::<CountWords>()), (1, 3), "{:?}", rt.crash_places());
            assert!((3..=5).contains(&rt.attempts::<Triage>()));
        })
        .await;
        for place in [
            "report during begin",
            "report before map:count-words[0]",
            "report during map:count-words[2]",
            "report after map:count-words[1]",
            "report before vote:triage[4]",
            "report after vote:triage[0]",
            "count-words before end",
            "report before end",
        ] {
            assert!(places.iter().any(|seen| seen == place), "{place} is not among {places:?}");
        }
    }
}

/// Has handlers die at every place, one place a time, until nothing crashes any more; gives the places.
pub(super) async fn every_place(
    agents: impl Fn() -> callboard::test::TestBuilder,
    check: impl AsyncFn(&TestRuntime),
) -> Vec<String> {
    let mut places = Vec::new();
    for n in 1.. {
        let rt = agents().crash_at(n).start().await;
        check(&rt).await;
        if rt.crashes() == 0 {
            break;
        }
        assert_eq!(rt.crashes(), 1);
        places.extend(rt.crash_places());
    }
    places
}

fn releaser() -> callboard::test::TestBuilder {
    TestRuntime::new()
        .agent(samples::Releaser::default)
        .stub(|b: samples::Build| Ok(format!("img:{}", b.rev)))
        .stub(|_: samples::RunSuite| Ok(true))
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_every_place_of_a_release_changes_nothing() {
    let places = every_place(releaser, async |rt| {
        let task = rt.submit(samples::Ship { rev: "r7".into() }).await.unwrap();
        task.approve().await.unwrap();
        assert_eq!(task.output().await.unwrap(), "v1.7");
        let places = rt.crash_places();
        // The gap before its entry is the one place where a step that has run is not recorded.
        let again = usize::from(places.iter().any(|place| place == "ship before step:tag"));
        assert_eq!(rt.step_runs("tag"), 1 + again, "{places:?}");
        let attempts =
            (rt.attempts::<samples::Ship>(), rt.attempts::<samples::Build>(), rt.attempts::<samples::RunSuite>());
        assert_eq!(attempts, (1, 1, 2), "{places:?}");
        let of = |capability| rt.counted(capability).losses;
        assert_eq!(of("ship") + of("vcs.build") + of("run-suite"), rt.crashes(), "{places:?}");
        let hours = rt.elapsed().as_secs() / 3600;
        assert_eq!(hours, 6, "{places:?}");
        let tasks = task.run().tasks().await.unwrap().items;
        assert!(tasks.iter().all(|task| task.failures.is_empty() && task.status == Status::Completed), "{tasks:?}");
    })
    .await;
    let expected = [
        "ship during begin",
        "ship before step:tag",
        "ship after step:tag",
        "ship before call:vcs.build",
        "ship during call:vcs.build",
        "vcs.build during begin",
        "vcs.build before end",
        "ship after call:vcs.build",
        "ship during map:run-suite[1]",
        "ship before sleep",
        "ship during sleep",
        "ship after sleep",
        "ship before approval",
        "ship during approval",
        "ship after approval",
        "ship before end",
    ];
    for place in expected {
        assert!(places.iter().any(|seen| seen == place), "{place} is not among {places:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_dies_everywhere_and_the_result_is_the_same() {
    let rt = releaser().crash_everywhere().start().await;
    let task = rt.submit(samples::Ship { rev: "r7".into() }).await.unwrap();
    task.approve().await.unwrap();
    assert_eq!(task.output().await.unwrap(), "v1.7");
    let places = rt.crash_places();
    assert!(places.len() >= 25, "{places:?}");
    let distinct: std::collections::BTreeSet<_> = places.iter().filter(|place| place.starts_with("ship")).collect();
    assert_eq!(distinct.len(), places.iter().filter(|place| place.starts_with("ship")).count(), "{places:?}");
    assert_eq!((rt.attempts::<samples::Ship>(), rt.step_runs("tag")), (1, 2));
    assert_eq!(rt.losses::<samples::Ship>(), distinct.len());
}

#[task(output = String)]
struct Job {
    what: String,
}

#[task(output = u32)]
struct Ask {
    n: u32,
}

fn job(what: &str) -> Job {
    Job { what: what.into() }
}

#[tokio::test(start_paused = true)]
async fn a_handler_dies_where_it_is_told_and_once() {
    let keys = Log::default();
    let log = keys.clone();
    let rt = TestRuntime::new()
        .task_fn(move |ctx: Ctx, _: Job| {
            let log = log.clone();
            async move {
                let branch = ctx.scope("branch");
                branch.step("add", || async { Ok(()) }).await?;
                ctx.step("add", || async { Ok(()) }).await?;
                ctx.step("add", || async { Ok(()) }).await?;
                let pay = ctx.effect("pay").keyed();
                pay.run(|key| {
                    log.add(key.as_str());
                    async { Ok(()) }
                })
                .await?;
                Ok("done".to_owned())
            }
        })
        .crash_after("in:branch/step:add")
        .crash_before("step:add#2")
        .crash_before("effect:pay")
        .crash_during("step:add") // a step has no beginning of its own
        .crash_before("end")
        .start()
        .await;
    assert_eq!(rt.call(job("x")).await.unwrap(), "done");
    let places = ["job after in:branch/step:add", "job before step:add#2", "job before effect:pay", "job before end"];
    assert_eq!(rt.crash_places(), places);
    // The effect was made when it died, and that was not recorded.
    assert_eq!((rt.step_runs("add"), rt.step_runs("pay")), (4, 2));
    let keys = keys.all();
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
    assert_eq!((rt.attempts::<Job>(), rt.losses::<Job>(), rt.activations::<Job>()), (1, 4, 5));
}

#[derive(Default)]
struct Counter(u32);

impl Agent<Ask> for Counter {
    async fn run(&mut self, ctx: &Ctx, t: Ask) -> Result<u32> {
        self.0 += 1;
        ctx.step("ask", || async { Ok(()) }).await?;
        Ok(t.n + self.0)
    }
}

impl Agent<Job> for Counter {
    async fn run(&mut self, _: &Ctx, t: Job) -> Result<String> {
        Ok(format!("really {}", t.what))
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_dies_takes_its_fields_with_it() {
    let rt = TestRuntime::new().agent::<Ask, _>(Counter::default).crash_after("step:ask").start().await;
    assert_eq!(rt.call(Ask { n: 10 }).await.unwrap(), 11, "the fields of a dead instance were used");
    assert_eq!(rt.call(Ask { n: 10 }).await.unwrap(), 12);
    assert_eq!((rt.attempts::<Ask>(), rt.losses::<Ask>()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stub_takes_the_place_of_an_agent_and_of_nothing_else_that_it_does() {
    let rt = TestRuntime::new()
        .stub(|t: Ask| Ok(t.n * 2))
        .pool(Counter::default)
        .handles::<Ask>()
        .handles::<Job>()
        .agent::<Ask, _>(Counter::default)
        .start()
        .await;
    assert_eq!(rt.call(Ask { n: 10 }).await.unwrap(), 20);
    assert_eq!(rt.call(job("x")).await.unwrap(), "really x");
    let last = TestRuntime::new().stub(|_: Ask| Ok(1)).stub(|_: Ask| Ok(2)).start().await;
    assert_eq!(last.call(Ask { n: 10 }).await.unwrap(), 2);
    let own = Callboard::dev().task_fn(|_, t: Ask| async move { Ok(t.n) });
    let of = TestRuntime::of(own).start().await;
    assert_eq!(of.call(Ask { n: 3 }).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "two agents have the id \"a\"")]
async fn faults_of_the_agents_are_told_at_the_start() {
    let named = || callboard::Pool::new(Counter::default).handles::<Ask>().id("a");
    TestRuntime::new().add(named()).add(named()).start().await;
}

#[tokio::test(start_paused = true)]
async fn retries_losses_and_parking_are_told_apart() {
    let rt = TestRuntime::new()
        .task_fn(|ctx: Ctx, t: Job| async move {
            let n = ctx.call(Ask { n: 1 }).retry(Retry::exponential(5)).await?;
            ctx.sleep(Duration::from_secs(60)).await?;
            if ctx.attempt() < 3 {
                return Err(Error::retryable("not yet"));
            }
            Ok(format!("{} {n}", t.what))
        })
        .stub_fn(|ctx, t: Ask| async move {
            tokio::time::sleep(Duration::from_secs(30)).await;
            if ctx.attempt() == 1 { Err(Error::retryable("first")) } else { Ok(t.n) }
        })
        .crash_after("sleep")
        .start()
        .await;
    assert_eq!(rt.call(job("x")).await.unwrap(), "x 1");
    let counted = rt.counted("job");
    // What was slept and asked for in the first attempt holds for the others.
    assert_eq!((counted.attempts, counted.losses, counted.parked), (3, 1, 2), "{counted:?}");
    assert_eq!(counted.activations, 3 + 1 + 2);
    assert_eq!((rt.attempts::<Ask>(), rt.losses::<Ask>(), rt.parked::<Ask>()), (2, 0, 0));
    assert_eq!(rt.counted("nobody").attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_leaves_what_is_durable_and_nothing_else() {
    let gate = Gate::shut();
    let (held, log) = (gate.clone(), Log::default());
    let told = log.clone();
    let rt = TestRuntime::new()
        .task_fn(move |ctx: Ctx, t: Job| {
            let (gate, told) = (held.clone(), told.clone());
            async move {
                ctx.step("first", || async { Ok(()) }).await?;
                ctx.step("second", || async {
                    gate.pass().await;
                    told.add("passed");
                    Ok(())
                })
                .await?;
                ctx.sleep(Duration::from_secs(3600)).await?;
                let word: String = ctx.signal("word").await?;
                Ok(format!("{} {word}", t.what))
            }
        })
        .start()
        .await;
    let task = rt.submit(job("x")).await.unwrap();
    let waiting = tokio::spawn(task.clone().into_future());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (old, before) = (rt.board(), rt.elapsed());
    rt.restart().await;
    assert!(rt.elapsed() - before < Duration::from_secs(5), "{:?}", rt.elapsed() - before);
    gate.open();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Who stood at the gate in the old life is dead.
    assert_eq!(log.all(), ["passed"]);
    assert_eq!((rt.step_runs("first"), rt.step_runs("second")), (1, 2));
    assert_eq!((rt.attempts::<Job>(), rt.losses::<Job>()), (1, 1));
    let dead = old.call(job("y")).await.unwrap_err();
    assert_eq!(dead.kind(), ErrorKind::Unavailable, "{dead:#}");
    // Parked, it is nobody's loss.
    tokio::time::sleep(Duration::from_secs(60)).await;
    task.signal("word", "hi").await.unwrap();
    rt.restart().await;
    rt.restart().await;
    assert_eq!(waiting.await.unwrap().unwrap(), "x hi");
    assert_eq!((rt.attempts::<Job>(), rt.losses::<Job>(), rt.crashes()), (1, 1, 0));
    assert_eq!(log.all(), ["passed"]);
    assert_eq!(task.run().outcome().await.unwrap(), RunOutcome::Completed);
    let tasks = task.run().tasks().await.unwrap().items;
    assert_eq!((tasks[0].losses, tasks[0].failures.len()), (1, 0));
    assert_eq!(rt.elapsed().as_secs() / 3600, 1);
}

#[tokio::test(start_paused = true)]
async fn ten_years_of_sleep_take_no_time() {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    let rt = TestRuntime::new()
        .task_fn(|ctx: Ctx, t: Job| async move {
            for _ in 0..10 {
                ctx.sleep(YEAR).await?;
            }
            Ok(t.what)
        })
        .task_fn(|ctx: Ctx, t: Ask| async move {
            ctx.sleep(10 * YEAR).await?;
            Ok(t.n)
        })
        .start()
        .await;
    let begun = Instant::now();
    assert_eq!(rt.call(Ask { n: 1 }).await.unwrap(), 1);
    let (one_sleep, years) = (begun.elapsed(), rt.elapsed());
    assert_eq!(rt.call(job("x")).await.unwrap(), "x");
    let ten_sleeps = begun.elapsed() - one_sleep;
    println!("ten years took {one_sleep:?} in one sleep and {ten_sleeps:?} in ten");
    assert!(years >= 10 * YEAR && rt.elapsed() >= 20 * YEAR);
    assert!(one_sleep + ten_sleeps < Duration::from_secs(4), "{one_sleep:?}, {ten_sleeps:?}");
    assert_eq!((rt.attempts::<Job>(), rt.parked::<Job>()), (1, 10));
}

#[tokio::test(start_paused = true)]
async fn two_tests_that_do_the_same_see_the_same() {
    let one = async || {
        let rt = TestRuntime::new()
            .task_fn(|ctx: Ctx, _: Job| async move {
                let at = ctx.now().await?;
                ctx.sleep(Duration::from_secs(60)).await?;
                Ok(format!("{} {at:?}", ctx.random()))
            })
            .crash_during("sleep")
            .start()
            .await;
        let task = rt.submit(job("x")).await.unwrap();
        let output = task.output().await.unwrap();
        (output, task.history().await.unwrap().to_string())
    };
    let (first, second) = (one().await, one().await);
    assert_eq!(first.0, second.0);
    assert_eq!(first.1, second.1);
}

/// Runs this once, and gives what is recorded of it.
async fn recorded<F, R>(f: F) -> History
where
    F: Fn(Ctx, Job) -> R + Send + Sync + 'static,
    R: Future<Output = Result<String>> + Send + 'static,
{
    let rt = TestRuntime::new().task_fn(f).stub(|t: Ask| Ok(t.n + 1)).start().await;
    let task = rt.submit(job("x")).await.unwrap();
    let _output = task.output().await;
    task.history().await.unwrap()
}

/// Plays a history to this agent, and gives what was found, and how far it came.
async fn played<F, R>(history: &History, f: F) -> (usize, Verdict)
where
    F: Fn(Ctx, Job) -> R + Send + Sync + 'static,
    R: Future<Output = Result<String>> + Send + 'static,
{
    let rt = TestRuntime::new().task_fn(f).stub(|t: Ask| Ok(t.n + 1)).start().await;
    let replay = rt.replay(history).await;
    // Nothing was done.
    assert_eq!((rt.counted("job").activations, rt.counted("ask").activations), (0, 0));
    for step in ["one", "two", "three", "other"] {
        assert_eq!(rt.step_runs(step), 0);
    }
    assert_eq!(replay.tasks.len(), 1, "{replay}");
    assert_eq!(replay.is_fine(), replay.tasks[0].verdict == Verdict::Fine);
    println!("{replay}");
    (replay.tasks[0].followed, replay.tasks[0].verdict.clone())
}

async fn original(ctx: Ctx, t: Job) -> Result<String> {
    let one: u32 = ctx.step("one", || async { Ok(1) }).await?;
    let asked = ctx.call(Ask { n: 5 }).await?;
    ctx.sleep(Duration::from_secs(3600)).await?;
    let two: u32 = ctx.step("two", || async { Ok(2) }).await?;
    Ok(format!("{} {one} {asked} {two}", t.what))
}

#[tokio::test(start_paused = true)]
async fn a_history_can_be_kept_and_read_and_says_what_was_recorded() {
    let history = recorded(original).await;
    let outline = history.outline();
    let expected = [
        "job step:one = 1",
        "job call:ask submitted",
        "job call:ask = 6",
        "job sleep waits",
        "job sleep = null",
        "job step:two = 2",
    ];
    assert_eq!(outline, expected);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.jsonl");
    history.save(&path).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().lines().all(|line| line.starts_with("{\"v\":1,\"seq\":")));
    let loaded = History::load(&path).unwrap();
    assert!(loaded == history);
    assert_eq!(played(&loaded, original).await, (6, Verdict::Fine));
    let missing = History::load(folder.path().join("no.jsonl")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing:#}");
    let text = history.to_string();
    let (_, rest) = text.split_once('\n').unwrap();
    assert_eq!(History::parse(rest).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(History::parse("").unwrap_err().kind(), ErrorKind::Invalid);
    let newer = text.replacen("{\"v\":1", "{\"v\":9", 1);
    assert!(format!("{:#}", History::parse(&newer).unwrap_err()).contains("newer release"));
}

#[tokio::test(start_paused = true)]
async fn a_replay_finds_what_a_new_build_would_do_otherwise() {
    let history = recorded(original).await;

    // Another request under the same key.
    let (followed, verdict) = played(&history, async |ctx: Ctx, t: Job| {
        let one: u32 = ctx.step("one", || async { Ok(1) }).await?;
        let asked = ctx.call(Ask { n: 6 }).await?;
        Ok(format!("{} {one} {asked}", t.what))
    })
    .await;
    assert!(matches!(&verdict, Verdict::Diverged { call, .. } if call == "call:ask"), "{verdict}");
    assert_eq!(followed, 1);

    // A value of another type.
    let (followed, verdict) = played(&history, async |ctx: Ctx, _: Job| {
        let one: String = ctx.step("one", || async { Ok("1".to_owned()) }).await?;
        Ok(one)
    })
    .await;
    assert!(matches!(&verdict, Verdict::Diverged { call, .. } if call == "step:one"), "{verdict}");
    assert_eq!(followed, 0);

    // A step in between: new code, and behind it nothing can be said.
    let (followed, verdict) = played(&history, async |ctx: Ctx, t: Job| {
        let one: u32 = ctx.step("one", || async { Ok(1) }).await?;
        let other: u32 = ctx.step("other", || async { Ok(1) }).await?;
        let asked = ctx.call(Ask { n: 5 }).await?;
        Ok(format!("{} {one} {asked} {other}", t.what))
    })
    .await;
    let unasked = ["call:ask", "sleep", "step:two"].map(str::to_owned).to_vec();
    assert_eq!(verdict, Verdict::Unrecorded { calls: vec!["step:other".into()], unasked });
    assert_eq!(followed, 1);

    // A child more.
    let (_, verdict) = played(&history, async |ctx: Ctx, t: Job| {
        let output = original(ctx.clone(), t).await?;
        ctx.map([Ask { n: 1 }]).await?;
        Ok(output)
    })
    .await;
    assert_eq!(verdict, Verdict::Unrecorded { calls: vec!["map:ask[0]".into()], unasked: Vec::new() });

    // A step less, with the same result.
    let (followed, verdict) = played(&history, async |ctx: Ctx, t: Job| {
        let one: u32 = ctx.step("one", || async { Ok(1) }).await?;
        let asked = ctx.call(Ask { n: 5 }).await?;
        let two: u32 = ctx.step("two", || async { Ok(2) }).await?;
        Ok(format!("{} {one} {asked} {two}", t.what))
    })
    .await;
    assert_eq!((followed, verdict), (3, Verdict::Unasked { calls: vec!["sleep".into()] }));

    // Another result, another end.
    let (followed, verdict) = played(&history, async |ctx, t| Ok(original(ctx, t).await? + "!")).await;
    assert!(
        matches!(&verdict, Verdict::EndedOtherwise { recorded, now }
        if recorded.contains("\"x 1 6 2\"") && now.contains("\"x 1 6 2!\"")),
        "{verdict}"
    );
    assert_eq!(followed, 6);
    let (_, verdict) = played(&history, async |ctx, t| {
        original(ctx, t).await?;
        panic!("a bug")
    })
    .await;
    assert!(matches!(&verdict, Verdict::EndedOtherwise { now, .. } if now == "panics"), "{verdict}");

    // Nobody who does such tasks.
    let rt = TestRuntime::new().task_fn(|_, t: Ask| async move { Ok(t.n) }).start().await;
    assert_eq!(rt.replay(&history).await.tasks[0].verdict, Verdict::NoAgent);
    // Or a stub, of which nothing is to be learnt.
    let rt = TestRuntime::new().stub(|t: Job| Ok(t.what)).start().await;
    assert_eq!(rt.replay(&history).await.tasks.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_history_that_goes_on_is_played_up_to_where_it_ends() {
    let agent = |ctx: Ctx, t: Job| async move {
        let one: u32 = ctx.step("one", || async { Ok(1) }).await?;
        let word: String = ctx.signal("word").await?;
        let two: u32 = ctx.step("two", || async { Ok(2) }).await?;
        Ok(format!("{} {one} {word} {two}", t.what))
    };
    let rt = TestRuntime::new().task_fn(agent).start().await;
    let task = rt.submit(job("x")).await.unwrap();
    let begun = task.history().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let parked = task.history().await.unwrap();
    assert_eq!(parked.outline(), ["job step:one = 1", "job signal:word waits"]);
    task.signal("word", "hi").await.unwrap();
    assert_eq!(task.output().await.unwrap(), "x 1 hi 2");
    assert!(rt.replay(&begun).await.is_fine());
    assert_eq!(played(&parked, agent).await, (2, Verdict::Fine));
    let whole = task.history().await.unwrap();
    assert!(parked.to_string().starts_with(&begun.to_string()) && whole.to_string().starts_with(&parked.to_string()));
    // Up to where it ends the next call is nobody's fault; where it goes on without it, it is.
    let (followed, verdict) = played(&parked, async |ctx: Ctx, t: Job| {
        ctx.step("other", || async { Ok(()) }).await?;
        Ok(t.what)
    })
    .await;
    let unasked = ["step:one", "signal:word"].map(str::to_owned).to_vec();
    assert_eq!((followed, verdict), (0, Verdict::Unrecorded { calls: vec!["step:other".into()], unasked }));
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_played_and_failures_are_held_against_failures() {
    let agent = |text: &'static str| {
        move |ctx: Ctx, _: Job| async move {
            let n: u32 = ctx.step("one", || async { Ok(1) }).await?;
            let tried: Result<u32> =
                ctx.step("two", || async { if ctx.attempt() < 2 { Err(Error::retryable(text)) } else { Ok(2) } }).await;
            Ok(format!("{n} {}", tried?))
        }
    };
    let rt = TestRuntime::new().task_fn(agent("no")).start().await;
    let task = rt.submit(job("x")).await.unwrap();
    assert_eq!(task.output().await.unwrap(), "1 2");
    let history = task.history().await.unwrap();
    let replay = rt.replay(&history).await;
    let told: Vec<_> = replay.tasks.iter().map(|task| (task.attempt, task.recorded, task.followed)).collect();
    assert_eq!((told, replay.is_fine()), (vec![(1, 2, 2), (2, 2, 2)], true), "{replay}");
    let other = TestRuntime::new()
        .task_fn(|ctx: Ctx, _: Job| async move {
            let n: u32 = ctx.step("one", || async { Ok(1) }).await?;
            let two: u32 = ctx.step("two", || async { Ok(2) }).await.unwrap_or(2);
            Ok(format!("{n} {two}"))
        })
        .start()
        .await;
    let replay = other.replay(&history).await;
    assert!(matches!(replay.tasks[0].verdict, Verdict::EndedOtherwise { .. }), "{replay}");
    assert_eq!(replay.tasks[1].verdict, Verdict::Fine, "{replay}");
}

#[tokio::test(start_paused = true)]
async fn what_is_large_is_in_its_place_in_a_history() {
    let agent = |ctx: Ctx, _: Job| async move {
        let large: String = ctx.step("large", || async { Ok("x".repeat(100_000)) }).await?;
        Ok(format!("{large}!"))
    };
    let rt = TestRuntime::new().task_fn(agent).start().await;
    let task = rt.submit(job("x")).await.unwrap();
    task.output().await.unwrap();
    let history = task.history().await.unwrap();
    assert!(history.to_string().len() > 200_000);
    assert!(rt.replay(&history).await.is_fine());
    // Another runtime, which never had it.
    let other = TestRuntime::new().task_fn(agent).start().await;
    assert!(other.replay(&history).await.is_fine());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_something_else_is_played_too() {
    let agent = |ctx: Ctx, t: Job| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        ctx.step("one", || async { Ok(()) }).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(t.what)
    };
    let history = recorded(agent).await;
    assert_eq!(played(&history, agent).await, (1, Verdict::Fine));
}
