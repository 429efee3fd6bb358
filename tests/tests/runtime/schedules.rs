//! Schedules: what time starts, once for each moment, whatever dies.

use super::durability::Mortal;
use super::kit::*;
use callboard::port::store::fault::{Fault, Operation};
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::{CatchUp, Millis, Overlap, RunId, RunInfo, RunStatus, ScheduleInfo, ScheduleStatus, Scheduled};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

const LOG: &str = "*/log/*";
const MINUTE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(600);

/// A runtime whose agent counts what it is told, and waits at the gate when that is to hold.
async fn start(store: &Arc<dyn Store>, gate: &Gate, tally: &Tally, change: fn(&mut callboard::Settings)) -> Callboard {
    let (gate, tally) = (gate.clone(), tally.clone());
    let builder = acting(on(store), 32, move |_, what| {
        let (gate, tally) = (gate.clone(), tally.clone());
        async move {
            tally.add(&what);
            if what.starts_with("hold") {
                gate.pass().await;
            }
            Ok(what)
        }
    });
    builder.settings(change).start().await.unwrap()
}

async fn simple() -> (Callboard, Tally) {
    let (_, store) = store();
    let tally = Tally::default();
    (start(&store, &Gate::shut(), &tally, |_| {}).await, tally)
}

fn to(what: &str) -> Workflow {
    one(act(what)).0
}

