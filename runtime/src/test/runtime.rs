//! A runtime for tests.

use super::builder::TestBuilder;
use super::cut::Line;
use super::handle::TestTask;
use super::history::History;
use super::replay::{self, Replay};
use super::watch::{Counted, Life, Orders, Watch};
use crate::agent::pool::PoolSpec;
use crate::clock::Clock;
use crate::node::{Node, Ports, Stage};
use crate::port::store::MemoryStore;
use crate::{Builder, Callboard, Result, Run, Settings, Task, Workflow};
use callboard_core::{Millis, RunId};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A runtime for tests, in memory and in simulated time. See the [module](super).
///
/// Two tests that do the same see the same: runs are numbered, the clock begins at the same moment, and so the ids of
/// runs, [`Ctx::random`](crate::Ctx::random) and idempotency keys are the same every time.
pub struct TestRuntime(pub(super) Arc<Shared>);

/// What a test's runtime is over all lives of its node.
pub(super) struct Shared {
    settings: Settings,
    /// The agents but for what stubs do, and the stubs.
    pools: Vec<PoolSpec>,
    pub(super) agents: Vec<PoolSpec>,
    stubbed: BTreeSet<Arc<str>>,
    store: MemoryStore,
    pub(super) clock: Clock,
    watch: Arc<Watch>,
    /// The life that goes on; none while the node starts again.
    life: watch::Sender<Option<Alive>>,
    runs: AtomicU64,
    started: Instant,
}

/// One life of the node.
#[derive(Clone)]
pub(super) struct Alive {
    pub(super) number: u64,
    pub(super) board: Callboard,
    line: Line,
    trap: Arc<Life>,
}

/// When every test begins: the first of January 2026, midnight in Greenwich.
const BEGINNING: Millis = Millis(1_767_225_600_000);

impl TestRuntime {
    /// A runtime without agents: say next which there are.
    #[expect(clippy::new_ret_no_self, reason = "a runtime is started, and what there is before that is a builder")]
    pub fn new() -> TestBuilder {
        Self::of(Builder::new(Settings::default(), None))
    }

    /// A runtime with the agents and the settings of `builder`, which may be that of the program itself. Its ports are not
    /// used: there is nothing but memory.
    pub fn of(builder: Builder) -> TestBuilder {
        TestBuilder::new(builder)
    }

    /// The runtime as a program sees it, in the life that goes on. A handle that is kept does not outlive a
    /// [restart](Self::restart).
    ///
    /// # Panics
    ///
    /// While the node starts again.
    pub fn board(&self) -> Callboard {
        let alive = self.0.life.borrow();
        alive.as_ref().expect("the node starts again, and nobody waits for that").board.clone()
    }

    /// The run with this id, in the life that goes on. Panics as [`board`](Self::board) does.
    pub fn run(&self, id: RunId) -> Run {
        self.board().run(id)
    }

    /// Submits a task; its handle survives restarts. Durable when it answers.
    ///
    /// # Errors
    ///
    /// As [`Callboard::start`].
    pub async fn submit<T: Task>(&self, task: T) -> Result<TestTask<T::Output>> {
        let (workflow, node) = Workflow::of_one(task);
        let id = self.start(workflow).await?.id();
        Ok(TestTask::new(self.0.clone(), id, node.target()))
    }

    /// Runs a task and waits for its output, over restarts.
    ///
    /// # Errors
    ///
    /// As [`Callboard::call`].
    pub async fn call<T: Task>(&self, task: T) -> Result<T::Output> {
        self.submit(task).await?.await
    }

    /// Starts a workflow. Durable when it answers. The run is that of the life that goes on: after a restart take it
    /// again, [by its id](Self::run).
    ///
    /// # Errors
    ///
    /// As [`Callboard::start`].
    pub async fn start(&self, workflow: Workflow) -> Result<Run> {
        let id = self.0.next_run();
        self.0.alive().await.board.start(workflow).with_id(id).await
    }

    /// What is recorded of a run by now.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such run.
    pub async fn history(&self, run: RunId) -> Result<History> {
        self.0.history(run).await
    }

