//! What a partition reads, for `crate::fuzz`: its journal, its archive, and what other nodes say to it.

use super::archived::Archived;
use super::message::Room;
use super::recover::Recovery;
use super::wire::{Back, Request};
use crate::fuzz::{block_on, understood};
use crate::journal::archive::Record;
use crate::journal::position::Position;
use crate::journal::replay::Replay;
use crate::schedule::moments::Moments;
use callboard_core::{
    Command, Event, Limits, Millis, RunId, ScheduleCommand, ScheduleState, Status, TaskIndex, TaskRef, decide,
};
use serde::Serialize;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

/// The lines of a snapshot.
pub(crate) fn snapshot_lines(bytes: &[u8]) {
    let mut recovery = Recovery::new(Limits::default());
    if recovery.snapshot(&whole(bytes)).is_ok() {
        goes_on(recovery);
    }
}

/// The lines of batches, behind whatever was before them.
pub(crate) fn batch_lines(bytes: &[u8]) {
    let mut recovery = Recovery::new(Limits::default());
    let first = bytes.split(|byte| *byte == b'\n').next().and_then(|line| Event::decode(line).ok());
    recovery.state.resumed_at(first.map_or(0, |event| event.seq.saturating_sub(1)), Millis(0));
    if recovery.batch(Position { epoch: 1, slot: 1 }, &whole(bytes)).is_ok() {
        goes_on(recovery);
    }
}

/// The journal gives whole lines.
fn whole(bytes: &[u8]) -> Vec<u8> {
    let mut lines = bytes.to_vec();
    if lines.last().is_some_and(|byte| *byte != b'\n') {
        lines.push(b'\n');
    }
    lines
}

/// What an owner does next with what it has read, whatever that was.
fn goes_on(mut recovery: Recovery) {
    let state = &mut recovery.state;
    assert!(super::closing::next_page(state) > 0);
    let mut now = state.at();
    drop(state.recover(now));
    // Moments come, near ones and the last there is.
    for moment in [now, now.after(std::time::Duration::from_secs(100)), Millis(i64::MAX)] {
        now = moment.max(now);
        for _ in 0..16 {
            let Some(timer) = state.pop_due(now) else { break };
            step(state, now, Command::Due(timer));
        }
        for _ in 0..4 {
            let Some(name) = state.pop_schedule(now) else { break };
            let Some(schedule) = state.schedules().get(&name).cloned() else { continue };
            if let Some(command) = come(&schedule, now) {
                step(state, now, Command::Schedule(command));
            }
        }
    }
    let runs: Vec<RunId> = state.runs().map(|run| run.id).take(4).collect();
    for run in runs {
        let dead = state.run(run).and_then(|run| {
            let (at, task) = run.tasks.iter().enumerate().find(|(_, task)| task.status() == Status::Dead)?;
            Some((TaskIndex(at as u32), task.token))
        });
        if let Some((task, token)) = dead {
            step(state, now, Command::Retry { task: TaskRef { run, task }, token, input: None });
        }
        step(state, now, Command::Cancel { run, reason: "fuzz".into() });
        let _digest = state.run(run).map(callboard_core::Run::digest);
    }
    understood();
}

fn step(state: &mut callboard_core::State, now: Millis, command: Command) {
    if let Ok(step) = decide(state, now, command) {
        for event in &step.events {
            state.apply(event);
        }
    }
}

/// What a partition makes of a schedule whose moment has come.
fn come(schedule: &ScheduleState, now: Millis) -> Option<ScheduleCommand> {
    let name = schedule.set.name.clone();
    let run = |due| RunId::of_schedule("fuzz", schedule, due, (0, 1));
    match schedule.turn()? {
        callboard_core::Turn::Unqueue(due) => Some(ScheduleCommand::Unqueue { name, due, run: run(due) }),
        callboard_core::Turn::Due(seen) => {
            let moments = Moments::of(&schedule.set.timing).ok()?;
            let after = |moment| moments.after(schedule.set_at, moment);
            schedule.coming(seen, now, run(seen), after).map(ScheduleCommand::Come).ok()
        }
    }
}

/// The record of a run in the archive.
pub(crate) fn archived_run(bytes: &[u8]) {
    let run = samples::RUN;
    let record = Record { id: Uuid::from_u128(run), closed_ms: 1, line: bytes.to_vec().into() };
    let id = RunId::new(record.id);
    let Ok(archived) = Archived::read(id, &record) else { return };
    understood();
    let tasks = (0..).take(archived.run.tasks.len().min(4)).map(TaskIndex);
    for (task, token) in tasks.map(|task| (task, archived.run.tasks[task.at()].token)) {
        drop(archived.would_retry(TaskRef { run: id, task }, token, None));
    }
    if let Ok(comeback) = archived.comeback(0) {
        assert!(comeback.lines.iter().all(|line| line.bytes.ends_with(b"\n")));
        let events = comeback.restored.events.clone();
        let is_of_partition = ["runs_archived", "pages_forgotten"].iter().any(|kind| events.as_str().contains(kind));
        assert!(callboard_core::RunRestored::fold(id, &events).is_some() || is_of_partition);
    }
}

