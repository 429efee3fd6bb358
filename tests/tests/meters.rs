//! What is counted and logged in this thread while a test runs.

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata, Recorder,
    SharedString, Unit,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::fmt::MakeWriter;

/// The counters that were counted on since it was made, in this thread: of a runtime with one thread, all. And the gauges
/// and the histograms.
#[derive(Clone, Default)]
pub(crate) struct Meters(Arc<Mutex<Read>>);

/// By name and labels.
#[derive(Default)]
struct Read {
    counters: BTreeMap<String, Arc<Cell>>,
    gauges: BTreeMap<String, Arc<Level>>,
    histograms: BTreeMap<String, Arc<Samples>>,
    /// The names, each with those of its labels.
    seen: BTreeSet<(String, Vec<String>)>,
}

#[derive(Default)]
struct Cell(AtomicU64);

#[derive(Default)]
struct Level(Mutex<f64>);

#[derive(Default)]
struct Samples(Mutex<Vec<f64>>);

impl CounterFn for Cell {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }
}

impl GaugeFn for Level {
    fn increment(&self, by: f64) {
        *lock(&self.0) += by;
    }

    fn decrement(&self, by: f64) {
        *lock(&self.0) -= by;
    }

    fn set(&self, value: f64) {
        *lock(&self.0) = value;
    }
}

impl HistogramFn for Samples {
    fn record(&self, value: f64) {
        lock(&self.0).push(value);
    }
}

impl Meters {
    /// Counts from now on until the guard is dropped.
    pub(crate) fn read(&self) -> LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(self)
    }

    /// How often something was counted, or where a gauge stands in whole numbers: its name, and its labels as
    /// `{name=value,..}` in the order in which they are given.
    pub(crate) fn of(&self, name: &str) -> u64 {
        let counted = lock(&self.0).counters.get(name).map(|cell| cell.0.load(Ordering::SeqCst));
        counted.unwrap_or_else(|| self.level(name) as u64)
    }

    /// Where a gauge stands.
    pub(crate) fn level(&self, name: &str) -> f64 {
        lock(&self.0).gauges.get(name).map_or(0.0, |level| *lock(&level.0))
    }

    /// What was recorded in a histogram.
    pub(crate) fn samples(&self, name: &str) -> Vec<f64> {
        lock(&self.0).histograms.get(name).map(|samples| lock(&samples.0).clone()).unwrap_or_default()
    }

    /// The sum over all labels of what is called so and counted.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        let all = lock(&self.0);
        let of = all.counters.iter().filter(|(key, _)| key.split('{').next() == Some(name));
        of.map(|(_, cell)| cell.0.load(Ordering::SeqCst)).sum()
    }

    /// How many counters are called so, each with other labels.
    pub(crate) fn series(&self, name: &str) -> usize {
        lock(&self.0).counters.keys().filter(|key| key.split('{').next() == Some(name)).count()
    }

    /// Every name that was used, with the names of its labels in alphabetic order.
    pub(crate) fn seen(&self) -> BTreeSet<(String, Vec<String>)> {
        lock(&self.0).seen.clone()
    }

    fn find<T: Default>(&self, key: &Key, among: impl Fn(&mut Read) -> &mut BTreeMap<String, Arc<T>>) -> Arc<T> {
        let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let mut names: Vec<String> = key.labels().map(|label| label.key().to_owned()).collect();
        names.sort_unstable();
        let mut read = lock(&self.0);
        read.seen.insert((key.name().to_owned(), names));
        among(&mut read).entry(format!("{}{{{}}}", key.name(), labels.join(","))).or_default().clone()
    }
}

impl Recorder for Meters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.find(key, |read| &mut read.counters))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.find(key, |read| &mut read.gauges))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.find(key, |read| &mut read.histograms))
    }
}

/// The lines of the log of this thread, of level `info` and above.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Takes what is logged from now on until the guard is dropped.
    pub(crate) fn read(&self) -> tracing::subscriber::DefaultGuard {
        // Of a single subscriber `tracing` asks only the thread that comes to a line first, which may be another test's.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
        LazyLock::force(&ANOTHER);
        let written = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .without_time()
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(written)
    }

    /// The lines in which a text occurs.
    pub(crate) fn with(&self, text: &str) -> Vec<String> {
        let all = String::from_utf8_lossy(&lock(&self.0)).into_owned();
        all.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
