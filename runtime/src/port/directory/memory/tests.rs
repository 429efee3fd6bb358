use std::time::Duration;

use bytes::Bytes;
use tokio::time::advance;

use super::{MemoryDirectory, SWEEP_MIN};
use crate::port::directory::{Directory, Lease, conformance};

const TTL: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn conforms() {
    conformance::all(&MemoryDirectory::new()).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_expires_early_or_late() {
    let directory = MemoryDirectory::new();
    directory.put("node", "a", Bytes::from_static(b"1"), TTL).await.unwrap();
    assert_eq!(directory.acquire("partition.1", "a", TTL).await, Ok(Lease::Held));
    advance(TTL - Duration::from_millis(1)).await;
    assert_eq!(directory.list("node").await.unwrap().len(), 1);
    assert_eq!(directory.acquire("partition.1", "b", TTL).await, Ok(Lease::HeldBy("a".into())));
    advance(Duration::from_millis(1)).await;
    assert!(directory.list("node").await.unwrap().is_empty());
    assert_eq!(directory.renew("partition.1", "a", TTL).await, Ok(Lease::Free));
    assert_eq!(directory.acquire("partition.1", "b", TTL).await, Ok(Lease::Held));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_extends() {
    let directory = MemoryDirectory::new();
    assert_eq!(directory.acquire("partition.1", "a", TTL).await, Ok(Lease::Held));
    for _ in 0..10 {
        advance(TTL / 2).await;
        assert_eq!(directory.renew("partition.1", "a", TTL).await, Ok(Lease::Held));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wipe_forgets_everything() {
    let directory = MemoryDirectory::new();
    directory.put("node", "a", Bytes::new(), TTL).await.unwrap();
    assert_eq!(directory.acquire("partition.1", "a", TTL).await, Ok(Lease::Held));
    directory.wipe();
    assert!(directory.list("node").await.unwrap().is_empty());
    assert_eq!(directory.renew("partition.1", "a", TTL).await, Ok(Lease::Free));
}

#[tokio::test(start_paused = true)]
async fn the_dead_are_swept_out() {
    let directory = MemoryDirectory::new();
    for number in 0..100 * SWEEP_MIN {
        directory.put("agent", &number.to_string(), Bytes::new(), TTL).await.unwrap();
        advance(TTL / 10).await;
    }
    assert!(directory.lock().entries.map.len() <= SWEEP_MIN);
}
