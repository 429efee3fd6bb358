//! Runs survive whatever dies, at any point.

use super::kit::*;
use bytes::Bytes;
use callboard::port::store::{self, Create, MemoryStore, Store};
use callboard::prelude::*;
use callboard::{RunId, What};
use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// A store whose process dies at a chosen operation, before it or behind it.
pub(super) struct Mortal {
    inner: MemoryStore,
    left: AtomicUsize,
    behind: bool,
    dead: Arc<Notify>,
}

impl Mortal {
    /// Over these objects; it dies at the last of so many operations, with or without its effect.
    pub(super) fn new(objects: &MemoryStore, operations: usize, behind: bool) -> Self {
        Self { inner: objects.clone(), left: operations.into(), behind, dead: Arc::default() }
    }

    /// How many operations are left of so many.
    pub(super) fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    /// Hears of its death.
    pub(super) fn dead(&self) -> Arc<Notify> {
        self.dead.clone()
    }

    /// Whether this operation still takes effect and is still answered.
    fn fate(&self) -> (bool, bool) {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(1)));
        match left.unwrap() {
            0 => (false, false),
            1 => {
                self.dead.notify_one();
                (self.behind, false)
            }
            _ => (true, true),
        }
    }

    fn serve<'a, T: Send + 'a>(
        &'a self,
        effect: impl FnOnce(&'a MemoryStore) -> BoxFuture<'a, Result<T, store::Error>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, store::Error>> {
        let (takes_effect, is_answered) = self.fate();
        async move {
            let answer = if takes_effect { Some(effect(&self.inner).await) } else { None };
            match answer {
                Some(answer) if is_answered => answer,
                _ => std::future::pending().await,
            }
        }
        .boxed()
    }
}

impl Store for Mortal {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, store::Error>> {
        self.serve(move |inner| inner.create(name, bytes))
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, store::Error>> {
        self.serve(move |inner| inner.get(name))
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, store::Error>> {
        self.serve(move |inner| inner.list(prefix, after))
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), store::Error>> {
        self.serve(move |inner| inner.delete(name))
    }
}

/// Layers of tasks, each of which adds what two or three of the layer before it found.
fn layers(depth: usize, width: usize) -> (Workflow, Vec<Node<u64>>) {
    let workflow = Workflow::new("layers");
    let mut all: Vec<Vec<Node<u64>>> = Vec::new();
    for layer in 0..depth {
        let nodes = (0..width).map(|n| {
            let id = format!("{layer}.{n}");
            let parts = match all.last() {
                Some(before) => {
                    let some: Vec<Node<u64>> = (n..n + 2 + n % 2).map(|at| before[at % width].clone()).collect();
                    some.gather()
                }
                None => vec![n as u64].into(),
            };
            workflow.task(id.clone(), Sum { id, parts }).losses(100_000)
        });
        all.push(nodes.collect());
    }
    (workflow, all.concat())
}

/// What `layers` comes to.
fn expected(depth: usize, width: usize) -> Vec<u64> {
    let mut all: Vec<Vec<u64>> = vec![(0..width as u64).map(|n| n + 1).collect()];
    for _ in 1..depth {
        let before = all.last().unwrap();
        let next = (0..width).map(|n| 1 + (n..n + 2 + n % 2).map(|at| before[at % width]).sum::<u64>());
        all.push(next.collect());
    }
    all.concat()
}

fn summing(builder: callboard::Builder, tally: &Tally) -> callboard::Builder {
    let tally = tally.clone();
    builder.task_fn(move |_, task: Sum| {
        let tally = tally.clone();
        async move {
            // An await, so that handlers are cut short as well.
            tokio::time::sleep(Duration::from_millis(10)).await;
            tally.add(&task.id);
            Ok(1 + task.parts.iter().sum::<u64>())
        }
    })
}

fn small(settings: &mut callboard::Settings) {
    settings.partitions = 2;
    settings.snapshot_events = 7;
    settings.closed_max = 1;
    settings.garbage_late = Duration::from_secs(4);
}

/// What is known of the runs across the lives of the node.
#[derive(Default)]
struct Known {
    acknowledged: Vec<RunId>,
    /// The tasks of each run whose results were told, and so recorded.
    recorded: BTreeSet<(RunId, String)>,
}

/// One life: starts what has not been acknowledged, watches all, until the end of all or death.
async fn live(store: Arc<dyn Store>, runs: usize, tally: &Tally, known: &Arc<Mutex<Known>>) {
    let builder = callboard::Callboard::dev().store(store).settings(small);
    let Ok(board) = summing(builder, tally).start().await else { return };
    for n in 0..runs {
        let run = board.start(layers(4, 5).0).key(format!("run {n}")).await.unwrap();
        let mut known = known.lock().unwrap();
        if !known.acknowledged.contains(&run.id()) {
            known.acknowledged.push(run.id());
        }
    }
    let ids = known.lock().unwrap().acknowledged.clone();
    let watch = ids.into_iter().map(|id| {
        let (board, known) = (board.clone(), known.clone());
        async move {
            let mut events = board.run(id).events();
            while let Some(event) = events.next().await {
                if let (What::Completed, Some(task)) = (&event.what, &event.task) {
                    known.lock().unwrap().recorded.insert((id, task.to_string()));
                }
            }
        }
    });
    futures::future::join_all(watch).await;
}

/// One life on a tokio of its own, ended at once by the death of the store's process.
fn life(objects: &MemoryStore, operations: usize, behind: bool, tally: &Tally, known: &Arc<Mutex<Known>>) {
    let store = Mortal::new(objects, operations, behind);
    let dead = store.dead();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio.block_on(async {
        tokio::select! {
            () = dead.notified() => {}
            () = live(Arc::new(store), 3, tally, known) => {}
        }
    });
}

#[test]
fn acknowledged_runs_survive_a_hundred_deaths_at_random_points() {
    let seeds = std::env::var("TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3).min(200);
    for seed in 0..seeds {
        many_deaths(seed, 100);
    }
}

fn many_deaths(seed: u64, deaths: usize) {
    let (objects, known) = (MemoryStore::new(), Arc::new(Mutex::new(Known::default())));
    // A task of each run and layer is told apart by nothing but its name, so all runs count together.
    let tally = Tally::default();
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below) as usize
    };
    for death in 0..deaths {
        let before: Vec<_> = known.lock().unwrap().recorded.iter().cloned().collect();
        let names: BTreeSet<&String> = before.iter().map(|(_, task)| task).collect();
        // What all runs have recorded is not computed again.
        let done: Vec<(String, usize)> = names
            .into_iter()
            .filter(|name| before.iter().filter(|(_, task)| task == *name).count() == 3)
            .map(|name| (name.clone(), tally.of(name)))
            .collect();
        life(&objects, 40 + next(120), next(2) == 0, &tally, &known);
        for (name, times) in done {
            assert_eq!(tally.of(&name), times, "seed {seed}, death {death}: {name} was computed again");
        }
    }
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio.block_on(async {
        live(Arc::new(objects.clone()), 3, &tally, &known).await;
        let ids = known.lock().unwrap().acknowledged.clone();
        assert_eq!(ids.len(), 3, "seed {seed}");
        let store: Arc<dyn Store> = Arc::new(objects.clone());
        let board = callboard::Callboard::dev().store(store).settings(small).start().await.unwrap();
        let (_, nodes) = layers(4, 5);
        for id in ids {
            let run = board.run(id);
            assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed, "seed {seed}");
            for (node, expected) in nodes.iter().zip(expected(4, 5)) {
                assert_eq!(run.output(node).await.unwrap(), expected, "seed {seed}, {}", node.name());
            }
            let events: Vec<_> = run.events().collect().await;
            for node in &nodes {
                let completed =
                    events.iter().filter(|e| e.what == What::Completed && e.task.as_deref() == Some(node.name()));
                assert_eq!(completed.count(), 1, "seed {seed}, {}", node.name());
            }
            assert!(events.windows(2).all(|pair| pair[0].position <= pair[1].position));
        }
        board.shutdown().await.unwrap();
    });
}

/// A wall clock that has gone back between two lives must not stop what comes by time.
#[tokio::test(start_paused = true)]
async fn a_clock_that_went_back_between_two_lives_stops_no_timer() {
    let (_, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    // In this life tokio's clock runs an hour ahead of the wall clock, by which the next life starts.
    tokio::time::advance(Duration::from_secs(3_600)).await;
    board.call(echo("a")).await.unwrap();
    board.shutdown().await.unwrap();
    drop(board);

    let builder = acting(on(&store), 1, |ctx, _| async move {
        if ctx.attempt() == 1 { Err(Error::retryable("not yet")) } else { Ok("done".into()) }
    });
    let board = builder.start().await.unwrap();
    let start = tokio::time::Instant::now();
    assert_eq!(board.call(act("")).await.unwrap(), "done");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
