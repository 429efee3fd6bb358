//! Who asks each second for an answer.

use super::clock;
use super::course::until;
use super::record::{Recorder, Told};
use crate::history::{Moment, Op, Outcome};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Asks each second for an answer, until it is told that nothing is done any more and has had two good ones in a row since,
/// or until the latest moment; and then until all answers have come. A probe is told its name, which no other has.
pub(super) async fn probe<A>(
    zero: Moment,
    recorder: &Recorder,
    calm: watch::Receiver<Option<Instant>>,
    limit: Duration,
    ask: impl Fn(String) -> A,
) where
    A: Future<Output = Told> + Send + 'static,
{
    let (answers, mut probes) = (Arc::new(Mutex::new(BTreeMap::new())), JoinSet::new());
    let mut calm_since = None;
    for n in 0.. {
        until(zero + n * 1_000_000).await;
        if let Some(latest) = *calm.borrow() {
            let since = *calm_since.get_or_insert(n);
            let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            let is_good = |n: u64| n >= since && answers.get(&n) == Some(&true);
            if Instant::now() >= latest || (since..n).any(|n| is_good(n) && is_good(n + 1)) {
                break;
            }
        }
        let name = format!("probe-{n}");
        let (recorder, answers, asking) = (recorder.clone(), answers.clone(), ask(name.clone()));
        probes.spawn(async move {
            let begin = clock::now();
            let told = asking.await;
            let is_good = told.outcome == Outcome::Ok && clock::now() - begin <= limit.as_micros() as Moment;
            answers.lock().unwrap_or_else(PoisonError::into_inner).insert(n, is_good);
            recorder.call(Op::Probe, &name, None, begin, &told);
        });
        while probes.try_join_next().is_some() {}
    }
    while probes.join_next().await.is_some() {}
}
