use serde_json::json;
use tokio::time::Instant;

use super::store::Objects;
use super::*;
use crate::journal::access::Access;
use crate::journal::alarm::Corrupt;
use crate::journal::late::Late;
use crate::journal::register::{Advance, Error, Register, Verified};

const NAME: &str = "test/documents/d";

fn keeping(store: &Arc<Scripted>, seed: u64, keep: u64) -> Register {
    Register::new(Access::new(store.clone(), Duration::from_secs(5), 4), ids(seed), NAME.to_owned(), keep)
}

fn register(store: &Arc<Scripted>, seed: u64) -> Register {
    keeping(store, seed, 1)
}

fn object(version: u64) -> String {
    format!("{NAME}/{version:020}")
}

/// Advances and expects a plain success.
async fn advance(register: &Register, base: &Verified, body: u64) -> Verified {
    match register.advance(base, &json!(body)).await {
        Advance::Advanced { version, superseded: false } => version,
        other => panic!("{other:?}"),
    }
}

async fn empty(register: &Register) -> Verified {
    let version = register.read(None).await.unwrap();
    assert_eq!(version.number(), 0);
    version
}

async fn value(register: &Register) -> u64 {
    register.read(None).await.unwrap().parse().unwrap().unwrap()
}

/// The objects of a register whose `writer` made `count` more versions with bodies 100 + version.
async fn continued(objects: Objects, writer: u64, count: usize) -> Objects {
    let store = Arc::new(Scripted::of(objects));
    let register = register(&store, writer);
    for _ in 0..count {
        let base = register.read(None).await.unwrap();
        advance(&register, &base, 101 + base.number()).await;
    }
    store.objects()
}

#[tokio::test(start_paused = true)]
async fn r1_bytes_are_fixed_before_the_first_try() {
    let store = Arc::new(Scripted::default());
    let register = register(&store, 1);
    let base = empty(&register).await;
    store.on(Op::Create, NAME, Fault::LoseBefore);
    store.on(Op::Create, NAME, Fault::LoseAnswer);
    let first = advance(&register, &base, 1).await;
    // Only what took effect is recorded: the second try; the third was not needed.
    let bytes = store.objects()[&object(1)].clone();
    assert!(std::str::from_utf8(&bytes).unwrap().contains("\"body\":1,"));
    advance(&register, &first, 1).await;
    let second = store.objects()[&object(2)].clone();
    assert_ne!(bytes, second, "the same body again is another intent with another id (L21)");
}

#[tokio::test(start_paused = true)]
async fn r1_every_try_writes_the_same_bytes() {
    let store = Arc::new(Scripted::default());
    let register = register(&store, 1);
    let base = empty(&register).await;
    store.on(Op::Create, NAME, Fault::LoseAnswer);
    // The first create vanishes from this reader's sight, so a second is sent.
    let name = object(1);
    store.before(Op::Get, NAME, 0, move |objects| {
        objects.remove(&name);
    });
    advance(&register, &base, 1).await;
    let tries = store.created(&object(1));
    assert_eq!(tries.len(), 2);
    assert_eq!(tries[0], tries[1]);
}

#[tokio::test]
async fn r2_a_version_that_came_between_the_lists_is_read_instead() {
    let store = Arc::new(Scripted::of(continued(Objects::new(), 2, 1).await));
    let more = continued(store.objects(), 2, 1).await;
    store.before(Op::List, NAME, 1, |objects| objects.extend(more));
    assert_eq!(value(&register(&store, 1)).await, 102);
}

/// The version listed is pruned, and created again by a late writer before it is read.
#[tokio::test]
async fn r2_a_pruned_version_created_again_is_not_believed() {
    let store = Arc::new(Scripted::of(continued(Objects::new(), 2, 1).await));
    let stale = continued(Objects::new(), 3, 1).await[&object(1)].clone();
    let mut more = continued(store.objects(), 2, 2).await;
    more.insert(object(1), stale.clone());
    store.before(Op::Get, NAME, 0, |objects| {
        objects.clear();
        objects.extend(more);
    });
    assert_eq!(value(&register(&store, 1)).await, 103);
    assert_eq!(store.objects()[&object(1)], stale);
}

