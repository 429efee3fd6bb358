//! Graphs, payloads and what a task costs.

use super::kit::*;
use callboard::Pool;
use callboard::port::store::Store;
use callboard::prelude::*;

#[tokio::test(start_paused = true)]
async fn a_task_costs_two_awaited_commits_and_its_acceptance_none() {
    let (_, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    board.call(echo("warm")).await.unwrap();
    for _ in 0..10 {
        let before = board.journal_counters();
        board.call(echo("a")).await.unwrap();
        let cost = since(before, board.journal_counters());
        assert_eq!((cost.awaited, cost.commits), (2, 2), "submission and result");
        assert_eq!(cost.events, 4, "submitted, accepted, completed, ended");
    }
}

#[tokio::test(start_paused = true)]
async fn the_acceptance_of_a_long_task_is_recorded_though_nobody_waits_for_it() {
    let (_, store) = store();
    let board = acting(on(&store), 1, |_, _| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok("done".into())
    });
    let board = board.start().await.unwrap();
    let before = board.journal_counters();
    board.call(act("")).await.unwrap();
    let cost = since(before, board.journal_counters());
    assert_eq!((cost.awaited, cost.commits), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn the_faults_of_a_graph_are_told_all_at_once_and_nothing_is_stored() {
    let (faults, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let elsewhere = Workflow::new("other").task("elsewhere", echo("x"));
    let workflow = Workflow::new("faulty");
    let _ = workflow.task("twice", echo("a"));
    let _ = workflow.task("twice", echo("b"));
    let _ = workflow.task("", echo("c"));
    let _ = workflow.task("lost", Use { text: elsewhere.out() });
    let late = workflow.task("late", echo("d"));
    let a = workflow.task("a", Use { text: late.out() });
    let b = workflow.task("b", Use { text: a.out() });
    let _ = late.after(&b);
    let (commits, creates) = (board.journal_counters().commits, faults.counts().create);
    let error = board.start(workflow).key("k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let said = full(&error);
    for word in ["\"twice\"", "\"elsewhere\"", "\"lost\"", "late -> b -> a -> late"] {
        assert!(said.contains(word), "{word} in: {said}");
    }
    assert!(error.causes().count() == 4, "{error:?}");
    assert_eq!((board.journal_counters().commits, faults.counts().create), (commits, creates));
    let nobody = board.run(board.run_id_of_key("k"));
    assert_eq!(nobody.outcome().await.unwrap_err().kind(), ErrorKind::NotFound);
    let empty = board.start(Workflow::new("empty")).await.unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::Invalid, "{}", full(&empty));
}

#[tokio::test(start_paused = true)]
async fn a_large_output_is_stored_by_its_hash_and_comes_back_along_the_edges() {
    let (faults, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let large = "x".repeat(300 << 10);
    let workflow = Workflow::new("large");
    let first = workflow.task("first", echo(&large));
    let last = workflow.task("last", Use { text: first.out() });
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.output(&first).await.unwrap(), large);
    assert_eq!(run.output(&last).await.unwrap(), format!("used {large}"));
    let payloads = faults.list("default/payloads/", "").await.unwrap();
    assert_eq!(payloads.len(), 2);
    assert!(board.journal_counters().bytes < 400 << 10, "the journal has the input once, and no output");
    assert_eq!(board.call(echo(&large)).await.unwrap(), large);
    assert_eq!(faults.list("default/payloads/", "").await.unwrap().len(), 2, "the same content is the same object");
}

#[tokio::test(start_paused = true)]
async fn what_is_over_a_limit_is_refused_with_the_limit_named() {
    let (_, store) = store();
    let builder = acting(echoing(on(&store)), 1, |_, what| async move { Ok("x".repeat(what.parse().unwrap())) });
    let board = builder
        .agent(|| Joiner)
        .settings(|settings| (settings.payload_bytes_max, settings.payload_inline_max) = (10_000, 1_000))
        .start()
        .await
        .unwrap();
    let error = board.call(echo(&"x".repeat(10_001))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(full(&error).contains("10000"), "{}", full(&error));
    let error = board.call(act("10001")).await.unwrap_err();
    assert_eq!((error.kind(), error.class()), (ErrorKind::Failed, ErrorClass::Terminal));
    assert!(full(&error).contains("more than the limit of 10000"), "{}", full(&error));
    // Each is within the limit, and what they come to is not.
    let workflow = Workflow::new("both");
    let parts: Vec<_> = (0..2).map(|n| workflow.task(format!("t{n}"), act("6000"))).collect();
    let both = workflow.task("both", Join { parts: parts.gather() });
    let run = board.start(workflow).await.unwrap();
    let error = run.output(&both).await.unwrap_err();
    assert!(full(&error).contains("more than 10000"), "{}", full(&error));
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Failed);
    // The refused hand-out has cost no slot, and there is but one.
    assert_eq!(board.call(Join { parts: vec!["a".to_owned(), "b".to_owned()].into() }).await.unwrap(), "ab");
}

struct Joiner;

impl Agent<Join> for Joiner {
    async fn run(&mut self, _: &callboard::Ctx, task: Join) -> Result<String> {
        Ok(task.parts.concat())
    }
}

/// Joins texts.
#[task(output = String)]
struct Join {
    parts: In<Vec<String>>,
}

#[tokio::test(start_paused = true)]
async fn the_default_limit_of_an_output_is_16_mib() {
    let (_, store) = store();
    let board = acting(on(&store), 1, |_, _| async { Ok("x".repeat(16 << 20)) }).start().await.unwrap();
    let error = board.call(act("")).await.unwrap_err();
    assert!(full(&error).contains("more than the limit of 16777216"), "{}", full(&error));
}

/// A map of names to texts, as it is.
#[task(output = std::collections::BTreeMap<String, String>)]
struct Keep {
    data: In<std::collections::BTreeMap<String, String>>,
}

#[tokio::test(start_paused = true)]
async fn data_that_looks_like_a_reference_is_data() {
    let (_, store) = store();
    let board = on(&store).task_fn(|_, task: Keep| async move { Ok((*task.data).clone()) }).start().await.unwrap();
    for key in ["$from", "$all", "$literal"] {
        let data = std::collections::BTreeMap::from([(key.to_owned(), "first".to_owned())]);
        let workflow = Workflow::new("data");
        let first = workflow.task("first", Keep { data: data.clone().into() });
        // An output is never scanned, whatever it looks like.
        let last = workflow.task("last", Keep { data: first.out() });
        let run = board.start(workflow).await.unwrap();
        assert_eq!(run.output(&first).await.unwrap(), data);
        assert_eq!(run.output(&last).await.unwrap(), data);
    }
}

/// The tasks of a capability that nobody offers wait, visibly, and hold up nobody else.
#[tokio::test(start_paused = true)]
async fn a_task_that_nobody_performs_waits() {
    let (_, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let run = board.start(one(act("")).0).await.unwrap();
    assert_eq!(board.call(echo("a")).await.unwrap(), "a");
    let progress = run.progress().await.unwrap().unwrap();
    assert_eq!((progress.tasks, progress.completed, progress.running), (1, 0, 0));
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn agents_with_faults_are_refused_all_at_once() {
    #[payload]
    struct Bad {}
    impl Task for Bad {
        type Output = ();
        const CAPABILITY: &'static str = "no good";
    }
    let wordy = Pool::new(|| ()).id("wordy").description("d".repeat(4_097)).version("v".repeat(65)).tool("");
    let wordy = wordy.label("", "").label("k".repeat(257), "").label("long", "v".repeat(257));
    let wordy = (0..65).fold(wordy, |wordy, n| wordy.constraint(n.to_string(), 1));
    let (_, store) = store();
    let bad = on(&store)
        .task_fn(|_, _: Bad| async { Ok(()) })
        .agents(0, || Actor { f: |_, _| async { Ok(String::new()) } })
        .pool(|| Actor { f: |_, _| async { Ok(String::new()) } })
        .handles::<Act>()
        .handles::<Act>()
        .id("a b")
        .add(Pool::new(|| ()).id("twin"))
        .add(Pool::new(|| ()).id("twin"))
        .add(wordy);
    let error = bad.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let faults = [
        "capability is 1 to 128 of A-Z a-z 0-9 . _ -, not \"no good\"",
        "agent \"act\" has 1 to 10000 instances, not 0",
        "id of an agent is 1 to 128 of A-Z a-z 0-9 . _ -, not \"a b\"",
        "handles \"act\" twice",
        "agent \"twin\" has no capability",
        "two agents have the id \"twin\"",
        "agent \"wordy\": its description takes 4097 bytes, more than the limit of 4096 (description_bytes_max)",
        "agent \"wordy\": its version takes 65 bytes, more than the limit of 64 (version_bytes_max)",
        "agent \"wordy\" has 65 constraints, more than the limit of 64 (agent_constraints_max)",
        "agent \"wordy\": the name of a label has 1 to 256 bytes, not 0",
        "agent \"wordy\": the name of a label has 1 to 256 bytes, not 257",
        "agent \"wordy\": the name of a tool has 1 to 256 bytes, not 0",
        "agent \"wordy\": the value of its label \"long\" has at most 256 bytes, not 257",
    ];
    for word in faults {
        assert!(full(&error).contains(word), "{word}: {}", full(&error));
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_would_spin_are_refused() {
    let (_, store) = store();
    let error = echoing(on(&store).settings(|settings| settings.garbage_late = Duration::from_millis(1)))
        .start()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(full(&error).contains("garbage_late is 1s to 365d, or 0s, not 1ms"), "{}", full(&error));
}

/// As many levels as one likes.
#[payload]
enum Nest {
    End(u8),
    In(Box<Self>),
}

impl Nest {
    /// A value of so many levels: an object each.
    fn of(levels: usize) -> Self {
        (1..levels).fold(Self::End(0), |inner, _| Self::In(Box::new(inner)))
    }
}

/// Makes a nest of so many levels.
#[task(output = Nest)]
struct Build {
    levels: usize,
    sample: Nest,
}

#[tokio::test(start_paused = true)]
async fn what_is_too_deep_is_refused_with_the_limit_named() {
    let (_, store) = store();
    let builder = on(&store).settings(|settings| settings.input_depth_max = 100);
    let board = builder.task_fn(|_, task: Build| async move { Ok(Nest::of(task.levels)) }).start().await.unwrap();
    board.call(Build { levels: 100, sample: Nest::of(99) }).await.unwrap();
    let error = board.call(Build { levels: 1, sample: Nest::of(100) }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let said = "its input has 101 levels, more than the limit of 100 (input_depth_max)";
    assert!(full(&error).contains(said), "{}", full(&error));
    let error = board.call(Build { levels: 101, sample: Nest::of(1) }).await.unwrap_err();
    assert_eq!((error.kind(), error.class()), (ErrorKind::Failed, ErrorClass::Terminal));
    let said = "the output has 101 levels, more than the limit of 100 (input_depth_max)";
    assert!(full(&error).contains(said), "{}", full(&error));
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_has_its_fill_of_tasks_is_unavailable_until_some_end() {
    let (_, store) = store();
    let full_at_three = |settings: &mut callboard::Settings| {
        (settings.live_tasks_max, settings.graph_tasks_max) = (3, 3);
    };
    let board = echoing(on(&store).settings(full_at_three)).start().await.unwrap();
    let waiting = Workflow::new("nobody performs it");
    let _ = waiting.map("act", [act("a"), act("b"), act("c")]);
    let waiting = board.start(waiting).key("waiting").await.unwrap();
    let error = board.call(echo("one more")).key("later").await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    assert!(full(&error).contains("pass the limit of 3 (live_tasks_max)"), "{}", full(&error));
    waiting.cancel("enough").await.unwrap();
    assert_eq!(board.call(echo("one more")).key("later").await.unwrap(), "one more");
    // What lives is counted again after a restart.
    let two = Workflow::new("two");
    let _ = two.map("act", [act("a"), act("b"), act("c")]);
    let _run = board.start(two).await.unwrap();
    board.shutdown().await.unwrap();
    let board = echoing(on(&store).settings(full_at_three)).start().await.unwrap();
    assert_eq!(board.call(echo("one more")).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn the_settings_say_how_often_a_task_is_retried_that_does_not_say_it_itself() {
    let (_, store) = store();
    let tally = Tally::default();
    let count = tally.clone();
    let builder = acting(on(&store).settings(|settings| settings.retry.retries = 1), 1, move |_, what| {
        count.add(&what);
        async move { Err(Error::retryable("not yet")) }
    });
    let board = builder.start().await.unwrap();
    board.call(act("silent")).await.unwrap_err();
    board.call(act("own")).retry(Retry::exponential(3)).await.unwrap_err();
    assert_eq!((tally.of("silent"), tally.of("own")), (2, 4));
}

#[tokio::test(start_paused = true)]
async fn labels_are_held_to_their_limits() {
    let (_, store) = store();
    let board = echoing(on(&store).settings(|settings| settings.labels_max = 1)).start().await.unwrap();
    let workflow = one(echo("a")).0.label("k".repeat(64), "v").label("b", "v".repeat(257));
    let error = board.start(workflow).await.unwrap_err();
    assert_eq!((error.kind(), error.causes().count()), (ErrorKind::Invalid, 3));
    for limit in ["labels_max", "label_key_bytes_max", "label_value_bytes_max"] {
        assert!(full(&error).contains(limit), "{limit}: {}", full(&error));
    }
}
