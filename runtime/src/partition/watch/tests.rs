use super::*;
use crate::partition::history::Line;
use callboard_core::{
    Command, Event, Graph, InstanceId, Json, Limits, Millis, Payload, State, TaskCompleted, TaskSpec, Token, decide,
};

const RUN: &str = "run";

fn id() -> RunId {
    RunId::from_key("default", RUN)
}

/// A state with a run of one task, and its history.
fn submitted() -> (State, History) {
    let spec = TaskSpec::new("it", "echo", Json::null());
    let graph = Graph {
        name: "one".into(),
        tasks: vec![spec.into()],
        timeout_ms: None,
        budget: None,
        tenant: None,
        labels: BTreeMap::new(),
        trace: None,
    };
    let (mut state, mut history) = (State::new(Limits::default()), History::default());
    let graph = graph.check(&Limits::default().graph).unwrap();
    let step = decide(&state, Millis(1), Command::Submit { run: id(), graph, key: None }).unwrap();
    for event in step.events {
        state.apply(&event);
        history.push(id(), Line { seq: event.seq, bytes: bytes::Bytes::from_static(b"{}\n") });
    }
    (state, history)
}

/// An event that does not fit: the second one puts the run in quarantine.
fn misfit(seq: u64) -> Event {
    let by = InstanceId::new("node", "echo#1");
    let token = Token { attempt: 7, activation: 1 };
    let completed = TaskCompleted { task: TaskIndex(0), token, holder: by, output: Payload::Json(Json::null()) };
    Event { seq, at: Millis(2), run: Some(id()), kind: EventKind::TaskCompleted(completed) }
}

#[test]
fn whoever_waits_for_a_run_is_told_when_it_is_quarantined() {
    let (mut state, mut history) = submitted();
    let mut watchers = Watchers::new(100);
    let (end, mut ended) = oneshot::channel();
    watchers.wait_for_end(id(), Watched::Run, end);
    let (task, mut task_ended) = oneshot::channel();
    watchers.wait_for_end(id(), Watched::Task(TaskIndex(0)), task);
    let event = misfit(2);
    state.apply(&event);
    history.push(id(), Line { seq: 2, bytes: bytes::Bytes::from_static(b"{}\n") });
    let batch = Batch { events: vec![event], ..Batch::default() };
    watchers.released(&batch, 2, &state, &history, &Pending::default());
    assert!(matches!(ended.try_recv(), Ok(Verdict::Quarantined(_))));
    assert!(matches!(task_ended.try_recv(), Ok(Verdict::Quarantined(_))));
    assert!(matches!(page(&history, &state, id(), 2, 2), Some(Page::End)));
}

/// A run that ends, is opened again, and ends otherwise before the first end is durable: the second is not told before it
/// is durable itself.
#[test]
fn an_end_behind_the_one_that_became_durable_is_not_told_yet() {
    let (mut state, mut history) = submitted();
    let task = callboard_core::TaskRef { run: id(), task: TaskIndex(0) };
    let failure = Failure::new(FailureClass::Terminal, "refused");
    let retry = Command::Retry { task, token: Token::FIRST, input: None };
    let cancel = Command::Cancel { run: id(), reason: "enough".into() };
    let mut batches = Vec::new();
    for command in [Command::Refuse(task, Token::FIRST, failure), retry, cancel] {
        let events = decide(&state, Millis(2), command).unwrap().events;
        for event in &events {
            state.apply(event);
            history.push(id(), Line { seq: event.seq, bytes: bytes::Bytes::from_static(b"{}\n") });
        }
        batches.push(Batch { events, ..Batch::default() });
    }
    let mut pending = Pending::default();
    let (resumed, cancelled) = (batches.remove(1), batches.remove(1));
    pending.open().events.extend(resumed.events.into_iter().chain(cancelled.events));
    let mut watchers = Watchers::new(100);
    let (end, mut ended) = oneshot::channel();
    watchers.wait_for_end(id(), Watched::Run, end);
    let durable = batches[0].events.last().unwrap().seq;
    watchers.released(&batches[0], durable, &state, &history, &pending);
    assert!(matches!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
    let last = pending.take();
    watchers.released(&last, state.seq(), &state, &history, &Pending::default());
    assert!(matches!(ended.try_recv(), Ok(Verdict::Run(callboard_core::RunOutcome::Cancelled))));
}

#[test]
fn watchers_that_have_gone_do_not_pile_up() {
    let mut watchers = Watchers::new(100);
    for _ in 0..1_000 {
        let (reply, gone) = oneshot::channel();
        drop(gone);
        watchers.wait_for_end(id(), Watched::Run, reply);
        let (reply, gone) = oneshot::channel();
        drop(gone);
        watchers.wait_for_events(id(), 0, reply);
    }
    assert!(watchers.ends[&(id(), Watched::Run)].len() < 10 && watchers.readers[&id()].len() < 10);
}

#[test]
fn no_more_than_the_limit_wait_for_one_thing() {
    let mut watchers = Watchers::new(2);
    let wait = |watchers: &mut Watchers| {
        let (end, mut ended) = oneshot::channel();
        watchers.wait_for_end(id(), Watched::Run, end);
        let (page, mut read) = oneshot::channel();
        watchers.wait_for_events(id(), 0, page);
        let refused = matches!(ended.try_recv(), Ok(Verdict::Full(2)));
        assert_eq!(matches!(read.try_recv(), Ok(Page::Full(2))), refused);
        (ended, read, refused)
    };
    let waiting = [wait(&mut watchers), wait(&mut watchers)];
    assert!(waiting.iter().all(|(.., refused)| !refused));
    assert!(wait(&mut watchers).2);
    // Another end is another matter, and who is gone makes room.
    let (end, mut ended) = oneshot::channel();
    watchers.wait_for_end(id(), Watched::Task(TaskIndex(0)), end);
    assert!(ended.try_recv().is_err());
    drop(waiting);
    assert!(!wait(&mut watchers).2);
}
