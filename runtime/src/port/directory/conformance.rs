//! What every implementation of [`Directory`] must do while nothing is forgotten. Each check uses names of its own, so
//! checks may run side by side on one server, and waits for states with a generous limit.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Ask, Directory, Entry, Error, Lease, NAME_BYTES_MAX, Release, Share};

/// Long enough that nothing expires while a check runs.
const LONG: Duration = Duration::from_secs(600);
/// Short enough to be waited for.
const SHORT: Duration = Duration::from_millis(50);
/// How long an expiry may be late.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs every check, one after the other; panics where `directory` breaks the contract.
pub async fn all(directory: &dyn Directory) {
    registrations_are_listed_by_kind(directory).await;
    a_registration_is_replaced_and_removed(directory).await;
    many_are_registered_at_once(directory).await;
    registrations_expire(directory).await;
    a_lease_has_one_holder(directory).await;
    only_its_holder_frees_a_lease(directory).await;
    only_its_holder_renews_a_lease(directory).await;
    leases_expire(directory).await;
    one_of_many_acquires_a_lease(directory).await;
    no_more_is_held_of_a_pool_than_it_has(directory).await;
    what_is_held_is_said_anew_each_time(directory).await;
    who_wants_more_is_given_an_even_share(directory).await;
    parts_expire(directory).await;
    many_take_of_a_pool_at_once(directory).await;
    malformed_names_are_refused(directory).await;
}

/// A kind is exact, and the ids come in order.
pub async fn registrations_are_listed_by_kind(directory: &dyn Directory) {
    let kind = fresh("kind");
    let longer = format!("{kind}.more");
    for id in ["c", "a:1", "b"] {
        put(directory, &kind, id, id, LONG).await;
    }
    put(directory, &longer, "d", "d", LONG).await;
    let ids: Vec<String> = list(directory, &kind).await.into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids, ["a:1", "b", "c"]);
    assert_eq!(list(directory, &longer).await, [entry("d", "d")]);
    assert!(list(directory, &fresh("nothing")).await.is_empty());
}

/// The last value counts; a removed id is gone, and removing it again is no error.
pub async fn a_registration_is_replaced_and_removed(directory: &dyn Directory) {
    let kind = fresh("kind");
    put(directory, &kind, "a", "old", SHORT).await;
    put(directory, &kind, "a", "new", LONG).await;
    put(directory, &kind, "b", "", LONG).await;
    sleep(SHORT * 2).await;
    assert_eq!(list(directory, &kind).await, [entry("a", "new"), entry("b", "")], "the new time to live counts");
    for _ in 0..2 {
        directory.remove(&kind, "a").await.expect("removed");
        assert_eq!(list(directory, &kind).await, [entry("b", "")]);
    }
}

/// More than any implementation takes in one go, beside those that were there; one that is refused keeps no other out.
pub async fn many_are_registered_at_once(directory: &dyn Directory) {
    let kind = fresh("kind");
    put(directory, &kind, "0", "old", SHORT).await;
    put(directory, &kind, "other", "", LONG).await;
    let many = |value: &'static str| -> Vec<(String, Bytes)> {
        (0..250).map(|n| (n.to_string(), Bytes::from_static(value.as_bytes()))).collect()
    };
    directory.put_all(&kind, &[], LONG).await.expect("nothing to be done");
    directory.put_all(&kind, &many("new"), LONG).await.expect("all of them");
    sleep(SHORT * 2).await;
    let listed = list(directory, &kind).await;
    assert_eq!(listed.len(), 251);
    assert!(listed.iter().all(|entry| entry.value == if entry.id == "other" { "" } else { "new" }), "{listed:?}");
    let faulty = [("not a name".to_owned(), Bytes::new()), ("one-more".to_owned(), Bytes::new())];
    let refused = directory.put_all(&kind, &faulty, LONG).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    assert_eq!(list(directory, &kind).await.len(), 252);
}

/// A registration goes by itself, alone.
pub async fn registrations_expire(directory: &dyn Directory) {
    let kind = fresh("kind");
    put(directory, &kind, "long", "", LONG).await;
    put(directory, &kind, "short", "", SHORT).await;
    let deadline = Instant::now() + PATIENCE;
    while list(directory, &kind).await.len() > 1 {
        assert!(Instant::now() < deadline, "a registration for {SHORT:?} is still there after {PATIENCE:?}");
        sleep(SHORT).await;
    }
    assert_eq!(list(directory, &kind).await, [entry("long", "")]);
}

