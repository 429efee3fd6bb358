use super::*;
use crate::journal::batch;
use crate::journal::garbage::{Collected, Fate, fates};
use crate::journal::keeper::Error;

const LOG: &str = "test/partitions/0003/log/";

/// Snapshots the state at every mark given, in order.
async fn snapshots(keeper: &mut Keeper, marks: &[(Mark, &[u64])]) {
    for (mark, state) in marks {
        snapshot(keeper, *mark, state).await.unwrap();
    }
}

/// Two epochs; snapshots at 2/2 and 2/3.
async fn two_epochs(store: &Arc<Scripted>) -> Owner {
    let (mut old, _) = claim(store, 1).await;
    commit(&mut old.appender, 1).await;
    commit(&mut old.appender, 2).await;
    let (mut new, _) = claim(store, 2).await;
    let first = commit(&mut new.appender, 3).await;
    let second = commit(&mut new.appender, 4).await;
    commit(&mut new.appender, 5).await;
    snapshots(&mut new.keeper, &[(first, &[1, 2, 3]), (second, &[1, 2, 3, 4])]).await;
    new
}

fn slots(store: &Scripted) -> Vec<String> {
    store
        .names(LOG)
        .iter()
        .map(|name| name.split('/').map(|part| part.trim_start_matches('0')).collect::<Vec<_>>().join("/"))
        .collect()
}