#[tokio::test]
async fn r2_an_absent_version_starts_the_read_again() {
    let store = Arc::new(Scripted::of(continued(Objects::new(), 2, 1).await));
    let mut more = continued(store.objects(), 2, 1).await;
    more.remove(&object(1));
    store.before(Op::Get, NAME, 0, |objects| *objects = more);
    assert_eq!(value(&register(&store, 1)).await, 102);
}

#[tokio::test]
async fn r2_a_cached_version_costs_one_list() {
    let store = Arc::new(Scripted::of(continued(Objects::new(), 2, 3).await));
    let register = register(&store, 1);
    let cached = register.read(None).await.unwrap();
    assert_eq!(store.calls(), [Op::List, Op::Get, Op::List]);
    assert_eq!(register.read(Some(&cached)).await.unwrap().number(), 3);
    assert_eq!(store.calls(), [Op::List]);
    advance(&register, &cached, 4).await;
    assert_eq!(store.calls(), [Op::Create, Op::List], "an update costs one create and one list");
    assert_eq!(register.read(Some(&cached)).await.unwrap().number(), 4);
}

#[tokio::test]
async fn r3_an_advance_from_an_old_version_loses_harmlessly() {
    let store = Arc::new(Scripted::default());
    let register = register(&store, 1);
    let old = empty(&register).await;
    let first = advance(&register, &old, 1).await;
    advance(&register, &first, 2).await;
    assert!(matches!(register.advance(&old, &json!(9)).await, Advance::Moved));
    assert!(matches!(register.advance(&first, &json!(9)).await, Advance::Moved));
    assert_eq!(value(&register).await, 2);
}

#[tokio::test]
async fn r4_created_on_a_pruned_name_is_moved() {
    let store = Arc::new(Scripted::default());
    let register = register(&store, 1);
    let old = empty(&register).await;
    let mut others = continued(Objects::new(), 2, 3).await;
    others.remove(&object(1));
    store.change(|objects| *objects = others);
    assert!(matches!(register.advance(&old, &json!(9)).await, Advance::Moved));
    assert!(store.has(&object(1)), "it was created, and counts for nothing");
    assert_eq!(value(&register).await, 103);
}

#[tokio::test]
async fn r5_a_pruned_successor_leaves_it_unknown() {
    let store = Arc::new(Scripted::default());
    let register = register(&store, 1);
    let old = empty(&register).await;
    let mut others = continued(Objects::new(), 2, 3).await;
    others.retain(|name, _| *name == object(3));
    store.change(|objects| *objects = others);
    assert!(matches!(register.advance(&old, &json!(9)).await, Advance::Unknown { .. }));
}

