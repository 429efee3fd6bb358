use super::*;
use crate::journal::survey::Survey;
use crate::journal::walk;

async fn surveyed(store: &Arc<Scripted>) -> Survey {
    let mut survey = Survey::default();
    journal(store, 70).survey(&mut survey).await.expect("answers");
    survey
}

/// Two epochs, with a snapshot, twenty values in the first and two in the second.
async fn two_epochs() -> Arc<Scripted> {
    let store = Arc::new(Scripted::default());
    let (mut owner, _) = claim(&store, 1).await;
    for value in 1..=20 {
        let mark = commit(&mut owner.appender, value).await;
        if value == 3 {
            snapshot(&mut owner.keeper, mark, &[1, 2, 3]).await.expect("a snapshot");
        }
    }
    let (mut owner, _) = claim(&store, 2).await;
    commit(&mut owner.appender, 21).await;
    commit(&mut owner.appender, 22).await;
    store
}

fn of_journal(store: &Scripted) -> Vec<(String, Bytes)> {
    store.objects().into_iter().filter(|(name, _)| !name.contains("/manifest/")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_journal_without_a_fault_is_read_object_by_object() {
    let store = two_epochs().await;
    let survey = surveyed(&store).await;
    assert_eq!(survey.faults, []);
    let all = of_journal(&store);
    let bytes = all.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    assert_eq!((survey.objects, survey.bytes), (all.len() as u64, bytes));
    // Twenty values, an ownership and a seal; an ownership and two values; a snapshot.
    assert_eq!(survey.objects, 26);
}

/// Whatever byte is changed in whatever object, that object is named, and at most the one behind it.
#[tokio::test(start_paused = true)]
async fn every_damaged_object_is_named() {
    let whole = two_epochs().await;
    for (name, bytes) in of_journal(&whole) {
        let store = Arc::new(Scripted::of(whole.objects()));
        let mut damaged = bytes.to_vec();
        *damaged.last_mut().expect("it is not empty") ^= 1;
        store.change(|objects| drop(objects.insert(name.clone(), damaged.into())));
        let faults = surveyed(&store).await.faults;
        assert_eq!(faults.first().map(|(name, _)| name), Some(&name), "{faults:?}");
        let behind = faults.get(1).map(|(name, _)| name);
        assert!(faults.len() <= 2 && behind.is_none_or(|behind| *behind > name), "{faults:?}");
    }
}

/// A record that was replaced by one that is whole is told by the one behind it.
#[tokio::test(start_paused = true)]
async fn a_record_that_does_not_follow_the_one_before_it_is_named() {
    let (ours, theirs) = (two_epochs().await, Arc::new(Scripted::default()));
    let (mut owner, _) = claim(&theirs, 1).await;
    for value in 101..=106 {
        commit(&mut owner.appender, value).await;
    }
    let (changed, behind) = (slot_name(1, 5), slot_name(1, 6));
    let theirs = theirs.objects()[&changed].clone();
    ours.change(|objects| drop(objects.insert(changed.clone(), theirs)));
    let faults = surveyed(&ours).await.faults;
    let names: Vec<&String> = faults.iter().map(|(name, _)| name).collect();
    assert_eq!(names, [&changed, &behind]);
    assert!(
        faults
            .iter()
            .all(|(_, reason)| reason.starts_with("follows ") && reason.contains("but the record before it is"))
    );
    // One that is gone is no fault of those around it: it may have been collected.
    let store = two_epochs().await;
    store.change(|objects| drop(objects.remove(&slot_name(1, 5))));
    assert_eq!(surveyed(&store).await.faults, []);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_name_of_ours_is_named() {
    let store = two_epochs().await;
    let log = "test/partitions/0003/log/note.txt".to_owned();
    let snapshots = "test/partitions/0003/snapshots/note.txt".to_owned();
    store.change(|objects| {
        objects.insert(log.clone(), Bytes::from_static(b"a"));
        objects.insert(snapshots.clone(), Bytes::from_static(b"b"));
    });
    let survey = surveyed(&store).await;
    let told = |name: &String, what: &str| (name.clone(), format!("is no name of a {what}"));
    assert_eq!(survey.faults, [told(&log, "slot"), told(&snapshots, "snapshot")]);
    assert_eq!(survey.objects, 28);
}

#[tokio::test(start_paused = true)]
async fn what_is_collected_meanwhile_is_no_fault_and_a_store_that_is_away_is_an_error() {
    let store = two_epochs().await;
    store.before(Op::Get, &slot_name(1, 2), 0, |objects| drop(objects.remove(&slot_name(1, 2))));
    // Its bytes are read, and then it is loaded.
    store.before(Op::Get, "/snapshots/", 1, |objects| objects.retain(|name, _| !name.contains("/snapshots/")));
    let survey = surveyed(&store).await;
    assert_eq!((survey.objects, survey.faults), (25, vec![]));
    let slot = slot_name(1, 7);
    for (op, part, skip) in
        [(Op::List, "/log/", 0), (Op::Get, &*slot, 0), (Op::List, "/snapshots/", 0), (Op::Get, "/snapshots/", 1)]
    {
        // Once is looked at again.
        let store = two_epochs().await;
        store.on_nth(op, part, skip, Fault::LoseBefore);
        assert_eq!(surveyed(&store).await.objects, 26);
        (0..8).for_each(|_| store.on_nth(op, part, skip, Fault::LoseBefore));
        let away = journal(&store, 70).survey(&mut Survey::default()).await;
        assert!(matches!(away, Err(walk::Error::Unavailable { .. })), "{op:?} {part}: {away:?}");
    }
}
