//! radosgw is killed, hangs, and comes back.

use super::kit::{Gateway, options};
use bytes::Bytes;
use callboard::port::store::s3::{S3Options, S3Store};
use callboard::port::store::{Create, Error, Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// The limits of these tests, and with what a busy machine is forgiven.
const LIMIT: Duration = Duration::from_secs(2);
const FORGIVEN: Duration = Duration::from_secs(8);

async fn store(gateway: &Gateway, bucket: &str) -> Arc<S3Store> {
    let options = options(gateway, bucket).await;
    let options = S3Options { write_timeout: LIMIT, read_timeout: LIMIT, dial_timeout: LIMIT, ..options };
    Arc::new(S3Store::connect(options).await.unwrap())
}

/// Asserts that no operation has a plain answer, and that each says so in time.
async fn is_away(store: &S3Store) {
    let started = Instant::now();
    let told = [
        store.create("away", "away".into()).await.err(),
        store.get("before").await.err(),
        store.list("", "").await.err(),
        store.delete("none").await.err(),
    ];
    for told in told {
        assert!(matches!(told, Some(Error::Unclear { .. })), "{told:?}");
    }
    assert!(started.elapsed() < LIMIT * 4 + FORGIVEN, "{:?}", started.elapsed());
}

/// Asserts that it is there again, with what was created before, and that the unclear create can be settled.
async fn is_back(store: &S3Store) {
    let before = async {
        loop {
            if let Ok(before) = store.get("before").await {
                return before;
            }
        }
    };
    let before = timeout(Duration::from_secs(60), before).await.unwrap();
    assert_eq!(before.as_deref(), Some(&b"before"[..]));
    let again = store.create("away", "away".into()).await.unwrap();
    assert!(matches!(again, Create::Created | Create::Exists));
    assert_eq!(store.get("away").await.unwrap().as_deref(), Some(&b"away"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_or_hangs_is_away_and_comes_back() {
    let mut gateway = Gateway::start().await;
    let store = store(&gateway, "outage").await;
    assert_eq!(store.create("before", "before".into()).await.unwrap(), Create::Created);

    gateway.server.kill_gateway();
    is_away(&store).await;
    gateway.server.start_gateway().await.unwrap();
    is_back(&store).await;
    store.delete("away").await.unwrap();

    gateway.server.pause();
    is_away(&store).await;
    gateway.server.resume();
    is_back(&store).await;
}

/// Creates numbers until told to stop; answers the names of those that were acknowledged, with their bytes.
async fn create_many(store: Arc<S3Store>, hand: usize, stop: Arc<AtomicBool>) -> BTreeMap<String, Bytes> {
    let mut acknowledged = BTreeMap::new();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let (name, bytes) = (format!("log/{hand}/{number:06}"), Bytes::from(format!("{hand} {number}")));
        if store.create(&name, bytes.clone()).await.is_ok() {
            acknowledged.insert(name, bytes);
        }
    }
    acknowledged
}

/// Everything is killed, monitor and disk too, while eight hands create; what was acknowledged is there afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_kill() {
    let mut gateway = Gateway::start().await;
    let store = store(&gateway, "killed").await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut hands = JoinSet::new();
    for hand in 0..8 {
        hands.spawn(create_many(store.clone(), hand, stop.clone()));
    }
    while store.list("log/", "").await.unwrap().len() < 200 {}
    gateway.server.kill();
    stop.store(true, Ordering::SeqCst);
    let acknowledged: BTreeMap<String, Bytes> = hands.join_all().await.into_iter().flatten().collect();
    assert!(acknowledged.len() >= 190, "{}", acknowledged.len());
    gateway.server.start_again().await.unwrap();
    let listed = store.list("log/", "").await.unwrap();
    for (name, bytes) in acknowledged {
        assert!(listed.contains(&name), "{name} is lost");
        assert_eq!(store.get(&name).await.unwrap(), Some(bytes), "{name}");
    }
}