fn room() -> Room {
    let permits = || Arc::new(Semaphore::new(1)).try_acquire_owned().expect("it has one");
    Room { _bytes: permits(), _commands: permits() }
}

/// A request of another node.
pub(crate) fn request(bytes: &[u8]) {
    let Some(request) = crate::fuzz::json::<Request>(bytes) else { return };
    block_on(async {
        let room = request.room().map(|_| room());
        let Ok((message, _answering)) = request.join(room, |_| ()).await else { return };
        let (request, back) = message.split().expect("what came over the wire goes over the wire");
        assert!(!back.is_closed() && serde_json::to_vec(&request).is_ok());
    });
}

/// The answer of another node, to any request.
pub(crate) fn answer(bytes: &[u8]) {
    told(bytes, |reply| Back::Done(reply, None));
    told(bytes, Back::Records);
    told(bytes, Back::Verdict);
    told(bytes, Back::Performed);
    told(bytes, Back::Page);
    told(bytes, Back::Feed);
    told(bytes, Back::Progress);
    told(bytes, Back::Run);
    told(bytes, Back::Task);
    told(bytes, Back::Runs);
    told(bytes, Back::Tasks);
    told(bytes, Back::RunTasks);
    told(bytes, Back::Pending);
    told(bytes, Back::Pages);
    told(bytes, Back::InMemory);
    told(bytes, Back::Called);
    told(bytes, Back::Schedule);
    told(bytes, Back::Schedules);
}

fn told<T: Serialize + Debug>(bytes: &[u8], back: impl Fn(oneshot::Sender<T>) -> Back) {
    let tell = |bytes: &[u8]| {
        let (reply, mut answer) = oneshot::channel();
        back(reply).answer(bytes).ok()?;
        serde_json::to_string(&answer.try_recv().expect("the caller has it")).ok()
    };
    if let Some(written) = tell(bytes) {
        assert_eq!(tell(written.as_bytes()).as_deref(), Some(written.as_str()));
        understood();
    }
}

/// What is read without a fault.
pub(crate) mod samples {
    use crate::fuzz::bytes_of;
    use crate::journal::fuzz::lines_in;

    /// The run of the golden events.
    pub(super) const RUN: u128 = 0x0192_f0c1_2a3b_7c4d_8e5f_6071_8293_a4b5;

    const EVENTS: &str = include_str!("../../core/src/tests/golden/events-v1.jsonl");
    const SCHEDULES: &str = include_str!("../../core/src/tests/golden/schedules-v1.jsonl");

    pub(crate) fn snapshots() -> Vec<Vec<u8>> {
        let snapshot = include_bytes!(
            "../../../tests/golden/data-v1/objects/default/partitions/0000/snapshots/00000000000000000001-00000000000000000005-b70a2f13bf4b4649a6f6717d16445efe"
        );
        let head = "{\"snapshot\":1,\"seq\":0,\"at\":0,\"pages\":[]}\n";
        let schedules = "{\"snapshot\":1,\"seq\":9,\"at\":1790000000000,\"pages\":[{\"page\":1,\"count\":2,\"oldest_ms\":1,\"newest_ms\":2,\"fingerprints\":\"00ff12ab\"}]}\n";
        bytes_of([lines_in("snapshot", snapshot), [head, EVENTS].concat().into_bytes(), schedules.into()])
    }

    pub(crate) fn batches() -> Vec<Vec<u8>> {
        let batch = include_bytes!(
            "../../../tests/golden/data-v1/objects/default/partitions/0000/log/00000000000000000001/00000000000000000007"
        );
        let first =
            |lines: &str, many: usize| lines.lines().take(many).map(|line| format!("{line}\n")).collect::<String>();
        let events = |text: &str| {
            text.lines().filter(|line| line.starts_with("{\"v\"")).map(|line| format!("{line}\n")).collect::<String>()
        };
        bytes_of([
            EVENTS.into(),
            events(SCHEDULES).into(),
            lines_in("slot", batch),
            first(EVENTS, 12).into(),
            first(EVENTS, 3).into(),
        ])
    }

    pub(crate) fn archived() -> Vec<Vec<u8>> {
        let run = uuid::Uuid::from_u128(RUN).to_string();
        let is_of_run =
            |line: &&str| line.contains(&format!("\"run\":\"{run}\",\"kind\"")) && !line.contains("run_restored");
        let of_run: Vec<&str> = EVENTS.lines().filter(is_of_run).collect();
        bytes_of([12, 25, of_run.len()].map(|many| format!("[{}]", of_run[..many.min(of_run.len())].join(","))))
    }

    pub(crate) fn requests() -> Vec<Vec<u8>> {
        bytes_of(include_str!("../fuzz/samples/requests.jsonl").lines())
    }

    pub(crate) fn answers() -> Vec<Vec<u8>> {
        bytes_of(include_str!("../fuzz/samples/answers.jsonl").lines())
    }
}
