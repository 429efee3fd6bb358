use super::*;
use crate::journal::alarm::Corrupt;
use crate::journal::batch::{self, Slot};
use crate::journal::claim::Error as ClaimError;
use crate::journal::digest::Digest;
use crate::journal::keeper::Error;
use crate::journal::snapshot::SliceError;
use crate::journal::walk;

/// An owner that committed 1 to 3, and the last mark.
async fn serving() -> (Arc<Scripted>, Owner, Mark) {
    let store = Arc::new(Scripted::default());
    let (mut owner, _) = claim(&store, 1).await;
    commit(&mut owner.appender, 1).await;
    commit(&mut owner.appender, 2).await;
    let mark = commit(&mut owner.appender, 3).await;
    (store, owner, mark)
}

fn snapshots(store: &Scripted) -> Vec<String> {
    store.names("test/partitions/0003/snapshots/")
}

#[tokio::test]
async fn l9_snapshot_and_tail_equal_the_whole_log() {
    let (store, mut owner, mark) = serving().await;
    let whole = read(&store).await.all;
    snapshot(&mut owner.keeper, mark, &whole).await.unwrap();
    assert_eq!(owner.keeper.newest_snapshot(), at(1, 4));
    commit(&mut owner.appender, 4).await;
    let (_, values) = claim(&store, 2).await;
    assert_eq!(values.all, [1, 2, 3, 4]);
    assert_eq!(values.batches, [at(1, 5)], "the walk began behind the snapshot");
}

#[tokio::test]
async fn j7_appends_go_on_while_slices_come() {
    let (store, owner, mark) = serving().await;
    let Owner { mut appender, mut keeper, .. } = owner;
    let (sender, receiver) = mpsc::channel(1);
    let (done, ()) = futures::join!(keeper.snapshot(mark, receiver), async {
        sender.send(Slice::Lines(lines(&[1, 2]))).await.unwrap();
        commit(&mut appender, 4).await;
        sender.send(Slice::Lines(lines(&[3]))).await.unwrap();
        sender.send(Slice::End).await.unwrap();
    });
    done.unwrap();
    assert_eq!(read(&store).await.all, [1, 2, 3, 4]);
}

#[tokio::test]
async fn l9_a_snapshot_whose_writer_died_is_none() {
    let (store, mut owner, mark) = serving().await;
    let before = store.objects();
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(Slice::Lines(lines(&[1]))).unwrap();
    drop(sender);
    let error = owner.keeper.snapshot(mark, receiver).await.unwrap_err();
    assert!(matches!(error, Error::Slices(SliceError::Abandoned)), "{error}");
    assert_eq!(store.objects(), before);
    snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await.unwrap();
}

#[tokio::test]
async fn slices_are_whole_lines() {
    let (_, mut owner, mark) = serving().await;
    let (sender, receiver) = mpsc::channel(2);
    sender.try_send(Slice::Lines(Bytes::from_static(b"1\n2"))).unwrap();
    let error = owner.keeper.snapshot(mark, receiver).await.unwrap_err();
    assert!(matches!(error, Error::Slices(SliceError::Invalid(3))), "{error}");
}

/// Large slices are encoded on threads of their own.
#[tokio::test]
async fn a_large_snapshot_comes_back() {
    let (store, mut owner, mark) = serving().await;
    let (sender, receiver) = mpsc::channel(8);
    let part: Vec<u64> = (0..200_000).collect();
    for _ in 0..3 {
        sender.try_send(Slice::Lines(lines(&part))).unwrap();
    }
    sender.try_send(Slice::End).unwrap();
    owner.keeper.snapshot(mark, receiver).await.unwrap();
    assert_eq!(read(&store).await.all, part.repeat(3));
}

/// Only a mark of this tenure can be given, so only durable state is snapshotted; and it must be newer.
#[tokio::test]
async fn j7_a_snapshot_is_newer_and_of_this_tenure() {
    let (store, mut owner, mark) = serving().await;
    snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await.unwrap();
    let again = snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await;
    assert!(matches!(again, Err(Error::NotNewer { .. })));
    let (mut new, _) = claim(&store, 2).await;
    let foreign = snapshot(&mut new.keeper, mark, &[1, 2, 3]).await;
    assert!(matches!(foreign, Err(Error::NotNewer { .. })));
}

