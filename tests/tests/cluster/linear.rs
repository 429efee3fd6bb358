//! Documents of several nodes, each with several clients, whose store fails in every way and which are cut off and die: what
//! their clients see is linearizable.

use super::kit::*;
use crate::random::Random;
use callboard::Version;
use callboard::port::store::fault::{Fault, FaultStore, Odds};
use callboard::prelude::*;
use callboard::testing::Source;
use callboard_linear::{Content, Op, Outcome, Recorder, Verdict, What, general, known_order};
use callboard_simulator::world::paused;
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Worlds side by side, each with a store, a tokio and a thread of its own.
const WORLDS: u64 = 4;
const NODES: usize = 3;
/// Of each node.
const CLIENTS: usize = 4;
/// Documents that are used for as long as the world is.
const LASTING: usize = 4;
/// How often each of the others is used: so often that an order can be searched for.
const SMALL: usize = 40;
/// How long a world takes at the longest when nothing goes wrong any more.
const CALM_MAX: Duration = Duration::from_secs(300);

/// `TEST_LINEAR_OPS` operations, 100,000 if it is not said, from the seed `TEST_LINEAR_SEED`.
#[test]
fn a_hundred_thousand_operations_on_documents_are_linearizable() {
    let of = |name: &str, default| std::env::var(name).map_or(default, |said| said.parse().unwrap());
    let (seed, ops) = (of("TEST_LINEAR_SEED", 1), of("TEST_LINEAR_OPS", 100_000));
    println!("TEST_LINEAR_SEED={seed}");
    let sum = std::thread::scope(|scope| {
        let worlds: Vec<_> = (0..WORLDS).map(|n| scope.spawn(move || world(seed * WORLDS + n, ops / WORLDS))).collect();
        let mut sum = Sum::default();
        worlds.into_iter().for_each(|world| sum += world.join().unwrap());
        sum
    });
    println!("{sum:?}");
    assert_eq!(sum.violations, Vec::<String>::new(), "TEST_LINEAR_SEED={seed}");
    assert!(sum.ops as u64 >= ops && sum.gave_up * 20 <= sum.searched, "{sum:?}");
    // What does not happen proves nothing.
    let often = [sum.written, sum.conflicts, sum.refused, sum.unknown, sum.landed, sum.deaths, sum.searched];
    assert!(often.iter().all(|count| *count as u64 * 10_000 >= ops), "{sum:?}");
}

/// What came of some worlds.
#[derive(Debug, Default)]
struct Sum {
    ops: usize,
    documents: usize,
    versions: u64,
    written: usize,
    conflicts: usize,
    refused: usize,
    unknown: usize,
    /// So many of those are there.
    landed: usize,
    deaths: usize,
    faults: u64,
    /// Documents for whose history an order was searched, and those where that took too long.
    searched: usize,
    gave_up: usize,
    violations: Vec<String>,
}

impl AddAssign for Sum {
    fn add_assign(&mut self, mut other: Self) {
        self.ops += other.ops;
        self.documents += other.documents;
        self.versions += other.versions;
        self.written += other.written;
        self.conflicts += other.conflicts;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.landed += other.landed;
        self.deaths += other.deaths;
        self.faults += other.faults;
        self.searched += other.searched;
        self.gave_up += other.gave_up;
        self.violations.append(&mut other.violations);
    }
}

impl Sum {
    fn check(&mut self, key: &str, history: &[Op]) {
        let such = |is: &dyn Fn(&Outcome) -> bool| history.iter().filter(|op| is(&op.outcome)).count();
        self.ops += history.len();
        self.documents += 1;
        self.written += such(&|outcome| matches!(outcome, Outcome::Written { .. }));
        self.conflicts += such(&|outcome| *outcome == Outcome::Conflict);
        self.refused += such(&|outcome| *outcome == Outcome::Refused);
        self.unknown += such(&|outcome| *outcome == Outcome::Unknown);
        match known_order(history) {
            Ok(order) => {
                self.versions += order.newest;
                self.landed += order.landed;
            }
            Err(violation) => self.violations.push(format!("{key}: {violation}")),
        }
        if history.len() <= 2 * SMALL {
            self.searched += 1;
            match general(history) {
                Verdict::Linearizable => {}
                Verdict::Not => self.violations.push(format!("{key}: there is no order of {}", words(history))),
                Verdict::GaveUp => self.gave_up += 1,
            }
        }
    }
}

fn words(history: &[Op]) -> String {
    history.iter().map(|op| format!("\n    {op}")).collect()
}

/// All that follows from a seed, ids included.
fn world(seed: u64, ops: u64) -> Sum {
    let tokio = paused(seed);
    Source::new(seed, 1_767_225_600_000).within(|| tokio.block_on(life(seed, ops)))
}

