//! Tests under shuttle: one thread that is switched where it may be switched, by chance that can be repeated.
//!
//! Each test runs as many schedules as `TEST_SCHEDULES` says, half of them with switches anywhere and half with few
//! switches at chosen places (PCT: Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding
//! Bugs", 2010), from the seed `SHUTTLE_RANDOM_SEED`. What fails prints its schedule. A schedule in which everybody waits
//! fails too, so a lost wake-up does.

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const SEED: u64 = 2026;
/// Schedules of each test, unless `TEST_SCHEDULES` says otherwise.
const SCHEDULES: usize = 1_000;
/// Chosen switches in a schedule: few are enough for nearly all bugs, by the paper.
const DEPTH: usize = 3;
/// Of each thread: futures of a debug build are deep.
const STACK_BYTES: usize = 512 << 10;

thread_local! {
    /// The clock and the actors of the test that shuttle runs on this thread; they move only when they are told to.
    static TOKIO: RefCell<Option<Rc<Runtime>>> = const { RefCell::new(None) };
}

/// Says that shuttle runs on this thread, until it is dropped.
struct Scheduled;

impl Scheduled {
    fn begin(tokio: &Rc<Runtime>) -> Self {
        TOKIO.set(Some(tokio.clone()));
        Self
    }
}

impl Drop for Scheduled {
    fn drop(&mut self) {
        TOKIO.take();
    }
}

/// Whether the caller runs under shuttle.
pub(super) fn is_scheduled() -> bool {
    TOKIO.with_borrow(Option::is_some)
}

/// Lets shuttle go on with somebody else, if it runs.
pub(crate) fn others_go_on() {
    if is_scheduled() {
        shuttle::thread::yield_now();
    }
}

/// Runs `test` under many schedules.
pub(crate) fn check(test: impl Fn() + Send + Sync + Copy + 'static) {
    let told = std::env::var("TEST_SCHEDULES").ok().map(|told| told.parse().expect("TEST_SCHEDULES is a number"));
    let half = told.unwrap_or(SCHEDULES).div_ceil(2);
    let tokio = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let tokio = Rc::new(tokio);
    let _context = tokio.enter();
    let _scheduled = Scheduled::begin(&tokio);
    let config = || {
        let mut config = Config::new();
        config.stack_size = STACK_BYTES;
        config
    };
    Runner::new(RandomScheduler::new_from_seed(SEED, half), config()).run(test);
    Runner::new(PctScheduler::new_from_seed(SEED, DEPTH, half), config()).run(test);
}

/// Waits for what needs the timers and actors of tokio, and nothing that shuttle switches at, in one step.
pub(crate) fn in_one_step<T>(what: impl Future<Output = T>) -> T {
    let tokio = TOKIO.with_borrow(|tokio| tokio.clone()).expect("a test under shuttle");
    tokio.block_on(what)
}

/// Lets time pass, in one step.
pub(crate) fn passes(time: Duration) {
    in_one_step(tokio::time::advance(time));
}
