//! Why a task does not run: each cause as it is told from outside.

use super::kit::*;
use callboard::prelude::*;
use callboard::{Budget, Cause, Cost, Ctx, Limit, Spent, Status, Why};
use tokio::time::sleep;

/// A handler that does what its task is called.
async fn does(ctx: Ctx, gate: Gate, what: String) -> Result<String> {
    match what.split(' ').next().unwrap_or_default() {
        "hold" => gate.pass().await,
        "fail" => return Err(Error::retry_after(Duration::from_secs(9), "no disk")),
        "approve" => drop(ctx.approval("ship it?").await?),
        "signal" => drop(ctx.signal::<String>("go").await?),
        "sleep" => ctx.sleep(Duration::from_secs(3_600)).await?,
        "child" => drop(ctx.call(Use { text: "x".to_owned().into() }).await?),
        "effect" => {
            let pay = ctx.effect("pay").irreversible();
            return pay.run(|_| async { Err::<String, _>(Error::retryable("the line is dead")) }).await;
        }
        "limit" => {
            ctx.step("ask", || async {
                let _permit = ctx.limit("llm:groq", 1).await?;
                gate.pass().await;
                Ok(())
            })
            .await?;
        }
        "guard" => {
            ctx.step("ask", || ctx.guard("llm:groq", || async { Err::<(), _>(Error::retryable("busy")) })).await?;
        }
        "spend" => {
            let cost = Cost::calls(2);
            ctx.spend("ask", cost.clone(), || async {
                gate.pass().await;
                Ok(Spent { value: (), cost: Cost::calls(2) })
            })
            .await?;
        }
        _ => {}
    }
    Ok(what)
}

async fn board(instances: usize, gate: &Gate) -> Callboard {
    let (_, store) = store();
    let gate = gate.clone();
    let builder = on(&store).settings(|settings| settings.park_after = Duration::ZERO);
    let builder = acting(builder, instances, move |ctx, what| does(ctx, gate.clone(), what));
    builder.limit("llm:groq", Limit::concurrent(1)).start().await.unwrap()
}

