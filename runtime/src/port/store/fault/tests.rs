use super::*;
use crate::port::store::MemoryStore;

fn stores() -> (MemoryStore, FaultStore) {
    let memory = MemoryStore::new();
    (memory.clone(), FaultStore::new(Arc::new(memory)))
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Created,
    Exists,
    Refused,
    Unclear,
}

async fn create(store: &dyn Store, name: &str) -> Told {
    match store.create(name, Bytes::from_static(b"x")).await {
        Ok(Create::Created) => Told::Created,
        Ok(Create::Exists) => Told::Exists,
        Err(Error::Refused { .. }) => Told::Refused,
        Err(Error::Unclear { .. }) => Told::Unclear,
    }
}

/// Creates one name under `fault`; answers what was told, and the objects then and after the release.
async fn check_create(fault: Fault) -> (Told, usize, usize) {
    let (memory, faults) = stores();
    faults.script(Operation::Create, "*", [fault]);
    let told = create(&faults, "a").await;
    let then = memory.object_count();
    memory.delete("a").await.unwrap();
    faults.release_all().await;
    (told, then, memory.object_count())
}

#[tokio::test]
async fn faults_do_what_they_say() {
    assert_eq!(check_create(Fault::Pass).await, (Told::Created, 1, 0));
    assert_eq!(check_create(Fault::Refuse).await, (Told::Refused, 0, 0));
    assert_eq!(check_create(Fault::DiskFull).await, (Told::Refused, 0, 0));
    assert_eq!(check_create(Fault::LoseRequest).await, (Told::Unclear, 0, 0));
    assert_eq!(check_create(Fault::LoseAnswer).await, (Told::Unclear, 1, 0));
    assert_eq!(check_create(Fault::Late).await, (Told::Unclear, 0, 1));
    assert_eq!(check_create(Fault::Twice).await, (Told::Created, 1, 1));
    assert_eq!(check_create(Fault::Exists).await, (Told::Exists, 1, 0));
}

#[tokio::test]
async fn hang_and_delay_wait_for_their_release() {
    for (fault, before) in [(Fault::Hang, 0), (Fault::Delay, 1)] {
        let (memory, faults) = stores();
        faults.script(Operation::Create, "a", [fault]);
        let released = async {
            faults.until_held(1).await;
            assert_eq!(faults.held(), [(Operation::Create, "a".to_owned())]);
            assert_eq!(memory.object_count(), before, "{fault:?}");
            assert_eq!(faults.release(Operation::Create, "b").await, 0);
            assert_eq!(faults.release(Operation::Create, "a*").await, 1);
        };
        let (told, ()) = futures::future::join(create(&faults, "a"), released).await;
        assert_eq!((told, memory.object_count()), (Told::Created, 1));
        assert!(faults.held().is_empty());
    }
}

#[tokio::test]
async fn a_hanging_caller_that_gives_up_has_no_effect() {
    let (memory, faults) = stores();
    faults.always(Operation::Delete, "*", Fault::Hang);
    assert_eq!(create(&faults, "a").await, Told::Created);
    let mut hanging = faults.delete("a");
    assert!(futures::poll!(&mut hanging).is_pending());
    drop(hanging);
    assert_eq!(faults.release_all().await, 1);
    assert_eq!(memory.object_count(), 1);
}

#[tokio::test]
async fn rules_go_in_order_by_kind_and_name() {
    let (_, faults) = stores();
    faults.script(Operation::Create, "p/*/1", [Fault::Pass, Fault::Refuse]);
    faults.always(Operation::Create, "p/*", Fault::LoseRequest);
    assert_eq!(create(&faults, "q/x/1").await, Told::Created);
    assert_eq!(create(&faults, "p/x/1").await, Told::Created);
    assert_eq!(create(&faults, "p/x/2").await, Told::Unclear);
    assert_eq!(create(&faults, "p/y/1").await, Told::Refused);
    assert_eq!(create(&faults, "p/z/1").await, Told::Unclear);
    assert!(faults.get("p/x/1").await.unwrap().is_some());
    faults.calm();
    assert_eq!(create(&faults, "p/z/1").await, Told::Created);
    assert_eq!(faults.counts(), Counts { create: 6, get: 1, ..Counts::default() });
}

