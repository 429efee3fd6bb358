use super::*;
use crate::journal::alarm::Corrupt;
use crate::journal::batch::{self, Header, Kind};
use crate::journal::claim::Error;
use crate::journal::digest::Digest;
use crate::journal::position::NUMBER_MAX;
use crate::journal::register::Advance;
use crate::journal::{manifest, walk};

fn store() -> Arc<Scripted> {
    Arc::new(Scripted::default())
}

/// What a claim by the process `seed` fails with.
async fn refused(store: &Arc<Scripted>, seed: u64) -> Error {
    journal(store, seed).claim("node", &mut Values::default()).await.expect_err("no claim")
}

/// A store whose first owner committed these values, one a batch.
async fn with_log(values: &[u64]) -> Arc<Scripted> {
    let store = store();
    let (mut owner, _) = claim(&store, 1).await;
    for value in values {
        commit(&mut owner.appender, *value).await;
    }
    store
}

#[tokio::test]
async fn j1_j4_the_first_claim_opens_epoch_one() {
    let store = store();
    let (owner, values) = claim(&store, 1).await;
    assert_eq!(owner.start.position(), at(1, 1));
    assert_eq!(values, Values { resets: 1, ..Values::default() });
    assert_eq!(
        store.names("test/partitions/0003/"),
        [format!("log/{:020}/{:020}", 1, 1), format!("manifest/{:020}", 1)]
    );
}

#[tokio::test]
async fn j3_a_claim_seals_every_epoch_before_it_and_replays_all() {
    let store = with_log(&[1, 2]).await;
    let (mut second, _) = claim(&store, 2).await;
    commit(&mut second.appender, 3).await;
    claim(&store, 3).await;
    let (_, values) = claim(&store, 4).await;
    assert_eq!(values.all, [1, 2, 3]);
    assert_eq!(values.batches, [at(1, 2), at(1, 3), at(2, 2)]);
    let seals = [slot_name(1, 4), slot_name(2, 3), slot_name(3, 2)];
    assert!(seals.iter().all(|name| store.objects()[name] == batch::seal()));
}

/// An epoch whose owner never came as far as its ownership record is sealed at its first slot.
#[tokio::test(start_paused = true)]
async fn j4_a_claimant_that_is_sealed_out_is_no_owner() {
    let store = with_log(&[1]).await;
    for _ in 0..3 {
        store.on(Op::Create, &slot_name(2, 1), Fault::HangBefore);
    }
    let slow = async { refused(&store, 2).await };
    let (error, (owner, _)) = futures::join!(slow, async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        store.on(Op::Get, &slot_name(2, 1), Fault::Before(Box::new(|_| ())));
        claim(&store, 3).await
    });
    assert!(matches!(error, Error::Superseded { epoch: 2 }), "{error}");
    assert_eq!(owner.start.position(), at(3, 1));
}

#[tokio::test(start_paused = true)]
async fn j4_the_ownership_record_is_settled_like_an_append() {
    for fault in [Fault::LoseAnswer, Fault::LoseBefore, Fault::Late, Fault::HangAfter] {
        let store = with_log(&[1]).await;
        store.on(Op::Create, &slot_name(2, 1), fault);
        claim(&store, 2).await;
        assert!(store.has(&slot_name(2, 1)));
    }
}

#[tokio::test(start_paused = true)]
async fn j2_only_a_clear_advance_goes_on() {
    let store = with_log(&[1]).await;
    let objects = store.objects();
    for _ in 0..4 {
        store.on(Op::Create, "manifest", Fault::Late);
    }
    assert!(matches!(refused(&store, 2).await, Error::Unknown { epoch: 2, .. }));
    assert_eq!(store.objects(), objects, "nothing was written");
    store.on(Op::Create, "manifest", Fault::Refuse);
    assert!(matches!(refused(&store, 3).await, Error::Refused { epoch: 2, .. }));
    // The unknown claim lands: the next one is of the epoch after, and the one that never served is sealed.
    store.land();
    let (owner, _) = claim(&store, 4).await;
    assert_eq!(owner.start.position(), at(3, 1));
    assert_eq!(store.objects()[&slot_name(2, 1)], batch::seal());
}