async fn life(seed: u64, ops: u64) -> Sum {
    let (town, desk, mut random) = (Town::of(1), Arc::new(Desk::of(ops)), Random(seed));
    let mut seats = Vec::new();
    for n in 0..NODES {
        seats.push(Seat::taken(&town, &desk, n, &mut random).await);
    }
    let (mut sum, mut graves) = (Sum::default(), Vec::new());
    while !desk.is_done() {
        sleep(random.millis(500)).await;
        let n = random.below(NODES);
        match random.below(8) {
            0 => {
                sum.deaths += 1;
                let seat = std::mem::replace(&mut seats[n], Seat::taken(&town, &desk, n, &mut random).await);
                sum.faults += seat.node.store.injected_total();
                graves.push(seat.node.store.clone());
                seat.dies(random.once_in(2)).await;
            }
            // Whoever has called does not wait any more: what it wants goes on.
            1 => seats[n].employ(&desk, &mut random),
            2 => seats[n].spoilt(Fault::Refuse, random.millis(3_000), &mut random).await,
            3 => seats[n].spoilt(Fault::Hang, random.millis(3_000), &mut random).await,
            4 => seats[n].spoilt(Fault::LoseRequest, random.millis(10_000), &mut random).await,
            5 => seats[n].spoilt(Fault::LoseAnswer, random.millis(10_000), &mut random).await,
            // What a dead node has asked for takes place by now.
            6 => drop(release_one(&mut graves, &mut random).await),
            _ => {}
        }
    }
    let calm = async {
        for seat in &seats {
            seat.node.heal();
            seat.node.store.release_all().await;
        }
        for seat in &mut seats {
            while let Some(ended) = seat.clients.join_next().await {
                ended.unwrap();
            }
        }
        while release_one(&mut graves, &mut random).await {}
        for (n, seat) in seats.iter().enumerate() {
            desk.look_at_all(&seat.node, &format!("auditor {n}").into()).await;
        }
    };
    tokio::time::timeout(CALM_MAX, calm).await.expect("all clients come to an end");
    for seat in seats {
        sum.faults += seat.node.store.injected_total();
        seat.dies(false).await;
    }
    desk.recorder.histories().iter().for_each(|(key, history)| sum.check(&format!("seed {seed}, {key}"), history));
    sum
}

async fn release_one(graves: &mut Vec<FaultStore>, random: &mut Random) -> bool {
    if graves.is_empty() {
        return false;
    }
    graves.swap_remove(random.below(graves.len())).release_all().await;
    true
}

/// A node and its clients.
struct Seat {
    n: usize,
    node: Mortal,
    clients: JoinSet<()>,
}

impl Seat {
    async fn taken(town: &Town, desk: &Arc<Desk>, n: usize, random: &mut Random) -> Self {
        let node = Mortal::of(town, |builder| {
            builder.settings(|settings| {
                settings.garbage_late = Duration::from_secs(20);
                settings.state.patience = Duration::from_secs(2);
            })
        });
        let mut seat = Self { n, node: node.await, clients: JoinSet::new() };
        seat.odds(random);
        seat.employ(desk, random);
        seat
    }

    /// Has others take the places of its clients, whatever those are at.
    fn employ(&mut self, desk: &Arc<Desk>, random: &mut Random) {
        self.clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let client = Client {
                desk: desk.clone(),
                board: self.node.board.clone(),
                by: format!("client {} of node {}", desk.recorder.now(), self.n).into(),
                random: random.split(),
                known: BTreeMap::new(),
            };
            self.clients.spawn(client.work());
        }
    }

    fn odds(&self, random: &mut Random) {
        let some = 0.01;
        let odds = Odds {
            refuse: some,
            lose_request: some,
            lose_answer: some,
            late: some,
            twice: some,
            exists: some,
            late_operations_max: 200,
            delay_max: Duration::from_millis(20),
        };
        self.node.store.random(random.any(), odds);
    }

    /// Its store does this alone, for a time.
    async fn spoilt(&self, fault: Fault, time: Duration, random: &mut Random) {
        OF_THE_STORE.into_iter().for_each(|operation| self.node.store.always(operation, "*", fault));
        sleep(time).await;
        self.node.store.calm();
        self.node.store.release_all().await;
        self.odds(random);
    }

    /// It is killed: its clients are never answered, and what it has asked for may yet take place. It may be that they hear
    /// of it first.
    async fn dies(self, is_told: bool) {
        let Self { node, clients, .. } = self;
        if is_told {
            node.die().await;
        } else {
            drop(clients);
            node.die().await;
        }
    }
}

/// What all clients of a world have in common.
struct Desk {
    recorder: Recorder,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    left: u64,
    /// How often small documents were used.
    small: usize,
    /// What the recorder's clock said when.
    times: Vec<(Instant, u64)>,
}

impl Desk {
    fn of(ops: u64) -> Self {
        Self { recorder: Recorder::default(), state: Mutex::new(State { left: ops, ..State::default() }) }
    }

    fn is_done(&self) -> bool {
        self.state.lock().unwrap().left == 0
    }

    /// What a client uses next, if there is anything to do.
    fn next(&self, random: &mut Random) -> Option<Arc<str>> {
        let mut state = self.state.lock().unwrap();
        state.left = state.left.checked_sub(1)?;
        state.times.push((Instant::now(), self.recorder.now()));
        if random.once_in(5) {
            state.small += 1;
            return Some(format!("small {}", state.small / SMALL).into());
        }
        Some(format!("lasting {}", random.below(LASTING)).into())
    }

