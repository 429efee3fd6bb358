use super::store::Objects;
use super::*;
use crate::journal::append::{Refusal, Standing};
use crate::journal::batch;

fn store() -> Arc<Scripted> {
    Arc::new(Scripted::default())
}

#[tokio::test]
async fn j5_a_commit_is_one_create() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    store.calls();
    let mark = commit(&mut owner.appender, 7).await;
    assert_eq!(store.calls(), [Op::Create]);
    assert_eq!(mark.position(), at(1, 2));
    assert_eq!(owner.appender.last(), mark);
    assert_eq!(commit(&mut owner.appender, 8).await.position(), at(1, 3));
    assert_eq!(read(&store).await.all, [7, 8]);
}

#[tokio::test(start_paused = true)]
async fn l1_a_lost_response_with_our_write_in_place_is_committed() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    store.on(Op::Create, "log/", Fault::LoseAnswer);
    commit(&mut owner.appender, 7).await;
    assert_eq!(read(&store).await.all, [7]);
}

#[tokio::test(start_paused = true)]
async fn l2_a_hang_is_unclear_and_shows_meanwhile() {
    for fault in [Fault::HangAfter, Fault::HangBefore] {
        let store = store();
        let (mut owner, _) = claim(&store, 1).await;
        let status = owner.appender.status();
        let begun = tokio::time::Instant::now();
        store.on(Op::Create, "log/", fault);
        store.on(Op::Get, "log/", Fault::HangBefore);
        let (mark, ()) = futures::join!(commit(&mut owner.appender, 7), async {
            tokio::time::sleep(Duration::from_secs(10) + Duration::from_millis(2)).await;
            let stuck = status.borrow().stuck.clone().expect("stuck");
            assert_eq!(stuck.tries, 1);
            assert_eq!(stuck.since, begun + Duration::from_secs(10));
            assert!(stuck.last_error.contains("no answer within 5s"), "{stuck:?}");
        });
        assert_eq!(mark.position(), at(1, 2));
        assert!(status.borrow().stuck.is_none());
        assert_eq!(read(&store).await.all, [7]);
    }
}

/// A tenure that is ended while the store is away leaves nothing behind that looks as if somebody still waited.
#[tokio::test(start_paused = true)]
async fn an_appender_that_is_gone_is_stuck_no_more() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    let status = owner.appender.status();
    store.on(Op::Create, "log/", Fault::HangBefore);
    store.on(Op::Get, "log/", Fault::HangBefore);
    let appending = tokio::time::timeout(Duration::from_millis(10_002), append(&mut owner.appender, &[7]));
    assert!(appending.await.is_err());
    assert!(status.borrow().stuck.is_some());
    drop(owner.appender);
    assert!(status.borrow().stuck.is_none());
}

/// Our own late create lands first; then the name exists, which says nothing about whose it is.
#[tokio::test(start_paused = true)]
async fn l3_exists_is_unclear() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    store.on(Op::Create, "log/", Fault::Late);
    store.on(Op::Create, "log/", Fault::LandBefore);
    commit(&mut owner.appender, 7).await;
    assert_eq!(read(&store).await.all, [7]);
}

#[tokio::test(start_paused = true)]
async fn j5_every_try_writes_the_same_bytes() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    store.on(Op::Create, "log/", Fault::LoseAnswer);
    store.before(Op::Get, "log/", 0, |objects| {
        objects.remove(&slot_name(1, 2));
    });
    commit(&mut owner.appender, 7).await;
    let tries = store.created(&slot_name(1, 2));
    assert_eq!(tries.len(), 2);
    assert_eq!(tries[0], tries[1]);
}

#[tokio::test(start_paused = true)]
async fn an_append_waits_for_a_store_that_is_away() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    for _ in 0..50 {
        store.on(Op::Create, "log/", Fault::LoseBefore);
        store.on(Op::Get, "log/", Fault::LoseBefore);
    }
    commit(&mut owner.appender, 7).await;
}

#[tokio::test]
async fn l6_l7_a_deposed_owner_fails_and_stays_deposed() {
    let store = store();
    let (mut old, _) = claim(&store, 1).await;
    commit(&mut old.appender, 1).await;
    let (mut new, values) = claim(&store, 2).await;
    assert_eq!(values.all, [1]);
    assert_eq!(append(&mut old.appender, &[9]).await, Outcome::Failed { at: at(1, 3) });
    assert!(matches!(append(&mut old.appender, &[9]).await, Outcome::Refused(Refusal::Deposed(_))));
    assert!(old.appender.status().borrow().ended.is_some());
    commit(&mut new.appender, 2).await;
    assert_eq!(read(&store).await.all, [1, 2]);
}

