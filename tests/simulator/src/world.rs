//! What the processes of a simulation share: a store, a bus and a directory, on a machine with a clock of its own.
//!
//! Processes reach them over a [`Link`]: what is asked for is done in the world's time, after a while, and answered after
//! another while. It is done even if the process that has asked is dead by then, as with any network.

use crate::ledger::Ledger;
use crate::log::Log;
use crate::random::Random;
use crate::remote::Remote;
use callboard::port::bus::memory::MemoryBus;
use callboard::port::directory::memory::MemoryDirectory;
use futures::future::BoxFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

/// What is to be done in the world.
type Deed = BoxFuture<'static, ()>;

/// The world outside the processes.
pub struct World {
    tokio: Runtime,
    began: Instant,
    deeds: mpsc::UnboundedReceiver<Deed>,
    ask: mpsc::UnboundedSender<Deed>,
    /// The longest that a request or an answer is under way.
    latency_ms: u64,
    log: Log,
    /// Where processes keep what is durable.
    pub store: Ledger,
    /// What carries their messages.
    pub bus: MemoryBus,
    /// Where they find one another.
    pub directory: Arc<MemoryDirectory>,
}

impl World {
    /// A world with nothing in it.
    pub fn new(latency_ms: u64, chance: u64, log: Log) -> Self {
        let tokio = paused(chance);
        let (ask, deeds) = mpsc::unbounded_channel();
        let began = tokio.block_on(async { Instant::now() });
        let (store, bus, directory) = (Ledger::default(), MemoryBus::new(), Arc::default());
        Self { tokio, began, deeds, ask, latency_ms, log, store, bus, directory }
    }

    /// A line from a process to everything outside it.
    pub fn link(&self, name: &str, chance: Random) -> Link {
        Link {
            name: name.into(),
            ask: self.ask.clone(),
            chance: Arc::new(Mutex::new(chance)),
            latency_ms: self.latency_ms,
            log: self.log.clone(),
        }
    }

    /// The ports of a process, with faults on order.
    pub fn remote(&self, name: &str, chance: Random) -> Remote {
        Remote::new(self, self.link(name, chance))
    }

    /// Lets time pass until `at`, counted from the beginning.
    #[expect(clippy::disallowed_methods, reason = "what is done in the world ends with the world")]
    pub fn play(&mut self, at: Duration) {
        let until = self.began + at;
        let deeds = &mut self.deeds;
        self.tokio.block_on(async {
            while let Ok(deed) = deeds.try_recv() {
                tokio::spawn(deed);
            }
            sleep_until(until).await;
        });
    }

    /// Does something at once.
    pub fn now<R>(&self, work: impl Future<Output = R>) -> R {
        self.tokio.block_on(work)
    }
}

/// A runtime whose time passes only when it is told to.
///
/// Tokio wakes those who wait for the same thing in an order drawn by chance. Only a build with `--cfg tokio_unstable` can
/// say where that comes from, so only there the same seed gives the same history to the last line.
pub fn paused(chance: u64) -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&chance.to_be_bytes()));
    let _only_there = chance;
    builder.enable_time().start_paused(true).build().expect("a runtime without I/O needs nothing of the system")
}

/// A line from one process to the world.
#[derive(Clone)]
pub struct Link {
    name: Arc<str>,
    ask: mpsc::UnboundedSender<Deed>,
    chance: Arc<Mutex<Random>>,
    latency_ms: u64,
    log: Log,
}

impl Link {
    /// Has something done in the world, and waits for the answer.
    pub fn ask<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> String,
        work: impl Future<Output = T> + Send + 'static,
    ) -> BoxFuture<'static, T> {
        let (there, back) = (self.delay(), self.delay());
        let (reply, answer) = oneshot::channel();
        let (log, name, what) = (self.log.clone(), self.name.clone(), what());
        let _the_world_has_ended = self.ask.send(Box::pin(async move {
            sleep(there).await;
            let result = work.await;
            log.note(|| format!("{name} {what}"));
            sleep(back).await;
            let _nobody_waits = reply.send(result);
        }));
        Box::pin(async move {
            match answer.await {
                Ok(result) => result,
                Err(_) => std::future::pending().await,
            }
        })
    }

    /// Has something done in the world for which nobody waits.
    pub fn leave(&self, work: impl Future<Output = ()> + Send + 'static) {
        let _the_world_has_ended = self.ask.send(Box::pin(work));
    }

    /// How long something is under way.
    pub fn delay(&self) -> Duration {
        self.chance.lock().map_or(Duration::ZERO, |mut chance| chance.millis(self.latency_ms))
    }

    /// What is written down of everything that happens.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The name of the process.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}
