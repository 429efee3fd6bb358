use super::{History, Line, SnapshotWalk, lines_of};
use crate::journal::position::Position;
use crate::journal::replay::Replay;
use crate::partition::recover::Recovery;
use bytes::Bytes;
use callboard_core::{
    CatchUp, Command, Graph, Json, Limits, Millis, Overlap, Replace, RunId, RunRestored, ScheduleCommand, ScheduleSet,
    ScheduleState, State, TaskIndex, TaskRef, TaskSpec, Timing, Token, decide,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Decides a command as a partition does; the lines of its events.
fn step(state: &mut State, history: &mut History, command: Command) -> Vec<u8> {
    let mut batch = Vec::new();
    for event in decide(state, Millis(1), command).expect("a command that is in order").events {
        let from = batch.len();
        event.encode(&mut batch);
        if let Some(run) = event.run {
            history.push(run, Line { seq: event.seq, bytes: Bytes::copy_from_slice(&batch[from..]) });
        }
        state.apply(&event);
    }
    batch
}

fn graph() -> Graph {
    let task = TaskSpec::new("only", "work", Json::null());
    let (name, labels) = ("one".to_owned(), BTreeMap::new());
    Graph { name, tasks: vec![Arc::new(task)], timeout_ms: None, budget: None, tenant: None, labels, trace: None }
}

/// The event by which a run was archived may be lost with the owner: the snapshot alone is to have the run, and as a whole.
#[test]
fn a_run_archived_between_two_slices_is_in_the_snapshot() {
    let (mut state, mut history) = (State::new(Limits::default()), History::default());
    let runs: Vec<RunId> = (0..2_000).map(|n| RunId::new(Uuid::from_u128(n))).collect();
    let submit = |state: &mut State, history: &mut History, run| {
        let graph = graph().check(&Limits::default().graph).expect("a graph without faults");
        step(state, history, Command::Submit { run, graph, key: None });
    };
    let cancel = |run| Command::Cancel { run, reason: "over".into() };
    for &run in &runs {
        submit(&mut state, &mut history, run);
        step(&mut state, &mut history, cancel(run));
    }
    let open = RunId::new(Uuid::from_u128(2_000));
    submit(&mut state, &mut history, open);
    let (mut walk, head) = SnapshotWalk::begin(&state, &history);
    let mut snapshot = head.to_vec();
    let before: Vec<(RunId, String)> = state.runs().map(|run| (run.id, run.digest())).collect();
    let slices = |walk: &mut SnapshotWalk, history: &History, state: &State, snapshot: &mut Vec<u8>, at_most| {
        let slices: Vec<Bytes> = std::iter::from_fn(|| walk.slice(history, state)).take(at_most).collect();
        slices.iter().for_each(|lines| snapshot.extend_from_slice(lines));
        slices.len() == at_most
    };
    let archive = |walk: &mut SnapshotWalk, history: &mut History, state: &mut State, runs: &[RunId]| {
        step(state, history, Command::Archive { runs: runs.to_vec(), page: Json::null() });
        for run in runs {
            walk.leaves(*run, history);
            history.forget(*run);
        }
    };
    assert!(slices(&mut walk, &history, &state, &mut snapshot, 1), "more than one slice");
    // Of what is behind this slice, before it and on it; and what has ended since the snapshot began.
    archive(&mut walk, &mut history, &mut state, &runs[..1_000]);
    step(&mut state, &mut history, cancel(open));
    let late = RunId::new(Uuid::from_u128(2_001));
    submit(&mut state, &mut history, late);
    step(&mut state, &mut history, cancel(late));
    assert!(slices(&mut walk, &history, &state, &mut snapshot, 1), "more than two slices");
    let left: Vec<RunId> = runs[1_000..].iter().copied().chain([open, late]).collect();
    let lines: BTreeMap<RunId, Vec<Line>> = left.iter().map(|run| (*run, history.of(*run).to_vec())).collect();
    archive(&mut walk, &mut history, &mut state, &left);
    // Some come back, and leave once more, before they are on a slice.
    let back = &left[500..];
    back.iter().for_each(|run| history.restore(*run, lines[run].clone()));
    back[400..].iter().for_each(|run| walk.leaves(*run, &history));
    slices(&mut walk, &history, &state, &mut snapshot, usize::MAX);

    let mut recovery = Recovery::new(Limits::default());
    recovery.snapshot(&snapshot).expect("a snapshot");
    let all = |state: &State| state.runs().map(|run| (run.id, run.digest())).collect::<Vec<_>>();
    assert_eq!((recovery.diverged.len(), all(&recovery.state)), (0, before));
    assert_eq!(recovery.state.runs().filter(|run| run.ended.is_none()).map(|run| run.id).collect::<Vec<_>>(), [open]);
}

/// With the event by which they were archived it is as if the snapshot had been taken in a moment.
#[test]
fn a_run_archived_between_two_slices_is_archived_behind_the_snapshot() {
    let (mut state, mut history) = (State::new(Limits::default()), History::default());
    let runs: Vec<RunId> = (0..1_000).map(|n| RunId::new(Uuid::from_u128(n))).collect();
    for &run in &runs {
        let graph = graph().check(&Limits::default().graph).expect("a graph without faults");
        step(&mut state, &mut history, Command::Submit { run, graph, key: None });
        step(&mut state, &mut history, Command::Cancel { run, reason: "over".into() });
    }
    let (mut walk, head) = SnapshotWalk::begin(&state, &history);
    let mut snapshot = head.to_vec();
    snapshot.extend_from_slice(&walk.slice(&history, &state).expect("more than one slice"));
    let tail = step(&mut state, &mut history, Command::Archive { runs: runs.clone(), page: Json::null() });
    for run in runs {
        walk.leaves(run, &history);
        history.forget(run);
    }
    while let Some(lines) = walk.slice(&history, &state) {
        snapshot.extend_from_slice(&lines);
    }
    let mut recovery = Recovery::new(Limits::default());
    recovery.snapshot(&snapshot).expect("a snapshot");
    recovery.batch(Position { epoch: 1, slot: 1 }, &tail).expect("the tail");
    let quarantined = recovery.state.runs().filter(|run| run.quarantined.is_some()).count();
    assert_eq!((recovery.state.runs().count(), quarantined, recovery.diverged.len()), (0, 0, 0));
}

/// As it ended, it may be in the snapshot; it comes back by an event behind it, and is the same.
#[test]
fn a_run_that_comes_back_between_two_slices_is_there_once() {
    let (mut state, mut history) = (State::new(Limits::default()), History::default());
    let runs: Vec<RunId> = (0..1_000).map(|n| RunId::new(Uuid::from_u128(n))).collect();
    for &run in &runs {
        let graph = graph().check(&Limits::default().graph).expect("a graph without faults");
        step(&mut state, &mut history, Command::Submit { run, graph, key: None });
        step(&mut state, &mut history, Command::Cancel { run, reason: "over".into() });
    }
    let lines: BTreeMap<RunId, Vec<Line>> = runs.iter().map(|run| (*run, history.of(*run).to_vec())).collect();
    step(&mut state, &mut history, Command::Archive { runs: runs.clone(), page: Json::null() });
    runs.iter().for_each(|run| history.forget(*run));
    let other = RunId::new(Uuid::max());
    let graph = graph().check(&Limits::default().graph).expect("a graph without faults");
    step(&mut state, &mut history, Command::Submit { run: other, graph, key: None });

    let (mut walk, head) = SnapshotWalk::begin(&state, &history);
    let mut snapshot = head.to_vec();
    let mut tail = Vec::new();
    for &run in &runs {
        let text: Vec<&str> =
            lines[&run].iter().map(|line| str::from_utf8(&line.bytes).expect("text").trim()).collect();
        let events = Json::parse(format!("[{}]", text.join(","))).expect("an array");
        let restored = RunRestored::new(events.clone(), RunRestored::fold(run, &events).expect("its events"));
        let event = &decide(&state, Millis(1), Command::Restore { run, restored }).expect("it is not there").events[0];
        event.encode(&mut tail);
        state.apply(event);
        let split = lines_of(&events).expect("lines");
        assert!(split.iter().zip(&lines[&run]).all(|(a, b)| (a.seq, &a.bytes) == (b.seq, &b.bytes)));
        history.restore(run, split);
        if run.as_bytes()[15] % 2 == 0 {
            let task = TaskRef { run, task: TaskIndex(0) };
            let retry = Command::Retry { task, token: Token::FIRST, input: None };
            tail.extend(step(&mut state, &mut history, retry));
        }
    }
    while let Some(lines) = walk.slice(&history, &state) {
        snapshot.extend_from_slice(&lines);
    }

    let mut recovery = Recovery::new(Limits::default());
    recovery.snapshot(&snapshot).expect("a snapshot");
    assert!(recovery.state.runs().count() > 1, "some came back in time");
    recovery.batch(Position { epoch: 1, slot: 1 }, &tail).expect("the tail");
    assert_eq!((recovery.diverged.len(), recovery.state.runs().count()), (0, 1_001));
    for run in state.runs() {
        let replayed = recovery.state.run(run.id).expect("it is there");
        assert_eq!((replayed.digest(), &replayed.quarantined), (run.digest(), &None));
        let bytes = |history: &History| history.of(run.id).iter().map(|line| line.bytes.clone()).collect::<Vec<_>>();
        assert_eq!(bytes(&recovery.history), bytes(&history));
    }
}

/// Schedules change while the snapshot is taken: it has them as they were, and the events behind it do the rest.
#[test]
fn schedules_are_in_the_snapshot_as_they_were_when_it_began() {
    let (mut state, mut history) = (State::new(Limits::default()), History::default());
    let name = |n: u64| -> Arc<str> { format!("schedule {n}").into() };
    let run = |schedule: u64, number: u128| RunId::new(Uuid::from_u128(u128::from(schedule) * 10 + number));
    for n in 0..2_500 {
        let graph = graph().check(&Limits::default().graph).expect("a graph without faults").into();
        let timing = Timing::EveryMs(n + 1);
        let (overlap, catch_up) = (Overlap::Allow, CatchUp::Last);
        let set = ScheduleSet { name: name(n), timing, overlap, catch_up, next: Some(Millis(5)), graph };
        step(&mut state, &mut history, Command::Schedule(ScheduleCommand::Set { set, replace: Replace::No }));
        let fire = ScheduleCommand::FireNow { name: name(n), run: run(n, 1) };
        step(&mut state, &mut history, Command::Schedule(fire));
    }
    let (mut walk, head) = SnapshotWalk::begin(&state, &history);
    let mut snapshot = head.to_vec();
    snapshot.extend_from_slice(&walk.slice(&history, &state).expect("more than one slice"));
    let mut tail = Vec::new();
    for n in 0..2_500 {
        let command = match n % 4 {
            0 => ScheduleCommand::Remove { name: name(n) },
            1 => ScheduleCommand::Pause { name: name(n), reason: "why".into() },
            2 => ScheduleCommand::FireNow { name: name(n), run: run(n, 2) },
            _ => {
                let cancel = Command::Cancel { run: run(n, 1), reason: "over".into() };
                tail.extend(step(&mut state, &mut history, cancel));
                continue;
            }
        };
        tail.extend(step(&mut state, &mut history, Command::Schedule(command)));
    }
    while let Some(lines) = walk.slice(&history, &state) {
        snapshot.extend_from_slice(&lines);
    }
    let mut recovery = Recovery::new(Limits::default());
    recovery.snapshot(&snapshot).expect("a snapshot");
    let all = |state: &State| state.schedules().iter_after(None).cloned().collect::<Vec<Arc<ScheduleState>>>();
    let before = all(&recovery.state);
    assert!(before.len() == 2_500 && before.iter().all(|schedule| schedule.paused.is_none() && schedule.fired == 1));
    recovery.batch(Position { epoch: 1, slot: 1 }, &tail).expect("the tail");
    assert_eq!(all(&recovery.state), all(&state));
    assert_eq!((recovery.diverged.len(), recovery.state.next_due()), (0, state.next_due()));
    let open: usize = all(&state).iter().map(|schedule| schedule.open.len()).sum();
    assert_eq!(open, 625 + 2 * 625, "what is paused, what fired again, and not what was cancelled");
}

/// The lines of all runs are told in the order of the journal, whatever leaves memory and comes back meanwhile.
#[test]
fn the_events_of_all_runs_are_in_order() {
    let run = |n: u128| RunId::new(Uuid::from_u128(n));
    let line = |seq: u64| Line { seq, bytes: Bytes::from(format!("{seq}\n")) };
    let mut history = History::default();
    let told = |history: &mut History, after: u64, until: u64, at_most: (usize, usize)| {
        let (lines, until) = history.between(after, until, at_most);
        let lines: Vec<u64> =
            lines.iter().map(|line| std::str::from_utf8(line).unwrap().trim().parse().unwrap()).collect();
        (lines, until)
    };
    let all = (100, 1_000);
    // As a snapshot has them: run after run.
    for (n, seqs) in [(1, [1_u64, 4, 7]), (2, [2, 3, 9]), (3, [5, 6, 8])] {
        seqs.into_iter().for_each(|seq| history.push(run(n), line(seq)));
    }
    assert_eq!(told(&mut history, 0, 20, all), ((1..=9).collect(), 20));
    assert_eq!(told(&mut history, 3, 7, all), ((4..=7).collect(), 7), "what is not durable is not told");
    assert_eq!(told(&mut history, 0, 20, (4, 1_000)), ((1..=4).collect(), 4));
    assert_eq!(told(&mut history, 0, 20, (100, 5)), ((1..=3).collect(), 3), "two bytes each");
    assert_eq!(told(&mut history, 30, 20, all), (Vec::new(), 30), "nobody goes back");
    let lines = history.of(run(2)).to_vec();
    history.forget(run(2));
    assert_eq!(told(&mut history, 0, 20, all), (vec![1, 4, 5, 6, 7, 8], 20));
    history.restore(run(2), lines);
    history.push(run(1), line(10));
    assert_eq!(told(&mut history, 0, 20, all), ((1..=10).collect(), 20));
    // What is forgotten leaves nothing behind.
    for n in 10..10_000 {
        history.push(run(u128::from(n)), line(n + 1));
        history.forget(run(u128::from(n)));
    }
    assert!(history.order.entries.len() < 3_000, "{}", history.order.entries.len());
    assert_eq!(told(&mut history, 0, 20_000, all), ((1..=10).collect(), 20_000));
}