/// What an owner that appends nothing finds when it looks: a seal where its next record would go. One get.
#[tokio::test(start_paused = true)]
async fn an_idle_owner_sees_that_it_is_deposed() {
    let store = store();
    let (mut old, _) = claim(&store, 1).await;
    commit(&mut old.appender, 1).await;
    store.calls();
    assert_eq!(old.appender.standing().await, Standing::Serving);
    assert_eq!(store.calls(), [Op::Get]);
    store.on(Op::Get, "log/", Fault::LoseAnswer);
    assert_eq!(old.appender.standing().await, Standing::Unknown);
    let (mut new, _) = claim(&store, 2).await;
    assert_eq!(old.appender.standing().await, Standing::Deposed);
    assert!(matches!(append(&mut old.appender, &[9]).await, Outcome::Refused(Refusal::Deposed(_))));
    assert_eq!(new.appender.standing().await, Standing::Serving);
    commit(&mut new.appender, 2).await;
    assert_eq!(read(&store).await.all, [1, 2]);
}

/// A walk and an append race for one slot: whoever is second reads what the first wrote.
#[tokio::test(start_paused = true)]
async fn j6_an_append_that_lands_before_the_seal_is_committed() {
    let store = store();
    let (mut old, _) = claim(&store, 1).await;
    store.on(Op::Create, &slot_name(1, 2), Fault::Late);
    store.on(Op::Get, &slot_name(1, 2), Fault::HangBefore);
    // The new owner finds the slot free; then the late append lands, before the seal.
    store.on(Op::Create, &slot_name(1, 2), Fault::LandBefore);
    let (outcome, (_new, values)) = futures::join!(append(&mut old.appender, &[7]), async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        claim(&store, 2).await
    });
    assert_eq!(values.all, [7]);
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
}

/// Our record was committed, snapshotted and collected, and its slot sealed by a late walk: it is in the log, and only
/// "unknown" is true.
#[tokio::test(start_paused = true)]
async fn j6_a_seal_behind_the_snapshot_is_unknown() {
    let store = store();
    let (mut old, _) = claim(&store, 1).await;
    store.on(Op::Create, &slot_name(1, 2), Fault::LoseAnswer);
    store.on(Op::Get, &slot_name(1, 2), Fault::HangBefore);
    let (outcome, ()) = futures::join!(append(&mut old.appender, &[7]), async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let (mut new, values) = claim(&store, 2).await;
        assert_eq!(values.all, [7]);
        collect_up_to(&mut new, &values.all).await;
        assert!(!store.has(&slot_name(1, 2)));
        store.change(|objects| {
            objects.insert(slot_name(1, 2), batch::seal());
        });
    });
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(read(&store).await.all.contains(&7));
}

/// Two snapshots, so that everything before the first of them is collected.
async fn collect_up_to(owner: &mut Owner, state: &[u64]) {
    snapshot(&mut owner.keeper, owner.start, state).await.unwrap();
    let mark = commit(&mut owner.appender, 100).await;
    let mut state = state.to_vec();
    state.push(100);
    snapshot(&mut owner.keeper, mark, &state).await.unwrap();
    owner.keeper.collect().await.unwrap();
}

/// The slots before a seal are deleted: neither they nor what follows are open again for the old owner.
#[tokio::test(start_paused = true)]
async fn l5_deleted_slots_are_not_reopened_for_a_zombie() {
    let store = store();
    let (mut old, _) = claim(&store, 1).await;
    // Its record lands and it does not hear of it, and sleeps.
    store.on(Op::Create, &slot_name(1, 2), Fault::LoseAnswer);
    store.on(Op::Get, &slot_name(1, 2), Fault::HangBefore);
    let (outcome, ()) = futures::join!(append(&mut old.appender, &[7]), async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let (mut new, values) = claim(&store, 2).await;
        collect_up_to(&mut new, &values.all).await;
        assert_eq!(store.names("test/partitions/0003/log/00000000000000000001/"), [format!("{:020}", 3)]);
    });
    // It creates its record again in the collected slot, which is true: it was committed. The next slot is sealed.
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    assert!(!matches!(append(&mut old.appender, &[8]).await, Outcome::Committed(_)));
    assert_eq!(read(&store).await.all, [7, 100]);
}