/// Waits until a task says that it waits, in a way.
async fn why(run: &Run, task: &str, is_it: impl Fn(&Why) -> bool) -> String {
    loop {
        match run.why(task).await.unwrap() {
            Some(why) if is_it(&why) => return why.to_string(),
            _ => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn until(run: &Run, task: &str, status: Status) {
    while run.task(task).await.unwrap().status != status {
        sleep(Duration::from_millis(10)).await;
    }
}

/// A run of one task, as soon as that waits in a way.
async fn of_one(board: &Callboard, what: &str, is_it: impl Fn(&Why) -> bool) -> (Run, String) {
    let run = board.start(one(act(what)).0).await.unwrap();
    let said = why(&run, "it", is_it).await;
    (run, said)
}

macro_rules! begins_with {
    ($cause:pat) => {
        |why: &Why| matches!(why.causes().first(), Some($cause))
    };
}

#[tokio::test(start_paused = true)]
async fn what_it_needs_is_named_and_whoever_has_paused_the_run() {
    let gate = Gate::shut();
    let board = board(2, &gate).await;
    let workflow = Workflow::new("w");
    let draft = workflow.task("draft", act("hold"));
    let log = workflow.task("log", act("hold"));
    let _ = workflow.task("send", act("x")).after(&draft).after(&log);
    let run = board.start(workflow).await.unwrap();
    until(&run, "log", Status::Running).await;
    until(&run, "draft", Status::Running).await;
    let said = why(&run, "send", begins_with!(Cause::Needs { .. })).await;
    assert_eq!(said, r#"waits for "draft" (running), "log" (running)"#);
    assert_eq!(run.why("draft").await.unwrap(), None, "what runs waits for nothing");
    run.pause("Ann: the bill").await.unwrap();
    let said = run.why("send").await.unwrap().unwrap().to_string();
    assert_eq!(said, r#"waits for "draft" (running), "log" (running); the run is paused: Ann: the bill"#);
    let waits = board.start(one(act("x")).0).await.unwrap();
    waits.pause("Bob").await.unwrap();
    let said = why(&waits, "it", begins_with!(Cause::Paused { .. })).await;
    assert_eq!(said, "the run is paused: Bob");
    gate.open();
    run.resume().await.unwrap();
    run.outcome().await.unwrap();
    assert_eq!(run.why("send").await.unwrap(), None, "what has ended waits for nothing");
    assert_eq!(run.why("nobody").await.unwrap_err().kind(), ErrorKind::NotFound);
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn slots_that_are_taken_are_counted_and_so_is_who_is_ahead() {
    let gate = Gate::shut();
    let board = board(3, &gate).await;
    let workflow = Workflow::new("w");
    for n in 0..45 {
        let _ = workflow.task(format!("t{n}"), act("hold"));
    }
    let run = board.start(workflow).await.unwrap();
    let is_last = |why: &Why| matches!(why.causes(), [Cause::Slots { .. }, Cause::Ahead { tasks: 41, .. }]);
    assert_eq!(why(&run, "t44", is_last).await, "3 of 3 slots are taken; 41 of its kind are ahead of it");
    assert_eq!(run.why("t3").await.unwrap().unwrap().to_string(), "3 of 3 slots are taken");
    // Whoever comes later of another run is the second in turn.
    let other = board.start(one(act("hold")).0).await.unwrap();
    let said = why(&other, "it", begins_with!(Cause::Slots { .. })).await;
    assert_eq!(said, "3 of 3 slots are taken; 1 of its kind is ahead of it");
    gate.open();
    run.outcome().await.unwrap();
    board.shutdown().await.unwrap();
}

/// A list must not hold up the partition and the backlog: so much is counted for all of it.
#[tokio::test(start_paused = true)]
async fn of_a_long_list_who_is_ahead_is_counted_for_the_first() {
    let gate = Gate::shut();
    let board = board(1, &gate).await;
    let workflow = Workflow::new("w");
    for n in 0..400 {
        let _ = workflow.task(format!("t{n}"), act("hold"));
    }
    let run = board.start(workflow).await.unwrap();
    why(&run, "t399", |why| matches!(why.causes(), [Cause::Slots { .. }, Cause::Ahead { tasks: 398, .. }])).await;
    let tasks = run.tasks().limit(400).await.unwrap().items;
    let ahead: Vec<usize> = tasks
        .iter()
        .filter_map(|task| match task.why.as_ref()?.causes() {
            [Cause::Slots { .. }, Cause::Ahead { tasks, .. }] => Some(*tasks),
            _ => None,
        })
        .collect();
    assert!((100..200).contains(&ahead.len()) && ahead.is_sorted(), "{ahead:?}");
    assert_eq!(tasks[399].why.as_ref().unwrap().to_string(), "1 of 1 slots are taken");
    gate.open();
    run.outcome().await.unwrap();
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn agents_that_are_missing_or_lack_something_are_named() {
    let board = board(1, &Gate::shut()).await;
    let json = board.start(Workflow::from_yaml("{name: w, tasks: {it: {capability: atc}}}").unwrap()).await.unwrap();
    let said = why(&json, "it", begins_with!(Cause::NoAgent { .. })).await;
    assert_eq!(said, r#"no agent offers "atc"; the closest is "act""#);
    let workflow = Workflow::new("w");
    let _ = workflow.task("it", act("x")).requires("zone=eu".parse().unwrap());
    let run = board.start(workflow).await.unwrap();
    let said = why(&run, "it", begins_with!(Cause::Unmet { .. })).await;
    assert!(said.starts_with(r#"no agent that offers "act" meets what the task requires: act: zone=eu"#), "{said}");
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retry_tells_which_it_is_and_after_which_error() {
    let board = board(1, &Gate::shut()).await;
    let (_, said) = of_one(&board, "fail", begins_with!(Cause::Retry { .. })).await;
    assert!(said.starts_with("retry 1 of 3 in ") && said.ends_with("s, after: no disk"), "{said}");
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_waits_for_is_told_with_since_when() {
    let board = board(1, &Gate::shut()).await;
    let (_, said) = of_one(&board, "approve", begins_with!(Cause::Approval { .. })).await;
    assert!(said.starts_with("waits for approval 1 since ") && said.ends_with("Z: ship it?"), "{said}");
    let (_, said) = of_one(&board, "signal", begins_with!(Cause::Signal { .. })).await;
    assert!(said.starts_with(r#"waits for the signal "go" since "#), "{said}");
    let (_, said) = of_one(&board, "sleep", begins_with!(Cause::Sleep { .. })).await;
    assert!(said.starts_with("sleeps until "), "{said}");
    let (_, said) = of_one(&board, "child", begins_with!(Cause::Child { .. })).await;
    assert!(said.ends_with(", which is ready"), "{said}");
    let (run, said) = of_one(&board, "effect", begins_with!(Cause::Outcome { .. })).await;
    assert!(said.starts_with("nobody knows whether effect:pay happened, begun "), "{said}");
    assert!(said.ends_with("the line is dead; decide it"), "{said}");
    let unknown = board.unknown_effects().await.unwrap().items.remove(0);
    board.decide(unknown.id).happened(&"paid").await.unwrap();
    run.outcome().await.unwrap();
    assert_eq!(run.why("it").await.unwrap(), None);
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn limits_and_breakers_tell_how_much_of_what_and_why() {
    let gate = Gate::shut();
    let board = board(4, &gate).await;
    let first = board.start(one(act("limit")).0).await.unwrap();
    until(&first, "it", Status::Running).await;
    while board.limits().iter().all(|limit| limit.taken == 0) {
        sleep(Duration::from_millis(10)).await;
    }
    let (_, said) = of_one(&board, "limit", begins_with!(Cause::Limit { .. })).await;
    assert_eq!(said, r#"limit "llm:groq" is reached: 1 of 1 at a time"#);

    for _ in 0..5 {
        board.call(act("guard")).retry(Retry::never()).await.unwrap_err();
    }
    let (_, said) = of_one(&board, "guard", begins_with!(Cause::Breaker { .. })).await;
    assert!(said.starts_with(r#"breaker "llm:groq" is open for "#), "{said}");
    assert!(said.ends_with("s more: 5 failures in a row, the last: busy"), "{said}");
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_budget_without_room_tells_what_was_spent() {
    let gate = Gate::shut();
    let board = board(4, &gate).await;
    let workflow = Workflow::new("w").budget(Budget::new().calls(3));
    for name in ["a", "b", "c"] {
        let _ = workflow.task(name, act("spend"));
    }
    let run = board.start(workflow).await.unwrap();
    let parked = loop {
        let parked = run.tasks().status(Status::Parked).await.unwrap().items;
        if parked.len() == 2 {
            break parked;
        }
        sleep(Duration::from_millis(10)).await;
    };
    let mut said: Vec<String> = parked.iter().map(|task| task.why.as_ref().unwrap().to_string()).collect();
    said.sort();
    let sentence = "the budget has no room for 2calls: nothing spent and 2calls reserved of 3calls";
    assert_eq!(said, [sentence.to_owned(), format!("{sentence}; 1 call is ahead of it")]);
    gate.open();
    board.shutdown().await.unwrap();
}
