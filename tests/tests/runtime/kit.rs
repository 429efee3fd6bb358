//! What the tests of the runtime share: tasks, stores, boards.

use callboard::port::store::fault::FaultStore;
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::{Builder, Ctx, JournalCounters};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Says what it was given.
#[task(output = String)]
pub(crate) struct Echo {
    pub(crate) text: String,
}

/// Adds one to the sum of its parts.
#[task(output = u64)]
pub(crate) struct Sum {
    pub(crate) id: String,
    pub(crate) parts: In<Vec<u64>>,
}

/// Does what the test has its agent do.
#[task(output = String)]
pub(crate) struct Act {
    pub(crate) what: String,
}

/// Takes the output of another task.
#[task(output = String)]
pub(crate) struct Use {
    pub(crate) text: In<String>,
}

pub(crate) fn echo(text: &str) -> Echo {
    Echo { text: text.into() }
}

pub(crate) fn act(what: &str) -> Act {
    Act { what: what.into() }
}

/// A store in memory, with faults on order.
pub(crate) fn store() -> (FaultStore, Arc<dyn Store>) {
    let faults = FaultStore::new(Arc::new(MemoryStore::new()));
    (faults.clone(), Arc::new(faults))
}

/// A runtime of one partition on `store`.
pub(crate) fn on(store: &Arc<dyn Store>) -> Builder {
    Callboard::dev().store(store.clone()).settings(|settings| settings.partitions = 1)
}

/// The same with an agent that echoes, and one that uses.
pub(crate) fn echoing(builder: Builder) -> Builder {
    builder
        .task_fn(|_, task: Echo| async move { Ok(task.text) })
        .task_fn(|_, task: Use| async move { Ok(format!("used {}", *task.text)) })
}

/// An agent for [`Act`] that does what `f` says.
pub(crate) fn acting<F, R>(builder: Builder, instances: usize, f: F) -> Builder
where
    F: Fn(Ctx, String) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<String>> + Send + 'static,
{
    builder.agents(instances, move || Actor { f: f.clone() })
}

pub(crate) struct Actor<F> {
    pub(crate) f: F,
}

impl<F, R> Agent<Act> for Actor<F>
where
    F: Fn(Ctx, String) -> R + Send + Sync + 'static,
    R: Future<Output = Result<String>> + Send + 'static,
{
    async fn run(&mut self, ctx: &Ctx, task: Act) -> Result<String> {
        (self.f)(ctx.clone(), task.what).await
    }
}

/// A workflow of one task.
pub(crate) fn one<T: Task>(task: T) -> (Workflow, Node<T::Output>) {
    let workflow = Workflow::new("one");
    let node = workflow.task("it", task);
    (workflow, node)
}

/// Counts, and lets a test wait until a count is reached.
#[derive(Clone, Default)]
pub(crate) struct Gauge(Arc<(AtomicUsize, Notify)>);

impl Gauge {
    pub(crate) fn add(&self) -> usize {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.notify_waiters();
        now
    }

    pub(crate) fn get(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    pub(crate) async fn reaches(&self, count: usize) {
        loop {
            let changed = self.0.1.notified();
            if self.get() >= count {
                return;
            }
            changed.await;
        }
    }
}

/// Adds one to a gauge when it is dropped.
pub(crate) struct OnDrop(pub(crate) Gauge);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// How often each thing happened.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<(Mutex<BTreeMap<String, usize>>, Notify)>);

impl Tally {
    pub(crate) fn add(&self, name: &str) {
        *self.0.0.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        self.0.1.notify_waiters();
    }

    /// Waits until a thing has happened so often.
    pub(crate) async fn reaches(&self, name: &str, count: usize) {
        loop {
            let changed = self.0.1.notified();
            if self.of(name) >= count {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn all(&self) -> BTreeMap<String, usize> {
        self.0.0.lock().unwrap().clone()
    }

    pub(crate) fn of(&self, name: &str) -> usize {
        self.0.0.lock().unwrap().get(name).copied().unwrap_or_default()
    }
}

/// Things in the order in which they happened.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A gate that stays shut until it is opened, for all who come.
#[derive(Clone)]
pub(crate) struct Gate(Arc<tokio::sync::watch::Sender<bool>>);

impl Gate {
    pub(crate) fn shut() -> Self {
        Self(Arc::new(tokio::sync::watch::channel(false).0))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn pass(&self) {
        let mut open = self.0.subscribe();
        let _open = open.wait_for(|open| *open).await;
    }
}

/// The error in full.
pub(crate) fn full(error: &Error) -> String {
    format!("{error:#}")
}

/// What the journal did since `before`.
pub(crate) fn since(before: JournalCounters, now: JournalCounters) -> JournalCounters {
    JournalCounters {
        commits: now.commits - before.commits,
        awaited: now.awaited - before.awaited,
        events: now.events - before.events,
        bytes: now.bytes - before.bytes,
    }
}