#[tokio::test(start_paused = true)]
async fn refused_means_that_nothing_was_ever_sent() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    let before = store.objects();
    store.on(Op::Create, "log/", Fault::Refuse);
    assert_eq!(append(&mut owner.appender, &[7]).await, Outcome::Refused(Refusal::Store("scripted".to_owned())));
    assert_eq!(store.objects(), before);
    assert!(matches!(append(&mut owner.appender, &[7]).await, Outcome::Refused(Refusal::Deposed(_))));
    // After an unclear try a refusal says nothing about the first.
    let (mut owner, _) = claim(&store, 2).await;
    store.on(Op::Create, "log/", Fault::Late);
    store.on(Op::Create, "log/", Fault::Refuse);
    store.on(Op::Create, "log/", Fault::LandBefore);
    commit(&mut owner.appender, 8).await;
}

/// One bad event fails all, one outcome goes to all: it can be given to every waiter.
#[tokio::test]
async fn l16_a_batch_has_one_outcome_for_all_its_events() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    let outcome = append(&mut owner.appender, &[1, 2, 3]).await;
    let told: Vec<Outcome> = (0..3).map(|_| outcome.clone()).collect();
    assert!(told.iter().all(|outcome| matches!(outcome, Outcome::Committed(_))));
    claim(&store, 2).await;
    assert!(matches!(append(&mut owner.appender, &[4, 5]).await, Outcome::Failed { .. }));
    assert_eq!(read(&store).await.all, [1, 2, 3], "all of a batch or nothing");
}

#[tokio::test]
async fn what_is_no_batch_is_refused() {
    for (lines, count) in [("", 0), ("1\n", 2), ("1", 1), ("1\n2", 1), ("1\n2\n", 1)] {
        let (mut owner, _) = claim(&store(), 1).await;
        let outcome = owner.appender.append(Bytes::from_static(lines.as_bytes()), count).await;
        assert!(matches!(outcome, Outcome::Refused(Refusal::Invalid(_))), "{lines:?}: {outcome:?}");
    }
}

/// The slot of a dropped append may hold its bytes later, so other bytes must never be tried there.
#[tokio::test(start_paused = true)]
async fn a_dropped_append_ends_the_tenure() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    store.on(Op::Create, "log/", Fault::Late);
    let dropped = tokio::time::timeout(Duration::from_millis(1), append(&mut owner.appender, &[7])).await;
    assert!(dropped.is_err());
    assert!(matches!(append(&mut owner.appender, &[8]).await, Outcome::Refused(Refusal::Deposed(_))));
    store.land();
    assert_eq!(read(&store).await.all, [7]);
}

#[tokio::test(start_paused = true)]
async fn j10_a_foreign_record_or_damage_in_our_slot_is_unknown() {
    let other = store();
    let (mut owner, _) = claim(&other, 5).await;
    commit(&mut owner.appender, 1).await;
    let foreign = other.objects()[&slot_name(1, 2)].clone();
    for (bytes, word) in [(foreign, "foreign"), (Bytes::from_static(b"junk"), "cannot be decoded")] {
        let store = store();
        let (mut owner, _) = claim(&store, 1).await;
        store.change(|objects: &mut Objects| {
            objects.insert(slot_name(1, 2), bytes);
        });
        match append(&mut owner.appender, &[7]).await {
            Outcome::Unknown { reason, .. } => assert!(reason.contains(word), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn j10_a_seal_without_a_newer_claim_is_unknown() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    store.change(|objects| {
        objects.insert(slot_name(1, 2), batch::seal());
    });
    match append(&mut owner.appender, &[7]).await {
        Outcome::Unknown { reason, .. } => {
            assert!(reason.contains("still names our claim"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
}

/// A truncated answer looks like damage once.
#[tokio::test(start_paused = true)]
async fn l23_a_truncated_answer_is_looked_at_again() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    store.on(Op::Create, "log/", Fault::LoseAnswer);
    store.on(Op::Get, "log/", Fault::Truncate);
    commit(&mut owner.appender, 7).await;
}

/// What is there can not be read, so whether the refused try was the first that the store has seen is not known.
#[tokio::test(start_paused = true)]
async fn a_refusal_behind_what_could_not_be_read_proves_nothing() {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    let name = slot_name(1, 2);
    store.change(|objects| drop(objects.insert(name.clone(), batch::seal())));
    store.on(Op::Get, &name, Fault::Truncate);
    store.on_nth(Op::Create, &name, 1, Fault::Refuse);
    let outcome = append(&mut owner.appender, &[1]).await;
    assert!(matches!(&outcome, Outcome::Unknown { .. }), "{outcome:?}");
}