async fn until(scheduled: &Scheduled, is_so: impl Fn(&ScheduleInfo) -> bool) -> ScheduleInfo {
    loop {
        let info = scheduled.info().await.unwrap();
        if is_so(&info) {
            return info;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// All runs that a schedule has started, the last one first.
async fn runs(board: &Callboard, name: &str) -> Vec<RunInfo> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let asked = board.runs().label("schedule", name).limit(1_000);
        let page = if let Some(after) = after { asked.after(after) } else { asked }.await.unwrap();
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

fn later(at: Millis, by: Duration, times: u32) -> Millis {
    at.after(by * times)
}

#[tokio::test(start_paused = true)]
async fn it_starts_a_run_at_each_moment_and_says_how_it_stands() {
    let (board, tally) = simple().await;
    let tick = board.schedule("tick", Schedule::every(MINUTE), to("tick")).await.unwrap();
    let set = tick.info().await.unwrap();
    assert_eq!(
        (&*set.name, &*set.when, &*set.workflow, set.status),
        ("tick", "every 1m", "one", ScheduleStatus::Active)
    );
    assert_eq!((set.next_due, set.last_due, set.fired), (Some(later(set.set_at, MINUTE, 1)), None, 0));
    let info = until(&tick, |info| info.fired == 3).await;
    assert_eq!(info.last_due, Some(later(set.set_at, MINUTE, 3)));
    assert_eq!(info.next_due, Some(later(set.set_at, MINUTE, 4)));
    let runs = runs(&board, "tick").await;
    assert_eq!((runs.len(), runs[0].id), (3, info.last_run.unwrap()));
    for run in &runs {
        assert_eq!(board.run(run.id).outcome().await.unwrap(), RunOutcome::Completed);
    }
    let late = runs[0].submitted_at.since(info.last_due.unwrap());
    assert!(late < Duration::from_millis(100), "it is not late by {late:?}");
    assert_eq!(tally.of("tick"), 3);

    // It is what it is, however often it is said.
    board.schedule("tick", Schedule::every(MINUTE), to("tick")).await.unwrap();
    let all = board.schedules().await.unwrap();
    assert_eq!((all.len(), all[0].set_at), (1, set.set_at));
    let error = board.schedule("tick", Schedule::every(LONG), to("tick")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && full(&error).contains("another time"), "{error:#}");
    let error = board.schedule("tick", Schedule::every(MINUTE), to("tock")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && full(&error).contains("another workflow"), "{error:#}");
    board.schedule("tick", Schedule::every(LONG), to("tock")).replace().await.unwrap();
    let info = until(&tick, |info| info.fired == 4).await;
    assert_eq!(info.last_due, Some(later(info.set_at, LONG, 1)));
    board.run(info.last_run.unwrap()).outcome().await.unwrap();
    assert_eq!(tally.of("tock"), 1);

    tick.remove().await.unwrap();
    tokio::time::sleep(3 * LONG).await;
    assert_eq!((board.schedules().await.unwrap(), tally.of("tock")), (Vec::new(), 1));
    for error in [tick.info().await.map(drop), tick.remove().await, tick.pause("who").await, tick.resume().await] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(tick.fire_now().await.unwrap_err().kind(), ErrorKind::NotFound);
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_comes_once_comes_once_over_restarts_and_late_rather_than_never() {
    let (_, store) = store();
    let (gate, tally) = (Gate::shut(), Tally::default());
    #[expect(clippy::disallowed_methods, reason = "a moment of the wall clock is what is asked for")]
    let past = SystemTime::now() - LONG;
    let mut finished = None;
    for life in 0..3 {
        let board = start(&store, &gate, &tally, |settings| settings.snapshot_events = 5).await;
        let once = board.schedule("once", Schedule::after(LONG), to("once")).await.unwrap();
        let past = board.schedule("past", Schedule::at(past).catch_up(CatchUp::Skip), to("past")).await.unwrap();
        for scheduled in [&once, &past] {
            let info = until(scheduled, |info| info.status == ScheduleStatus::Finished).await;
            assert_eq!((info.fired, info.next_due), (1, None), "life {life}");
            board.run(info.last_run.unwrap()).outcome().await.unwrap();
        }
        let infos = board.schedules().await.unwrap();
        let told: Vec<_> = infos.iter().map(|info| (info.name.clone(), info.last_run, info.last_due)).collect();
        assert_eq!(finished.get_or_insert(told.clone()), &told, "life {life}");
        assert_eq!(infos[0].last_due, Some(later(infos[0].set_at, LONG, 1)));
        assert!(infos[1].when.starts_with("at 20") && infos[1].last_due < Some(infos[1].set_at), "{}", infos[1].when);
        tokio::time::sleep(LONG).await;
        board.shutdown().await.unwrap();
    }
    assert_eq!((tally.of("once"), tally.of("past")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_open_is_waited_for_or_cancelled_or_left_alone() {
    let (_, store) = store();
    let (gate, tally) = (Gate::shut(), Tally::default());
    let board = start(&store, &gate, &tally, |_| {}).await;
    let every = || Schedule::every(MINUTE);
    let skip = board.schedule("skip", every(), to("hold skip")).await.unwrap();
    let queue = board.schedule("queue", every().overlap(Overlap::Queue), to("hold queue")).await.unwrap();
    let cancel = board.schedule("cancel", every().overlap(Overlap::CancelPrevious), to("hold cancel")).await.unwrap();
    let allow = board.schedule("allow", every().overlap(Overlap::Allow), to("hold allow")).await.unwrap();
    for scheduled in [&skip, &queue, &cancel, &allow] {
        until(scheduled, |info| info.fired + info.overlapped + u64::from(info.queued.is_some()) >= 3).await;
    }
    let told = |info: ScheduleInfo| (info.fired, info.skipped(), info.queued.is_some(), info.open_runs.len());
    assert_eq!(told(skip.info().await.unwrap()), (1, 2, false, 1));
    assert_eq!(told(queue.info().await.unwrap()), (1, 1, true, 1));
    assert_eq!(told(cancel.info().await.unwrap()), (3, 0, false, 1));
    assert_eq!(told(allow.info().await.unwrap()), (3, 0, false, 3));
    let statuses: Vec<RunStatus> = runs(&board, "cancel").await.iter().map(|run| run.status).collect();
    assert_eq!(statuses, [RunStatus::Running, RunStatus::Cancelled, RunStatus::Cancelled]);

    // What waits in the queue survives a restart, and starts at once when the run before it ends.
    let waits = queue.info().await.unwrap().queued;
    board.shutdown().await.unwrap();
    drop((skip, queue, cancel, allow, board));
    let board = start(&store, &gate, &tally, |_| {}).await;
    let queue = board.scheduled("queue");
    assert_eq!(queue.info().await.unwrap().queued, waits);
    let now = tokio::time::Instant::now();
    gate.open();
    let info = until(&queue, |info| info.fired == 2).await;
    assert_eq!((info.last_due, info.queued), (waits, None));
    assert!(now.elapsed() < Duration::from_secs(10), "{:?}", now.elapsed());
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_paused_schedule_starts_nothing_and_catches_up_as_it_is_told() {
    let (_, store) = store();
    let (gate, tally) = (Gate::shut(), Tally::default());
    let board = start(&store, &gate, &tally, |_| {}).await;
    let every = |catch_up| Schedule::every(MINUTE).overlap(Overlap::Allow).catch_up(catch_up);
    for (name, catch_up) in [("skip", CatchUp::Skip), ("last", CatchUp::Last), ("all", CatchUp::All)] {
        let scheduled = board.schedule(name, every(catch_up), to(name)).await.unwrap();
        scheduled.pause("for now").await.unwrap();
        scheduled.pause("again").await.unwrap();
    }
    let once = board.schedule("once", Schedule::after(MINUTE), to("once")).await.unwrap();
    once.pause("for now").await.unwrap();
    tokio::time::sleep(10 * MINUTE + MINUTE / 2).await;
    board.shutdown().await.unwrap();
    drop((once, board));
    let board = start(&store, &gate, &tally, |_| {}).await;
    let info = board.scheduled("all").info().await.unwrap();
    assert_eq!((info.status, info.reason.as_deref(), info.fired), (ScheduleStatus::Paused, Some("for now"), 0));
    assert!(tally.all().is_empty());
    // The clock of this life begins with the last event of the one before, so ten minutes have to pass again.
    tokio::time::sleep(10 * MINUTE + MINUTE / 2).await;
    for name in ["skip", "last", "all", "once"] {
        board.scheduled(name).resume().await.unwrap();
        board.scheduled(name).resume().await.unwrap();
    }
    let told = |info: ScheduleInfo| (info.fired, info.missed);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(told(board.scheduled("skip").info().await.unwrap()), (0, 10));
    assert_eq!(told(board.scheduled("last").info().await.unwrap()), (1, 9));
    assert_eq!(told(board.scheduled("all").info().await.unwrap()), (10, 0));
    assert_eq!(told(board.scheduled("once").info().await.unwrap()), (1, 0));
    assert_eq!(runs(&board, "all").await.len(), 10);
    let info = until(&board.scheduled("skip"), |info| info.fired == 1).await;
    assert_eq!(info.last_due, Some(later(info.set_at, MINUTE, 11)), "from then on it goes on");
    board.shutdown().await.unwrap();
}

/// Nobody can append, so the partition is down for a while; then it catches up.
#[tokio::test(start_paused = true)]
async fn what_was_missed_while_the_store_was_away_is_caught_up_with() {
    for (catch_up, fired, missed) in [(CatchUp::Skip, 2, 18), (CatchUp::Last, 2, 18), (CatchUp::All, 20, 0)] {
        let (faults, store) = store();
        let tally = Tally::default();
        let board = start(&store, &Gate::shut(), &tally, |_| {}).await;
        let schedule = Schedule::every(MINUTE).overlap(Overlap::Allow).catch_up(catch_up);
        let tick = board.schedule("tick", schedule, to("tick")).await.unwrap();
        until(&tick, |info| info.fired == 1).await;
        faults.always(Operation::Create, LOG, Fault::Refuse);
        tokio::time::sleep(19 * MINUTE).await;
        faults.calm();
        let info = until(&tick, |info| info.fired + info.missed >= 20).await;
        assert_eq!((info.fired, info.missed), (fired, missed), "{catch_up:?}");
        assert_eq!(runs(&board, "tick").await.len() as u64, info.fired);
        board.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn it_can_be_fired_by_hand() {
    let (_, store) = store();
    let (gate, tally) = (Gate::shut(), Tally::default());
    let board = start(&store, &gate, &tally, |settings| settings.partitions = 5).await;
    for name in ["a", "b", "c", "d", "e"] {
        let scheduled = board.schedule(name, Schedule::every(LONG), to("hold")).await.unwrap();
        let run = scheduled.fire_now().await.unwrap();
        let error = scheduled.fire_now().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Conflict && full(&error).contains("still open"), "{error:#}");
        let info = scheduled.info().await.unwrap();
        assert_eq!((info.last_run, info.fired, &info.open_runs), (Some(run.id()), 1, &vec![run.id()]));
        assert_eq!(info.next_due, Some(later(info.set_at, LONG, 1)), "its moments stay as they are");
        assert_eq!(run.info().await.unwrap().labels["schedule"], name);
    }
    gate.open();
    let info = until(&board.scheduled("c"), |info| info.fired == 2).await;
    assert_eq!(info.last_due, Some(later(info.set_at, LONG, 1)));
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_scheduled_is_refused_and_says_why() {
    let (board, _) = simple().await;
    let refused = async |name: &str, schedule, workflow| {
        let error = board.schedule(name, schedule, workflow).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:#}");
        full(&error)
    };
    let every = || Schedule::every(MINUTE);
    let error = refused("", every(), to("x")).await;
    assert!(error.contains("1 to 128 bytes, not 0"), "{error}");
    let error = refused(&"n".repeat(129), every(), to("x")).await;
    assert!(error.contains("1 to 128 bytes, not 129"), "{error}");
    let error = refused("x", Schedule::every(Duration::ZERO), to("x")).await;
    assert!(error.contains("every 1 ms"), "{error}");
    let error = refused("x", Schedule::cron("* * * *"), to("x")).await;
    assert!(error.contains("\"* * * *\" can not be read"), "{error}");
    let error = refused("x", Schedule::cron("0 0 30 2 *"), to("x")).await;
    assert!(error.contains("never comes due"), "{error}");
    let error = refused("x", Schedule::cron("0 3 * * *").zone("Europe/Berln"), to("x")).await;
    assert!(error.contains("did you mean \"Europe/Berlin\"?"), "{error}");
    let error = refused("x", every(), Workflow::new("empty")).await;
    assert!(error.contains("fault"), "{error}");
    let error = refused("x", every(), to("x").label("schedule", "mine")).await;
    assert!(error.contains("\"schedule\""), "{error}");
    let misfit = Workflow::new("misfit");
    let _ = misfit.task_json("it", Act::CAPABILITY, callboard::Json::parse("{\"what\":7}").unwrap());
    let error = refused("x", every(), misfit).await;
    assert!(error.contains("what"), "{error}");
    assert_eq!(board.schedules().await.unwrap(), []);
    let scheduled = board.schedule("x", every(), to("x")).await.unwrap();
    let reason = "r".repeat(5_000);
    assert_eq!(scheduled.pause(reason).await.unwrap_err().kind(), ErrorKind::Invalid);
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cron_expression_comes_due_by_the_clocks_of_its_zone() {
    let (board, tally) = simple().await;
    let schedule = Schedule::cron("*/15 * * * *").zone("Asia/Kathmandu"); // 5:45 hours ahead of UTC
    let quarter = board.schedule("quarter", schedule, to("quarter")).await.unwrap();
    let info = quarter.info().await.unwrap();
    assert_eq!(info.when, "cron */15 * * * * in Asia/Kathmandu");
    assert_eq!(info.zone.as_deref(), Some("Asia/Kathmandu"));
    let next = info.next_due.unwrap();
    assert!(next.0 % 900_000 == 0 && next.since(info.set_at) <= 15 * MINUTE, "{info:?}");
    let info = until(&quarter, |info| info.fired == 3).await;
    assert_eq!((info.last_due, info.missed), (Some(later(next, 15 * MINUTE, 2)), 0));
    board.run(info.last_run.unwrap()).outcome().await.unwrap();
    assert_eq!(tally.of("quarter"), 3);
    board.shutdown().await.unwrap();
}

/// The caller hears of a lost answer only if that lasts; whatever is said twice is done once.
#[tokio::test(start_paused = true)]
async fn lost_answers_are_settled_and_nothing_is_done_twice() {
    for fault in [Fault::LoseRequest, Fault::LoseAnswer, Fault::Late, Fault::Twice, Fault::Exists] {
        let (faults, store) = store();
        let board = start(&store, &Gate::shut(), &Tally::default(), |_| {}).await;
        let lose = || faults.script(Operation::Create, LOG, [fault]);
        lose();
        let tick = board.schedule("tick", Schedule::every(LONG), to("tick")).await.unwrap();
        lose();
        tick.pause("once").await.unwrap();
        lose();
        tick.resume().await.unwrap();
        lose();
        let run = tick.fire_now().await.unwrap();
        run.outcome().await.unwrap();
        lose();
        until(&tick, |info| info.fired == 2).await;
        assert_eq!(runs(&board, "tick").await.len(), 2, "{fault:?}");
        lose();
        tick.remove().await.unwrap();
        faults.release_all().await;
        assert_eq!(board.schedules().await.unwrap(), [], "{fault:?}");
        board.shutdown().await.unwrap();
    }
}

/// A refused append did not happen: the caller is told, and it does not happen later.
#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_is_not_set() {
    let (faults, store) = store();
    let board = start(&store, &Gate::shut(), &Tally::default(), |_| {}).await;
    faults.fill_disk();
    let error = board.schedule("tick", Schedule::every(MINUTE), to("tick")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:#}");
    faults.free_disk();
    tokio::time::sleep(LONG).await;
    assert_eq!(board.schedules().await.unwrap(), []);
    board.shutdown().await.unwrap();
}

/// A partition that is full starts nothing, says so, and starts it when there is room.
#[tokio::test(start_paused = true)]
async fn a_full_partition_starts_what_is_due_when_there_is_room() {
    let (_, store) = store();
    let gate = Gate::shut();
    let full: fn(&mut callboard::Settings) = |settings| {
        settings.live_tasks_max = 1;
        settings.graph_tasks_max = 1;
    };
    let board = start(&store, &gate, &Tally::default(), full).await;
    let tick = board.schedule("tick", Schedule::after(MINUTE), to("tick")).await.unwrap();
    let held = board.start(to("hold")).await.unwrap();
    let info = until(&tick, |info| info.trouble.is_some()).await;
    assert!(info.trouble.as_deref().is_some_and(|why| why.contains("live_tasks_max")), "{info:?}");
    tokio::time::sleep(LONG).await;
    assert_eq!(tick.info().await.unwrap().fired, 0);
    gate.open();
    held.outcome().await.unwrap();
    let info = until(&tick, |info| info.fired == 1).await;
    assert_eq!((info.trouble, info.last_due), (None, Some(later(info.set_at, MINUTE, 1))));
    board.shutdown().await.unwrap();
}

/// While the store hangs, what is due waits outside of memory: schedules ask for no room in an inbox.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_not_buried_under_what_is_due() {
    let (faults, store) = store();
    let board = start(&store, &Gate::shut(), &Tally::default(), |_| {}).await;
    let schedule = || Schedule::every(Duration::from_secs(1)).overlap(Overlap::Allow);
    let tick = board.schedule("tick", schedule(), to(&"x".repeat(200_000))).await.unwrap();
    until(&tick, |info| info.fired >= 1).await;
    faults.always(Operation::Create, LOG, Fault::Hang);
    tokio::time::sleep(LONG).await;
    faults.calm();
    faults.release_all().await;
    let info = until(&tick, |info| info.missed > 0).await;
    assert!((20..60).contains(&info.fired), "{} of {LONG:?} in a batch of 4 MiB", info.fired);
    assert!(info.fired + info.missed >= LONG.as_secs() && info.fired + info.missed < LONG.as_secs() + 60, "{info:?}");
    board.shutdown().await.unwrap();
}

/// What is known over the lives of a node.
#[derive(Default)]
struct Known {
    runs: BTreeSet<RunId>,
}

fn small(settings: &mut callboard::Settings) {
    settings.partitions = 2;
    settings.snapshot_events = 7;
    settings.closed_max = 1;
    settings.garbage_late = Duration::from_secs(4);
}

const NAMES: [&str; 3] = ["all", "queue", "late"];

fn scheduled(name: &str) -> Schedule {
    let every = Schedule::every(Duration::from_secs(7)).catch_up(CatchUp::All);
    match name {
        "all" => every.overlap(Overlap::Allow),
        "queue" => every.overlap(Overlap::Queue),
        _ => Schedule::after(Duration::from_secs(60)),
    }
}

/// One life: sets what it wants to be there, and watches it until each has fired so often, or until it dies.
async fn live(store: Arc<dyn Store>, fired: u64, known: &Mutex<Known>) {
    let builder = acting(Callboard::dev().store(store).settings(small), 4, |_, what| async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(what)
    });
    let Ok(board) = builder.start().await else { return };
    for name in NAMES {
        board.schedule(name, scheduled(name), to(name).timeout(100 * LONG)).await.unwrap();
    }
    loop {
        for name in NAMES {
            let seen = runs(&board, name).await;
            known.lock().unwrap().runs.extend(seen.iter().map(|run| run.id));
        }
        let infos = board.schedules().await.unwrap();
        if infos.iter().all(|info| info.fired >= fired || info.status == ScheduleStatus::Finished) {
            return board.shutdown().await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn in_tokio<T>(what: impl Future<Output = T>) -> T {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio.block_on(what)
}

/// However often it dies, and wherever: the moments and the runs are the same number, one for one.
#[test]
fn each_moment_fires_exactly_once_over_a_hundred_deaths() {
    let seeds = std::env::var("TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(2).min(200);
    for seed in 0..seeds {
        let (objects, known) = (MemoryStore::new(), Mutex::new(Known::default()));
        let mut random = (seed + 1_u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below) as usize
        };
        for _ in 0..100 {
            let store = Mortal::new(&objects, 30 + next(120), next(2) == 0);
            let dead = store.dead();
            in_tokio(async {
                tokio::select! {
                    () = dead.notified() => {}
                    () = live(Arc::new(store), u64::MAX, &known) => {}
                }
            });
        }
        in_tokio(async {
            live(Arc::new(objects.clone()), 20, &known).await;
            let store: Arc<dyn Store> = Arc::new(objects.clone());
            let board = Callboard::dev().store(store).settings(small).start().await.unwrap();
            for name in NAMES {
                let scheduled = board.scheduled(name);
                let (info, runs) = (scheduled.info().await.unwrap(), runs(&board, name).await);
                let ids: BTreeSet<RunId> = runs.iter().map(|run| run.id).collect();
                assert_eq!((runs.len(), ids.len()), (info.fired as usize, runs.len()), "seed {seed}, {name}");
                assert_eq!(info.skipped(), 0, "seed {seed}, {name}: {info:?}");
                let moments = match name {
                    "late" => 1,
                    _ => info.last_due.unwrap().since(info.set_at).as_secs() / 7,
                };
                assert_eq!(info.fired, moments, "seed {seed}, {name}: {info:?}");
                let mut known = known.lock().unwrap();
                known.runs.retain(|run| !ids.contains(run));
            }
            assert_eq!(known.lock().unwrap().runs, BTreeSet::new(), "seed {seed}: what was told once is there");
            board.shutdown().await.unwrap();
        });
    }
}

/// Ten thousand schedules are set, found again by the next life, told in order, and fire in time.
#[tokio::test(start_paused = true)]
#[ignore = "ten thousand runs take a while without optimisation"]
async fn ten_thousand_schedules_are_no_burden() {
    let (_, store) = store();
    let (gate, tally) = (Gate::shut(), Tally::default());
    let board = start(&store, &gate, &tally, |_| {}).await;
    let set = (0..10_000).map(|n| board.schedule(format!("s{n:05}"), Schedule::after(LONG), to("x")).into_future());
    for set in futures::future::join_all(set).await {
        set.unwrap();
    }
    let error = board.schedule("one more", Schedule::every(LONG), to("x")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && full(&error).contains("at most 10000"), "{error:#}");
    board.shutdown().await.unwrap();
    drop(board);
    let board = start(&store, &gate, &tally, |_| {}).await;
    let all = board.schedules().await.unwrap();
    assert_eq!((all.len(), &*all[0].name, &*all[9_999].name), (10_000, "s00000", "s09999"));
    let all_fired = || async { board.schedules().await.unwrap().iter().all(|info| info.fired == 1) };
    while !all_fired().await {
        tokio::time::sleep(MINUTE / 6).await;
    }
    for run in runs(&board, "s05000").await {
        let due = board.scheduled("s05000").info().await.unwrap().last_due.unwrap();
        assert!(run.submitted_at.since(due) < Duration::from_secs(1), "{run:?}");
    }
    board.shutdown().await.unwrap();
}
