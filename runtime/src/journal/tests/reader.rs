use super::*;
use crate::journal::alarm::Corrupt;
use crate::journal::reader::Error;
use crate::journal::walk;

#[tokio::test]
async fn j9_a_reader_creates_nothing() {
    let store = Arc::new(Scripted::default());
    assert!(read(&store).await.all.is_empty());
    let (mut owner, _) = claim(&store, 1).await;
    commit(&mut owner.appender, 1).await;
    store.calls();
    let before = store.objects();
    let mut values = Values::default();
    assert_eq!(journal(&store, 9).read(&mut values).await.unwrap(), at(1, 2));
    assert_eq!(values.all, [1]);
    assert_eq!(store.objects(), before);
    assert!(store.calls().iter().all(|op| matches!(op, Op::Get | Op::List)));
}

/// While a reader stands before a slot, it is written, snapshotted and collected, and so looks free.
#[tokio::test]
async fn j9_l24_a_reader_looks_at_the_manifest_again() {
    let store = Arc::new(Scripted::default());
    let (mut owner, _) = claim(&store, 1).await;
    commit(&mut owner.appender, 1).await;
    let later = Arc::new(Scripted::of(store.objects()));
    let (mut new, values) = claim(&later, 2).await;
    let mark = commit(&mut new.appender, 2).await;
    snapshot(&mut new.keeper, new.start, &values.all).await.unwrap();
    snapshot(&mut new.keeper, mark, &[1, 2]).await.unwrap();
    new.keeper.collect().await.unwrap();
    let later = later.objects();
    store.before(Op::Get, &slot_name(1, 2), 0, |objects| *objects = later);
    let values = read(&store).await;
    assert_eq!(values.all, [1, 2]);
    assert_eq!(values.resets, 2, "it began again from the new snapshot");
}

/// The snapshot that a reader has just been told of is collected under its feet.
#[tokio::test]
async fn j9_a_missing_snapshot_is_looked_for_in_the_manifest_again() {
    let store = Arc::new(Scripted::default());
    let (mut owner, _) = claim(&store, 1).await;
    let mark = commit(&mut owner.appender, 1).await;
    snapshot(&mut owner.keeper, mark, &[1]).await.unwrap();
    let later = Arc::new(Scripted::of(store.objects()));
    let (mut new, _) = claim(&later, 2).await;
    for value in [2, 3] {
        let mark = commit(&mut new.appender, value).await;
        snapshot(&mut new.keeper, mark, &(1..=value).collect::<Vec<_>>()).await.unwrap();
    }
    assert_eq!(new.keeper.collect().await.unwrap().snapshots, 1);
    let later = later.objects();
    store.before(Op::Get, "snapshots/", 0, |objects| *objects = later);
    assert_eq!(read(&store).await.all, [1, 2, 3]);
}

#[tokio::test]
async fn l23_a_reader_verifies_and_names_the_damage() {
    let store = Arc::new(Scripted::default());
    let (mut owner, _) = claim(&store, 1).await;
    commit(&mut owner.appender, 1).await;
    store.change(|objects| {
        let mut bytes = objects[&slot_name(1, 2)].to_vec();
        let last = bytes.len() - 2;
        bytes[last] ^= 1;
        objects.insert(slot_name(1, 2), bytes.into());
    });
    match journal(&store, 9).read(&mut Values::default()).await {
        Err(Error::Walk(walk::Error::Corrupt(Corrupt::Undecodable { name, .. }))) => {
            assert_eq!(name, slot_name(1, 2))
        }
        other => panic!("{other:?}"),
    }
}
