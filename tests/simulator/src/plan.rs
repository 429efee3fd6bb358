//! What a seed draws: a cluster, its settings, what is to go wrong, and what there is to do.
//!
//! Each history has only some kinds of trouble, so that no kind hides another (swarm testing: Groce and others, 2012).
//! Settings are small, so that what is rare in production is common here.

use crate::calls::Calls;
use crate::case::Case;
use crate::hands::Hands;
use crate::letters::Letters;
use crate::matter::Matter;
use crate::papers::{Minutes, Papers};
use crate::past::Past;
use crate::process::Make;
use crate::questions::Questions;
use crate::random::Random;
use crate::repairs::Repairs;
use crate::timetable::Timetable;
use callboard::Settings;
use callboard::port::bus::fault::Odds as BusOdds;
use callboard::port::store::MemoryStore;
use callboard::port::store::fault::Odds as StoreOdds;
use std::sync::Arc;
use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A process is killed.
    Crash,
    /// A process is asked to end.
    Stop,
    /// A process is suspended, and its clock leaps when it goes on.
    Suspend,
    /// A process can not send.
    CutSending,
    /// A process hears nothing.
    CutReceiving,
    /// A process loses the bus.
    CutBus,
    /// A process loses the directory.
    CutDirectory,
    /// A process's store does not answer.
    HangStore,
    /// A process's store refuses everything.
    RefuseStore,
    /// The disk of a process's store is full.
    FillDisk,
    /// The bus forgets everything.
    WipeBus,
    /// The directory forgets everything.
    WipeDirectory,
    /// The directory forgets its leases.
    ForgetLeases,
    /// All processes are killed at once.
    Blackout,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Crash,
        Self::Stop,
        Self::Suspend,
        Self::CutSending,
        Self::CutReceiving,
        Self::CutBus,
        Self::CutDirectory,
        Self::HangStore,
        Self::RefuseStore,
        Self::FillDisk,
        Self::WipeBus,
        Self::WipeDirectory,
        Self::ForgetLeases,
        Self::Blackout,
    ];
}

/// What a history is made of.
pub struct Plan {
    /// The processes.
    pub makes: Vec<Make>,
    /// The longest that anything is under way.
    pub latency_ms: u64,
    /// What goes wrong, and how long after what went wrong before.
    pub troubles: Vec<(Duration, Trouble)>,
    /// What the store does by chance.
    pub store: Option<StoreOdds>,
    /// What the bus does by chance.
    pub bus: Option<BusOdds>,
    /// What the directory does by chance.
    pub directory: Option<BusOdds>,
    /// How far wall clocks are apart, in milliseconds.
    pub skew_ms: i64,
    /// The runs and the schedules, and when each is submitted or set.
    pub matters: Vec<(Duration, Arc<dyn Matter>)>,
    /// How many of them are runs.
    pub runs: usize,
    /// When the name space is copied.
    pub copies: Vec<Duration>,
}

