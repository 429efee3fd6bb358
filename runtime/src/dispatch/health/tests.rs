use super::{HALF_LIFE, Health};
use tokio::time::Instant;

#[test]
fn failures_weigh_and_are_forgotten() {
    let start = Instant::now();
    let mut health = Health::new(start);
    assert_eq!(health.score(start), 1.0);
    health.note(start, false);
    assert!((health.score(start) - 0.8).abs() < 1e-9);
    (0..20).for_each(|_| health.note(start, false));
    assert!(health.score(start) < 0.01, "{health:?}");
    let later = start + HALF_LIFE;
    assert!((health.score(later) - 0.5).abs() < 0.01, "half of it is forgotten: {health:?}");
    health.note(later, true);
    assert!((health.score(later) - 0.6).abs() < 0.01, "a success counts as much as a failure");
    assert!(health.score(start) <= 1.0, "time that runs back is no fault");
    assert!(health.score(later + 40 * HALF_LIFE) > 0.999);
}