#[tokio::test(start_paused = true)]
async fn j2_l6_of_two_claims_at_once_one_goes_on() {
    let store = with_log(&[1]).await;
    let (mut one, mut two) = (Values::default(), Values::default());
    let claims = futures::join!(journal(&store, 2).claim("a", &mut one), async {
        tokio::task::yield_now().await;
        journal(&store, 3).claim("b", &mut two).await
    });
    let owners = [claims.0.is_ok(), claims.1.is_ok()];
    // One after the other is fine too, but then the epochs differ.
    if let (Ok(one), Ok(two)) = &claims {
        assert_ne!(one.start.position().epoch, two.start.position().epoch);
    }
    assert!(owners.contains(&true));
    let mut racing = store.objects();
    // Both read version 3; the other's version 4 is there first.
    claim(&store, 4).await;
    let newer = manifest_name(store.names("test/partitions/0003/manifest/").len() as u64);
    let bytes = store.objects()[&newer].clone();
    racing.remove(&newer);
    let store = Arc::new(Scripted::of(racing));
    store.before(Op::Create, "manifest", 0, move |objects| {
        objects.insert(newer, bytes);
    });
    assert!(matches!(refused(&store, 5).await, Error::Superseded { .. }));
}

/// The zombie's append is late, and lands after the walk found its slot free.
#[tokio::test(start_paused = true)]
async fn j3_a_record_that_lands_before_the_seal_is_replayed() {
    let store = store();
    let (mut old, _) = claim(&store, 1).await;
    store.on(Op::Create, "log/", Fault::Late);
    let _ = tokio::time::timeout(Duration::from_millis(1), append(&mut old.appender, &[7])).await;
    store.on(Op::Create, &slot_name(1, 2), Fault::LandBefore);
    let (_, values) = claim(&store, 2).await;
    assert_eq!(values.all, [7]);
    assert_eq!(store.objects()[&slot_name(1, 3)], batch::seal());
}

#[tokio::test(start_paused = true)]
async fn j3_a_seal_without_an_answer_is_read_until_it_is_there() {
    for fault in [Fault::LoseAnswer, Fault::LoseBefore, Fault::Late, Fault::HangBefore] {
        let store = with_log(&[1]).await;
        store.on(Op::Create, &slot_name(1, 3), fault);
        let (_, values) = claim(&store, 2).await;
        assert_eq!(values.all, [1]);
        assert_eq!(store.objects()[&slot_name(1, 3)], batch::seal());
    }
}