impl Plan {
    /// What this seed draws.
    #[must_use]
    pub fn draw(random: &mut Random) -> Self {
        let nodes = *random.one_of(&[1, 2, 2, 3, 3, 3]);
        let latency_ms = *random.one_of(&[0, 2, 10, 30]);
        let settings = settings(random, latency_ms);
        let drifts = random.once_in(2);
        let has_agents_everywhere = random.once_in(2);
        let minutes = Minutes::default();
        let mut makes: Vec<Make> = (0..nodes)
            .map(|n| Make {
                settings: settings.clone(),
                instances: if n == 0 || has_agents_everywhere { random.between(1, 4) } else { 0 },
                limit: None,
                spool: MemoryStore::new(),
                minutes: minutes.clone(),
                is_client: false,
                clock_ppm: if drifts { 950_000 + random.any() % 100_001 } else { 1_000_000 },
            })
            .collect();
        if random.once_in(4) {
            makes.push(Make { is_client: true, spool: MemoryStore::new(), ..makes[0].clone() });
        }
        let kinds: Vec<Trouble> = Trouble::ALL.into_iter().filter(|_| random.once_in(2)).collect();
        let count = if kinds.is_empty() { 0 } else { random.below(16) };
        let troubles = (0..count).map(|_| (random.millis(900), *random.one_of(&kinds))).collect();
        let odds = |random: &mut Random| [0.0, 0.01, 0.03][random.below(3)];
        let late = 20;
        let store = random.once_in(2).then(|| StoreOdds {
            refuse: odds(random),
            lose_request: odds(random),
            lose_answer: odds(random),
            late: odds(random),
            twice: odds(random),
            exists: odds(random),
            late_operations_max: late,
            delay_max: random.millis(20),
        });
        let soft = |random: &mut Random| BusOdds {
            refuse: odds(random),
            lose_request: odds(random),
            lose_answer: odds(random),
            late: odds(random),
            late_operations_max: late,
            delay_max: random.millis(20),
            ..BusOdds::default()
        };
        let bus = random.once_in(2).then(|| BusOdds {
            duplicate: odds(random),
            reorder: odds(random),
            forget: odds(random),
            ..soft(random)
        });
        let directory = random.once_in(3).then(|| BusOdds { forget: odds(random), ..soft(random) });
        let skew_ms = if random.once_in(2) { 3_600_000 } else { 0 };
        let (runs, most, cancels) = (random.between(1, 8), random.between(1, 6), random.once_in(2));
        let mut at = Duration::ZERO;
        let cases = (0..runs).map(|n| {
            at += random.millis(1_000);
            (at, Arc::new(Case::draw(format!("run {n}"), random, most, cancels)))
        });
        let cases: Vec<_> = cases.collect();
        let mut matters: Vec<(Duration, Arc<dyn Matter>)> =
            cases.iter().map(|(at, case)| (*at, case.clone() as Arc<dyn Matter>)).collect();
        if runs % 3 == 0 {
            let limit = Some(random.between(1, 3) as u32);
            makes.iter_mut().for_each(|make| make.limit = limit);
        }
        let count = if random.once_in(3) { random.between(1, 2) } else { 0 };
        matters.extend((0..count).map(|n| {
            let table = Timetable::draw(format!("table {n}"), random);
            (random.millis(2_000), Arc::new(table) as Arc<dyn Matter>)
        }));
        // Of its own, so that everything else is drawn as if there were no documents.
        let mut paper = Random(random.0 ^ 0xD0C5_5EED);
        if paper.once_in(2) {
            let spools = makes.iter().map(|make| make.spool.clone()).collect();
            for papers in Papers::draw(&mut paper, spools, minutes) {
                matters.push((paper.millis(1_000), Arc::new(papers)));
            }
        }
        let mut calls = Random(random.0 ^ 0xCA11_5EED);
        if calls.once_in(3) {
            let some = Calls::new(calls.between(1, 8) as u64);
            matters.push((calls.millis(1_500), Arc::new(some)));
        }
        let mut letters = Random(random.0 ^ 0x1E77_E125);
        if letters.once_in(3) {
            let some = Letters::draw(&mut letters);
            matters.push((letters.millis(1_500), Arc::new(some)));
        }
        let mut hands = Random(random.0 ^ 0x4A2D_5EED);
        if hands.once_in(4) {
            let some = Hands::draw(&mut hands);
            matters.push((hands.millis(1_500), Arc::new(some)));
        }
        let mut repairs = Random(random.0 ^ 0x4E_9A14);
        if repairs.once_in(4) {
            let some = Repairs::draw("repaired".into(), &mut repairs);
            matters.push((repairs.millis(1_500), Arc::new(some)));
        }
        let mut copies = Random(random.0 ^ 0xC0B1_E5ED);
        let count = if copies.once_in(4) { copies.between(1, 4) } else { 0 };
        let mut copies: Vec<Duration> = (0..count).map(|_| copies.millis(8_000)).collect();
        copies.sort_unstable();
        let others: Vec<_> = matters.iter().map(|(_, matter)| matter.clone()).collect();
        let may_forget = makes[0].settings.history_kept == KEPT;
        let mut asked = Random(random.0 ^ 0x9E57_104E);
        if asked.once_in(3) {
            let cases = cases.into_iter().map(|(_, case)| case).collect();
            let questions = Questions::about(cases, others.clone(), may_forget, &mut asked);
            matters.push((asked.millis(1_000), Arc::new(questions)));
        }
        if may_forget {
            let keys = (0..runs).map(|n| format!("run {n}")).collect();
            let past = Past::of(others, keys, makes[0].settings.history_kept, skew_ms == 0);
            matters.push((Duration::ZERO, Arc::new(past)));
        }
        Self { makes, latency_ms, troubles, store, bus, directory, skew_ms, matters, runs, copies }
    }
}

/// For how long ended runs are kept at least. A history in which they are is played until they are forgotten, which takes as
/// long as ten others.
const KEPT: Duration = Duration::from_secs(60);

/// Small ones, at random.
///
/// A lease, or the life of a node, that is not far longer than a message and its answer take is a fault of whoever sets it.
fn settings(random: &mut Random, latency_ms: u64) -> Settings {
    let mut is = Settings::default();
    let millis = Duration::from_millis;
    let least = millis(80 * latency_ms);
    is.partitions = random.between(1, 4) as u16;
    is.lease = least.max(millis(*random.one_of(&[600, 1_200, 3_000])));
    is.losses_max = 1_000;
    is.node_life = least.max(millis(*random.one_of(&[400, 1_000, 3_000])));
    is.node_heartbeat = is.node_life / 4;
    is.agent_life = is.node_life;
    is.agent_heartbeat = is.node_heartbeat;
    is.tenure_min = millis(*random.one_of(&[0, 300, 2_000]));
    is.drain = millis(*random.one_of(&[50, 500]));
    is.park_after = millis(*random.one_of(&[0, 5, 100]));
    is.cleanup = millis(500);
    is.snapshot_events = *random.one_of(&[3, 10, 50, 500]);
    is.closed_max = *random.one_of(&[0, 1, 5]);
    is.closed_for = millis(*random.one_of(&[0, 500, 60_000]));
    is.garbage_late = millis(*random.one_of(&[1_000, 3_000, 60_000]));
    is.payload_inline_max = *random.one_of(&[8, 200, 65_536]);
    is.retry.base = millis(*random.one_of(&[5, 200]));
    is.retry.cap = millis(1_000);
    is.state.patience = millis(500);
    // Of its own, so that everything else is drawn as if nothing were forgotten.
    let mut past = Random(random.0 ^ 0xF060_77E5);
    if past.once_in(48) && is.closed_for < KEPT {
        is.history_kept = KEPT;
    }
    (is.breaker.failures, is.breaker.open, is.breaker.ramp) = (3, millis(2_000), millis(1_000));
    is
}