#[tokio::test(start_paused = true)]
async fn r5_a_successor_that_follows_us_says_that_we_advanced() {
    let store = Arc::new(Scripted::default());
    let register = register(&store, 1);
    let base = empty(&register).await;
    // Our create lands, its answer is lost, and another writer builds on it before we look.
    store.on(Op::Create, NAME, Fault::LoseAnswer);
    let attempt = async { register.advance(&base, &json!(7)).await };
    let other = async {
        let other = self::register(&store, 2);
        let ours = other.read(None).await.unwrap();
        assert_eq!(ours.number(), 1);
        advance(&other, &ours, 8).await;
    };
    store.on(Op::Get, NAME, Fault::LoseBefore);
    let (outcome, ()) = futures::join!(attempt, other);
    assert!(matches!(outcome, Advance::Advanced { superseded: true, .. }), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn r6_unclear_answers_are_settled_by_get_then_list() {
    let faults = [Fault::LoseAnswer, Fault::LoseBefore, Fault::HangAfter, Fault::HangBefore];
    for fault in faults {
        let store = Arc::new(Scripted::default());
        let register = register(&store, 1);
        let base = empty(&register).await;
        store.on(Op::Create, NAME, fault);
        advance(&register, &base, 7).await;
        assert_eq!(value(&register).await, 7);
    }
}

#[tokio::test(start_paused = true)]
async fn r6_exists_after_a_late_create_of_ours_is_advanced() {
    let store = Arc::new(Scripted::default());
    let register = register(&store, 1);
    let base = empty(&register).await;
    store.on(Op::Create, NAME, Fault::Late);
    store.on(Op::Create, NAME, Fault::LandBefore);
    advance(&register, &base, 7).await;
    assert_eq!(value(&register).await, 7);
}

#[tokio::test(start_paused = true)]
async fn r6_a_create_that_lands_between_get_and_list_is_looked_at_again() {
    let store = Arc::new(Scripted::default());
    let register = register(&store, 1);
    let base = empty(&register).await;
    store.on(Op::Create, NAME, Fault::Late);
    store.on(Op::List, NAME, Fault::LandBefore);
    advance(&register, &base, 7).await;
    assert_eq!(store.created(&object(1)).len(), 0, "it was not sent again");
}

#[tokio::test]
async fn r6_exists_of_another_is_moved() {
    let store = Arc::new(Scripted::default());
    let register = register(&store, 1);
    let base = empty(&register).await;
    let others = continued(Objects::new(), 2, 1).await;
    store.change(|objects| *objects = others);
    assert!(matches!(register.advance(&base, &json!(9)).await, Advance::Moved));
}

/// L22: bounded, and never "failed": the create lands after we have given up.
#[tokio::test(start_paused = true)]
async fn r6_giving_up_is_unknown() {
    let store = Arc::new(Scripted::default());
    let register = register(&store, 1);
    let base = empty(&register).await;
    for _ in 0..4 {
        store.on(Op::Create, NAME, Fault::Late);
    }
    assert!(matches!(register.advance(&base, &json!(7)).await, Advance::Unknown { .. }));
    store.land();
    assert_eq!(value(&register).await, 7);
}

#[tokio::test(start_paused = true)]
async fn r7_refused_only_if_nothing_was_ever_sent() {
    let store = Arc::new(Scripted::default());
    let register = register(&store, 1);
    let base = empty(&register).await;
    store.on(Op::Create, NAME, Fault::Refuse);
    assert!(matches!(register.advance(&base, &json!(7)).await, Advance::Refused { .. }));
    store.on(Op::Create, NAME, Fault::Late);
    for _ in 0..3 {
        store.on(Op::Create, NAME, Fault::Refuse);
    }
    assert!(matches!(register.advance(&base, &json!(7)).await, Advance::Unknown { .. }));
}

#[tokio::test(start_paused = true)]
async fn r8_versions_are_pruned_late_and_never_the_newest() {
    let store = Arc::new(Scripted::of(continued(Objects::new(), 2, 20).await));
    let register = keeping(&store, 1, 16);
    let mut late = Late::new(Duration::from_secs(3600));
    assert_eq!(register.prune(&mut late, Instant::now()).await.unwrap(), 0);
    let more = continued(store.objects(), 2, 5).await;
    store.change(|objects| *objects = more);
    assert_eq!(register.prune(&mut late, Instant::now() + Duration::from_secs(3599)).await.unwrap(), 0);
    let hour = Instant::now() + Duration::from_secs(3600);
    assert_eq!(register.prune(&mut late, hour).await.unwrap(), 4, "of the 20 seen an hour ago");
    assert_eq!(store.names(NAME)[0], format!("/{:020}", 5));
    let one = keeping(&store, 1, 0);
    let mut now = Late::new(Duration::ZERO);
    one.prune(&mut now, hour).await.unwrap();
    assert_eq!(value(&one).await, 125);
    assert_eq!(store.names(NAME).len(), 1);
    assert_eq!(one.prune(&mut now, hour).await.unwrap(), 0);
}

#[tokio::test]
async fn l10_many_versions_are_in_the_order_of_their_numbers() {
    let store = Arc::new(Scripted::of(continued(Objects::new(), 2, 101).await));
    assert_eq!(value(&register(&store, 1)).await, 201);
}

#[tokio::test(start_paused = true)]
async fn l4_a_register_that_goes_back_is_an_alarm() {
    let store = Arc::new(Scripted::of(continued(Objects::new(), 2, 3).await));
    let register = register(&store, 1);
    let cached = register.read(None).await.unwrap();
    store.change(Objects::clear);
    let error = register.read(Some(&cached)).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(Corrupt::RegisterBack { from: 3, to: 0, .. })), "{error}");
}

