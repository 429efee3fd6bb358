//! One process of the cluster: a node on a runtime of its own, which a crash drops.

use crate::deeds::Deeds;
use crate::papers::{Minutes, merging};
use crate::program::employed;
use crate::random::Random;
use crate::remote::Remote;
use crate::world::{World, paused};
use callboard::port::bus::fault::Cut;
use callboard::port::store::MemoryStore;
use callboard::port::store::fault::{Fault, Operation};
use callboard::prelude::*;
use callboard::testing::Source;
use callboard::{Builder, Limit, Settings};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Everything that is asked of a store.
const OF_THE_STORE: [Operation; 4] = [Operation::Create, Operation::Get, Operation::List, Operation::Delete];

/// What a process is made of, in every life.
#[derive(Clone)]
pub struct Make {
    /// Its settings.
    pub settings: Settings,
    /// How many instances perform programs; none is a node without agents.
    pub instances: usize,
    /// How many programs may be performed at a time, over all processes.
    pub limit: Option<u32>,
    /// Where it spools; it outlives the process.
    pub spool: MemoryStore,
    /// Where it is taken down what it merges.
    pub minutes: Minutes,
    /// Whether it owns no partitions.
    pub is_client: bool,
    /// How fast its clock is, in millionths of what it should be.
    pub clock_ppm: u64,
}

/// How a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It has not started yet.
    Starts,
    /// It is up.
    Up,
    /// It has ended by itself, or did not start.
    Ended(String),
}

/// A process that lives.
pub struct Process {
    /// Its name, another in each life.
    pub name: String,
    /// Its ports, to break.
    pub remote: Remote,
    /// Where ids and the time of day come from.
    source: Source,
    clock_ppm: u64,
    began: Instant,
    /// The world's time at its beginning.
    began_at: Duration,
    /// How much of its own time has passed.
    played: Duration,
    wall_ms: i64,
    condition: Arc<Mutex<(Condition, Option<Callboard>)>>,
    /// Until when it is suspended, in the world's time.
    suspended_until: Option<Duration>,
    /// Last: everything that lives in it is dropped before it.
    tokio: Option<Runtime>,
}

impl Process {
    /// Starts a process, whose wall clock says `wall_ms`.
    pub fn start(
        world: &World,
        at: Duration,
        name: String,
        make: &Make,
        deeds: &Deeds,
        chance: &mut Random,
        wall_ms: i64,
    ) -> Self {
        let (tokio, remote) = (paused(chance.any()), world.remote(&name, chance.split()));
        let began = tokio.block_on(async { Instant::now() });
        let condition = Arc::new(Mutex::new((Condition::Starts, None)));
        let process = Self {
            name,
            remote: remote.clone(),
            source: Source::new(chance.any(), wall_ms),
            clock_ppm: make.clock_ppm,
            began,
            began_at: at,
            played: Duration::ZERO,
            wall_ms,
            condition: condition.clone(),
            suspended_until: None,
            tokio: Some(tokio),
        };
        let builder = match make.instances {
            0 => node(&remote, make),
            instances => employed(node(&remote, make), instances, deeds),
        };
        let _lives_as_long_as_the_runtime = process.spawn(async move {
            let is = |now| *condition.lock().unwrap_or_else(PoisonError::into_inner) = now;
            match builder.start().await {
                Ok(board) => {
                    is((Condition::Up, Some(board.clone())));
                    board.ended().await;
                    is((Condition::Ended("it has ended".into()), Some(board)));
                }
                Err(error) => is((Condition::Ended(format!("{error:#}")), None)),
            }
        });
        process
    }

    /// Has the process do something.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
        Some(self.tokio.as_ref()?.spawn(work))
    }

    /// Lets the process live until `at`, in the world's time, unless it is suspended.
    pub fn play(&mut self, at: Duration) {
        let was_suspended = match self.suspended_until {
            Some(until) if at < until => return,
            suspended => suspended.is_some(),
        };
        self.suspended_until = None;
        let passed = at.saturating_sub(self.began_at);
        let due = passed * u32::try_from(self.clock_ppm).unwrap_or(1_000_000) / 1_000_000;
        let Some(tokio) = &self.tokio else { return };
        self.source.wall_ms = self.wall_ms + i64::try_from(due.as_millis()).unwrap_or_default();
        let until = self.began + due;
        let leap = due.saturating_sub(self.played);
        self.source.within(|| {
            tokio.block_on(async {
                if was_suspended {
                    // Every timer that was due meanwhile fires now, and none before.
                    tokio::time::advance(leap).await;
                }
                tokio::time::sleep_until(until).await;
            });
        });
        self.played = due;
    }

    /// How it is.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// The runtime that it is, while it is up.
    #[must_use]
    pub fn board(&self) -> Option<Callboard> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Stops it until then, as a suspended machine does; its clock leaps when it goes on.
    pub fn suspend(&mut self, until: Duration) {
        self.suspended_until = Some(until);
    }

    /// Has it go on, if it is suspended.
    pub fn wake(&mut self) {
        self.suspended_until = self.suspended_until.and(Some(Duration::ZERO));
    }

    /// Whether it is suspended.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended_until.is_some()
    }

    /// Has it end in order.
    pub fn stop(&self) {
        if let Some(board) = self.board() {
            let _lives_as_long_as_the_runtime = self.spawn(async move { drop(board.shutdown().await) });
        }
    }

    /// Kills it: whatever it has asked for may still happen, and it hears of nothing any more.
    pub fn crash(mut self) -> String {
        self.end();
        std::mem::take(&mut self.name)
    }

    fn end(&mut self) {
        // The broker notices that the connections are gone.
        self.remote.bus.cut(Cut::Both);
        let Some(tokio) = self.tokio.take() else { return };
        {
            let _within = tokio.enter();
            self.condition.lock().unwrap_or_else(PoisonError::into_inner).1 = None;
        }
        drop(tokio);
    }

    /// Has its store hang, until it heals.
    pub fn hang_store(&self) {
        OF_THE_STORE.into_iter().for_each(|operation| self.remote.store.always(operation, "*", Fault::Hang));
    }

    /// Has its store refuse everything, until it heals.
    pub fn refuse_store(&self) {
        OF_THE_STORE.into_iter().for_each(|operation| self.remote.store.always(operation, "*", Fault::Refuse));
    }

    /// Ends every cut and every order, but for what happens by chance.
    pub fn heal(&self, world: &World) {
        world.now(async {
            self.remote.bus.heal();
            self.remote.directory.heal();
            self.remote.store.free_disk();
        });
    }

    /// Ends everything that spoils what it asks for; what was held up goes on.
    pub fn calm(&self, world: &World) {
        self.heal(world);
        self.remote.store.calm();
        self.remote.bus.faults().calm();
        self.remote.directory.faults().calm();
        let remote = self.remote.clone();
        self.remote.link().leave(async move {
            remote.store.release_all().await;
            remote.bus.faults().release_all().await;
            remote.directory.faults().release_all().await;
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn node(remote: &Remote, make: &Make) -> Builder {
    let settings = make.settings.clone();
    let port = Arc::new(remote.clone());
    let builder = Callboard::dev().store(port.clone()).bus(port.clone()).directory(port);
    let builder = builder.settings(move |is| *is = settings);
    let builder = merging(builder, make.minutes.clone()).spool(Arc::new(make.spool.clone()));
    let builder = match make.limit {
        Some(most) => builder.limit_capability("program", Limit::concurrent(most)),
        None => builder,
    };
    if make.is_client { builder.client() } else { builder }
}