/// The first takes it, may take it again, and is named to others.
pub async fn a_lease_has_one_holder(directory: &dyn Directory) {
    let name = fresh("lease");
    for _ in 0..2 {
        assert_eq!(directory.acquire(&name, "a", LONG).await, Ok(Lease::Held));
        assert_eq!(directory.acquire(&name, "b", LONG).await, Ok(Lease::HeldBy("a".into())));
    }
}

/// Compare and delete.
pub async fn only_its_holder_frees_a_lease(directory: &dyn Directory) {
    let name = fresh("lease");
    assert_eq!(directory.release(&name, "a").await, Ok(Release::NotHeld));
    assert_eq!(directory.acquire(&name, "a", LONG).await, Ok(Lease::Held));
    assert_eq!(directory.release(&name, "b").await, Ok(Release::NotHeld));
    assert_eq!(directory.acquire(&name, "b", LONG).await, Ok(Lease::HeldBy("a".into())));
    assert_eq!(directory.release(&name, "a").await, Ok(Release::Released));
    assert_eq!(directory.acquire(&name, "b", LONG).await, Ok(Lease::Held));
    assert_eq!(directory.release(&name, "a").await, Ok(Release::NotHeld));
}

/// A renewal takes nothing.
pub async fn only_its_holder_renews_a_lease(directory: &dyn Directory) {
    let name = fresh("lease");
    assert_eq!(directory.renew(&name, "a", LONG).await, Ok(Lease::Free));
    assert_eq!(directory.acquire(&name, "b", LONG).await, Ok(Lease::Held));
    assert_eq!(directory.renew(&name, "a", LONG).await, Ok(Lease::HeldBy("b".into())));
    assert_eq!(directory.renew(&name, "b", LONG).await, Ok(Lease::Held));
}

/// A lease goes by itself, and the next one may have it.
pub async fn leases_expire(directory: &dyn Directory) {
    let name = fresh("lease");
    assert_eq!(directory.acquire(&name, "a", SHORT).await, Ok(Lease::Held));
    let deadline = Instant::now() + PATIENCE;
    while directory.acquire(&name, "b", LONG).await.expect("answered") != Lease::Held {
        assert!(Instant::now() < deadline, "a lease for {SHORT:?} is still held after {PATIENCE:?}");
        sleep(SHORT).await;
    }
    assert_eq!(directory.renew(&name, "a", LONG).await, Ok(Lease::HeldBy("b".into())));
}

/// Of many at once one gets it, and the others are told who.
pub async fn one_of_many_acquires_a_lease(directory: &dyn Directory) {
    let name = fresh("lease");
    let holders: Vec<String> = (0..16).map(|number| format!("holder-{number}")).collect();
    let answers = futures::future::join_all(holders.iter().map(|holder| directory.acquire(&name, holder, LONG))).await;
    let held: Vec<usize> = (0..holders.len()).filter(|at| answers[*at] == Ok(Lease::Held)).collect();
    assert_eq!(held.len(), 1, "{answers:?}");
    let winner = &holders[held[0]];
    let others = answers.iter().filter(|answer| **answer == Ok(Lease::HeldBy(winner.clone()))).count();
    assert_eq!(others, holders.len() - 1, "{answers:?}");
}

/// What others have is not given; who takes none rather than few has none, and is not waited for.
pub async fn no_more_is_held_of_a_pool_than_it_has(directory: &dyn Directory) {
    let pool = fresh("pool");
    assert_eq!(hold(directory, &pool, "a", ask(10, 0, 7), LONG).await, all_of(7));
    let few = Ask { least: 4, ..ask(10, 0, 4) };
    assert_eq!(hold(directory, &pool, "b", few, LONG).await, all_of(0));
    assert_eq!(hold(directory, &pool, "a", ask(10, 0, 8), LONG).await, all_of(8), "nobody waits");
    assert_eq!(hold(directory, &pool, "b", Ask { least: 2, ..few }, LONG).await, all_of(2));
    assert_eq!(hold(directory, &fresh("pool"), "b", ask(10, 0, 10), LONG).await, all_of(10), "another pool");
}

/// In the place of what was held before: more, less, nothing. What is in use is kept, whatever the pool has.
pub async fn what_is_held_is_said_anew_each_time(directory: &dyn Directory) {
    let pool = fresh("pool");
    for held in [5, 5, 9, 2] {
        assert_eq!(hold(directory, &pool, "a", ask(10, 0, held), LONG).await, all_of(held));
    }
    assert_eq!(hold(directory, &pool, "b", ask(10, 0, 8), LONG).await, all_of(8));
    assert_eq!(hold(directory, &pool, "a", ask(10, 6, 6), LONG).await, all_of(6), "they are in use");
    assert_eq!(hold(directory, &pool, "a", ask(10, 0, 0), LONG).await, all_of(0));
    assert_eq!(hold(directory, &pool, "b", ask(10, 0, 10), LONG).await, all_of(10));
}

