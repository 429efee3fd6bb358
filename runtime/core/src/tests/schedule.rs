//! Schedules: their lines in the journal and in a snapshot, format v1, for ever; and what the scenarios do not say.
//!
//! `golden/schedules-v1.jsonl` has an event of every kind and variant, and in its last line how it stands then, as a snapshot
//! has it. The rules are those of `events-v1.jsonl`.

use crate::{
    CATCH_UP_MAX, CatchUp, Command, Event, EventKind, FINISHED_MAX, Graph, Json, Limits, Millis, Overlap, Rejected,
    Replace, RunEnded, RunId, RunOutcome, SCHEDULES_MAX, ScheduleCommand, ScheduleEvent, ScheduleRejected, ScheduleSet,
    ScheduleState, SkipReason, State, TaskSpec, Timing, Turn, decide,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const GOLDEN: &str = include_str!("golden/schedules-v1.jsonl");

fn events() -> impl Iterator<Item = (&'static str, Event)> {
    let lines = GOLDEN.split_inclusive('\n').filter(|line| line.starts_with("{\"v\":"));
    lines.map(|line| (line, Event::decode(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"))))
}

fn kept() -> &'static str {
    GOLDEN.lines().last().unwrap()
}

#[test]
fn format_1_of_schedules_is_read_and_written_as_ever() {
    let mut seen = BTreeSet::new();
    for (line, event) in events() {
        let mut written = Vec::new();
        event.encode(&mut written);
        assert_eq!(String::from_utf8(written).unwrap(), line);
        let EventKind::Schedule(what) = event.kind else { continue };
        seen.insert(what.name().to_owned());
        match what {
            ScheduleEvent::Set(set) => {
                let timing = serde_json::to_value(&set.timing).unwrap();
                seen.extend(timing.as_object().unwrap().keys().cloned());
                seen.extend([
                    format!("overlap {}", set.overlap.as_str()),
                    format!("catch up {}", set.catch_up.as_str()),
                ]);
            }
            ScheduleEvent::Fired(fired) => drop(seen.insert(format!("by {:?}", fired.by).to_lowercase())),
            ScheduleEvent::Skipped(skipped) => {
                let reason = if skipped.reason == SkipReason::Missed { "missed" } else { "overlap" };
                seen.insert(format!("{reason}{}", if skipped.more { " and more" } else { "" }));
            }
            _ => {}
        }
    }
    let wanted = "schedule_set schedule_fired schedule_queued schedule_skipped schedule_paused schedule_resumed \
                  schedule_removed at after_ms every_ms cron"
        .split_whitespace()
        .map(str::to_owned);
    let policies = ["overlap skip", "overlap queue", "overlap cancel_previous", "overlap allow", "catch up skip"];
    let more =
        ["catch up last", "catch up all", "by time", "by queue", "by hand", "missed and more", "missed", "overlap"];
    let wanted: BTreeSet<String> = wanted.chain(policies.into_iter().chain(more).map(str::to_owned)).collect();
    assert_eq!(seen, wanted);
}

/// Nothing is worked out anew: whatever stands in the events is what comes next, however little sense it makes.
#[test]
fn a_replay_computes_no_moment() {
    let mut state = State::default();
    events().for_each(|(_, event)| state.apply(&event));
    let standing = state.schedules().get("nightly").unwrap();
    assert_eq!((standing.next, standing.queued), (Some(Millis(1_790_000_700_001)), Some(Millis(1_790_000_600_007))));
    let shown = serde_json::to_string(standing).unwrap();
    assert_eq!(shown, kept(), "the line of a snapshot");
    let read: ScheduleState = serde_json::from_str(kept()).unwrap();
    let mut restored = State::default();
    restored.restore_schedule(read);
    assert_eq!(restored.schedules().get("nightly"), Some(standing));
    assert_eq!((restored.next_due(), restored.schedules().len()), (standing.next, 1));
    let least: ScheduleState = serde_json::from_str(
        r#"{"set":{"name":"n","timing":{"at":7},"overlap":"skip","catch_up":"last","next":7,"graph":{"name":"w","tasks":[]}},"set_seq":1,"set_at":1,"next":7,"fired":0,"overlapped":0,"missed":0}"#,
    )
    .unwrap();
    assert_eq!((least.turn(), least.behind), (Some(Turn::Due(Millis(7))), 0));
}

fn set(name: &str, timing: Timing) -> ScheduleSet {
    let task = Arc::new(TaskSpec::new("it", "work", Json::null()));
    let graph = Graph {
        name: "w".into(),
        tasks: vec![task],
        timeout_ms: None,
        budget: None,
        tenant: None,
        labels: BTreeMap::new(),
        trace: None,
    };
    let graph = graph.check(&Limits::default().graph).unwrap().into();
    let next = if let Timing::At(at) = timing { Some(at) } else { Some(Millis(10)) };
    ScheduleSet { name: name.into(), timing, overlap: Overlap::Allow, catch_up: CatchUp::All, next, graph }
}

fn put(state: &mut State, command: ScheduleCommand) -> Result<usize, Rejected> {
    let step = decide(state, Millis(0), Command::Schedule(command))?;
    step.events.iter().for_each(|event| state.apply(event));
    Ok(step.events.len())
}

fn fire(state: &mut State, now: Millis) -> usize {
    let mut fired = 0;
    while let Some(name) = state.pop_schedule(now) {
        let schedule = state.schedules().get(&name).unwrap();
        let Some(Turn::Due(seen)) = schedule.turn() else { panic!("nothing waits here") };
        let run = RunId::of_schedule("tests", schedule, seen, (0, 1));
        let next = |moment: Millis| Ok::<_, ()>(Some(Millis(moment.0 + 10)));
        let coming = schedule.coming(seen, now, run, next).unwrap();
        let step = decide(state, now, Command::Schedule(ScheduleCommand::Come(coming))).unwrap();
        fired += step.events.iter().filter(|event| event.kind.name() == "schedule_fired").count();
        step.events.iter().for_each(|event| state.apply(event));
    }
    fired
}

#[test]
fn what_is_made_up_for_is_bounded() {
    let mut state = State::new(Limits::default());
    assert!(state.schedules().is_empty());
    put(&mut state, ScheduleCommand::Set { set: set("s", Timing::EveryMs(10)), replace: Replace::No }).unwrap();
    assert!(!state.schedules().is_empty());
    let now = Millis(1_000_000);
    assert_eq!(fire(&mut state, now), CATCH_UP_MAX as usize + 1, "those in a row, and the last, which is on time");
    let schedule = state.schedules().get("s").unwrap();
    assert_eq!((schedule.next, schedule.behind), (Some(Millis(1_000_010)), 0));
    assert!(schedule.missed >= u64::from(CATCH_UP_MAX));
    assert_eq!(fire(&mut state, Millis(1_000_010)), 1, "and then it goes on");
}

/// A snapshot may name a run as open that this release can not follow.
#[test]
fn a_restored_schedule_is_not_held_up_by_a_run_that_is_lost() {
    let mut state = State::new(Limits::default());
    let skips = ScheduleSet { overlap: Overlap::Skip, ..set("s", Timing::EveryMs(10)) };
    put(&mut state, ScheduleCommand::Set { set: skips, replace: Replace::No }).unwrap();
    assert_eq!(fire(&mut state, Millis(10)), 1);
    let held = state.schedules().get("s").unwrap().clone();
    let run = *held.open.first().unwrap();
    let ended = EventKind::RunEnded(RunEnded { outcome: RunOutcome::Completed });
    state.apply(&Event { seq: state.seq() + 1, at: Millis(11), run: Some(run), kind: ended });
    assert!(state.run(run).unwrap().quarantined.is_some(), "it has an open task");
    state.restore_schedule(held);
    assert_eq!(fire(&mut state, Millis(20)), 1);
}

/// A calendar is asked for each moment, and there are millions behind a long absence.
#[test]
fn the_last_moment_of_a_long_absence_takes_few_questions() {
    let mut state = State::new(Limits::default());
    let last = ScheduleSet { catch_up: CatchUp::Last, ..set("s", Timing::EveryMs(10)) };
    put(&mut state, ScheduleCommand::Set { set: last, replace: Replace::No }).unwrap();
    let schedule = state.schedules().get("s").unwrap();
    let (now, mut asked) = (Millis(10_000_000_007), 0);
    let next = |moment: Millis| {
        asked += 1;
        Ok::<_, ()>(Some(Millis(moment.0 / 10 * 10 + 10)))
    };
    let coming = schedule.coming(Millis(10), now, RunId::from_key("tests", "r"), next).unwrap();
    assert_eq!((coming.due, coming.next), (Some(Millis(10_000_000_000)), Some(Millis(10_000_000_010))));
    assert!(asked < CATCH_UP_MAX + 64, "{asked}");
}

/// The one that finished first makes room, and nobody else.
#[test]
fn there_are_so_many_schedules_and_no_more() {
    let mut state = State::new(Limits::default());
    let new = |name: &str, at| ScheduleCommand::Set { set: set(name, Timing::At(Millis(at))), replace: Replace::No };
    for n in 0..=FINISHED_MAX as i64 {
        assert_eq!(put(&mut state, new(&format!("early {n}"), n)), Ok(1));
        fire(&mut state, Millis(n));
    }
    assert_eq!(put(&mut state, new("late 0", i64::MAX)), Ok(2), "more have finished than are kept");
    assert!(state.schedules().get("early 0").is_none() && state.schedules().get("early 1").is_some());
    for n in 1..SCHEDULES_MAX {
        put(&mut state, new(&format!("late {n}"), i64::MAX)).unwrap();
    }
    assert_eq!(state.schedules().len(), SCHEDULES_MAX);
    assert!(state.schedules().iter_after(None).all(|schedule| schedule.finished_at.is_none()));
    let full = Err(Rejected::Schedule(ScheduleRejected::Full { limit: SCHEDULES_MAX }));
    assert_eq!(put(&mut state, new("one more", 1)), full);
    assert_eq!(put(&mut state, new("late 7", i64::MAX)), Ok(0), "what is there is there");
    assert_eq!(put(&mut state, ScheduleCommand::Remove { name: "late 7".into() }), Ok(1));
    assert_eq!(put(&mut state, new("one more", 1)), Ok(1));
}

#[test]
fn a_run_belongs_to_the_partition_of_its_schedule() {
    let mut state = State::new(Limits::default());
    put(&mut state, ScheduleCommand::Set { set: set("s", Timing::EveryMs(10)), replace: Replace::No }).unwrap();
    let schedule = state.schedules().get("s").unwrap();
    let mut ids = BTreeSet::new();
    for partitions in [1_u16, 2, 16, 1_000] {
        let home = RunId::partition_of_schedule("tests", "s", partitions);
        for due in 0..50 {
            let id = RunId::of_schedule("tests", schedule, Millis(due), (home, partitions));
            assert_eq!(id.partition(partitions), home);
            assert!(partitions > 1 || ids.insert(id));
        }
    }
    assert_eq!(
        RunId::of_schedule("tests", schedule, Millis(7), (0, 1)).to_string(),
        "2f2e2d2a-94ad-8f89-96ba-149bb2d86106"
    );
    let homes: Vec<u16> = ["a", "b", "c", "d"].map(|name| RunId::partition_of_schedule("tests", name, 16)).into();
    assert_eq!(homes, [7, 4, 14, 2], "where a schedule is found never changes");
}