#[tokio::test]
async fn a_full_disk_refuses_creates_until_it_is_freed() {
    let (_, faults) = stores();
    assert_eq!(create(&faults, "a").await, Told::Created);
    faults.script(Operation::Create, "b", [Fault::DiskFull]);
    assert_eq!(create(&faults, "b").await, Told::Refused);
    assert_eq!(create(&faults, "c").await, Told::Refused);
    assert!(faults.get("a").await.unwrap().is_some());
    faults.delete("a").await.unwrap();
    faults.free_disk();
    assert_eq!(create(&faults, "c").await, Told::Created);
    faults.fill_disk();
    assert_eq!(create(&faults, "d").await, Told::Refused);
    assert_eq!(faults.injected(Fault::DiskFull), 3);
}

#[tokio::test]
async fn what_is_injected_is_counted_by_kind() {
    let (_, faults) = stores();
    faults.script(Operation::Create, "*", [Fault::Pass, Fault::Exists, Fault::Twice]);
    faults.always(Operation::Get, "*", Fault::Exists);
    for name in ["a", "b", "c"] {
        let _ = create(&faults, name).await;
        assert!(faults.get(name).await.unwrap().is_some());
    }
    assert_eq!((faults.injected(Fault::Exists), faults.injected(Fault::Twice)), (1, 1));
    assert_eq!(faults.injected_total(), 2, "what passes is no fault");
}

#[tokio::test]
async fn every_kind_of_operation_can_fail() {
    let (_, faults) = stores();
    for operation in [Operation::Get, Operation::List, Operation::Delete] {
        faults.script(operation, "a", [Fault::LoseAnswer]);
    }
    assert!(faults.get("a").await.is_err());
    assert!(faults.list("a", "").await.is_err());
    assert!(faults.delete("a").await.is_err());
    assert_eq!(faults.counts(), Counts { create: 0, get: 1, list: 1, delete: 1 });
}

const ROUGH: Odds = Odds {
    refuse: 0.1,
    lose_request: 0.1,
    lose_answer: 0.1,
    late: 0.1,
    twice: 0.1,
    exists: 0.1,
    late_operations_max: 4,
    delay_max: Duration::from_secs(1),
};

/// The answers of 200 creates, eight at a time, in the order they came, and what is there at the end.
async fn rough_run(seed: u64) -> (Vec<(usize, Told)>, Vec<String>) {
    let (memory, faults) = stores();
    faults.random(seed, ROUGH);
    let creates = (0..200_usize).map(|number| {
        let faults = &faults;
        async move { (number, create(faults, &format!("{number:03}")).await) }
    });
    let told =
        futures::StreamExt::collect(futures::StreamExt::buffer_unordered(futures::stream::iter(creates), 8)).await;
    faults.release_all().await;
    (told, memory.list("", "").await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_seed_run_twice_ends_alike() {
    let (first, second) = (rough_run(7).await, rough_run(7).await);
    assert_eq!(first, second);
    assert_ne!(first, rough_run(8).await);
    assert!(!first.0.is_sorted_by_key(|(number, _)| *number), "delays reorder");
    for told in [Told::Created, Told::Exists, Told::Refused, Told::Unclear] {
        assert!(first.0.iter().any(|(_, seen)| *seen == told), "{told:?} never came");
    }
    let refused = first.0.iter().filter(|(_, told)| *told == Told::Refused).count();
    assert!((10..30).contains(&refused), "{refused} of 200 at a chance of 0.1");
}

#[tokio::test]
async fn late_effects_of_a_seed_take_place_soon() {
    let (memory, faults) = stores();
    faults.random(1, Odds { late: 1.0, late_operations_max: 3, ..Odds::default() });
    assert_eq!(create(&faults, "a").await, Told::Unclear);
    faults.calm();
    for _ in 0..3 {
        let _ = faults.get("b").await.unwrap();
    }
    assert_eq!(memory.object_count(), 1);
}