/// One who has all gives up what it does not use as soon as another wants some.
pub async fn who_wants_more_is_given_an_even_share(directory: &dyn Directory) {
    let pool = fresh("pool");
    assert_eq!(hold(directory, &pool, "a", ask(10, 10, 10), LONG).await, all_of(10));
    assert_eq!(hold(directory, &pool, "b", ask(10, 0, 8), LONG).await.held, 0);
    let shared = |held| Share { held, fair: 5 };
    assert_eq!(hold(directory, &pool, "a", ask(10, 9, 20), LONG).await, shared(9), "nine are in use");
    assert_eq!(hold(directory, &pool, "b", ask(10, 0, 8), LONG).await.held, 1);
    assert_eq!(hold(directory, &pool, "a", ask(10, 3, 20), LONG).await, shared(5));
    assert_eq!(hold(directory, &pool, "b", ask(10, 1, 8), LONG).await, shared(5));
}

/// What is not said again is free.
pub async fn parts_expire(directory: &dyn Directory) {
    let pool = fresh("pool");
    assert_eq!(hold(directory, &pool, "a", ask(3, 3, 3), SHORT).await, all_of(3));
    let deadline = Instant::now() + PATIENCE;
    while hold(directory, &pool, "b", Ask { least: 3, ..ask(3, 0, 3) }, LONG).await.held < 3 {
        assert!(Instant::now() < deadline, "what was held for {SHORT:?} is still held after {PATIENCE:?}");
        sleep(SHORT).await;
    }
}

/// Of many at once as many get some as there is.
pub async fn many_take_of_a_pool_at_once(directory: &dyn Directory) {
    let pool = fresh("pool");
    let holders: Vec<String> = (0..16).map(|number| format!("holder-{number}")).collect();
    let one = Ask { least: 1, ..ask(10, 0, 1) };
    let shares =
        futures::future::join_all(holders.iter().map(|holder| hold(directory, &pool, holder, one, LONG))).await;
    assert_eq!(shares.iter().map(|share| share.held).sum::<u64>(), 10, "{shares:?}");
}

/// What one implementation refuses all refuse.
pub async fn malformed_names_are_refused(directory: &dyn Directory) {
    let refused = |answer: Result<(), Error>| assert!(matches!(answer, Err(Error::Refused { .. })), "{answer:?}");
    for bad in ["", "a b", "a/b", "é", "{a}", "a*", &"x".repeat(NAME_BYTES_MAX + 1)] {
        refused(directory.put(bad, "a", Bytes::new(), LONG).await);
        refused(directory.put("a", bad, Bytes::new(), LONG).await);
        refused(directory.remove("a", bad).await);
        refused(directory.list(bad).await.map(drop));
        refused(directory.acquire(bad, "a", LONG).await.map(drop));
        refused(directory.renew("a", bad, LONG).await.map(drop));
        refused(directory.release("a", bad).await.map(drop));
        refused(directory.hold(bad, "a", ask(1, 0, 1), LONG).await.map(drop));
        refused(directory.hold("a", bad, ask(1, 0, 1), LONG).await.map(drop));
    }
    refused(directory.put("a", "a", Bytes::new(), Duration::ZERO).await);
    refused(directory.acquire("a", "a", Duration::ZERO).await.map(drop));
    refused(directory.renew("a", "a", Duration::ZERO).await.map(drop));
    refused(directory.hold("a", "a", ask(1, 0, 1), Duration::ZERO).await.map(drop));
}

fn ask(capacity: u64, kept: u64, wanted: u64) -> Ask {
    Ask { capacity, kept, wanted, least: 0 }
}

fn all_of(held: u64) -> Share {
    Share { held, fair: u64::MAX }
}

async fn hold(directory: &dyn Directory, pool: &str, holder: &str, ask: Ask, ttl: Duration) -> Share {
    directory.hold(pool, holder, ask, ttl).await.expect("answered")
}

fn fresh(what: &str) -> String {
    format!("conformance.{what}.{}", Uuid::new_v4())
}

fn entry(id: &str, value: &'static str) -> Entry {
    Entry { id: id.to_owned(), value: Bytes::from_static(value.as_bytes()) }
}

async fn put(directory: &dyn Directory, kind: &str, id: &str, value: &'static str, ttl: Duration) {
    directory.put(kind, id, Bytes::from_static(value.as_bytes()), ttl).await.expect("registered");
}

async fn list(directory: &dyn Directory, kind: &str) -> Vec<Entry> {
    directory.list(kind).await.expect("listed")
}
