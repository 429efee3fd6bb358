use super::*;
use crate::port::directory::conformance;
use crate::port::directory::memory::MemoryDirectory;

const MINUTE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(3600);

/// A directory in memory, and the same as one node sees it.
fn directories() -> (MemoryDirectory, FaultyDirectory) {
    let memory = MemoryDirectory::new();
    (memory.clone(), FaultyDirectory::new(Arc::new(memory)))
}

async fn put(directory: &dyn Directory, kind: &str, id: &str) -> Told {
    told(directory.put(kind, id, Bytes::from_static(b"x"), LONG).await)
}

async fn ids(directory: &dyn Directory, kind: &str) -> Vec<String> {
    directory.list(kind).await.unwrap().into_iter().map(|entry| entry.id).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    Refused,
    Unclear,
}

fn told<T>(answer: Result<T, Error>) -> Told {
    match answer {
        Ok(_) => Told::Done,
        Err(Error::Refused { .. }) => Told::Refused,
        Err(Error::Unclear { .. }) => Told::Unclear,
    }
}

#[tokio::test(start_paused = true)]
async fn without_faults_it_conforms() {
    let (_, faulty) = directories();
    conformance::all(&faulty).await;
    assert_eq!(faulty.faults().injected_total(), 0);
}

/// What the caller of one put is told, how many registrations there are then, and how many after the release.
async fn check_put(fault: Fault, answer: Told, then: usize, released: usize) {
    let (memory, faulty) = directories();
    faulty.faults().script(Operation::Put, "node/*", [fault]);
    assert_eq!(put(&faulty, "node", "a").await, answer, "{fault:?}");
    assert_eq!(ids(&memory, "node").await.len(), then, "{fault:?}");
    faulty.faults().release_all().await;
    assert_eq!(ids(&memory, "node").await.len(), released, "{fault:?}");
    assert_eq!(faulty.faults().injected(fault), u64::from(fault != Fault::Pass), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn a_put_meets_its_fault() {
    check_put(Fault::Pass, Told::Done, 1, 1).await;
    check_put(Fault::Refuse, Told::Refused, 0, 0).await;
    check_put(Fault::LoseRequest, Told::Unclear, 0, 0).await;
    check_put(Fault::LoseAnswer, Told::Unclear, 1, 1).await;
    check_put(Fault::Late, Told::Unclear, 0, 1).await;
    check_put(Fault::Slow(MINUTE), Told::Done, 1, 1).await;
    check_put(Fault::Forget, Told::Done, 0, 0).await;
    check_put(Fault::Cut, Told::Unclear, 0, 0).await;
    check_put(Fault::Wipe, Told::Done, 1, 1).await;
}

#[tokio::test(start_paused = true)]
async fn every_operation_can_fail_by_its_name() {
    let (memory, faulty) = directories();
    let by_name = [
        (Operation::Put, "node/a"),
        (Operation::Remove, "node/a"),
        (Operation::List, "node"),
        (Operation::Acquire, "lease"),
        (Operation::Renew, "lease"),
        (Operation::Release, "lease"),
    ];
    for (operation, name) in by_name {
        faulty.faults().script(operation, name, [Fault::LoseAnswer]);
    }
    assert_eq!(put(&faulty, "node", "b").await, Told::Done);
    assert_eq!(put(&faulty, "node", "a").await, Told::Unclear);
    assert_eq!(told(faulty.list("node").await), Told::Unclear);
    assert_eq!(ids(&memory, "node").await, ["a", "b"]);
    assert_eq!(told(faulty.remove("node", "a").await), Told::Unclear);
    assert_eq!(ids(&faulty, "node").await, ["b"]);
    assert_eq!(told(faulty.acquire("lease", "a", MINUTE).await), Told::Unclear);
    assert_eq!(memory.acquire("lease", "b", MINUTE).await, Ok(Lease::HeldBy("a".into())));
    assert_eq!(told(faulty.renew("lease", "a", LONG).await), Told::Unclear);
    tokio::time::advance(2 * MINUTE).await;
    assert_eq!(memory.acquire("lease", "b", MINUTE).await, Ok(Lease::HeldBy("a".into())));
    assert_eq!(told(faulty.release("lease", "a").await), Told::Unclear);
    assert_eq!(memory.acquire("lease", "b", MINUTE).await, Ok(Lease::Held));
    assert_eq!(faulty.faults().injected(Fault::LoseAnswer), 6);
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_answered_as_if_it_were_done() {
    let (memory, faulty) = directories();
    for operation in Operation::ALL {
        faulty.faults().always(operation, "*", Fault::Forget);
    }
    assert_eq!(put(&memory, "node", "a").await, Told::Done);
    assert_eq!(memory.acquire("lease", "a", MINUTE).await, Ok(Lease::Held));
    assert_eq!(ids(&faulty, "node").await, Vec::<String>::new());
    assert_eq!(faulty.remove("node", "a").await, Ok(()));
    assert_eq!(faulty.acquire("lease", "b", MINUTE).await, Ok(Lease::Held));
    assert_eq!(faulty.renew("lease", "b", LONG).await, Ok(Lease::Held));
    assert_eq!(faulty.release("lease", "b").await, Ok(Release::Released));
    assert_eq!(ids(&memory, "node").await, ["a"]);
    assert_eq!(memory.renew("lease", "a", MINUTE).await, Ok(Lease::Held));
    assert_eq!(faulty.faults().injected_total(), 5);
}

#[test]
#[should_panic(expected = "Put cannot meet Reorder")]
fn what_an_operation_cannot_meet_is_not_ordered() {
    directories().1.faults().script(Operation::Put, "*", [Fault::Pass, Fault::Reorder]);
}

#[test]
#[should_panic(expected = "no operation here can meet Duplicate")]
fn what_no_operation_can_meet_has_no_chance() {
    directories().1.faults().random(1, Odds { duplicate: 0.1, ..Odds::default() });
}

#[tokio::test(start_paused = true)]
async fn a_cut_is_one_nodes_and_ends_what_is_under_way() {
    let (memory, faulty) = directories();
    faulty.faults().script(Operation::Put, "node/*", [Fault::Pass, Fault::Slow(MINUTE)]);
    assert_eq!(put(&faulty, "node", "a").await, Told::Done);
    let cut = async {
        tokio::time::sleep(MINUTE / 2).await;
        faulty.cut();
    };
    assert_eq!(futures::join!(put(&faulty, "node", "b"), cut), (Told::Unclear, ()));
    assert_eq!(put(&faulty, "node", "c").await, Told::Refused);
    assert_eq!(told(faulty.list("node").await), Told::Refused);
    assert_eq!(put(&memory, "node", "d").await, Told::Done);
    faulty.heal();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(ids(&faulty, "node").await, ["a", "d"], "what was cut off never comes");
    assert_eq!(faulty.faults().injected(Fault::Cut), 3);
    assert_eq!(faulty.faults().begun(Operation::Put), 2, "who is turned away uses up no order");
}

async fn crowded() -> (MemoryDirectory, FaultyDirectory) {
    let (memory, faulty) = directories();
    for number in 0..50 {
        assert_eq!(put(&memory, "agent", &format!("{number:02}")).await, Told::Done);
        assert_eq!(memory.acquire(&format!("partition.{number:02}"), "a", LONG).await, Ok(Lease::Held));
    }
    (memory, faulty)
}

async fn free_leases(directory: &dyn Directory) -> Vec<u32> {
    let mut free = Vec::new();
    for number in 0..50 {
        if directory.renew(&format!("partition.{number:02}"), "a", LONG).await.unwrap() == Lease::Free {
            free.push(number);
        }
    }
    free
}

#[tokio::test(start_paused = true)]
async fn it_forgets_what_it_is_told_to() {
    let (memory, faulty) = crowded().await;
    assert_eq!(faulty.forget_entries("agent", "07"), 1);
    assert_eq!(faulty.forget_entries("agent", "07"), 0);
    assert_eq!(faulty.forget_entries("node", "*"), 0);
    assert_eq!(faulty.forget_entries("a*", "1*"), 10);
    assert_eq!(ids(&memory, "agent").await.len(), 39);
    assert!(free_leases(&memory).await.is_empty());
    assert_eq!(faulty.forget_leases("partition.03"), 1);
    assert_eq!(free_leases(&memory).await, [3]);
    assert_eq!(ids(&memory, "agent").await.len(), 39);
    faulty.wipe();
    assert_eq!((ids(&memory, "agent").await.len(), free_leases(&memory).await.len()), (0, 50));
    assert_eq!(faulty.faults().injected(Fault::Wipe), 1);
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_not_forgotten_once_more() {
    let (memory, faulty) = directories();
    memory.put("agent", "a", Bytes::new(), MINUTE).await.unwrap();
    tokio::time::advance(MINUTE).await;
    assert_eq!(faulty.forget_share(1, 1.0), 0);
}

#[tokio::test(start_paused = true)]
async fn a_share_is_forgotten_by_seed() {
    let mut left = Vec::new();
    for seed in [1, 1, 2] {
        let (memory, faulty) = crowded().await;
        let forgotten = faulty.forget_share(seed, 0.3);
        assert!((15..45).contains(&forgotten), "{forgotten} of 100 at a share of 0.3");
        let (entries, free) = (ids(&memory, "agent").await, free_leases(&memory).await);
        assert_eq!(50 - entries.len() + free.len(), forgotten);
        assert!(entries.len() < 50 && !free.is_empty(), "registrations and leases alike");
        left.push((entries, free));
    }
    assert_eq!(left[0], left[1]);
    assert_ne!(left[0], left[2]);
    let (_, faulty) = crowded().await;
    assert_eq!((faulty.forget_share(1, 0.0), faulty.forget_share(1, 1.0)), (0, 100));
}

const ROUGH: Odds = Odds {
    refuse: 0.05,
    lose_request: 0.05,
    lose_answer: 0.05,
    late: 0.1,
    forget: 0.1,
    duplicate: 0.0,
    reorder: 0.0,
    wipe: 0.02,
    late_operations_max: 4,
    delay_max: Duration::from_secs(1),
};

#[tokio::test(start_paused = true)]
async fn a_seed_run_twice_ends_alike() {
    let run = async |seed| {
        let (memory, faulty) = directories();
        faulty.faults().random(seed, ROUGH);
        let mut answers = Vec::new();
        for number in 0..200 {
            answers.push(put(&faulty, "agent", &format!("{number:03}")).await);
        }
        (answers, ids(&memory, "agent").await, format!("{:?}", faulty.faults()))
    };
    let first = run(7).await;
    assert_eq!(first, run(7).await);
    assert_ne!(first, run(8).await);
    for kind in ["Refuse", "LoseRequest", "LoseAnswer", "Late", "Forget", "Wipe"] {
        assert!(first.2.contains(kind), "{kind} never came: {}", first.2);
    }
}