    /// Plays a recorded history back to the agents of this runtime, and says how they take it. Nothing is done: no step
    /// runs, no task is asked for, and nothing is sent.
    ///
    /// Each attempt at a task that has recorded anything is played to a new agent's value, without
    /// [`warm_up`](crate::Agent::warm_up), up to where the history ends. Stubs are left out. What a handler does besides its
    /// durable calls it does here, too.
    ///
    /// ```
    /// use callboard::prelude::*;
    /// use callboard::test::{TestRuntime, Verdict};
    ///
    /// #[task(output = u64)] struct Pay { cents: u64 }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # tokio::time::pause();
    /// let old = TestRuntime::new()
    ///     .task_fn(|ctx: Ctx, t: Pay| async move { ctx.step("charge", || async { Ok(t.cents) }).await })
    ///     .start().await;
    /// let task = old.submit(Pay { cents: 700 }).await?;
    /// task.output().await?;
    /// let history = task.history().await?; // `history.save("tests/golden/pay.jsonl")?` keeps it
    /// assert!(old.replay(&history).await.is_fine());
    ///
    /// // A later build has given the step another name: whoever is under way would be charged twice.
    /// let new = TestRuntime::new()
    ///     .task_fn(|ctx: Ctx, t: Pay| async move { ctx.step("charge-card", || async { Ok(t.cents) }).await })
    ///     .start().await;
    /// let replay = new.replay(&history).await;
    /// assert!(matches!(&replay.tasks[0].verdict,
    ///     Verdict::Unrecorded { calls, unasked } if calls == &["step:charge-card"] && unasked == &["step:charge"]));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn replay(&self, history: &History) -> Replay {
        replay::replay(&self.0, history).await
    }

    /// The whole node dies, with nothing finished, handed back or committed, and another one starts on what is durable.
    ///
    /// Every handler is dropped at its await. What had begun is a loss. Whoever waits for a [`TestTask`] goes on waiting.
    /// Takes no simulated time but what the new node's agents need to get ready.
    ///
    /// # Panics
    ///
    /// If the node can not start again.
    pub async fn restart(&self) {
        let Some(alive) = self.0.life.send_replace(None) else { return };
        alive.line.cut();
        alive.trap.ends();
        alive.board.0.die().await;
        let next = self.0.begin(alive.number + 1).await;
        self.0.life.send_replace(Some(next));
    }

    /// How much simulated time has passed since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// First tries and retries of tasks of type `T`, over all runs and restarts. Parking and losses begin an attempt again
    /// and are none of their own.
    pub fn attempts<T: Task>(&self) -> usize {
        self.counted(T::CAPABILITY).attempts
    }

    /// Attempts at tasks of type `T` that were cut short by a crash. They use no retry.
    pub fn losses<T: Task>(&self) -> usize {
        self.counted(T::CAPABILITY).losses
    }

    /// How often a handler of tasks of type `T` began: attempts, and again after each loss and each time it was parked.
    pub fn activations<T: Task>(&self) -> usize {
        self.counted(T::CAPABILITY).activations
    }

    /// How often a task of type `T` was parked: it waited for something durable and held no instance.
    pub fn parked<T: Task>(&self) -> usize {
        self.counted(T::CAPABILITY).parked
    }

    /// The same for a capability by its name.
    pub fn counted(&self, capability: &str) -> Counted {
        self.0.watch.counted(capability)
    }

    /// How often the code of steps and effects of this name ran, in any task and any scope; the tries of a
    /// [`step_retry`](crate::Ctx::step_retry) one by one.
    pub fn step_runs(&self, name: &str) -> usize {
        self.0.watch.step_runs(name)
    }

    /// How many of the crashes that were ordered have happened. A [restart](Self::restart) is none of them.
    pub fn crashes(&self) -> usize {
        self.crash_places().len()
    }

    /// Where they have happened, in order: `"ship before step:tag"`.
    pub fn crash_places(&self) -> Vec<String> {
        self.0.watch.crashes()
    }
}

impl Shared {
    pub(super) async fn start(
        settings: Settings,
        mut agents: Vec<PoolSpec>,
        stubs: Vec<PoolSpec>,
        orders: Orders,
    ) -> Self {
        let capabilities = stubs.iter().flat_map(|stub| &stub.capabilities);
        let stubbed: BTreeSet<Arc<str>> = capabilities.map(|capability| capability.name.clone()).collect();
        agents.iter_mut().for_each(|pool| pool.capabilities.retain(|capability| !stubbed.contains(&capability.name)));
        agents.retain(|pool| !pool.capabilities.is_empty());
        let shared = Self {
            settings,
            pools: agents.iter().cloned().chain(stubs).collect(),
            agents,
            stubbed,
            store: MemoryStore::new(),
            clock: Clock::of_tokio(BEGINNING),
            watch: Arc::new(Watch::new(orders)),
            life: watch::Sender::new(None),
            runs: AtomicU64::new(0),
            started: Instant::now(),
        };
        let first = shared.begin(1).await;
        shared.life.send_replace(Some(first));
        shared
    }

    /// Begins a life.
    async fn begin(&self, number: u64) -> Alive {
        let line = Line::to(&self.store);
        let trap = Arc::new(Life::new(&self.watch));
        let stage = Stage { name: format!("test-{number}").into(), clock: self.clock.clone(), trap: trap.clone() };
        let ports = Ports { store: Some(Arc::new(line.clone())), stage: Some(stage), ..Ports::default() };
        let node = Node::start(self.settings.clone(), ports, self.pools.clone()).await;
        let node = node.unwrap_or_else(|error| panic!("the runtime can not start: {error:#}"));
        Alive { number, board: Callboard(node), line, trap }
    }

    /// The life that goes on, waited for.
    pub(super) async fn alive(&self) -> Alive {
        self.after(0).await
    }

    /// The life behind that of this number.
    pub(super) async fn after(&self, number: u64) -> Alive {
        let mut lives = self.life.subscribe();
        let is_later = |alive: &Option<Alive>| alive.as_ref().is_some_and(|alive| alive.number > number);
        let alive = lives.wait_for(is_later).await.ok().and_then(|alive| alive.clone());
        alive.expect("the sender is ours")
    }

    /// Whether a stub does the tasks of this capability.
    pub(super) fn is_stubbed(&self, capability: &str) -> bool {
        self.stubbed.contains(capability)
    }

    /// Whether the life of this number is over.
    pub(super) fn is_over(&self, number: u64) -> bool {
        self.life.borrow().as_ref().is_none_or(|alive| alive.number > number)
    }

    /// The id of the next run: the same every time.
    fn next_run(&self) -> RunId {
        let number = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        let hash = blake3::derive_key("callboard 2026 run of a test", &number.to_le_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        RunId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl fmt::Debug for TestRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRuntime").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