#[tokio::test(start_paused = true)]
async fn l22_a_claim_on_a_dead_store_ends() {
    let store = with_log(&[1]).await;
    for _ in 0..4 {
        store.on(Op::Create, &slot_name(1, 3), Fault::HangBefore);
    }
    assert!(matches!(refused(&store, 2).await, Error::Walk(walk::Error::Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn l13_an_undecodable_batch_refuses_the_partition_and_names_it() {
    let store = with_log(&[1, 2]).await;
    store.change(|objects| {
        objects.insert(slot_name(1, 3), Bytes::from_static(b"junk"));
    });
    let error = refused(&store, 2).await;
    assert!(error.to_string().contains(&slot_name(1, 3)), "{error}");
    assert!(matches!(error, Error::Walk(walk::Error::Corrupt(Corrupt::Undecodable { .. }))));
    assert!(!store.has(&slot_name(2, 1)), "no ownership record");
}

#[tokio::test]
async fn l13_l14_an_event_that_cannot_be_replayed_refuses_the_partition() {
    let store = with_log(&[1]).await;
    let (mut owner, _) = claim(&store, 2).await;
    let _ = owner.appender.append(Bytes::from_static(b"TaskTeleported\n"), 1).await;
    match refused(&store, 3).await {
        Error::Walk(walk::Error::Batch { at: position, source }) => {
            assert_eq!(position, at(2, 2));
            assert!(source.reason.contains("TaskTeleported"));
        }
        other => panic!("{other}"),
    }
    assert!(!store.has(&slot_name(3, 1)), "no ownership record");
}

#[tokio::test]
async fn l14_a_newer_format_floor_is_refused_before_claiming() {
    let store = with_log(&[1]).await;
    // The next version of the manifest, as a newer release would write it.
    let register = journal(&store, 8).manifest();
    let base = register.read(None).await.unwrap();
    let _ = register.advance(&base, &serde_json::json!({"format_floor": 2, "anything": "else"})).await;
    let before = store.objects();
    let error = refused(&store, 2).await;
    assert!(matches!(error, Error::Manifest(manifest::Error::Newer { floor: 2 })), "{error}");
    assert_eq!(store.objects(), before);
}

#[tokio::test(start_paused = true)]
async fn l14_a_batch_of_a_newer_format_is_refused() {
    let store = with_log(&[1, 2]).await;
    store.change(|objects| {
        let bytes = objects[&slot_name(1, 2)].to_vec();
        let newer = String::from_utf8_lossy(&bytes).replace("callboard slot 1 ", "callboard slot 9 ");
        objects.insert(slot_name(1, 2), newer.into_bytes().into());
    });
    let error = refused(&store, 2).await;
    assert!(matches!(error, Error::Walk(walk::Error::Newer(_))), "{error}");
}

/// A record in place of another, with all its checksums right.
fn forged(place: Position, claim: Uuid, previous: Digest) -> Bytes {
    let kind = if place.slot == 1 { Kind::Ownership } else { Kind::Data };
    forged_as(kind, place, claim, previous)
}

fn forged_as(kind: Kind, place: Position, claim: Uuid, previous: Digest) -> Bytes {
    let count = u64::from(kind == Kind::Data);
    let header =
        Header { kind, partition: 3, at: place, writer: "x".into(), claim, batch: Uuid::nil(), previous, count };
    batch::encode(&header, &b"9\n"[..2 * count as usize], 1).unwrap()
}

async fn refused_with(place: Position, bytes: Bytes) -> Corrupt {
    let store = with_log(&[1, 2, 3]).await;
    store.change(|objects| {
        objects.insert(slot_name(place.epoch, place.slot), bytes);
    });
    match refused(&store, 2).await {
        Error::Walk(walk::Error::Corrupt(corrupt)) => corrupt,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn l23_a_record_in_place_of_another_breaks_the_chain() {
    let log = with_log(&[1, 2, 3]).await.objects();
    let hash = |slot| Digest::of(&log[&slot_name(1, slot)]);
    let claim = Uuid::from_u64_pair(1, 1);
    // It follows what is before it, but what is after does not follow it.
    let swapped = refused_with(at(1, 3), forged(at(1, 3), claim, hash(2))).await;
    assert!(matches!(swapped, Corrupt::BrokenChain { at: position, .. } if position == at(1, 4)), "{swapped}");
    let unchained = refused_with(at(1, 3), forged(at(1, 3), claim, hash(1))).await;
    assert!(matches!(unchained, Corrupt::BrokenChain { at: position, .. } if position == at(1, 3)), "{unchained}");
}

/// A record that was deleted by hand: it would be sealed over, and all behind it lost without a word.
#[tokio::test]
async fn j10_l25_a_lost_record_is_told_from_the_end_of_the_log() {
    let store = with_log(&[1, 2, 3]).await;
    let mut objects = store.objects();
    store.change(|objects| {
        objects.remove(&slot_name(1, 3));
    });
    let error = refused(&store, 2).await;
    assert!(
        matches!(error, Error::Walk(walk::Error::Corrupt(Corrupt::Hole { at: hole })) if hole == at(1, 3)),
        "{error}"
    );
    assert!(!store.has(&slot_name(1, 3)), "it was not sealed");
    let error = journal(&store, 9).read(&mut Values::default()).await.expect_err("hole");
    assert!(error.to_string().contains("slot 1/3 is free"), "{error}");
    // Two appends between the look at a slot and the look behind it are no hole.
    let later = objects.clone();
    objects.retain(|name, _| *name < slot_name(1, 3));
    objects.insert(manifest_name(1), later[&manifest_name(1)].clone());
    let store = Arc::new(Scripted::of(objects));
    store.before(Op::Get, &slot_name(1, 4), 0, |objects| *objects = later);
    assert_eq!(read(&store).await.all, [1, 2, 3]);
}

#[tokio::test]
async fn j10_two_owners_in_an_epoch_are_an_alarm() {
    let log = with_log(&[1, 2, 3]).await.objects();
    let hash = Digest::of(&log[&slot_name(1, 2)]);
    let two = refused_with(at(1, 3), forged(at(1, 3), Uuid::from_u128(5), hash)).await;
    assert!(matches!(two, Corrupt::TwoOwners { .. }), "{two}");
    let claim = Uuid::from_u64_pair(1, 1);
    let late = refused_with(at(1, 3), forged_as(Kind::Ownership, at(1, 3), claim, hash)).await;
    assert!(matches!(late, Corrupt::OwnershipOutOfPlace { .. }), "{late}");
    let none = refused_with(at(1, 1), forged_as(Kind::Data, at(1, 1), claim, Digest::ZERO)).await;
    assert!(matches!(none, Corrupt::OwnershipOutOfPlace { .. }), "{none}");
}

#[tokio::test(start_paused = true)]
async fn l23_a_truncated_answer_heals() {
    let store = with_log(&[1, 2, 3]).await;
    store.on(Op::Get, &slot_name(1, 3), Fault::Truncate);
    let (_, values) = claim(&store, 2).await;
    assert_eq!(values.all, [1, 2, 3]);
}

/// A claimant that sleeps while a newer owner snapshots and collects finds a log that looks broken: that is no alarm.
#[tokio::test(start_paused = true)]
async fn j3_a_superseded_walk_is_told_from_damage() {
    for (asleep_at, part) in [(Op::Get, "log/"), (Op::Create, "log/")] {
        let store = with_log(&[1, 2, 3]).await;
        store.on(asleep_at, part, Fault::HangBefore);
        let (error, ()) = futures::join!(async { refused(&store, 2).await }, async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let (mut new, values) = claim(&store, 3).await;
            snapshot(&mut new.keeper, new.start, &values.all).await.unwrap();
            let mark = commit(&mut new.appender, 4).await;
            snapshot(&mut new.keeper, mark, &[1, 2, 3, 4]).await.unwrap();
            assert!(new.keeper.collect().await.unwrap().slots > 0);
        });
        assert!(matches!(error, Error::Superseded { epoch: 2 }), "{error}");
        assert_eq!(read(&store).await.all, [1, 2, 3, 4]);
    }
}

/// The newer owner's collection got only half-way, so that what is left does not fit together; or the snapshot to begin
/// from is gone already.
#[tokio::test(start_paused = true)]
async fn j3_a_superseded_walk_raises_no_alarm() {
    for asleep_at in ["log/", "snapshots/"] {
        let store = with_log(&[1, 2]).await;
        let (mut second, values) = claim(&store, 2).await;
        if asleep_at == "snapshots/" {
            snapshot(&mut second.keeper, second.start, &values.all).await.unwrap();
        }
        commit(&mut second.appender, 3).await;
        store.on(Op::Get, asleep_at, Fault::HangBefore);
        let (error, ()) = futures::join!(async { refused(&store, 3).await }, async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let (mut new, values) = claim(&store, 4).await;
            snapshot(&mut new.keeper, new.start, &values.all).await.unwrap();
            let mark = commit(&mut new.appender, 4).await;
            snapshot(&mut new.keeper, mark, &[1, 2, 3, 4]).await.unwrap();
            store.on(Op::Delete, &slot_name(2, 1), Fault::LoseBefore);
            store.on(Op::Delete, &slot_name(2, 2), Fault::LoseBefore);
            new.keeper.collect().await.unwrap();
            assert!(!store.has(&slot_name(1, 1)) && store.has(&slot_name(2, 1)));
        });
        assert!(matches!(error, Error::Superseded { epoch: 3 }), "{asleep_at}: {error}");
    }
}

#[tokio::test]
async fn l20_a_walk_reads_ahead() {
    let store = with_log(&(0..40).collect::<Vec<_>>()).await;
    store.calls();
    let (_, values) = claim(&store, 2).await;
    assert_eq!(values.all, (0..40).collect::<Vec<_>>());
    let gets = store.calls().into_iter().filter(|op| *op == Op::Get).count();
    assert!(gets < 41 + 10, "{gets} gets for 41 records");
}

#[tokio::test]
async fn an_owner_has_a_printable_name() {
    for name in ["", "a b", "ä", "a\n", &"x".repeat(129)] {
        let error = journal(&store(), 1).claim(name, &mut Values::default()).await.expect_err("refused");
        assert!(matches!(error, Error::InvalidOwner(_)), "{name:?}");
    }
    let longest = "x".repeat(128);
    assert!(journal(&store(), 1).claim(&longest, &mut Values::default()).await.is_ok());
}

/// The next epoch always has a number, whatever a manifest says.
#[tokio::test]
async fn an_epoch_beyond_all_epochs_is_damage() {
    for (epoch, is_one) in [(NUMBER_MAX, true), (NUMBER_MAX + 1, false), (u64::MAX, false)] {
        let store = store();
        let (_owner, _) = claim(&store, 1).await;
        let register = journal(&store, 8).manifest();
        let current = manifest::read(&register, None).await.unwrap();
        let far = manifest::Manifest { epoch, ..current.manifest };
        assert!(matches!(register.advance(&current.version, &far).await, Advance::Advanced { .. }));
        let read = manifest::read(&register, None).await;
        assert_eq!(read.is_ok(), is_one, "{epoch}");
        let is_damage = |error: &manifest::Error| error.to_string().contains("beyond all epochs");
        assert!(is_one || is_damage(&read.unwrap_err()));
    }
}