#[tokio::test]
async fn j7_a_deposed_owner_cannot_move_the_manifest() {
    let (store, mut owner, mark) = serving().await;
    claim(&store, 2).await;
    let manifests = store.names("test/partitions/0003/manifest/");
    let error = snapshot(&mut owner.keeper, mark, &[9]).await.unwrap_err();
    assert!(matches!(error, Error::Deposed(_)), "{error}");
    assert_eq!(store.names("test/partitions/0003/manifest/"), manifests);
    assert!(
        matches!(append(&mut owner.appender, &[4]).await, Outcome::Refused(_)),
        "the appender has stepped down too"
    );
    assert!(matches!(owner.keeper.collect().await, Err(Error::Deposed(_))));
    assert_eq!(read(&store).await.all, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn j7_an_unknown_advance_steps_down() {
    let (store, mut owner, mark) = serving().await;
    for _ in 0..4 {
        store.on(Op::Create, "manifest", Fault::Late);
    }
    assert!(matches!(snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await, Err(Error::Deposed(_))));
    store.land();
    let (_, values) = claim(&store, 2).await;
    assert_eq!((values.all, values.batches), (vec![1, 2, 3], vec![]));
}

/// Another intent only after *Moved*: a dropped advance is unknown.
#[tokio::test(start_paused = true)]
async fn j7_a_dropped_advance_steps_down() {
    let (store, mut owner, mark) = serving().await;
    store.on(Op::Create, "manifest", Fault::Late);
    let dropped = snapshot(&mut owner.keeper, mark, &[1, 2, 3]);
    assert!(tokio::time::timeout(Duration::from_millis(1), dropped).await.is_err());
    assert!(matches!(owner.keeper.collect().await, Err(Error::Deposed(_))));
    assert!(matches!(snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await, Err(Error::Deposed(_))));
    assert!(matches!(append(&mut owner.appender, &[4]).await, Outcome::Refused(_)));
}

#[tokio::test]
async fn j10_a_snapshot_position_that_goes_back_is_an_alarm() {
    let (store, mut owner, mark) = serving().await;
    snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await.unwrap();
    let register = journal(&store, 8).manifest();
    let base = register.read(None).await.unwrap();
    let mut manifest: manifest::Manifest = base.parse().unwrap().unwrap();
    manifest.snapshot = manifest.previous.clone();
    let _ = register.advance(&base, &manifest).await;
    let error = owner.keeper.collect().await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(Corrupt::ManifestBack { .. })), "{error}");
}

#[tokio::test(start_paused = true)]
async fn j7_faults_of_the_object_leave_the_manifest_alone() {
    let (store, mut owner, mark) = serving().await;
    store.on(Op::Create, "snapshots/", Fault::Refuse);
    assert!(matches!(snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await, Err(Error::Store(_))));
    for _ in 0..4 {
        store.on(Op::Create, "snapshots/", Fault::HangBefore);
    }
    assert!(matches!(snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await, Err(Error::Store(_))));
    store.on(Op::Create, "snapshots/", Fault::LoseAnswer);
    snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await.unwrap();
    assert_eq!(snapshots(&store).len(), 1);
    assert_eq!(read(&store).await.all, [1, 2, 3]);
}

#[tokio::test]
async fn l9_a_torn_or_missing_snapshot_is_refused() {
    let (store, mut owner, mark) = serving().await;
    snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await.unwrap();
    let name = format!("test/partitions/0003/snapshots/{}", snapshots(&store)[0]);
    let whole = store.objects()[&name].clone();
    for length in [0, 10, whole.len() / 2, whole.len() - 1] {
        let torn = whole.slice(..length);
        store.change(|objects| {
            objects.insert(name.clone(), torn);
        });
        let mut values = Values::default();
        let error = journal(&store, 2).claim("b", &mut values).await.expect_err("torn");
        assert!(matches!(error, ClaimError::Walk(walk::Error::Corrupt(Corrupt::Undecodable { .. }))), "{error}");
        assert!(values.all.is_empty(), "nothing of it was told");
    }
    store.change(|objects| {
        objects.remove(&name);
    });
    let error = journal(&store, 2).claim("b", &mut Values::default()).await.expect_err("missing");
    assert!(matches!(error, ClaimError::Walk(walk::Error::Corrupt(Corrupt::SnapshotMissing { .. }))), "{error}");
}

#[tokio::test]
async fn l13_a_snapshot_that_cannot_be_replayed_is_refused_by_name() {
    let (store, mut owner, mark) = serving().await;
    let (sender, receiver) = mpsc::channel(2);
    sender.try_send(Slice::Lines(Bytes::from_static(b"unknown\n"))).unwrap();
    sender.try_send(Slice::End).unwrap();
    owner.keeper.snapshot(mark, receiver).await.unwrap();
    let error = journal(&store, 2).claim("b", &mut Values::default()).await.expect_err("refused");
    assert!(matches!(error, ClaimError::Walk(walk::Error::Snapshot { at: position, .. }) if position == at(1, 4)));
}

/// The chain of hashes goes on from the record that the snapshot ends with.
#[tokio::test]
async fn l23_the_chain_goes_on_behind_a_snapshot() {
    let (store, mut owner, mark) = serving().await;
    snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await.unwrap();
    commit(&mut owner.appender, 4).await;
    assert_eq!(read(&store).await.all, [1, 2, 3, 4]);
    let name = slot_name(1, 5);
    let Ok(Slot::Data(mut header, lines)) = batch::decode(&name, 3, at(1, 5), &store.objects()[&name]) else {
        panic!("a batch");
    };
    header.previous = Digest::of(b"another history");
    store.change(|objects| {
        objects.insert(name, batch::encode(&header, &lines, 1).unwrap());
    });
    let error = journal(&store, 2).claim("b", &mut Values::default()).await.expect_err("chain");
    assert!(matches!(error, ClaimError::Walk(walk::Error::Corrupt(Corrupt::BrokenChain { .. }))), "{error}");
}