#[tokio::test]
async fn j8_records_up_to_the_second_newest_snapshot_go_and_seals_stay() {
    let store = Arc::new(Scripted::default());
    let mut owner = two_epochs(&store).await;
    let collected = owner.keeper.collect().await.unwrap();
    // Records 1/1, 1/2, 1/3, 2/1, 2/2 go; with K = 1 all versions but the newest of four.
    assert_eq!(collected, Collected { slots: 5, snapshots: 0, versions: 3, pages: 0 });
    assert_eq!(slots(&store), ["1/4", "2/3", "2/4"]);
    assert_eq!(store.objects()[&slot_name(1, 4)], batch::seal());
    let (mut owner, values) = claim(&store, 3).await;
    assert_eq!(values.all, [1, 2, 3, 4, 5]);
    // The third snapshot makes the first garbage.
    snapshot(&mut owner.keeper, owner.start, &values.all).await.unwrap();
    assert_eq!(owner.keeper.collect().await.unwrap().snapshots, 1);
    assert_eq!(read(&store).await.all, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn j8_garbage_is_an_hour_late() {
    let store = Arc::new(Scripted::default());
    let late = Settings { garbage_late: Duration::from_secs(3600), ..small() };
    let journal = Journal::new(store.clone(), ids(1), "test", 3, late);
    let mut owner = journal.claim("node", &mut Values::default()).await.unwrap();
    let first = commit(&mut owner.appender, 1).await;
    let second = commit(&mut owner.appender, 2).await;
    snapshots(&mut owner.keeper, &[(first, &[1]), (second, &[1, 2])]).await;
    assert_eq!(owner.keeper.collect().await.unwrap(), Collected::default());
    tokio::time::advance(Duration::from_secs(3599)).await;
    // A boundary that comes now is not an hour old in a second.
    let third = commit(&mut owner.appender, 3).await;
    snapshots(&mut owner.keeper, &[(third, &[1, 2, 3])]).await;
    assert_eq!(owner.keeper.collect().await.unwrap(), Collected::default());
    tokio::time::advance(Duration::from_secs(1)).await;
    let collected = owner.keeper.collect().await.unwrap();
    assert_eq!((collected.slots, collected.snapshots), (2, 0));
    assert_eq!(slots(&store), ["1/3", "1/4"]);
    tokio::time::advance(Duration::from_secs(3600)).await;
    let collected = owner.keeper.collect().await.unwrap();
    assert_eq!((collected.slots, collected.snapshots), (1, 1));
}

/// With no second snapshot there is no boundary.
#[tokio::test]
async fn j8_the_newest_snapshot_is_no_boundary() {
    let store = Arc::new(Scripted::default());
    let (mut owner, _) = claim(&store, 1).await;
    let mark = commit(&mut owner.appender, 1).await;
    snapshots(&mut owner.keeper, &[(mark, &[1])]).await;
    assert_eq!(owner.keeper.collect().await.unwrap().slots, 0);
}

#[tokio::test]
async fn j8_a_deposed_keeper_deletes_nothing() {
    let store = Arc::new(Scripted::default());
    let mut owner = two_epochs(&store).await;
    claim(&store, 3).await;
    let before = store.objects();
    assert!(matches!(owner.keeper.collect().await, Err(Error::Deposed(_))));
    assert_eq!(store.objects(), before);
}

/// A snapshot object that no manifest names yet is told by its position.
#[tokio::test]
async fn j8_a_snapshot_not_yet_named_is_kept() {
    let store = Arc::new(Scripted::default());
    let mut owner = two_epochs(&store).await;
    let name = |epoch, slot| format!("test/partitions/0003/snapshots/{epoch:020}-{slot:020}-0");
    store.change(|objects| {
        for (epoch, slot) in [(1, 3), (2, 2), (2, 4)] {
            objects.insert(name(epoch, slot), Bytes::new());
        }
    });
    assert_eq!(owner.keeper.collect().await.unwrap().snapshots, 1);
    assert!(!store.has(&name(1, 3)));
    assert!(store.has(&name(2, 2)) && store.has(&name(2, 4)));
}

#[tokio::test(start_paused = true)]
async fn deletes_without_an_answer_are_left_for_the_next_time() {
    let store = Arc::new(Scripted::default());
    let mut owner = two_epochs(&store).await;
    store.on(Op::Delete, "log/", Fault::LoseBefore);
    store.on(Op::Delete, "log/", Fault::HangBefore);
    assert_eq!(owner.keeper.collect().await.unwrap().slots, 3);
    assert_eq!(owner.keeper.collect().await.unwrap().slots, 2);
    assert_eq!(slots(&store), ["1/4", "2/3", "2/4"]);
}

/// A late walk sealed a slot that was collected: its neighbours are gone, so it is read and kept.
#[tokio::test]
async fn j8_a_seal_in_a_collected_slot_is_read_and_kept() {
    let store = Arc::new(Scripted::default());
    let mut owner = two_epochs(&store).await;
    owner.keeper.collect().await.unwrap();
    store.change(|objects| {
        objects.insert(slot_name(1, 2), batch::seal());
        // A record that a late create brought back.
        objects.insert(slot_name(2, 1), Bytes::from_static(b"record"));
    });
    assert_eq!(owner.keeper.collect().await.unwrap().slots, 1);
    assert_eq!(slots(&store), ["1/2", "1/4", "2/3", "2/4"]);
}

#[test]
fn j8_the_last_of_an_epoch_is_never_deleted_unread() {
    let slots = [at(1, 1), at(1, 2), at(1, 4), at(2, 1), at(3, 1), at(3, 2), at(3, 3)];
    let expected = [Fate::Delete(at(1, 1)), Fate::Read(at(1, 2)), Fate::Delete(at(3, 1)), Fate::Delete(at(3, 2))];
    assert_eq!(fates(&slots, at(3, 2)), expected);
    assert_eq!(fates(&slots[..6], at(3, 2)).len(), 3, "the boundary itself may be the last");
    assert!(fates(&slots, at(1, 0)).is_empty());
}

const ARCHIVE: &str = "test/partitions/0003/archive/";

/// An owner that collects that late, and pages with these numbers.
async fn with_pages(store: &Arc<Scripted>, late: Duration, pages: &[u64]) -> Owner {
    let journal = Journal::new(store.clone(), ids(1), "test", 3, Settings { garbage_late: late, ..small() });
    for page in pages {
        journal.archive().put(*page, &[]).await.unwrap();
    }
    journal.claim("node", &mut Values::default()).await.unwrap()
}

fn pages(store: &Scripted) -> Vec<u64> {
    store.names(ARCHIVE).iter().map(|name| name.rsplit('/').next().unwrap().parse().unwrap()).collect()
}

/// The moment when it was forgotten counts, not the one when somebody looked: a page that is forgotten now is not an hour
/// old in a second.
#[tokio::test(start_paused = true)]
async fn forgotten_pages_go_an_hour_late() {
    let store = Arc::new(Scripted::default());
    let mut owner = with_pages(&store, Duration::from_secs(3600), &[1, 2, 3, 5, 6, 9]).await;
    owner.keeper.forgotten_before(5);
    assert_eq!(owner.keeper.collect().await.unwrap().pages, 0);
    tokio::time::advance(Duration::from_secs(3599)).await;
    owner.keeper.forgotten_before(6);
    assert_eq!(owner.keeper.collect().await.unwrap().pages, 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!((owner.keeper.collect().await.unwrap().pages, pages(&store)), (3, vec![5, 6, 9]));
    tokio::time::advance(Duration::from_secs(3599)).await;
    assert_eq!(owner.keeper.collect().await.unwrap().pages, 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!((owner.keeper.collect().await.unwrap().pages, pages(&store)), (1, vec![6, 9]));
}

/// What an owner of long ago still writes is below the first page that is kept, and goes with the next that are forgotten.
#[tokio::test]
async fn a_page_that_comes_late_goes_with_the_next() {
    let store = Arc::new(Scripted::default());
    let mut owner = with_pages(&store, Duration::ZERO, &[1, 2, 3]).await;
    owner.keeper.forgotten_before(2);
    assert_eq!(owner.keeper.collect().await.unwrap().pages, 1);
    journal(&store, 2).archive().put(1, &[]).await.unwrap();
    owner.keeper.forgotten_before(1); // an older word of it changes nothing
    assert_eq!((owner.keeper.collect().await.unwrap().pages, pages(&store)), (0, vec![1, 2, 3]));
    owner.keeper.forgotten_before(3);
    assert_eq!((owner.keeper.collect().await.unwrap().pages, pages(&store)), (2, vec![3]));
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_delete_has_no_answer_is_left_for_the_next_time() {
    let store = Arc::new(Scripted::default());
    let mut owner = with_pages(&store, Duration::ZERO, &[1, 2, 3]).await;
    owner.keeper.forgotten_before(3);
    store.on(Op::Delete, "archive/", Fault::LoseBefore);
    assert_eq!(owner.keeper.collect().await.unwrap().pages, 1);
    assert_eq!((owner.keeper.collect().await.unwrap().pages, pages(&store)), (1, vec![3]));
}

#[tokio::test]
async fn a_deposed_keeper_deletes_no_page() {
    let store = Arc::new(Scripted::default());
    let mut owner = with_pages(&store, Duration::ZERO, &[1, 2, 3]).await;
    owner.keeper.forgotten_before(3);
    claim(&store, 3).await;
    assert!(matches!(owner.keeper.collect().await, Err(Error::Deposed(_))));
    assert_eq!(pages(&store), [1, 2, 3]);
}