#[tokio::test(start_paused = true)]
async fn j10_a_version_beyond_the_next_is_an_alarm() {
    let store = Arc::new(Scripted::of(continued(Objects::new(), 2, 3).await));
    store.change(|objects| {
        objects.remove(&object(2));
    });
    let error = keeping(&store, 1, 16).read(None).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(Corrupt::VersionGap { version: 3, .. })), "{error}");
}

#[tokio::test(start_paused = true)]
async fn l22_a_read_of_a_dead_store_ends() {
    let store = Arc::new(Scripted::default());
    for _ in 0..4 {
        store.on(Op::List, NAME, Fault::HangBefore);
    }
    let begun = Instant::now();
    assert!(matches!(register(&store, 1).read(None).await, Err(Error::Unavailable { .. })));
    assert!(begun.elapsed() < Duration::from_secs(21));
}

#[tokio::test(start_paused = true)]
async fn l23_damage_is_read_again_and_then_an_alarm() {
    let store = Arc::new(Scripted::of(continued(Objects::new(), 2, 2).await));
    let register = register(&store, 1);
    store.on(Op::Get, NAME, Fault::Truncate);
    assert_eq!(value(&register).await, 102, "a truncated answer heals");
    store.change(|objects| {
        let text = String::from_utf8(objects[&object(2)].to_vec()).unwrap();
        objects.insert(object(2), text.replace("\"body\":102", "\"body\":103").into());
    });
    let error = register.read(None).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(Corrupt::Undecodable { .. })), "{error}");
    // A whole version under a wrong number.
    store.change(|objects| {
        let first = objects[&object(1)].clone();
        objects.insert(object(2), first);
    });
    assert!(matches!(register.read(None).await, Err(Error::Corrupt(Corrupt::Misplaced { .. }))));
}

/// A pruned name may hold what a late writer has created there: it is no part of the past.
#[tokio::test(start_paused = true)]
async fn r3_the_past_is_what_later_versions_name() {
    let store = Arc::new(Scripted::of(continued(Objects::new(), 1, 5).await));
    let register = register(&store, 2);
    let newest = register.read(None).await.unwrap();
    let past = async |until| {
        let past = register.past(&newest, until).await.unwrap();
        past.iter().map(|version| (version.number, version.parse().unwrap())).collect::<Vec<(u64, u64)>>()
    };
    assert_eq!(past(2).await, [(5, 105), (4, 104), (3, 103)]);
    assert_eq!(past(0).await.len(), 5);
    assert_eq!(past(5).await, []);
    let theirs = continued(Objects::new(), 9, 2).await.remove(&object(2)).expect("a version");
    store.change(|objects| drop(objects.insert(object(2), theirs)));
    assert_eq!(past(0).await, [(5, 105), (4, 104), (3, 103)]);
    let kept = register.kept().await.unwrap();
    let bytes = |number| store.objects()[&object(number)].len();
    assert_eq!(kept, [5, 4, 3].map(|number| (number, bytes(number))));
}
