//! What a run tells of itself.

use super::kit::*;
use callboard::prelude::*;
use callboard::{RunEvent, What};
use futures::StreamExt;
use std::collections::BTreeSet;

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_there_from_the_start_and_one_that_comes_late_tell_the_same() {
    let (_, store) = store();
    let builder = acting(on(&store), 3, |ctx, what| async move {
        if ctx.attempt() == 1 && what == "0" { Err(Error::retryable("not yet")) } else { Ok(what) }
    });
    let board = builder.settings(|settings| settings.closed_max = 0).start().await.unwrap();
    let workflow = Workflow::new("many");
    for n in 0..600 {
        let _ = workflow.task(format!("t{n}"), act(&n.to_string()));
    }
    let run = board.start(workflow).await.unwrap();
    let id = run.id();
    let early: Vec<RunEvent> = run.events().collect().await;
    assert_eq!(early.first().unwrap().what, What::Submitted { tasks: 600 });
    assert_eq!(early.last().unwrap().what, What::Ended { outcome: RunOutcome::Completed });
    assert!(early.windows(2).all(|pair| pair[0].position < pair[1].position));
    let completed: BTreeSet<_> =
        early.iter().filter(|event| event.what == What::Completed).filter_map(|event| event.task.clone()).collect();
    assert_eq!(completed.len(), 600);
    assert_eq!(early.len(), 1 + 600 * 2 + 2 + 1, "one attempt more, which failed");
    let late: Vec<RunEvent> = run.events().collect().await;
    assert_eq!(late, early);
    while run.progress().await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(run.events().collect::<Vec<_>>().await, early, "from the archive");
    board.shutdown().await.unwrap();
    drop((run, board));
    let board = echoing(on(&store)).start().await.unwrap();
    assert_eq!(board.run(id).events().collect::<Vec<_>>().await, early, "in the next life");
}

/// Who has heard the end is not told in addition that the node is gone.
#[tokio::test(start_paused = true)]
async fn a_stream_that_has_told_the_end_ends_even_if_the_node_has_stopped() {
    let (_, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let workflow = Workflow::new("one");
    let _ = workflow.task("it", echo("it"));
    let run = board.start(workflow).await.unwrap();
    let (mut stream, late) = (run.events(), run.events());
    while !matches!(stream.next().await.unwrap().what, What::Ended { .. }) {}
    board.shutdown().await.unwrap();
    assert_eq!(stream.next().await, None);
    let late: Vec<RunEvent> = late.collect().await;
    assert!(matches!(late[..], [RunEvent { what: What::Unreadable { .. }, .. }]), "who has not heard it is: {late:?}");
}

/// A reader that is behind follows the run across restarts of its partition and into the archive.
#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_over_restarts_of_the_partition() {
    use callboard::port::store::fault::{Fault, Operation};
    let (faults, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let workflow = Workflow::new("chain");
    let mut last = workflow.task("t0", echo("a")).losses(100);
    for n in 1..20 {
        last = workflow.task(format!("t{n}"), Use { text: last.out() }).losses(100);
    }
    let run = board.start(workflow).await.unwrap();
    let mut events = Vec::new();
    let mut stream = run.events();
    while let Some(event) = stream.next().await {
        if events.len() % 7 == 3 {
            faults.script(Operation::Create, "*/log/*", [Fault::Refuse]);
        }
        events.push(event);
    }
    assert_eq!(events.iter().filter(|event| event.what == What::Completed).count(), 20);
    assert!(events.windows(2).all(|pair| pair[0].position < pair[1].position));
    assert_eq!(run.events().collect::<Vec<_>>().await, events);
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_a_run_that_is_not_there_says_so_and_ends() {
    let (_, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let told: Vec<_> = board.run(board.run_id_of_key("nobody")).events().collect().await;
    assert!(
        matches!(&told[..], [event] if matches!(&event.what, What::Unreadable { error } if error.contains("no run")))
    );
}
