use super::Bell;
use crate::sync::schedules::{check, others_go_on, passes};
use shuttle::future::{block_on, spawn};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn everybody_hears_one_end_however_often_it_is_rung() {
    const DRAINS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(5)];
    const COMMIT: Duration = Duration::from_secs(2);
    check(|| {
        let (bell, closing) = Bell::new();
        let (bell, before) = (Arc::new(bell), tokio::time::Instant::now());
        let ends = [(); 2].map(|()| {
            let closing = closing.clone();
            spawn(async move {
                closing.begun().await;
                assert!(closing.has_begun());
                let ends = closing.ends().await;
                (ends.handlers, ends.commits)
            })
        });
        let over = {
            let closing = closing.clone();
            spawn(async move {
                closing.handlers_are_over().await;
                closing.commits_are_over().await;
                tokio::time::Instant::now()
            })
        };
        let rings = DRAINS.map(|drain| {
            let bell = bell.clone();
            spawn(async move {
                others_go_on();
                bell.ring(drain, COMMIT);
            })
        });
        rings.into_iter().for_each(|ring| block_on(ring).unwrap());
        let [first, second] = ends.map(|ends| block_on(ends).unwrap());
        assert_eq!(first, second);
        assert!(DRAINS.map(|drain| (before + drain, before + drain + COMMIT)).contains(&first), "one of the two");
        passes(first.0 - before);
        passes(COMMIT);
        assert!(block_on(over).unwrap() >= first.1);
    });
}

#[test]
fn who_waits_for_a_node_that_is_gone_without_a_stop_waits_on() {
    use futures::FutureExt;
    let (bell, closing) = Bell::new();
    drop(bell);
    assert!(!closing.has_begun());
    assert_eq!(closing.begun().now_or_never(), None);
}
