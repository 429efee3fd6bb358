//! Random histories of one register with several writers, with every version pruned at once.

use std::sync::Mutex;

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::store::{Chance, Rng};
use super::*;
use crate::journal::access::Access;
use crate::journal::late::Late;
use crate::journal::register::{Advance, Error, Register, Verified};

/// What was told of each token that a writer tried to add to the document.
#[derive(Default)]
struct Told {
    ok: Vec<u64>,
    failed: Vec<u64>,
    unknown: Vec<u64>,
    read: Vec<Vec<u64>>,
}

fn tokens(version: &Verified) -> Vec<u64> {
    version.parse().unwrap().unwrap_or_default()
}

/// Adds tokens of its own, each with one try, from a version read now or long ago.
async fn writer(register: Register, told: &Mutex<Told>, first: u64, mut rng: Rng) {
    let mut cached: Option<Verified> = None;
    let mut late = Late::new(Duration::ZERO);
    for token in first..first + 6 {
        match register.read(cached.as_ref()).await {
            Ok(version) => {
                told.lock().unwrap().read.push(tokens(&version));
                cached = Some(version);
            }
            Err(Error::Corrupt(corrupt)) => panic!("an alarm without damage: {corrupt}"),
            Err(Error::Unavailable { .. }) => {}
        }
        let Some(base) = cached.clone() else { continue };
        sleep(Duration::from_millis(rng.below(30))).await;
        let mut body = tokens(&base);
        body.push(token);
        let dies = Duration::from_millis(if rng.below(10) == 0 { rng.below(20) } else { 600_000 });
        let outcome = timeout(dies, register.advance(&base, &body)).await;
        {
            let mut told = told.lock().unwrap();
            match outcome {
                Ok(Advance::Advanced { version, .. }) => {
                    told.ok.push(token);
                    cached = Some(version);
                }
                Ok(Advance::Moved | Advance::Refused { .. }) => told.failed.push(token),
                Ok(Advance::Unknown { .. }) | Err(_) => told.unknown.push(token),
            }
        }
        if rng.below(2) == 0 {
            let _ = register.prune(&mut late, Instant::now()).await;
        }
    }
}

/// Runs one history; the figures are ok, failed and unknown.
async fn history(seed: u64) -> [usize; 3] {
    let mut rng = Rng(seed);
    let chance = Chance { rng: Rng(rng.next()), faults: [5, 20, 35][rng.below(3) as usize] };
    let store = Arc::new(Scripted::by_chance(chance));
    let keep = 1 + rng.below(2);
    let register = |writer: u64| {
        let access = Access::new(store.clone(), Duration::from_millis(60), 4);
        Register::new(access, ids(writer), "test/documents/d".to_owned(), keep)
    };
    let told = Mutex::default();
    let writers = (1..=2 + rng.below(2)).map(|n| writer(register(n), &told, n * 100, Rng(rng.next())));
    join_all(writers.collect::<Vec<_>>()).await;
    store.calm();
    store.land();
    let document = tokens(&register(9).read(None).await.unwrap());
    let told = told.into_inner().unwrap();
    let count = |token: &u64| document.iter().filter(|found| *found == token).count();
    assert!(told.ok.iter().all(|token| count(token) == 1), "ok {:?}, the document is {document:?}", told.ok);
    assert!(told.failed.iter().all(|token| count(token) == 0), "failed {:?}, {document:?}", told.failed);
    assert!(told.unknown.iter().all(|token| count(token) <= 1), "unknown {:?}, {document:?}", told.unknown);
    assert!(told.read.iter().all(|read| document.starts_with(read)), "read {:?}, {document:?}", told.read);
    [told.ok.len(), told.failed.len(), told.unknown.len()]
}

#[test]
fn an_update_counts_once_if_ok_and_never_if_failed() {
    let mut sums = [0; 3];
    for seed in 0..seeds(600) {
        let figures = by_seed(seed, || history(seed));
        (0..3).for_each(|i| sums[i] += figures[i]);
    }
    assert!(sums.iter().all(|sum| *sum > 0), "some outcome was never seen: {sums:?}");
}