    /// A moment before everything that was done at that time or behind it.
    fn before(&self, time: Instant) -> u64 {
        let state = self.state.lock().unwrap();
        let earlier = state.times.partition_point(|(at, _)| *at < time);
        earlier.checked_sub(1).map_or(0, |last| state.times[last].1)
    }

    /// Reads all documents, when nothing goes wrong.
    async fn look_at_all(&self, board: &Callboard, by: &Arc<str>) {
        for key in self.recorder.histories().into_keys() {
            let call = self.recorder.call(by, &key, What::Read);
            let read = loop {
                // A breaker may be open yet.
                match board.state::<u64>(&key).load().await {
                    Ok(read) => break read,
                    Err(_) => sleep(Duration::from_millis(100)).await,
                }
            };
            self.recorder.answer(call, seen(read));
        }
    }
}

/// Uses one document after the other.
struct Client {
    desk: Arc<Desk>,
    board: Callboard,
    by: Arc<str>,
    random: Random,
    /// The version of each document that it has seen last, and what that says.
    known: BTreeMap<Arc<str>, (u64, Content)>,
}

impl Client {
    async fn work(mut self) {
        while let Some(key) = self.desk.next(&mut self.random) {
            self.use_one(key).await;
            sleep(self.random.millis(20)).await;
        }
    }

    async fn use_one(&mut self, key: Arc<str>) {
        let (recorder, document) = (&self.desk.recorder, self.board.state::<u64>(&key));
        let begin = |what| recorder.call(&self.by, &key, what);
        let (version, saw) = self.known.get(&key).copied().unwrap_or_default();
        let cas = |makes| What::Cas { version, saw, makes };
        let fresh = recorder.now();
        let (call, outcome) = match self.random.below(100) {
            0..4 => return self.remembers(&key).await,
            4..25 => {
                let call = begin(What::Update(Vec::new()));
                let made = document.try_update(|saw| {
                    let makes = recorder.now();
                    recorder.tries(call, saw, Some(makes));
                    Ok(makes)
                });
                (call, outcome(made.await, written))
            }
            25..30 => {
                let (call, mut last) = (begin(What::Read), None);
                let refused = document.try_update(|saw| {
                    last = saw;
                    Err(Error::terminal(NO))
                });
                let error = refused.await.unwrap_err();
                // What it refuses is the newest version.
                match error.message() == NO {
                    true => (call, Outcome::Read { version: None, content: last }),
                    false => (call, outcome::<()>(Err(error), |()| Outcome::Refused)),
                }
            }
            30..45 => {
                let call = begin(cas(Some(fresh)));
                (call, outcome(document.save(&fresh, version).await, numbered))
            }
            45..58 => {
                let call = begin(What::Set(fresh));
                (call, outcome(document.overwrite(&fresh).await, written))
            }
            58..64 if saw.is_some() => {
                let call = begin(cas(None));
                (call, outcome(document.delete(version).await, numbered))
            }
            _ => {
                let call = begin(What::Read);
                (call, outcome(document.load().await, seen))
            }
        };
        match outcome {
            Outcome::Read { version: Some(version), content }
            | Outcome::Written { version, content: Some(content) } => {
                self.known.insert(key, (version, content));
            }
            // Another may have made something else of it within the same version.
            _ => drop(self.known.remove(&key)),
        }
        recorder.answer(call, outcome);
    }

    /// What is remembered is a read that has begun at most as long ago as it says.
    async fn remembers(&self, key: &Arc<str>) {
        let Ok(seen_last) = self.board.state::<u64>(key).remembered().await else { return };
        assert!(seen_last.is_stale || seen_last.age <= Duration::from_secs(1), "{seen_last:?}");
        let began = self.desk.before(Instant::now() - seen_last.age);
        let call = self.desk.recorder.call_at(began, &self.by, key, What::Read);
        self.desk.recorder.answer(call, seen(seen_last.version));
    }
}

/// Why a client changes nothing.
const NO: &str = "no change is wanted";

fn outcome<T>(result: Result<T>, good: impl FnOnce(T) -> Outcome) -> Outcome {
    let kind = |error: Error| match error.kind() {
        ErrorKind::Conflict => Outcome::Conflict,
        ErrorKind::Unknown => Outcome::Unknown,
        ErrorKind::Unavailable => Outcome::Refused,
        _ => panic!("{error:#}"),
    };
    result.map_or_else(kind, good)
}

fn seen(version: Option<Version<u64>>) -> Outcome {
    let (version, content) = (version.as_ref().map(|seen| seen.number), version.as_ref().map(|seen| seen.value));
    Outcome::Read { version, content }
}

fn written(version: Version<u64>) -> Outcome {
    Outcome::Written { version: version.number, content: Some(Some(version.value)) }
}

fn numbered(version: u64) -> Outcome {
    Outcome::Written { version, content: None }
}
